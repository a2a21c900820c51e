//! Whom a listener lets in: whoever shows a certificate of the right authority that is valid, not
//! revoked, and that of somebody who is served here. Everybody else gets an alert and nothing more. An applicant, who has
//! a token and no certificate, names the enrolment's protocol, and gets in only while there is a token to be redeemed.

use std::fmt;
use std::io;
use std::sync::Arc;

use futures_rustls::LazyConfigAcceptor;
use futures_rustls::server::TlsStream;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{Acceptor, NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, ServerConfig, SignatureScheme};
use smol::io::{AsyncRead, AsyncWrite};

use super::facts::Facts;
use super::own::{BadTls, Own, roots};
use super::protocol::{ENROL, HTTP, LINK, both_versions};
use super::refused::{doubt, tls_of};
use crate::model::peer::{Peer, Verdict};
use crate::model::pki::Validity;

/// Decides about somebody with a genuine certificate, by who they are and by their key ([`Facts::key`]). It is asked at
/// every handshake, so that what it says holds at once, whatever has become of the files that the door was made of.
pub type Judge = Arc<dyn Fn(&Peer, &[u8; 32]) -> Verdict + Send + Sync>;

/// What a door is made of.
pub struct Entrance<'e> {
    /// Who we are.
    pub own: &'e Own,
    /// Whom we believe, in PEM.
    pub authority: &'e [u8],
    /// True where TLS 1.2 is spoken besides 1.3.
    pub allow_tls12: bool,
    /// Who of them is served.
    pub judge: Judge,
}

/// A door as it stands now; what follows from a new configuration is a new door.
pub struct Door {
    for_known: Arc<ServerConfig>,
    for_applicants: Arc<ServerConfig>,
    /// When the certificate that it shows is valid.
    pub shown: Validity,
}

/// Who came in, and what for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Visitor {
    /// One end of a link.
    Link(Peer, Facts),
    /// An HTTP client.
    Http(Peer, Facts),
    /// Somebody who wants to become known.
    Applicant,
}

/// Somebody who did not get in.
pub struct TurnedAway<S> {
    /// What is wrong with them, in words.
    pub why: String,
    /// Their connection, where they were told by an alert that they may not have read yet.
    pub stream: Option<S>,
}

impl Door {
    /// A door.
    ///
    /// # Errors
    /// Where the authority's file cannot be used.
    pub fn new(entrance: Entrance<'_>) -> Result<Self, BadTls> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let bad = |error: &dyn fmt::Display| BadTls::Tls(error.to_string());
        let by_authority =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots(entrance.authority)?), Arc::clone(&provider))
                .build()
                .map_err(|error| bad(&error))?;
        let verifier = Arc::new(Verifier { by_authority, judge: entrance.judge });
        let config = |with_old: bool| {
            let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
            builder.with_protocol_versions(both_versions(with_old)).map_err(|error| bad(&error))
        };
        let finish = |mut config: ServerConfig, protocols: &[&[u8]]| {
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
            config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
            Arc::new(config)
        };
        let (chain, key) = (&entrance.own.chain, &entrance.own.key);
        let known = config(entrance.allow_tls12)?.with_client_cert_verifier(verifier);
        let known = known.with_single_cert(chain.clone(), key.clone_key()).map_err(|error| bad(&error))?;
        let open = config(false)?.with_no_client_auth();
        let open = open.with_single_cert(chain.clone(), key.clone_key()).map_err(|error| bad(&error))?;
        let shown = entrance.own.facts.validity;
        Ok(Self { for_known: finish(known, &[LINK, HTTP]), for_applicants: finish(open, &[ENROL]), shown })
    }

    /// Lets a connection in, or says why not; `enrols` is true while somebody may enrol.
    ///
    /// # Errors
    /// Who is turned away, and why.
    pub async fn admit<S>(&self, stream: S, enrols: bool) -> Result<(TlsStream<S>, Visitor), TurnedAway<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let start = LazyConfigAcceptor::new(Acceptor::default(), stream).await;
        let start = start.map_err(|error| TurnedAway { why: why(&error), stream: None })?;
        let wishes_to_enrol = start.client_hello().alpn().is_some_and(|mut names| names.all(|name| name == ENROL));
        // Without a token to redeem an applicant is a client without a certificate, and of a protocol unknown here.
        let config = if enrols && wishes_to_enrol { &self.for_applicants } else { &self.for_known };
        let admitted = start.into_stream(Arc::clone(config)).into_fallible().await;
        let stream = admitted.map_err(|(error, stream)| TurnedAway { why: why(&error), stream: Some(stream) })?;
        let nobody = || TurnedAway { why: "its certificate names nobody".to_owned(), stream: None };
        let visitor = visitor(&stream).ok_or_else(nobody)?;
        Ok((stream, visitor))
    }
}

fn visitor<S>(stream: &TlsStream<S>) -> Option<Visitor> {
    let (_, connection) = stream.get_ref();
    if connection.alpn_protocol() == Some(ENROL) {
        return Some(Visitor::Applicant);
    }
    let facts = Facts::read(connection.peer_certificates()?.first()?)?;
    let peer = facts.peer.clone()?;
    Some(if connection.alpn_protocol() == Some(LINK) { Visitor::Link(peer, facts) } else { Visitor::Http(peer, facts) })
}

/// Why somebody did not get in, in words.
fn why(error: &io::Error) -> String {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return "it left within the handshake".to_owned();
    }
    match tls_of(error) {
        Some(rustls::Error::NoCertificatesPresented) => "it has no certificate".to_owned(),
        Some(rustls::Error::InvalidMessage(_)) => "it does not speak TLS".to_owned(),
        Some(rustls::Error::InvalidCertificate(CertificateError::Revoked)) => "its certificate is revoked".to_owned(),
        Some(rustls::Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure)) => {
            "its certificate is genuine, but nobody whom this appliance serves has it".to_owned()
        }
        Some(rustls::Error::InvalidCertificate(CertificateError::Other(_))) => {
            "its certificate was issued by itself, or by nobody whom this appliance believes".to_owned()
        }
        Some(tls @ rustls::Error::InvalidCertificate(_)) => {
            format!("its certificate {}", doubt(tls))
        }
        Some(rustls::Error::NoApplicationProtocol) => {
            "it wants none of this port's protocols: a link, HTTP/1.1, or an enrolment while a token is open".to_owned()
        }
        Some(rustls::Error::PeerIncompatible(how)) => format!("no common version or cipher suite: {how:?}"),
        Some(rustls::Error::AlertReceived(alert)) => format!("it does not accept our certificate: {alert:?}"),
        Some(other) => other.to_string(),
        None => error.to_string(),
    }
}

struct Verifier {
    by_authority: Arc<dyn ClientCertVerifier>,
    judge: Judge,
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Verifier")
    }
}

impl ClientCertVerifier for Verifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.by_authority.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        let verified = self.by_authority.verify_client_cert(certificate, intermediates, now)?;
        let facts = Facts::read(certificate).ok_or(CertificateError::BadEncoding)?;
        match facts.peer.map(|peer| (self.judge)(&peer, &facts.key)) {
            Some(Verdict::Served) => Ok(verified),
            Some(Verdict::Revoked) => Err(CertificateError::Revoked.into()),
            Some(Verdict::Foreign) | None => Err(CertificateError::ApplicationVerificationFailure.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.by_authority.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.by_authority.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.by_authority.supported_verify_schemes()
    }
}
