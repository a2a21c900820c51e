//! The proxy on the way to a server: where it stands, and what is said to it, over slices. `http://` means CONNECT
//! (RFC 9110, 9.3.6), `socks5://` means SOCKS 5 (RFC 1928) with a user's name and password where there is one (RFC 1929).

use core::net::IpAddr;
use std::fmt;

use data_encoding::BASE64;

use super::origin::{BadOrigin, after_scheme, host_of, split_authority};

/// Where a proxy stands, and how it is spoken to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proxy {
    /// How it is spoken to.
    pub kind: ProxyKind,
    /// A name or an address, IPv6 without its brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// How a proxy is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProxyKind {
    /// HTTP's CONNECT.
    Connect,
    /// SOCKS 5.
    Socks5,
}

/// Why a text is no proxy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadProxy {
    /// Another scheme, or none.
    #[error("does not begin with http:// or socks5://")]
    Scheme,
    /// A user or a password, which do not belong into a configuration that others read.
    #[error("has a user or a password in it")]
    Credentials,
    /// Host or port are none.
    #[error("{0}")]
    Address(BadOrigin),
}

impl BadProxy {
    /// What to write instead.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Scheme | Self::Address(_) => "write \"http://proxy.example:3128\" or \"socks5://proxy.example:1080\"",
            Self::Credentials => "write them into files and name these: proxy_username_file, proxy_password_file",
        }
    }
}

impl Proxy {
    /// Takes `http://HOST:PORT` or `socks5://HOST:PORT` apart; the ports are 3128 and 1080 where there is none.
    pub fn from_url(url: &str) -> Result<Self, BadProxy> {
        let (kind, rest, port) = match (after_scheme(url, "http://"), after_scheme(url, "socks5://")) {
            (Some(rest), _) => (ProxyKind::Connect, rest, 3128),
            (None, Some(rest)) => (ProxyKind::Socks5, rest, 1080),
            (None, None) => return Err(BadProxy::Scheme),
        };
        if rest.contains('@') {
            return Err(BadProxy::Credentials);
        }
        let (host, port) = split_authority(rest.strip_suffix('/').unwrap_or(rest), port).map_err(BadProxy::Address)?;
        Ok(Self { kind, host: host_of(host).map_err(BadProxy::Address)?, port })
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.kind {
            ProxyKind::Connect => "http",
            ProxyKind::Socks5 => "socks5",
        };
        let (open, close) = if self.host.contains(':') { ("[", "]") } else { ("", "") };
        write!(f, "{scheme}://{open}{}{close}:{}", self.host, self.port)
    }
}

/// A CONNECT request for that host and port.
pub fn connect(host: &str, port: u16, credentials: Option<(&str, &str)>) -> String {
    let (open, close) = if host.contains(':') { ("[", "]") } else { ("", "") };
    let target = format!("{open}{host}{close}:{port}");
    let authorization = credentials.map(|(user, password)| {
        format!("Proxy-Authorization: Basic {}\r\n", BASE64.encode(format!("{user}:{password}").as_bytes()))
    });
    format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n{}\r\n", authorization.unwrap_or_default())
}

/// Reads a proxy's answer to CONNECT: the length of its head, its status, and the reason it gives; `None` while more is to
/// come, an error where it is no HTTP.
pub fn connected(answer: &[u8]) -> Result<Option<(usize, u16, String)>, String> {
    let mut fields = [httparse::EMPTY_HEADER; 64];
    let mut response = httparse::Response::new(&mut fields);
    match response.parse(answer) {
        Ok(httparse::Status::Complete(length)) => {
            let reason = response.reason.unwrap_or_default().to_owned();
            Ok(Some((length, response.code.unwrap_or_default(), reason)))
        }
        Ok(httparse::Status::Partial) => Ok(None),
        Err(error) => Err(error.to_string()),
    }
}

/// SOCKS 5: which ways to prove who one is are offered.
pub fn socks_greeting(with_password: bool) -> &'static [u8] {
    if with_password { &[5, 2, 0, 2] } else { &[5, 1, 0] }
}

/// SOCKS 5: a user's name and password (RFC 1929); an error where they are longer than it can say.
pub fn socks_password(user: &str, password: &str) -> Result<Vec<u8>, &'static str> {
    const TOO_LONG: &str = "SOCKS 5 takes a user's name and a password of 1 to 255 bytes";
    let mut message = vec![1];
    for text in [user, password] {
        let length = u8::try_from(text.len()).ok().filter(|length| *length > 0).ok_or(TOO_LONG)?;
        message.push(length);
        message.extend_from_slice(text.as_bytes());
    }
    Ok(message)
}

