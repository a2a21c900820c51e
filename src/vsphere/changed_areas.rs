//! `QueryChangedDiskAreas` page by page (`vsphere.md`). The next page begins where the last one says that it ends, until
//! the disk's capacity: a page may hold no area and not be the last, and the capacity is that of the disk, never the size
//! of one of its files (F18).

use super::session::Vcenter;
use crate::limits;
use crate::model::plan::Baseline;
use crate::model::vmware::{Areas, Fault};
use crate::wire::soap::answer::{self, Page, broken};
use crate::wire::soap::request::{self, Ref};

/// A disk of a VM, in a snapshot where there is one.
pub struct DiskRef<'d> {
    /// The VM.
    pub vm: &'d Ref,
    /// The snapshot; without one only a VM that is off answers.
    pub snapshot: Option<&'d Ref>,
    /// VMware's device key.
    pub key: i64,
    /// The disk's size in bytes.
    pub capacity_bytes: u64,
}

impl Vcenter {
    /// All areas of a disk that were allocated, or have changed since a change id.
    ///
    /// # Errors
    /// vCenter's fault, or the page that cannot be; pages before it are worth nothing then.
    pub async fn changed_areas(&self, disk: &DiskRef<'_>, baseline: &Baseline) -> Result<Areas, Fault> {
        let since = match baseline {
            Baseline::Whole => "*",
            Baseline::Since(id) => id.as_str(),
        };
        let mut walk = Walk::new(disk.capacity_bytes);
        while let Some(offset) = walk.next_offset() {
            let ask = |_: &_| request::changed_disk_areas(disk.vm, disk.snapshot, disk.key, offset, since);
            let page = self.call(ask, answer::changed_areas).await?;
            walk.take(page)?;
        }
        Ok(walk.areas)
    }
}

/// A walk over the pages of a disk. The union of all areas is counted, whatever order they come in and however they
/// overlap.
#[derive(Debug)]
struct Walk {
    capacity: u64,
    /// Everything before it is counted.
    offset: u64,
    /// Parts of areas, as start and end, that reach beyond the pages so far.
    ahead: Vec<(u64, u64)>,
    areas: Areas,
}

impl Walk {
    fn new(capacity: u64) -> Self {
        Self { capacity, offset: 0, ahead: Vec::new(), areas: Areas::default() }
    }

    /// Where the next page begins; `None` at the end of the disk.
    fn next_offset(&self) -> Option<u64> {
        (self.offset < self.capacity).then_some(self.offset)
    }

    fn take(&mut self, page: Page) -> Result<(), Fault> {
        let bad = |problem: String| broken("QueryChangedDiskAreas", &problem);
        let (offset, length) = (self.offset, page.length);
        let end =
            u64::try_from(length).ok().filter(|length| *length > 0).and_then(|length| page.start.checked_add(length));
        let end = end.ok_or_else(|| bad(format!("the page at byte {} has the length {length}", page.start)))?;
        if page.start > offset || end <= offset {
            return Err(bad(format!("asked from byte {offset} on, it is about the bytes {} to {end}", page.start)));
        }
        self.areas.pages += 1;
        if self.areas.pages > limits::AREA_PAGES {
            return Err(bad(format!("more than {} pages for one disk", limits::AREA_PAGES)));
        }
        for (start, length) in page.areas.into_iter().filter(|(_, length)| *length > 0) {
            let area_end =
                start.checked_add(length).ok_or_else(|| bad(format!("an area at byte {start} without end")))?;
            self.areas.count += 1;
            self.ahead.push((start.max(offset), area_end.min(self.capacity)));
        }
        self.count_up_to(end.min(self.capacity));
        if self.ahead.len() > limits::AREAS_AHEAD {
            return Err(bad(format!("more than {} areas beyond their page", limits::AREAS_AHEAD)));
        }
        Ok(())
    }

