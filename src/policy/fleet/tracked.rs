//! One tracked job with what is not stored of it: its clocks, its poll on the way, its throttle.

use std::time::Duration;

use super::copies::Copies;
use super::port::{FleetSettings, OnStall};
use crate::limits;
use crate::model::event::Event;
use crate::model::id::{ChangeId, DiskId, JobId};
use crate::model::job::{Contact, Job, Silence};
use crate::model::request::Declaration;
use crate::model::status::{DiskStatus, JobStatus};
use crate::model::time::{Mono, Now, Wall};
use crate::model::warning::WarningKind;
use crate::policy::contact::{ContactClock, MOVER_REMEDY, Miss, remedy};
use crate::policy::dice::Dice;
use crate::policy::journal::{Journal, Once};
use crate::policy::throttle::{Throttle, ThrottleSettings};

/// How long a streaming mover may be silent before the views say so.
const QUIET_AFTER: Duration = Duration::from_secs(60);

/// How far the OMA's own judgement of a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Judgement {
    /// Not every declared disk is Completed with its change id.
    Open,
    /// They are; the VMA is to be told at this moment.
    Judged { tell_at: Mono, was_refused: bool },
    /// The VMA is being told.
    Telling,
}

/// The job that is being handled, and how much had been decided before: what a panic over it undoes.
#[derive(Debug, Clone)]
pub(super) struct InHand {
    pub(super) job: JobId,
    pub(super) changes: usize,
    pub(super) actions: usize,
}

/// How far the declaring of one job is.
#[derive(Debug, Clone, Default)]
pub(super) struct Declaring {
    /// The VMA is being asked.
    pub(super) is_asking: bool,
    /// What the VMA refused: the same is not said to it twice.
    pub(super) refused: Option<Declaration>,
    /// An operator has corrected the declaration, and the VMA's is to be corrected too.
    pub(super) corrects: bool,
}

/// One tracked job.
#[derive(Debug, Clone)]
pub(super) struct Tracked {
    pub(super) job: Job,
    pub(super) judgement: Judgement,
    /// How often in a row the VMA could not be told of the judgement.
    pub(super) untold: u32,
    pub(super) refusals: Once,
    /// Other names of the job, as the source's last document has them.
    pub(super) names: Vec<String>,
    /// Change ids that came before their disk was known, as the movers called it.
    pub(super) early_change_ids: Vec<(DiskId, ChangeId, Option<ChangeId>)>,
    /// How often in a row the source said less than it had said before.
    pub(super) older: u32,
    pub(super) copies: Copies,
    contact: ContactClock,
    tracked_since: Mono,
    poll_due: Mono,
    is_polling: bool,
    throttle: Throttle,
    /// The source's time of the last document, and since when it has not changed.
    source_time: (Option<Wall>, Mono),
    /// Whether the VMA has what was declared here.
    pub(super) declaring: Declaring,
    /// The longest wait of the present run of failures; zero while on pace.
    slowest: Duration,
}

impl Tracked {
    pub(super) fn new(job: Job, now: Now, first_poll: Mono) -> Self {
        Self {
            judgement: Judgement::Open,
            untold: 0,
            refusals: Once::default(),
            names: Vec::new(),
            early_change_ids: Vec::new(),
            older: 0,
            copies: Copies::default(),
            contact: ContactClock::start(now),
            tracked_since: now.mono,
            poll_due: first_poll,
            is_polling: false,
            throttle: Throttle::written(&job, now.mono),
            source_time: (job.source_updated_at, now.mono),
            declaring: Declaring::default(),
            slowest: Duration::ZERO,
            job,
        }
    }

