//! The certificates that this appliance shows, as their files have them. They are looked at every few seconds, so that what
//! somebody has put in the place of another is taken up without a word to the daemon, and kept valid.
//!
//! Policy: what cannot be used, as a certificate without its key, is told by the log and changes nothing; what was shown
//! before goes on being shown. Nothing is renewed that could not be shown.

use std::time::Duration;

use super::credentials::Credentials;
use crate::config::TlsFiles;
use crate::model::pki::Validity;
use crate::model::time::{Mono, Now, Wall};
use crate::net::tls::{Facts, Own};
use crate::policy::renewal::{Duty, Steadiness, Upkeep};

/// The longest and the shortest pause between two looks.
const LOOK_EVERY: (Duration, Duration) = (Duration::from_secs(10), Duration::from_millis(500));

/// All of them.
pub struct Shown {
    /// The appliance, in words.
    whose: &'static str,
    certificates: Vec<Certificate>,
    clock: Steadiness,
    look_at: Mono,
}

struct Certificate {
    files: TlsFiles,
    /// What could be used when that was last so.
    known: Option<Known>,
    /// It is not shown yet.
    is_new: bool,
    /// Others are believed than by those who were let in so far.
    believes_others: bool,
    upkeep: Upkeep,
    /// What is odd about the files, as that was told.
    doubt: String,
    /// Why it could not be renewed, as that was told.
    unrenewed: String,
}

/// What was read of the files.
struct Known {
    facts: Facts,
    chain: [u8; 32],
    believed: [u8; 32],
}

/// What a look has found about the certificate in these files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The files.
    pub files: TlsFiles,
    /// What it is.
    pub found: Found,
}

/// What a look has found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// Something else lies there than what is shown, and can be.
    New {
        /// What is to be told once it is shown.
        news: String,
        /// Who was let in by what lay there before has to prove anew that they are believed.
        believes_others: bool,
    },
    /// The certificate that says this is to be renewed.
    Due(Facts),
    /// People are to be told this.
    Warning(String),
}

impl Shown {
    /// None yet.
    pub fn new(whose: &'static str, now: Now) -> Self {
        Self { whose, certificates: Vec::new(), clock: Steadiness::new(now), look_at: now.mono }
    }

    /// From now on it is these; what is known of one that was among them before is kept.
    pub fn watch(&mut self, now: Mono, all: impl IntoIterator<Item = TlsFiles>) {
        let mut before = std::mem::take(&mut self.certificates);
        for files in all {
            if self.of(&files).is_some() {
                continue;
            }
            let same = |known: &Certificate| known.files.certificate == files.certificate;
            let known = before.iter().position(same).map(|at| before.swap_remove(at));
            let certificate = match known {
                Some(known) => Certificate { files, ..known },
                None => Certificate::new(files, now),
            };
            self.certificates.push(certificate);
        }
        self.look_at = now;
    }

    /// Looks at all of them, where it is time to; `renews_itself` says of which the appliance gets a new one by itself.
    pub fn look(&mut self, now: Now, renews_itself: impl Fn(&Own) -> bool) -> Vec<Finding> {
        self.clock.see(now);
        if now.mono < self.look_at {
            return Vec::new();
        }
        let (mut findings, (mut pause, shortest)) = (Vec::new(), LOOK_EVERY);
        for certificate in &mut self.certificates {
            let there = certificate.read(now.wall);
            let renews = there.as_ref().is_some_and(|there| renews_itself(&there.own));
            let Some(Known { facts, .. }) = &certificate.known else { continue };
            let mut found = Vec::new();
            if there.is_some() && std::mem::take(&mut certificate.is_new) {
                let file = certificate.files.certificate.display();
                let until = facts.validity.until;
                found.push(Found::New {
                    news: format!("{file}: what lies there now is shown from now on, until {until}"),
                    believes_others: std::mem::take(&mut certificate.believes_others),
                });
            }
            for duty in certificate.upkeep.due(now, &self.clock, facts.validity, renews) {
                found.push(match duty {
                    Duty::Renew => Found::Due(facts.clone()),
                    Duty::Warn(warning) => Found::Warning(format!("{} {warning}", certificate.name(self.whose))),
                });
            }
            if renews {
                pause = pause.min(certificate.upkeep.renews_in(now, &self.clock, facts.validity));
            }
            findings.extend(found.into_iter().map(|found| Finding { files: certificate.files.clone(), found }));
        }
        self.look_at = now.mono + pause.max(shortest);
        findings
    }

