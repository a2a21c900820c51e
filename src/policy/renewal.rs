//! The upkeep of a certificate that this appliance shows: when it is renewed, when that is tried again, and
//! when its end is worth a warning.
//!
//! Policy: a certificate is made by the wall clock, so that none is made while that clock cannot be believed; what is waited
//! for is counted by the monotonic one.

use std::time::Duration;

use crate::model::pki::Validity;
use crate::model::time::{Mono, Now, Wall};

/// How long before its end a certificate is warned about.
const WARN_AHEAD: Duration = Duration::from_secs(30 * 86_400);
/// From one warning about a certificate to the next.
const WARN_EVERY: Duration = Duration::from_secs(86_400);
/// The pauses after a renewal that failed: short against the time that is left, and never a burden.
const RETRIES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(3600));
/// The pause after one that failed for a certificate that has expired: nobody lets its owner in with it, so that only
/// somebody who corrects a clock or enrols anew can help.
const RETRY_EXPIRED: Duration = Duration::from_secs(60);

/// Certificates that somebody gets within this time: one, and some whose answer was lost on the way.
const RENEWALS: usize = 5;
const RENEWALS_PER: Duration = Duration::from_secs(86_400);

/// How far the wall clock may run from the monotonic one between two looks, and still count as the same clock.
const SLEW: Duration = Duration::from_secs(60);
/// How long a wall clock that was set is not believed: whatever sets it wrong is mostly mended within that, and a machine
/// that has just started asks for the time first.
const SETTLES_WITHIN: Duration = Duration::from_secs(600);

/// Whether the wall clock can be believed: one that was set a moment ago may soon be set again, and what was made meanwhile
/// would be valid at the wrong time.
#[derive(Debug, Clone)]
pub struct Steadiness {
    last: Now,
    since: Mono,
}

impl Steadiness {
    /// Of a clock that nobody has looked at before.
    pub fn new(now: Now) -> Self {
        Self { last: now, since: now.mono }
    }

    /// Looks at it; tells whether somebody has set it since the last look.
    pub fn see(&mut self, now: Now) -> bool {
        let by_mono = i128::from(now.mono.as_millis()) - i128::from(self.last.mono.as_millis());
        let by_wall = i128::from(now.wall.unix_millis()) - i128::from(self.last.wall.unix_millis());
        let was_set = by_wall.abs_diff(by_mono) > SLEW.as_millis();
        if was_set {
            self.since = now.mono;
        }
        self.last = now;
        was_set
    }

    /// For how long nobody has set it.
    fn steady_for(&self) -> Duration {
        self.last.mono.since(self.since)
    }

    /// What is left of a pause; nothing where the clock by which it was made was set since.
    fn left_of(&self, pause: Pause) -> Duration {
        if self.since > pause.from { Duration::ZERO } else { pause.until.since(self.last.mono) }
    }
}

/// What is to be done about a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Duty {
    /// It is to be renewed; how that ends is told to [`Upkeep::renewed`] or [`Upkeep::failed`].
    Renew,
    /// People are to be told this of it.
    Warn(String),
}

/// A time in which nothing is done.
#[derive(Debug, Clone, Copy)]
struct Pause {
    from: Mono,
    until: Mono,
}

impl Pause {
    fn of(now: Mono, length: Duration) -> Self {
        Self { from: now, until: now + length }
    }
}

/// The upkeep of one certificate.
#[derive(Debug, Clone)]
pub struct Upkeep {
    /// No renewal begins within it.
    rest: Pause,
    /// Nobody is warned within it.
    silence: Pause,
    is_renewing: bool,
    /// The last renewal came to nothing.
    has_failed: bool,
}

impl Upkeep {
    /// Of a certificate that was seen for the first time.
    pub fn new(now: Mono) -> Self {
        let none = Pause::of(now, Duration::ZERO);
        Self { rest: none, silence: none, is_renewing: false, has_failed: false }
    }