    /// True where a poll is due and none is on the way; then one is.
    pub(super) fn starts_poll(&mut self, now: Now) -> bool {
        let starts = !self.is_polling && self.poll_due <= now.mono;
        self.is_polling |= starts;
        starts
    }
    /// Polls by then at the latest; true where that is a change.
    pub(super) fn hurry(&mut self, by: Mono) -> bool {
        let is_later = self.poll_due > by;
        self.poll_due = self.poll_due.min(by);
        is_later
    }
    pub(super) fn is_polling(&self) -> bool {
        self.is_polling
    }
    /// The poll on the way has come to its end. False where none was: an answer that came twice, or after its time, is
    /// nobody's.
    pub(super) fn ends_poll(&mut self) -> bool {
        std::mem::take(&mut self.is_polling)
    }
    /// Keeps the job's own beat: the next poll is a whole number of intervals after the last.
    pub(super) fn next_poll_on_pace(&mut self, now: Now, interval: Duration) {
        let step = u64::try_from(interval.as_millis()).unwrap_or(u64::MAX).max(1);
        let behind = now.mono.since(self.poll_due).as_millis();
        let beats = u64::try_from(behind).unwrap_or(u64::MAX) / step + 1;
        self.poll_due = self.poll_due + Duration::from_millis(step.saturating_mul(beats));
    }

    /// The VMA answered with the document.
    pub(super) fn heard(&mut self, now: Now, journal: &mut Journal, settings: &FleetSettings) {
        let seconds = self.contact.missing_for(now).as_secs();
        let was = self.contact.state();
        self.contact.answered(now);
        if matches!(was, Contact::Silent(_)) {
            let message = match was {
                Contact::Silent(Silence::JobUnknown) => format!("the VMA knows the job after {seconds} s ({was})"),
                _ => format!("contact regained after {seconds} s ({was})"),
            };
            journal.note(now, &self.job, Event::ContactRegained, message, Vec::new());
        }
        self.note_pace(now, journal, settings.backoff.interval, false);
        self.show_contact(now, true);
    }

    /// The poll brought nothing.
    pub(super) fn missed(
        &mut self,
        now: Now,
        miss: Miss,
        journal: &mut Journal,
        settings: &FleetSettings,
        dice: &mut Dice,
    ) {
        let before = self.contact.state();
        let is_contact = miss == Miss::Unknown;
        self.contact.missed(now, miss);
        let state = self.contact.state();
        // A job that waits for its mover is not known to the VMA yet, which is nothing to report.
        let is_waiting = self.job.status == JobStatus::Queued && state == Contact::Silent(Silence::JobUnknown);
        if state != before
            && !is_waiting
            && let (Contact::Silent(_), Some(story)) = (state, self.contact.story())
        {
            let attributes = vec![
                ("kind", story.kind.stored_name().into()),
                ("since", story.since.to_string().into()),
                ("tries", u64::from(story.tries).into()),
                ("remedy", remedy(story.kind).into()),
            ];
            journal.note(now, &self.job, Event::ContactLost, story.to_string(), attributes);
        }
        let failures = self.contact.failures();
        if failures == 0 {
            self.next_poll_on_pace(now, settings.backoff.interval);
            self.note_pace(now, journal, settings.backoff.interval, false);
        } else {
            let delay = settings.backoff.delay(failures, self.contact.silent_for(now), dice);
            self.poll_due = now.mono + delay;
            self.note_pace(now, journal, delay, settings.backoff.is_slowed(failures));
        }
        self.show_contact(now, is_contact);
        if matches!(state, Contact::Silent(_)) {
            self.show_no_rate();
        }
    }

    /// Nobody knows how fast the source is: the figures of the last document are of the past (R-7, F21).
    fn show_no_rate(&mut self) {
        let totals = &mut self.job.totals;
        if totals.throughput_bps > 0 || totals.eta_seconds.is_some() {
            (totals.throughput_bps, totals.eta_seconds) = (0, None);
            self.throttle.note_difference();
        }
        for disk in &mut self.job.disks {
            disk.throughput_bps = 0;
        }
    }

