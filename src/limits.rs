//! Every bound in waybill, one constant each, with the reason for its size.
//!
//! Past a bound the caller gets a clear error; nothing that is still running is evicted to make room.

/// Bytes in any id (job, disk, export, alias, VMA name) after percent-decoding.
pub const ID_BYTES: usize = 255;
/// Disks of one job: four SCSI controllers of 64 disks each is what vSphere allows.
pub const DISKS_PER_JOB: usize = 256;
/// Declared aliases of one job, export names not counted.
pub const ALIASES_PER_JOB: usize = 64;
/// Unfinished jobs that one VMA carries, or one OMA tracks.
pub const UNFINISHED_JOBS: usize = 20_000;
/// Finished jobs that a VMA still answers for; the oldest goes first.
pub const FINISHED_JOBS: usize = 20_000;
/// Bytes of a free text (label, VM path, error) that is kept; longer texts are cut at a character and marked.
pub const TEXT_BYTES: usize = 4096;
/// Different unknown texts of one job that become an event each (`wire.md`); later ones are not recorded.
pub const UNKNOWN_TEXTS_PER_JOB: usize = 32;
/// Different refused transitions of one job that become an event each; later ones are not recorded. The same
/// bound holds for every other kind of entry that is written once, each by itself.
pub const REFUSALS_PER_JOB: usize = 32;

/// Change ids that the OMA refuses, of which a VMA knows that their jobs' logs have it; further ones are refused untold.
pub const REFUSED_CHANGE_IDS: usize = 1024;
/// Questions for a change id that the OMA could not be asked and whose job is not known yet; the oldest gives way (F38).
pub const UNCLAIMED_LOOKS: usize = 256;

/// Bytes of an HTTP head, request line included.
pub const HEAD_BYTES: usize = 16 * 1024;
/// Bytes of a request's target (RFC 9112, section 3, asks for room for a request line of 8000).
pub const TARGET_BYTES: usize = 8 * 1024;
/// Fields in an HTTP head.
pub const HEAD_FIELDS: usize = 64;
/// Bytes of an HTTP request body: a declaration of [`DISKS_PER_JOB`] disks fits four times over.
pub const BODY_BYTES: usize = 1024 * 1024;
/// Bytes of chunk extensions and trailer fields in one chunked body; both are skipped.
pub const CHUNK_EXTRA_BYTES: usize = 4 * 1024;
/// Jobs and disks together in one answer to a list request; about 5 MB of JSON. The rest comes with the next.
pub const LISTED_ENTRIES: usize = 8000;
/// Bytes of an answer that the OMA reads from a VMA: a list of [`LISTED_ENTRIES`] and a last job fits.
pub const ANSWER_BYTES: usize = 16 * 1024 * 1024;
/// Elements of one answer of vCenter; 20 MB at most. A VM of [`DISKS_PER_JOB`] disks with 32 snapshots each has 170,000.
pub const XML_ELEMENTS: usize = 250_000;
/// Elements of such an answer within each other; VMware's have about 15.
pub const XML_DEPTH: usize = 64;
/// Bytes of the file with the certificates that are trusted; a public root store has 200 kB.
pub const AUTHORITY_BYTES: u64 = 1024 * 1024;
/// Jobs that vCenter is asked about at a time; the rest waits.
pub const PLANS_AT_A_TIME: usize = 4;
/// Pages of one disk's areas: 62 TiB of which every second block of 64 KiB has changed are 260,000 pages of 2000 areas.
pub const AREA_PAGES: u64 = 1_000_000;
/// Areas that may reach beyond the pages they came in; VMware's own end with their page.
pub const AREAS_AHEAD: usize = 10_000;
/// Parts in which vCenter may hand over the properties of one VM.
pub const PROPERTY_PARTS: usize = 200;
/// Snapshots of one VM of which it is asked whether they were made before change tracking.
pub const SNAPSHOTS_PER_VM: usize = 128;
/// Entries of a job's log in one answer; the rest comes with the next.
pub const LOG_ENTRIES: usize = 200;
/// Bytes of such an answer at which it takes no further entry in: far below [`ANSWER_BYTES`].
pub const LOG_BYTES: usize = 1024 * 1024;
/// Bytes of one entry's attributes that cross the tunnel: two texts of [`TEXT_BYTES`] of which each byte is escaped fit.
pub const ATTRIBUTES_BYTES: usize = 64 * 1024;
/// Reads of VMAs' logs on the way at a time: half of [`CONNECTIONS_PER_VMA`], because polls come first.
pub const LOG_READS: usize = 16;
/// Ended jobs whose VMA's log is still to be read to its end; the log of a further one is given up, which its own tells.
pub const LAST_LOGS: usize = 4096;
/// Connections that a listener serves at a time; further ones wait in the kernel's backlog.
pub const CONNECTIONS: usize = 512;
/// Idle connections that the OMA keeps to one VMA.
pub const KEPT_CONNECTIONS_PER_VMA: usize = 4;
/// Polls on the way to one VMA at a time; further ones wait their turn inside their own time limit.
pub const CONNECTIONS_PER_VMA: usize = 32;
/// Connections at port 443 of one owner of certificates: a few of an operator's, and the links of a VMA that replace each
/// other. The rest of [`CONNECTIONS`] is for all others.
pub const CONNECTIONS_PER_PEER: usize = 32;
/// Connections at a time of those who have a token and no certificate.
pub const APPLICANTS: usize = 16;
/// Streams of one link at a time, of both sides: [`CONNECTIONS_PER_VMA`] one way, the change-id calls the other.
pub const STREAMS_PER_LINK: usize = 128;

/// Events that the loop takes in one wake-up, which is one transaction.
pub const EVENTS_PER_WAKEUP: usize = 512;
/// Changes that wait for a database that cannot be written; at this many the polls pause.
pub const UNWRITTEN_CHANGES: usize = 50_000;
