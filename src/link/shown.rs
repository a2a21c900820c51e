//! The certificates that this appliance shows, as their files have them. They are looked at every few seconds, so
//! that one that somebody has put in place of another is taken up without a word to the daemon, and kept valid.
//!
//! Policy: a certificate that cannot be used, as without its key, is told by the log and changes nothing; the one before it
//! stays what is shown. A file that cannot be read is told by whoever needs it next.

use std::time::Duration;

use super::credentials::Credentials;
use crate::config::TlsFiles;
use crate::limits;
use crate::model::pki::Validity;
use crate::model::time::{Mono, Now, Wall};
use crate::net::tls::{Facts, Own};
use crate::policy::renewal::{Duty, Upkeep};
use crate::runtime::secrets;

/// The longest and the shortest pause between two looks.
const LOOK_EVERY: (Duration, Duration) = (Duration::from_secs(10), Duration::from_millis(500));

/// All of them.
#[derive(Default)]
pub struct Shown {
    certificates: Vec<Certificate>,
    look_at: Mono,
}

struct Certificate {
    files: TlsFiles,
    /// What the last one says that could be used.
    facts: Option<Facts>,
    upkeep: Upkeep,
    /// A look has found nothing that can be used, so that what comes after it is not shown yet.
    was_missing: bool,
    /// Why another one is not shown, as it was told.
    told: String,
}

/// What a look has found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// Another certificate lies there than before, with its key.
    Another,
    /// Something is to be done about it.
    Due(Duty),
}

impl Shown {
    /// From now on it is these; what is known of one that was among them before is kept.
    pub fn watch<'f>(&mut self, now: Mono, files: impl IntoIterator<Item = &'f TlsFiles>) {
        let mut before = std::mem::take(&mut self.certificates);
        for files in files {
            if self.certificates.iter().any(|known| known.files.certificate == files.certificate) {
                continue;
            }
            let same = |known: &Certificate| known.files.certificate == files.certificate;
            let known = before.iter().position(same).map(|at| before.swap_remove(at));
            let known = known.unwrap_or_else(|| Certificate::new(files, now));
            self.certificates.push(Certificate { files: files.clone(), ..known });
        }
        self.look_at = now;
    }

    /// Looks at all of them, where it is time to; `renews_itself` says of which the appliance gets a new one by itself.
    pub fn look(&mut self, now: Now, renews_itself: impl Fn(&Facts) -> bool) -> Vec<(TlsFiles, Facts, Found)> {
        if now.mono < self.look_at {
            return Vec::new();
        }
        let (mut all, (mut pause, shortest)) = (Vec::new(), LOOK_EVERY);
        for certificate in &mut self.certificates {
            let is_another = certificate.take_up(now.wall);
            let Some(facts) = certificate.facts.clone() else { continue };
            let renews = renews_itself(&facts);
            let due = certificate.upkeep.due(now, facts.validity, renews).into_iter().map(Found::Due);
            all.extend(
                is_another
                    .then_some(Found::Another)
                    .into_iter()
                    .chain(due)
                    .map(|found| (certificate.files.clone(), facts.clone(), found)),
            );
            if renews {
                pause = pause.min(certificate.upkeep.renews_in(now, facts.validity));
            }
        }
        self.look_at = now.mono + pause.max(shortest);
        all
    }

    /// How a renewal has ended: with a certificate of that time in these files, or without one. The next look is now.
    pub fn renewed(&mut self, now: Now, files: &TlsFiles, validity: Option<Validity>) {
        self.look_at = now.mono;
        let same = |known: &&mut Certificate| known.files.certificate == files.certificate;
        let Some(certificate) = self.certificates.iter_mut().find(same) else { return };
        match (validity, &certificate.facts) {
            (Some(validity), _) => certificate.upkeep.renewed(now.mono, validity),
            (None, Some(facts)) => certificate.upkeep.failed(now, facts.validity),
            (None, None) => {}
        }
    }

    /// Each one's file, and its end.
    pub fn ends(&self) -> Vec<(String, Wall)> {
        let end = |one: &Certificate| {
            let file = one.files.certificate.display().to_string();
            one.facts.as_ref().map(|facts| (file, facts.validity.until))
        };
        self.certificates.iter().filter_map(end).collect()
    }

    /// When to look again; `None` where there is nothing to look at.
    pub fn next_deadline(&self) -> Option<Mono> {
        (!self.certificates.is_empty()).then_some(self.look_at)
    }
}

impl Certificate {
    fn new(files: &TlsFiles, now: Mono) -> Self {
        let (files, upkeep) = (files.clone(), Upkeep::new(now));
        Self { files, facts: None, upkeep, was_missing: false, told: String::new() }
    }

    /// Reads the file; tells whether another certificate lies there than before that can be used.
    fn take_up(&mut self, now: Wall) -> bool {
        let pem = secrets::read_public(&self.files.certificate, limits::AUTHORITY_BYTES);
        let there = pem.ok().and_then(|pem| Own::first(&pem).ok()).map(|facts| facts.fingerprint);
        if there.is_some() && there == self.facts.as_ref().map(|facts| facts.fingerprint) {
            self.told.clear();
            return false;
        }
        // A file that cannot be read is told by those who need it.
        let usable = there.is_some().then(|| self.usable(now));
        match usable {
            Some(Ok(facts)) => {
                self.told.clear();
                // What was there when the appliance began is shown already.
                self.facts.replace(facts).is_some() || self.was_missing
            }
            Some(Err(why)) => {
                self.was_missing = true;
                if self.told != why {
                    log::warn!("the certificate that lies there now cannot be used yet: {why}");
                    self.told = why;
                }
                false
            }
            None => {
                self.was_missing |= self.facts.is_none();
                false
            }
        }
    }

    /// What lies in the files, where all of it can be used.
    fn usable(&self, now: Wall) -> Result<Facts, String> {
        let facts = Credentials::read(&self.files)?.own.facts;
        let known = self.facts.as_ref().map(|facts| facts.validity);
        if known.is_some_and(|known| known.holds(now)) && !facts.validity.holds(now) {
            let Validity { from, until } = facts.validity;
            return Err(format!("{} is valid from {from} to {until}", self.files.certificate.display()));
        }
        Ok(facts)
    }
}
