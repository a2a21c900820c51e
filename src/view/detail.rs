//! `waybill show`: everything about one job, the questions that people ask first on top (U9): how far, how fast, how long
//! still, what it waits for, what went wrong since when; then each disk, the stages, the log.

use crate::model::disk::Disk;
use crate::model::event::Event;
use crate::model::job::{Contact, Job};
use crate::model::record::{JobRecord, LogRecord, StepRecord};
use crate::model::time::Wall;

use super::paint::{Tone, paint};
use super::{Moment, bar, json, note, table, units};

/// Log entries that are shown; `waybill show --json` has all.
pub const EVENTS_SHOWN: usize = 12;

const BAR: usize = 30;

/// The page. Ends with a line end.
pub fn job(record: &JobRecord, now: Moment, colour: bool) -> String {
    let mut page = Page { out: String::new(), colour };
    head(&mut page, record, now);
    disks(&mut page, &record.job, now);
    steps(&mut page, &record.steps);
    received(&mut page, record);
    events(&mut page, &record.log);
    page.out
}

struct Page {
    out: String,
    colour: bool,
}

impl Page {
    /// A line of the head: a label and what is to be said.
    fn fact(&mut self, label: &str, text: &str, tone: Tone) {
        self.out.push_str(&format!("{label:<14}{}\n", paint(text, tone, self.colour)));
    }
    /// The head of a part.
    fn part(&mut self, title: &str) {
        self.out.push_str(&format!("\n{}\n", paint(title, Tone::Head, self.colour)));
    }
    fn line(&mut self, text: &str) {
        self.out.push_str(text.trim_end());
        self.out.push('\n');
    }
}

/// A moment and how long ago it was.
fn moment(at: Wall, now: Moment) -> String {
    format!("{at} ({} ago)", units::age(at, *now))
}

/// A moment of a list, or as much space where the stored text was no time.
fn stamp(at: Option<Wall>) -> String {
    at.map_or_else(|| " ".repeat(24), |at| at.to_string())
}

/// What the log says of a silence that lasts: how it began, and since when the VMA is asked less often.
fn tried(record: &JobRecord) -> Vec<String> {
    if !matches!(record.job.contact, Contact::Silent(_)) {
        return Vec::new();
    }
    let of = |event: Event| record.log.iter().rev().find(|entry| entry.event == event.stored_name());
    let begun = of(Event::ContactLost);
    let slowed = of(Event::BackoffChanged).filter(|slowed| begun.is_some_and(|begun| slowed.at >= begun.at));
    let slowed = slowed.and_then(|entry| entry.at).map(|at| format!("asked less often since {at}"));
    begun.map(|entry| units::plain(&entry.message)).into_iter().chain(slowed).collect()
}

fn head(page: &mut Page, record: &JobRecord, now: Moment) {
    let job = &record.job;
    page.fact("job", &units::plain(job.id.as_str()), Tone::Head);
    let vm = [&job.vm.name, &job.vm.path].map(|text| units::plain(text)).join("  ");
    page.fact("VM", if vm.trim().is_empty() { "unknown" } else { vm.trim() }, Tone::Plain);
    page.fact("VMA", job.vma.as_str(), Tone::Plain);
    let stage = job.stage.map_or_else(String::new, |stage| format!(", stage {stage}"));
    let kind = job.sync.map_or_else(String::new, |sync| format!(", {} copy", sync.wire_name()));
    page.fact("status", &format!("{}{stage}{kind}", job.status), Tone::of_job(job.status));
    if let Some(waits) = note::waits_for(job, now) {
        page.fact("waits for", &waits.text, waits.tone);
        for tried in tried(record) {
            page.fact("tried", &tried, Tone::Plain);
        }
        if let Some(remedy) = waits.remedy {
            page.fact("to do", remedy, Tone::Plain);
        }
    }
    for warning in &job.warnings {
        page.fact("warning", &units::plain(&warning.text), Tone::Warn);
        page.fact("to do", warning.kind.remedy(), Tone::Plain);
    }
    if job.vm.path.is_empty() {
        page.fact("warning", note::PATH_UNKNOWN, Tone::Warn);
        page.fact("to do", note::PATH_REMEDY, Tone::Plain);
    }
    if let Some(says) = &job.mover_says {
        page.fact("mover says", &units::plain(says), Tone::Plain);
    }
    if let Some(error) = &job.error {
        let since = job.completed_at.map_or_else(String::new, |at| format!(", since {}", moment(at, now)));
        page.fact("error", &format!("{}{since}", units::plain(error)), Tone::Bad);
    }
    let bar = bar::bar(job.totals.percent, BAR);
    let by_mover = if table::is_movers_percent(job) { ", as its mover says" } else { "" };
    page.fact("progress", &format!("{bar} {} %{by_mover}", job.totals.percent), Tone::Plain);
    let basis = job.totals.basis.map_or_else(String::new, |basis| format!(", total from {}", basis.wire_name()));
    let moved = table::moved(job);
    page.fact("moved", &format!("{moved}{basis}"), Tone::Plain);
    if !job.status.is_final() {
        page.fact("rate", &pace(job, now), Tone::Plain);
        let contact =
            if note::not_polled_since(now).is_some() { "not polled".to_owned() } else { units::contact(job.contact) };
        let contact = match job.last_contact_at {
            Some(at) => format!("{contact}, last answer {}", moment(at, now)),
            None => contact,
        };
        page.fact("contact", &contact, Tone::Plain);
    }
    times(page, job, now);
    if let Some(correlation) = &job.correlation {
        page.fact("correlation", correlation.as_str(), Tone::Plain);
    }
}

