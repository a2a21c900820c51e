//! `waybill pki init`: makes the authority and the OMA's own certificate.

use std::ffi::OsString;

use super::help;
use super::office::{CONFIG, Office, failed};
use crate::cli::args::{self, Spec};
use crate::cli::output;
use crate::exit::{Exit, Failure};
use crate::model::peer::Peer;
use crate::model::pki::PkiEvent;
use crate::oma::books::booked;
use crate::pki::authority::Authority;
use crate::pki::{files, request};
use crate::runtime::clock::Clock;

const SPEC: Spec =
    Spec { name: "pki init", words: &[], options: &[CONFIG, ("host", "NAME", true)], switches: &[], help: help::INIT };

/// Runs the command with the arguments after `pki init`.
pub fn main(args: Vec<OsString>) -> Result<Exit, Failure> {
    let Some(given) = args::read(&SPEC, args)? else { return output::print(SPEC.help) };
    let mut office = Office::open(&given)?;
    let hosts = given.values(&SPEC, "host")?;
    let now = Clock::start().now().wall;
    let Some(own) = office.config.shown().next().cloned() else {
        let why = "the configuration names no files for it: there is neither [tls] nor a [[vma]] with an https:// url";
        return Err(failed("make a certificate", &why).with_remedy("write one, as the shipped oma.toml shows"));
    };
    let whoever = "it is there already, and whoever it names would be let in besides";
    let pair = "it is there already, and would be replaced";
    for (file, why) in [(&own.authority, whoever), (&own.certificate, pair), (&own.key, pair)] {
        if file.exists() {
            let remedy = "move it away; append to the new authority's file what else is to be believed";
            return Err(failed(&format!("write {}", file.display()), &why).with_remedy(remedy));
        }
    }
    let authority = Authority::init(&office.pki.folder, now);
    let authority = authority.map_err(|why| {
        failed("make an authority", &why)
            .with_remedy("`waybill pki list` shows what it has issued; to begin anew move its folder away")
    })?;
    let message = format!("an authority was made in {}", office.pki.folder.display());
    let event = PkiEvent { at: now, event: "authority_made", owner: String::new(), message };
    office.store.note_pki(&event).map_err(|error| failed("write to the books", &error))?;
    let made = request::make().map_err(|why| failed("make a key", &why))?;
    let issued = authority.issue(&made.request, &Peer::Oma, &hosts, now, office.pki.valid_for);
    let issued = issued.map_err(|why| failed("issue the OMA's certificate", &why))?;
    files::put_first(&own, &issued.chain, &made.key, &authority.certificate)
        .map_err(|why| failed("put the certificate down", &why))?;
    let (certificate, entry) = booked(now, &Peer::Oma, &issued, "issued");
    office.store.keep_certificate(&certificate, &entry).map_err(|error| failed("write to the books", &error))?;
    output::print(&format!(
        "authority    {}\ncertificate  {}, until {}; the daemon renews it\n\
         next: restart `waybill oma`, and invite a VMA: waybill pki token --vma NAME\n",
        Authority::files(&office.pki.folder).certificate.display(),
        own.certificate.display(),
        issued.facts.validity.until,
    ))
}
