//! From measurements to figures, and the table of them.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::load::BEAT;
use super::proxy::Poll;

/// How late polls were.
pub struct Lateness {
    /// Of each poll: how long after its job's beat it came, sorted.
    pub late: Vec<Duration>,
    /// Beats without a poll.
    pub missed: usize,
}

/// A job's beat is a lattice of 2 s; its place is where the job's earliest poll, in this sense, lies. So a job that is
/// late by the same amount at every poll shows as punctual; one whose polls wander shows by how much.
pub fn lateness(polls: &[Poll]) -> Lateness {
    let mut by_job: BTreeMap<usize, Vec<Instant>> = BTreeMap::new();
    for poll in polls {
        by_job.entry(poll.job).or_default().push(poll.at);
    }
    let (mut late, mut missed) = (Vec::new(), 0);
    for times in by_job.values_mut() {
        times.sort();
        let (first, beat) = (times[0], BEAT.as_secs_f64());
        let beats: Vec<f64> = times.iter().map(|at| at.duration_since(first).as_secs_f64() / beat).collect();
        let earliest = beats.iter().map(|at| at - at.round()).fold(0.0, f64::min);
        late.extend(beats.iter().map(|at| Duration::from_secs_f64((at - at.round() - earliest).max(0.0) * beat)));
        let expected = beats.last().map_or(0.0, |last| last.round()) as usize + 1;
        missed += expected.saturating_sub(times.len());
    }
    late.sort();
    Lateness { late, missed }
}

/// The value below which that many of a hundred lie; nothing of nothing.
pub fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    let at = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    sorted.get(at).copied().unwrap_or_default()
}

/// The table.
#[derive(Default)]
pub struct Table(Vec<[String; 3]>);

impl Table {
    /// A line with a figure and nothing wanted.
    pub fn line(&mut self, what: &str, figure: String) {
        self.0.push([what.to_owned(), figure, String::new()]);
    }
    /// A line with a figure that is to be below another.
    pub fn below(&mut self, what: &str, figure: f64, most: f64, unit: &str) {
        let verdict = if figure < most { "yes" } else { "NO" };
        self.0.push([what.to_owned(), format!("{} {unit}", short(figure)), format!("< {most} {unit}: {verdict}")]);
    }
    /// A line with times at 50 and 99 percent and at worst.
    pub fn times(&mut self, what: &str, sorted: &[Duration]) {
        let ms = |at: Duration| short(at.as_secs_f64() * 1e3);
        let [half, most, last] = [50, 99, 100].map(|percent| ms(percentile(sorted, percent)));
        self.line(what, format!("p50 {half}, p99 {most}, worst {last} ms of {}", sorted.len()));
    }
    /// As people read it.
    pub fn render(&self) -> String {
        let width = |column: usize| self.0.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let (first, second) = (width(0), width(1));
        let line = |[what, figure, wanted]: &[String; 3]| {
            format!("{what:first$}  {figure:second$}  {wanted}").trim_end().to_owned() + "\n"
        };
        self.0.iter().map(line).collect()
    }
}

/// Three digits or so.
pub fn short(figure: f64) -> String {
    match figure.abs() {
        100.0.. => format!("{figure:.0}"),
        1.0.. => format!("{figure:.1}"),
        _ => format!("{figure:.3}"),
    }
}