    fn count_up_to(&mut self, end: u64) {
        self.ahead.sort_unstable();
        let mut covered = self.offset;
        for (start, area_end) in &self.ahead {
            let (from, to) = (covered.max(*start), end.min(*area_end));
            if from < to {
                self.areas.bytes += to - from;
                covered = to;
            }
        }
        self.ahead.retain(|(_, area_end)| *area_end > end);
        self.offset = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn page(start: u64, length: i64, areas: &[(u64, u64)]) -> Page {
        Page { start, length, areas: areas.to_vec() }
    }
    fn walked(capacity: u64, pages: &[Page]) -> Result<Areas, String> {
        let mut walk = Walk::new(capacity);
        for page in pages {
            assert!(walk.next_offset().is_some(), "the disk has ended before {page:?}");
            walk.take(page.clone()).map_err(|fault| fault.message)?;
        }
        assert_eq!(walk.next_offset(), None);
        Ok(walk.areas)
    }

    #[test]
    fn f18_pages_go_on_to_the_capacity_also_past_an_empty_one() {
        let pages = [page(0, 50, &[(10, 5)]), page(50, 25, &[]), page(75, 925, &[(900, 100)])];
        assert_eq!(walked(1000, &pages), Ok(Areas { bytes: 105, count: 2, pages: 3 }));
    }

    #[test]
    fn f16_a_disk_of_less_than_a_gib_has_its_bytes() {
        assert_eq!(walked(1536, &[page(0, 1536, &[(512, 512)])]), Ok(Areas { bytes: 512, count: 1, pages: 1 }));
    }

    #[test]
    fn f15_areas_beyond_the_disk_or_given_twice_do_not_make_it_larger() {
        let twice = [page(0, 60, &[(50, 30), (40, 20), (40, 20)]), page(60, 40, &[(60, 20), (90, 1000)])];
        assert_eq!(walked(100, &twice), Ok(Areas { bytes: 50, count: 5, pages: 2 }));
        let ahead = [page(0, 10, &[(0, 90)]), page(10, 100, &[])];
        assert_eq!(walked(100, &ahead).map(|areas| areas.bytes), Ok(90), "too many, never too few");
    }

    #[test]
    fn a_page_that_cannot_be_is_an_error() {
        let about = "vCenter's answer to QueryChangedDiskAreas is not understood: ";
        let said = |pages: &[Page]| walked(100, pages).expect_err("refused").strip_prefix(about).map(str::to_owned);
        assert_eq!(said(&[page(0, 0, &[])]).as_deref(), Some("the page at byte 0 has the length 0"));
        assert_eq!(said(&[page(0, -5, &[])]).as_deref(), Some("the page at byte 0 has the length -5"));
        assert_eq!(
            said(&[page(0, 50, &[]), page(0, 50, &[])]).as_deref(),
            Some("asked from byte 50 on, it is about the bytes 0 to 50")
        );
        assert_eq!(said(&[page(10, 50, &[])]).as_deref(), Some("asked from byte 0 on, it is about the bytes 10 to 60"));
        assert_eq!(
            said(&[page(0, 5, &[(u64::MAX, 2)])]).as_deref(),
            Some("an area at byte 18446744073709551615 without end")
        );
    }

    proptest! {
        #[test]
        fn the_union_of_all_areas_is_counted_however_they_are_cut_into_pages(
            marks in prop::collection::vec((0_u64..400, 1_u64..40), 0..30),
            cuts in prop::collection::vec(1_u64..80, 1..40),
            clipped: bool,
        ) {
            const CAPACITY: u64 = 420;
            let expected = (0..CAPACITY).filter(|byte| marks.iter().any(|(at, len)| (*at..at + len).contains(byte)));
            let mut walk = Walk::new(CAPACITY);
            let mut cuts = cuts.into_iter().cycle();
            while let Some(offset) = walk.next_offset() {
                let end = offset + cuts.next().expect("endless");
                // An area that straddles the end is given whole and then left out, or given in two parts.
                let areas = marks.iter().filter_map(|(at, length)| {
                    let (from, to) = if clipped { ((*at).max(offset), (at + length).min(end)) } else { (*at, at + length) };
                    let is_here = if clipped { from < to } else { (offset..end).contains(at) };
                    is_here.then(|| (from, to - from))
                });
                let length = i64::try_from(end - offset).expect("small");
                walk.take(Page { start: offset, length, areas: areas.collect() }).expect("a page");
            }
            prop_assert_eq!(walk.areas.bytes, expected.count() as u64);
        }
    }
}
