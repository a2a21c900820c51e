//! Identifiers: opaque texts of 1 to 255 bytes that can be seen, one type for each kind so that they cannot be
//! mixed up. They are reference-counted, because a job's id stands in several queues at once.

use std::fmt;
use std::sync::Arc;

use super::text::is_invisible;
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
    #[error("has a control character at byte {at} (U+{:04X}); use printable text", *.character as u32)]
    ControlCharacter {
        /// Byte offset of the character.
        at: usize,
        /// The character.
        character: char,
    },
    /// The text holds a character that leaves no mark.
    #[error(
        "has an invisible character at byte {at} (U+{:04X}); two ids that look alike would be two, so use text that can \
         be seen",
        *.character as u32
    )]
    Invisible {
        /// Byte offset of the character.
        at: usize,
        /// The character.
        character: char,
    },
}

fn check(text: &str) -> Result<(), BadId> {
    if text.is_empty() {
        return Err(BadId::Empty);
    }
    if text.len() > limits::ID_BYTES {
        return Err(BadId::TooLong { bytes: text.len() });
    }
    match text.char_indices().find(|(_, c)| c.is_control() || is_invisible(*c)) {
        Some((at, character)) if character.is_control() => Err(BadId::ControlCharacter { at, character }),
        Some((at, character)) => Err(BadId::Invisible { at, character }),
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
    /// The id that was started again, and which run of it this is: 1 unless it is spelled `<id>~<n>`.
    pub fn run(&self) -> (&str, u32) {
        let again = self.as_str().rsplit_once('~').and_then(|(base, number)| {
            let number = number.parse().ok().filter(|parsed: &u32| *parsed > 1 && parsed.to_string() == number)?;
            (!base.is_empty()).then_some((base, number))
        });
        again.unwrap_or((self.as_str(), 1))
    }
    /// Which runs people mean by this id, of those that are known, the oldest first: by the plain id all of it, by `<id>~1`
    /// the first, by any other run's id that run.
    pub fn runs_among(&self, known: &[Self]) -> Vec<Self> {
        if self.run().1 > 1 || known.contains(self) && self.as_str().ends_with("~1") {
            return vec![self.clone()];
        }
        if let Some(Ok(first)) = self.as_str().strip_suffix("~1").map(Self::parse) {
            return vec![first];
        }
        let mut runs: Vec<&Self> = known.iter().filter(|id| id.run().0 == self.as_str()).collect();
        runs.sort_by_key(|id| id.run().1);
        if runs.is_empty() { vec![self.clone()] } else { runs.into_iter().cloned().collect() }
    }
    /// The id of the first run, if this is spelled as a later one, `<id>~2`.
    pub fn first_run(&self) -> Option<Self> {
        let (base, number) = self.run();
        Self::parse(base).ok().filter(|_| number > 1)
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
///
/// The text stays as it came, with its case and white space, and so it is stored and served. Two ids are equal if they
/// name one point ([`ChangeId::point`]), however they are spelled; texts that name none are equal if they are the same.
#[derive(Clone, Debug)]
pub struct ChangeId(Box<str>);

impl ChangeId {
    /// Keeps the text as it is; `None` for an empty or blank one, which stands for "no change id" on the wire.
    pub fn from_text(text: &str) -> Option<Self> {
        (!text.trim().is_empty()).then(|| Self(text.into()))
    }
    /// The text itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
    /// True for `<uuid>/<counter>`, with the uuid in VMware's spelling (`52 de c0 ... 10-61 ... 63`) or the usual one.
    pub fn is_well_formed(&self) -> bool {
        self.point().is_some()
    }
    /// What the id says, by which two spellings of one id are the same; `None` if it is not well-formed.
    ///
    /// The uuid is 32 hexadecimal digits of either case. White space and dashes between them, white space around the
    /// whole and zeros before the counter mean nothing. A counter beyond 64 bits is read exactly; one that no `u128`
    /// holds is no counter. `*` asks VMware for everything and names no point.
    pub fn point(&self) -> Option<ChangePoint> {
        let (uuid, counter) = self.0.rsplit_once('/')?;
        let mut digits = uuid.chars().filter(|c| *c != '-' && !c.is_ascii_whitespace());
        let uuid = digits.by_ref().take(32).try_fold((0_u128, 0), |(uuid, count), digit| {
            Some((uuid << 4 | u128::from(digit.to_digit(16)?), count + 1))
        })?;
        let counter = counter.trim_ascii();
        let counts = counter.bytes().all(|byte| byte.is_ascii_digit());
        match (uuid, digits.next()) {
            ((uuid, 32), None) if counts => Some(ChangePoint { uuid, counter: counter.parse().ok()? }),
            _ => None,
        }
    }
}

impl PartialEq for ChangeId {
    fn eq(&self, other: &Self) -> bool {
        let points = || self.point().zip(other.point());
        self.0 == other.0 || points().is_some_and(|(own, others)| own == others)
    }
}

impl Eq for ChangeId {}

/// A point in a disk's history: which change tracking, and the how-manieth point of it. Two of one uuid are in order of time
/// by their counters; those of different uuids cannot be compared, because tracking was reset in between.
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
        let disk = "[datastore13] vm/vm_3.vmdk";
        for good in
            ["job-20250925-134230.513-8034ee", "migration-vol-1/2", "VM mit Ümlaut", disk, "..", &"x".repeat(255)]
        {
            assert_eq!(JobId::parse(good).expect(good).as_str(), good);
        }
        assert_eq!(JobId::parse(""), Err(BadId::Empty));
        assert_eq!(JobId::parse(&"x".repeat(256)), Err(BadId::TooLong { bytes: 256 }));
        assert_eq!(JobId::parse("a\0b"), Err(BadId::ControlCharacter { at: 1, character: '\0' }));
    }

    #[test]
    fn an_id_that_holds_what_cannot_be_seen_is_refused_by_name() {
        for (character, named) in [
            ('\u{200b}', "invisible character at byte 4 (U+200B)"),
            ('\u{202e}', "invisible character at byte 4 (U+202E)"),
            ('\u{feff}', "invisible character at byte 4 (U+FEFF)"),
            ('\u{ad}', "invisible character at byte 4 (U+00AD)"),
            ('\u{2028}', "invisible character at byte 4 (U+2028)"),
            ('\u{e0041}', "invisible character at byte 4 (U+E0041)"),
            ('\u{85}', "control character at byte 4 (U+0085)"),
            ('\n', "control character at byte 4 (U+000A)"),
        ] {
            let said = DiskId::parse(&format!("disk{character}-1")).expect_err("refused").to_string();
            assert!(said.contains(named), "{said}");
        }
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
    fn a_plain_id_means_its_newest_run_and_the_first_has_a_name_of_its_own() {
        let id = |text: &str| JobId::parse(text).expect("an id");
        let known: Vec<JobId> = ["nightly", "nightly~9", "nightly~10", "nightly2", "nightly~x", "odd~1"].map(id).into();
        let meant = |text: &str| id(text).runs_among(&known).iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(meant("nightly"), ["nightly", "nightly~9", "nightly~10"]);
        for (said, run) in [
            ("nightly~1", "nightly"),
            ("nightly~9", "nightly~9"),
            ("nightly~11", "nightly~11"),
            ("nightly~x", "nightly~x"),
            ("odd~1", "odd~1"),
            ("other", "other"),
        ] {
            assert_eq!(meant(said), [run], "{said}");
        }
        assert_eq!(
            [id("a~2").run(), id("a~02").run(), id("~2").run(), id("a~2~3").run()].map(|run| run.1),
            [2, 1, 1, 3]
        );
    }

    #[test]
    fn a_rerun_of_an_id_at_the_limit_is_refused() {
        assert_eq!(JobId::parse("j").and_then(|id| id.rerun(2)).expect("short").as_str(), "j~2");
        assert!(JobId::parse(&"x".repeat(254)).expect("fits").rerun(2).is_err());
    }

    #[test]
    fn every_spelling_of_a_change_id_is_one_point() {
        const SPELLED: &str = "52 de c0 d9 b9 43 9d 10-61 d5 4c 1b e9 7b 65 63/81";
        let id = |text: &str| ChangeId::from_text(text).expect("a text");
        let point = Some(ChangePoint { uuid: 0x52dec0d9_b9439d10_61d54c1b_e97b6563, counter: 81 });
        for (what, text) in [
            ("VMware's own", SPELLED),
            ("upper case", "52 DE C0 D9 B9 43 9D 10-61 D5 4C 1B E9 7B 65 63/81"),
            ("a dashed uuid", "52dec0d9-b943-9d10-61d5-4c1be97b6563/81"),
            ("upper case, dashed", "52DEC0D9-B943-9D10-61D5-4C1BE97B6563/81"),
            ("no spaces between the bytes", "52dec0d9b9439d10-61d54c1be97b6563/81"),
            ("digits alone", "52dec0d9b9439d1061d54c1be97b6563/81"),
            ("white space before", "  \t52 de c0 d9 b9 43 9d 10-61 d5 4c 1b e9 7b 65 63/81"),
            ("white space after", "52 de c0 d9 b9 43 9d 10-61 d5 4c 1b e9 7b 65 63/81 "),
            ("a line's end", "52 de c0 d9 b9 43 9d 10-61 d5 4c 1b e9 7b 65 63/81\r\n"),
            ("white space at the slash", "52 de c0 d9 b9 43 9d 10-61 d5 4c 1b e9 7b 65 63 / 81"),
            ("zeros before the counter", "52 de c0 d9 b9 43 9d 10-61 d5 4c 1b e9 7b 65 63/00000000000000000000081"),
        ] {
            assert_eq!((id(text).point(), id(text) == id(SPELLED)), (point, true), "{what}");
            assert_eq!(id(text).as_str(), text, "{what}: it is kept as it came");
        }
        for text in ["52dec0d9b9439d1061d54c1be97b6563/82", "52dec0d9b9439d1061d54c1be97b6564/81", "*"] {
            assert_ne!(id(text), id(SPELLED), "{text}");
        }
    }

    #[test]
    fn what_is_no_uuid_and_counter_is_kept_and_unsound() {
        for text in [
            "*",
            "...",
            "completed",
            "x/1",
            "52 de c0/81",
            "52dec0d9b9439d1061d54c1be97b6563",
            "52dec0d9b9439d1061d54c1be97b6563/",
            "52dec0d9b9439d1061d54c1be97b656/81",
            "52dec0d9b9439d1061d54c1be97b65633/81",
            "{52dec0d9b9439d1061d54c1be97b6563}/81",
            "52dec0d9b9439d1061d54c1be97b6563/-1",
            "52dec0d9b9439d1061d54c1be97b6563/+1",
            "52dec0d9b9439d1061d54c1be97b6563/8 1",
            "52dec0d9b9439d1061d54c1be97b6563/0x51",
            "52dec0d9b9439d1061d54c1be97b6563/340282366920938463463374607431768211456",
        ] {
            let id = ChangeId::from_text(text).expect("kept");
            assert!(!id.is_well_formed() && id.as_str() == text, "{text}");
        }
        for nothing in ["", " ", "\n"] {
            assert_eq!(ChangeId::from_text(nothing), None, "{nothing:?}");
        }
    }

    #[test]
    fn a_counter_beyond_64_bits_is_read_exactly() {
        let counter = |text: &str| {
            let id = ChangeId::from_text(&format!("52dec0d9b9439d1061d54c1be97b6563/{text}"));
            id.and_then(|id| id.point()).map(|point| point.counter)
        };
        assert_eq!(counter("18446744073709551616"), Some(u128::from(u64::MAX) + 1));
        assert!(counter("99999999999999999999") < counter("100000000000000000000"));
    }
}
