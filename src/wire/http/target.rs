//! Request targets: the path's segments and the query, percent-decoded one by one, so that an escaped `/` inside an id
//! stays inside it (R-2).

use super::fault::Fault;

/// Path segments, and query keys with their values; all decoded.
type Decoded = (Vec<String>, Vec<(String, String)>);

/// Takes a target in origin form (`/a/b?k=v`) or absolute form (`http://host/a/b?k=v`) apart (RFC 9112, 3.2).
///
/// Dot segments are not resolved: they are no ids, and nothing here is a file. Printable characters that RFC 3986 wants
/// escaped (`|`, `"`, ...) pass, because callers in the field do not escape them; `#` does not.
pub fn decode_target(target: &str) -> Result<Decoded, Fault> {
    if target.bytes().any(|byte| !byte.is_ascii_graphic() || byte == b'#') {
        return Err(Fault::Target);
    }
    let local = match target.strip_prefix('/') {
        Some(local) => local,
        None => after_authority(target)?,
    };
    let (path, query) = local.split_once('?').unwrap_or((local, ""));
    let segments = match path {
        "" => Vec::new(),
        path => path.split('/').map(|part| decode(part, false)).collect::<Result<_, _>>()?,
    };
    let query = query.split('&').filter(|pair| !pair.is_empty()).map(decode_pair).collect::<Result<_, _>>()?;
    Ok((segments, query))
}

/// What follows `http://host[:port]/`, with `/` and a query of its own left out where the URL ends at the host.
fn after_authority(target: &str) -> Result<&str, Fault> {
    let (scheme, rest) = target.split_once("://").ok_or(Fault::Target)?;
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return Err(Fault::Target);
    }
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, local) = rest.split_at(end);
    if authority.is_empty() || !is_host(authority.as_bytes()) {
        return Err(Fault::Target);
    }
    Ok(local.strip_prefix('/').unwrap_or(local))
}

/// Whether these bytes are `host`, `host:port`, `[v6]` or `[v6]:port`, or nothing at all (RFC 9110, 7.2). User names
/// are not allowed (RFC 9110, 4.2.4).
pub(super) fn is_host(bytes: &[u8]) -> bool {
    let (name_ok, rest) = match bytes.strip_prefix(b"[") {
        Some(inner) => match inner.iter().position(|&byte| byte == b']') {
            Some(end) => (
                end > 0 && inner[..end].iter().all(|byte| byte.is_ascii_alphanumeric() || b":.%-_~".contains(byte)),
                &inner[end + 1..],
            ),
            None => (false, &[][..]),
        },
        None => {
            let end = bytes.iter().position(|&byte| byte == b':').unwrap_or(bytes.len());
            let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+;=".contains(byte);
            (bytes[..end].iter().all(allowed) && (end > 0 || bytes.is_empty()), &bytes[end..])
        }
    };
    name_ok
        && match rest.strip_prefix(b":") {
            Some(port) => port.len() <= 5 && port.iter().all(u8::is_ascii_digit),
            None => rest.is_empty(),
        }
}

fn decode_pair(pair: &str) -> Result<(String, String), Fault> {
    let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
    Ok((decode(key, true)?, decode(value, true)?))
}

fn decode(text: &str, plus_is_space: bool) -> Result<String, Fault> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => match (rest.next().and_then(hex), rest.next().and_then(hex)) {
                (Some(high), Some(low)) if high | low != 0 => high << 4 | low,
                _ => return Err(Fault::Escape),
            },
            b'+' if plus_is_space => b' ',
            other => other,
        });
    }
    String::from_utf8(bytes).map_err(|_| Fault::Escape)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// Escapes a text so that it is one path segment or one query value: everything but RFC 3986's unreserved characters.
///
/// ```
/// assert_eq!(waybill::wire::http::encode_segment("a/b c~1"), "a%2Fb%20c~1");
/// ```
pub fn encode_segment(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push('%');
            escaped.push(char::from(b"0123456789ABCDEF"[usize::from(byte >> 4)]));
            escaped.push(char::from(b"0123456789ABCDEF"[usize::from(byte & 15)]));
        }
    }
    escaped
}

/// Reads what [`encode_segment`] wrote; `None` where an escape is none.
pub fn decode_segment(text: &str) -> Option<String> {
    decode(text, false).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::{ProptestConfig, any, prop_assert_eq, proptest};

    fn segments(target: &str) -> Vec<String> {
        decode_target(target).unwrap().0
    }

    #[test]
    fn a_path_is_split_before_it_is_decoded() {
        assert_eq!(segments("/"), Vec::<String>::new());
        assert_eq!(segments("/a%2Fb/c+d/%C3%A4"), ["a/b", "c+d", "\u{e4}"]);
        assert_eq!(segments("/a//b/"), ["a", "", "b", ""]);
        assert_eq!(segments("/../etc"), ["..", "etc"]);
    }

    #[test]
    fn the_absolute_form_means_its_path() {
        assert_eq!(segments("http://h:80/x/y"), ["x", "y"]);
        assert_eq!(segments("HTTP://h"), Vec::<String>::new());
        let (path, query) = decode_target("http://[::1]:8?k=v").unwrap();
        assert_eq!((path.len(), query), (0, vec![("k".to_owned(), "v".to_owned())]));
    }

    #[test]
    fn a_query_is_decoded_with_plus_as_space() {
        let (_, query) = decode_target("/p?a=1%2B1+x&&flag&b==").unwrap();
        let expected = [("a", "1+1 x"), ("flag", ""), ("b", "=")].map(|(k, v)| (k.to_owned(), v.to_owned()));
        assert_eq!(query, expected);
    }

    #[test]
    fn what_is_no_text_is_refused() {
        for bad in ["/%", "/%4", "/%zz", "/%00", "/a?k=%00", "/%ff", "/%c3", "/%+1", "/?%C0%AF"] {
            assert_eq!(decode_target(bad), Err(Fault::Escape), "{bad}");
        }
        for bad in ["", "a", "*", "/a#b", "/\u{e4}", "/a b", "ftp://h/", "http:///x", "http://u@h/", "http://h:x/"] {
            assert_eq!(decode_target(bad), Err(Fault::Target), "{bad}");
        }
    }

    #[test]
    fn a_host_is_a_name_or_an_address_with_a_port() {
        for good in ["", "h", "h:", "h:1", "127.0.0.1:8081", "[::1]", "[::1]:443", "a_b"] {
            assert!(is_host(good.as_bytes()), "{good}");
        }
        for bad in [":1", "a b", "a/b", "u@h", "h:1:2", "h:123456", "[::1", "[]", "[::1]x", "h,h", "\u{e4}"] {
            assert!(!is_host(bad.as_bytes()), "{bad}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn an_escaped_segment_comes_back(text in "[^\\x00]{1,40}") {
            prop_assert_eq!(segments(&format!("/{}", encode_segment(&text))), vec![text]);
        }
        #[test]
        fn no_target_panics(text in any::<String>()) {
            let _ = decode_target(&text);
        }
    }
}
