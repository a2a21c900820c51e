//! Walks the runs of one disk in order of time, and says of each how it joins on to those before it.
//!
//! What counts is the target: a good run brings it to the state of that run's snapshot where it copied every block that was
//! written since the state which the target had. Counters of one uuid are in order of time, so that an incremental from an
//! earlier point than the target's copies too much and never too little.

use std::collections::BTreeMap;

use super::links::{DiskChain, Finding, Place, Run};
use super::verdict::{Left, Verdict};
use crate::model::change::CbtEntry;
use crate::model::event::{Event, LogEntry};
use crate::model::id::{ChangeId, ChangePoint, CorrelationId};
use crate::model::job::SyncKind;
use crate::model::record::HistoryRecord;
use crate::model::text::bounded;

/// What the log of a job is to say of a run that has just ended well and does not start at `last`, where the last good run
/// of its disk ended. Starting earlier is harmless, and only [`chain`] knows whether it did: this asks people to look.
pub fn apart(entry: &CbtEntry, last: Option<&ChangeId>, correlation: Option<&CorrelationId>) -> Option<LogEntry> {
    let is_judged = entry.sync_success && entry.sync == SyncKind::Incremental;
    let last = last.filter(|last| is_judged && last.point() != point(entry.previous_change_id.as_ref()))?;
    let from = entry.previous_change_id.as_ref().map_or("nobody knows where", ChangeId::as_str);
    let message = format!(
        "disk {}: this incremental started from {}, and the last good run ended with {}: `waybill history {} --verify` says \
         whether blocks are missing",
        entry.disk,
        bounded(from),
        last.as_str(),
        entry.job
    );
    Some(LogEntry {
        job: entry.job.clone(),
        at: entry.created_at,
        event: Event::ChainBroken,
        message,
        attributes: vec![("disk", entry.disk.as_str().into())],
        correlation: correlation.cloned(),
    })
}

/// The chain of one disk out of its rows, one a run and in order of time.
pub(super) fn chain(place: Place, rows: Vec<HistoryRecord>) -> DiskChain {
    let is_placed = match place {
        Place::Vm { .. } => true,
        Place::Unplaced { .. } => false,
    };
    let mut walk = Walk { is_placed, ..Walk::default() };
    rows.into_iter().for_each(|row| walk.step(row));
    let next = walk.tip.filter(|_| is_placed && walk.open.is_empty()).and(walk.last_left()).map(|left| left.id);
    DiskChain { place, runs: walk.runs, next }
}

/// What is known after the runs so far. Runs are named by their place in `runs`.
#[derive(Default)]
struct Walk {
    is_placed: bool,
    runs: Vec<Run>,
    /// The last run that succeeded.
    good: Option<usize>,
    /// Where that run ended; `None` where it left nothing to start from.
    tip: Option<ChangePoint>,
    /// The last point of this chain at which a good run ended, and that run: the tip, or one before it.
    last: Option<(ChangePoint, usize)>,
    /// The uuid of the present chain, as far as it is known.
    uuid: Option<u128>,
    /// Points that runs left up to the last good one, failed ones too: the target has seen all that was written before.
    passed: BTreeMap<ChangePoint, usize>,
    /// Points that good runs left since the chain started.
    left: BTreeMap<ChangePoint, usize>,
    /// Points that failed runs left since the last good one.
    failed: BTreeMap<ChangePoint, usize>,
    /// Points under which failed runs have written since the last good one that left a point.
    writers: BTreeMap<ChangePoint, usize>,
    /// A full copy that failed since the last good run.
    failed_full: Option<usize>,
    /// Faults that are not made good yet.
    open: Vec<Open>,
}

/// A fault that is not made good yet.
struct Open {
    run: usize,
    finding: usize,
    /// The last good run before it. What the fault lacks has been written since.
    since: Option<usize>,
}

impl Walk {
    fn step(&mut self, record: HistoryRecord) {
        let (entry, at) = (record.entry.clone(), self.runs.len());
        self.runs.push(Run { record, findings: Vec::new() });
        if !entry.sync_success {
            return self.fail(&entry, at);
        }
        match (entry.sync, point(entry.previous_change_id.as_ref())) {
            (SyncKind::Full, None) => self.start(&entry, at),
            // What says at which point it started is not taken for whole, whatever it is called.
            (SyncKind::Full, Some(_)) | (SyncKind::Incremental, _) => self.go_on(&entry, at),
        }
        if !self.is_placed {
            // Then it is no wonder that no earlier run is known.
            self.runs[at].findings.retain(|found| !matches!(found.verdict, Verdict::Unrooted { .. }));
            self.say(at, Verdict::Unplaced);
        }
        self.arrive(&entry, at);
    }

