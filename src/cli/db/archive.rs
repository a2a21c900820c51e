//! `waybill db archive`: moves what ended long ago into another file. It may run beside the daemon, and again after
//! it was cut short.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use crate::cli::args::{self, Spec};
use crate::cli::{database, help, output};
use crate::config::duration;
use crate::exit::{Exit, Failure};
use crate::model::time::Wall;
use crate::runtime::clock::Clock;
use crate::store::{self, StoreError};

const SPEC: Spec = Spec {
    name: "db archive",
    words: &[],
    options: &[("older-than", "AGE", false), ("to", "FILE", false), ("db", "FILE", false)],
    switches: &[],
    help: help::DB_ARCHIVE,
};

/// Runs the command with the arguments after `db archive`.
pub fn main(args: Vec<OsString>) -> Result<Exit, Failure> {
    let Some(given) = args::read(&SPEC, args)? else { return output::print(SPEC.help) };
    let age = given.required(&SPEC, "older-than")?;
    let Some(age) = duration::parse(&age).filter(|age| !age.is_zero()) else {
        return Err(Failure::new(Exit::Usage, "db archive", format!("--older-than {age:?} is no age"))
            .with_remedy("give a number and s, m, h or d, as in --older-than 90d"));
    };
    let path = database::path(given.raw("db"))?;
    let to = given.raw("to").map_or_else(|| store::default_place(&path), PathBuf::from);
    let mut thousands = 0;
    let told = |moved: store::Moved| {
        // Batches are of any size.
        if moved.jobs / 1000 > thousands {
            thousands = moved.jobs / 1000;
            output::message(&format!("{} jobs moved so far", moved.jobs));
        }
    };
    let moved = store::archive(&path, &to, cutoff(age), told).map_err(|error| {
        let has_begun =
            !matches!(error, StoreError::Elses { .. } | StoreError::NotADatabase { .. } | StoreError::Missing { .. });
        let failure = Failure::new(Exit::Failed, "cannot archive", error);
        match has_begun {
            true => {
                failure.with_remedy("repeat it when that is mended: what was moved so far is moved, nothing is lost")
            }
            false => failure,
        }
    })?;
    let (jobs, history) = (moved.jobs, moved.history);
    output::print(&format!("{}: {jobs} jobs and {history} rows of history moved here\n", to.display()))
}

/// The moment that is so long ago.
fn cutoff(age: Duration) -> Wall {
    let age = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
    Wall::from_unix_millis(Clock::start().now().wall.unix_millis().saturating_sub(age))
}
