//! Identifiers: opaque texts of 1 to 255 bytes without control characters, one type for each kind so that they
//! cannot be mixed up. They are reference-counted, because a job's id stands in several queues at once.

use std::fmt;
use std::sync::Arc;

use crate::limits;

/// Why a text cannot be an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadId {
    /// The text is empty.
    #[error("is empty; give 1 to {} bytes", limits::ID_BYTES)]
    Empty,
    /// The text is longer than [`limits::ID_BYTES`].
    #[error("has {bytes} bytes; at most {} are allowed", limits::ID_BYTES)]
    TooLong {
        /// The length that was met.
        bytes: usize,
    },
    /// The text holds a control character.
    #[error("has a control character at byte {at}; use printable text")]
    ControlCharacter {
        /// Byte offset of the character.
        at: usize,
    },
}

fn check(text: &str) -> Result<(), BadId> {
    if text.is_empty() {
        return Err(BadId::Empty);
    }
    if text.len() > limits::ID_BYTES {
        return Err(BadId::TooLong { bytes: text.len() });
    }
    match text.char_indices().find(|(_, c)| c.is_control()) {
        Some((at, _)) => Err(BadId::ControlCharacter { at }),
        None => Ok(()),
    }
}

macro_rules! id_types {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Takes a text that keeps the rules of R-2.
            pub fn parse(text: &str) -> Result<Self, BadId> {
                check(text).map(|()| Self(text.into()))
            }
            /// The text itself.
            pub fn as_str(&self) -> &str {
                &self.0
            }
            /// The text itself, without a copy of it.
            pub fn shared(&self) -> Arc<str> {
                Arc::clone(&self.0)
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({:?})", stringify!($name), &*self.0)
            }
        }
    )*};
}

id_types! {
    /// A job: one run of the replication of one VM.
    JobId;
    /// A disk within its job; `disk-2000` stands in every VM, so it means nothing without the job or the VM path.
    DiskId;
    /// The name of an NBD export; it also names its job and disk in the movers' pushes.
    ExportName;
    /// Another name that was declared for a job.
    Alias;
    /// A VMA as the OMA's configuration calls it.
    VmaName;
    /// Joins all that is recorded of a job on both appliances; a ULID where waybill made it.
    CorrelationId;
    /// Names one VMA database: sequences compare only within one epoch.
    Epoch;
}

impl JobId {
    /// The id of the `n`th run under this id, `<id>~n`; an error where that would be too long.
    pub fn rerun(&self, n: u32) -> Result<Self, BadId> {
        Self::parse(&format!("{self}~{n}"))
    }
    /// The id of the first run, if this is spelled as a later one, `<id>~2`.
    pub fn first_run(&self) -> Option<Self> {
        let (base, _) = self.as_str().rsplit_once('~')?;
        let base = Self::parse(base).ok()?;
        self.run_number(&base).is_some_and(|number| number > 1).then_some(base)
    }
    /// Which run under that id it is; `None` where the id is spelled as no run ever is.
    pub fn run_number(&self, base: &Self) -> Option<u32> {
        let number = self.as_str().strip_prefix(base.as_str())?.strip_prefix('~')?.parse().ok()?;
        base.rerun(number).is_ok_and(|spelled| spelled == *self).then_some(number)
    }
}

impl DiskId {
    /// VMware's device key where the id is `disk-<key>` (`wire.md`); `disk-0`, `disk-1` ... are names that waybill gave itself.
    pub fn device_key(&self) -> Option<i64> {
        const FIRST: i64 = 1000;
        self.as_str().strip_prefix("disk-")?.parse().ok().filter(|key| *key >= FIRST)
    }
}

/// VMware's name for a point in a disk's history, as some caller sent it. Not every text that arrives is well-formed,
/// and none is thrown away.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChangeId(Box<str>);

