//! When the VMA hands which waiting change id to the OMA: one at a time, the oldest first, at once where it can be,
//! and with growing pauses where it cannot. Only the OMA's own confirmation ends the waiting.
//!
//! What waits is in the database and not here, so that an OMA that is away for days costs no memory. A change id that
//! the OMA refuses for itself (its path is too long, say) holds up no other: it is passed over until the next round.

use std::collections::BTreeSet;
use std::time::Duration;

use super::backoff::Backoff;
use super::dice::Dice;
use super::journal::{Attributes, bounded};
use crate::limits;
use crate::model::change::{KnownChangeId, ReceivedChangeId};
use crate::model::event::Event;
use crate::model::id::ChangeId;
use crate::model::time::{Mono, Now, Wall};

/// How long to wait after a failure: no connection is lost here, so the pace never returns by itself.
const BACKOFF: Backoff = Backoff {
    interval: Duration::from_secs(1),
    failures_before_backoff: 2,
    longest: Duration::from_secs(30),
    lost_after: Duration::MAX,
};

/// What came of handing a change id over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Handed {
    /// The OMA has stored it.
    Taken,
    /// The OMA does not take this one, and why.
    Refused(String),
    /// The OMA could not be asked, and why.
    Failed(String),
}

/// An entry for the log of the job whose change id it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// What happened.
    pub event: Event,
    /// A sentence.
    pub message: String,
    /// Its figures.
    pub attributes: Attributes,
}

/// Where the forwarding stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// Nothing waits.
    Idle,
    /// The next one may be handed over.
    Due,
    /// Not before then.
    Pausing(Mono),
    /// One is on its way.
    Sending(i64),
}

/// The OMA has been out of reach since then, and why it was so at the last try.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Trouble {
    since: Wall,
    why: String,
}

/// The forwarding of change ids to the OMA.
#[derive(Debug)]
pub struct Forwarding {
    standing: Standing,
    /// Something came while one was on its way.
    is_woken: bool,
    /// The number after which the next one is looked for; 0 at the start of a round.
    passed: i64,
    /// Failures in a row.
    failures: u32,
    trouble: Option<Trouble>,
    /// The one that is at its turn, and how often it was tried.
    tried: (i64, u32),
    /// Those that the OMA has refused, which their jobs' logs have already.
    refused: BTreeSet<i64>,
    dice: Dice,
}

impl Forwarding {
    /// A forwarding that looks at once for what an earlier process has left.
    pub fn new(seed: u64) -> Self {
        Self {
            standing: Standing::Due,
            is_woken: false,
            passed: 0,
            failures: 0,
            trouble: None,
            tried: (0, 0),
            refused: BTreeSet::new(),
            dice: Dice::new(seed),
        }
    }

    /// The next try is made at once.
    pub fn wake(&mut self) {
        match self.standing {
            Standing::Sending(_) => self.is_woken = true,
            Standing::Idle | Standing::Due | Standing::Pausing(_) => self.standing = Standing::Due,
        }
    }

    /// A change id was added, which wakes. Where the OMA is out of reach, its job is told so now, because its turn may be
    /// long in coming.
    pub fn added(&mut self, disk: &str) -> Option<Note> {
        self.wake();
        let Trouble { since, why } = self.trouble.as_ref()?;
        Some(Note {
            event: Event::ChangeIdDelayed,
            message: format!(
                "change id of disk {:?} is kept here: the OMA has been out of reach since {since} ({why}); {REMEDY}",
                bounded(disk)
            ),
            attributes: vec![("disk", bounded(disk).into())],
        })
    }

    /// Time has passed.
    pub fn elapse(&mut self, now: Mono) {
        if let Standing::Pausing(until) = self.standing
            && until <= now
        {
            self.standing = Standing::Due;
        }
    }

    /// When to come back if nothing happens.
    pub fn next_deadline(&self) -> Option<Mono> {
        match self.standing {
            Standing::Pausing(until) => Some(until),
            Standing::Idle | Standing::Due | Standing::Sending(_) => None,
        }
    }

    /// Where one may be handed over now: the number after which the next one is to be looked for.
    pub fn due_after(&self) -> Option<i64> {
        (self.standing == Standing::Due).then_some(self.passed)
    }

    /// None was found after that number.
    pub fn none_left(&mut self, now: Mono) {
        // What was refused is offered again in the next round: the OMA may have become another.
        let has_refused = self.passed > 0;
        self.passed = 0;
        self.standing = if has_refused { Standing::Pausing(now + BACKOFF.longest) } else { Standing::Idle };
    }

    /// What waits could not be read.
    pub fn unreadable(&mut self, now: Mono) {
        self.pause(now);
    }

    /// This one is on its way.
    pub fn sending(&mut self, number: i64) {
        self.standing = Standing::Sending(number);
        self.tried = if self.tried.0 == number { (number, self.tried.1.saturating_add(1)) } else { (number, 1) };
    }

