//! The authority at work in the daemon: enrols and renews, keeps the door in step with the books that
//! `waybill pki` writes too, shows out whoever was revoked, and renews this OMA's own certificate.

use std::time::Duration;

use super::Oma;
use super::books::{booked, entry, key};
use super::event::Answer;
use super::links::Revoked;
use crate::model::id::VmaName;
use crate::model::pki::PkiEvent;
use crate::model::time::Now;
use crate::net::tls::Facts;
use crate::pki::authority::{Authority, Issued};
use crate::pki::{files, request, token};
use crate::policy::renewal;
use crate::runtime::service::unreadable;
use crate::store::StoreError;
use crate::wire::enrolment::{EnrolDoc, IssuedDoc, render_issued};
use crate::wire::http::Response;
use crate::wire::peer::{Caller, Peer};
use crate::wire::problem::{Kind, Problem};

/// Refused enrolments that are told in a daemon's life: whoever has no certificate must not fill its disk.
const REFUSALS: u32 = 1000;
/// Certificates that a VMA gets within a third of their time: one, and some whose answer was lost on the way.
const RENEWALS: usize = 5;
/// From one warning about a certificate to the next.
const WARN_EVERY: Duration = Duration::from_secs(86_400);

impl Oma {
    /// Lets those in at port 443 who may come in by the configuration, the files and the books as they are now.
    pub(super) fn open_door(&mut self) -> Result<(), String> {
        let opened = self.links.open_door(&self.config);
        // Who is revoked stays out whatever has become of the files.
        self.links.admit(&self.config, &self.books.revoked, self.books.enrols);
        self.books.own = opened?;
        Ok(())
    }

    /// Reads the books, and opens the door for the first time.
    pub(super) fn open_books(&mut self, now: Now) -> Result<(), String> {
        self.read_books(now).map_err(|error| error.to_string())?;
        self.open_door()
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
            Ok(true) => self.tell_door(),
            Ok(false) => {}
            Err(error) => log::error!("{error}"),
        }
        let seconds = now.wall.unix_millis().div_euclid(1000);
        let revoked = &self.books.revoked;
        self.links.show_out(|facts| match facts {
            facts if revoked.contains_key(&facts.key) => Some("its certificate is revoked"),
            facts if facts.not_after <= seconds => Some("its certificate has expired"),
            _ => None,
        });
        self.look_at_own(now, seconds);
    }

    pub(super) fn tell_door(&mut self) {
        if let Err(why) = self.open_door() {
            log::error!("port 443 stays as it was: {why}");
        }
    }

    /// Renews our own certificate where the authority is ours, and warns of one that will end.
    fn look_at_own(&mut self, now: Now, seconds: i64) {
        let Some(own) = self.books.own.clone() else { return };
        let is_ours = self.config.pki.is_some() && own.peer == Some(Peer::Oma);
        if is_ours && renewal::renew_at(own.not_before, own.not_after) <= seconds && self.books.renew_at <= now.mono {
            self.books.renew_at = now.mono + renewal::retry_after(seconds, own.not_after);
            match self.renew_own(now, &own) {
                Ok(()) => self.tell_door(),
                Err(why) => log::error!("this OMA's certificate could not be renewed: {why}"),
            }
        }
        let warning = renewal::warning(seconds, own.not_before, own.not_after, is_ours);
        if let Some(warning) = warning.filter(|_| self.books.warn_at <= now.mono) {
            self.books.warn_at = now.mono + WARN_EVERY;
            log::warn!("the certificate of this OMA {warning}");
            self.note_pki(&entry(now.wall, "certificate_expires", &Peer::Oma, format!("the OMA's own {warning}")));
        }
    }

    fn renew_own(&mut self, now: Now, own: &Facts) -> Result<(), String> {
        let (Some(pki), Some(tls)) = (&self.config.pki, &self.config.tls) else { return Ok(()) };
        let authority = Authority::open(&pki.folder)?;
        let made = request::make()?;
        let issued = authority.issue(&made.request, &Peer::Oma, &own.hosts, now.wall, pki.valid_for)?;
        files::put_all(&tls.files, &issued.chain, &made.key, None)?;
        self.keep(now, &Peer::Oma, &issued, "renewed").map_err(|error| error.to_string())
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
        let issued = authority.issue(&asked.request, &owner, &[], now.wall, self.valid_for());
        let issued = issued.map_err(|why| self.refuse_enrolment(now, &why))?;
        self.keep(now, &owner, &issued, "renewed").map_err(|error| unreadable(&error))?;
        Ok(answer(&authority, &owner, issued))
    }

    /// The books only grow, and a certificate lasts.
    fn has_renewed_enough(&self, now: Now, owner: &Peer) -> Result<bool, Problem> {
        let certificates = self.ledger.store().certificates().map_err(|error| unreadable(&error))?;
        let window = i64::try_from(self.valid_for().as_millis() / 3).unwrap_or(i64::MAX);
        let since = now.wall.unix_millis().saturating_sub(window);
        let uri = owner.uri();
        let recent = certificates.iter().filter(|one| {
            Some(&one.owner) == uri.as_ref() && one.issued_at.unix_millis() > since && one.issued_at <= now.wall
        });
        Ok(recent.count() >= RENEWALS)
    }

    fn keep(&mut self, now: Now, owner: &Peer, issued: &Issued, event: &'static str) -> Result<(), StoreError> {
        let (certificate, entry) = booked(now.wall, owner, issued, event);
        self.ledger.store_mut().keep_certificate(&certificate, &entry)?;
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
        not_after: Facts::text_of(issued.facts.not_after),
    };
    Answer::AtOnce(Response::json(200, render_issued(&doc)))
}
