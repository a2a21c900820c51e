//! Request heads: httparse finds the words, this file applies the rules that leave one reading only.

use super::fault::Fault;
use super::message::{Method, Request};
use super::target::{decode_target, is_host};
use crate::limits;

/// How the body after a head is delimited (RFC 9112, 6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// So many bytes, 0 to [`limits::BODY_BYTES`].
    Length(usize),
    /// Chunks ([`super::ChunkedBody`]).
    Chunked,
}

/// A request's head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The request; its body is still empty.
    pub request: Request,
    /// How its body comes.
    pub framing: Framing,
    /// Whether the connection may carry another request after this one (RFC 9112, 9.3).
    pub keep_alive: bool,
    /// Whether the client waits for `100 Continue` before it sends the body.
    pub expects_continue: bool,
    /// Whether the client speaks HTTP/1.0.
    pub is_http10: bool,
    /// Bytes of the head, its empty line included.
    pub length: usize,
}

/// Reads a head from the front of what has arrived; `None` while it is not complete.
///
/// It is enough to call this for the first bytes and then whenever a line feed has arrived: no verdict changes in
/// between, but that on the size.
pub fn parse_head(input: &[u8]) -> Result<Option<Head>, Fault> {
    let mut fields = [httparse::EMPTY_HEADER; limits::HEAD_FIELDS];
    let mut parsed = httparse::Request::new(&mut fields);
    let length = match parsed.parse(input) {
        Ok(httparse::Status::Complete(length)) if length <= limits::HEAD_BYTES => length,
        Ok(httparse::Status::Complete(_)) => return Err(Fault::HeadTooLarge),
        Ok(httparse::Status::Partial) => return not_too_large(input),
        Err(error) => return Err(refusal(error, input)),
    };
    if has_bare_lf(&input[..length]) {
        return Err(Fault::LineEnd);
    }
    let (Some(method), Some(target), Some(minor)) = (parsed.method, parsed.path, parsed.version) else {
        return Err(Fault::RequestLine);
    };
    if target.len() > limits::TARGET_BYTES {
        return Err(Fault::TargetTooLong);
    }
    let fields = Fields { fields: parsed.headers, is_http10: minor == 0 };
    fields.check_host()?;
    let framing = fields.framing()?;
    let expects_continue = fields.expects_continue()?;
    let (segments, query) = match (method, target) {
        ("CONNECT", _) => return Err(Fault::Connect),
        ("OPTIONS", "*") => (vec!["*".to_owned()], Vec::new()),
        (_, target) => decode_target(target)?,
    };
    let method = Method::from_name(method);
    let request = Request { method, segments, query, headers: fields.decoded(), body: Vec::new() };
    let keep_alive = fields.keep_alive();
    Ok(Some(Head { request, framing, keep_alive, expects_continue, is_http10: fields.is_http10, length }))
}

/// The fields of a head with the version they came in.
struct Fields<'h, 'b> {
    fields: &'h [httparse::Header<'b>],
    is_http10: bool,
}