    /// Notes that the polls became fewer, each time by a good deal, and that they are back at their pace.
    fn note_pace(&mut self, now: Now, journal: &mut Journal, delay: Duration, is_slowed: bool) {
        let millis = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        let message = if is_slowed && delay > self.slowest * 4 / 3 {
            self.slowest = delay;
            format!("{} polls in a row failed: the next in {millis} ms", self.contact.failures())
        } else if !is_slowed && !self.slowest.is_zero() {
            self.slowest = Duration::ZERO;
            format!("polls every {millis} ms again")
        } else {
            return;
        };
        journal.note(now, &self.job, Event::BackoffChanged, message, vec![("delay_ms", millis.into())]);
    }

    fn show_contact(&mut self, now: Now, is_contact: bool) {
        let state = self.contact.state();
        if state != self.job.contact {
            self.job.contact = state;
            self.throttle.note_difference();
        }
        if is_contact {
            self.job.last_contact_at = Some(now.wall);
        }
    }

    /// Why silence or waiting fails the job by now, if it does.
    pub(super) fn loss(&self, now: Now, settings: &FleetSettings) -> Option<String> {
        let was_seen = self.job.stage.is_some() && self.job.status != JobStatus::Queued;
        if let Some(reason) = self.contact.loss(now, settings.backoff.lost_after, was_seen) {
            return Some(reason);
        }
        let waited = now.mono.since(self.tracked_since);
        (self.job.status == JobStatus::Queued && waited >= settings.queued_timeout).then(|| {
            let last = match self.contact.state() {
                Contact::Silent(Silence::JobUnknown) => {
                    "the VMA does not know it: no mover has reported for it".to_owned()
                }
                Contact::Silent(silence) => format!("{silence} at the moment: {}", remedy(silence)),
                Contact::Fresh | Contact::Late | Contact::Lost => "the VMA knows it and it has not begun".to_owned(),
            };
            format!("queued for {} s without a start; {last}; start its mover and track it anew", waited.as_secs())
        })
    }

    /// Marks and unmarks a mover that is silent while it streams; the reason where that fails the job.
    pub(super) fn check_stall(&mut self, now: Now, journal: &mut Journal, settings: &FleetSettings) -> Option<String> {
        let was_heard = self.job.source_updated_at != self.source_time.0;
        if was_heard {
            self.source_time = (self.job.source_updated_at, now.mono);
        }
        let silent_for = now.mono.since(self.source_time.1);
        self.note_quiet(now, silent_for);
        // A stall lasts until the mover is heard, also where this process has not seen all of it.
        let is_silent = silent_for >= settings.stall_after || (self.job.stalled_since.is_some() && !was_heard);
        let is_copying = self.job.disks.iter().any(|disk| disk.status != DiskStatus::Completed);
        let is_stalled =
            self.job.status == JobStatus::Streaming && (is_copying || self.job.disks.is_empty()) && is_silent;
        match (self.job.stalled_since, is_stalled) {
            (None, true) => {
                let since = Wall::from_unix_millis(
                    now.wall.unix_millis().saturating_sub(i64::try_from(silent_for.as_millis()).unwrap_or(i64::MAX)),
                );
                self.job.stalled_since = Some(since);
                self.throttle.note_difference();
                let message = format!(
                    "stalled since {since}: the VMA answers, and the mover has been silent for {} s while streaming; \
                     {MOVER_REMEDY}",
                    silent_for.as_secs()
                );
                let attributes = vec![("since", since.to_string().into())];
                journal.note(now, &self.job, Event::JobStalled, message.clone(), attributes);
                (settings.on_stall == OnStall::Fail).then_some(message)
            }
            (Some(_), false) => {
                self.job.stalled_since = None;
                self.throttle.note_difference();
                journal.note(now, &self.job, Event::JobResumed, "the mover was heard again", Vec::new());
                None
            }
            // Also where the rule was changed, or the daemon restarted, since the stall began.
            (Some(since), true) if settings.on_stall == OnStall::Fail => {
                Some(format!("stalled since {since}: the mover is silent while streaming; {MOVER_REMEDY}"))
            }
            (Some(_), true) | (None, false) => None,
        }
    }

