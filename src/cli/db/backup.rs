//! `waybill db backup`: a copy of the database at one moment, also while its daemon writes.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::cli::args::{self, Spec};
use crate::cli::{database, help, output};
use crate::exit::{Exit, Failure};
use crate::runtime::clock::Clock;
use crate::store::Reader;
use crate::view::units;

const SPEC: Spec = Spec {
    name: "db backup",
    words: &["[TO]"],
    options: &[("db", "FILE", false)],
    switches: &[],
    help: help::DB_BACKUP,
};

/// Runs the command with the arguments after `db backup`.
pub fn main(args: Vec<OsString>) -> Result<Exit, Failure> {
    let Some(given) = args::read(&SPEC, args)? else { return output::print(SPEC.help) };
    let path = database::path(given.raw("db"))?;
    let named = Some(given.raw_word(0)).filter(|word| !word.is_empty());
    let to = named.map_or_else(|| default_place(&path), PathBuf::from);
    let refuse =
        |why: &dyn std::fmt::Display| Failure::new(Exit::Failed, format!("cannot back up to {}", to.display()), why);
    if to.symlink_metadata().is_ok() {
        return Err(refuse(&"it is there already").with_remedy("name another file, or move that one away"));
    }
    let reader = database::open(Some(path.into()))?;
    reader.back_up(&to).map_err(|error| refuse(&error))?;
    let copy = Reader::open(&to).map_err(|error| refuse(&error))?;
    let checks = copy.check().map_err(|error| refuse(&error))?;
    let findings = checks.iter().map(|check| check.findings.len()).sum::<usize>();
    if findings > 0 {
        let why = format!("the copy is made, and {findings} faults were found in it, as they are in the database");
        let remedy = format!("`waybill db check --db {}` names them", to.display());
        return Err(Failure { exit: Exit::Faults, ..refuse(&why).with_remedy(remedy) });
    }
    let jobs = copy.jobs().map_err(|error| refuse(&error))?.len();
    let history = copy.history(None).map_err(|error| refuse(&error))?.len();
    let size = units::size(std::fs::metadata(&to).map_or(0, |file| file.len()));
    output::print(&format!("{}: {jobs} jobs, {history} rows of history, {size}, checked\n", to.display()))
}

/// Beside the database, with the moment in its name: `oma.db.2026-11-23T17-14-01Z`.
fn default_place(database: &Path) -> PathBuf {
    let now = Clock::start().now().wall.to_string();
    let seconds = now.split('.').next().unwrap_or(&now).replace(':', "-");
    let mut name = database.as_os_str().to_owned();
    name.push(format!(".{seconds}Z"));
    PathBuf::from(name)
}
