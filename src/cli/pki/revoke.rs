//! `waybill pki revoke`: takes certificates back. A running daemon shows out whoever has one within an interval.

use std::ffi::OsString;

use super::help;
use super::office::{CONFIG, Office, failed, owner};
use crate::cli::args::{self, Spec};
use crate::cli::output;
use crate::exit::{Exit, Failure};
use crate::model::pki::Revocation;
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
    let meant = match (owner.and_then(|owner| owner.uri()), fingerprint) {
        (Some(uri), None) => Revocation::Owner(uri),
        (None, Some(fingerprint)) => Revocation::Certificate(fingerprint),
        _ => return Err(args::usage(&SPEC, &"name one: --vma NAME, --operator NAME or --fingerprint HEX")),
    };
    let mut office = Office::open(&given)?;
    let revoked = office.store.revoke(&meant, Clock::start().now().wall, &reason);
    let Some(revoked) = revoked.map_err(|error| failed("write to the books", &error))? else {
        let failure = Failure::new(Exit::NotFound, "cannot revoke", "no valid certificate is meant by that");
        return Err(failure.with_remedy("`waybill pki list` shows all of them"));
    };
    let (owner, count) = (revoked.owner, revoked.fingerprints.len());
    output::print(&format!("{owner}: {count} revoked; who has one is shown out within seconds\n"))
}
