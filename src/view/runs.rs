//! The runs of one id in a list: people see the newest, by the plain id with its number, and the older ones that have ended
//! are folded behind it.

use std::collections::BTreeMap;

use crate::model::id::JobId;
use crate::model::job::Job;

use super::units;

/// The newest run of each id. Empty, it names every run by its full id.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewestRuns(BTreeMap<String, u32>);

impl NewestRuns {
    /// Of all jobs that are known.
    pub fn of(jobs: &[Job]) -> Self {
        let mut newest = BTreeMap::new();
        for (base, number) in jobs.iter().map(|job| job.id.run()) {
            match newest.get_mut(base) {
                Some(known) => *known = number.max(*known),
                None => drop(newest.insert(base.to_owned(), number)),
            }
        }
        Self(newest)
    }
    /// True if no later run of its id is known.
    pub fn has(&self, id: &JobId) -> bool {
        let (base, number) = id.run();
        self.0.get(base) == Some(&number)
    }
    /// How a list calls it: `nightly (run 365)` for the newest of several, else its id.
    pub fn name(&self, id: &JobId) -> String {
        match id.run() {
            (base, number) if number > 1 && self.has(id) => format!("{} (run {number})", units::plain(base)),
            _ => units::plain(id.as_str()),
        }
    }
}
