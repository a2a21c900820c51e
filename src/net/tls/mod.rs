//! TLS: who we are (`own`), what a certificate says (`facts`), whom a client trusts (`trust`), and whom a listener lets
//! in (`door`).
//!
//! Policy: nobody is trusted without a certificate, whatever else is configured. TLS 1.3; 1.2 towards vCenter, and at a
//! listener where the configuration says so. Nothing is resumed: a revoked certificate must not come back by a ticket.
//! An error says what is wrong in words that an operator can act on; keys appear in none.

mod door;
mod facts;
mod own;
mod refused;
mod trust;

use rustls::SupportedProtocolVersion;
use rustls::version::{TLS12, TLS13};

pub use self::door::{Door, Entrance, IsServed, Visitor};
pub use self::facts::Facts;
pub use self::own::{BadTls, Own};
pub(in crate::net) use self::refused::Refused;
pub use self::trust::{Expected, Trust};

/// The name of the link's protocol in the handshake (ALPN, RFC 7301): yamux streams, an HTTP/1.1 connection in each.
const LINK: &[u8] = b"waybill-link/1";
/// That of HTTP/1.1.
const HTTP: &[u8] = b"http/1.1";
/// That of an enrolment: one HTTP/1.1 request of somebody who has a token and no certificate.
const ENROL: &[u8] = b"waybill-enrol/1";

static NEW: [&SupportedProtocolVersion; 1] = [&TLS13];
static BOTH: [&SupportedProtocolVersion; 2] = [&TLS13, &TLS12];

fn both_versions(with_old: bool) -> &'static [&'static SupportedProtocolVersion] {
    if with_old { &BOTH } else { &NEW }
}
