//! One byte count out of what is known of a running copy: the mover's own figures, its total, and the kernel's
//! count of what it wrote.
//!
//! The count never goes down, and before the mover has confirmed its end with exit status 0 it stays below the total:
//! a count of written bytes includes what a target writes about itself. Of a mover that tells what it has begun, only what
//! can no longer be under way is shown: half a disk at once and then a standstill would not be believed.

use crate::model::percent::Percent;

/// How many bytes the copy has to move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Total {
    /// A tool has been asked and has not answered yet.
    Asked,
    /// So many.
    Bytes(u64),
    /// Nobody can tell.
    Unknown,
}

/// What is to be reported of a copy at one moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Figure {
    /// Bytes moved so far.
    pub bytes: u64,
    /// Bytes to move, where known.
    pub total: Option<u64>,
    /// Share of the data, where known.
    pub percent: Option<Percent>,
    /// The bytes are the kernel's count, not the mover's.
    pub counted: bool,
}

/// How a mover works, as far as its shares are early by it: it tells what it has begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Habit {
    /// Threads that copy at a time, at most.
    pub threads: u64,
    /// Bytes that a thread takes at a time, telling a share for it; 0 where shares come otherwise. The first two shares
    /// stand for the beginning.
    pub piece: u64,
    /// Bytes that a thread has under way when it takes the next piece.
    pub under_way: u64,
}

/// Gathers readings and counts.
#[derive(Debug)]
pub struct Gauge {
    total: Total,
    habit: Habit,
    /// Shares that the mover has said.
    shares: u64,
    /// The most threads that were seen to copy, and in how many looks.
    seen: (u64, u32),
    share: Option<Percent>,
    said: u64,
    /// What it said of bytes, rounded.
    about: u64,
    /// The last thing that it said was a count.
    counts: bool,
    shown: u64,
    shown_is_counted: bool,
    /// What the kernel had counted when this disk began, and what it counts now.
    counted: (u64, u64),
}

impl Gauge {
    /// Nothing has been moved yet, by a mover of this habit.
    pub fn new(total: Total, habit: Habit) -> Self {
        Self {
            total,
            habit,
            shares: 0,
            seen: (0, 0),
            share: None,
            said: 0,
            about: 0,
            counts: false,
            shown: 0,
            shown_is_counted: false,
            counted: (0, 0),
        }
    }
    /// The mover said a share. One that falls after the whole is of a new phase: the whole was that of the last. Any other
    /// smaller share changes nothing.
    pub fn hear_share(&mut self, share: Percent) {
        self.shares += 1;
        self.counts = false;
        let is_of_new_phase = self.share.is_some_and(is_whole) && !is_whole(share);
        self.share = if is_of_new_phase { Some(share) } else { self.share.max(Some(share)) };
        self.show(self.by_mover(), false);
    }
    /// The mover said an exact count of bytes.
    pub fn hear_bytes(&mut self, bytes: u64) {
        self.counts = true;
        self.said = self.said.max(bytes);
        self.show(self.by_mover(), false);
    }
    /// The mover said bytes, rounded: they serve when there is neither a total nor an exact count.
    pub fn hear_about(&mut self, bytes: u64) {
        self.about = self.about.max(bytes);
        if self.total == Total::Unknown && self.said == 0 {
            self.show(self.about, false);
        }
    }
    /// The mover goes on with another disk, of which no total is known.
    pub fn next_disk(&mut self) {
        *self = Self { counted: (self.counted.1, self.counted.1), ..Self::new(Total::Unknown, self.habit) };
    }
    /// The kernel counted this many bytes written. While a total may still come, the count is not shown: it could
    /// turn out to be beyond it. Nor is it where the mover counts bytes itself.
    pub fn count(&mut self, written: u64) {
        self.counted.1 = self.counted.1.max(written);
        if self.total != Total::Asked && self.said == 0 {
            self.show(written.saturating_sub(self.counted.0), true);
        }
    }
    /// So many threads copy at this moment: often fewer than there could be, since not every server takes several
    /// connections.
    pub fn see_threads(&mut self, threads: u64) {
        if threads > 0 {
            self.seen = (self.seen.0.max(threads), self.seen.1.saturating_add(1));
        }
    }
    /// The tool that was asked has answered.
    pub fn learn(&mut self, total: Total) {
        self.total = total;
        self.show(self.by_mover(), false);
    }
    /// The total as it is known now.
    pub fn total(&self) -> Total {
        self.total
    }
    /// The mover has said something.
    pub fn has_heard(&self) -> bool {
        self.share.is_some() || self.said > 0
    }
    /// What is to be reported while the mover runs, and of a mover that failed.
    pub fn running(&self) -> Figure {
        let total = self.known_total();
        let percent = match total {
            Some(total) => Some(Percent::unfinished(self.shown, total)),
            None => self.share.map(|share| share.min(Percent::ALMOST)),
        };
        Figure { bytes: self.shown, total, percent, counted: self.shown_is_counted }
    }
    /// What is to be reported once the mover has confirmed its end: its own count where it ended with one, else the whole.
    /// The kernel's count is taken only when nothing better is known: it includes what a file system writes about itself.
    pub fn completed(&self) -> Figure {
        let own = Some(self.said).filter(|said| self.counts && *said > 0);
        let total = self.known_total().map(|total| own.unwrap_or(total));
        let by_mover = own.unwrap_or(self.said.max(total.unwrap_or(self.about)));
        let counted = by_mover == 0 && self.shown_is_counted;
        Figure { bytes: if counted { self.shown } else { by_mover }, total, percent: Some(Percent::DONE), counted }
    }

