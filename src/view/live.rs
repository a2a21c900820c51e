//! `waybill watch` on a terminal: one frame, made anew for each moment, that fits the window. A small window loses the log
//! first, then the stages, then the disks that need nobody's eyes, which are counted.

use crate::model::disk::Disk;
use crate::model::job::{Contact, Job};
use crate::model::record::{JobRecord, LogRecord, StepRecord};
use crate::model::stage::Stage;
use crate::model::status::{DiskStatus, JobStatus};
use crate::model::time::Wall;

use super::grid::{self, Column};
use super::paint::Tone;
use super::runs::NewestRuns;
use super::wrap::{Line, labelled};
use super::{Moment, bar, note, table, units};

/// What a frame has to fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Characters in a line.
    pub width: usize,
    /// Lines; `None` where nothing limits them.
    pub height: Option<usize>,
    /// True where colour is wanted.
    pub colour: bool,
}

/// Log entries that are shown where there is room.
const LOG: usize = 8;
/// Characters beside the bar in the line of the whole job: percent, bytes, rate, remaining time.
const BESIDE_BAR: usize = 56;

/// One job. Every line ends with a line end.
pub fn job(record: &JobRecord, now: Moment, window: Window) -> String {
    let job = &record.job;
    let mut frame = head(job, now, window.width);
    // A line is kept for the foot.
    let mut room = window.height.map_or(usize::MAX, |height| height.saturating_sub(frame.len() + 1));
    let disks = disk_lines(job, now, window.width, room);
    room = room.saturating_sub(disks.len());
    let stages = stages(record, now, window.width, room);
    room = room.saturating_sub(stages.len());
    let has_gaps = room >= 3;
    let gap = || has_gaps.then(Line::default);
    let for_log = if has_gaps { room.saturating_sub(4).min(LOG) } else { 0 };
    let log = &record.log[record.log.len().saturating_sub(for_log)..];
    frame.extend(gap().into_iter().chain(disks));
    frame.extend(gap().into_iter().chain(stages));
    if !log.is_empty() {
        frame.extend(gap().into_iter().chain(log.iter().map(entry)));
    }
    frame.extend(gap().into_iter().chain([foot(job, now)]));
    render(&frame, window)
}

/// All jobs, those that run first; `jobs` is in the order in which they are wanted.
pub fn jobs(jobs: &[Job], newest: &NewestRuns, now: Moment, window: Window) -> String {
    let room = window.height.map_or(usize::MAX, |height| height.saturating_sub(4)).max(1);
    let shown = &jobs[..jobs.len().min(room)];
    let mut frame = vec![summary(jobs, now), Line::default()];
    frame.extend(table::frame(shown, newest, now, window.width));
    if shown.len() < jobs.len() {
        let more = format!("and {} more: `waybill jobs` lists all", jobs.len() - shown.len());
        frame.push(Line::new(more, Tone::Plain));
    }
    render(&frame, window)
}

/// What is wrong with the figures of a frame, above or below it.
pub fn trouble(text: &str, window: Window) -> String {
    render(&labelled("trouble", &units::plain(text), Tone::Bad, window.width), window)
}

fn render(lines: &[Line], window: Window) -> String {
    lines.iter().map(|line| line.render(window.width, window.colour) + "\n").collect()
}

fn summary(jobs: &[Job], now: Moment) -> Line {
    let running = jobs.iter().filter(|job| !job.status.is_final());
    let (mut count, mut rate, mut silent) = (0_usize, 0_u64, 0_usize);
    for job in running {
        count += 1;
        silent += usize::from(note::standing(job, now) != note::Standing::Well);
        rate = rate.saturating_add(if table::rate(job, now).is_some() { job.totals.throughput_bps } else { 0 });
    }
    let failed = jobs.iter().filter(|job| job.status == JobStatus::Failed).count();
    let mut line = Line::new(clock(now.wall), Tone::Head).and(format!("  {count} unfinished"), Tone::Plain);
    if silent > 0 {
        line = line.and(format!(", {silent} of them silent"), Tone::Warn);
    }
    if failed > 0 {
        line = line.and(format!(", {failed} failed lately"), Tone::Bad);
    }
    line.and(format!(", {} in all", units::rate(rate)), Tone::Plain)
}

/// The time of day; a frame that is looked at needs no date.
fn clock(at: Wall) -> String {
    at.to_string().get(11..19).unwrap_or_default().to_owned() + "Z"
}