    /// A mover that has been silent for a minute is called quiet, long before it is stalled.
    fn note_quiet(&mut self, now: Now, silent_for: Duration) {
        let is_quiet = self.job.status == JobStatus::Streaming && silent_for >= QUIET_AFTER;
        if is_quiet != self.job.quiet_since.is_some() {
            let millis = i64::try_from(silent_for.as_millis()).unwrap_or(i64::MAX);
            let since = Wall::from_unix_millis(now.wall.unix_millis().saturating_sub(millis));
            self.job.quiet_since = is_quiet.then_some(since);
            self.throttle.note_difference();
        }
    }

    pub(super) fn show_lost(&mut self) {
        self.job.contact = Contact::Lost;
    }
    /// Adds a warning to the job and to its log.
    pub(super) fn warn(&mut self, now: Now, kind: WarningKind, text: String, journal: &mut Journal) {
        if self.job.warn(kind, text.clone()) {
            self.throttle.note_difference();
            let message = format!("{text}; {}", kind.remedy());
            journal.note(now, &self.job, Event::WarningRaised, message, vec![("kind", kind.name().into())]);
        }
    }
    pub(super) fn note_difference(&mut self) {
        self.throttle.note_difference();
    }
    pub(super) fn is_to_be_written(&self, now: Mono, settings: &ThrottleSettings) -> bool {
        self.throttle.reason(&self.job, now, settings).is_some()
    }
    pub(super) fn written(&mut self, now: Now) {
        self.job.updated_at = now.wall;
        self.throttle = Throttle::written(&self.job, now.mono);
    }
    /// The OMA's own evidence for success: every declared disk, or the declared number of disks, is Completed and has
    /// its change id, and no other disk is still to be copied.
    pub(super) fn is_proven(&self) -> bool {
        let job = &self.job;
        let is_counted = job.disk_count.is_some();
        let mut judged = job.disks.iter().filter(|disk| disk.declared || is_counted).peekable();
        judged.peek().is_some()
            && judged.all(|disk| disk.change_id.as_ref().is_some_and(ChangeId::is_well_formed))
            && job.missing_disks().is_empty()
            && job.warning(WarningKind::TooManyDisks).is_none()
    }
    /// True where that evidence is complete and the VMA has not contradicted it.
    pub(super) fn has_succeeded(&self) -> bool {
        let is_judged = matches!(self.judgement, Judgement::Telling | Judgement::Judged { was_refused: false, .. });
        is_judged && self.is_proven()
    }
    pub(super) fn is_new_refusal(&mut self, text: &str) -> bool {
        self.refusals.is_first(text, limits::REFUSALS_PER_JOB)
    }
    /// The OMA's own pause is over: all windows start afresh, and the polls go on in the job's own beat, so that those of
    /// all jobs do not come at once. Returns the moment of the next.
    pub(super) fn restart_windows(&mut self, now: Now, interval: Duration) -> Mono {
        self.contact = ContactClock::start(now);
        (self.source_time.1, self.tracked_since) = (now.mono, now.mono);
        if self.poll_due <= now.mono {
            self.next_poll_on_pace(now, interval);
        }
        self.poll_due
    }

    /// When the job is to be looked at next.
    pub(super) fn next_moment(&self, now: Mono, settings: &FleetSettings, is_paused: bool) -> Mono {
        if is_paused {
            return now + settings.backoff.longest;
        }
        let mut next = self.contact.lost_at(settings.backoff.lost_after);
        if !self.is_polling {
            next = next.min(self.poll_due);
        }
        if self.job.status == JobStatus::Queued {
            next = next.min(self.tracked_since + settings.queued_timeout);
        }
        if let Judgement::Judged { tell_at, .. } = self.judgement {
            next = next.min(tell_at);
        }
        // A moment that has already passed was dealt with just now; a later look must not spin on it.
        next.max(now + Duration::from_millis(1))
    }
}
