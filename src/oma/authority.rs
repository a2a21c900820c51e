//! The authority at work in the daemon: enrols and renews, keeps the door in step with the books that
//! `waybill pki` writes too, shows out whoever was revoked, and keeps this OMA's own certificates valid.

use std::time::Duration;

use data_encoding::HEXLOWER;

use super::Oma;
use super::books::{booked, entry, key};
use super::event::Answer;
use super::links::Revoked;
use crate::config::TlsFiles;
use crate::limits;
use crate::link::credentials::{Credentials, Wanted};
use crate::link::shown::{Finding, Found};
use crate::model::id::VmaName;
use crate::model::peer::{Caller, Peer};
use crate::model::pki::{PkiEvent, Validity};
use crate::model::time::Now;
use crate::net::tls::{Facts, Own, signed_by};
use crate::pki::authority::{Authority, Issued};
use crate::pki::{request, token};
use crate::policy::renewal::is_enough;
use crate::runtime::secrets;
use crate::runtime::service::unreadable;
use crate::store::StoreError;
use crate::wire::enrolment::{EnrolDoc, IssuedDoc, render_issued};
use crate::wire::http::Response;
use crate::wire::problem::{Kind, Problem};

/// Refused enrolments that are told in a daemon's life: whoever has no certificate must not fill its disk.
const REFUSALS: u32 = 1000;

impl Oma {
    /// Reads the books, and opens port 443 for the first time.
    pub(super) fn open_books(&mut self, now: Now) -> Result<(), String> {
        self.read_books(now).map_err(|error| error.to_string())?;
        self.watch_shown(now);
        if let Some(listener) = &self.config.tls {
            let credentials = Credentials::read(&listener.files, Wanted::Valid)?;
            self.links.open_door(listener, &credentials)?;
        }
        // Once more, now that there is somebody at the door.
        self.admit();
        Ok(())
    }

    /// Lets those in at port 443 who may come in by the configuration and the books as they are now.
    fn admit(&self) {
        self.links.admit(&self.config, &self.books.revoked, self.books.enrols);
    }

    /// Takes over what a new configuration says of certificates and of port 443.
    pub(super) fn admit_anew(&mut self, now: Now) {
        self.watch_shown(now);
        if let Some(listener) = &self.config.tls {
            self.shown.not_shown(&listener.files);
        }
        self.admit();
        self.look_at_shown(now);
    }

    /// From now on the certificates of the configuration are kept valid, and the authority's own is watched.
    fn watch_shown(&mut self, now: Now) {
        let of_authority = self.config.pki.as_ref().map(|pki| Authority::files(&pki.folder));
        self.shown.watch(now.mono, self.config.shown().cloned().chain(of_authority));
    }

    fn read_books(&mut self, now: Now) -> Result<(), StoreError> {
        let store = self.ledger.store();
        let version = store.data_version()?;
        self.books.enrols = self.config.pki.is_some() && store.has_open_token(now.wall)?;
        if self.books.seen != Some(version) {
            let certificates = store.certificates()?;
            let revoked = certificates.iter().filter(|one| one.revoked_at.is_some());
            let revoked: Revoked = revoked.filter_map(|one| Some((key(one)?, one.owner.clone()))).collect();
            self.books.seen = Some(version);
            self.books.issued = certificates.iter().filter_map(key).collect();
            if revoked != self.books.revoked {
                self.books.revoked = revoked;
                self.clients = self.links.apply(&self.config, &self.books.revoked);
            }
        }
        self.admit();
        Ok(())
    }

    /// Once in an interval: what `waybill pki` did meanwhile holds, also for those who are in.
    pub(super) fn look_at_books(&mut self, now: Now) {
        if let Err(error) = self.read_books(now) {
            log::error!("{error}");
        }
        let revoked = &self.books.revoked;
        self.links.show_out(|facts| revoked.contains_key(&facts.key).then_some("its certificate is revoked"));
    }

