//! One short sentence on each job: what it waits for, or how it ended (U7, R-24, R-45).

use crate::model::disk::Disk;
use crate::model::job::{Contact, Job, Silence};
use crate::model::stage::Stage;
use crate::model::status::{DiskStatus, JobStatus};
use crate::model::time::Wall;
use crate::policy::contact;
use crate::policy::rate::WINDOW;

use super::Moment;
use super::paint::Tone;
use super::units;

/// Seconds without a sign of life after which the OMA's daemon is taken for dead; it gives one every 10 s.
const ALIVE_SECONDS: u64 = 30;
/// Seconds of silence, or without a byte, after which a streaming job is said to be so.
const QUIET_SECONDS: u64 = 60;
/// Seconds after which a rate that nobody has written anew is one of the past: the window of a rate, and one poll.
const PRESENT_SECONDS: u64 = WINDOW.as_secs() + 5;

/// A sentence, how it is meant, and what can be done about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// The sentence.
    pub text: String,
    /// How it is meant.
    pub tone: Tone,
    /// What an operator can do, where something can be done.
    pub remedy: Option<&'static str>,
}

fn note(text: impl Into<String>, tone: Tone) -> Note {
    Note { text: text.into(), tone, remedy: None }
}

impl Note {
    fn with_remedy(self, remedy: &'static str) -> Self {
        Self { remedy: Some(remedy), ..self }
    }
}

/// How a job stands, for scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It goes on, waits for what is still to come, or has ended well.
    Well,
    /// It has failed, or a disk of it.
    Failed,
    /// The VMA knew it and no longer does.
    Unknown,
    /// Tunnel, VMA, mover or this appliance's own daemon is silent, or such a silence has failed the job.
    Silent,
}

impl Standing {
    /// The word for programs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Well => "well",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
            Self::Silent => "silent",
        }
    }
}

/// How a job stands.
pub fn standing(job: &Job, now: Moment) -> Standing {
    match (job.status, job.contact) {
        (JobStatus::Succeeded, _) => Standing::Well,
        (JobStatus::Failed, Contact::Lost) => Standing::Silent,
        (JobStatus::Failed, _) => Standing::Failed,
        _ if not_polled_since(now).is_some() => Standing::Silent,
        (_, Contact::Silent(Silence::JobUnknown)) if job.source_updated_at.is_none() => Standing::Well,
        (_, Contact::Silent(Silence::JobUnknown)) => Standing::Unknown,
        (_, Contact::Silent(_) | Contact::Lost) => Standing::Silent,
        _ if failed_disk(job).is_some() => Standing::Failed,
        _ if job.stalled_since.is_some() => Standing::Silent,
        _ => Standing::Well,
    }
}

/// Since when nobody polls: the last sign of life of the OMA's daemon, where that is too old.
pub fn not_polled_since(now: Moment) -> Option<Wall> {
    now.daemon.filter(|at| now.seconds_since(*at) > ALIVE_SECONDS)
}

/// A disk whose copy has failed and does not stream again.
fn failed_disk(job: &Job) -> Option<&Disk> {
    job.disks.iter().find(|disk| disk.status == DiskStatus::Failed)
}

/// The sentence on a job.
pub fn of_job(job: &Job, now: Moment) -> Note {
    match job.status {
        JobStatus::Failed => match &job.error {
            Some(error) => note(units::plain(error), Tone::Bad),
            None => note("failed, no reason was given", Tone::Bad),
        },
        JobStatus::Succeeded => match elapsed_seconds(job, now) {
            Some(seconds) => note(format!("done, took {}", units::length(seconds)), Tone::Plain),
            None => note("done", Tone::Plain),
        },
        _ => waits_for(job, now).unwrap_or_else(|| goes_on(job, now)),
    }
}

/// What is worth knowing of a job that simply goes on.
fn goes_on(job: &Job, now: Moment) -> Note {
    if let Some(warned) = warned(job) {
        return warned;
    }
    if let Some(phase) = without_bytes(job, now) {
        return phase;
    }
    if job.vm.path.is_empty() {
        return note(PATH_UNKNOWN, Tone::Warn).with_remedy(PATH_REMEDY);
    }
    match disks_so_far(job) {
        Some(so_far) => note(format!("ok, {so_far}"), Tone::Plain),
        None => note("ok", Tone::Plain),
    }
}

