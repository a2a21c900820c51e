//! Who we are: a certificate with its chain and the private key, as they lie in their files.

use std::time::Duration;

use data_encoding::BASE64;
use rustls::RootCertStore;
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;

use super::facts::Facts;
use super::refused::doubt;

/// A certificate and its key.
#[derive(Debug)]
pub struct Own {
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) key: PrivateKeyDer<'static>,
    /// What the certificate says.
    pub facts: Facts,
}

/// Why certificates and keys cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadTls {
    /// Neither authority nor pin.
    #[error("neither an authority nor a thumbprint is given")]
    Nobody,
    /// A file has no certificate.
    #[error("it holds no certificate in PEM, as -----BEGIN CERTIFICATE-----")]
    NoCertificate,
    /// A certificate in it cannot be used.
    #[error("its certificate number {0} cannot be used: {1}")]
    BadCertificate(usize, String),
    /// A file has no private key.
    #[error("it holds no private key in PEM, as -----BEGIN PRIVATE KEY-----")]
    NoKey,
    /// The key is another's.
    #[error("certificate and key do not belong together")]
    Apart,
    /// TLS itself cannot be set up.
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
}

impl Own {
    /// What the first certificate of a PEM file says.
    ///
    /// # Errors
    /// Where there is none.
    pub fn first(certificate: &[u8]) -> Result<Facts, BadTls> {
        let chain = certificates(certificate)?;
        let facts = chain.first().and_then(|own| Facts::read(own));
        facts.ok_or_else(|| BadTls::BadCertificate(1, "it is no X.509 certificate".to_owned()))
    }

    /// Reads both from PEM: the certificate first, then those between it and its authority.
    ///
    /// # Errors
    /// Where one of them is not there, cannot be used, or they do not belong together.
    pub fn read(certificate: &[u8], key: &[u8]) -> Result<Self, BadTls> {
        let chain = certificates(certificate)?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| BadTls::NoKey)?;
        let provider = rustls::crypto::ring::default_provider();
        CertifiedKey::from_der(chain.clone(), key.clone_key(), &provider).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => BadTls::Apart,
            other => BadTls::Tls(other.to_string()),
        })?;
        let facts = Self::first(certificate)?;
        Ok(Self { chain, key, facts })
    }
}

impl Own {
    /// That the authority in this PEM file has issued it, and that it is valid now.
    ///
    /// # Errors
    /// What is wrong with either.
    pub fn is_issued_by(&self, authority: &[u8]) -> Result<(), BadTls> {
        verify(&self.chain, authority, UnixTime::now())
    }

    /// That the authority in this PEM file has issued it, for whatever time.
    ///
    /// # Errors
    /// What is wrong with either.
    pub fn is_signed_by(&self, authority: &[u8]) -> Result<(), BadTls> {
        verify(&self.chain, authority, within(&self.facts))
    }

    /// The certificate alone, in PEM.
    pub fn pem(&self) -> String {
        let base64 = BASE64.encode(self.chain.first().map_or(&[][..], |own| own));
        let lines: Vec<&str> = base64.as_bytes().chunks(64).filter_map(|line| std::str::from_utf8(line).ok()).collect();
        format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
    }

    /// The SHA-256 of the whole chain.
    pub fn fingerprint(&self) -> [u8; 32] {
        let each: Vec<[u8; 32]> = self.chain.iter().map(|one| Facts::fingerprint_of(one)).collect();
        Facts::fingerprint_of(&each.concat())
    }
}

/// What the first certificate of a PEM file says, which the authority in another one has issued, for whatever time.
///
/// # Errors
/// What is wrong with either.
pub fn signed_by(certificate: &[u8], authority: &[u8]) -> Result<Facts, BadTls> {
    let facts = Own::first(certificate)?;
    verify(&certificates(certificate)?, authority, within(&facts)).map(|()| facts)
}

/// A moment at which a certificate is valid.
fn within(facts: &Facts) -> UnixTime {
    let seconds = facts.validity.from.unix_millis().div_euclid(1000);
    UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)))
}

fn verify(chain: &[CertificateDer<'static>], authority: &[u8], at: UnixTime) -> Result<(), BadTls> {
    let roots = roots(authority)?;
    let (own, between) = chain.split_first().ok_or(BadTls::NoCertificate)?;
    let refuse = |error: rustls::Error| BadTls::BadCertificate(1, format!("it {}", doubt(&error)));
    let parsed = ParsedCertificate::try_from(own).map_err(refuse)?;
    let algorithms = rustls::crypto::ring::default_provider().signature_verification_algorithms;
    verify_server_cert_signed_by_trust_anchor(&parsed, &roots, between, at, algorithms.all).map_err(refuse)
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, BadTls> {
    let mut all = Vec::new();
    for (at, certificate) in CertificateDer::pem_slice_iter(pem).enumerate() {
        all.push(certificate.map_err(|error| BadTls::BadCertificate(at + 1, error.to_string()))?);
    }
    if all.is_empty() { Err(BadTls::NoCertificate) } else { Ok(all) }
}

/// That a PEM file has authorities in it, and nothing that is none.
///
/// # Errors
/// What is wrong with it.
pub fn check_authority(pem: &[u8]) -> Result<(), BadTls> {
    roots(pem).map(drop)
}

/// The authorities of a PEM file.
pub(super) fn roots(pem: &[u8]) -> Result<RootCertStore, BadTls> {
    let mut store = RootCertStore::empty();
    for (at, certificate) in certificates(pem)?.into_iter().enumerate() {
        store.add(certificate).map_err(|error| BadTls::BadCertificate(at + 1, error.to_string()))?;
    }
    Ok(store)
}
