//! One short sentence on each job: what it waits for, or how it ended (U7, R-24, R-45).

use crate::model::job::{Contact, Job, Silence};
use crate::model::stage::Stage;
use crate::model::status::{DiskStatus, JobStatus};
use crate::model::time::Wall;
use crate::policy::contact;
use crate::policy::rate::WINDOW;

use super::paint::Tone;
use super::units;

/// Seconds without a refreshed contact after which "fresh" is no longer believed: the daemon that would have changed the
/// word is not running.
const BELIEVED_SECONDS: u64 = 300;

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
    /// It has failed.
    Failed,
    /// The VMA knew it and no longer does.
    Unknown,
    /// Tunnel, VMA, mover or this appliance's own daemon is silent, or such a silence has failed it.
    Silent,
}

/// How a job stands.
pub fn standing(job: &Job, now: Wall) -> Standing {
    match (job.status, job.contact) {
        (JobStatus::Succeeded, _) => Standing::Well,
        (JobStatus::Failed, Contact::Lost) => Standing::Silent,
        (JobStatus::Failed, _) => Standing::Failed,
        (_, Contact::Silent(Silence::JobUnknown)) if job.source_updated_at.is_none() => Standing::Well,
        (_, Contact::Silent(Silence::JobUnknown)) => Standing::Unknown,
        (_, Contact::Silent(_) | Contact::Lost) => Standing::Silent,
        _ if job.stalled_since.is_some() || !is_live(job, now) => Standing::Silent,
        _ => Standing::Well,
    }
}

/// The sentence on a job.
pub fn of_job(job: &Job, now: Wall) -> Note {
    match job.status {
        JobStatus::Failed => match &job.error {
            Some(error) => note(units::plain(error), Tone::Bad),
            None => note("failed, no reason was given", Tone::Bad),
        },
        JobStatus::Succeeded => match elapsed_seconds(job, now) {
            Some(seconds) => note(format!("done, took {}", units::length(seconds)), Tone::Plain),
            None => note("done", Tone::Plain),
        },
        _ => waits_for(job, now).unwrap_or_else(|| note("fresh", Tone::Plain)),
    }
}

