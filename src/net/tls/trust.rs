//! Whom a client takes for the right server (R-62; `vsphere.md`, "Trust").
//!
//! Trust is an authority, a pinned certificate, or both, and then both must hold; there is no way to trust anyone. What is
//! checked is checked at every handshake, resumption being off, and whoever holds the certificate must prove its key.
//! Errors say what is wrong with the certificate, and its thumbprint, so that it can be compared with the server's own.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use futures_rustls::TlsConnector;
use futures_rustls::client::TlsStream;
use ring::digest;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, OtherError, RootCertStore, SignatureScheme,
    SupportedProtocolVersion,
};
use smol::io::{AsyncRead, AsyncWrite};

use super::facts::Facts;
use super::own::{BadTls, Own, roots};
use super::protocol::{ENROL, LINK, both_versions};
use super::refused::{Refused, doubt};
use crate::model::id::VmaName;
use crate::model::peer::Peer;
use crate::net::error::{CallError, Phase};
use crate::wire::thumbprint::Thumbprint;

/// Whom to trust.
#[derive(Clone)]
pub struct Trust(Arc<ClientConfig>);

/// Who the server of a link has to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// The OMA of the authority, or a server whose certificate has the dialled host's name.
    Oma,
    /// The VMA of that name, or a server whose certificate has the dialled host's name and says nothing of waybill.
    Vma(VmaName),
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Trust")
    }
}

impl Trust {
    /// Trusts who was certified by an authority (PEM, one certificate or more), who has the pinned certificate, or, with
    /// both, who fulfils both. TLS 1.3 and 1.2, because vCenter 6.7 has no other.
    pub fn new(authority: Option<&[u8]>, pin: Option<Thumbprint>) -> Result<Self, BadTls> {
        let right = match (authority, pin) {
            (None, None) => return Err(BadTls::Nobody),
            (None, Some(pin)) => Right::Pinned(pin),
            (Some(pem), None) => Right::Certified { roots: roots(pem)?, pin: None },
            (Some(pem), Some(pin)) => Right::Certified { roots: roots(pem)?, pin: Some(pin) },
        };
        Self::build(right, None, both_versions(true), None)
    }

    /// Trusts the other side of a link, unless its key is revoked, and shows it who we are.
    pub fn of_link(
        authority: &[u8],
        own: &Own,
        expected: Expected,
        revoked: BTreeSet<[u8; 32]>,
    ) -> Result<Self, BadTls> {
        let right = Right::Link { roots: roots(authority)?, expected, revoked };
        Self::build(right, Some(own), both_versions(false), Some(LINK))
    }

    /// Trusts the OMA whose authority has that SHA-256 fingerprint, which a token tells.
    pub fn of_enrolment(authority: [u8; 32]) -> Result<Self, BadTls> {
        Self::build(Right::Token(authority), None, both_versions(false), Some(ENROL))
    }

    fn build(
        right: Right,
        own: Option<&Own>,
        versions: &[&'static SupportedProtocolVersion],
        protocol: Option<&[u8]>,
    ) -> Result<Self, BadTls> {
        let provider: Arc<CryptoProvider> = Arc::new(rustls::crypto::ring::default_provider());
        let algorithms = provider.signature_verification_algorithms;
        let config = ClientConfig::builder_with_provider(provider).with_protocol_versions(versions);
        let config = config.map_err(|error| BadTls::Tls(error.to_string()))?;
        let verifier = Verifier { right, algorithms };
        let config = config.dangerous().with_custom_certificate_verifier(Arc::new(verifier));
        let mut config = match own {
            None => config.with_no_client_auth(),
            Some(own) => config
                .with_client_auth_cert(own.chain.clone(), own.key.clone_key())
                .map_err(|error| BadTls::Tls(error.to_string()))?,
        };
        config.resumption = Resumption::disabled();
        config.alpn_protocols = protocol.map(<[u8]>::to_vec).into_iter().collect();
        Ok(Self(Arc::new(config)))
    }

    /// Makes a connection one with TLS.
    ///
    /// # Errors
    /// Why the handshake failed, and whether the server is the wrong one.
    pub async fn connect<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        host: &str,
        stream: S,
    ) -> Result<TlsStream<S>, CallError> {
        let failed = |reason: String| CallError::new(Phase::Tls, reason);
        let name = ServerName::try_from(host.to_owned()).map_err(|_| failed(format!("{host:?} is no name")))?;
        TlsConnector::from(Arc::clone(&self.0)).connect(name, stream).await.map_err(|error| {
            let refused = Refused::of(&error);
            CallError { is_untrusted: refused.is_untrusted, ..failed(refused.reason) }
        })
    }
}

/// A certificate that is not trusted, in words.
#[derive(Debug)]
struct Untrusted(String);

impl fmt::Display for Untrusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Untrusted {}

/// Which server is the right one.
#[derive(Debug)]
enum Right {
    Pinned(Thumbprint),
    Certified { roots: RootCertStore, pin: Option<Thumbprint> },
    Link { roots: RootCertStore, expected: Expected, revoked: BTreeSet<[u8; 32]> },
    Token([u8; 32]),
}