    /// What is due now. A certificate that renews itself does so when a third of its time is left, and is warned about only
    /// where that has failed, or has not happened for long; any other is warned about 30 days ahead, once a day. `clock` has
    /// seen this moment.
    pub fn due(&mut self, now: Now, clock: &Steadiness, validity: Validity, renews_itself: bool) -> Vec<Duty> {
        let left = validity.left(now.wall);
        let mut duties = Vec::new();
        if renews_itself && !self.is_renewing && self.renews_in(now, clock, validity).is_zero() {
            self.is_renewing = true;
            duties.push(Duty::Renew);
        }
        let warns_at = match (renews_itself, self.has_failed) {
            (false, _) => WARN_AHEAD,
            (true, true) => WARN_AHEAD.min(validity.length() / 3),
            (true, false) => WARN_AHEAD.min(validity.length() / 6),
        };
        if left <= warns_at && clock.left_of(self.silence).is_zero() {
            // The end itself is told whenever it comes.
            self.silence = Pause::of(now.mono, if left.is_zero() { WARN_EVERY } else { WARN_EVERY.min(left) });
            duties.push(Duty::Warn(if left.is_zero() {
                "has expired".to_owned()
            } else {
                format!("expires in {}", rough(left.as_secs()))
            }));
        }
        duties
    }

    /// It was renewed, and is valid so now. It rests for a while whatever it says: clocks of the two appliances may differ
    /// by more than its time, so that it may look as if it were due at once. One that is not valid yet by this machine's clock
    /// rests for a day, because the next would be no better.
    pub fn renewed(&mut self, now: Now, validity: Validity) {
        (self.is_renewing, self.has_failed) = (false, false);
        let rest = if now.wall < validity.from { RENEWALS_PER } else { RETRIES.1 };
        self.rest = Pause::of(now.mono, rest.min(validity.length() / 3));
    }

    /// It could not be renewed.
    pub fn failed(&mut self, now: Now, validity: Validity) {
        (self.is_renewing, self.has_failed) = (false, true);
        let (left, (shortest, longest)) = (validity.left(now.wall), RETRIES);
        let pause = if left.is_zero() { RETRY_EXPIRED } else { (left / 20).clamp(shortest, longest) };
        self.rest = Pause::of(now.mono, pause);
    }

    /// How long until a renewal is due. One that stays not valid yet was made while a clock was ahead, and would be refused
    /// until then: it is due as soon as the clock is believed.
    pub fn renews_in(&self, now: Now, clock: &Steadiness, validity: Validity) -> Duration {
        let (left, length) = (validity.left(now.wall), validity.length());
        let early = if now.wall < validity.from { Duration::ZERO } else { left.saturating_sub(length / 3) };
        // Short times do not wait so long; but what has ended by a clock that is ahead does.
        let settles = SETTLES_WITHIN.min(length / 12).min(if left.is_zero() { Duration::MAX } else { left / 2 });
        early.max(clock.left_of(self.rest)).max(settles.saturating_sub(clock.steady_for()))
    }
}

/// How long a link may stand that was opened with a certificate, until another one is shown in its place: early enough to be
/// no fault. `None` where it is as near to its end already, and is all there is.
pub fn redials_in(shown: Validity, now: Wall) -> Option<Duration> {
    let left = shown.left(now).saturating_sub(shown.length() / 12);
    (!left.is_zero()).then_some(left)
}

/// Whether somebody who was issued certificates that are valid so gets no further one now, because the books only grow. Each
/// counts for a day, or a third of its own time where that is shorter: not of the time that new ones get.
pub fn is_enough(issued: impl Iterator<Item = Validity>, now: Wall) -> bool {
    let counts = |one: &Validity| {
        let age = now.unix_millis().saturating_sub(one.from.unix_millis());
        u64::try_from(age).is_ok_and(|age| Duration::from_millis(age) < (one.length() / 3).min(RENEWALS_PER))
    };
    issued.filter(counts).count() >= RENEWALS
}

