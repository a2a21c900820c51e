//! `waybill enroll`: a VMA becomes known to its OMA. The key is made here and stays here; no secret stands in an
//! argument, a URL or a log.

use std::ffi::OsString;
use std::io::{BufRead, IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use smol::LocalExecutor;

use super::args::{self, Given, Spec};
use super::{daemon, help, output};
use crate::config::{ProxyConfig, TlsFiles, VmaConfig};
use crate::exit::{Exit, Failure};
use crate::limits;
use crate::link::dialler::via;
use crate::model::peer::Peer;
use crate::net::client::{Answer, CallError, Client};
use crate::net::tls::{Own, Trust};
use crate::pki::files::{Readable, put, put_first};
use crate::pki::request;
use crate::pki::token::Token;
use crate::runtime::secrets;
use crate::wire::enrolment::{self, EnrolDoc};
use crate::wire::http::Method;
use crate::wire::origin::Origin;
use crate::wire::problem;

const SPEC: Spec = Spec {
    name: "enroll",
    words: &[],
    options: &[
        ("config", "FILE", false),
        ("oma", "HOST:PORT", false),
        ("token-file", "FILE", false),
        ("request", "FILE", false),
        ("certificate", "FILE", false),
    ],
    switches: &[],
    help: help::ENROLL,
};

/// How long the OMA may take.
const LIMIT: Duration = Duration::from_secs(20);

/// Runs the command with the arguments after `enroll`.
pub fn main(args: Vec<OsString>) -> Result<Exit, Failure> {
    let Some(given) = args::read(&SPEC, args)? else { return output::print(SPEC.help) };
    let file = given.raw("config").unwrap_or_else(|| OsString::from("/etc/waybill/vma.toml"));
    let name = file.to_string_lossy().into_owned();
    let config =
        VmaConfig::parse(&daemon::read(Path::new(&file))?, &name).map_err(|errors| daemon::refused(&errors))?;
    let tunnel = config.tunnel.as_ref().map(|tunnel| &tunnel.files);
    let Some(files) = tunnel.or(config.tls.as_ref().map(|tls| &tls.files)) else {
        let why = "it has neither [tunnel] nor [tls], which name the files of the certificate";
        return Err(
            Failure::new(Exit::Configuration, name, why).with_remedy("write one, as the shipped vma.toml shows")
        );
    };
    match (given.value(&SPEC, "request")?, given.value(&SPEC, "certificate")?) {
        (Some(_), Some(_)) => Err(args::usage(&SPEC, &"--request and --certificate are two steps: first the one")),
        (Some(to), None) => make_request(files, Path::new(&to)),
        (None, Some(from)) => install(files, &config, Path::new(&from)),
        (None, None) => with_token(&given, &config, files),
    }
}

fn failed(what: &str, why: &dyn std::fmt::Display) -> Failure {
    Failure::new(Exit::Failed, format!("cannot {what}"), why)
}

/// The key that waits for its certificate.
fn pending(files: &TlsFiles) -> PathBuf {
    let mut name = files.key.as_os_str().to_owned();
    name.push(".pending");
    PathBuf::from(name)
}

fn make_request(files: &TlsFiles, to: &Path) -> Result<Exit, Failure> {
    let made = request::make().map_err(|why| failed("make a key", &why))?;
    put(&pending(files), &made.key, Readable::ByOwner).map_err(|why| failed("keep the key", &why))?;
    if to == Path::new("-") {
        return output::print(&made.request);
    }
    put(to, &made.request, Readable::ByAll).map_err(|why| failed("write the request", &why))?;
    output::print(&format!(
        "{}: carry it to the OMA, sign it there with `waybill pki issue`, bring back what that prints,\n\
         and install it here: waybill enroll --certificate FILE\n",
        to.display()
    ))
}

/// Takes a certificate that was issued for the key that waits here, followed by the authority's.
fn install(files: &TlsFiles, config: &VmaConfig, from: &Path) -> Result<Exit, Failure> {
    let refuse = |why: &dyn std::fmt::Display| failed(&format!("install {}", from.display()), why);
    let chain = secrets::read_public(from, limits::AUTHORITY_BYTES).map_err(|why| refuse(&why))?;
    let chain = String::from_utf8(chain).map_err(|error| refuse(&error))?;
    let waiting = pending(files);
    let key = secrets::read_key(&waiting).map_err(|error| {
        refuse(&error).with_remedy("make a request first, `waybill enroll --request FILE`, and have that one signed")
    })?;
    let key = String::from_utf8(key.expose().to_vec()).map_err(|error| refuse(&error))?;
    let authority = chain.rfind("-----BEGIN CERTIFICATE-----").map(|at| &chain[at..]).unwrap_or_default();
    finish(files, config, &chain, &key, authority)?;
    // The key stands in its own file now.
    std::fs::remove_file(&waiting).map_err(|error| failed(&format!("remove {}", waiting.display()), &error))?;
    Ok(Exit::Done)
}

fn with_token(given: &Given, config: &VmaConfig, files: &TlsFiles) -> Result<Exit, Failure> {
    let oma = match given.value(&SPEC, "oma")? {
        Some(text) => Origin::with_tls(&text).map_err(|bad| args::usage(&SPEC, &format!("--oma {bad}")))?,
        None => match &config.tunnel {
            Some(tunnel) => tunnel.oma.clone(),
            None => {
                let why = "--oma HOST:PORT is missing, and the configuration has no [tunnel] that names it";
                return Err(args::usage(&SPEC, &why));
            }
        },
    };
    let text = match given.value(&SPEC, "token-file")? {
        Some(file) => {
            let read = secrets::read(Some(Path::new(&file)), "").map_err(|error| failed("read the token", &error))?;
            read.expose().to_owned()
        }
        None => read_line().map_err(|error| failed("read the token", &error))?,
    };
    let token = Token::parse(&text).map_err(|bad| failed("enrol", &bad))?;
    let made = request::make().map_err(|why| failed("make a key", &why))?;
    let proxy = config.tunnel.as_ref().and_then(|tunnel| tunnel.proxy.as_ref());
    let asked =
        EnrolDoc { token: token.id(), secret: token.secret(), request: made.request, certificate: String::new() };
    let answer = ask(&oma, &token, proxy, &enrolment::render_request(&asked))?;
    if answer.status != 200 {
        let said = problem::said(&answer.body);
        return Err(Failure::new(Exit::Refused, format!("{} refuses the enrolment", oma.authority()), said));
    }
    let issued = enrolment::parse_issued(&answer.body).map_err(|bad| failed("read the OMA's answer", &bad))?;
    finish(files, config, &issued.certificate, &made.key, &issued.authority)?;
    Ok(Exit::Done)
}

fn ask(oma: &Origin, token: &Token, proxy: Option<&ProxyConfig>, body: &str) -> Result<Answer, Failure> {
    let trust = Trust::of_enrolment(token.authority).map_err(|error| failed("enrol", &error))?;
    let via = proxy.map(via).transpose().map_err(|why| failed("use the proxy", &why))?;
    let client = Client::over_tls(oma.clone(), trust, LIMIT).through(via);
    let executor = Rc::new(LocalExecutor::new());
    let asked = client.call(Method::Post, "/api/v1/pki/enrol", &[], body.as_bytes());
    async_io::block_on(executor.run(asked)).map_err(|error| unreachable(oma, &error))
}

fn unreachable(oma: &Origin, error: &CallError) -> Failure {
    let exit = if error.is_untrusted { Exit::Failed } else { Exit::Unreachable };
    Failure::new(exit, format!("cannot enrol at {}", oma.authority()), error).with_remedy(
        "see that this is the OMA that made the token, that port 443 is open to it, and that the token is not used or \
         expired: an OMA without an open token enrols nobody",
    )
}

/// A token from the terminal or a pipe.
fn read_line() -> std::io::Result<String> {
    let stdin = std::io::stdin();
    if stdin.is_terminal() {
        output::message("paste the token that `waybill pki token` printed on the OMA, and press Enter:");
    }
    let mut line = String::new();
    stdin.lock().take(4096).read_line(&mut line)?;
    Ok(line)
}

/// Looks at what was issued before anything is replaced, and puts it down.
fn finish(files: &TlsFiles, config: &VmaConfig, certificate: &str, key: &str, authority: &str) -> Result<(), Failure> {
    let own = Own::read(certificate.as_bytes(), key.as_bytes());
    let own =
        own.map_err(|error| failed("use the certificate", &error).with_remedy("sign this VMA's newest request"))?;
    match &own.facts.peer {
        Some(Peer::Vma(name)) if *name == config.name => {}
        other => {
            let whose = other.as_ref().map_or("nobody".to_owned(), ToString::to_string);
            let why = format!("it is for {whose}, and this is the VMA {:?}", config.name.as_str());
            let remedy = "make the token for this VMA's `name`, or correct the name in vma.toml";
            return Err(failed("use the certificate", &why).with_remedy(remedy));
        }
    }
    own.is_issued_by(authority.as_bytes()).map_err(|error| {
        let remedy = "give all that `waybill pki issue` printed: the certificate, and the authority's behind it";
        failed("use the certificate", &error).with_remedy(remedy)
    })?;
    put_first(files, certificate, key, authority).map_err(|why| failed("put the certificate down", &why))?;
    output::print(&format!(
        "{}: certificate of {:?}, until {}; the daemon renews it\nnext: start `waybill vma`; one that runs takes it up by itself\n",
        files.certificate.display(),
        config.name.as_str(),
        own.facts.validity.until
    ))
    .map(drop)
}
