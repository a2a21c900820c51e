//! Where a server may listen: without TLS on this very machine only.

use std::net::SocketAddr;

/// Reads `ADDRESS:PORT` of a listener; the error says what is wrong with it.
pub(super) fn loopback_listener(text: &str) -> Result<SocketAddr, String> {
    match text.parse::<SocketAddr>() {
        Ok(at) if at.ip().is_loopback() => Ok(at),
        Ok(at) => Err(format!("{} is not a loopback address; without TLS waybill listens on loopback only", at.ip())),
        Err(_) => Err(format!("{text:?} is not ADDRESS:PORT")),
    }
}

/// Reads `ADDRESS:PORT` of a listener with TLS, which may be of any address.
pub(super) fn any_listener(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| format!("{text:?} is not ADDRESS:PORT"))
}