    fn known_total(&self) -> Option<u64> {
        match self.total {
            Total::Bytes(total) => Some(total),
            Total::Asked | Total::Unknown => None,
        }
    }
    fn by_mover(&self) -> u64 {
        let (total, share) = (self.known_total().unwrap_or(0), self.share.unwrap_or_default().hundredths());
        let bytes_at = |hundredths: u16| {
            let bytes = u128::from(total) * u128::from(hundredths) / 10_000;
            u64::try_from(bytes).unwrap_or(u64::MAX)
        };
        // A percent of a large disk is many steps: their number tells where within the percent the mover is, no more.
        let (low, high) = (bytes_at(share), bytes_at(share.saturating_add(100)).saturating_sub(1));
        let steps = self.shares.saturating_sub(2).saturating_mul(self.habit.piece);
        let begun = steps.min(high).max(low);
        self.said.max(begun.saturating_sub(self.in_hand()))
    }

    /// Bytes of the last share that may not be copied yet: the thread that said it has begun a piece, the others may be in theirs.
    fn in_hand(&self) -> u64 {
        let Habit { threads, piece, under_way } = self.habit;
        let (seen, looks) = self.seen;
        // The first look may be at a mover that is starting its threads.
        let threads = if looks > 1 { threads.min(seen) } else { threads };
        let others = threads.saturating_sub(1).saturating_mul(piece);
        others.saturating_add(threads.saturating_mul(under_way))
    }

    /// The mover has shown neither a figure nor a written byte.
    pub fn has_moved_nothing(&self) -> bool {
        !self.has_heard() && self.shown == 0
    }

    fn show(&mut self, bytes: u64, counted: bool) {
        let bytes = self.known_total().map_or(bytes, |total| bytes.min(total.saturating_sub(1)));
        if bytes > self.shown {
            (self.shown, self.shown_is_counted) = (bytes, counted);
        } else if bytes == self.shown && !counted {
            self.shown_is_counted = false;
        }
    }
}

