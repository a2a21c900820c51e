//! Which change id a mover is served for its next incremental. A wrong one costs data, a missing one a full copy, so
//! an id is served only for the same disk of the same VM of the same VMA, and of the size that it had then; and when none
//! is served the answer says why.

use crate::model::id::{ChangeId, VmaName};
use crate::model::request::DiskQuestion;
use crate::model::time::Wall;

/// A Completed disk of an earlier run, or of one that goes on, with its change id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The change id.
    pub change_id: ChangeId,
    /// The VMA of the run; `None` in rows of older versions.
    pub vma: Option<VmaName>,
    /// The VM's path at that run.
    pub vm_path: String,
    /// The VM's instance UUID, "" if it was unknown.
    pub vm_uuid: String,
    /// The disk's size then in bytes.
    pub capacity_bytes: Option<u64>,
    /// When the disk was completed, or its run ended.
    pub at: Wall,
}

/// Why no change id is served.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotServed {
    /// There is none.
    #[error("no change id of a completed disk is known: copy everything")]
    Unknown,
    /// There is one, of another VM that had the same path.
    #[error(
        "the VM at this path is another one than that of the last run (instance UUID {now}, then {then}): copy everything"
    )]
    OtherVm {
        /// The UUID that the mover's VM has.
        now: String,
        /// The one of the last run.
        then: String,
    },
    /// There is one, of another VMA's VM with the same path.
    #[error("the last run of this path was that of another VMA, {vma}: copy everything")]
    OtherVma {
        /// That VMA.
        vma: VmaName,
    },
    /// Several VMAs have a VM of this path, and the question does not say which it is about.
    #[error("several VMAs have a VM of this path, {vmas}, and the question names none: copy everything")]
    SeveralVmas {
        /// Their names.
        vmas: String,
    },
    /// The disk has another size than at that change id.
    #[error("the disk had {then} bytes at its last change id, and has {now} now: copy this disk in full")]
    Resized {
        /// Its size at the change id.
        then: u64,
        /// Its size now.
        now: u64,
    },
}

/// Answers with the newest candidate that is of the disk in question, whose change id is to be served. `candidates` are of the disk by its
/// name, the newest first.
///
/// # Errors
/// Why none is served.
pub fn serve<'c>(question: &DiskQuestion, candidates: &'c [Candidate]) -> Result<&'c Candidate, NotServed> {
    let sound = candidates.iter().filter(|candidate| candidate.change_id.is_well_formed());
    let placed: Vec<&Candidate> = sound.filter(|candidate| is_same_vm(question, candidate)).collect();
    let other = || candidates.iter().find(|candidate| candidate.vm_path == question.vm_path);
    if placed.is_empty()
        && let Some(other) = other()
    {
        return Err(NotServed::OtherVm { now: question.vm_uuid.clone(), then: other.vm_uuid.clone() });
    }
    let newest = match &question.vma {
        Some(vma) => {
            let theirs =
                placed.iter().copied().find(|candidate| candidate.vma.as_ref().is_none_or(|known| known == vma));
            let foreign = placed.iter().find_map(|candidate| candidate.vma.clone());
            match (theirs, foreign) {
                (None, Some(vma)) => return Err(NotServed::OtherVma { vma }),
                (theirs, _) => theirs,
            }
        }
        None => {
            let named = placed.iter().filter_map(|candidate| candidate.vma.as_ref().map(VmaName::as_str));
            let mut vmas: Vec<&str> = named.collect();
            vmas.sort_unstable();
            vmas.dedup();
            if vmas.len() > 1 {
                return Err(NotServed::SeveralVmas { vmas: vmas.join(", ") });
            }
            placed.first().copied()
        }
    };
    let newest = newest.ok_or(NotServed::Unknown)?;
    match (newest.capacity_bytes, question.capacity_bytes) {
        (Some(then), Some(now)) if then != now => Err(NotServed::Resized { then, now }),
        _ => Ok(newest),
    }
}

