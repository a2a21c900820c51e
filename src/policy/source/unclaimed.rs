//! Notes about a VM of which no job is known yet: a mover may ask for its last change id before its job is declared (F38).
//! They wait in memory, within a bound; the daemon's log has them from the first.

use std::time::Duration;

use crate::limits;
use crate::model::time::Now;
use crate::policy::spool::Note;

/// How long a note waits for its job: a mover asks when its run begins.
const CLAIMED_WITHIN: Duration = Duration::from_secs(3600);

/// The notes that wait.
#[derive(Debug, Clone, Default)]
pub(super) struct Unclaimed(Vec<Waiting>);

#[derive(Debug, Clone)]
struct Waiting {
    vm_path: String,
    at: Now,
    note: Note,
}

impl Unclaimed {
    /// Keeps a note for the next job of its VM; past the bound the oldest gives way.
    pub(super) fn keep(&mut self, now: Now, vm_path: &str, note: Note) {
        self.0.retain(|waiting| now.mono.since(waiting.at.mono) < CLAIMED_WITHIN);
        if vm_path.len() > limits::TEXT_BYTES {
            return;
        }
        if self.0.len() >= limits::UNCLAIMED_LOOKS {
            self.0.remove(0);
        }
        self.0.push(Waiting { vm_path: vm_path.to_owned(), at: now, note });
    }

    /// The notes that waited for a job of this VM, which say so.
    pub(super) fn claim(&mut self, now: Now, vm_path: &str) -> Vec<Note> {
        let (claimed, others) = std::mem::take(&mut self.0).into_iter().partition(|it: &Waiting| it.vm_path == vm_path);
        self.0 = others;
        let is_fresh = |it: &Waiting| now.mono.since(it.at.mono) < CLAIMED_WITHIN;
        let told = |Waiting { at, note, .. }: Waiting| Note {
            message: format!("at {}, before this job was known here: {}", at.wall, note.message),
            ..note
        };
        claimed.into_iter().filter(is_fresh).map(told).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::event::Event;
    use crate::model::time::{Mono, Wall};

    fn at(seconds: u64) -> Now {
        let wall = Wall::from_unix_millis(i64::try_from(seconds * 1000).expect("small"));
        Now { mono: Mono::from_millis(seconds * 1000), wall }
    }
    fn note(message: &str) -> Note {
        Note { event: Event::ChangeIdNotAsked, message: message.to_owned(), attributes: Vec::new() }
    }
    fn messages(notes: Vec<Note>) -> Vec<String> {
        notes.into_iter().map(|note| note.message).collect()
    }

    #[test]
    fn a_note_goes_to_the_next_job_of_its_vm_once_and_not_for_ever() {
        let mut unclaimed = Unclaimed::default();
        unclaimed.keep(at(1), "/vm/a", note("asked"));
        assert_eq!(messages(unclaimed.claim(at(2), "/vm/b")), [""; 0]);
        let said = ["at 1970-01-01T00:00:01.000Z, before this job was known here: asked"];
        assert_eq!(messages(unclaimed.claim(at(2), "/vm/a")), said);
        assert_eq!(messages(unclaimed.claim(at(2), "/vm/a")), [""; 0]);
        unclaimed.keep(at(1), "/vm/a", note("asked"));
        assert_eq!(messages(unclaimed.claim(at(3601), "/vm/a")), [""; 0], "another run by then");
    }

    #[test]
    fn notes_are_bounded_and_the_oldest_gives_way() {
        let mut unclaimed = Unclaimed::default();
        for number in 0..=limits::UNCLAIMED_LOOKS {
            unclaimed.keep(at(1), &format!("/vm/{number}"), note("asked"));
        }
        unclaimed.keep(at(1), &"x".repeat(limits::TEXT_BYTES + 1), note("asked"));
        assert_eq!(unclaimed.0.len(), limits::UNCLAIMED_LOOKS);
        assert!(unclaimed.claim(at(1), "/vm/0").is_empty() && !unclaimed.claim(at(1), "/vm/1").is_empty());
    }
}