/// A job of an unknown VM: its change ids are keyed by the VM's path, and serve no later run.
pub const PATH_UNKNOWN: &str = "VM path unknown: its change ids cannot serve the next incremental";
/// What can be done about it.
pub const PATH_REMEDY: &str = "name the VM, also after the end: `waybill track JOB --vma NAME --vm PATH`";

/// The weightiest warning of a job.
fn warned(job: &Job) -> Option<Note> {
    let warning = job.warnings.first()?;
    Some(note(units::plain(&warning.text), Tone::Warn).with_remedy(warning.kind.remedy()))
}

/// A phase in which the mover reports and no byte moves, which would look stuck (U10).
fn without_bytes(job: &Job, now: Moment) -> Option<Note> {
    let began = job.started_at.filter(|_| job.totals.bytes_transferred == 0);
    let since = job.bytes_moved_at.or(began);
    let says = job.mover_says.as_deref().map(|says| format!("mover says: {}", units::plain(says)));
    let is_long = |since: &Wall| job.status == JobStatus::Streaming && now.seconds_since(*since) >= QUIET_SECONDS;
    match (since.filter(is_long), says) {
        (Some(since), Some(says)) => Some(format!("alive, no bytes for {} ({says})", units::age(since, *now))),
        (Some(since), None) => Some(format!("alive, no bytes for {}", units::age(since, *now))),
        (None, says) => says,
    }
    .map(|text| note(text, Tone::Plain))
}

/// How many disks were met, while their number is not known (F49).
pub fn disks_so_far(job: &Job) -> Option<String> {
    let count = job.disks.iter().filter(|disk| !job.is_shadowed(disk)).count();
    let is_open = !job.status.is_final() && job.known_disk_count().is_none() && count > 0;
    is_open.then(|| format!("{} so far", units::count(count, "disk")))
}

/// What is being done for a job, or what it waits for; never neither, so that waiting and working look different (U7).
pub fn activity(job: &Job, now: Moment) -> Note {
    if job.status.is_final() {
        return of_job(job, now);
    }
    if let Some(waits) = waits_for(job, now) {
        let text = if waits.text.contains("waiting") { waits.text } else { format!("waiting: {}", waits.text) };
        return Note { text, tone: waits.tone, remedy: waits.remedy };
    }
    if let Some(phase) = warned(job).or_else(|| without_bytes(job, now)) {
        return phase;
    }
    let is_still = job.status == JobStatus::Streaming && job.totals.throughput_bps == 0;
    let still = if is_still { ", no data moves at the moment" } else { "" };
    let so_far = disks_so_far(job).map_or_else(String::new, |so_far| format!(", {so_far}"));
    note(
        format!("working: {}{still}{so_far}", job.stage.map_or("the source has not said on what", in_words)),
        Tone::Plain,
    )
}

/// What is done in a stage.
fn in_words(stage: Stage) -> &'static str {
    match stage {
        Stage::Discover => "looking up the VM and its disks",
        Stage::EnableCbt => "switching on Changed Block Tracking",
        Stage::QueryCbt => "asking VMware what is to be copied",
        Stage::Snapshot => "taking the VM's snapshot",
        Stage::PrepareVolumes => "making the target volumes",
        Stage::StartExports => "starting the NBD exports",
        Stage::Transfer => "copying blocks",
        Stage::Finalize => "cleaning up after the copy",
        Stage::PersistChangeIds => "storing the change ids",
    }
}

/// What an unfinished job waits for; `None` where it is finished, or simply goes on.
pub fn waits_for(job: &Job, now: Moment) -> Option<Note> {
    if job.status.is_final() {
        return None;
    }
    if let Some(silence) = silence(job, now) {
        return Some(silence);
    }
    if let Some(disk) = failed_disk(job) {
        let why = disk.error.as_deref().map_or_else(|| "no reason was given".to_owned(), units::plain);
        let remedy = "start its mover again, or end the job: `waybill finish JOB --failed TEXT`";
        return Some(
            note(format!("disk {} failed: {why}", units::plain(disk.id.as_str())), Tone::Bad).with_remedy(remedy),
        );
    }
    if job.stalled_since.is_some() {
        let since = job.source_updated_at.or(job.stalled_since).unwrap_or(now.wall);
        let text = format!("stalled, mover silent for {}", units::age(since, *now));
        return Some(note(text, Tone::Warn).with_remedy(contact::MOVER_REMEDY));
    }
    if let Some(waits) = waits_for_end(job) {
        return Some(waits);
    }
    match (job.contact, job.source_updated_at) {
        (_, Some(at)) if is_quiet(job, now) => {
            let text = format!("mover quiet for {}", units::age(job.quiet_since.unwrap_or(at), *now));
            Some(note(text, Tone::Warn).with_remedy(contact::MOVER_REMEDY))
        }
        (Contact::Late, _) => {
            let silent = job.last_contact_at.filter(|at| now.seconds_since(*at) > 0);
            let since = silent.map_or_else(String::new, |at| format!(" for {}", units::age(at, *now)));
            Some(note(format!("late, no answer{since}"), Tone::Plain))
        }
        (_, None) => Some(note("waiting for the first report", Tone::Plain).with_remedy(START_REMEDY)),
        _ => None,
    }
}

