//! `waybill pki issue`: signs a request that was carried here, for a VMA that cannot reach this OMA, or for an operator.

use std::ffi::OsString;
use std::io::Read;
use std::path::Path;

use super::help;
use super::office::{CONFIG, Office, failed, owner};
use crate::cli::args::{self, Spec};
use crate::cli::output;
use crate::exit::{Exit, Failure};
use crate::limits;
use crate::oma::books::booked;
use crate::runtime::clock::Clock;
use crate::runtime::secrets;

const SPEC: Spec = Spec {
    name: "pki issue",
    words: &[],
    options: &[
        CONFIG,
        ("vma", "NAME", false),
        ("operator", "NAME", false),
        ("request", "FILE", false),
        ("host", "NAME", true),
    ],
    switches: &["oma"],
    help: help::ISSUE,
};

/// Runs the command with the arguments after `pki issue`.
pub fn main(args: Vec<OsString>) -> Result<Exit, Failure> {
    let Some(given) = args::read(&SPEC, args)? else { return output::print(SPEC.help) };
    let owner = owner(&SPEC, &given)?;
    let owner = owner.ok_or_else(|| args::usage(&SPEC, &"--vma NAME, --operator NAME or --oma is missing"))?;
    let file = given.required(&SPEC, "request")?;
    let request = read(&file).map_err(|why| failed("read the request", &why))?;
    let mut office = Office::open(&given)?;
    let authority = office.authority()?;
    let now = Clock::start().now().wall;
    let hosts = given.values(&SPEC, "host")?;
    let issued = authority.issue(&request, &owner, &hosts, now, office.pki.valid_for);
    let issued = issued.map_err(|why| {
        failed("issue a certificate", &why).with_remedy("`waybill enroll --request FILE` on the VMA makes one")
    })?;
    let (certificate, entry) = booked(now, &owner, &issued, "issued");
    let known = office.store.certificates().map_err(|error| failed("read the books", &error))?;
    if known.iter().any(|one| one.key_sha256 == certificate.key_sha256 && one.revoked_at.is_some()) {
        let failure = failed("issue a certificate", &"the key of this request was revoked");
        return Err(failure.with_remedy("have a new key made: `waybill enroll --request FILE` does so"));
    }
    office.store.keep_certificate(&certificate, &entry).map_err(|error| failed("write to the books", &error))?;
    output::message(&entry.message);
    output::print(&issued.chain)
}

fn read(file: &str) -> Result<String, String> {
    if file != "-" {
        let bytes = secrets::read_public(Path::new(file), limits::AUTHORITY_BYTES)?;
        return String::from_utf8(bytes).map_err(|error| format!("{file}: {error}"));
    }
    let mut text = String::new();
    let read = std::io::stdin().take(limits::AUTHORITY_BYTES).read_to_string(&mut text);
    read.map(|_| text).map_err(|error| error.to_string())
}
