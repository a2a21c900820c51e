//! `waybill pki list`: what was issued, and what has become of it.

use std::ffi::OsString;

use nanoserde::SerJson;

use super::help;
use super::office::{CONFIG, Office, failed};
use crate::cli::args::{self, Spec};
use crate::cli::output;
use crate::exit::{Exit, Failure};
use crate::model::peer::Peer;
use crate::model::pki::IssuedCertificate;
use crate::model::time::Wall;
use crate::runtime::clock::Clock;

const SPEC: Spec = Spec { name: "pki list", words: &[], options: &[CONFIG], switches: &["json"], help: help::LIST };

#[derive(SerJson)]
struct Line<'l> {
    owner: &'l str,
    fingerprint: &'l str,
    state: &'static str,
    issued_at: String,
    not_after: String,
    revoked_at: &'l Option<String>,
    revoked_reason: &'l Option<String>,
}

/// Runs the command with the arguments after `pki list`.
pub fn main(args: Vec<OsString>) -> Result<Exit, Failure> {
    let Some(given) = args::read(&SPEC, args)? else { return output::print(SPEC.help) };
    let office = Office::open(&given)?;
    let certificates = office.store.certificates().map_err(|error| failed("read the books", &error))?;
    let now = Clock::start().now().wall;
    let mut text = String::new();
    if !given.has("json") {
        text.push_str(&format!("{:<24} {:<8} {:<20} {:<20} SHA-256\n", "OWNER", "STATE", "ISSUED", "UNTIL"));
    }
    for one in &certificates {
        let (issued, until) = (seconds(one.issued_at), seconds(one.not_after));
        if given.has("json") {
            let line = Line {
                owner: &one.owner,
                fingerprint: &one.fingerprint,
                state: state(one, now),
                issued_at: one.issued_at.to_string(),
                not_after: one.not_after.to_string(),
                revoked_at: &one.revoked_at,
                revoked_reason: &one.revoked_reason,
            };
            text.push_str(&line.serialize_json());
            text.push('\n');
        } else {
            let owner = Peer::from_names([one.owner.as_str()].into_iter(), std::iter::empty());
            let owner = match owner {
                Some(Peer::Vma(name)) => format!("vma {name}"),
                Some(Peer::Operator(name)) => format!("operator {name}"),
                Some(Peer::Oma) => "oma".to_owned(),
                Some(Peer::Named(_)) | None => one.owner.clone(),
            };
            text.push_str(&format!(
                "{owner:<24} {:<8} {issued:<20} {until:<20} {}\n",
                state(one, now),
                one.fingerprint
            ));
        }
    }
    output::print(&text)
}

fn state(certificate: &IssuedCertificate, now: Wall) -> &'static str {
    match certificate {
        one if one.revoked_at.is_some() => "revoked",
        one if one.not_after <= now => "expired",
        _ => "valid",
    }
}

fn seconds(at: Wall) -> String {
    let text = at.to_string();
    text.split_once('.').map_or(text.clone(), |(whole, _)| format!("{whole}Z"))
}