impl<'h, 'b> Fields<'h, 'b> {
    fn all(&self, name: &str) -> impl Iterator<Item = &'b [u8]> {
        self.fields.iter().filter(move |field| field.name.eq_ignore_ascii_case(name)).map(|field| field.value)
    }

    fn has_token(&self, name: &str, token: &str) -> bool {
        self.all(name)
            .flat_map(|value| value.split(|&byte| byte == b','))
            .any(|element| element.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
    }

    fn check_host(&self) -> Result<(), Fault> {
        let mut hosts = self.all("host");
        match (hosts.next(), hosts.next()) {
            (None, _) if self.is_http10 => Ok(()),
            (Some(host), None) if is_host(host) => Ok(()),
            _ => Err(Fault::Host),
        }
    }

    fn framing(&self) -> Result<Framing, Fault> {
        let mut lengths = self.all("content-length");
        let mut codings = self.all("transfer-encoding");
        match (codings.next(), lengths.next()) {
            (None, None) => Ok(Framing::Length(0)),
            (None, Some(length)) if lengths.next().is_none() => content_length(length),
            (None, Some(_)) => Err(Fault::ContentLength),
            (Some(_), Some(_)) => Err(Fault::Framing),
            (Some(_), None) if self.is_http10 => Err(Fault::Framing),
            (Some(coding), None) if coding.eq_ignore_ascii_case(b"chunked") && codings.next().is_none() => {
                Ok(Framing::Chunked)
            }
            (Some(_), None) => Err(Fault::TransferCoding),
        }
    }

    /// An HTTP/1.0 client cannot wait for an interim answer, so its expectations are not read (RFC 9110, 10.1.1).
    fn expects_continue(&self) -> Result<bool, Fault> {
        if self.is_http10 {
            return Ok(false);
        }
        let mut expected = self.all("expect").peekable();
        let any = expected.peek().is_some();
        match expected.all(|value| value.eq_ignore_ascii_case(b"100-continue")) {
            true => Ok(any),
            false => Err(Fault::Expectation),
        }
    }

    fn keep_alive(&self) -> bool {
        !self.has_token("connection", "close") && (!self.is_http10 || self.has_token("connection", "keep-alive"))
    }

    fn decoded(&self) -> Vec<(String, String)> {
        let text = |field: &httparse::Header<'_>| {
            (field.name.to_ascii_lowercase(), String::from_utf8_lossy(field.value).into_owned())
        };
        self.fields.iter().map(text).collect()
    }
}

fn content_length(value: &[u8]) -> Result<Framing, Fault> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return Err(Fault::ContentLength);
    }
    // A number too large for the type is too large for the limit as well.
    let length =
        value.iter().try_fold(0_usize, |sum, digit| sum.checked_mul(10)?.checked_add(usize::from(digit - b'0')));
    match length {
        Some(length) if length <= limits::BODY_BYTES => Ok(Framing::Length(length)),
        _ => Err(Fault::BodyTooLarge),
    }
}

/// httparse takes LF for a line end; a proxy in front may not, and then the two see different fields.
fn has_bare_lf(head: &[u8]) -> bool {
    let mut before = 0;
    head.iter().any(|&byte| {
        let bare = byte == b'\n' && before != b'\r';
        before = byte;
        bare
    })
}

fn not_too_large(input: &[u8]) -> Result<Option<Head>, Fault> {
    // Room for the longest usual method, the version and the spaces between.
    const AROUND_TARGET: usize = 32;
    let line_is_open = !input.trim_ascii_start().contains(&b'\n');
    if line_is_open && input.len() > limits::TARGET_BYTES + AROUND_TARGET {
        return Err(Fault::TargetTooLong);
    }
    if input.len() >= limits::HEAD_BYTES {
        return Err(Fault::HeadTooLarge);
    }
    Ok(None)
}

fn refusal(error: httparse::Error, input: &[u8]) -> Fault {
    match error {
        httparse::Error::HeaderName => Fault::FieldName,
        httparse::Error::HeaderValue => Fault::FieldValue,
        httparse::Error::NewLine => Fault::LineEnd,
        httparse::Error::TooManyHeaders => Fault::HeadTooLarge,
        httparse::Error::Version if names_http_version(input) => Fault::Version,
        _ => Fault::RequestLine,
    }
}

