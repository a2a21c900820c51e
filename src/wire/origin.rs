//! Where a server answers: host and port of its URL. Without TLS that is `http://` to this very machine and nowhere
//! else. No error repeats a password.

use core::net::IpAddr;

/// Where a server answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// How it is spoken to.
    pub scheme: Scheme,
    /// A name or an address, IPv6 without its brackets; without TLS `localhost`, an address of 127.0.0.0/8, or `::1`.
    pub host: String,
    /// The port; the scheme's own where none was written.
    pub port: u16,
}

/// How a server is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// Without TLS, on this machine only.
    Http,
    /// With TLS.
    Https,
}

impl Scheme {
    /// The port that needs not be written.
    const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// Why a text is no such address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadOrigin {
    /// TLS, where nobody has said whom to trust.
    #[error("https is not possible here, where no certificate is known")]
    Tls,
    /// More than host and port of a server with TLS.
    #[error("has a path, which nothing here asks for")]
    Path,
    /// What must be TLS is not.
    #[error("does not begin with https://")]
    NotTls,
    /// There is no host, or one with characters that no name has.
    #[error("host {0:?} is no name and no address")]
    Host(String),
    /// User, password, query or fragment stand in it.
    #[error("has more than host, port and path")]
    MoreThanPath,
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
            Self::NotTls | Self::Host(_) | Self::MoreThanPath => {
                "write \"https://vcenter.example/sdk\", without user, password or query"
            }
            Self::Path => "write \"https://HOST:PORT\" and nothing behind it",
            Self::NotLoopback(_) => {
                "forward a loopback port to that machine by SSH or stunnel, and write that: \"http://127.0.0.1:PORT\""
            }
        }
    }
}

impl Origin {
    /// Takes `http://HOST[:PORT][/]` apart; HOST is `localhost`, of 127.0.0.0/8, or `[::1]`.
    pub fn from_url(url: &str) -> Result<Self, BadOrigin> {
        if after_scheme(url, "https://").is_some() {
            return Err(BadOrigin::Tls);
        }
        let rest = after_scheme(url, "http://").ok_or(BadOrigin::Scheme)?;
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if authority.contains(['/', '?', '#', '@']) {
            return Err(BadOrigin::MoreThanOrigin);
        }
        let (host, port) = split_port(authority, Scheme::Http)?;
        if is_loopback(host) {
            Ok(Self { scheme: Scheme::Http, host: host.to_ascii_lowercase(), port })
        } else {
            Err(BadOrigin::NotLoopback(host.to_owned()))
        }
    }

    /// Takes `https://HOST[:PORT][/PATH]` apart into origin and path; the path is `default_path` where there is none.
    pub fn with_path(url: &str, default_path: &str) -> Result<(Self, String), BadOrigin> {
        let rest = after_scheme(url, "https://").ok_or(BadOrigin::NotTls)?;
        let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        if rest.contains(['?', '#', '@']) || !path.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(BadOrigin::MoreThanPath);
        }
        let path = if matches!(path, "" | "/") { default_path } else { path };
        Ok((Self::with_tls(authority)?, path.to_owned()))
    }

    /// Takes `https://HOST[:PORT][/]` apart; nothing may follow.
    pub fn of_tls(url: &str) -> Result<Self, BadOrigin> {
        let (origin, path) = Self::with_path(url, "/")?;
        if path == "/" { Ok(origin) } else { Err(BadOrigin::Path) }
    }

    /// Takes `HOST[:PORT]` of a server with TLS apart; the port is 443 where there is none.
    pub fn with_tls(authority: &str) -> Result<Self, BadOrigin> {
        let (host, port) = split_port(authority, Scheme::Https)?;
        Ok(Self { scheme: Scheme::Https, host: host_of(host)?, port })
    }

    /// Host and port as the Host field has them (RFC 9110, 7.2): the port only where it is not the scheme's own.
    pub fn authority(&self) -> String {
        let (open, close) = if self.host.contains(':') { ("[", "]") } else { ("", "") };
        match self.port {
            port if port == self.scheme.default_port() => format!("{open}{}{close}", self.host),
            port => format!("{open}{}{close}:{port}", self.host),
        }
    }
}

