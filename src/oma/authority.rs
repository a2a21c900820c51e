//! The authority at work in the daemon: enrols and renews, keeps the door in step with the books that
//! `waybill pki` writes too, shows out whoever was revoked, and keeps this OMA's own certificates valid.

use std::time::Duration;

use super::Oma;
use super::books::{booked, entry, key};
use super::event::Answer;
use super::links::Revoked;
use crate::config::TlsFiles;
use crate::limits;
use crate::link::credentials::Credentials;
use crate::link::shown::{Finding, Found};
use crate::model::id::VmaName;
use crate::model::peer::{Caller, Peer};
use crate::model::pki::{PkiEvent, Validity};
use crate::model::time::Now;
use crate::net::tls::{Facts, Own, is_only};
use crate::pki::authority::{Authority, Issued};
use crate::pki::{files, request, token};
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
    /// Lets those in at port 443 who may come in by the configuration, the files and the books as they are now.
    pub(super) fn open_door(&mut self) -> Result<(), String> {
        let opened = self.links.open_door(&self.config);
        // Who is revoked stays out whatever has become of the files.
        self.links.admit(&self.config, &self.books.revoked, self.books.enrols);
        opened
    }

    /// Reads the books, and opens the door for the first time.
    pub(super) fn open_books(&mut self, now: Now) -> Result<(), String> {
        self.read_books(now).map_err(|error| error.to_string())?;
        self.watch_shown(now);
        self.open_door()
    }

    /// From now on the certificates of the configuration are kept valid, and the authority's own is watched.
    pub(super) fn watch_shown(&mut self, now: Now) {
        let of_authority = self.config.pki.as_ref().map(|pki| Authority::files(&pki.folder));
        self.shown.watch(now.mono, self.config.shown().cloned().chain(of_authority));
    }

    fn read_books(&mut self, now: Now) -> Result<bool, StoreError> {
        let store = self.ledger.store();
        let version = store.data_version()?;
        let enrols = self.config.pki.is_some() && store.has_open_token(now.wall)?;
        let mut is_new = enrols != self.books.enrols;
        if self.books.seen != Some(version) {
            let certificates = store.certificates()?;
            let revoked = certificates.iter().filter(|one| one.revoked_at.is_some());
            let revoked: Revoked = revoked.filter_map(|one| Some((key(one)?, one.owner.clone()))).collect();
            self.books.seen = Some(version);
            self.books.issued = certificates.iter().filter_map(key).collect();
            if revoked != self.books.revoked {
                is_new = true;
                self.books.revoked = revoked;
                self.clients = self.links.apply(&self.config, &self.books.revoked);
            }
        }
        self.books.enrols = enrols;
        Ok(is_new)
    }

    /// Once in an interval: what `waybill pki` did meanwhile holds, also for those who are in.
    pub(super) fn look_at_books(&mut self, now: Now) {
        match self.read_books(now) {
            Ok(true) => {
                self.tell_door();
            }
            Ok(false) => {}
            Err(error) => log::error!("{error}"),
        }
        let revoked = &self.books.revoked;
        self.links.show_out(|facts| revoked.contains_key(&facts.key).then_some("its certificate is revoked"));
    }

    /// Opens the door anew; false where it stays as it was, and is tried again.
    pub(super) fn tell_door(&mut self) -> bool {
        let Err(why) = self.open_door() else { return true };
        log::error!("port 443 stays as it was: {why}");
        if let Some(listener) = &self.config.tls {
            self.shown.not_shown(&listener.files);
        }
        false
    }

    /// The certificates that this OMA shows: those of its own authority are renewed, all are warned about, and what lies in
    /// place of one that was shown is shown from now on.
    pub(super) fn look_at_shown(&mut self, now: Now) {
        // By the signature and not by the books: a database that was lost must not end the links.
        let authority = self.config.pki.as_ref().map(|pki| Authority::files(&pki.folder).certificate);
        let is_ours = |own: &Own| {
            let pem = || secrets::read_public(authority.as_ref()?, limits::AUTHORITY_BYTES).ok();
            own.facts.peer == Some(Peer::Oma) && pem().is_some_and(|pem| own.is_signed_by(&pem).is_ok())
        };
        for Finding { files, found } in self.shown.look(now, is_ours) {
            match found {
                Found::New { news, believes_others } => {
                    if self.tell_door() {
                        log::info!("{news}");
                        if believes_others {
                            self.links.prove_anew(&files, &self.config);
                        }
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

    fn renew_own(&mut self, now: Now, files: &TlsFiles, old: &Facts) -> Result<Validity, String> {
        let pki = self.config.pki.as_ref().ok_or("there is no [pki]")?;
        let present = Credentials::read(files)?;
        let authority = Authority::open(&pki.folder)?;
        files::try_out(files)?;
        let made = request::make()?;
        let issued = authority.issue(&made.request, &Peer::Oma, &old.hosts, now.wall, pki.valid_for)?;
        // First into the books: what does not stand there can be neither renewed nor revoked.
        self.keep(now, &Peer::Oma, &issued, "renewed").map_err(|error| error.to_string())?;
        present.renew(files, &issued.chain, &made.key)?;
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
        if matches!(self.read_books(now), Ok(true)) {
            self.tell_door();
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
        if self.read_books(now).map_err(|error| unreadable(&error))? {
            self.tell_door();
        }
        if self.books.revoked.contains_key(key) {
            return Err(refuse("the certificate is revoked"));
        }
        let owner = Peer::Vma(vma);
        if self.has_renewed_enough(now, &owner)? {
            return Err(refuse("this VMA has renewed its certificate several times already: try again later"));
        }
        let authority = self.authority()?;
        if !self.books.issued.contains(key) && !self.believes_only(&authority) {
            return Err(refuse("another authority issued the certificate: renew it there"));
        }
        let issued = authority.issue(&asked.request, &owner, &[], now.wall, self.valid_for());
        let issued = issued.map_err(|why| self.refuse_enrolment(now, &why))?;
        self.keep(now, &owner, &issued, "renewed").map_err(|error| unreadable(&error))?;
        Ok(answer(&authority, &owner, issued))
    }

    /// True where nobody else can have issued a certificate that was let in.
    fn believes_only(&self, authority: &Authority) -> bool {
        let believed = |files: &TlsFiles| secrets::read_public(&files.authority, limits::AUTHORITY_BYTES);
        self.config.shown().all(|files| believed(files).is_ok_and(|pem| is_only(&pem, &authority.fingerprint)))
    }

    fn has_renewed_enough(&self, now: Now, owner: &Peer) -> Result<bool, Problem> {
        let certificates = self.ledger.store().certificates().map_err(|error| unreadable(&error))?;
        let uri = owner.uri();
        let theirs = certificates.iter().filter(|one| Some(&one.owner) == uri.as_ref());
        Ok(is_enough(theirs.map(|one| Validity { from: one.issued_at, until: one.not_after }), now.wall))
    }

    fn keep(&mut self, now: Now, owner: &Peer, issued: &Issued, event: &'static str) -> Result<(), StoreError> {
        let (certificate, entry) = booked(now.wall, owner, issued, event);
        self.ledger.store_mut().keep_certificate(&certificate, &entry)?;
        self.books.issued.insert(issued.facts.key);
        log::info!("{}: {}", entry.event, entry.message);
        Ok(())
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
