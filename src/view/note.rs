//! One short sentence on each job: what it waits for, or how it ended (U7, R-24, R-45).

use crate::model::job::{Contact, Job, Silence};
use crate::model::status::{DiskStatus, JobStatus};
use crate::model::time::Wall;

use super::paint::Tone;
use super::units;

/// Seconds without a refreshed contact after which "fresh" is no longer believed: the daemon that would have changed the
/// word is not running.
const BELIEVED_SECONDS: u64 = 300;

/// A sentence and how it is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// The sentence.
    pub text: String,
    /// How it is meant.
    pub tone: Tone,
}

fn note(text: impl Into<String>, tone: Tone) -> Note {
    Note { text: text.into(), tone }
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
        return Some(note(format!("stalled, mover silent for {}", units::age(since, now)), Tone::Warn));
    }
    if !job.disks.is_empty() && job.disks.iter().all(|disk| disk.status == DiskStatus::Completed) {
        return Some(note("all known disks done, waiting for finish", Tone::Plain));
    }
    match (job.contact, job.source_updated_at) {
        (Contact::Late, _) => Some(note("late, the last poll brought nothing", Tone::Plain)),
        (_, None) => Some(note("waiting for the first report", Tone::Plain)),
        _ => None,
    }
}

fn silence(job: &Job, now: Wall) -> Option<Note> {
    let lasting = |what: &str| {
        let text = match job.last_contact_at {
            Some(at) => format!("{what} for {}", units::age(at, now)),
            None => format!("{what}, never reached yet"),
        };
        note(text, Tone::Warn)
    };
    match job.contact {
        Contact::Lost => Some(lasting("contact lost")),
        Contact::Silent(Silence::TunnelDown) => Some(lasting("tunnel down")),
        Contact::Silent(Silence::VmaUnreachable) => Some(lasting("VMA unreachable")),
        Contact::Silent(Silence::JobUnknown) if job.source_updated_at.is_none() => {
            Some(note("waiting until the VMA knows the job", Tone::Plain))
        }
        Contact::Silent(Silence::JobUnknown) => Some(note("the VMA no longer knows the job", Tone::Warn)),
        Contact::Fresh | Contact::Late if !is_live(job, now) => Some(lasting("not polled")),
        Contact::Fresh | Contact::Late => None,
    }
}

/// False where the row is so old that its rate and remaining time mean nothing: its daemon does not run.
pub fn is_live(job: &Job, now: Wall) -> bool {
    job.last_contact_at.is_none_or(|at| now.seconds_since(at) <= BELIEVED_SECONDS)
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
