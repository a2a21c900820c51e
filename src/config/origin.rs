//! Addresses without TLS: `http://` to this very machine and nowhere else.

use std::net::{IpAddr, SocketAddr};

/// Where a plain-http server of this machine answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoopbackOrigin {
    /// `localhost`, an address of 127.0.0.0/8, or `::1` without its brackets.
    pub host: String,
    /// The port; 80 where none was written.
    pub port: u16,
}

/// Why a text is no such address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadOrigin {
    /// TLS is not built.
    #[error("https is not supported by this version")]
    Tls,
    /// Another scheme, or none.
    #[error("does not begin with http://")]
    Scheme,
    /// More than host and port.
    #[error("has more than host and port")]
    MoreThanOrigin,
    /// The port is no number of 1 to 65535.
    #[error("port {0:?} is not a number of 1 to 65535")]
    Port(String),
    /// The host is another machine, or none.
    #[error("host {0:?} is not this machine; without TLS everybody on the way could read and forge")]
    NotLoopback(String),
}

impl BadOrigin {
    /// What to write instead.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Tls => "forward a loopback port to it by SSH or stunnel, and write that: \"http://127.0.0.1:PORT\"",
            Self::Scheme | Self::MoreThanOrigin | Self::Port(_) => {
                "write \"http://127.0.0.1:PORT\", without user, path or query"
            }
            Self::NotLoopback(_) => {
                "forward a loopback port to that machine by SSH or stunnel, and write that: \"http://127.0.0.1:PORT\""
            }
        }
    }
}

/// Takes `http://HOST[:PORT][/]` apart; HOST is `localhost`, of 127.0.0.0/8, or `[::1]`.
pub fn loopback_origin(url: &str) -> Result<LoopbackOrigin, BadOrigin> {
    let scheme_is = |scheme: &str| url.get(..scheme.len()).is_some_and(|head| head.eq_ignore_ascii_case(scheme));
    if scheme_is("https://") {
        return Err(BadOrigin::Tls);
    }
    if !scheme_is("http://") {
        return Err(BadOrigin::Scheme);
    }
    let rest = &url["http://".len()..];
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    if authority.contains(['/', '?', '#', '@']) {
        return Err(BadOrigin::MoreThanOrigin);
    }
    let (host, port) = split_port(authority)?;
    if is_loopback(host) {
        Ok(LoopbackOrigin { host: host.to_owned(), port })
    } else {
        Err(BadOrigin::NotLoopback(host.to_owned()))
    }
}

fn split_port(authority: &str) -> Result<(&str, u16), BadOrigin> {
    let (host, port) = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, rest)) => (host, rest.strip_prefix(':').or(rest.is_empty().then_some("80"))),
        None => authority.split_once(':').map_or((authority, Some("80")), |(host, port)| (host, Some(port))),
    };
    let port = port.unwrap_or_default();
    let number = if port.bytes().all(|b| b.is_ascii_digit()) { port.parse().unwrap_or(0) } else { 0 };
    if number == 0 { Err(BadOrigin::Port(port.to_owned())) } else { Ok((host, number)) }
}

fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Reads `ADDRESS:PORT` of a listener; the error says what is wrong with it.
pub(super) fn loopback_listener(text: &str) -> Result<SocketAddr, String> {
    match text.parse::<SocketAddr>() {
        Ok(at) if at.ip().is_loopback() => Ok(at),
        Ok(at) => Err(format!("{} is not a loopback address; without TLS waybill listens on loopback only", at.ip())),
        Err(_) => Err(format!("{text:?} is not ADDRESS:PORT")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_spoken_to_without_tls() {
        let origin = |host: &str, port| Ok(LoopbackOrigin { host: host.to_owned(), port });
        assert_eq!(loopback_origin("http://127.0.0.1:8081"), origin("127.0.0.1", 8081));
        assert_eq!(loopback_origin("http://127.9.9.9:1/"), origin("127.9.9.9", 1));
        assert_eq!(loopback_origin("HTTP://localhost"), origin("localhost", 80));
        assert_eq!(loopback_origin("http://[::1]:8081"), origin("::1", 8081));
        assert_eq!(loopback_origin("http://[::1]"), origin("::1", 80));

        assert_eq!(loopback_origin("https://127.0.0.1"), Err(BadOrigin::Tls));
        assert_eq!(loopback_origin("127.0.0.1:8081"), Err(BadOrigin::Scheme));
        assert_eq!(loopback_origin("socks5://127.0.0.1"), Err(BadOrigin::Scheme));
        assert_eq!(loopback_origin("http://me:secret@127.0.0.1"), Err(BadOrigin::MoreThanOrigin));
        assert_eq!(loopback_origin("http://127.0.0.1/api"), Err(BadOrigin::MoreThanOrigin));
        for (url, port) in [("http://localhost:", ""), ("http://localhost:0", "0"), ("http://localhost:+1", "+1")] {
            assert_eq!(loopback_origin(url), Err(BadOrigin::Port(port.to_owned())), "{url}");
        }
        for (url, host) in
            [("http://10.0.0.1", "10.0.0.1"), ("http://127.0.0.1.example:80", "127.0.0.1.example"), ("http://", "")]
        {
            assert_eq!(loopback_origin(url), Err(BadOrigin::NotLoopback(host.to_owned())), "{url}");
        }
    }
}
