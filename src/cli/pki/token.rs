//! `waybill pki token`: invites a VMA. The token goes to stdout and nowhere else; the books have its hash.

use std::ffi::OsString;
use std::time::Duration;

use super::help;
use super::office::{CONFIG, Office, failed, owner};
use crate::cli::args::{self, Spec};
use crate::cli::output;
use crate::config::duration;
use crate::exit::{Exit, Failure};
use crate::model::peer::Peer;
use crate::model::pki::{PkiEvent, Token as BookedToken};
use crate::model::time::Wall;
use crate::pki::token::{Token, kept};
use crate::runtime::clock::Clock;

const SPEC: Spec = Spec {
    name: "pki token",
    words: &[],
    options: &[CONFIG, ("vma", "NAME", false), ("expires", "AGE", false)],
    switches: &[],
    help: help::TOKEN,
};

const HOUR: Duration = Duration::from_secs(3600);
const LONGEST: Duration = Duration::from_secs(7 * 86_400);

/// Runs the command with the arguments after `pki token`.
pub fn main(args: Vec<OsString>) -> Result<Exit, Failure> {
    let Some(given) = args::read(&SPEC, args)? else { return output::print(SPEC.help) };
    let owner = owner(&SPEC, &given)?.ok_or_else(|| args::usage(&SPEC, &"--vma NAME is missing"))?;
    let lasts = match given.value(&SPEC, "expires")? {
        None => HOUR,
        Some(text) => duration::parse(&text)
            .filter(|lasts| (Duration::from_secs(1)..=LONGEST).contains(lasts))
            .ok_or_else(|| args::usage(&SPEC, &format!("--expires {text:?} is not 1s to 7d")))?,
    };
    let mut office = Office::open(&given)?;
    let authority = office.authority()?;
    let token = Token::make(authority.fingerprint).map_err(|why| failed("make a token", &why))?;
    let now = Clock::start().now().wall;
    let millis = i64::try_from(lasts.as_millis()).unwrap_or(i64::MAX);
    let expires_at = Wall::from_unix_millis(now.unix_millis().saturating_add(millis));
    let uri = owner.uri().unwrap_or_default();
    let booked = BookedToken {
        id: token.id(),
        owner: uri.clone(),
        secret_sha256: kept(&token.secret()),
        created_at: now,
        expires_at,
    };
    let message = format!("{owner} is invited until {expires_at}, by the token {}", token.id());
    let entry = PkiEvent { at: now, event: "token_made", owner: uri, message };
    office.store.keep_token(&booked, &entry).map_err(|error| failed("write to the books", &error))?;
    if let Peer::Vma(name) = &owner
        && !office.config.vmas.iter().any(|vma| vma.name == *name)
    {
        output::message(&format!("note: no [[vma]] of the configuration is named {name:?} yet; it will not be let in"));
    }
    output::message(&format!(
        "good once, until {expires_at}; on the VMA: waybill enroll --config /etc/waybill/vma.toml, and paste it there"
    ));
    output::print(&format!("{}\n", token.text()))
}
