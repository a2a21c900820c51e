//! `waybill db check`: is the file sound, and do its rows keep the rules?

use std::ffi::OsString;

use crate::cli::args::{self, Spec};
use crate::cli::{database, help, output};
use crate::exit::{Exit, Failure};
use crate::view;

const SPEC: Spec =
    Spec { name: "db check", words: &[], options: &[("db", "FILE", false)], switches: &["json"], help: help::DB_CHECK };

/// Runs the command with the arguments after `db check`.
pub fn main(args: Vec<OsString>) -> Result<Exit, Failure> {
    let Some(given) = args::read(&SPEC, args)? else { return output::print(SPEC.help) };
    let path = database::path(given.raw("db"))?;
    let reader = database::open(Some(path.clone().into()))?;
    let checks = reader.check().map_err(|error| database::failure(&error))?;
    let text = match given.has("json") {
        true => view::check::json(&checks),
        false => view::check::text(&path.to_string_lossy(), &checks, output::Screen::of_stdout().colour),
    };
    output::print(&text)?;
    Ok(if checks.iter().all(|check| check.findings.is_empty()) { Exit::Done } else { Exit::Faults })
}