    /// What was found in these files could not be shown: the next look finds it again.
    pub fn not_shown(&mut self, files: &TlsFiles) {
        if let Some(certificate) = self.of(files) {
            certificate.is_new = true;
        }
    }

    /// How a renewal has ended: with a certificate of that time in these files, or without one. The next look is now.
    pub fn renewed(&mut self, now: Now, files: &TlsFiles, ended: Result<Validity, String>) {
        self.look_at = now.mono;
        let whose = self.whose;
        let Some(certificate) = self.of(files) else { return };
        match ended {
            Ok(validity) => {
                log::info!("{} was renewed, until {}", certificate.name(whose), validity.until);
                certificate.unrenewed.clear();
                certificate.upkeep.renewed(now, validity);
            }
            Err(why) => {
                if let Some(known) = &certificate.known {
                    certificate.upkeep.failed(now, known.facts.validity);
                }
                // Each try fails in the same way, and its end is warned about when it comes nearer.
                if certificate.unrenewed != why {
                    log::warn!("{} could not be renewed: {why}", certificate.name(whose));
                    certificate.unrenewed = why;
                }
            }
        }
    }

    /// Each one's file, and its end.
    pub fn ends(&self) -> Vec<(String, Wall)> {
        let end = |one: &Certificate| {
            let until = one.known.as_ref()?.facts.validity.until;
            Some((one.files.certificate.display().to_string(), until))
        };
        self.certificates.iter().filter_map(end).collect()
    }

    /// When to look again; `None` where there is nothing to look at.
    pub fn next_deadline(&self) -> Option<Mono> {
        (!self.certificates.is_empty()).then_some(self.look_at)
    }

    fn of(&mut self, files: &TlsFiles) -> Option<&mut Certificate> {
        self.certificates.iter_mut().find(|known| known.files.certificate == files.certificate)
    }
}

impl Certificate {
    fn new(files: TlsFiles, now: Mono) -> Self {
        Self {
            files,
            known: None,
            is_new: false,
            believes_others: false,
            upkeep: Upkeep::new(now),
            doubt: String::new(),
            unrenewed: String::new(),
        }
    }

    fn name(&self, whose: &str) -> String {
        format!("the certificate of this {whose}, {},", self.files.certificate.display())
    }

    /// Reads the files, and takes up what lies there; `None` where it cannot be used.
    fn read(&mut self, now: Wall) -> Option<Credentials> {
        let there = self.usable(now);
        let doubt = match &there {
            Ok(there) if there.is_kept => {
                let file = self.files.certificate.display();
                Some(format!("{file}: it is not valid yet, and the one that it replaced is shown instead"))
            }
            Ok(_) => None,
            // Of what was never there, whoever needs it tells.
            Err(why) => self
                .known
                .as_ref()
                .map(|_| format!("what lies there now cannot be used, and what was there before is shown: {why}")),
        };
        if let Some(doubt) = doubt.as_ref().filter(|doubt| **doubt != self.doubt) {
            log::warn!("{doubt}");
        }
        self.doubt = doubt.unwrap_or_default();
        let there = there.ok()?;
        let known = Known {
            facts: there.own.facts.clone(),
            chain: there.own.fingerprint(),
            believed: Facts::fingerprint_of(&there.authority),
        };
        // What was there when the appliance began is shown already.
        if let Some(before) = &self.known {
            self.believes_others |= before.believed != known.believed;
            self.is_new |= before.chain != known.chain || self.believes_others;
        }
        self.known = Some(known);
        Some(there)
    }

    /// What lies in the files, where all of it can be used.
    fn usable(&self, now: Wall) -> Result<Credentials, String> {
        let there = Credentials::read(&self.files)?;
        let known = self.known.as_ref().map(|known| known.facts.validity);
        let validity = there.own.facts.validity;
        if known.is_some_and(|known| known.holds(now)) && !validity.holds(now) {
            let Validity { from, until } = validity;
            return Err(format!("{} is valid from {from} to {until}", self.files.certificate.display()));
        }
        Ok(there)
    }
}
