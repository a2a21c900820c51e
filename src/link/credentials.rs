//! The three files that say who we are and whom we believe, and the pair that the last renewal has replaced. All are read
//! anew whenever they are needed, so that a renewed certificate holds from the next connection on.
//!
//! Policy: where the certificate is not valid by this machine's clock, but the one that it replaced is, that one is shown:
//! one of the two was made, or is looked at, by a clock that is wrong. What cannot be used changes nothing for whoever has
//! something that can: a pair and the authorities are taken up each by itself.

use std::rc::Rc;

use data_encoding::HEXLOWER;

use crate::config::TlsFiles;
use crate::limits;
use crate::model::pki::Validity;
use crate::net::tls::{BadTls, Own, check_authority};
use crate::pki::files::{self, Renewed, Staged};
use crate::runtime::clock::Clock;
use crate::runtime::secrets;

/// What stands in the files.
#[derive(Debug)]
pub struct Credentials {
    /// Our certificate and its key.
    pub own: Rc<Own>,
    /// The authority of the other side, in PEM.
    pub authority: Vec<u8>,
    /// This is the pair that was kept, and not the one in the files.
    pub is_kept: bool,
    /// What is wrong with the files; then these are what they were before, as far as that has to be.
    pub doubt: Option<String>,
}

/// Which of two pairs is wanted where the clock speaks for the one that was kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// The one that is valid by this machine's clock.
    Valid,
    /// The newest one: the other side has refused the other.
    Newest,
}

impl Credentials {
    /// Reads the files.
    ///
    /// # Errors
    /// What is wrong, with the name of the file.
    pub fn read(files: &TlsFiles, wanted: Wanted) -> Result<Self, String> {
        let authority = read_authority(files)?;
        let (own, is_kept) = read_pair(files, wanted)?;
        Ok(Self { own: Rc::new(own), authority, is_kept, doubt: None })
    }

    /// Reads the files for somebody who may have credentials already, and goes on with these where what lies there is not to
    /// take their place. Who is believed does not wait for a pair that can be used: nobody is let in by a file of
    /// authorities that has changed.
    ///
    /// # Errors
    /// What is wrong, with the name of the file, for whoever has nothing to go on with.
    pub fn read_after(before: Option<&Self>, files: &TlsFiles) -> Result<Self, String> {
        let Some(before) = before else { return Self::read(files, Wanted::Valid) };
        let still = |authority: &[u8], doubt: String| {
            let (own, authority) = (Rc::clone(&before.own), authority.to_vec());
            Self { own, authority, is_kept: before.is_kept, doubt: Some(doubt) }
        };
        let authority = match read_authority(files) {
            Ok(authority) => authority,
            Err(why) => return Ok(still(&before.authority, why)),
        };
        let (own, is_kept) = match read_pair(files, Wanted::Valid) {
            Ok(pair) => pair,
            Err(why) => return Ok(still(&authority, why)),
        };
        let (now, Validity { from, until }) = (Clock::start().now().wall, own.facts.validity);
        if before.own.facts.validity.holds(now) && !own.facts.validity.holds(now) {
            let why = format!("{} is valid from {from} to {until}", files.certificate.display());
            return Ok(still(&authority, why));
        }
        Ok(Self { own: Rc::new(own), authority, is_kept, doubt: None })
    }

    /// Writes a pair beside the files that is to take the place of these.
    ///
    /// # Errors
    /// What is wrong, with the name of the file.
    pub fn stage_renewed(
        &self,
        files: &TlsFiles,
        certificate: &str,
        own: &[u8; 32],
        key: &str,
    ) -> Result<Staged, String> {
        let fingerprint = HEXLOWER.encode(own);
        files::stage_renewed(files, &Renewed { certificate, fingerprint: &fingerprint, key, keeps_kept: self.is_kept })
    }
}

fn read_authority(files: &TlsFiles) -> Result<Vec<u8>, String> {
    let authority = secrets::read_public(&files.authority, limits::AUTHORITY_BYTES)?;
    check_authority(&authority).map_err(|error| format!("{}: {error}", files.authority.display()))?;
    Ok(authority)
}

