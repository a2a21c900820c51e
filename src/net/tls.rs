//! TLS towards a server, and whom it takes for the right one (`vsphere.md`, "Trust").
//!
//! Trust is an authority, a pinned certificate, or both, and then both must hold; there is no way to trust anyone. A pin is
//! compared at every handshake, resumption being off, and whoever holds the certificate must prove its key. TLS 1.3 and 1.2.
//! Errors say what is wrong with the certificate, and its thumbprint, so that it can be compared with the server's own.

use std::fmt;
use std::io;
use std::sync::Arc;

use futures_rustls::TlsConnector;
use futures_rustls::client::TlsStream;
use ring::digest;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, OtherError, RootCertStore, SignatureScheme};
use smol::io::{AsyncRead, AsyncWrite};

use crate::wire::thumbprint::Thumbprint;

/// Whom to trust.
#[derive(Clone)]
pub struct Trust(Arc<ClientConfig>);

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Trust")
    }
}

/// Why there is nobody to trust.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadTrust {
    /// Neither authority nor pin.
    #[error("neither an authority nor a thumbprint is given")]
    Nobody,
    /// The authority's file is none.
    #[error("it holds no certificate in PEM, as -----BEGIN CERTIFICATE-----")]
    NoCertificate,
    /// A certificate in it cannot be used.
    #[error("its certificate number {0} cannot be used: {1}")]
    BadCertificate(usize, String),
    /// TLS itself cannot be set up.
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
}

impl Trust {
    /// Trusts who was certified by an authority (PEM, one certificate or more), who has the pinned certificate, or, with
    /// both, who fulfils both.
    pub fn new(authority: Option<&[u8]>, pin: Option<Thumbprint>) -> Result<Self, BadTrust> {
        if authority.is_none() && pin.is_none() {
            return Err(BadTrust::Nobody);
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let by_authority = match authority {
            Some(pem) => {
                let built = WebPkiServerVerifier::builder_with_provider(Arc::new(roots(pem)?), Arc::clone(&provider));
                Some(built.build().map_err(|error| BadTrust::Tls(error.to_string()))?)
            }
            None => None,
        };
        let algorithms = provider.signature_verification_algorithms;
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config.map_err(|error| BadTrust::Tls(error.to_string()))?;
        let verifier = Verifier { by_authority, pin, algorithms };
        let mut config = config.dangerous().with_custom_certificate_verifier(Arc::new(verifier)).with_no_client_auth();
        config.resumption = Resumption::disabled();
        Ok(Self(Arc::new(config)))
    }

    /// Makes a connection one with TLS.
    pub(super) async fn secure<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        host: &str,
        stream: S,
    ) -> Result<TlsStream<S>, Refused> {
        let name = ServerName::try_from(host.to_owned()).map_err(|_| Refused::other(format!("{host:?} is no name")))?;
        TlsConnector::from(Arc::clone(&self.0)).connect(name, stream).await.map_err(|error| Refused::of(&error))
    }
}

fn roots(pem: &[u8]) -> Result<RootCertStore, BadTrust> {
    let mut store = RootCertStore::empty();
    for (at, certificate) in CertificateDer::pem_slice_iter(pem).enumerate() {
        let bad = |why: String| BadTrust::BadCertificate(at + 1, why);
        store.add(certificate.map_err(|error| bad(error.to_string()))?).map_err(|error| bad(error.to_string()))?;
    }
    if store.is_empty() { Err(BadTrust::NoCertificate) } else { Ok(store) }
}

/// Why a handshake failed.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) reason: String,
    /// The server speaks TLS well, and is not the one that is trusted.
    pub(super) is_untrusted: bool,
}

impl Refused {
    fn other(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), is_untrusted: false }
    }

    fn of(error: &io::Error) -> Self {
        if matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset) {
            return Self::other("the server closed the connection within the handshake");
        }
        let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) else {
            return Self::other(error.to_string());
        };
        match tls {
            rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(why))) => {
                Self { reason: why.to_string(), is_untrusted: true }
            }
            rustls::Error::InvalidMessage(_) => Self::other("the server does not speak TLS"),
            rustls::Error::PeerIncompatible(_) | rustls::Error::AlertReceived(_) => {
                Self::other(format!("no agreement with the server, which must speak TLS 1.2 or 1.3: {tls}"))
            }
            _ => Self::other(tls.to_string()),
        }
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

#[derive(Debug)]
struct Verifier {
    by_authority: Option<Arc<WebPkiServerVerifier>>,
    pin: Option<Thumbprint>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let refuse = |why: String| refuse(certificate, &why);
        if let Some(pin) = &self.pin
            && thumbprint_like(Some(pin), certificate) != *pin
        {
            return Err(refuse(format!("is not the pinned one ({pin})")));
        }
        if let Some(by_authority) = &self.by_authority {
            let verified = by_authority.verify_server_cert(certificate, intermediates, name, ocsp, now);
            verified.map_err(|error| refuse(doubt(&error)))?;
        }
        Ok(ServerCertVerified::assertion())
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

/// What the authority has against a certificate.
fn doubt(error: &rustls::Error) -> String {
    let rustls::Error::InvalidCertificate(error) = error else { return error.to_string() };
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "has expired".to_owned(),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "is not valid yet: see that this machine's clock is right".to_owned()
        }
        // Another authority of the same name ends in the latter.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "was not issued by the trusted authority".to_owned()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            format!("is another's: {error}")
        }
        CertificateError::Other(other) if other.to_string().contains("CaUsedAsEndEntity") => {
            "is itself an authority's: pin its thumbprint instead".to_owned()
        }
        _ => format!("cannot be trusted: {error}"),
    }
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
