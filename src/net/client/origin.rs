//! Where a VMA is: scheme, host and port of its URL, and the rules of R-60 for them.

use std::net::IpAddr;

/// A place that is spoken to over plain http.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// A host name or an address; IPv6 without brackets.
    pub host: String,
    /// The TCP port, 1 to 65535.
    pub port: u16,
}

/// Why a URL cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadUrl {
    /// `https://`.
    #[error(
        "{0}: TLS is not supported yet; forward a loopback port to the VMA (stunnel, ssh -L) and give \
         http://127.0.0.1:PORT"
    )]
    TlsNotYet(String),
    /// Neither `http://` nor `https://`.
    #[error("{0}: give a URL like http://127.0.0.1:8081")]
    Scheme(String),
    /// Plain http to another machine.
    #[error(
        "{0}: plain http is allowed to loopback only (127.0.0.0/8, [::1], localhost), because it proves nobody's \
         identity; forward a loopback port to the VMA (stunnel, ssh -L)"
    )]
    NotLoopback(String),
    /// A user name or password.
    #[error("the URL holds a user name or a password; take it out, secrets do not belong in URLs")]
    UserInfo,
    /// A path, a query or a fragment.
    #[error("{0}: the URL must end after the host and port; waybill adds the paths itself")]
    Path(String),
    /// No host, or a port that is no number from 1 to 65535.
    #[error("{0}: the host is missing, or the port is not a number from 1 to 65535")]
    Authority(String),
}

impl Origin {
    /// Reads `http://HOST[:PORT][/]`; the port is 80 where none is given.
    pub fn from_url(url: &str) -> Result<Self, BadUrl> {
        let (scheme, rest) = url.split_once("://").ok_or_else(|| BadUrl::Scheme(url.to_owned()))?;
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        // First of all, so that no other message repeats a password.
        if authority.contains('@') {
            return Err(BadUrl::UserInfo);
        }
        match scheme.to_ascii_lowercase().as_str() {
            "http" => {}
            "https" => return Err(BadUrl::TlsNotYet(url.to_owned())),
            _ => return Err(BadUrl::Scheme(url.to_owned())),
        }
        if !matches!(path, "" | "/") {
            return Err(BadUrl::Path(url.to_owned()));
        }
        let (host, port) = split_port(authority).ok_or_else(|| BadUrl::Authority(url.to_owned()))?;
        if !is_loopback(host) {
            return Err(BadUrl::NotLoopback(url.to_owned()));
        }
        Ok(Self { host: host.to_ascii_lowercase(), port })
    }

    /// The value of the Host field (RFC 9110, 7.2).
    pub(super) fn authority(&self) -> String {
        let (open, close) = if self.host.contains(':') { ("[", "]") } else { ("", "") };
        match self.port {
            80 => format!("{open}{}{close}", self.host),
            port => format!("{open}{}{close}:{port}", self.host),
        }
    }
}

fn split_port(authority: &str) -> Option<(&str, u16)> {
    let (host, rest) = match authority.strip_prefix('[') {
        Some(inner) => inner.split_once(']')?,
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    let port = match rest.strip_prefix(':') {
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse().ok()?,
        None if rest.is_empty() => 80,
        _ => return None,
    };
    (!host.is_empty() && port != 0).then_some((host, port))
}

fn is_loopback(host: &str) -> bool {
    match host.parse::<IpAddr>() {
        Ok(address) => address.is_loopback(),
        Err(_) => host.eq_ignore_ascii_case("localhost"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_taken() {
        for (url, host, port, authority) in [
            ("http://127.0.0.1:8081", "127.0.0.1", 8081, "127.0.0.1:8081"),
            ("HTTP://LocalHost/", "localhost", 80, "localhost"),
            ("http://[::1]:9", "::1", 9, "[::1]:9"),
            ("http://127.9.9.9", "127.9.9.9", 80, "127.9.9.9"),
        ] {
            let origin = Origin::from_url(url).unwrap();
            assert_eq!((origin.host.as_str(), origin.port, origin.authority().as_str()), (host, port, authority));
        }
    }

    #[test]
    fn everything_else_is_refused_with_its_remedy() {
        for (url, word) in [
            ("https://vma.example", "TLS is not supported yet"),
            ("http://vma.example:8081", "loopback only"),
            ("http://10.0.0.1", "loopback only"),
            ("http://0.0.0.0", "loopback only"),
            ("http://[::]:1", "loopback only"),
            ("http://localhost.evil.example", "loopback only"),
            ("http://127.0.0.1/api", "after the host and port"),
            ("http://127.0.0.1?x", "after the host and port"),
            ("http://127.0.0.1#x", "after the host and port"),
            ("127.0.0.1:8081", "give a URL like"),
            ("ftp://127.0.0.1", "give a URL like"),
            ("http://", "host is missing"),
            ("http://:80", "host is missing"),
            ("http://127.0.0.1:", "port is not a number"),
            ("http://127.0.0.1:0", "port is not a number"),
            ("http://127.0.0.1:65536", "port is not a number"),
            ("http://127.0.0.1:+1", "port is not a number"),
            ("http://[::1", "port is not a number"),
        ] {
            let error = Origin::from_url(url).unwrap_err().to_string();
            assert!(error.contains(word), "{url}: {error}");
        }
    }

    #[test]
    fn a_password_is_not_repeated() {
        for url in ["http://u:hunter2@127.0.0.1", "https://u:hunter2@vma"] {
            let error = Origin::from_url(url).unwrap_err();
            assert!(error == BadUrl::UserInfo && !error.to_string().contains("hunter2"));
        }
    }
}