fn rough(seconds: u64) -> String {
    match seconds / 60 {
        ..2 => format!("{seconds} s"),
        minutes @ 2..120 => format!("{minutes} minutes"),
        minutes @ 120..2880 => format!("{} hours", minutes / 60),
        minutes => format!("{} days", minutes / 1440),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 86_400;

    fn at(seconds: u64) -> Now {
        let millis = i64::try_from(seconds * 1000).expect("a time");
        Now { mono: Mono::from_millis(seconds * 1000), wall: Wall::from_unix_millis(millis) }
    }
    fn days(days: u64) -> Validity {
        Validity { from: at(0).wall, until: at(days * DAY).wall }
    }
    fn warn(text: &str) -> Vec<Duty> {
        vec![Duty::Warn(text.to_owned())]
    }

    /// A clock that has run on since the beginning, and is looked at then.
    fn steady(seconds: u64) -> Steadiness {
        let mut clock = Steadiness::new(at(0));
        clock.see(at(seconds));
        clock
    }
    fn due(upkeep: &mut Upkeep, seconds: u64, validity: Validity, renews_itself: bool) -> Vec<Duty> {
        upkeep.due(at(seconds), &steady(seconds), validity, renews_itself)
    }
    fn renews_in(upkeep: &Upkeep, seconds: u64, validity: Validity) -> Duration {
        upkeep.renews_in(at(seconds), &steady(seconds), validity)
    }

    #[test]
    fn a_certificate_of_90_days_is_renewed_when_30_are_left_and_tried_every_hour_or_oftener() {
        let (mut upkeep, validity) = (Upkeep::new(at(0).mono), days(90));
        assert_eq!(due(&mut upkeep, 60 * DAY - 1, validity, true), []);
        assert_eq!(renews_in(&upkeep, 60 * DAY - 1, validity), Duration::from_secs(1));
        assert_eq!(due(&mut upkeep, 60 * DAY, validity, true), [Duty::Renew]);
        assert_eq!(due(&mut upkeep, 60 * DAY + 1, validity, true), [], "one at a time");
        upkeep.failed(at(60 * DAY + 1), validity);
        assert_eq!(renews_in(&upkeep, 60 * DAY + 1, validity), Duration::from_secs(3600));
        assert!(due(&mut upkeep, 60 * DAY + 3601, validity, true).contains(&Duty::Renew));
        upkeep.failed(at(90 * DAY - 40), validity);
        assert_eq!(renews_in(&upkeep, 90 * DAY - 40, validity), Duration::from_secs(2));
        upkeep.failed(at(91 * DAY), validity);
        assert_eq!(renews_in(&upkeep, 91 * DAY, validity), Duration::from_secs(60), "nobody lets it in any more");
    }

    #[test]
    fn a_renewed_certificate_rests_for_an_hour_or_a_third_of_its_time_whatever_the_clock_says() {
        let (mut upkeep, validity) = (Upkeep::new(at(0).mono), days(90));
        assert_eq!(due(&mut upkeep, 89 * DAY, validity, true)[0], Duty::Renew);
        // The OMA's clock is months behind ours.
        upkeep.renewed(at(89 * DAY), validity);
        assert!(!due(&mut upkeep, 89 * DAY + 3599, validity, true).contains(&Duty::Renew));
        assert!(due(&mut upkeep, 89 * DAY + 3600, validity, true).contains(&Duty::Renew));
        let short = Validity { from: at(0).wall, until: at(9).wall };
        upkeep.renewed(at(0), short);
        assert_eq!(renews_in(&upkeep, 0, short), Duration::from_secs(6));
        assert_eq!(renews_in(&upkeep, 8, short), Duration::ZERO);
    }

    #[test]
    fn a_certificate_that_was_made_while_the_clock_was_ahead_is_replaced_when_the_clock_is_right() {
        let (mut upkeep, ahead) =
            (Upkeep::new(at(0).mono), Validity { from: at(100 * DAY).wall, until: at(190 * DAY).wall });
        // By the OMA's clock, and ours is right.
        upkeep.renewed(at(0), ahead);
        assert_eq!(due(&mut upkeep, DAY - 1, ahead, true), []);
        assert_eq!(due(&mut upkeep, DAY, ahead, true), [Duty::Renew]);
        upkeep.renewed(at(DAY), days(90));
        assert_eq!(renews_in(&upkeep, DAY, days(90)), Duration::from_secs(59 * DAY));
        // By our own, which is set right: what was to be waited for by it is over.
        let now = Now { mono: at(60).mono, wall: at(100 * DAY).wall };
        let mut clock = Steadiness::new(Now { mono: at(0).mono, wall: at(100 * DAY - 60).wall });
        let mut upkeep = Upkeep::new(at(0).mono);
        assert!(!clock.see(now));
        upkeep.renewed(now, ahead);
        assert!(clock.see(at(70)));
        assert_eq!(upkeep.renews_in(at(70), &clock, ahead), Duration::from_secs(600));
    }

    #[test]
    fn no_certificate_is_made_by_a_clock_that_was_set_less_than_ten_minutes_ago() {
        let (mut upkeep, mut clock, validity) = (Upkeep::new(at(0).mono), Steadiness::new(at(0)), days(90));
        let set = |seconds: u64, by: u64| Now { mono: at(seconds).mono, wall: at(seconds + by).wall };
        let mut due = |now| {
            clock.see(now);
            upkeep.due(now, &clock, validity, true)
        };
        assert_eq!(due(at(3600)), []);
        // Seventy days ahead for twelve seconds, and then right again.
        assert_eq!(due(set(3610, 70 * DAY)), []);
        assert_eq!(due(set(3622, 70 * DAY)), []);
        assert_eq!(due(at(3623)), []);
        assert_eq!(due(at(3623 + 600)), []);
        // For as long as it takes to be believed, which a slow correction does not change.
        assert_eq!(due(set(5000, 70 * DAY)), []);
        assert_eq!(due(set(5599, 70 * DAY + 59)), []);
        assert_eq!(due(set(5600, 70 * DAY + 59)), [Duty::Renew]);
        assert_eq!(due(set(6000, 100 * DAY)), warn("has expired"));
    }

    #[test]
    fn after_the_start_the_clock_is_given_time_and_less_where_the_certificate_has_little_left() {
        let just_started = |seconds: u64, validity: Validity| {
            Upkeep::new(at(seconds).mono).renews_in(at(seconds), &Steadiness::new(at(seconds)), validity)
        };
        assert_eq!(just_started(70 * DAY, days(90)), Duration::from_secs(600));
        assert_eq!(just_started(90 * DAY - 60, days(90)), Duration::from_secs(30));
        assert_eq!(just_started(90 * DAY, days(90)), Duration::from_secs(600));
        let short = Validity { from: at(0).wall, until: at(24).wall };
        assert_eq!(just_started(17, short), Duration::from_secs(2));
    }

    #[test]
    fn a_link_is_dialled_anew_between_the_renewal_and_the_end_of_what_was_shown() {
        let in_days = |age: u64| redials_in(days(90), at(age * DAY).wall).map(|left| left.as_secs_f64() / 86_400.0);
        assert_eq!(in_days(0), Some(82.5));
        assert_eq!(in_days(60), Some(22.5), "the renewal is earlier");
        assert_eq!([83, 90, 91].map(in_days), [None; 3], "once, and not at every dial");
    }

    #[test]
    fn five_certificates_in_a_day_or_a_third_of_their_time_are_enough() {
        let issued = |seconds: u64, time: u64| Validity { from: at(seconds).wall, until: at(seconds + time).wall };
        let enough = |ages: &[u64], time| is_enough(ages.iter().map(|age| issued(DAY - age, time)), at(DAY).wall);
        assert!(enough(&[0, 1, 2, 3, DAY - 1], 90 * DAY));
        assert!(!enough(&[0, 1, 2, 3, DAY], 90 * DAY), "the last is old enough");
        assert!(enough(&[0, 1, 2, 3, 9], 30) && !enough(&[0, 1, 2, 3, 10], 30));
        assert!(!is_enough([0, 1, 2, 3, 4].map(|ahead| issued(DAY + 1 + ahead, DAY)).into_iter(), at(DAY).wall));
        // Those of a week, renewed in time, are no reason to refuse one of 90 days.
        let weekly = (1..20).map(|time| issued((100 - 5 * time) * DAY, 7 * DAY));
        assert!(!is_enough(weekly, at(100 * DAY).wall));
    }

    #[test]
    fn a_warning_comes_30_days_ahead_and_of_one_that_renews_itself_where_that_came_to_nothing() {
        let (mut of_a_company, validity) = (Upkeep::new(at(0).mono), days(365));
        assert_eq!(due(&mut of_a_company, 335 * DAY - 1, validity, false), []);
        assert_eq!(due(&mut of_a_company, 335 * DAY, validity, false), warn("expires in 30 days"));
        assert_eq!(due(&mut of_a_company, 336 * DAY - 1, validity, false), [], "once a day");
        assert_eq!(due(&mut of_a_company, 336 * DAY, validity, false), warn("expires in 29 days"));
        for length in [90, 365] {
            let (mut failing, validity) = (Upkeep::new(at(0).mono), days(length));
            assert_eq!(due(&mut failing, (length - 30) * DAY - 1, validity, true).len(), usize::from(length == 365));
            failing.failed(at((length - 30) * DAY - 1), validity);
            assert_eq!(due(&mut failing, (length - 30) * DAY, validity, true), warn("expires in 30 days"));
        }
        let (mut stuck, validity) = (Upkeep::new(at(0).mono), days(90));
        assert_eq!(due(&mut stuck, 75 * DAY - 1, validity, true), [Duty::Renew]);
        assert_eq!(due(&mut stuck, 75 * DAY, validity, true), warn("expires in 15 days"));
        assert_eq!(due(&mut stuck, 90 * DAY - 60, validity, true), warn("expires in 60 s"));
        assert_eq!(due(&mut stuck, 91 * DAY, validity, true), warn("has expired"));
    }
}