/// What is being done for a job, or what it waits for; never neither, so that waiting and working look different (U7).
pub fn activity(job: &Job, now: Wall) -> Note {
    if job.status.is_final() {
        return of_job(job, now);
    }
    if let Some(waits) = waits_for(job, now) {
        let text = if waits.text.contains("waiting") { waits.text } else { format!("waiting: {}", waits.text) };
        return Note { text, tone: waits.tone, remedy: waits.remedy };
    }
    let is_still = job.status == JobStatus::Streaming && job.totals.throughput_bps == 0;
    let still = if is_still { ", no data moves at the moment" } else { "" };
    note(format!("working: {}{still}", job.stage.map_or("the source has not said on what", in_words)), Tone::Plain)
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
pub fn waits_for(job: &Job, now: Wall) -> Option<Note> {
    if job.status.is_final() {
        return None;
    }
    if let Some(silence) = silence(job, now) {
        return Some(silence);
    }
    if job.stalled_since.is_some() {
        let since = job.source_updated_at.or(job.stalled_since).unwrap_or(now);
        let text = format!("stalled, mover silent for {}", units::age(since, now));
        return Some(note(text, Tone::Warn).with_remedy(contact::MOVER_REMEDY));
    }
    if !job.disks.is_empty() && job.disks.iter().all(|disk| disk.status == DiskStatus::Completed) {
        let remedy = "its mover's wrapper, the change ids of all declared disks or `waybill finish` end it";
        return Some(note("all known disks done, waiting for finish", Tone::Plain).with_remedy(remedy));
    }
    match (job.contact, job.source_updated_at) {
        (_, Some(at)) if job.status == JobStatus::Streaming && is_of_source(job) && is_overdue(job, now) => {
            let text = format!("no report of the mover for {}", units::age(at, now));
            Some(note(text, Tone::Warn).with_remedy(contact::MOVER_REMEDY))
        }
        (Contact::Late, _) => Some(note("late, the last poll brought nothing", Tone::Plain)),
        (_, None) => Some(note("waiting for the first report", Tone::Plain).with_remedy(START_REMEDY)),
        _ => None,
    }
}

/// What can be done about a job that nobody has reported on.
const START_REMEDY: &str = "start its mover; it reports to the VMA under this job id or a declared name";

fn silence(job: &Job, now: Wall) -> Option<Note> {
    let lasting = |what: &str| {
        let text = match job.last_contact_at {
            Some(at) => format!("{what} for {}", units::age(at, now)),
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
        Contact::Fresh | Contact::Late if !is_live(job, now) => {
            Some(lasting("not polled").with_remedy("see whether `waybill oma` runs on this appliance"))
        }
        Contact::Fresh | Contact::Late => None,
    }
}

/// False where the row is so old that the daemon which would refresh it does not run.
fn is_live(job: &Job, now: Wall) -> bool {
    job.last_contact_at.is_none_or(|at| now.seconds_since(at) <= BELIEVED_SECONDS)
}

/// True where the rate and the remaining time of a row are those of now: the source is heard, by the OMA's polls or, in the
/// VMA's own database, by reports within the window of the rate.
pub fn has_present_rate(job: &Job, now: Wall) -> bool {
    let is_heard = matches!(job.contact, Contact::Fresh | Contact::Late) && is_live(job, now);
    is_heard && !(is_of_source(job) && is_overdue(job, now))
}

/// True for a row of the VMA's own database, which knows no polls.
fn is_of_source(job: &Job) -> bool {
    job.last_contact_at.is_none() && job.source_updated_at.is_some()
}

fn is_overdue(job: &Job, now: Wall) -> bool {
    job.source_updated_at.is_some_and(|at| now.seconds_since(at) > WINDOW.as_secs())
}

/// Seconds from the declaration at the source to the end, or to now; `None` before anything was declared.
pub fn elapsed_seconds(job: &Job, now: Wall) -> Option<u64> {
    job.started_at.map(|started| job.completed_at.unwrap_or(now).seconds_since(started))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::disk::Disk;
    use crate::model::id::{DiskId, JobId, VmaName};

    fn at(second: i64) -> Wall {
        Wall::from_unix_millis(1_795_454_040_000 + second * 1000)
    }

    fn running() -> Job {
        let id = JobId::parse("job-1").expect("an id");
        let mut job = Job::new(id, VmaName::parse("site-a").expect("a name"), at(0));
        job.status = JobStatus::Streaming;
        job.source_updated_at = Some(at(100));
        job.last_contact_at = Some(at(100));
        job
    }

    fn text(change: impl Fn(&mut Job)) -> String {
        let mut job = running();
        change(&mut job);
        of_job(&job, at(200)).text
    }

    #[test]
    fn every_kind_of_silence_has_its_own_words() {
        assert_eq!(text(|_| ()), "fresh");
        assert_eq!(text(|job| job.contact = Contact::Late), "late, the last poll brought nothing");
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
            activity(&job, at(200)).text
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
        let present = |job: &Job| has_present_rate(job, at(200));
        assert!(present(&running()), "the OMA polls it");
        let mut silent = running();
        silent.contact = Contact::Silent(Silence::VmaUnreachable);
        assert!(!present(&silent), "nobody knows what it does");
        let mut source = running();
        (source.last_contact_at, source.source_updated_at) = (None, Some(at(195)));
        assert!(present(&source), "the VMA's own row, reported on 5 s ago");
        source.source_updated_at = Some(at(189));
        assert!(!present(&source));
        assert_eq!(of_job(&source, at(200)).text, "no report of the mover for 11s");
    }

    #[test]
    fn scripts_tell_silence_from_failure() {
        let of = |change: fn(&mut Job)| {
            let mut job = running();
            change(&mut job);
            standing(&job, at(200))
        };
        assert_eq!(of(|_| ()), Standing::Well);
        assert_eq!(of(|job| job.contact = Contact::Late), Standing::Well);
        for silence in [Silence::TunnelDown, Silence::VmaUnreachable] {
            let mut job = running();
            job.contact = Contact::Silent(silence);
            assert_eq!(standing(&job, at(200)), Standing::Silent);
        }
        assert_eq!(of(|job| job.contact = Contact::Silent(Silence::JobUnknown)), Standing::Unknown);
        assert_eq!(of(|job| job.stalled_since = Some(at(190))), Standing::Silent);
        assert_eq!(standing(&running(), at(500)), Standing::Silent, "nobody polls it");
        assert_eq!(of(|job| job.status = JobStatus::Failed), Standing::Failed);
        let lost = |job: &mut Job| (job.status, job.contact) = (JobStatus::Failed, Contact::Lost);
        assert_eq!(of(lost), Standing::Silent);
        assert_eq!(of(|job| job.status = JobStatus::Succeeded), Standing::Well);
    }

    #[test]
    fn a_fresh_contact_of_a_dead_daemon_is_not_believed() {
        let job = running();
        assert_eq!(of_job(&job, at(400)).text, "fresh");
        assert_eq!(of_job(&job, at(401)).text, "not polled for 5m 01s");
    }

    #[test]
    fn done_disks_wait_for_their_job_to_be_finished() {
        let mut disk = Disk::new(DiskId::parse("disk-2000").expect("an id"));
        assert_eq!(text(|job| job.disks = vec![disk.clone()]), "fresh");
        disk.status = DiskStatus::Completed;
        assert_eq!(text(|job| job.disks = vec![disk.clone()]), "all known disks done, waiting for finish");
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