fn pace(job: &Job, now: Moment) -> String {
    let rate = table::rate(job, now).unwrap_or_else(|| "no data moves".to_owned());
    match job.totals.eta_seconds {
        Some(seconds) if note::has_present_rate(job, now) => format!("{rate}, {} remain", units::length(seconds)),
        _ => format!("{rate}, remaining time unknown"),
    }
}

fn times(page: &mut Page, job: &Job, now: Moment) {
    match job.source_updated_at {
        Some(at) => page.fact("last report", &moment(at, now), Tone::Plain),
        None => page.fact("last report", "never", Tone::Plain),
    }
    if let Some(started) = job.started_at {
        page.fact("started", &moment(started, now), Tone::Plain);
    }
    if let Some(ended) = job.completed_at {
        let took = note::elapsed_seconds(job, now).map_or_else(String::new, |s| format!(", took {}", units::length(s)));
        page.fact("ended", &format!("{}{took}", moment(ended, now)), Tone::Plain);
    }
}

fn disks(page: &mut Page, job: &Job, now: Moment) {
    match note::disks_so_far(job) {
        Some(so_far) => page.part(&format!("disks ({so_far}; how many there are was never declared)")),
        None => page.part(&format!("disks ({})", job.disks.len())),
    }
    if job.disks.is_empty() {
        page.line("  none is known yet");
    }
    for one in &job.disks {
        disk(page, one, note::has_present_rate(job, now) && !job.status.is_final(), now);
    }
}

fn disk(page: &mut Page, disk: &Disk, live: bool, now: Moment) {
    let label = if disk.label.is_empty() { String::new() } else { format!("  {}", units::plain(&disk.label)) };
    let status = paint(&disk.status.to_string(), Tone::of_disk(disk.status), page.colour);
    page.line(&format!("  {}{label}  {status}", units::plain(disk.id.as_str())));
    let rate =
        if live && disk.throughput_bps > 0 { format!("  {}", units::rate(disk.throughput_bps)) } else { String::new() };
    let moved = units::moved(disk.bytes_transferred, disk.planned_bytes);
    let basis = disk.basis.map_or_else(String::new, |basis| format!("  from {}", basis.wire_name()));
    page.line(&format!("    {} {:>6} %  {moved}{basis}{rate}", bar::bar(disk.percent, BAR), disk.percent.to_string()));
    if let Some(id) = &disk.change_id {
        page.line(&format!("    change id {}", units::plain(id.as_str())));
    }
    if let Some(id) = &disk.previous_change_id {
        let served = if disk.previous_served { " (served to its mover)" } else { "" };
        page.line(&format!("    previous  {}{served}", units::plain(id.as_str())));
    }
    if let Some(suspect) = &disk.suspect {
        let text = paint(&units::plain(suspect), Tone::Warn, page.colour);
        page.line(&format!("    suspect   {text}"));
    }
    if let Some(error) = &disk.error {
        let since = disk.ended_at.map_or_else(String::new, |at| format!(", since {}", moment(at, now)));
        let text = paint(&format!("{}{since}", units::plain(error)), Tone::Bad, page.colour);
        page.line(&format!("    error     {text}"));
    }
}

fn steps(page: &mut Page, steps: &[StepRecord]) {
    if steps.is_empty() {
        return;
    }
    page.part("stages");
    for step in steps {
        let length = step.duration_ms.map_or("-".to_owned(), units::length_ms);
        let outcome = step.succeeded.map_or("running", json::outcome);
        page.line(&format!("  {}  {:<17} {length:>8}  {}", stamp(step.started_at), units::plain(&step.stage), outcome));
    }
}

fn received(page: &mut Page, record: &JobRecord) {
    if record.received.is_empty() {
        return;
    }
    page.part("change ids received");
    for one in &record.received {
        let disk = if one.disk.is_empty() { "(no disk named)".to_owned() } else { units::plain(&one.disk) };
        page.line(&format!("  {}  {disk}  {}", one.received_at, units::plain(&one.change_id)));
    }
}

fn events(page: &mut Page, events: &[LogRecord]) {
    if events.is_empty() {
        return;
    }
    let first = events.len().saturating_sub(EVENTS_SHOWN);
    let of = if first == 0 { String::new() } else { format!(", the last {EVENTS_SHOWN} of {}", events.len()) };
    page.part(&format!("log{of}"));
    for event in &events[first..] {
        let level = paint(&format!("{:<7}", event.level.stored_name()), Tone::of_level(event.level), page.colour);
        page.line(&format!("  {}  {level}  {}", stamp(event.at), units::plain(&event.message)));
    }
}
