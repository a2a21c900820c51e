//! Which documents are news, and which are older than what is known.
//!
//! Answers may come late and twice. A sequence counts within one epoch, so it tells: an older document is contact and
//! nothing else. A source that says less several times running is not late: its database was set back.

use super::tracked::Tracked;
use crate::model::event::Event;
use crate::model::progress::Progress;
use crate::model::time::Now;
use crate::policy::journal::Journal;

/// Older documents in a row that are no accident any more.
const SET_BACK_AFTER: u32 = 3;

/// True where the document is to be merged. VMAs without a sequence are taken at their word.
pub(super) fn is_news(now: Now, tracked: &mut Tracked, said: &Progress, journal: &mut Journal) -> bool {
    let (job, known) = (&tracked.job, tracked.job.source_sequence);
    let is_same_epoch = said.epoch.is_some() && said.epoch == job.source_epoch;
    let Some(sequence) = said.sequence.filter(|sequence| is_same_epoch && *sequence < known) else {
        tracked.older = 0;
        return true;
    };
    tracked.older += 1;
    if tracked.older < SET_BACK_AFTER {
        return false;
    }
    tracked.older = 0;
    let message = format!(
        "the VMA's database was set back from sequence {known} to {sequence}, as by restoring a backup: \
         what it says counts again, and larger figures that are known stay"
    );
    let attributes = vec![("known", known.into()), ("said", sequence.into())];
    journal.note(now, job, Event::SourceReplaced, message, attributes);
    true
}
