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
    /// The near end of the tunnel takes no connection, so that nothing was asked at all.
    NoTunnel(String),
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
            Self::NoTunnel(_) => Silence::TunnelDown,
            Self::Unreachable(_) | Self::Rubbish(_) => Silence::VmaUnreachable,
        }
    }
    /// What happened, for people.
    pub fn text(&self) -> String {
        match self {
            Self::Unknown => "the VMA answers that it does not know the job (404)".to_owned(),
            Self::NoTunnel(why) | Self::Unreachable(why) => why.clone(),
            Self::Rubbish(why) => format!("the answer is not a progress document: {why}"),
        }
    }
}

/// What an operator can do about a silence.
pub const fn remedy(silence: Silence) -> &'static str {
    match silence {
        Silence::TunnelDown => {
            "see that this VMA dials, or that the stunnel or SSH forward to it runs, and that the network lets port 443 through"
        }
        Silence::VmaUnreachable => "see on the VMA whether `waybill vma` runs, and what its log and its /health say",
        Silence::JobUnknown => {
            "see on the VMA with `waybill jobs` whether it has the job under this id, or whether its database was replaced"
        }
    }
}

/// What an operator can do about a mover that is silent while it streams.
pub const MOVER_REMEDY: &str =
    "see on the VMA whether the mover still runs and reads; if it hangs, end it and start the copy again";

/// Misses in a row that are only `late`.
const LATE_MISSES: u32 = 2;

/// What is known of the contact with one job's source.
#[derive(Debug, Clone)]
pub struct ContactClock {
    contact: Mono,
    contact_wall: Wall,
    document: Mono,
    document_wall: Wall,
    misses: u32,
    failures: u32,
    unknowns: u32,
    last_miss: Option<Miss>,
}

impl ContactClock {
    /// Both windows start now: when a job is tracked, and afresh after a restart of the OMA.
    pub fn start(now: Now) -> Self {
        Self {
            contact: now.mono,
            contact_wall: now.wall,
            document: now.mono,
            document_wall: now.wall,
            misses: 0,
            failures: 0,
            unknowns: 0,
            last_miss: None,
        }
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
    /// The story of the silence so far: since when, what was tried, what came of it, and what can be done.
    pub fn story(&self) -> Option<Story> {
        let miss = self.last_miss.as_ref()?;
        let is_unknown = *miss == Miss::Unknown;
        let tries = if is_unknown { self.unknowns } else { self.failures };
        let since = if is_unknown { self.document_wall } else { self.contact_wall };
        Some(Story { kind: miss.silence(), since, tries, last: miss.text() })
    }
    /// How long what is missed has been missing: the VMA's answer, or the job where the VMA does not know it.
    pub fn missing_for(&self, now: Now) -> Duration {
        let since = if self.last_miss == Some(Miss::Unknown) { self.document } else { self.contact };
        now.mono.since(since)
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
        if self.silent_for(now) >= lost_after {
            let (since, seconds) = (self.contact_wall, self.silent_for(now).as_secs());
            return Some(match self.story() {
                Some(Story { kind, tries, last, .. }) => format!(
                    "VMA communication timeout exceeded ({kind}): no contact since {since} ({seconds} s), {tries} tries, \
                     last error: {last}; {}, then start the job again",
                    remedy(kind)
                ),
                None => format!(
                    "VMA communication timeout exceeded: no contact since {since} ({seconds} s), no poll came to an end; \
                     {}, then start the job again",
                    remedy(Silence::VmaUnreachable)
                ),
            });
        }
        let is_unknown = self.last_miss == Some(Miss::Unknown) && was_seen;
        let age = now.mono.since(self.document);
        (is_unknown && age >= lost_after).then(|| {
            format!(
                "job_unknown: the VMA knew this job and has answered 404 to {} polls since {} ({} s); {}",
                self.unknowns,
                self.document_wall,
                age.as_secs(),
                remedy(Silence::JobUnknown)
            )
        })
    }
}

/// A silence in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Story {
    /// What the last poll met.
    pub kind: Silence,
    /// The last sign of what is missed: of the VMA, or of the job where the VMA does not know it.
    pub since: Wall,
    /// Polls in a row that brought it not.
    pub tries: u32,
    /// What came of the last.
    pub last: String,
}

impl std::fmt::Display for Story {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { kind, since, tries, last } = self;
        write!(f, "{kind} since {since}, {tries} polls in a row, the last: {last}")
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
            "VMA communication timeout exceeded (vma_unreachable): no contact since 1970-01-01T00:00:10.000Z (300 s), \
             1 tries, last error: connect: refused; see on the VMA whether `waybill vma` runs, and what its log and its \
             /health say, then start the job again"
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
    fn a_tunnel_that_is_down_is_told_apart_from_a_vma_that_is_away() {
        let mut clock = ContactClock::start(now(0));
        for second in 1..=3 {
            clock.missed(now(second), Miss::NoTunnel("connect: refused".to_owned()));
        }
        assert_eq!(clock.state(), Contact::Silent(Silence::TunnelDown));
        let story = clock.story().expect("silent").to_string();
        assert_eq!(story, "tunnel_down since 1970-01-01T00:00:00.000Z, 3 polls in a row, the last: connect: refused");
        clock.missed(now(4), unreachable());
        assert_eq!(clock.state(), Contact::Silent(Silence::VmaUnreachable));
    }

    #[test]
    fn f06_rubbish_is_no_contact() {
        let mut clock = ContactClock::start(now(0));
        clock.missed(now(299), Miss::Rubbish("job not found".to_owned()));
        let text = clock.loss(now(300), LOST_AFTER, true).expect("lost");
        assert!(text.contains("not a progress document: job not found"), "{text}");
    }
}
