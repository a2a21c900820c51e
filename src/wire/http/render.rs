//! Answer heads: framing is decided here and nowhere else, so that an answer can never be read in two ways.

use std::fmt::Write;

use super::message::Response;

/// The interim answer to `Expect: 100-continue` (RFC 9110, 15.2.1).
pub const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// What the connection does after an answer (RFC 9112, 9.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closing {
    /// It stays open, as HTTP/1.1 does unasked.
    KeepAlive,
    /// It stays open, and an HTTP/1.0 client has to be told.
    KeepAliveHttp10,
    /// It is closed.
    Close,
}

/// A head that is ready to be sent.
#[derive(Debug, PartialEq, Eq)]
pub struct RenderedHead {
    /// The bytes, empty line included.
    pub bytes: Vec<u8>,
    /// Whether the answer's body follows; never for HEAD, 204 and 304.
    pub with_body: bool,
}

/// Writes an answer's head. `to_head` says that HEAD was asked: then `Content-Length` is what GET would have got.
///
/// A status outside 200 to 599 becomes 500; control characters in field values become spaces, so that no value can
/// begin a field or an answer of its own.
pub fn render_head(response: &Response, to_head: bool, closing: Closing) -> RenderedHead {
    let status = if (200..600).contains(&response.status) { response.status } else { 500 };
    let has_content = !matches!(status, 204 | 304);
    let mut text = format!("HTTP/1.1 {status} {}\r\n", reason(status));
    if has_content {
        if !response.content_type.is_empty() {
            push_field(&mut text, "Content-Type", response.content_type);
        }
        // Writing to a String cannot fail.
        let _ = write!(text, "Content-Length: {}\r\n", response.body.len());
    }
    for (name, value) in response.headers.iter().filter(|(name, _)| !is_framing(name)) {
        push_field(&mut text, name, value);
    }
    match closing {
        Closing::KeepAlive => {}
        Closing::KeepAliveHttp10 => push_field(&mut text, "Connection", "keep-alive"),
        Closing::Close => push_field(&mut text, "Connection", "close"),
    }
    text.push_str("\r\n");
    RenderedHead { bytes: text.into_bytes(), with_body: has_content && !to_head && !response.body.is_empty() }
}

fn is_framing(name: &str) -> bool {
    ["content-length", "transfer-encoding", "connection", "content-type"]
        .iter()
        .any(|own| name.eq_ignore_ascii_case(own))
}

fn push_field(text: &mut String, name: &str, value: &str) {
    text.push_str(name);
    text.push_str(": ");
    text.extend(value.chars().map(|c| if c.is_control() { ' ' } else { c }));
    text.push_str("\r\n");
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        304 => "Not Modified",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        409 => "Conflict",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        417 => "Expectation Failed",
        422 => "Unprocessable Content",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        505 => "HTTP Version Not Supported",
        _ => "",
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn rendered(response: &Response, to_head: bool, closing: Closing) -> (String, bool) {
        let head = render_head(response, to_head, closing);
        (String::from_utf8(head.bytes).unwrap(), head.with_body)
    }

    #[test]
    fn head_has_the_length_of_get_and_no_body() {
        let response = Response::json(200, "{}".to_owned());
        let expected = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n";
        assert_eq!(rendered(&response, false, Closing::KeepAlive), (expected.to_owned(), true));
        assert_eq!(rendered(&response, true, Closing::KeepAlive), (expected.to_owned(), false));
    }

    #[test]
    fn no_content_and_not_modified_have_neither_body_nor_length() {
        for status in [204, 304] {
            let (text, with_body) = rendered(&Response::text(status, "ignored"), false, Closing::Close);
            assert!(!text.contains("Content-") && text.ends_with("Connection: close\r\n\r\n") && !with_body, "{text}");
        }
    }

    #[test]
    fn a_value_cannot_break_out_of_its_field() {
        let mut response = Response::text(99, "x");
        response.headers = vec![
            ("X", "a\r\nSet-Cookie: b\0".to_owned()),
            ("content-length", "7".to_owned()),
            ("Transfer-Encoding", "chunked".to_owned()),
        ];
        let (text, _) = rendered(&response, false, Closing::KeepAliveHttp10);
        let expected = "HTTP/1.1 500 Internal Server Error\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 1\r\n\
                        X: a  Set-Cookie: b \r\nConnection: keep-alive\r\n\r\n";
        assert_eq!(text, expected);
    }
}
