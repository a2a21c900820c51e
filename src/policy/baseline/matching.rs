//! Which disk of the VM a disk of the job is. A wrong match plans the wrong bytes, so that only what names a disk counts:
//! its device key, `disk-<key>` (`wire.md`), its node, its label; and where each side has one disk, there is no other.

use crate::model::plan::WantedDisk;
use crate::model::vmware::DiskFacts;

/// For each disk of the VM the place of the job's disk that it is; a disk of the job is given once.
pub(super) fn matched(disks: &[DiskFacts], wanted: &[WantedDisk]) -> Vec<Option<usize>> {
    let mut given = vec![None; disks.len()];
    let rules: [fn(&DiskFacts, &WantedDisk) -> bool; 3] = [
        |disk, wanted| key_of(wanted) == Some(disk.key),
        |disk, wanted| disk.node.as_ref().is_some_and(|node| node.eq_ignore_ascii_case(wanted.id.as_str())),
        |disk, wanted| !disk.label.is_empty() && [&*wanted.label, wanted.id.as_str()].contains(&&*disk.label),
    ];
    for (number, is_same) in rules.into_iter().enumerate() {
        // A disk that has a key is that one or none.
        for place in (0..wanted.len()).filter(|place| number == 0 || key_of(&wanted[*place]).is_none()) {
            let mut found = (0..disks.len()).filter(|at| is_same(&disks[*at], &wanted[place]));
            // A name that fits two disks names neither.
            if let (Some(at), None) = (found.next(), found.next())
                && given[at].is_none()
                && !given.contains(&Some(place))
            {
                given[at] = Some(place);
            }
        }
    }
    if let ([None], [only]) = (given.as_slice(), wanted)
        && key_of(only).is_none()
    {
        given[0] = Some(0);
    }
    given
}

fn key_of(wanted: &WantedDisk) -> Option<i64> {
    wanted.device_key.or_else(|| wanted.id.device_key())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::id::DiskId;

    fn disk(key: i64, label: &str, node: &str) -> DiskFacts {
        DiskFacts {
            key,
            label: label.to_owned(),
            node: Some(node.to_owned()),
            capacity_bytes: 1,
            change_id: None,
            layout_bytes: None,
            excluded: None,
        }
    }
    fn wanted(id: &str, device_key: Option<i64>, label: &str) -> WantedDisk {
        let id = DiskId::parse(id).expect("an id");
        WantedDisk { id, device_key, label: label.to_owned(), previous: None, capacities_then: Vec::new() }
    }

    #[test]
    fn a_disk_is_found_by_key_id_node_or_label() {
        let disks = [disk(2000, "Hard disk 1", "scsi0:0"), disk(2001, "Hard disk 2", "scsi0:1")];
        for second in [
            wanted("x", Some(2001), ""),
            wanted("disk-2001", None, ""),
            wanted("SCSI0:1", None, ""),
            wanted("x", None, "Hard disk 2"),
            wanted("Hard disk 2", None, ""),
        ] {
            assert_eq!(matched(&disks, std::slice::from_ref(&second)), [None, Some(0)], "{second:?}");
        }
        assert_eq!(matched(&disks, &[wanted("disk-2000", Some(2001), "Hard disk 1")]), [None, Some(0)], "the key wins");
        assert_eq!(
            matched(&disks, &[wanted("x", Some(2007), "Hard disk 1")]),
            [None, None],
            "another key is another disk"
        );
        assert_eq!(
            matched(&disks, &[wanted("disk-0", None, ""), wanted("disk-1", None, "")]),
            [None, None],
            "no guess"
        );
    }

    #[test]
    fn the_only_disk_of_a_vm_is_the_only_one_of_its_job() {
        let only = [disk(2000, "Hard disk 1", "scsi0:0")];
        assert_eq!(matched(&only, &[wanted("disk-0", None, "")]), [Some(0)]);
        assert_eq!(matched(&only, &[wanted("disk-2001", None, "")]), [None]);
        assert_eq!(matched(&only, &[wanted("a", None, ""), wanted("b", None, "")]), [None]);
    }

    #[test]
    fn two_wishes_for_one_disk_get_it_once() {
        let disks = [disk(2000, "same", "scsi0:0"), disk(2001, "same", "scsi0:1")];
        assert_eq!(matched(&disks, &[wanted("a", Some(2000), ""), wanted("b", Some(2000), "")]), [Some(0), None]);
        assert_eq!(matched(&disks, &[wanted("a", None, "same"), wanted("b", None, "same")]), [None, None], "no guess");
    }
}