/// The pair that is wanted, and whether it is the one that was kept.
fn read_pair(files: &TlsFiles, wanted: Wanted) -> Result<(Own, bool), String> {
    let certificate = secrets::read_public(&files.certificate, limits::AUTHORITY_BYTES)?;
    let key = secrets::read_key(&files.key).map_err(|error| error.to_string())?;
    let own = match Own::read(&certificate, key.expose()) {
        // A renewal that was cut off between its two renames.
        Err(BadTls::Apart) => finish(files, key.expose()).unwrap_or(Err(BadTls::Apart)),
        read => read,
    };
    let own = own.map_err(|error| format!("{} with {}: {error}", files.certificate.display(), files.key.display()))?;
    let now = Clock::start().now().wall;
    let kept = if wanted == Wanted::Newest || own.facts.validity.holds(now) { None } else { kept(files, &own) };
    Ok(match kept.filter(|kept| kept.facts.validity.holds(now)) {
        Some(kept) => (kept, true),
        None => (own, false),
    })
}

/// The certificate that waits beside its file, where it is the key's: it is put into its place.
fn finish(files: &TlsFiles, key: &[u8]) -> Option<Result<Own, BadTls>> {
    let waiting = files::waiting(&files.certificate);
    let certificate = secrets::read_public(&waiting, limits::AUTHORITY_BYTES).ok()?;
    let own = Own::read(&certificate, key).ok()?;
    std::fs::rename(&waiting, files::target(&files.certificate)).ok()?;
    log::warn!("{}: a renewal was cut off, and is completed now", files.certificate.display());
    Some(Ok(own))
}