fn head(job: &Job, now: Moment, width: usize) -> Vec<Line> {
    let vm = if job.vm.path.is_empty() { &job.vm.name } else { &job.vm.path };
    let vm = if vm.is_empty() { "unknown".to_owned() } else { units::plain(vm) };
    let mut lines = vec![
        Line::new(units::plain(job.id.as_str()), Tone::Head).and(format!("  VM {vm}  VMA {}", job.vma), Tone::Plain),
        status(job, now),
        figures(job, now, width),
    ];
    let activity = note::activity(job, now);
    lines.extend(labelled("state", &activity.text, activity.tone, width));
    if let Some(remedy) = activity.remedy {
        lines.extend(labelled("to do", remedy, Tone::Plain, width));
    }
    lines
}

fn status(job: &Job, now: Moment) -> Line {
    let kind = job.sync.map_or_else(String::new, |sync| format!(", {} copy", sync.wire_name()));
    let begun = job.started_at.unwrap_or(job.created_at);
    let elapsed = units::length(job.completed_at.unwrap_or(now.wall).seconds_since(begun));
    let elapsed = if job.status.is_final() { format!("took {elapsed}") } else { format!("elapsed {elapsed}") };
    Line::new(job.status.to_string(), Tone::of_job(job.status))
        .and(format!("{kind}, started {}, {elapsed}", clock(begun)), Tone::Plain)
}

fn figures(job: &Job, now: Moment, width: usize) -> Line {
    let bar = bar::with_percent(job.totals.percent, width.saturating_sub(BESIDE_BAR).clamp(10, 60));
    let by_mover = if table::is_movers_percent(job) { " (mover's own)" } else { "" };
    let mut text = format!("{bar}{by_mover}  {}", table::moved(job));
    if !job.status.is_final() {
        let rate = table::rate(job, now).unwrap_or_else(|| "-".to_owned());
        let eta = job.totals.eta_seconds.filter(|_| note::has_present_rate(job, now));
        let eta = eta.map_or("ETA unknown".to_owned(), |seconds| format!("{} left", units::length(seconds)));
        text += &format!("  {rate}  {eta}");
    }
    let basis = job.totals.basis.map_or_else(String::new, |basis| format!("  total from {}", basis.wire_name()));
    let has_room = text.chars().count() + basis.chars().count() <= width;
    Line::new(if has_room { text + &basis } else { text }, Tone::Plain)
}

/// The disks in at most so many lines, and how many others there are. Those that somebody may want to look at come first.
fn disk_lines(job: &Job, now: Moment, width: usize, room: usize) -> Vec<Line> {
    let mut disks: Vec<&Disk> = job.disks.iter().collect();
    let for_disks = room.saturating_sub(1);
    let mut rest = Vec::new();
    if disks.len() > for_disks {
        disks.sort_by_key(|disk| match disk.status {
            DiskStatus::Failed => 0,
            DiskStatus::Streaming => 1,
            DiskStatus::Queued | DiskStatus::Snapshotting => 2,
            DiskStatus::Completed => 3,
        });
        rest = disks.split_off(for_disks.saturating_sub(1));
    }
    let mut lines = if disks.is_empty() { Vec::new() } else { disk_table(job, &disks, now, width) };
    if job.disks.is_empty() {
        lines.push(Line::new("no disk is known yet", Tone::Plain));
    } else if !rest.is_empty() {
        let more = if disks.is_empty() { "disks" } else { "more disks" };
        let counts = DiskStatus::ALL.iter().filter_map(|status| {
            let count = rest.iter().filter(|disk| disk.status == *status).count();
            (count > 0).then(|| format!("{count} {status}"))
        });
        let counts: Vec<String> = counts.collect();
        lines.push(Line::new(format!("{} {more}: {}", rest.len(), counts.join(", ")), Tone::Plain));
    }
    lines.truncate(room);
    lines
}

/// What a disk's line is made of.
struct DiskPlan {
    bar: usize,
    label: bool,
    rate: bool,
}

/// From wide to narrow; the first that fits is taken, the last one in any case.
const DISK_PLANS: [DiskPlan; 5] = [
    DiskPlan { bar: 20, label: true, rate: true },
    DiskPlan { bar: 10, label: true, rate: true },
    DiskPlan { bar: 10, label: false, rate: true },
    DiskPlan { bar: 0, label: false, rate: true },
    DiskPlan { bar: 0, label: false, rate: false },
];
/// Characters of a disk's note for which there must be space.
const DISK_NOTE: usize = 16;

fn disk_table(job: &Job, disks: &[&Disk], now: Moment, width: usize) -> Vec<Line> {
    let has_rate = note::has_present_rate(job, now) && !job.status.is_final();
    let mut columns = Vec::new();
    for plan in &DISK_PLANS {
        columns = disk_columns(disks, plan, has_rate, width / 3);
        if grid::fits(&columns, DISK_NOTE, width) {
            break;
        }
    }
    grid::lines(&columns)
}

