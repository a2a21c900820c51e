//! `waybill db`: looks after the database file itself. One file for each of its commands.

mod archive;
mod backup;
mod check;

use std::ffi::OsString;

use super::{help, output};
use crate::config::nearest;
use crate::exit::{Exit, Failure};

/// Runs the command with the arguments after `db`.
pub fn main(args: Vec<OsString>) -> Result<Exit, Failure> {
    let mut rest = args.into_iter();
    let Some(word) = rest.next() else {
        output::message(help::DB.trim_end());
        return Ok(Exit::Usage);
    };
    let rest: Vec<OsString> = rest.collect();
    match word.to_str().unwrap_or_default() {
        "check" => check::main(rest),
        "backup" => backup::main(rest),
        "archive" => archive::main(rest),
        "--help" | "-h" => output::print(help::DB),
        other => {
            let near = nearest(other, &["check", "backup", "archive"]);
            let remedy = near.map_or("`waybill db --help` lists them".to_owned(), |near| {
                format!("did you mean `waybill db {near}`?")
            });
            Err(Failure::new(Exit::Usage, format!("db {other:?}"), "unknown command").with_remedy(remedy))
        }
    }
}
