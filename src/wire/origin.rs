//! Where an appliance answers: host and port of its URL. Without TLS that is `http://` to this very machine and nowhere
//! else. No error repeats a password.

use core::net::IpAddr;

/// Where a plain-http server of this machine answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
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

impl Origin {
    /// Takes `http://HOST[:PORT][/]` apart; HOST is `localhost`, of 127.0.0.0/8, or `[::1]`.
    pub fn from_url(url: &str) -> Result<Self, BadOrigin> {
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
            Ok(Self { host: host.to_ascii_lowercase(), port })
        } else {
            Err(BadOrigin::NotLoopback(host.to_owned()))
        }
    }

    /// Host and port as the Host field has them (RFC 9110, 7.2): the port only where it is not 80.
    pub fn authority(&self) -> String {
        let (open, close) = if self.host.contains(':') { ("[", "]") } else { ("", "") };
        match self.port {
            80 => format!("{open}{}{close}", self.host),
            port => format!("{open}{}{close}:{port}", self.host),
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_spoken_to_without_tls() {
        let origin = |host: &str, port| Ok(Origin { host: host.to_owned(), port });
        assert_eq!(Origin::from_url("http://127.0.0.1:8081"), origin("127.0.0.1", 8081));
        assert_eq!(Origin::from_url("http://127.9.9.9:1/"), origin("127.9.9.9", 1));
        assert_eq!(Origin::from_url("HTTP://localhost"), origin("localhost", 80));
        assert_eq!(Origin::from_url("http://[::1]:8081"), origin("::1", 8081));
        assert_eq!(Origin::from_url("http://[::1]"), origin("::1", 80));

        let authority = |url: &str| Origin::from_url(url).map(|origin| origin.authority());
        assert_eq!(authority("http://[::1]:9/").as_deref(), Ok("[::1]:9"));
        assert_eq!(authority("HTTP://LocalHost:80").as_deref(), Ok("localhost"));

        assert_eq!(Origin::from_url("https://127.0.0.1"), Err(BadOrigin::Tls));
        assert_eq!(Origin::from_url("127.0.0.1:8081"), Err(BadOrigin::Scheme));
        assert_eq!(Origin::from_url("socks5://127.0.0.1"), Err(BadOrigin::Scheme));
        assert_eq!(Origin::from_url("http://me:secret@127.0.0.1"), Err(BadOrigin::MoreThanOrigin));
        assert_eq!(Origin::from_url("http://127.0.0.1/api"), Err(BadOrigin::MoreThanOrigin));
        for (url, port) in [
            ("http://localhost:", ""),
            ("http://localhost:0", "0"),
            ("http://localhost:+1", "+1"),
            ("http://localhost:65536", "65536"),
        ] {
            assert_eq!(Origin::from_url(url), Err(BadOrigin::Port(port.to_owned())), "{url}");
        }
        for (url, host) in [
            ("http://10.0.0.1", "10.0.0.1"),
            ("http://0.0.0.0", "0.0.0.0"),
            ("http://127.0.0.1.example:80", "127.0.0.1.example"),
            ("http://", ""),
        ] {
            assert_eq!(Origin::from_url(url), Err(BadOrigin::NotLoopback(host.to_owned())), "{url}");
        }
    }
}
