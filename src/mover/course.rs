//! Where a mover is on its way: in a stage before or after the copy, or at which of its disks.
//!
//! Bars with a title tell it. The whole of "Creating snapshot" is not the whole of the copy, and a copy's bar that begins
//! after another one's end is of the next disk. Shares without a title are of the one disk that the mover was given.

use super::gauge::{Figure, Gauge, is_whole};
use super::reading::{Bar, Heard};
use crate::limits;
use crate::model::percent::Percent;
use crate::model::stage::Stage;

/// The way of one mover.
#[derive(Debug, Default)]
pub struct Course {
    /// It copies a whole VM: a title that names no copy is that of a stage.
    is_of_whole_vm: bool,
    /// The stage that its last bar was of; `None` before any and while it copies.
    pub stage: Option<Stage>,
    /// The present disk has begun.
    pub copies: bool,
    /// The disks before the present one, with their last figures, and what their titles named.
    pub ended: Vec<(Figure, Option<String>)>,
    /// Title and share of the present disk's bar.
    present: Option<(String, Percent)>,
}

impl Course {
    /// Of a mover that has not begun.
    pub fn of(is_of_whole_vm: bool) -> Self {
        Self { is_of_whole_vm, ..Self::default() }
    }
    /// Takes what the mover said and tells the gauge what of it is the copy's.
    pub fn hear(&mut self, reading: Heard, gauge: &mut Gauge) {
        match reading {
            Heard::Share(share) => {
                (self.copies, self.stage) = (true, None);
                gauge.hear_share(share);
            }
            Heard::Bytes(bytes) => {
                (self.copies, self.stage) = (true, None);
                gauge.hear_bytes(bytes);
            }
            Heard::About(bytes) => gauge.hear_about(bytes),
            Heard::Bar(bar) => match stage_of(&bar, self.is_of_whole_vm) {
                Some(stage) => self.stage = Some(stage),
                None => self.copy(bar, gauge),
            },
        }
    }
    /// The name of the present disk in its bar's title, as `disk-2000` or `hda`.
    pub fn disk_name(&self) -> Option<String> {
        self.present.as_ref().and_then(|(title, _)| disk_in(title))
    }

    fn copy(&mut self, bar: Bar, gauge: &mut Gauge) {
        self.stage = None;
        if let Some((title, share)) = &self.present {
            let is_another = *title != bar.title || bar.share < *share;
            if is_another && !is_whole(*share) && *title != bar.title {
                // Drawn beside one that has not ended: which is which cannot be seen.
                return;
            }
            if is_another && is_whole(*share) && !is_whole(bar.share) && self.ended.len() < limits::DISKS_PER_JOB {
                self.ended.push((gauge.completed(), self.disk_name()));
                gauge.next_disk();
            }
        }
        self.copies = true;
        gauge.hear_share(bar.share);
        bar.about.into_iter().for_each(|bytes| gauge.hear_about(bytes));
        self.present = Some((bar.title, bar.share));
    }
}

/// The stage that a title names; `None` where it is a copy's.
fn stage_of(bar: &Bar, is_of_whole_vm: bool) -> Option<Stage> {
    let title = bar.title.to_lowercase();
    let names = |words: &[&str]| words.iter().any(|word| title.contains(word));
    if names(&["snapshot"]) && !bar.has_bytes {
        let is_after = names(&["remov", "delet", "consolidat", "clean"]);
        return Some(if is_after { Stage::Finalize } else { Stage::Snapshot });
    }
    if bar.has_bytes || names(&["copy", "copie", "transfer", "sync", "saving", "backup", "download", "upload"]) {
        return None;
    }
    let is_stage = names(&[
        "prepar", "inspect", "check", "verif", "connect", "attach", "detach", "scan", "waiting", "volume", "starting",
        "mapping", "analy", "comput", "calculat",
    ]);
    (is_stage || is_of_whole_vm && !names(&["disk", "data", "convert", "import", "export"]))
        .then_some(Stage::PrepareVolumes)
}