/// A job whose disks are all done waits for what ends it, and says what that is.
fn waits_for_end(job: &Job) -> Option<Note> {
    let is_done = |disk: &&Disk| disk.status == DiskStatus::Completed;
    let mut met = job.disks.iter().filter(|disk| !job.is_shadowed(disk)).peekable();
    if met.peek().is_none() || !met.all(|disk| is_done(&disk)) {
        return None;
    }
    if let Some(warned) = warned(job) {
        return Some(warned);
    }
    let done = job.disks.iter().filter(is_done).count();
    let disks = units::count(done, "disk");
    let Some(known) = job.known_disk_count() else {
        let text = format!("{disks} done; how many there are was never declared");
        let remedy = "declare it, `waybill track JOB --vma NAME --disks N`, or end the job, `waybill finish JOB`";
        return Some(note(text, Tone::Warn).with_remedy(remedy));
    };
    if done < known {
        return Some(note(format!("{done} of {known} disks done, waiting for the next"), Tone::Plain));
    }
    let without = job.disks.iter().filter(|disk| disk.change_id.is_none()).count();
    let remedy = "its mover's wrapper, the change ids of all declared disks or `waybill finish` end it";
    let text = match without {
        0 => "all known disks done, waiting for finish".to_owned(),
        _ => format!("all known disks done, waiting for finish or {}", units::count(without, "change id")),
    };
    Some(note(text, Tone::Plain).with_remedy(remedy))
}

/// What can be done about a daemon that gives no sign of life.
const DAEMON_REMEDY: &str = "see whether `waybill oma` runs on this appliance, and what its log says of the database";
/// What can be done about a job that nobody has reported on.
const START_REMEDY: &str = "start its mover; it reports to the VMA under this job id or a declared name";

fn silence(job: &Job, now: Moment) -> Option<Note> {
    // What the row says of the VMA is of the past as well.
    if let Some(since) = not_polled_since(now) {
        let text = format!("not polled, the OMA's daemon has written nothing for {}", units::age(since, *now));
        return Some(note(text, Tone::Bad).with_remedy(DAEMON_REMEDY));
    }
    let lasting = |what: &str| {
        let text = match job.last_contact_at {
            Some(at) => format!("{what} for {}", units::age(at, *now)),
            None => format!("{what}, never reached yet"),
        };
        note(text, Tone::Warn)
    };
    let lasting_silence = |what, silence| lasting(what).with_remedy(contact::remedy(silence));
    match job.contact {
        Contact::Lost => Some(lasting("contact lost")),
        Contact::Silent(silence @ Silence::TunnelDown) => Some(lasting_silence("tunnel down", silence)),
        Contact::Silent(silence @ Silence::VmaUnreachable) => Some(lasting_silence("VMA unreachable", silence)),
        Contact::Silent(Silence::JobUnknown) if job.source_updated_at.is_none() => {
            Some(note("waiting until the VMA knows the job", Tone::Plain).with_remedy(START_REMEDY))
        }
        Contact::Silent(silence @ Silence::JobUnknown) => {
            Some(note("the VMA no longer knows the job", Tone::Warn).with_remedy(contact::remedy(silence)))
        }
        Contact::Fresh | Contact::Late => None,
    }
}

/// True where the rate and the remaining time of a row are those of now: bytes that move change the row with each poll or
/// report, so a rate in a row that stands still, or whose last poll brought nothing, is one of the past.
pub fn has_present_rate(job: &Job, now: Moment) -> bool {
    let is_written = job.totals.throughput_bps == 0 || now.seconds_since(job.updated_at) <= PRESENT_SECONDS;
    job.contact == Contact::Fresh && not_polled_since(now).is_none() && is_written
}

