//! What is spoken: versions of TLS, and what is carried by it.

use rustls::SupportedProtocolVersion;
use rustls::version::{TLS12, TLS13};

/// The name of the link's protocol in the handshake (ALPN, RFC 7301): yamux streams, an HTTP/1.1 connection in each.
pub(super) const LINK: &[u8] = b"waybill-link/1";
/// That of HTTP/1.1.
pub(super) const HTTP: &[u8] = b"http/1.1";
/// That of an enrolment: one HTTP/1.1 request of somebody who has a token and no certificate.
pub(super) const ENROL: &[u8] = b"waybill-enrol/1";

static NEW: [&SupportedProtocolVersion; 1] = [&TLS13];
static BOTH: [&SupportedProtocolVersion; 2] = [&TLS13, &TLS12];

/// TLS 1.3, and 1.2 where that is wanted too.
pub(super) fn both_versions(with_old: bool) -> &'static [&'static SupportedProtocolVersion] {
    if with_old { &BOTH } else { &NEW }
}
