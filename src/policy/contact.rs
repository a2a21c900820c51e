//! The two clocks of R-23 and the four silences of R-24, for one job.
//!
//! *Contact* is the time since the VMA last answered for the job, with a document or with a 404. *Document* is the time
//! since its last valid document. Both are monotonic: a wall clock that jumps fails nobody.

use std::time::Duration;

use crate::model::job::{Contact, Silence};
use crate::model::time::{Mono, Now, Wall};

/// Why a poll brought no document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Miss {
    /// The VMA answered 404: it does not know the job. This is contact.
    Unknown,
    /// No answer: the text names the phase and the cause.
    Unreachable(String),
    /// An answer that is not the document: no contact (F6).
    Rubbish(String),
}

impl Miss {
    /// The kind of silence that three of these are.
    pub fn silence(&self) -> Silence {
        match self {
            Self::Unknown => Silence::JobUnknown,
            Self::Unreachable(_) | Self::Rubbish(_) => Silence::VmaUnreachable,
        }
    }
    /// What happened, for people.
    pub fn text(&self) -> String {
        match self {
            Self::Unknown => "the VMA answers that it does not know the job (404)".to_owned(),
            Self::Unreachable(why) => why.clone(),
            Self::Rubbish(why) => format!("the answer is not a progress document: {why}"),
        }
    }
}

/// Misses in a row that are only `late`.
const LATE_MISSES: u32 = 2;

/// What is known of the contact with one job's source.
#[derive(Debug, Clone)]
pub struct ContactClock {
    contact: Mono,
    contact_wall: Wall,
    document: Mono,
    misses: u32,
    failures: u32,
    unknowns: u32,
    last_miss: Option<Miss>,
}

impl ContactClock {
    /// Both windows start now: when a job is tracked, and afresh after a restart of the OMA.
    pub fn start(now: Now) -> Self {
        let (contact, contact_wall) = (now.mono, now.wall);
        Self { contact, contact_wall, document: now.mono, misses: 0, failures: 0, unknowns: 0, last_miss: None }
    }
    /// The VMA answered with a valid document.
    pub fn answered(&mut self, now: Now) {
        *self = Self::start(now);
    }
    /// A poll brought none.
    pub fn missed(&mut self, now: Now, miss: Miss) {
        self.misses = self.misses.saturating_add(1);
        if miss == Miss::Unknown {
            (self.contact, self.contact_wall) = (now.mono, now.wall);
            self.failures = 0;
            self.unknowns = self.unknowns.saturating_add(1);
        } else {
            self.failures = self.failures.saturating_add(1);
        }
        self.last_miss = Some(miss);
    }
    /// How the contact stands.
    pub fn state(&self) -> Contact {
        match &self.last_miss {
            None => Contact::Fresh,
            Some(_) if self.misses <= LATE_MISSES => Contact::Late,
            Some(miss) => Contact::Silent(miss.silence()),
        }
    }
    /// Polls in a row without contact, for the backoff.
    pub fn failures(&self) -> u32 {
        self.failures
    }
    /// How long the VMA has not answered for the job.
    pub fn silent_for(&self, now: Now) -> Duration {
        now.mono.since(self.contact)
    }
    /// When the contact will be too old.
    pub fn lost_at(&self, lost_after: Duration) -> Mono {
        self.contact + lost_after
    }
    /// Why the silence fails the job, if it does by now. `was_seen`: the job has had a document beyond Queued.
    pub fn loss(&self, now: Now, lost_after: Duration, was_seen: bool) -> Option<String> {
        let last = self.last_miss.as_ref().map_or_else(|| "no poll came to an end".to_owned(), Miss::text);
        if self.silent_for(now) >= lost_after {
            return Some(format!(
                "VMA communication timeout exceeded: no contact since {} ({} s), {} tries, last error: {last}",
                self.contact_wall,
                self.silent_for(now).as_secs(),
                self.failures,
            ));
        }
        let is_unknown = self.last_miss == Some(Miss::Unknown) && was_seen;
        let age = now.mono.since(self.document);
        (is_unknown && age >= lost_after).then(|| {
            format!(
                "job_unknown: the VMA knew this job and has answered 404 to {} polls; its last document is {} s old; \
                 check whether the VMA's database was replaced",
                self.unknowns,
                age.as_secs()
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOST_AFTER: Duration = Duration::from_secs(300);

    fn now(seconds: u64) -> Now {
        Now { mono: Mono::from_millis(seconds * 1000), wall: Wall::from_unix_millis(seconds as i64 * 1000) }
    }

    fn unreachable() -> Miss {
        Miss::Unreachable("connect: refused".to_owned())
    }

    #[test]
    fn one_or_two_misses_are_late_and_the_third_has_a_kind() {
        let mut clock = ContactClock::start(now(0));
        let mut states = vec![clock.state()];
        for second in 1..=3 {
            clock.missed(now(second), unreachable());
            states.push(clock.state());
        }
        clock.missed(now(4), Miss::Unknown);
        states.push(clock.state());
        clock.answered(now(5));
        states.push(clock.state());
        let silent = Contact::Silent;
        assert_eq!(
            states,
            [
                Contact::Fresh,
                Contact::Late,
                Contact::Late,
                silent(Silence::VmaUnreachable),
                silent(Silence::JobUnknown),
                Contact::Fresh
            ]
        );
    }

    #[test]
    fn five_minutes_without_contact_fail_the_job_and_say_why() {
        let mut clock = ContactClock::start(now(10));
        clock.missed(now(309), unreachable());
        assert_eq!(clock.loss(now(309), LOST_AFTER, false), None);
        let text = clock.loss(now(310), LOST_AFTER, false).expect("lost");
        assert_eq!(
            text,
            "VMA communication timeout exceeded: no contact since 1970-01-01T00:00:10.000Z (300 s), 1 tries, \
             last error: connect: refused"
        );
    }

    #[test]
    fn f04_f32_a_404_is_contact_and_never_the_end_of_a_job_that_was_not_seen() {
        let mut clock = ContactClock::start(now(0));
        for second in (0..3600).step_by(2) {
            clock.missed(now(second), Miss::Unknown);
            assert_eq!((clock.loss(now(second), LOST_AFTER, false), clock.failures()), (None, 0));
        }
        assert!(clock.loss(now(3600), LOST_AFTER, true).expect("seen before").starts_with("job_unknown"));
    }

    #[test]
    fn f06_rubbish_is_no_contact() {
        let mut clock = ContactClock::start(now(0));
        clock.missed(now(299), Miss::Rubbish("job not found".to_owned()));
        let text = clock.loss(now(300), LOST_AFTER, true).expect("lost");
        assert!(text.contains("not a progress document: job not found"), "{text}");
    }
}