/// Whether the first line ends in `HTTP/` and a version, `HTTP/2.0` say.
fn names_http_version(input: &[u8]) -> bool {
    let line = input.trim_ascii_start().split(|&byte| byte == b'\n').next().unwrap_or_default();
    let word = line.trim_ascii_end().rsplit(|&byte| byte == b' ').next().unwrap_or_default();
    matches!(word.strip_prefix(b"HTTP/"), Some([major, b'.', minor]) if major.is_ascii_digit() && minor.is_ascii_digit())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::{ProptestConfig, any, prop_assert, proptest};

    fn head(text: &str) -> Head {
        parse_head(text.as_bytes()).unwrap().unwrap()
    }

    fn fault(text: &str) -> Fault {
        parse_head(text.as_bytes()).unwrap_err()
    }

    #[test]
    fn a_head_is_read_and_its_length_told() {
        let text = "POST /a/b?c=d HTTP/1.1\r\nHost: h\r\nX-A:  b \r\nContent-Length: 3\r\n\r\nabcGET";
        let head = head(text);
        assert_eq!((head.request.method.name(), head.framing), ("POST", Framing::Length(3)));
        assert_eq!((head.request.header("x-a"), head.request.query_value("c")), (Some("b"), Some("d")));
        assert_eq!((&text[head.length..], head.keep_alive, head.expects_continue), ("abcGET", true, false));
    }

    #[test]
    fn every_proper_prefix_waits_for_more() {
        let text = b"\r\nPUT /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: Chunked\r\nExpect: 100-Continue\r\n\r\n";
        for end in 0..text.len() {
            assert_eq!(parse_head(&text[..end]), Ok(None), "{end}");
        }
        let head = parse_head(text).unwrap().unwrap();
        assert!(head.framing == Framing::Chunked && head.expects_continue && head.length == text.len());
    }

    #[test]
    fn the_version_decides_on_keep_alive() {
        assert!(!head("GET / HTTP/1.0\r\n\r\n").keep_alive);
        assert!(head("GET / HTTP/1.0\r\nConnection: x, Keep-Alive\r\n\r\n").keep_alive);
        assert!(
            !head("GET / HTTP/1.1\r\nHost: h\r\nConnection: keep-alive\r\nConnection: foo , close\r\n\r\n").keep_alive
        );
        assert!(!head("GET / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n").expects_continue);
    }

    #[test]
    fn limits_are_told_as_soon_as_they_are_passed() {
        let long = "a".repeat(limits::TARGET_BYTES);
        assert_eq!(fault(&format!("GET /{long} HTTP/1.1\r\nHost: h\r\n\r\n")), Fault::TargetTooLong);
        assert_eq!(fault(&format!("GET /{long}{}", "a".repeat(40))), Fault::TargetTooLong);
        let wide = format!("GET / HTTP/1.1\r\nHost: h\r\nX: {}", "a".repeat(limits::HEAD_BYTES));
        assert_eq!(fault(&wide), Fault::HeadTooLarge);
        assert_eq!(fault(&format!("{wide}\r\n\r\n")), Fault::HeadTooLarge);
        let many = "A: b\r\n".repeat(limits::HEAD_FIELDS);
        assert_eq!(fault(&format!("GET / HTTP/1.1\r\nHost: h\r\n{many}")), Fault::HeadTooLarge);
        let below = "A: b\r\n".repeat(limits::HEAD_FIELDS - 1);
        assert_eq!(
            head(&format!("GET / HTTP/1.1\r\nHost: h\r\n{below}\r\n")).request.headers.len(),
            limits::HEAD_FIELDS
        );
        assert_eq!(content_length(b"1048576"), Ok(Framing::Length(limits::BODY_BYTES)));
        assert_eq!(content_length(b"1048577"), Err(Fault::BodyTooLarge));
        assert_eq!(content_length(b"99999999999999999999999999"), Err(Fault::BodyTooLarge));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn no_head_panics_and_none_reaches_past_its_end(tail in any::<Vec<u8>>(), fields in "([!-~]{0,9}: ?[ -~]{0,9}\r\n){0,4}") {
            let mut input = format!("GET / HTTP/1.1\r\nHost: h\r\n{fields}").into_bytes();
            input.extend_from_slice(&tail);
            if let Ok(Some(head)) = parse_head(&input) {
                prop_assert!(head.length <= input.len() && input[..head.length].ends_with(b"\r\n\r\n"));
            }
        }
    }
}