/// True while a streaming mover has said nothing for a minute: by the OMA's own observation, on the VMA by its last report.
fn is_quiet(job: &Job, now: Moment) -> bool {
    let is_overdue = |at: Wall| now.seconds_since(at) >= QUIET_SECONDS;
    let by_report = is_of_source(job) && job.source_updated_at.is_some_and(is_overdue);
    job.status == JobStatus::Streaming && (job.quiet_since.is_some() || by_report)
}

/// True for a row of the VMA's own database, which knows no polls.
fn is_of_source(job: &Job) -> bool {
    job.last_contact_at.is_none() && job.source_updated_at.is_some()
}

/// Seconds from the declaration at the source to the end, or to now; `None` before anything was declared.
pub fn elapsed_seconds(job: &Job, now: Moment) -> Option<u64> {
    job.started_at.map(|started| job.completed_at.unwrap_or(now.wall).seconds_since(started))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::id::{DiskId, JobId, VmaName};

    fn at(second: i64) -> Wall {
        Wall::from_unix_millis(1_795_454_040_000 + second * 1000)
    }

    /// A moment at which the daemon was alive a second before.
    fn seen(second: i64) -> Moment {
        Moment { wall: at(second), daemon: Some(at(second - 1)) }
    }

    fn running() -> Job {
        let id = JobId::parse("job-1").expect("an id");
        let mut job = Job::new(id, VmaName::parse("site-a").expect("a name"), at(0));
        job.status = JobStatus::Streaming;
        job.source_updated_at = Some(at(100));
        job.last_contact_at = Some(at(100));
        job.bytes_moved_at = Some(at(190));
        job.vm.path = "/DC0/vm/web01".to_owned();
        job
    }

    fn text(change: impl Fn(&mut Job)) -> String {
        let mut job = running();
        change(&mut job);
        of_job(&job, seen(200)).text
    }

    #[test]
    fn every_kind_of_silence_has_its_own_words() {
        assert_eq!(text(|_| ()), "ok");
        assert_eq!(text(|job| job.contact = Contact::Late), "late, no answer for 1m 40s");
        assert_eq!(text(|job| job.contact = Contact::Silent(Silence::TunnelDown)), "tunnel down for 1m 40s");
        assert_eq!(text(|job| job.contact = Contact::Silent(Silence::VmaUnreachable)), "VMA unreachable for 1m 40s");
        let never = |job: &mut Job| {
            job.contact = Contact::Silent(Silence::VmaUnreachable);
            job.last_contact_at = None;
        };
        assert_eq!(text(never), "VMA unreachable, never reached yet");
        assert_eq!(text(|job| job.contact = Contact::Silent(Silence::JobUnknown)), "the VMA no longer knows the job");
        let unseen = |job: &mut Job| {
            job.contact = Contact::Silent(Silence::JobUnknown);
            job.source_updated_at = None;
        };
        assert_eq!(text(unseen), "waiting until the VMA knows the job");
        assert_eq!(text(|job| job.stalled_since = Some(at(190))), "stalled, mover silent for 1m 40s");
        assert_eq!(text(|job| job.source_updated_at = None), "waiting for the first report");
    }

    #[test]
    fn u07_waiting_and_working_never_look_the_same() {
        let activity = |change: fn(&mut Job)| {
            let mut job = running();
            job.stage = Some(Stage::Transfer);
            job.totals.throughput_bps = 5;
            change(&mut job);
            activity(&job, seen(200)).text
        };
        assert_eq!(activity(|_| ()), "working: copying blocks");
        let still = activity(|job| job.totals.throughput_bps = 0);
        assert_eq!(still, "working: copying blocks, no data moves at the moment");
        let stalled = activity(|job| job.stalled_since = Some(at(190)));
        assert_eq!(stalled, "waiting: stalled, mover silent for 1m 40s");
        assert_eq!(activity(|job| job.source_updated_at = None), "waiting for the first report");
        let texts: Vec<&str> = Stage::ALL.into_iter().map(in_words).collect();
        assert!(texts.iter().all(|text| texts.iter().filter(|other| *other == text).count() == 1), "{texts:?}");
    }

    #[test]
    fn u05_f21_a_rate_of_the_past_is_not_shown_as_the_present_one() {
        let mut job = running();
        (job.totals.throughput_bps, job.updated_at) = (5, at(190));
        assert!(has_present_rate(&job, seen(200)), "the OMA polls it");
        assert!(!has_present_rate(&job, seen(206)), "bytes that move would have changed the row");
        let dead = Moment { daemon: Some(at(150)), ..seen(200) };
        assert!(!has_present_rate(&job, dead));
        for contact in [Contact::Late, Contact::Silent(Silence::VmaUnreachable)] {
            job.contact = contact;
            assert!(!has_present_rate(&job, seen(200)), "nobody knows what it does");
        }
        (job.contact, job.totals.throughput_bps) = (Contact::Fresh, 0);
        assert!(has_present_rate(&job, seen(206)), "a row that stays as it is says that nothing moves");
        let mut source = running();
        (source.last_contact_at, source.source_updated_at) = (None, Some(at(130)));
        assert_eq!(of_job(&source, seen(200)).text, "mover quiet for 1m 10s");
    }

    #[test]
    fn scripts_tell_silence_from_failure() {
        let of = |change: fn(&mut Job)| {
            let mut job = running();
            change(&mut job);
            standing(&job, seen(200))
        };
        assert_eq!(of(|_| ()), Standing::Well);
        assert_eq!(of(|job| job.contact = Contact::Late), Standing::Well);
        for silence in [Silence::TunnelDown, Silence::VmaUnreachable] {
            let mut job = running();
            job.contact = Contact::Silent(silence);
            assert_eq!(standing(&job, seen(200)), Standing::Silent);
        }
        assert_eq!(of(|job| job.contact = Contact::Silent(Silence::JobUnknown)), Standing::Unknown);
        assert_eq!(of(|job| job.stalled_since = Some(at(190))), Standing::Silent);
        let dead = Moment { daemon: Some(at(100)), ..seen(200) };
        assert_eq!(standing(&running(), dead), Standing::Silent, "nobody polls it");
        assert_eq!(of(|job| job.status = JobStatus::Failed), Standing::Failed);
        let lost = |job: &mut Job| (job.status, job.contact) = (JobStatus::Failed, Contact::Lost);
        assert_eq!(of(lost), Standing::Silent);
        assert_eq!(of(|job| job.status = JobStatus::Succeeded), Standing::Well);
    }

    #[test]
    fn nothing_that_a_dead_daemon_has_written_is_believed() {
        let mut job = running();
        let dead = |second| Moment { daemon: Some(at(170)), ..seen(second) };
        assert_eq!(of_job(&job, dead(200)).text, "ok");
        job.contact = Contact::Silent(Silence::TunnelDown);
        let told = of_job(&job, dead(201));
        assert_eq!(told.text, "not polled, the OMA's daemon has written nothing for 31s");
        assert_eq!(told.remedy, Some(DAEMON_REMEDY), "what to do about the tunnel would be beside the point");
        let of_vma = Moment { daemon: None, ..seen(240) };
        assert_eq!(of_job(&running(), of_vma).text, "ok", "a VMA's database has no daemon that polls");
    }

    #[test]
    fn done_disks_wait_for_their_job_to_be_finished() {
        let mut disk = Disk::new(DiskId::parse("disk-2000").expect("an id"));
        assert_eq!(text(|job| job.disks = vec![disk.clone()]), "ok, 1 disk so far");
        disk.status = DiskStatus::Completed;
        let undeclared = "1 disk done; how many there are was never declared";
        assert_eq!(text(|job| job.disks = vec![disk.clone()]), undeclared);
        disk.declared = true;
        let done = "all known disks done, waiting for finish or 1 change id";
        assert_eq!(text(|job| job.disks = vec![disk.clone()]), done);
        let counted = |job: &mut Job| (job.disks, job.disk_count) = (vec![disk.clone()], Some(2));
        assert_eq!(text(counted), "1 of 2 disks done, waiting for the next");
    }

    #[test]
    fn an_ended_job_says_how_it_ended() {
        let ended = |status, error: Option<&str>| {
            text(|job| {
                job.status = status;
                job.error = error.map(str::to_owned);
                job.contact = Contact::Lost;
                (job.started_at, job.completed_at) = (Some(at(0)), Some(at(90)));
            })
        };
        assert_eq!(ended(JobStatus::Succeeded, None), "done, took 1m 30s");
        assert_eq!(ended(JobStatus::Failed, Some("no space\nleft")), "no space left");
        assert_eq!(ended(JobStatus::Failed, None), "failed, no reason was given");
    }
}