/// The pair that this one has replaced.
fn kept(files: &TlsFiles, by: &Own) -> Option<Own> {
    let [certificate, key] = [&files.certificate, &files.key].map(|file| files::replaced(file));
    let certificate = secrets::read_public(&certificate, limits::AUTHORITY_BYTES).ok()?;
    if !files::is_replaced_by(&certificate, &HEXLOWER.encode(&by.facts.fingerprint)) {
        return None;
    }
    Own::read(&certificate, secrets::read_key(&key).ok()?.expose()).ok()
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use super::*;
    use crate::model::peer::Peer;
    use crate::model::time::Wall;
    use crate::pki::authority::{Authority, Issued};
    use crate::pki::request;

    const DAYS: i64 = 86_400_000;
    const PAIR_OF: Duration = Duration::from_secs(90 * 86_400);

    fn at(days: i64) -> Wall {
        Wall::from_unix_millis(Clock::start().now().wall.unix_millis() + days * DAYS)
    }
    fn files(folder: &Path) -> TlsFiles {
        let authority = Authority::files(&folder.join("pki")).certificate;
        TlsFiles { certificate: folder.join("own.pem"), key: folder.join("own.key"), authority }
    }
    /// A pair that was made so many days from now.
    fn made(authority: &Authority, days: i64) -> (Issued, String) {
        let made = request::make().expect("a key");
        let issued = authority.issue(&made.request, &Peer::Oma, &[], at(days), PAIR_OF).expect("signed");
        (issued, made.key)
    }

    #[test]
    fn of_two_pairs_that_is_shown_which_is_valid_by_this_machines_clock() {
        // What was made first, and in its place, in days from now; and what is shown then.
        let cases = [
            ("as it should be", -61, -1, false),
            ("made while the clock was ahead", -20, 70, true),
            ("made while the clock was behind", -10, -200, true),
            ("both have ended", -200, -100, false),
            ("both begin later", 100, 200, false),
        ];
        for (case, first, second, is_kept) in cases {
            let folder = tempfile::tempdir().expect("a folder");
            let authority = Authority::init(&folder.path().join("pki"), at(-1000)).expect("an authority");
            let files = files(folder.path());
            let (old, key) = made(&authority, first);
            files::put_first(&files, &old.chain, &key, &authority.certificate).expect("put");
            let before = Credentials::read(&files, Wanted::Valid).expect("readable");
            let (new, key) = made(&authority, second);
            let staged = before.stage_renewed(&files, &new.chain, &new.facts.fingerprint, &key).expect("staged");
            assert_eq!(Credentials::read(&files, Wanted::Valid).expect("readable").own.facts, old.facts, "{case}");
            staged.settle().expect("put");
            let shown = Credentials::read(&files, Wanted::Valid).expect("readable");
            assert_eq!((shown.is_kept, shown.own.facts == old.facts), (is_kept, is_kept), "{case}");
            let newest = Credentials::read(&files, Wanted::Newest).expect("readable");
            assert_eq!(newest.own.facts, new.facts, "{case}");

            // The next takes the place of what is shown, which is kept.
            let (next, key) = made(&authority, 300);
            let staged = shown.stage_renewed(&files, &next.chain, &next.facts.fingerprint, &key).expect("staged");
            staged.settle().expect("put");
            let kept = Credentials::read(&files, Wanted::Valid).expect("readable").own.facts.clone();
            let shown_was_valid = shown.own.facts.validity.holds(at(0));
            assert_eq!(&kept, if shown_was_valid { &shown.own.facts } else { &next.facts }, "{case}");
        }
    }

    #[test]
    fn what_somebody_puts_there_has_replaced_nothing_that_was_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        let authority = Authority::init(&folder.path().join("pki"), at(-1000)).expect("an authority");
        let files = files(folder.path());
        let put = |pair: &(Issued, String)| {
            std::fs::write(&files.certificate, &pair.0.chain).expect("put");
            files::put(&files.key, &pair.1, files::Readable::ByOwner).expect("put");
        };
        put(&made(&authority, -80));
        let first = Credentials::read(&files, Wanted::Valid).expect("readable");
        let renewed = made(&authority, -1);
        let staged = first.stage_renewed(&files, &renewed.0.chain, &renewed.0.facts.fingerprint, &renewed.1);
        staged.expect("staged").settle().expect("put");
        let theirs = made(&authority, 10);
        put(&theirs);
        let shown = Credentials::read(&files, Wanted::Valid).expect("readable");
        assert!(!shown.is_kept && shown.own.facts == theirs.0.facts);
        // Whoever has something better stays with that.
        let still = Credentials::read_after(Some(&first), &files).expect("there is one");
        assert_eq!(still.own.facts, first.own.facts);
        assert!(still.doubt.is_some_and(|doubt| doubt.contains("own.pem is valid from ")));
    }

    #[test]
    fn f47_a_changed_file_of_authorities_holds_also_where_the_pair_cannot_be_used() {
        let folder = tempfile::tempdir().expect("a folder");
        let authority = Authority::init(&folder.path().join("pki"), at(-1000)).expect("an authority");
        let other = Authority::init(&folder.path().join("other"), at(-1000)).expect("an authority");
        let files = files(folder.path());
        let (old, key) = made(&authority, -1);
        files::put_first(&files, &old.chain, &key, &authority.certificate).expect("put");
        let before = Credentials::read(&files, Wanted::Valid).expect("readable");
        let after = |name: &str| {
            let after = Credentials::read_after(Some(&before), &files).expect("there is one");
            assert_eq!(after.own.facts, old.facts, "{name}");
            (after.authority, after.doubt.unwrap_or_default())
        };
        std::fs::write(&files.certificate, "garbage").expect("put");
        std::fs::write(&files.authority, &other.certificate).expect("put");
        let (believed, doubt) = after("no certificate");
        assert!(believed == other.certificate.as_bytes() && doubt.contains("own.pem"), "{doubt}");
        std::fs::write(&files.certificate, &old.chain).expect("put");
        std::fs::write(&files.authority, "garbage").expect("put");
        let (believed, doubt) = after("no authority");
        assert!(believed == authority.certificate.as_bytes() && doubt.contains("ca.pem"), "{doubt}");
    }
}