/// Bars that count in rounded steps end just below the whole.
pub fn is_whole(share: Percent) -> bool {
    share.hundredths() >= 9950
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn share(percent: u16) -> Percent {
        Percent::from_hundredths(percent * 100)
    }

    #[test]
    fn the_kernels_count_refines_a_coarse_mover_and_is_labelled() {
        let mut gauge = Gauge::new(Total::Bytes(1000), Habit::default());
        gauge.hear_share(share(25));
        gauge.count(200);
        assert_eq!((gauge.running().bytes, gauge.running().counted), (250, false));
        gauge.count(300);
        assert_eq!((gauge.running().bytes, gauge.running().counted), (300, true));
        gauge.hear_share(share(50));
        assert_eq!((gauge.running().bytes, gauge.running().counted), (500, false));
    }

    #[test]
    fn the_whole_is_shown_only_at_the_end() {
        let mut gauge = Gauge::new(Total::Bytes(1000), Habit::default());
        gauge.hear_share(share(100));
        gauge.count(5000);
        let running = gauge.running();
        assert_eq!((running.bytes, running.percent.map(Percent::hundredths)), (999, Some(9990)));
        let completed = gauge.completed();
        assert_eq!((completed.bytes, completed.percent, completed.counted), (1000, Some(Percent::DONE), false));
    }

    #[test]
    fn what_a_mover_may_have_in_hand_is_not_shown() {
        let mut gauge = Gauge::new(Total::Bytes(1000), Habit { threads: 1, piece: 0, under_way: 300 });
        for (said, bytes) in [(20, 0), (50, 200), (90, 600), (100, 700)] {
            gauge.hear_share(share(said));
            assert_eq!(gauge.running().bytes, bytes, "{said} %");
        }
        assert_eq!(gauge.completed().bytes, 1000);
        let mut refined = Gauge::new(Total::Bytes(1000), Habit { threads: 1, piece: 0, under_way: 300 });
        refined.hear_share(share(50));
        refined.count(250);
        assert_eq!((refined.running().bytes, refined.running().counted), (250, true));
    }

    #[test]
    fn equal_steps_tell_more_than_their_percent_and_never_another_percent() {
        let mut gauge = Gauge::new(Total::Bytes(10_000), Habit { threads: 2, piece: 30, under_way: 15 });
        // The beginning twice, then steps of 30 bytes: 30, 60, 90, and 120 in the next percent.
        let told: Vec<u64> = [0, 0, 0, 0, 0, 1, 1]
            .iter()
            .map(|percent| {
                gauge.hear_share(share(*percent));
                gauge.running().bytes
            })
            .collect();
        assert_eq!(told, [0, 0, 0, 0, 30, 60, 90]);
        (0..1000).for_each(|_| gauge.hear_share(share(1)));
        assert_eq!(gauge.running().bytes, 139, "199 at most at 1 %, without what is in hand");
        gauge.hear_share(share(50));
        assert_eq!(gauge.running().bytes, 5039);
    }

    #[test]
    fn threads_that_are_not_there_have_nothing_in_hand() {
        let shown_with = |looks: &[u64]| {
            let mut gauge = Gauge::new(Total::Bytes(1000), Habit { threads: 4, piece: 100, under_way: 10 });
            looks.iter().for_each(|threads| gauge.see_threads(*threads));
            gauge.hear_share(share(60));
            gauge.running().bytes
        };
        assert_eq!((shown_with(&[]), shown_with(&[1])), (260, 260), "it may be starting");
        assert_eq!((shown_with(&[1, 1]), shown_with(&[1, 2]), shown_with(&[2, 1])), (590, 480, 480));
        assert_eq!((shown_with(&[1, 1, 3]), shown_with(&[9, 9])), (370, 260));
        assert_eq!(
            (shown_with(&[0, 0, 1]), shown_with(&[1, 1, 0])),
            (260, 590),
            "before it starts them, and at its end"
        );
    }

    #[test]
    fn without_a_total_the_count_is_all_there_is() {
        let mut gauge = Gauge::new(Total::Unknown, Habit::default());
        gauge.hear_share(share(100));
        gauge.count(4096);
        let figure = gauge.running();
        assert_eq!((figure.bytes, figure.total, figure.counted), (4096, None, true));
        assert_eq!(figure.percent, Some(Percent::ALMOST));
        assert_eq!(gauge.completed().bytes, 4096);
    }

    #[test]
    fn a_share_that_falls_after_the_whole_is_of_a_new_phase() {
        let mut gauge = Gauge::new(Total::Unknown, Habit::default());
        let told = [10, 100, 100, 5, 3, 40].map(|percent| {
            gauge.hear_share(share(percent));
            gauge.running().percent.map(Percent::hundredths)
        });
        assert_eq!(told, [1000, 9999, 9999, 500, 500, 4000].map(Some));
    }

    #[test]
    fn rounded_bytes_serve_where_nothing_better_is_known() {
        let mut gauge = Gauge::new(Total::Unknown, Habit::default());
        gauge.hear_about(1200);
        assert_eq!((gauge.running().bytes, gauge.running().counted, gauge.completed().bytes), (1200, false, 1200));
        gauge.hear_bytes(1234);
        assert_eq!(gauge.completed().bytes, 1234);
        let mut known = Gauge::new(Total::Bytes(1300), Habit::default());
        known.hear_about(1200);
        assert_eq!((known.running().bytes, known.completed().bytes), (0, 1300));
    }

    #[test]
    fn the_next_disk_begins_with_nothing() {
        let mut gauge = Gauge::new(Total::Bytes(1000), Habit::default());
        gauge.hear_share(share(100));
        gauge.count(700);
        gauge.next_disk();
        assert_eq!((gauge.running().bytes, gauge.running().total), (0, None));
        gauge.count(900);
        assert_eq!((gauge.running().bytes, gauge.running().counted), (200, true));
    }

    #[test]
    fn counts_wait_for_a_total_that_was_asked_for() {
        let mut gauge = Gauge::new(Total::Asked, Habit::default());
        gauge.hear_share(share(10));
        gauge.count(5000);
        assert_eq!(gauge.running().bytes, 0);
        gauge.learn(Total::Bytes(1000));
        assert_eq!(gauge.running().bytes, 100);
        gauge.count(5000);
        assert_eq!(gauge.running().bytes, 999);
    }

    #[test]
    fn a_mover_that_counts_for_itself_is_believed_at_its_end() {
        let mut gauge = Gauge::new(Total::Bytes(10), Habit::default());
        gauge.hear_bytes(12);
        assert_eq!(gauge.running().bytes, 9);
        assert_eq!(gauge.completed().bytes, 12);
        let mut short = Gauge::new(Total::Bytes(1000), Habit::default());
        short.hear_bytes(600);
        assert_eq!((short.completed().bytes, short.completed().total), (600, Some(600)));
        short.hear_share(share(5));
        assert_eq!(short.completed().bytes, 1000, "the count was of something before the copy");
        assert_eq!(Gauge::new(Total::Bytes(0), Habit::default()).running().bytes, 0);
    }

    proptest! {
        #[test]
        fn bytes_never_fall_nor_reach_the_total(
            total in 1_u64..5000,
            steps in proptest::collection::vec((0_u8..3, 0_u64..10_000), 0..40),
        ) {
            let (mut gauge, mut last) = (Gauge::new(Total::Bytes(total), Habit::default()), 0);
            for (kind, figure) in steps {
                match kind {
                    0 => gauge.hear_share(Percent::from_hundredths(figure as u16)),
                    1 => gauge.hear_bytes(figure),
                    _ => gauge.count(figure),
                }
                let bytes = gauge.running().bytes;
                prop_assert!(bytes >= last && bytes < total);
                last = bytes;
            }
            prop_assert!(gauge.completed().bytes > 0);
        }
    }
}