/// SOCKS 5: the wish to be connected. A name goes as it is, because only the proxy may be able to resolve it.
pub fn socks_request(host: &str, port: u16) -> Result<Vec<u8>, &'static str> {
    let mut message = vec![5, 1, 0];
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => {
            message.push(1);
            message.extend_from_slice(&address.octets());
        }
        Ok(IpAddr::V6(address)) => {
            message.push(4);
            message.extend_from_slice(&address.octets());
        }
        Err(_) => {
            let length = u8::try_from(host.len()).map_err(|_| "SOCKS 5 takes names of at most 255 bytes")?;
            message.extend_from_slice(&[3, length]);
            message.extend_from_slice(host.as_bytes());
        }
    }
    message.extend_from_slice(&port.to_be_bytes());
    Ok(message)
}

/// SOCKS 5: how long the answer to a request is; `None` until its first five bytes are there.
pub fn socks_answer_length(answer: &[u8]) -> Option<Result<usize, &'static str>> {
    let (&kind, &first) = (answer.get(3)?, answer.get(4)?);
    Some(match kind {
        1 => Ok(4 + 4 + 2),
        3 => Ok(4 + 1 + usize::from(first) + 2),
        4 => Ok(4 + 16 + 2),
        _ => Err("its answer is no SOCKS 5"),
    })
}

/// SOCKS 5: what a reply's code means (RFC 1928, 6).
pub fn socks_reply(code: u8) -> &'static str {
    match code {
        1 => "general failure",
        2 => "not allowed by its rules",
        3 => "network unreachable",
        4 => "host unreachable",
        5 => "connection refused",
        6 => "the connection took too long",
        7 => "command not supported",
        8 => "kind of address not supported",
        _ => "a code that RFC 1928 does not have",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_a_url_without_a_secret() {
        let shown = |url: &str| Proxy::from_url(url).map(|proxy| proxy.to_string());
        assert_eq!(shown("http://Proxy.example").as_deref(), Ok("http://proxy.example:3128"));
        assert_eq!(shown("socks5://[fd00::1]/").as_deref(), Ok("socks5://[fd00::1]:1080"));
        assert_eq!(shown("socks5://10.0.0.1:9").as_deref(), Ok("socks5://10.0.0.1:9"));
        assert_eq!(shown("https://proxy.example"), Err(BadProxy::Scheme));
        let with_secret = shown("http://me:hush@proxy.example:1").expect_err("refused");
        assert!(!with_secret.to_string().contains("hush") && with_secret.remedy().contains("proxy_password_file"));
        assert!(shown("http://a b:1").is_err() && shown("http://p:0").is_err() && shown("http://p/x").is_err());
    }

    #[test]
    fn connect_is_asked_for_with_and_without_a_password() {
        assert_eq!(connect("h", 443, None), "CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n");
        let with = connect("::1", 443, Some(("Aladdin", "open sesame")));
        assert!(
            with.starts_with("CONNECT [::1]:443 ") && with.ends_with(" Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\r\n")
        );
        assert_eq!(connected(b"HTTP/1.1 200 Connection est"), Ok(None));
        let whole = b"HTTP/1.1 407 Proxy Authentication Required\r\nA: b\r\n\r\nrest";
        assert_eq!(connected(whole), Ok(Some((whole.len() - 4, 407, "Proxy Authentication Required".to_owned()))));
        assert!(connected(b"SSH-2.0-OpenSSH\r\n").is_err());
    }

    #[test]
    fn socks_is_spoken_as_its_two_documents_say() {
        assert_eq!(socks_password("u", "pw"), Ok(vec![1, 1, b'u', 2, b'p', b'w']));
        assert!(socks_password("", "pw").is_err() && socks_password("u", &"p".repeat(256)).is_err());
        assert_eq!(socks_request("h.x", 443), Ok(vec![5, 1, 0, 3, 3, b'h', b'.', b'x', 1, 187]));
        assert_eq!(socks_request("10.0.0.1", 80), Ok(vec![5, 1, 0, 1, 10, 0, 0, 1, 0, 80]));
        assert_eq!(socks_request("::1", 1).map(|message| (message[3], message.len())), Ok((4, 22)));
        assert_eq!(socks_answer_length(&[5, 0, 0, 1]), None);
        assert_eq!(socks_answer_length(&[5, 0, 0, 1, 0]), Some(Ok(10)));
        assert_eq!(socks_answer_length(&[5, 0, 0, 3, 7]), Some(Ok(14)));
        assert!(matches!(socks_answer_length(b"HTTP/1.1"), Some(Err(_))));
    }
}
