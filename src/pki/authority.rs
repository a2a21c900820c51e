//! The authority: a certificate and a key in a folder of the OMA, and what it signs. Its books are the store's.

use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, SanType, SerialNumber,
};
use ring::rand::{SecureRandom, SystemRandom};
use time::OffsetDateTime;

use super::files::{Readable, put};
use crate::config::TlsFiles;
use crate::limits;
use crate::model::peer::Peer;
use crate::model::pki::Validity;
use crate::model::time::Wall;
use crate::net::tls::{Facts, Own};
use crate::runtime::secrets;

/// How long the authority's own certificate is valid: ten years.
const AUTHORITY_VALID: Duration = Duration::from_secs(3653 * 86_400);
/// How far back a certificate's time begins, for another machine's clock that is late by hours; never more than half of its
/// own time.
const CLOCK_ERROR: Duration = Duration::from_secs(86_400);

/// An authority that can sign.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its certificate, PEM.
    pub certificate: String,
    /// SHA-256 of its certificate.
    pub fingerprint: [u8; 32],
    /// When it is valid.
    validity: Validity,
}

/// What was issued.
#[derive(Debug)]
pub struct Issued {
    /// The certificate and the authority's, PEM.
    pub chain: String,
    /// What it says.
    pub facts: Facts,
}

impl Authority {
    /// The files of an authority.
    pub fn files(folder: &Path) -> TlsFiles {
        let certificate = folder.join("ca.pem");
        TlsFiles { key: folder.join("ca.key"), authority: certificate.clone(), certificate }
    }

    /// Makes a new authority in a folder that has none.
    ///
    /// # Errors
    /// Where it has one, or cannot be written.
    pub fn init(folder: &Path, now: Wall) -> Result<Self, String> {
        let TlsFiles { certificate: certificate_file, key: key_file, .. } = Self::files(folder);
        if certificate_file.exists() || key_file.exists() {
            return Err(format!(
                "{} has an authority already, and a second one would shut out all VMAs",
                folder.display()
            ));
        }
        let failed = |error: rcgen::Error| format!("cannot make an authority: {error}");
        let key = KeyPair::generate().map_err(failed)?;
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "waybill authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        (params.not_before, params.not_after) = times(now, AUTHORITY_VALID)?;
        let certificate = params.self_signed(&key).map_err(failed)?;
        put(&key_file, &key.serialize_pem(), Readable::ByOwner)?;
        put(&certificate_file, &certificate.pem(), Readable::ByAll)?;
        Self::open(folder)
    }

    /// Opens the authority of a folder.
    ///
    /// # Errors
    /// What is wrong with which file.
    pub fn open(folder: &Path) -> Result<Self, String> {
        let TlsFiles { certificate: certificate_file, key: key_file, .. } = Self::files(folder);
        let certificate = secrets::read_public(&certificate_file, limits::AUTHORITY_BYTES)?;
        let key = secrets::read_key(&key_file).map_err(|error| error.to_string())?;
        let own = Own::read(&certificate, key.expose())
            .map_err(|error| format!("{} with {}: {error}", certificate_file.display(), key_file.display()))?;
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).map_err(|error| error.to_string());
        let certificate = text(&certificate)?;
        let failed = |error: rcgen::Error| format!("{}: {error}", certificate_file.display());
        let key = KeyPair::from_pem(&text(key.expose())?).map_err(failed)?;
        let issuer = Issuer::from_ca_cert_pem(&certificate, key).map_err(failed)?;
        let Facts { fingerprint, validity, .. } = own.facts;
        Ok(Self { issuer, certificate, fingerprint, validity })
    }

    /// Signs a request for somebody. Of the request only the key counts; `hosts` are DNS names and addresses under which
    /// it is dialled.
    ///
    /// # Errors
    /// Where the request is none, or does not prove to have its key, or the clock is at a time when there was no authority.
    pub fn issue(
        &self,
        request: &str,
        owner: &Peer,
        hosts: &[String],
        now: Wall,
        valid_for: Duration,
    ) -> Result<Issued, String> {
        if now < self.validity.from {
            let from = self.validity.from;
            return Err(format!("this machine's clock says {now}, and its authority began at {from}: set the clock"));
        }
        let mut asked = read_request(request)?;
        let failed = |error: rcgen::Error| format!("cannot make a certificate: {error}");
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "waybill");
        let uri = owner.uri().ok_or("a certificate needs an owner")?;
        params.subject_alt_names.push(SanType::URI(uri.try_into().map_err(failed)?));
        for host in hosts {
            params.subject_alt_names.push(match host.parse::<IpAddr>() {
                Ok(address) => SanType::IpAddress(address),
                Err(_) => SanType::DnsName(host.as_str().try_into().map_err(failed)?),
            });
        }
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        params.serial_number = Some(serial()?);
        (params.not_before, params.not_after) = times(now, valid_for)?;
        asked.params = params;
        let certificate = asked.signed_by(&self.issuer).map_err(failed)?;
        let facts = Facts::read(certificate.der()).ok_or("the certificate that was made cannot be read")?;
        Ok(Issued { chain: certificate.pem() + &self.certificate, facts })
    }
}