/// Checks the host of another machine, and writes it small.
pub(super) fn host_of(host: &str) -> Result<String, BadOrigin> {
    let is_name = !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
    if is_name || host.parse::<IpAddr>().is_ok() {
        Ok(host.to_ascii_lowercase())
    } else {
        Err(BadOrigin::Host(host.to_owned()))
    }
}

/// What follows the scheme, which may be written in any case.
pub(super) fn after_scheme<'u>(url: &'u str, scheme: &str) -> Option<&'u str> {
    let head = url.get(..scheme.len())?;
    head.eq_ignore_ascii_case(scheme).then(|| &url[scheme.len()..])
}

fn split_port(authority: &str, scheme: Scheme) -> Result<(&str, u16), BadOrigin> {
    split_authority(authority, scheme.default_port())
}

/// Takes `HOST[:PORT]` apart.
pub(super) fn split_authority(authority: &str, default_port: u16) -> Result<(&str, u16), BadOrigin> {
    let (host, port) = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, "")) => (host, None),
        Some((host, rest)) => (host, Some(rest.strip_prefix(':').unwrap_or_default())),
        None => authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port))),
    };
    let Some(port) = port else { return Ok((host, default_port)) };
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
        let origin = |host: &str, port| Ok(Origin { scheme: Scheme::Http, host: host.to_owned(), port });
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

    #[test]
    fn with_tls_every_host_has_its_path() {
        let read =
            |url: &str| Origin::with_path(url, "/sdk").map(|(origin, path)| (origin.authority(), origin.port, path));
        let expected = |authority: &str, port, path: &str| Ok((authority.to_owned(), port, path.to_owned()));
        assert_eq!(read("https://vc.example"), expected("vc.example", 443, "/sdk"));
        assert_eq!(read("HTTPS://VC.example:443/"), expected("vc.example", 443, "/sdk"));
        assert_eq!(read("https://10.0.0.9:8989/other/sdk"), expected("10.0.0.9:8989", 8989, "/other/sdk"));
        assert_eq!(read("https://[fd00::1]/sdk"), expected("[fd00::1]", 443, "/sdk"));
        assert_eq!(read("http://vc.example/sdk"), Err(BadOrigin::NotTls));
        for url in
            ["https://me:secret@vc.example/sdk", "https://vc.example/sdk?x", "https://vc.example/a b", "https://x#y"]
        {
            let bad = read(url).expect_err(url);
            assert!(matches!(bad, BadOrigin::MoreThanPath) && !bad.to_string().contains("secret"), "{bad}");
        }
        for url in ["https://", "https:///sdk", "https://a$b/sdk", "https://[::g]/sdk", "https://vc example/sdk"] {
            assert!(read(url).is_err(), "{url}");
        }
        assert_eq!(read("https://vc:0/sdk"), Err(BadOrigin::Port("0".to_owned())));
        let plain = |url: &str| Origin::of_tls(url).map(|origin| (origin.authority(), origin.port));
        assert_eq!(plain("https://vma.example/"), Ok(("vma.example".to_owned(), 443)));
        assert_eq!(plain("https://vma.example/api"), Err(BadOrigin::Path));
        let server = |text: &str| Origin::with_tls(text).map(|origin| (origin.authority(), origin.port));
        assert_eq!(server("OMA.example"), Ok(("oma.example".to_owned(), 443)));
        assert_eq!(server("[fd00::1]:8443"), Ok(("[fd00::1]:8443".to_owned(), 8443)));
        assert_eq!(server("https://oma.example"), Err(BadOrigin::Port("//oma.example".to_owned())));
    }
}
