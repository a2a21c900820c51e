//! `waybill pki`: the OMA's authority. One file for each of its commands; the books are those of the OMA's
//! database, so that a running daemon sees within an interval what was done here.

mod help;
mod init;
mod issue;
mod list;
mod office;
mod revoke;
mod token;

use std::ffi::OsString;

use super::output;
use crate::config::nearest;
use crate::exit::{Exit, Failure};

/// Runs the command with the arguments after `pki`.
pub fn main(args: Vec<OsString>) -> Result<Exit, Failure> {
    const WORDS: [&str; 5] = ["init", "token", "issue", "list", "revoke"];
    let mut rest = args.into_iter();
    let Some(word) = rest.next() else {
        output::message(help::PKI.trim_end());
        return Ok(Exit::Usage);
    };
    let rest: Vec<OsString> = rest.collect();
    match word.to_str().unwrap_or_default() {
        "init" => init::main(rest),
        "token" => token::main(rest),
        "issue" => issue::main(rest),
        "list" => list::main(rest),
        "revoke" => revoke::main(rest),
        "--help" | "-h" => output::print(help::PKI),
        other => {
            let near = nearest(other, &WORDS);
            let remedy = near.map_or("`waybill pki --help` lists them".to_owned(), |near| {
                format!("did you mean `waybill pki {near}`?")
            });
            Err(Failure::new(Exit::Usage, format!("pki {other:?}"), "unknown command").with_remedy(remedy))
        }
    }
}
