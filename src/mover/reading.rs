//! What a mover says of its progress; each kind of mover has its own parser, all of them end here.

use crate::model::percent::Percent;

/// One figure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// A share of the mover's data.
    Share(Percent),
    /// An exact count of bytes moved.
    Bytes(u64),
    /// A count of bytes moved, rounded for people.
    About(u64),
    /// A share with a title, which may be of a stage or of one disk among several.
    Bar(Bar),
}

/// A progress bar that has a title.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bar {
    /// The title, at most [`TITLE_CHARACTERS`].
    pub title: String,
    /// How far it is.
    pub share: Percent,
    /// It shows counts or rates in bytes.
    pub has_bytes: bool,
    /// Bytes moved, rounded for people.
    pub about: Option<u64>,
}

/// Characters of a title that are kept.
pub const TITLE_CHARACTERS: usize = 100;