#[derive(Debug)]
struct Verifier {
    right: Right,
    algorithms: WebPkiSupportedAlgorithms,
}

/// A server's certificate as it is shown, and for whom.
struct Shown<'s, 'c> {
    certificate: &'s CertificateDer<'c>,
    intermediates: &'s [CertificateDer<'c>],
    name: &'s ServerName<'s>,
    now: UnixTime,
}

impl Verifier {
    /// That the authority has certified it, and that it is valid now.
    fn is_certified(&self, shown: &Shown<'_, '_>, roots: &RootCertStore) -> Result<(), String> {
        let parsed = ParsedCertificate::try_from(shown.certificate).map_err(|error| doubt(&error))?;
        let (intermediates, now) = (shown.intermediates, shown.now);
        verify_server_cert_signed_by_trust_anchor(&parsed, roots, intermediates, now, self.algorithms.all)
            .map_err(|error| doubt(&error))
    }

    fn has_name(shown: &Shown<'_, '_>) -> Result<(), String> {
        let parsed = ParsedCertificate::try_from(shown.certificate).map_err(|error| doubt(&error))?;
        verify_server_name(&parsed, shown.name).map_err(|error| doubt(&error))
    }

    fn check(&self, shown: &Shown<'_, '_>) -> Result<(), String> {
        match &self.right {
            Right::Pinned(pin) => is_pinned(shown, pin),
            Right::Certified { roots, pin } => {
                pin.as_ref().map_or(Ok(()), |pin| is_pinned(shown, pin))?;
                self.is_certified(shown, roots)?;
                Self::has_name(shown)
            }
            Right::Link { roots, expected, revoked } => {
                self.is_certified(shown, roots)?;
                let facts = Facts::read(shown.certificate).ok_or("cannot be read")?;
                if revoked.contains(&facts.key) {
                    return Err("is revoked: enrol its owner again".to_owned());
                }
                let peer = facts.peer.ok_or("names nobody: it has neither a waybill URI nor a DNS name")?;
                match (&peer, expected) {
                    (Peer::Oma, Expected::Oma) => Ok(()),
                    (Peer::Vma(name), Expected::Vma(wanted)) if name == wanted => Ok(()),
                    (Peer::Named(_), _) => Self::has_name(shown),
                    (_, Expected::Oma) => Err(format!("is that of {peer}, and not of the OMA")),
                    (_, Expected::Vma(name)) => {
                        Err(format!("is that of {peer}, and not of the VMA {:?}", name.as_str()))
                    }
                }
            }
            Right::Token(fingerprint) => {
                let mut roots = RootCertStore::empty();
                let is_it = |shown: &&CertificateDer<'_>| Facts::fingerprint_of(shown) == *fingerprint;
                let authority = shown.intermediates.iter().find(is_it).ok_or(
                    "was not issued by the authority that the token names: this is another OMA, or somebody in between",
                )?;
                roots.add(authority.clone().into_owned()).map_err(|error| doubt(&error))?;
                self.is_certified(shown, &roots)?;
                match Facts::read(shown.certificate).and_then(|facts| facts.peer) {
                    Some(Peer::Oma) => Ok(()),
                    _ => Err("is of the right authority, but not the OMA's".to_owned()),
                }
            }
        }
    }
}

fn is_pinned(shown: &Shown<'_, '_>, pin: &Thumbprint) -> Result<(), String> {
    match thumbprint_like(Some(pin), shown.certificate) == *pin {
        true => Ok(()),
        false => Err(format!("is not the pinned one ({pin})")),
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match self.check(&Shown { certificate, intermediates, name, now }) {
            Ok(()) => Ok(ServerCertVerified::assertion()),
            Err(why) => Err(refuse(certificate, &why)),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
            .map_err(|error| unproven(certificate, &error))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
            .map_err(|error| unproven(certificate, &error))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

fn refuse(certificate: &CertificateDer<'_>, why: &str) -> rustls::Error {
    let shown = thumbprint_like(None, certificate);
    let text = Untrusted(format!("the server's certificate (SHA-256 thumbprint {shown}) {why}"));
    rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(text))))
}

/// A certificate is public: whoever shows it without its key is an impostor, not a server that is away.
fn unproven(certificate: &CertificateDer<'_>, error: &rustls::Error) -> rustls::Error {
    refuse(certificate, &format!("is shown by somebody who does not prove to have its key ({error})"))
}

/// The thumbprint of a certificate, with the digest of another one; SHA-256 where there is none.
fn thumbprint_like(other: Option<&Thumbprint>, certificate: &CertificateDer<'_>) -> Thumbprint {
    let bytes = |algorithm| digest::digest(algorithm, certificate);
    match other {
        Some(Thumbprint::Sha1(_)) => {
            let mut sha1 = [0; 20];
            sha1.copy_from_slice(bytes(&digest::SHA1_FOR_LEGACY_USE_ONLY).as_ref());
            Thumbprint::Sha1(sha1)
        }
        Some(Thumbprint::Sha256(_)) | None => {
            let mut sha256 = [0; 32];
            sha256.copy_from_slice(bytes(&digest::SHA256).as_ref());
            Thumbprint::Sha256(sha256)
        }
    }
}