fn disk_columns(disks: &[&Disk], plan: &DiskPlan, has_rate: bool, name: usize) -> Vec<Column> {
    let named = |disk: &&Disk| {
        let label = if plan.label && !disk.label.is_empty() {
            format!(" {}", units::plain(&disk.label))
        } else {
            String::new()
        };
        units::cut_middle(&format!("{}{label}", units::plain(disk.id.as_str())), name)
    };
    let rate = |disk: &&Disk| match disk.status {
        DiskStatus::Streaming if has_rate => units::rate(disk.throughput_bps),
        _ => "-".to_owned(),
    };
    let mut columns = vec![
        Column::words("DISK", disks.iter().map(named)),
        Column::new("STATUS", disks.iter().map(|disk| (disk.status.to_string(), Tone::of_disk(disk.status)))),
        Column::figures("DONE", disks.iter().map(|disk| bar::with_percent(disk.percent, plan.bar))),
        Column::figures("MOVED", disks.iter().map(|disk| units::moved(disk.bytes_transferred, disk.planned_bytes))),
    ];
    if plan.rate {
        columns.push(Column::figures("RATE", disks.iter().map(rate)));
    }
    columns.push(Column::new("NOTE", disks.iter().map(|disk| disk_note(disk))));
    columns
}

fn disk_note(disk: &Disk) -> (String, Tone) {
    match (&disk.error, &disk.suspect, &disk.change_id) {
        (Some(error), ..) => (units::plain(error), Tone::Bad),
        (None, Some(suspect), _) => (units::plain(suspect), Tone::Warn),
        (None, None, Some(_)) => ("change id stored".to_owned(), Tone::Plain),
        (None, None, None) if disk.status == DiskStatus::Completed => ("no change id yet".to_owned(), Tone::Plain),
        (None, None, None) => (String::new(), Tone::Plain),
    }
}

/// Stages that are done, the present one and those to come, in at most so many lines. One that no poll saw is left out: it
/// was too short, or its mover does not tell of it.
fn stages(record: &JobRecord, now: Moment, width: usize, room: usize) -> Vec<Line> {
    let step = |stage: Stage| record.steps.iter().find(|step| step.stage == stage.wire_name());
    let (mut done, mut to_come) = (Vec::new(), Vec::new());
    let present = record.job.stage.filter(|_| !record.job.status.is_final());
    for stage in Stage::ALL {
        match step(stage) {
            _ if present == Some(stage) => {}
            Some(step) => done.push(with_length(step, now)),
            None if record.job.status.is_final() || record.job.stage.is_some_and(|reached| stage < reached) => {}
            None => to_come.push(stage.to_string()),
        }
    }
    let at = present.map(|stage| step(stage).map_or_else(|| stage.to_string(), |step| with_length(step, now)));
    let part = |label, text: &str, tone| if text.is_empty() { Vec::new() } else { labelled(label, text, tone, width) };
    let mut parts = [
        part("done", &done.join(", "), Tone::Plain),
        part("now", &at.unwrap_or_default(), Tone::Head),
        part("to come", &to_come.join(", "), Tone::Plain),
    ];
    // The first that a small window gives up comes first.
    for given_up in [0, 2, 1] {
        if parts.iter().map(Vec::len).sum::<usize>() > room {
            parts[given_up].clear();
        }
    }
    parts.into_iter().flatten().collect()
}

/// A stage with its length, so far where it lasts.
fn with_length(step: &StepRecord, now: Moment) -> String {
    let so_far = || step.started_at.map(|started| now.seconds_since(started).saturating_mul(1000));
    let length = step.duration_ms.or_else(so_far).map_or_else(String::new, |ms| format!(" {}", units::length_ms(ms)));
    let failed = if step.succeeded == Some(false) { " failed" } else { "" };
    format!("{}{length}{failed}", units::plain(&step.stage))
}

fn entry(entry: &LogRecord) -> Line {
    let at = entry.at.map_or_else(|| " ".repeat(9), clock);
    Line::new(at, Tone::Plain).and(format!(" {}", units::plain(&entry.message)), Tone::of_level(entry.level))
}

/// How fresh the figures are. Of a fresh contact only the last half minute is known, which would look old.
fn foot(job: &Job, now: Moment) -> Line {
    let ago = |at: Option<Wall>| at.map_or("never".to_owned(), |at| format!("{} ago", units::age(at, *now)));
    let contact = match job.contact {
        _ if job.status.is_final() || job.last_contact_at.is_none() => String::new(),
        _ if note::not_polled_since(now).is_some() => ", not polled".to_owned(),
        Contact::Fresh => format!(", contact {}", units::contact(job.contact)),
        other => format!(", contact {other}, last answer {}", ago(job.last_contact_at)),
    };
    Line::new(format!("{}  last report {}{contact}", clock(now.wall), ago(job.source_updated_at)), Tone::Plain)
}
