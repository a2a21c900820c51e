//! Keeps the VMA's certificates valid: asks the OMA over the link for new ones, and warns where that does not
//! help. A certificate of another authority is only watched.

use std::time::Duration;

use super::Vma;
use super::event::Event;
use crate::config::TlsFiles;
use crate::link::credentials::Credentials;
use crate::link::shown::{Finding, Found};
use crate::model::peer::Peer;
use crate::model::pki::{PkiEvent, Validity};
use crate::model::time::Now;
use crate::net::berth::Berth;
use crate::net::client::Client;
use crate::net::tls::{Facts, Own};
use crate::pki::{files, request};
use crate::wire::enrolment::{self, EnrolDoc};
use crate::wire::http::Method;
use crate::wire::problem;

/// How long the OMA may take to sign.
const SIGNED_WITHIN: Duration = Duration::from_secs(20);

impl Vma {
    /// What is to be done about the certificates that this VMA shows.
    pub(super) fn look_at_shown(&mut self, now: Now) {
        for Finding { files, found } in self.shown.look(now, |own| matches!(own.facts.peer, Some(Peer::Vma(_)))) {
            match found {
                Found::New { news, believes_others } => {
                    if self.apply_links(&self.config.clone()) {
                        log::info!("{news}");
                        if let Some(session) = self.berth.session().filter(|_| believes_others) {
                            session.close("the VMA's file of authorities has changed");
                        }
                    }
                }
                Found::Due(old) => {
                    if let Some(uplink) = &self.uplink {
                        let link = self.berth.clone();
                        uplink.ask(async move {
                            let ended = renew(link, &files, &old).await;
                            Event::Renewed(files, ended)
                        });
                    }
                }
                Found::Warning(message) => {
                    log::warn!("{message}");
                    // In the table too, which outlives the log.
                    let owner = Peer::Vma(self.config.name.clone()).uri().unwrap_or_default();
                    let entry = PkiEvent { at: now.wall, event: "certificate_expires", owner, message };
                    if let Err(error) = self.ledger.store_mut().note_pki(&entry) {
                        log::error!("{error}");
                    }
                }
            }
        }
    }

    /// How a renewal has ended.
    pub(super) fn renewed(&mut self, now: Now, files: &TlsFiles, ended: Result<Validity, String>) {
        self.shown.renewed(now, files, ended);
        self.look_at_shown(now);
    }
}

/// Asks the OMA for a certificate in place of the one in these files, and puts it there.
///
/// # Errors
/// Why there is none.
async fn renew(link: Berth, files: &TlsFiles, old: &Facts) -> Result<Validity, String> {
    // An OMA counts what it signs, and need not sign what could not be put down.
    files::try_out(files)?;
    let client = Client::over_link(link, SIGNED_WITHIN);
    let made = request::make()?;
    let asked = EnrolDoc { token: String::new(), secret: String::new(), request: made.request };
    let body = enrolment::render_request(&asked);
    let answer = client.call(Method::Post, "/api/v1/pki/renew", &[], body.as_bytes()).await;
    let answer = answer.map_err(|error| error.to_string())?;
    if answer.status != 200 {
        return Err(problem::said(&answer.body));
    }
    let issued = enrolment::parse_issued(&answer.body).map_err(|bad| bad.to_string())?;
    let own = Own::read(issued.certificate.as_bytes(), made.key.as_bytes()).map_err(|error| error.to_string())?;
    if own.facts.peer != old.peer {
        return Err("the OMA signed for somebody else".to_owned());
    }
    let authority = issued.authority.as_bytes();
    own.is_issued_by(authority).map_err(|error| error.to_string())?;
    // What another authority has issued is that one's to renew, and what was put there meanwhile is newer than the answer.
    let present = Credentials::read(files)?;
    present.own.is_signed_by(authority).map_err(|_| "it is not of the OMA's authority: renew it there")?;
    if present.own.facts.fingerprint != old.fingerprint {
        return Err("another one was put in its place meanwhile".to_owned());
    }
    present.renew(files, &issued.certificate, &made.key)?;
    Ok(own.facts.validity)
}