    /// What a failed run wrote, a sound one writes again. Only a change id that goes back tells more: that the VM has.
    fn fail(&mut self, entry: &CbtEntry, at: usize) {
        self.say(at, Verdict::Failed);
        if let Some((id, end)) = entry.change_id.clone().and_then(|id| Some((id.clone(), id.point()?))) {
            if self.good.is_some() {
                self.check_counter(entry, at, (id, end));
                self.keep_open(at, self.good);
            }
            self.failed.insert(end, at);
            if has_copied(entry) {
                self.writers.insert(end, at);
            }
        }
        if entry.sync == SyncKind::Full {
            self.failed_full = Some(at);
        }
    }

    fn start(&mut self, entry: &CbtEntry, at: usize) {
        self.say(at, Verdict::Starts);
        self.mend(at, |_, _| true);
        let earlier = point(entry.change_id.as_ref()).and_then(|point| self.left.get(&point).copied());
        if let Some(earlier) =
            earlier.filter(|earlier| has_copied(entry) && has_copied(&self.runs[*earlier].record.entry))
        {
            let left = self.left_by(earlier);
            self.runs[at].findings.extend(left.map(|left| found(Verdict::Repeated(left))));
        }
        // A full copy is made for a reason. If it leaves no change id, those of before it are nothing to go by.
        (self.uuid, self.tip, self.last) = (None, None, None);
        self.left.clear();
        if point(entry.change_id.as_ref()).is_none() {
            self.passed.clear();
            self.failed.clear();
            self.writers.clear();
        }
        self.check_end(entry, at, None);
    }

    fn go_on(&mut self, entry: &CbtEntry, at: usize) {
        let began = self.beginning(entry);
        if let Verdict::Overlap { .. } = began
            && let Some(from) =
                point(entry.previous_change_id.as_ref()).and_then(|point| self.passed.get(&point).copied())
        {
            self.mend(at, |since, verdict| since >= Some(from) && verdict.is_mended_by_overlap());
        }
        self.say(at, began);
        let then = self.good.and_then(|good| self.runs[good].record.entry.capacity_bytes);
        if let (Some(then), Some(now)) = (then, entry.capacity_bytes)
            && then != now
        {
            self.say(at, Verdict::Resized { then, now });
        }
        if let Some(failed) = self.failed_full {
            let job = self.runs[failed].record.entry.job.clone();
            self.say(at, Verdict::AfterFailedFull { job });
        }
        self.check_end(entry, at, point(entry.previous_change_id.as_ref()));
    }

    /// How an incremental joins on to what came before it.
    fn beginning(&self, entry: &CbtEntry) -> Verdict {
        let Some(from) = entry.previous_change_id.clone() else { return Verdict::NoPrevious };
        let Some(start) = from.point() else { return Verdict::SuspectPrevious { from } };
        if self.tip == Some(start) {
            return Verdict::Continues;
        }
        if let Some(run) = self.passed.get(&start).copied().filter(|_| self.is_before_the_target(start)) {
            let from = Left { job: self.runs[run].record.entry.job.clone(), id: from };
            return Verdict::Overlap { from };
        }
        if let Some(run) = self.failed.get(&start) {
            return Verdict::BuiltOnFailed(Left { job: self.runs[*run].record.entry.job.clone(), id: from });
        }
        let Some(good) = self.good else { return Verdict::Unrooted { from } };
        let last = self.last_left();
        match (self.uuid, &last) {
            (Some(uuid), Some(last)) if uuid != start.uuid => Verdict::Reset { before: last.id.clone(), after: from },
            (Some(_) | None, _) => {
                let ended = last.filter(|_| self.tip.is_some()).map(|last| last.id);
                Verdict::Gap { from, last: self.runs[good].record.entry.job.clone(), ended }
            }
        }
    }

    /// True for a point at or before the last one that the target is known to have reached.
    fn is_before_the_target(&self, point: ChangePoint) -> bool {
        self.last.is_some_and(|(last, _)| {
            point.uuid == last.uuid && (point.counter < last.counter || self.tip.is_none() && point == last)
        })
    }

    /// What a good run left, against where it started and what was left before it.
    fn check_end(&mut self, entry: &CbtEntry, at: usize, start: Option<ChangePoint>) {
        let resume = self.last_left();
        let Some(id) = entry.change_id.clone() else { return self.say(at, Verdict::Missing { resume }) };
        let Some(end) = id.point() else { return self.say(at, Verdict::Suspect { left: id, resume }) };
        if entry.sync == SyncKind::Full {
            return;
        }
        let base = start.map(|start| start.uuid).or(self.uuid);
        if base.is_some_and(|uuid| uuid != end.uuid) {
            let was_named = self.runs[at].findings.iter().any(|found| matches!(found.verdict, Verdict::Reset { .. }));
            let before = entry.previous_change_id.clone().filter(|_| start.is_some()).or(resume.map(|left| left.id));
            if let Some(before) = before.filter(|_| !was_named) {
                self.say(at, Verdict::Reset { before, after: id });
            }
            return;
        }
        self.check_counter(entry, at, (id, end));
    }