/// The word that names a disk: one after "disk" that is no number, or one such as `disk-2000`.
fn disk_in(title: &str) -> Option<String> {
    let mut words = title.split(|c: char| c.is_whitespace() || ":()[],'\"".contains(c)).filter(|word| !word.is_empty());
    let is_id = |word: &&str| word.len() > 5 && word[..5].eq_ignore_ascii_case("disk-");
    if let Some(id) = words.clone().find(|word| word.is_ascii() && is_id(word)) {
        return Some(id.to_owned());
    }
    words.find(|word| word.eq_ignore_ascii_case("disk"))?;
    words.next().filter(|word| word.starts_with(char::is_alphabetic)).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mover::gauge::{Habit, Total};

    fn bar(title: &str, percent: u16, has_bytes: bool) -> Heard {
        let share = Percent::from_hundredths(percent * 100);
        Heard::Bar(Bar { title: title.to_owned(), share, has_bytes, about: None })
    }

    #[test]
    fn the_whole_of_a_stage_is_not_that_of_the_copy() {
        let (mut course, mut gauge) = (Course::default(), Gauge::new(Total::Bytes(1000), Habit::default()));
        course.hear(bar("Creating snapshot", 100, false), &mut gauge);
        assert_eq!((course.stage, course.copies, gauge.running().bytes), (Some(Stage::Snapshot), false, 0));
        course.hear(bar("Full copy", 40, true), &mut gauge);
        assert_eq!((course.stage, course.copies, gauge.running().bytes), (None, true, 400));
        course.hear(bar("Removing snapshot", 50, false), &mut gauge);
        assert_eq!((course.stage, gauge.running().bytes), (Some(Stage::Finalize), 400));
    }

    #[test]
    fn a_bar_after_the_end_of_another_is_of_the_next_disk() {
        let (mut course, mut gauge) = (Course::default(), Gauge::new(Total::Unknown, Habit::default()));
        for (title, percent) in [("Copying disk-2000", 50), ("Copying disk-2000", 100), ("Copying disk-2001", 10)] {
            course.hear(bar(title, percent, true), &mut gauge);
        }
        assert_eq!((course.ended.len(), course.ended[0].1.as_deref()), (1, Some("disk-2000")));
        assert_eq!(
            (course.disk_name().as_deref(), gauge.running().percent),
            (Some("disk-2001"), Percent::from_f64(10.0))
        );
        for percent in [100, 100, 5] {
            course.hear(bar("Copying disk-2001", percent, true), &mut gauge);
        }
        assert_eq!(course.ended.len(), 2, "the same title after its whole");
    }

    #[test]
    fn bars_side_by_side_are_not_told_apart_and_end_nothing() {
        let (mut course, mut gauge) = (Course::default(), Gauge::new(Total::Unknown, Habit::default()));
        for (title, percent) in [("saving disk hda", 10), ("saving disk hdb", 50), ("saving disk hda", 20)] {
            course.hear(bar(title, percent, true), &mut gauge);
        }
        assert_eq!((course.ended.len(), gauge.running().percent), (0, Percent::from_f64(20.0)));
    }

    #[test]
    fn titles_name_stages_copies_and_disks() {
        let stage = |title: &str, whole| {
            stage_of(&Bar { title: title.to_owned(), share: Percent::ZERO, has_bytes: false, about: None }, whole)
        };
        assert_eq!(stage("Creating volume", false), Some(Stage::PrepareVolumes));
        assert_eq!((stage("Task", true), stage("Task", false)), (Some(Stage::PrepareVolumes), None));
        assert_eq!((stage("Copying disk 1/2", true), stage("Full copy", true)), (None, None));
        assert_eq!(disk_in("saving disk hda").as_deref(), Some("hda"));
        assert_eq!((disk_in("Copying disk 1/2"), disk_in("Full copy"), disk_in("disk-")), (None, None, None));
    }
}