    /// What came of the one that was on its way, and what its job's log is to say of it.
    pub fn handed(&mut self, now: Now, received: &ReceivedChangeId, handed: &Handed) -> Option<Note> {
        let Standing::Sending(number) = self.standing else { return None };
        let is_woken = std::mem::take(&mut self.is_woken);
        let disk = bounded(&received.disk);
        match handed {
            Handed::Taken => {
                (self.failures, self.trouble, self.standing) = (0, None, Standing::Due);
                self.refused.remove(&number);
                let (seconds, tries) = (now.wall.seconds_since(received.received_at), u64::from(self.tried.1));
                let how = if tries == 1 { "at the first try".to_owned() } else { format!("after {tries} tries") };
                Some(Note {
                    event: Event::ChangeIdForwarded,
                    message: format!("change id of disk {disk:?} handed to the OMA {how}, {seconds} s after it came"),
                    attributes: vec![("disk", disk.into()), ("seconds", seconds.into()), ("tries", tries.into())],
                })
            }
            Handed::Refused(why) => {
                (self.failures, self.trouble, self.standing) = (0, None, Standing::Due);
                self.passed = number;
                let is_new = self.refused.len() < limits::REFUSED_CHANGE_IDS && self.refused.insert(number);
                is_new.then(|| Note {
                    event: Event::ChangeIdDelayed,
                    message: format!(
                        "the OMA does not take the change id of disk {disk:?}: {why}; it is kept here and offered again"
                    ),
                    attributes: vec![("disk", disk.into())],
                })
            }
            Handed::Failed(why) => {
                self.pause(now.mono);
                if is_woken {
                    self.standing = Standing::Due;
                }
                let is_first = self.trouble.is_none();
                let since = self.trouble.as_ref().map_or(now.wall, |trouble| trouble.since);
                self.trouble = Some(Trouble { since, why: why.clone() });
                is_first.then(|| Note {
                    event: Event::ChangeIdDelayed,
                    message: format!(
                        "change id of disk {disk:?} cannot be handed to the OMA yet: {why}; it is kept here; {REMEDY}"
                    ),
                    attributes: vec![("disk", disk.into())],
                })
            }
        }
    }

    fn pause(&mut self, now: Mono) {
        self.failures = self.failures.saturating_add(1);
        self.standing = Standing::Pausing(now + BACKOFF.delay(self.failures, Duration::ZERO, &mut self.dice));
    }
}

/// True where the OMA's remembered answer may be given out: an older id only copies more, as long as the disk's tracking
/// was not reset, and the VM not set back, since. `later` are the change ids that came of the disk after the answer.
pub fn still_holds(known: &KnownChangeId, later: &[ReceivedChangeId]) -> bool {
    let Some(point) = known.change_id.as_ref().and_then(ChangeId::point) else { return false };
    later.iter().all(|later| {
        let later = ChangeId::from_text(&later.change_id).and_then(|id| id.point());
        later.is_some_and(|later| later.uuid == point.uuid && later.counter >= point.counter)
    })
}

/// What a job's log is to say where a mover asked for a disk's last change id and the OMA could not be asked: what was
/// answered instead (F38).
pub fn unasked(disk: &str, why: &str, known: Option<&KnownChangeId>) -> Note {
    let disk = bounded(disk);
    let asked =
        format!("a mover asked for the last change id of disk {disk:?}, and the OMA could not be asked ({why})");
    let (event, message) = match known.and_then(|known| Some((known.change_id.as_ref()?, known.answered_at))) {
        Some((id, at)) => {
            let given = format!("{asked}: it was given the OMA's answer of {at}, {}", bounded(id.as_str()));
            (Event::ChangeIdRemembered, given)
        }
        None => {
            let none = format!("{asked}, nor is an earlier answer known: it copies everything");
            (Event::ChangeIdNotAsked, none)
        }
    };
    Note { event, message, attributes: vec![("disk", disk.into()), ("cause", why.into())] }
}