/// Whether a candidate is of the VM in question: by the UUID if both are known, else by the path.
fn is_same_vm(question: &DiskQuestion, candidate: &Candidate) -> bool {
    if question.vm_uuid.is_empty() || candidate.vm_uuid.is_empty() {
        return candidate.vm_path == question.vm_path;
    }
    candidate.vm_uuid.eq_ignore_ascii_case(&question.vm_uuid)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "52 de c0 d9 b9 43 9d 10-61 d5 4c 1b e9 7b 65 63/8";

    fn vma(name: &str) -> Option<VmaName> {
        VmaName::parse(name).ok()
    }
    /// A candidate by its counter, VMA, path, UUID and size.
    fn of(counter: u32, by: &str, path: &str, uuid: &str, capacity_bytes: Option<u64>) -> Candidate {
        let change_id = ChangeId::from_text(&format!("{ID}{counter}")).expect("an id");
        let at = Wall::from_unix_millis(i64::from(counter));
        Candidate { change_id, vma: vma(by), vm_path: path.to_owned(), vm_uuid: uuid.to_owned(), capacity_bytes, at }
    }
    fn asked(by: &str, path: &str, uuid: &str, capacity_bytes: Option<u64>) -> DiskQuestion {
        let (vm_path, vm_uuid, disk) = (path.to_owned(), uuid.to_owned(), "disk-2000".to_owned());
        DiskQuestion { vma: vma(by), vm_path, vm_uuid, disk, capacity_bytes }
    }
    fn served(question: DiskQuestion, candidates: &[Candidate]) -> String {
        match serve(&question, candidates) {
            Ok(found) => found.change_id.as_str().strip_prefix(ID).expect("one of ours").to_owned(),
            Err(why) => why.to_string().split([',', ':', '(']).next().expect("words").trim().to_owned(),
        }
    }

    #[test]
    fn an_id_is_served_for_the_same_vm_of_the_same_vma_and_size_only() {
        let (a, b, gib) = ("site-a", "site-b", 1 << 30);
        let one = [of(2, a, "/vm/x", "", None), of(1, a, "/vm/x", "", None)];
        assert_eq!(served(asked(a, "/vm/x", "", None), &one), "2", "the newest");
        assert_eq!(served(asked("", "/vm/x", "", None), &one), "2", "a mover on the OMA itself");
        let last = "the last run of this path was that of another VMA";
        assert_eq!(served(asked(b, "/vm/x", "", None), &one), last);
        let both = [of(3, b, "/vm/x", "", None), of(2, a, "/vm/x", "", None)];
        assert_eq!(served(asked(a, "/vm/x", "", None), &both), "2", "its own, though another's is newer");
        assert_eq!(served(asked("", "/vm/x", "", None), &both), "several VMAs have a VM of this path");
        let moved = [of(4, a, "/vm/old", "u-1", None)];
        assert_eq!(served(asked(a, "/vm/new", "U-1", None), &moved), "4", "a rename is followed");
        let dead = [of(5, a, "/vm/x", "u-1", None)];
        let other = "the VM at this path is another one than that of the last run";
        assert_eq!(served(asked(a, "/vm/x", "u-2", None), &dead), other);
        assert_eq!(served(asked(a, "/vm/x", "", None), &dead), "5", "the UUID is not known now: the path counts");
        let old = [Candidate { vma: None, ..of(6, a, "/vm/x", "", None) }];
        assert_eq!(served(asked(b, "/vm/x", "u-9", None), &old), "6", "rows of before keep their meaning");
        let sized = [of(7, a, "/vm/x", "", Some(40 * gib))];
        assert_eq!(served(asked(a, "/vm/x", "", Some(40 * gib)), &sized), "7");
        assert_eq!(
            served(asked(a, "/vm/x", "", Some(200 * gib)), &sized),
            "the disk had 42949672960 bytes at its last change id"
        );
        assert_eq!(served(asked(a, "/vm/x", "", None), &[]), "no change id of a completed disk is known");
    }
}