    /// The certificates that this OMA shows: those of its own authority are renewed, all are warned about, and what lies in
    /// place of one that was shown is shown from now on.
    pub(super) fn look_at_shown(&mut self, now: Now) {
        let authority = self.config.pki.as_ref().map(|pki| Authority::files(&pki.folder).certificate);
        let issued = &self.books.issued;
        let is_ours = |own: &Own| {
            // A database that was lost must not end the links, and neither must an authority that follows another.
            let pem = || secrets::read_public(authority.as_ref()?, limits::AUTHORITY_BYTES).ok();
            let is_signed = || pem().is_some_and(|pem| own.is_signed_by(&pem).is_ok());
            own.facts.peer == Some(Peer::Oma) && (issued.contains(&own.facts.key) || is_signed())
        };
        for Finding { files, found } in self.shown.look(now, is_ours) {
            match found {
                Found::New { news, believes_others } => {
                    match self.open_door_with(&files) {
                        Ok(()) => log::info!("{news}"),
                        Err(why) => log::error!("port 443 stays as it was: {why}"),
                    }
                    if believes_others {
                        self.links.prove_anew(&files, &self.config);
                    }
                }
                Found::Due(old) => {
                    let ended = self.renew_own(now, &files, &old);
                    self.shown.renewed(now, &files, ended);
                }
                Found::Warning(message) => {
                    log::warn!("{message}");
                    self.note_pki(&entry(now.wall, "certificate_expires", &Peer::Oma, message));
                }
            }
        }
    }

    /// Opens the door anew, where it shows what lies in these files.
    fn open_door_with(&mut self, files: &TlsFiles) -> Result<(), String> {
        let Some(listener) = self.config.tls.as_ref().filter(|listener| listener.files == *files) else {
            return Ok(());
        };
        let Some(credentials) = self.shown.credentials(files) else { return Ok(()) };
        self.links.open_door(listener, credentials)
    }

    fn renew_own(&mut self, now: Now, files: &TlsFiles, old: &Facts) -> Result<Validity, String> {
        let pki = self.config.pki.as_ref().ok_or("there is no [pki]")?;
        let present = Credentials::read(files, Wanted::Valid)?;
        if present.own.facts.fingerprint != old.fingerprint {
            return Err("another one lies there by now".to_owned());
        }
        let authority = Authority::open(&pki.folder)?;
        let made = request::make()?;
        let issued = authority.issue(&made.request, &Peer::Oma, &old.hosts, now.wall, pki.valid_for)?;
        let staged = present.stage_renewed(files, &issued.chain, &issued.facts.fingerprint, &made.key)?;
        // First into the books: what does not stand there cannot be revoked.
        let (certificate, entry) = booked(now.wall, &Peer::Oma, &issued, "renewed");
        self.ledger.store_mut().keep_certificate(&certificate, &entry).map_err(|error| error.to_string())?;
        self.books.issued.insert(issued.facts.key);
        staged.settle()?;
        Ok(issued.facts.validity)
    }

    /// Turns a token into a certificate.
    pub(super) fn enrol(&mut self, now: Now, asked: &EnrolDoc) -> Result<Answer, Problem> {
        let authority = self.authority()?;
        let (valid_for, mut made) = (self.valid_for(), None);
        let issue = |owner: &str| {
            let owner = Peer::from_names([owner].into_iter(), std::iter::empty());
            let owner = owner.ok_or("the token is for nobody that waybill knows")?;
            let issued = authority.issue(&asked.request, &owner, &[], now.wall, valid_for)?;
            let (certificate, entry) = booked(now.wall, &owner, &issued, "enrolled");
            made = Some((owner, issued, entry.message.clone()));
            Ok((certificate, entry))
        };
        let kept = token::kept(&asked.secret);
        let redeemed = self.ledger.store_mut().redeem(&asked.token, &kept, now.wall, issue);
        let redeemed = redeemed.map_err(|error| unreadable(&error))?;
        redeemed.map_err(|refusal| self.refuse_enrolment(now, &refusal.to_string()))?;
        let Some((owner, issued, message)) = made else { return Err(self.refuse_enrolment(now, "nothing was issued")) };
        log::info!("enrolled: {message}");
        // The token is used up, so that the door for applicants may close.
        if let Err(error) = self.read_books(now) {
            log::error!("{error}");
        }
        Ok(answer(&authority, &owner, issued))
    }

