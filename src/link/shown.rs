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
    known: Option<Credentials>,
    /// It is not shown yet.
    is_new: bool,
    /// Others are believed than those who were let in.
    believes_others: bool,
    /// None where another section shows the same one, with another file of authorities.
    upkeep: Option<Upkeep>,
    /// What is odd about the files, as that was told.
    doubt: String,
    /// Why it could not be renewed, as that was told.
    unrenewed: String,
}

/// What a look has found about the certificate in these files.
#[derive(Debug)]
pub struct Finding {
    /// The files.
    pub files: TlsFiles,
    /// What it is.
    pub found: Found,
}

/// What a look has found.
#[derive(Debug)]
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

    /// From now on it is these; what is known of those that were among them before is kept.
    pub fn watch(&mut self, now: Mono, all: impl IntoIterator<Item = TlsFiles>) {
        let mut before = std::mem::take(&mut self.certificates);
        for files in all {
            if self.of(&files).is_some() {
                continue;
            }
            let is_first = self.certificates.iter().all(|known| known.files.certificate != files.certificate);
            let same = |known: &Certificate| known.files == files;
            let known = before.iter().position(same).map(|at| before.swap_remove(at));
            let mut certificate = known.unwrap_or_else(|| Certificate::new(files));
            certificate.upkeep = is_first.then(|| certificate.upkeep.unwrap_or_else(|| Upkeep::new(now)));
            self.certificates.push(certificate);
        }
        self.look_at = now;
    }

    /// Looks at all of them, where it is time to; `renews_itself` says of which the appliance gets a new one by itself.
    pub fn look(&mut self, now: Now, renews_itself: impl Fn(&Own) -> bool) -> Vec<Finding> {
        // What was set may make another certificate the valid one.
        if self.clock.see(now) {
            self.look_at = now.mono;
        }
        if now.mono < self.look_at {
            return Vec::new();
        }
        let (mut findings, (mut pause, shortest)) = (Vec::new(), LOOK_EVERY);
        for certificate in &mut self.certificates {
            certificate.read();
            let Some(known) = &certificate.known else { continue };
            let (renews, facts) = (known.doubt.is_none() && renews_itself(&known.own), &known.own.facts);
            let mut found = Vec::new();
            if std::mem::take(&mut certificate.is_new) {
                let (file, until) = (certificate.files.certificate.display(), facts.validity.until);
                let what = match (&known.doubt, known.is_kept) {
                    (Some(_), _) => "what was there before",
                    (None, true) => "the one that was kept",
                    (None, false) => "what lies there now",
                };
                found.push(Found::New {
                    news: format!("{file}: {what} is shown from now on, until {until}"),
                    believes_others: std::mem::take(&mut certificate.believes_others),
                });
            }
            let name = name(&certificate.files, self.whose);
            if let Some(upkeep) = &mut certificate.upkeep {
                found.extend(upkeep.due(now, &self.clock, facts.validity, renews).into_iter().map(|duty| match duty {
                    Duty::Renew => Found::Due(facts.clone()),
                    Duty::Warn(warning) => Found::Warning(format!("{name} {warning}")),
                }));
                if renews {
                    pause = pause.min(upkeep.renews_in(now, &self.clock, facts.validity));
                }
            }
            findings.extend(found.into_iter().map(|found| Finding { files: certificate.files.clone(), found }));
        }
        self.look_at = now.mono + pause.max(shortest);
        findings
    }

    /// What is shown of these files, or is to be.
    pub fn credentials(&self, files: &TlsFiles) -> Option<&Credentials> {
        self.certificates.iter().find(|known| known.files == *files)?.known.as_ref()
    }

    /// What lies in these files is not shown, whatever was: the next look finds it anew.
    pub fn not_shown(&mut self, files: &TlsFiles) {
        if let Some(certificate) = self.of(files) {
            certificate.is_new = true;
        }
    }

    /// How a renewal has ended: with a certificate of that time in these files, or without one. The next look is now.
    pub fn renewed(&mut self, now: Now, files: &TlsFiles, ended: Result<Validity, String>) {
        self.look_at = now.mono;
        let name = name(files, self.whose);
        let Some(certificate) = self.of(files) else { return };
        let Some((upkeep, known)) = certificate.upkeep.as_mut().zip(certificate.known.as_ref()) else { return };
        match ended {
            Ok(validity) => {
                log::info!("{name} was renewed, until {}", validity.until);
                certificate.unrenewed.clear();
                upkeep.renewed(now, validity);
            }
            Err(why) => {
                upkeep.failed(now, known.own.facts.validity);
                // Each try fails in the same way, and its end is warned about when it comes nearer.
                if certificate.unrenewed != why {
                    log::warn!("{name} could not be renewed: {why}");
                    certificate.unrenewed = why;
                }
            }
        }
    }

    /// Each one's file, and its end.
    pub fn ends(&self) -> Vec<(String, Wall)> {
        let end = |one: &Certificate| {
            let until = one.known.as_ref()?.own.facts.validity.until;
            Some((one.files.certificate.display().to_string(), until))
        };
        self.certificates.iter().filter(|one| one.upkeep.is_some()).filter_map(end).collect()
    }

    /// When to look again; `None` where there is nothing to look at.
    pub fn next_deadline(&self) -> Option<Mono> {
        (!self.certificates.is_empty()).then_some(self.look_at)
    }

    fn of(&mut self, files: &TlsFiles) -> Option<&mut Certificate> {
        self.certificates.iter_mut().find(|known| known.files == *files)
    }
}

