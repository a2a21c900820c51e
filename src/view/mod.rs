//! Renderers: nouns to text for people, and to JSON or metrics for programs. Pure: `now`, width and colour are arguments.
//!
//! Nothing here fails. What is unknown is shown as unknown, never as zero (F2, F22), and texts from outside are stripped
//! of control characters, so that no error message can steer a terminal.

pub mod bar;
pub mod chain;
pub mod check;
pub mod detail;
mod grid;
pub mod history;
pub mod json;
pub mod line;
pub mod live;
pub mod metrics;
pub mod note;
pub mod paint;
pub mod plan;
pub mod runs;
pub mod table;
pub mod timeline;
pub mod units;
pub mod vms;
mod wrap;

use crate::model::time::Wall;

/// The moment of a view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Now.
    pub wall: Wall,
    /// The last sign of life of the OMA's daemon in the database; `None` in a database that has none, as a VMA's.
    pub daemon: Option<Wall>,
}

impl std::ops::Deref for Moment {
    type Target = Wall;
    fn deref(&self) -> &Wall {
        &self.wall
    }
}