fn read_request(request: &str) -> Result<CertificateSigningRequestParams, String> {
    CertificateSigningRequestParams::from_pem(request)
        .map_err(|error| format!("the request for a certificate cannot be used: {error}"))
}

/// 159 random bits, positive (RFC 5280, 4.1.2.2).
fn serial() -> Result<SerialNumber, String> {
    let mut bytes = [0; 20];
    SystemRandom::new().fill(&mut bytes).map_err(|_| "the machine gives no random numbers".to_owned())?;
    bytes[0] = bytes[0] & 0x7f | 0x40;
    Ok(SerialNumber::from_slice(&bytes))
}

fn times(now: Wall, valid_for: Duration) -> Result<(OffsetDateTime, OffsetDateTime), String> {
    let now = now.unix_millis().div_euclid(1000);
    let (back, ahead) = (CLOCK_ERROR.min(valid_for / 2).as_secs(), valid_for.as_secs());
    let at = |seconds: i64| OffsetDateTime::from_unix_timestamp(seconds).map_err(|error| error.to_string());
    // Before 1970 verifiers have no time.
    Ok((at(now.saturating_sub_unsigned(back).max(0))?, at(now.saturating_add_unsigned(ahead))?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pki::request;

    #[test]
    fn before_its_own_time_an_authority_signs_nothing_and_no_time_begins_before_1970() {
        const MINUTE: Duration = Duration::from_secs(60);
        let at = Wall::from_unix_millis;
        let folder = tempfile::tempdir().expect("a folder");
        let authority = Authority::init(folder.path(), at(10 * 86_400_000)).expect("an authority");
        let made = request::make().expect("a key");
        let issue = |authority: &Authority, now| authority.issue(&made.request, &Peer::Oma, &[], now, MINUTE);
        let refused = issue(&authority, at(8_000)).expect_err("there was none");
        assert_eq!(
            refused,
            "this machine's clock says 1970-01-01T00:00:08.000Z, and its authority began at 1970-01-10T00:00:00.000Z: set the clock"
        );
        let issued = issue(&authority, at(10 * 86_400_000)).expect("signed");
        assert_eq!(issued.facts.validity.from, at(10 * 86_400_000 - 30_000));

        let folder = tempfile::tempdir().expect("a folder");
        let first = Authority::init(folder.path(), at(8_000)).expect("an authority");
        let chain = issue(&first, at(8_000)).expect("signed").chain;
        let own = Own::read(chain.as_bytes(), made.key.as_bytes()).expect("a pair");
        assert_eq!(own.facts.validity.from, at(0));
        own.is_signed_by(first.certificate.as_bytes()).expect("it is");
        own.is_issued_by(first.certificate.as_bytes()).expect_err("its time is over");
    }
}
