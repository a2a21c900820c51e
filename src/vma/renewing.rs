//! Keeps the VMA's certificates valid: asks the OMA over the link for new ones, and warns where that does not
//! help. A certificate of another authority is only watched.

use std::time::Duration;

use super::Vma;
use super::event::Event;
use crate::config::TlsFiles;
use crate::link::credentials::{Credentials, Wanted};
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
                    match self.open_door_with(&files) {
                        Ok(()) => log::info!("{news}"),
                        Err(why) => log::error!("port 443 stays as it was: {why}"),
                    }
                    if let Some(session) = self.berth.session().filter(|_| believes_others) {
                        session.close("the VMA's file of authorities has changed");
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

    /// Opens the door anew, where it shows what lies in these files.
    fn open_door_with(&mut self, files: &TlsFiles) -> Result<(), String> {
        let Some(uplink) = &mut self.uplink else { return Ok(()) };
        let Some(listener) = self.config.tls.as_ref().filter(|listener| listener.files == *files) else {
            return Ok(());
        };
        let Some(credentials) = self.shown.credentials(files) else { return Ok(()) };
        uplink.open_door(listener, credentials)
    }

    /// Takes over what a new configuration says of the link.
    pub(super) fn admit_anew(&mut self, now: Now) {
        self.shown.watch(now.mono, self.config.shown().cloned());
        if let Some(listener) = &self.config.tls {
            self.shown.not_shown(&listener.files);
        }
        if let Some(uplink) = &mut self.uplink {
            uplink.apply(&self.config);
        }
        self.look_at_shown(now);
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
    let (made, shown) = (request::make()?, Credentials::read(files, Wanted::Valid)?);
    let asked =
        EnrolDoc { token: String::new(), secret: String::new(), request: made.request, certificate: shown.own.pem() };
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
    // For whatever time: by the OMA's clock it is valid, and what is shown where the two differ is seen at the next dial.
    own.is_signed_by(issued.authority.as_bytes()).map_err(|error| error.to_string())?;
    // What was put there meanwhile is newer than the answer.
    let present = Credentials::read(files, Wanted::Valid)?;
    if present.own.facts.fingerprint != old.fingerprint {
        return Err("another one was put in its place meanwhile".to_owned());
    }
    present.stage_renewed(files, &issued.certificate, &own.facts.fingerprint, &made.key)?.settle()?;
    Ok(own.facts.validity)
}