fn name(files: &TlsFiles, whose: &str) -> String {
    format!("the certificate of this {whose}, {},", files.certificate.display())
}

impl Certificate {
    fn new(files: TlsFiles) -> Self {
        let (doubt, unrenewed) = (String::new(), String::new());
        Self { files, known: None, is_new: false, believes_others: false, upkeep: None, doubt, unrenewed }
    }

    /// Reads the files, and takes up what lies there and can be used.
    fn read(&mut self) {
        let there = Credentials::read_after(self.known.as_ref(), &self.files);
        let cannot =
            |why: &str| Some(format!("what lies there now cannot be used, and what was there before is shown: {why}"));
        let doubt = match &there {
            Ok(Credentials { doubt: Some(why), .. }) => cannot(why),
            Ok(Credentials { is_kept: true, .. }) => {
                let file = self.files.certificate.display();
                Some(format!("{file}: by this machine's clock it is not valid, and the one that it replaced is"))
            }
            // Of what was never there, whoever needs it tells.
            Err(why) if self.is_new => cannot(why),
            Ok(_) | Err(_) => None,
        };
        if let Some(doubt) = doubt.as_ref().filter(|doubt| **doubt != self.doubt) {
            log::warn!("{doubt}");
        }
        self.doubt = doubt.unwrap_or_default();
        let Ok(there) = there else { return };
        // What was there when the appliance began is shown already.
        if let Some(before) = &self.known {
            self.believes_others |= before.authority != there.authority;
            self.is_new |= before.own.fingerprint() != there.own.fingerprint() || self.believes_others;
        }
        self.known = Some(there);
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::model::peer::Peer;
    use crate::pki::authority::Authority;
    use crate::pki::{files, request};
    use crate::runtime::clock::Clock;

    fn authority(folder: &Path) -> Authority {
        Authority::init(folder, Clock::start().now().wall).expect("an authority")
    }

    #[test]
    fn each_file_of_authorities_is_watched_also_where_sections_share_a_certificate() {
        let folder = tempfile::tempdir().expect("a folder");
        let (ours, others) = (authority(&folder.path().join("ours")), authority(&folder.path().join("others")));
        let now = Clock::start().now();
        let made = request::make().expect("a key");
        let issued =
            ours.issue(&made.request, &Peer::Oma, &[], now.wall, Duration::from_secs(90 * 86_400)).expect("signed");
        let in_section = |name: &str| {
            let file = |name: &str| folder.path().join(name);
            let files = TlsFiles { certificate: file("own.pem"), key: file("own.key"), authority: file(name) };
            files::put_first(&files, &issued.chain, &made.key, &ours.certificate).expect("put");
            files
        };
        let (first, second) = (in_section("first.pem"), in_section("second.pem"));
        let mut shown = Shown::new("OMA", now);
        shown.watch(now.mono, [first.clone(), second.clone(), first.clone()]);
        assert_eq!(shown.look(now, |_| false).len(), 0, "it is shown already");
        assert_eq!(shown.ends(), [(first.certificate.display().to_string(), issued.facts.validity.until)]);

        std::fs::write(&second.authority, &others.certificate).expect("put");
        let look = |shown: &mut Shown, seconds| {
            let later = Duration::from_secs(seconds);
            let wall = Wall::from_unix_millis(now.wall.unix_millis() + i64::try_from(later.as_millis()).unwrap_or(0));
            shown.look(Now { mono: now.mono + later, wall }, |_| false)
        };
        assert_eq!(look(&mut shown, 9).len(), 0, "not before its time");
        let found = look(&mut shown, 10);
        let [Finding { files, found: Found::New { news, believes_others: true } }] = found.as_slice() else {
            panic!("{found:?}");
        };
        assert_eq!(*files, second);
        assert!(news.contains("own.pem: what lies there now is shown from now on, until 20"), "{news}");
        assert_eq!(look(&mut shown, 20).len(), 0);
        shown.not_shown(&first);
        assert!(matches!(look(&mut shown, 30)[0].found, Found::New { believes_others: false, .. }));
        // A clock that is set is looked at at once.
        std::fs::write(&second.authority, &ours.certificate).expect("put");
        let set = Now { mono: now.mono + Duration::from_secs(31), wall: now.wall };
        assert_eq!(look(&mut shown, 30).len(), 0);
        let found =
            shown.look(Now { wall: Wall::from_unix_millis(set.wall.unix_millis() - 3_600_000), ..set }, |_| false);
        assert!(matches!(found[0].found, Found::New { believes_others: true, .. }), "{found:?}");
    }
}
