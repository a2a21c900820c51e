//! Why a handshake failed, in words.

use std::io;

use rustls::{AlertDescription, CertificateError, OtherError};

use crate::model::time::Wall;

/// Why a handshake failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// In words.
    pub reason: String,
    /// The server speaks TLS well, and is not the one that is trusted.
    pub is_untrusted: bool,
}

impl Refused {
    pub(super) fn other(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), is_untrusted: false }
    }

    /// What a client is told by its own TLS.
    pub fn of(error: &io::Error) -> Self {
        if matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset) {
            return Self::other("the server closed the connection within the handshake");
        }
        let Some(tls) = tls_of(error) else { return Self::other(error.to_string()) };
        match tls {
            rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(why))) => {
                Self { reason: why.to_string(), is_untrusted: true }
            }
            rustls::Error::InvalidMessage(_) => Self::other("the server does not speak TLS"),
            rustls::Error::AlertReceived(alert) if said_of_ours(*alert).is_some() => {
                Self::other(said_of_ours(*alert).unwrap_or_default())
            }
            rustls::Error::AlertReceived(AlertDescription::NoApplicationProtocol) => Self::other(
                "the server speaks TLS, but not this protocol of waybill's: it is something else, or enrols nobody now",
            ),
            rustls::Error::PeerIncompatible(_) | rustls::Error::AlertReceived(_) => {
                Self::other(format!("no agreement with the server, which must speak TLS 1.2 or 1.3: {tls}"))
            }
            _ => Self::other(tls.to_string()),
        }
    }
}

/// What TLS itself found wrong with a connection.
pub(super) fn tls_of(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>())
}

/// What the authority has against a certificate.
pub(super) fn doubt(error: &rustls::Error) -> String {
    let rustls::Error::InvalidCertificate(error) = error else { return error.to_string() };
    match error {
        CertificateError::Expired => "has expired".to_owned(),
        CertificateError::ExpiredContext { not_after, .. } => {
            let at =
                Wall::from_unix_millis(i64::try_from(not_after.as_secs()).unwrap_or(i64::MAX).saturating_mul(1000));
            format!("has expired at {at}: renew it, or see that this machine's clock is right")
        }
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

/// What the other side has against our certificate. With TLS 1.3 it says so after its own part of the handshake, so that
/// this may also be the first thing that is read.
fn said_of_ours(alert: AlertDescription) -> Option<&'static str> {
    Some(match alert {
        AlertDescription::CertificateRequired => "the other side wants a certificate, and got none",
        AlertDescription::CertificateRevoked => "the other side refuses our certificate: it is revoked. Enrol again",
        AlertDescription::CertificateExpired => {
            "the other side refuses our certificate: by its clock it has expired or is not valid yet"
        }
        AlertDescription::UnknownCA => "the other side refuses our certificate: another authority issued it",
        AlertDescription::AccessDenied => {
            "the other side refuses our certificate: it is genuine, but nobody whom it serves has it"
        }
        AlertDescription::BadCertificate
        | AlertDescription::CertificateUnknown
        | AlertDescription::UnsupportedCertificate => "the other side refuses our certificate",
        _ => return None,
    })
}
