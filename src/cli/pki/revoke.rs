//! `waybill pki revoke`: takes certificates back. A running daemon shows out whoever has one within an interval.

use std::ffi::OsString;

use super::help;
use super::office::{CONFIG, Office, failed, owner};
use crate::cli::args::{self, Spec};
use crate::cli::output;
use crate::exit::{Exit, Failure};
use crate::model::pki::PkiEvent;
use crate::runtime::clock::Clock;

const SPEC: Spec = Spec {
    name: "pki revoke",
    words: &[],
    options: &[
        CONFIG,
        ("vma", "NAME", false),
        ("operator", "NAME", false),
        ("fingerprint", "HEX", false),
        ("reason", "TEXT", false),
    ],
    switches: &[],
    help: help::REVOKE,
};

/// Runs the command with the arguments after `pki revoke`.
pub fn main(args: Vec<OsString>) -> Result<Exit, Failure> {
    let Some(given) = args::read(&SPEC, args)? else { return output::print(SPEC.help) };
    let reason = given.required(&SPEC, "reason")?;
    let owner = owner(&SPEC, &given)?;
    let fingerprint = given.value(&SPEC, "fingerprint")?.map(|text| text.replace(':', "").to_ascii_lowercase());
    if owner.is_some() == fingerprint.is_some() {
        return Err(args::usage(&SPEC, &"name one: --vma NAME, --operator NAME or --fingerprint HEX"));
    }
    let mut office = Office::open(&given)?;
    let now = Clock::start().now().wall;
    let uri = owner.as_ref().and_then(|owner| owner.uri());
    let certificates = office.store.certificates().map_err(|error| failed("read the books", &error))?;
    let meant = certificates.into_iter().filter(|one| {
        let is_valid = one.revoked_at.is_none() && one.not_after > now;
        is_valid && (Some(&one.owner) == uri.as_ref() || Some(&one.fingerprint) == fingerprint.as_ref())
    });
    let meant: Vec<_> = meant.collect();
    let Some(first) = meant.first() else {
        let failure = Failure::new(Exit::NotFound, "cannot revoke", "no valid certificate is meant by that");
        return Err(failure.with_remedy("`waybill pki list` shows all of them"));
    };
    let owner = first.owner.clone();
    let fingerprints: Vec<String> = meant.into_iter().map(|one| one.fingerprint).collect();
    let message = format!("revoked: {reason}; SHA-256 {}", fingerprints.join(", "));
    let entry = PkiEvent { at: now, event: "revoked", owner: owner.clone(), message };
    let count =
        office.store.revoke(&fingerprints, &reason, &entry).map_err(|error| failed("write to the books", &error))?;
    output::print(&format!("{owner}: {count} revoked; who has one is shown out within seconds\n"))
}
