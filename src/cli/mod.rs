//! One file a command; here the first word finds its file. Data goes to stdout, messages to stderr, and every failure is
//! told once, here, with its remedy. Nothing here decides about jobs.

mod args;
mod cancel;
mod check_config;
mod daemon;
mod database;
mod db;
pub mod demo;
mod enroll;
mod finish;
mod followed;
mod help;
mod history;
mod jobs;
mod log;
mod output;
mod pki;
mod plan;
mod request;
pub mod run;
mod show;
mod track;
mod vms;
mod watch;

use std::ffi::OsString;

use crate::config::nearest;
use crate::exit::{Exit, Failure};

/// Runs the command that `args` (without the program's name) names, and tells its failure.
pub fn main(args: Vec<OsString>) -> Exit {
    dispatch(args).unwrap_or_else(|failure| {
        output::message(&failure.to_string());
        failure.exit
    })
}

fn dispatch(args: Vec<OsString>) -> Result<Exit, Failure> {
    let mut rest = args.into_iter();
    let Some(word) = rest.next() else {
        output::message(help::TOP.trim_end());
        return Ok(Exit::Usage);
    };
    let rest: Vec<OsString> = rest.collect();
    match word.to_str().unwrap_or_default() {
        "vma" => daemon::vma(rest),
        "oma" => daemon::oma(rest),
        "demo" => demo::main(rest),
        "plan" => plan::main(rest),
        "run" => Ok(run::main(rest)),
        "jobs" => jobs::main(rest),
        "show" => show::main(rest),
        "watch" => watch::main(rest),
        "log" => log::main(rest),
        "history" => history::main(rest),
        "vms" => vms::main(rest),
        "cancel" => cancel::main(rest),
        "track" => track::main(rest),
        "finish" => finish::main(rest),
        "db" => db::main(rest),
        "pki" => pki::main(rest),
        "enroll" => enroll::main(rest),
        "check-config" => check_config::main(rest),
        "help" | "--help" | "-h" => on_help(rest),
        "--version" | "-V" => output::print(&format!("waybill {}\n", env!("CARGO_PKG_VERSION"))),
        _ => Err(unknown(&word)),
    }
}

/// `help`, `help COMMAND`, and `--help` before a command.
fn on_help(rest: Vec<OsString>) -> Result<Exit, Failure> {
    match rest.into_iter().next() {
        Some(command) if help::COMMANDS.iter().any(|known| command == *known) => {
            dispatch(vec![command, OsString::from("--help")])
        }
        Some(command) => Err(unknown(&command)),
        None => output::print(help::TOP),
    }
}

fn unknown(word: &OsString) -> Failure {
    let word = word.to_string_lossy();
    let remedy = match nearest(&word, &help::COMMANDS) {
        Some(near) => format!("did you mean `waybill {near}`? `waybill --help` lists the commands"),
        None => "`waybill --help` lists the commands".to_owned(),
    };
    Failure::new(Exit::Usage, format!("{word:?}"), "unknown command").with_remedy(remedy)
}