impl ChangeId {
    /// Keeps the text as it is; `None` for the empty text, which stands for "no change id" on the wire.
    pub fn from_text(text: &str) -> Option<Self> {
        (!text.is_empty()).then(|| Self(text.into()))
    }
    /// The text itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
    /// True for `<uuid>/<counter>`, with the uuid in VMware's spelling (`52 de c0 ... 10-61 ... 63`) or the usual one.
    pub fn is_well_formed(&self) -> bool {
        self.point().is_some()
    }
    /// What the id says, by which two spellings of one id are the same; `None` where it is not well-formed.
    pub fn point(&self) -> Option<ChangePoint> {
        let (uuid, counter) = self.0.rsplit_once('/')?;
        let only_uuid = uuid.bytes().all(|b| b.is_ascii_hexdigit() || b == b' ' || b == b'-');
        let digits: String = uuid.chars().filter(char::is_ascii_hexdigit).collect();
        let counts = !counter.is_empty() && counter.len() <= 20 && counter.bytes().all(|b| b.is_ascii_digit());
        if !only_uuid || digits.len() != 32 || !counts {
            return None;
        }
        Some(ChangePoint { uuid: u128::from_str_radix(&digits, 16).ok()?, counter: counter.parse().ok()? })
    }
}

/// A point in a disk's history: which change tracking, and the how-manieth point of it. Two of one uuid are in order of time
/// by their counters; those of different uuids cannot be compared, because tracking began anew in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChangePoint {
    /// The uuid of the change tracking.
    pub uuid: u128,
    /// The counter within it.
    pub counter: u128,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_opaque_but_bounded() {
        for good in ["job-20250925-134230.513-8034ee", "migration-vol-1/2", "VM mit Ümlaut", "..", &"x".repeat(255)] {
            assert_eq!(JobId::parse(good).expect(good).as_str(), good);
        }
        assert_eq!(JobId::parse(""), Err(BadId::Empty));
        assert_eq!(JobId::parse(&"x".repeat(256)), Err(BadId::TooLong { bytes: 256 }));
        assert_eq!(JobId::parse("a\0b"), Err(BadId::ControlCharacter { at: 1 }));
    }

    #[test]
    fn a_disk_id_may_spell_a_device_key() {
        let key = |text: &str| DiskId::parse(text).expect("an id").device_key();
        assert_eq!(
            (key("disk-2000"), key("disk-0"), key("disk-2000b"), key("scsi0:0")),
            (Some(2000), None, None, None)
        );
    }

    #[test]
    fn a_rerun_of_an_id_at_the_limit_is_refused() {
        assert_eq!(JobId::parse("j").and_then(|id| id.rerun(2)).expect("short").as_str(), "j~2");
        assert!(JobId::parse(&"x".repeat(254)).expect("fits").rerun(2).is_err());
    }

    #[test]
    fn change_ids_are_a_uuid_and_a_counter() {
        let well_formed = |text: &str| ChangeId::from_text(text).is_some_and(|id| id.is_well_formed());
        assert!(well_formed("52 de c0 d9 b9 43 9d 10-61 d5 4c 1b e9 7b 65 63/81"));
        assert!(well_formed("52dec0d9-b943-9d10-61d5-4c1be97b6563/0"));
        for bad in ["", "*", "completed", "52 de c0/81", "52 de c0 d9 b9 43 9d 10-61 d5 4c 1b e9 7b 65 63", "x/1"] {
            assert!(!well_formed(bad), "{bad}");
        }
    }

    #[test]
    fn two_spellings_of_a_change_id_are_one_point() {
        let point = |text: &str| ChangeId::from_text(text).and_then(|id| id.point());
        let spelled = point("52 de c0 d9 b9 43 9d 10-61 d5 4c 1b e9 7b 65 63/81").expect("well-formed");
        assert_eq!(spelled.counter, 81);
        assert_eq!(point("52DEC0D9-B943-9D10-61D5-4C1BE97B6563/081"), Some(spelled));
        assert_eq!(point("52dec0d9b9439d1061d54c1be97b6563/82").map(|point| point.uuid), Some(spelled.uuid));
        assert_ne!(point("52dec0d9b9439d1061d54c1be97b6564/81"), Some(spelled));
        assert_eq!(
            point("52dec0d9b9439d1061d54c1be97b6563/99999999999999999999").map(|p| p.counter),
            Some(10_u128.pow(20) - 1)
        );
        assert_eq!(point("52dec0d9b9439d1061d54c1be97b6563/-1"), None);
    }
}