/// What to do while the OMA is out of reach.
const REMEDY: &str = "it is tried again at least every 30 s: bring the OMA and the way to it back, which is [tunnel], [tls] or `oma` in [changeid_spool]";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f38_a_remembered_id_is_given_out_only_while_the_disk_goes_on_from_it() {
        const A: &str = "52de0000-0000-4000-8000-000000000001";
        const B: &str = "52de0000-0000-4000-8000-000000000002";
        let id = |uuid: &str, counter: u32| format!("{uuid}/{counter}");
        let later = |change_id: String| ReceivedChangeId {
            job: "j".to_owned(),
            disk: "d".to_owned(),
            vm_path: None,
            change_id,
            previous_change_id: None,
            received_at: Wall::from_unix_millis(1),
            vma: None,
        };
        let (vm_path, disk, oma) = ("/vm".to_owned(), "d".to_owned(), "oma".to_owned());
        let change_id = ChangeId::from_text(&id(A, 5));
        let known = KnownChangeId { vm_path, disk, change_id, answered_at: Wall::from_unix_millis(0), oma };
        assert!(still_holds(&known, &[]) && still_holds(&known, &[later(id(A, 5)), later(id(A, 9))]));
        for reason in [id(B, 9), id(A, 4), "completed".to_owned()] {
            assert!(!still_holds(&known, &[later(id(A, 9)), later(reason.clone())]), "{reason}");
        }
    }

    fn at(millis: u64) -> Now {
        Now { mono: Mono::from_millis(millis), wall: Wall::from_unix_millis(i64::try_from(millis).expect("small")) }
    }

    fn received() -> ReceivedChangeId {
        ReceivedChangeId {
            job: "job-1".to_owned(),
            disk: "disk-2000".to_owned(),
            vm_path: None,
            change_id: "52 de/81".to_owned(),
            previous_change_id: None,
            received_at: Wall::from_unix_millis(0),
            vma: None,
        }
    }

    fn failed(forwarding: &mut Forwarding, now: Now, number: i64) -> Option<Note> {
        forwarding.sending(number);
        forwarding.handed(now, &received(), &Handed::Failed("connect: connection refused".to_owned()))
    }

    fn wait(forwarding: &mut Forwarding, now: &mut Now) -> Duration {
        let until = forwarding.next_deadline().expect("it pauses");
        let waited = until.since(now.mono);
        forwarding.elapse(Mono::from_millis(until.as_millis() - 1));
        assert_eq!(forwarding.due_after(), None, "not before its time");
        *now = at(until.as_millis());
        forwarding.elapse(until);
        waited
    }

    #[test]
    fn an_oma_that_is_away_is_asked_ever_less_often_and_its_jobs_are_told_once() {
        let (mut forwarding, mut now) = (Forwarding::new(1), at(0));
        let first = failed(&mut forwarding, now, 1).expect("the first failure is told");
        assert_eq!(first.event, Event::ChangeIdDelayed);
        assert!(first.message.contains("connection refused") && first.message.contains("`oma`"), "{}", first.message);
        let mut waits = vec![wait(&mut forwarding, &mut now)];
        for _ in 0..20 {
            assert_eq!(forwarding.due_after(), Some(0), "the same one again");
            assert_eq!(failed(&mut forwarding, now, 1), None, "told once");
            waits.push(wait(&mut forwarding, &mut now));
        }
        assert_eq!(waits[0], Duration::from_secs(1));
        assert!(waits.iter().all(|wait| *wait <= Duration::from_secs(30)), "{waits:?}");
        assert!(waits[10..].iter().all(|wait| *wait > Duration::from_secs(20)), "{waits:?}");
        forwarding.sending(1);
        let note = forwarding.handed(now, &received(), &Handed::Taken).expect("told");
        let seconds = now.mono.as_millis() / 1000;
        let expected =
            format!("change id of disk \"disk-2000\" handed to the OMA after 22 tries, {seconds} s after it came");
        assert_eq!((note.event, note.message), (Event::ChangeIdForwarded, expected));
        assert_eq!(forwarding.due_after(), Some(0), "the next one at once");
        forwarding.none_left(now.mono);
        assert_eq!((forwarding.due_after(), forwarding.next_deadline()), (None, None));
        assert!(failed(&mut forwarding, now, 2).is_some(), "another time of trouble is told again");
    }

    #[test]
    fn a_new_one_wakes_and_its_job_is_told_of_the_trouble() {
        let (mut forwarding, now) = (Forwarding::new(1), at(5000));
        forwarding.none_left(now.mono);
        assert_eq!(forwarding.added("disk-2000"), None);
        assert_eq!(forwarding.due_after(), Some(0));
        failed(&mut forwarding, now, 1);
        assert_eq!(forwarding.due_after(), None);
        let note = forwarding.added("disk-2001").expect("told");
        assert!(note.message.contains("1970-01-01T00:00:05.000Z") && note.message.contains("refused"), "{note:?}");
        assert_eq!(forwarding.due_after(), Some(0));
        // One that comes while another is on its way wakes as well, and is never sent beside it.
        forwarding.sending(1);
        forwarding.added("disk-2002");
        assert_eq!(forwarding.due_after(), None);
        forwarding.handed(now, &received(), &Handed::Failed("no first byte within 10 s".to_owned()));
        assert_eq!(forwarding.due_after(), Some(0));
    }

    #[test]
    fn one_that_the_oma_refuses_holds_up_no_other_and_is_offered_again() {
        let (mut forwarding, mut now) = (Forwarding::new(1), at(0));
        let refused = Handed::Refused("status 414".to_owned());
        forwarding.sending(7);
        let note = forwarding.handed(now, &received(), &refused).expect("told");
        assert!(note.message.contains("status 414"), "{note:?}");
        assert_eq!(forwarding.due_after(), Some(7), "the next one");
        forwarding.sending(9);
        assert_eq!(
            forwarding.handed(now, &received(), &Handed::Taken).map(|note| note.event),
            Some(Event::ChangeIdForwarded)
        );
        assert_eq!(forwarding.due_after(), Some(7));
        forwarding.none_left(now.mono);
        assert_eq!(wait(&mut forwarding, &mut now), Duration::from_secs(30));
        assert_eq!(forwarding.due_after(), Some(0), "a new round");
        forwarding.sending(7);
        assert_eq!(forwarding.handed(now, &received(), &refused), None, "told once");
    }
}
