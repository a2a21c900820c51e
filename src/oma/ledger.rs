//! What the OMA writes to its database, and what it asks of it afterwards.

use super::Oma;
use crate::model::time::Now;
use crate::policy::fleet::Input;
use crate::store::RefusedWhat;

impl Oma {
    /// Writes what was decided. What the database refuses is its job's matter, and is decided on next.
    pub(super) fn write(&mut self, now: Now) {
        for refused in self.ledger.settle(now, self.fleet.changes()) {
            let input = match refused.what {
                RefusedWhat::EndedElsewhere(status) => Input::EndedElsewhere(refused.job, status),
                what => Input::RowRefused(refused.job, format!("{what}: {}", refused.reason)),
            };
            self.fleet.handle(now, input);
        }
    }

    /// Gives the jobs that were taken in the change ids that had come before them. True where there were some.
    pub(super) fn recall(&mut self, now: Now) -> bool {
        let mut is_news = false;
        // What is unwritten cannot be read back, so the jobs wait for it.
        while self.ledger.is_clean()
            && let Some(id) = self.fleet.next_admitted()
        {
            match self.ledger.store().received_change_ids(&id) {
                Ok(received) if received.is_empty() => {}
                Ok(received) => {
                    self.fleet.recall(now, &id, received);
                    is_news = true;
                }
                Err(error) => log::error!("job={:?} {error}", id.as_str()),
            }
        }
        is_news
    }
}
