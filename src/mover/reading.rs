//! What a mover says of its progress; each kind of mover has its own parser, all of them end here.

use crate::model::percent::Percent;

/// One figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// A share of the mover's data.
    Share(Percent),
    /// A count of bytes moved.
    Bytes(u64),
}