    /// Gives a VMA that is in a new certificate.
    pub(super) fn renew(
        &mut self,
        now: Now,
        vma: Option<VmaName>,
        caller: &Caller,
        asked: &EnrolDoc,
    ) -> Result<Answer, Problem> {
        let refuse = |why: &str| Problem::new(Kind::EnrolmentRefused, why);
        let (Some(vma), Caller::Known(_, key)) = (vma, caller) else {
            return Err(refuse("only a VMA's own certificate is renewed"));
        };
        // What was revoked since the last look must not outlive it by a new certificate.
        self.read_books(now).map_err(|error| unreadable(&error))?;
        if self.books.revoked.contains_key(key) {
            return Err(refuse("the certificate is revoked"));
        }
        let owner = Peer::Vma(vma);
        let certificates = self.ledger.store().certificates().map_err(|error| unreadable(&error))?;
        let uri = owner.uri();
        let theirs = certificates.iter().filter(|one| Some(&one.owner) == uri.as_ref());
        let theirs = theirs.map(|one| Validity { from: one.issued_at, until: one.not_after });
        if is_enough(theirs, now.wall) {
            return Err(refuse("this VMA has renewed its certificate several times already: try again later"));
        }
        let authority = self.authority()?;
        // The books may have been lost, and the signature is as good.
        let is_signed = || {
            let shown = signed_by(asked.certificate.as_bytes(), authority.certificate.as_bytes());
            shown.is_ok_and(|facts| facts.key == *key)
        };
        if !self.books.issued.contains(key) && !is_signed() {
            return Err(refuse("another authority issued the certificate: renew it there"));
        }
        let issued = authority.issue(&asked.request, &owner, &[], now.wall, self.valid_for());
        let issued = issued.map_err(|why| self.refuse_enrolment(now, &why))?;
        let (certificate, entry) = booked(now.wall, &owner, &issued, "renewed");
        let kept = self.ledger.store_mut().keep_renewed(&HEXLOWER.encode(key), &certificate, &entry);
        if !kept.map_err(|error| unreadable(&error))? {
            return Err(refuse("the certificate is revoked"));
        }
        self.books.issued.insert(issued.facts.key);
        log::info!("renewed: {}", entry.message);
        Ok(answer(&authority, &owner, issued))
    }

    fn refuse_enrolment(&mut self, now: Now, why: &str) -> Problem {
        self.books.refusals = self.books.refusals.saturating_add(1);
        if self.books.refusals <= REFUSALS {
            log::warn!("an enrolment was refused: {why}");
            let message = format!("an enrolment was refused: {why}");
            self.note_pki(&PkiEvent { at: now.wall, event: "enrolment_refused", owner: String::new(), message });
        }
        Problem::new(Kind::EnrolmentRefused, why).with_remedy("make a new token on the OMA with `waybill pki token`")
    }

    fn note_pki(&mut self, entry: &PkiEvent) {
        if let Err(error) = self.ledger.store_mut().note_pki(entry) {
            log::error!("{error}");
        }
    }

    fn authority(&self) -> Result<Authority, Problem> {
        let none = || Problem::new(Kind::EnrolmentRefused, "this OMA has no [pki]: certificates come from elsewhere");
        let pki = self.config.pki.as_ref().ok_or_else(none)?;
        Authority::open(&pki.folder).map_err(|why| {
            log::error!("{why}");
            Problem::new(Kind::EnrolmentRefused, "the OMA's authority cannot be used; the OMA's log says why")
        })
    }

    fn valid_for(&self) -> Duration {
        self.config.pki.as_ref().map_or(Duration::ZERO, |pki| pki.valid_for)
    }
}

fn answer(authority: &Authority, owner: &Peer, issued: Issued) -> Answer {
    let doc = IssuedDoc {
        certificate: issued.chain,
        authority: authority.certificate.clone(),
        owner: owner.uri().unwrap_or_default(),
        not_after: issued.facts.validity.until.to_string(),
    };
    Answer::AtOnce(Response::json(200, render_issued(&doc)))
}