    /// Within one uuid each snapshot has a higher counter than the one before it, unless the VM went back in between.
    fn check_counter(&mut self, entry: &CbtEntry, at: usize, (id, end): (ChangeId, ChangePoint)) {
        if let Some(before) = self.highest_before(entry, end) {
            return self.say(at, Verdict::Backwards { before, after: id });
        }
        let is_where_it_was = Some(end) == point(entry.previous_change_id.as_ref()) || Some(end) == self.tip;
        // A failed run may have written another state under the same change id.
        let writer = self.writers.get(&end);
        if is_where_it_was && !has_copied(entry) && writer.is_none() {
            return;
        }
        let job = writer.or(self.left.get(&end)).map(|earlier| self.runs[*earlier].record.entry.job.clone());
        if is_where_it_was || job.is_some() {
            self.say(at, Verdict::Reused { id, job });
        }
    }

    /// The highest change id of that uuid with a higher counter than `end`: where the run started, where the last good one
    /// ended, or what a failed one has left that had begun to write.
    fn highest_before(&self, entry: &CbtEntry, end: ChangePoint) -> Option<ChangeId> {
        let of_runs = self
            .writers
            .values()
            .copied()
            .chain(self.last.map(|(_, run)| run))
            .filter_map(|run| self.left_by(run))
            .map(|left| left.id);
        of_runs
            .chain(entry.previous_change_id.clone())
            .filter_map(|id| Some((id.point()?, id)))
            .filter(|(point, _)| point.uuid == end.uuid && point.counter > end.counter)
            .max_by_key(|(point, _)| point.counter)
            .map(|(_, id)| id)
    }

    /// The good run has been judged: the chain goes on from where it ended.
    fn arrive(&mut self, entry: &CbtEntry, at: usize) {
        self.keep_open(at, self.good);
        let end = point(entry.change_id.as_ref());
        let start = point(entry.previous_change_id.as_ref()).filter(|_| entry.sync == SyncKind::Incremental);
        (self.good, self.tip, self.failed_full) = (Some(at), end, None);
        self.uuid = end.or(start).map(|point| point.uuid).or(self.uuid);
        self.passed.append(&mut self.failed);
        if let Some(end) = end {
            self.last = Some((end, at));
            // Higher counters of before are of a state from which the VM has returned.
            self.passed.retain(|point, _| point.uuid != end.uuid || point.counter < end.counter);
            self.passed.insert(end, at);
            self.left.insert(end, at);
            self.writers.clear();
        }
    }

    /// Remembers the faults of a run until another mends them. `since` is the last good run before it.
    fn keep_open(&mut self, at: usize, since: Option<usize>) {
        let findings = self.runs[at].findings.iter().enumerate().filter(|(_, found)| found.is_open());
        self.open.extend(findings.map(|(finding, _)| Open { run: at, finding, since }));
    }

    /// The last usable change id that a good run left.
    fn last_left(&self) -> Option<Left> {
        self.last.and_then(|(_, run)| self.left_by(run))
    }

    fn left_by(&self, run: usize) -> Option<Left> {
        let entry = &self.runs[run].record.entry;
        Some(Left { job: entry.job.clone(), id: entry.change_id.clone()? })
    }

    fn say(&mut self, at: usize, verdict: Verdict) {
        self.runs[at].findings.push(found(verdict));
    }

    /// Marks the open faults that the good run `by` has made good.
    fn mend(&mut self, by: usize, is_mended: impl Fn(Option<usize>, &Verdict) -> bool) {
        let job = self.runs[by].record.entry.job.clone();
        let runs = &mut self.runs;
        self.open.retain(|open| {
            let fault = &mut runs[open.run].findings[open.finding];
            let mended = is_mended(open.since, &fault.verdict);
            fault.mended_by = mended.then(|| job.clone());
            !mended
        });
    }
}

fn found(verdict: Verdict) -> Finding {
    Finding { verdict, mended_by: None }
}

fn point(id: Option<&ChangeId>) -> Option<ChangePoint> {
    id.and_then(ChangeId::point)
}

/// True where blocks were copied. A mover that counts no bytes may still have named the areas.
fn has_copied(entry: &CbtEntry) -> bool {
    entry.bytes_transferred > 0 || entry.blocks_changed.is_some_and(|areas| areas > 0)
}
