//! JSON objects as clients write them. A body is first read by the letter. What serde then refuses is looked at once
//! more, so that the usual body costs nothing: JSON knows one kind of number, and some languages write ten as `10.0` or
//! `1e1`. Free text may hold what is no text; a mover's failure must not be lost over one byte of it.
//!
//! Policy: a count is taken if it is whole, else refused with its key and value. Texts are mended only if the caller
//! asks for it, never in what names a job, a VM or a disk.

use serde::Deserialize;
use serde::de::DeserializeOwned;

/// Why a request body is refused: what, where and the remedy (a 400).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadBody(pub String);

/// The longest count that is written out; SQLite's integers have 19 digits.
const DIGITS: usize = 20;
/// Characters of a value that a message shows.
const SHOWN: usize = 60;
/// What some editors and shells put before a text; it means nothing in UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Reads an object whose texts are UTF-8.
pub(super) fn read_object<T: DeserializeOwned>(body: &[u8]) -> Result<T, BadBody> {
    read(body, false).map(|(read, _)| read)
}

/// Reads an object with free texts. Bytes of them that are no UTF-8 become U+FFFD, and `true` says so.
pub(super) fn read_mended<T: DeserializeOwned>(body: &[u8]) -> Result<(T, bool), BadBody> {
    read(body, true)
}

/// Reads an object of which parts are kept as they came, by the letter.
pub(super) fn read_borrowed<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, BadBody> {
    let body = object(body)?;
    serde_json::from_slice(body).map_err(|error| refusal(body, &error))
}

fn read<T: DeserializeOwned>(body: &[u8], texts: bool) -> Result<(T, bool), BadBody> {
    let body = object(body)?;
    let error = match serde_json::from_slice(body) {
        Ok(read) => return Ok((read, false)),
        Err(error) => error,
    };
    let Some(Mended { body, replaced }) = mended(body, texts) else { return Err(refusal(body, &error)) };
    match serde_json::from_slice(&body) {
        Ok(read) => Ok((read, replaced)),
        Err(error) => Err(refusal(&body, &error)),
    }
}

/// The body without a byte-order mark, if it is an object; serde would also take an array of the values in order.
fn object(body: &[u8]) -> Result<&[u8], BadBody> {
    let body = body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body);
    match body.iter().find(|byte| !byte.is_ascii_whitespace()) {
        None => Err(BadBody("the body is empty; a JSON object is expected".to_owned())),
        Some(b'{') => Ok(body),
        Some(_) => Err(BadBody("the body is not a JSON object".to_owned())),
    }
}

/// A body that serde may read after all.
struct Mended {
    body: Vec<u8>,
    replaced: bool,
}

/// `None` if there is nothing to mend.
fn mended(body: &[u8], texts: bool) -> Option<Mended> {
    let lossy = if texts { String::from_utf8_lossy(body) } else { "".into() };
    let bytes = if texts { lossy.as_bytes() } else { body };
    let mut replaced = matches!(lossy, std::borrow::Cow::Owned(_));
    let (mut out, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while let Some(token) = Token::at(bytes, at) {
        let text = &bytes[at..token.end];
        at = token.end;
        match token.kind {
            TokenKind::Text if texts => replaced |= mend_text(text, &mut out),
            TokenKind::Scalar => match std::str::from_utf8(text).ok().and_then(whole) {
                Some(count) => out.extend_from_slice(count.as_bytes()),
                None => out.extend_from_slice(text),
            },
            _ => out.extend_from_slice(text),
        }
    }
    (out != body).then_some(Mended { body: out, replaced })
}

/// Writes a text with its quotes. Control characters are escaped, as JSON wants it and shell scripts forget it. Half of a
/// surrogate pair, by which Python says a byte that is no UTF-8, becomes U+FFFD; true if there was one.
fn mend_text(text: &[u8], out: &mut Vec<u8>) -> bool {
    let (mut rest, mut replaced) = (text, false);
    while let Some(&byte) = rest.first() {
        let length = match (byte, escaped(rest)) {
            (_, Some(0xd800..=0xdbff)) if matches!(rest.get(6..).and_then(escaped), Some(0xdc00..=0xdfff)) => 12,
            (_, Some(0xd800..=0xdfff)) => {
                out.extend_from_slice(b"\\ufffd");
                replaced = true;
                rest = &rest[6..];
                continue;
            }
            (b'\\', _) => 2.min(rest.len()),
            (0..0x20, _) => {
                out.extend_from_slice(format!("\\u{byte:04x}").as_bytes());
                rest = &rest[1..];
                continue;
            }
            _ => 1,
        };
        out.extend_from_slice(&rest[..length]);
        rest = &rest[length..];
    }
    replaced
}

/// The number of `\uXXXX` at the front.
fn escaped(text: &[u8]) -> Option<u32> {
    let digits = text.strip_prefix(b"\\u")?.get(..4).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))?;
    u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

/// A JSON number with a fraction or an exponent as a plain integer, exactly; `None` if it is none, or no JSON.
fn whole(number: &str) -> Option<String> {
    let (sign, unsigned) = number.strip_prefix('-').map_or(("", number), |unsigned| ("-", unsigned));
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse().ok()?),
        None => (unsigned, 0_i64),
    };
    let (before, after) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
    let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let has_leading_zero = before.len() > 1 && before.starts_with('0');
    if before == unsigned || !is_number(before) || !is_number(after) || has_leading_zero {
        return None;
    }
    let all = format!("{before}{after}");
    let digits = all.trim_start_matches('0');
    if digits.is_empty() {
        return Some("0".to_owned());
    }
    // How many digits stand before the point once the exponent has moved it.
    let point = i64::try_from(digits.len()).ok()? - i64::try_from(after.len()).ok()?;
    let point = usize::try_from(point.checked_add(exponent)?).ok().filter(|point| *point <= DIGITS)?;
    let digits = digits.trim_end_matches('0');
    (digits.len() <= point).then(|| format!("{sign}{digits:0<point$}"))
}

#[derive(Clone, Copy, PartialEq)]
enum TokenKind {
    /// A text with its quotes.
    Text,
    /// A number or a word.
    Scalar,
    /// One of `{}[],:` or white space.
    Other,
}

/// A piece of a body. Every byte belongs to one, however broken the body is.
struct Token {
    kind: TokenKind,
    end: usize,
}

impl Token {
    fn at(body: &[u8], start: usize) -> Option<Self> {
        let is_scalar = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
        let rest = body.get(start..)?;
        match rest.first()? {
            b'"' => {
                let mut end = start + 1;
                while let Some(byte) = body.get(end) {
                    end += if *byte == b'\\' { 2 } else { 1 };
                    if *byte == b'"' {
                        break;
                    }
                }
                Some(Self { kind: TokenKind::Text, end: end.min(body.len()) })
            }
            byte if is_scalar(byte) => {
                let length = rest.iter().take_while(|byte| is_scalar(byte)).count();
                Some(Self { kind: TokenKind::Scalar, end: start + length })
            }
            _ => Some(Self { kind: TokenKind::Other, end: start + 1 }),
        }
    }
}

/// What serde says of a body, with the key and the value at that place.
fn refusal(body: &[u8], error: &serde_json::Error) -> BadBody {
    let said = error.to_string();
    let is_of_a_value = ["invalid ", "control character", "unexpected end of hex", "lone ", "number out of range"]
        .iter()
        .any(|start| said.starts_with(start));
    let lines = body.split_inclusive(|byte| *byte == b'\n').take(error.line().saturating_sub(1));
    let place = lines.map(<[u8]>::len).sum::<usize>() + error.column();
    match key_and_value(body, place).filter(|_| is_of_a_value) {
        Some((key, Some(value))) => BadBody(format!("{key} is {value}: {said}")),
        Some((key, None)) => BadBody(format!("{key}: {said}")),
        None => BadBody(format!("the body is not as expected: {said}")),
    }
}

/// The last key before that place, and its value as it was sent.
fn key_and_value(body: &[u8], place: usize) -> Option<(String, Option<String>)> {
    let shown = |bytes: &[u8]| String::from_utf8_lossy(bytes).chars().take(SHOWN).collect::<String>();
    let (mut at, mut last, mut found) = (0, None, None);
    while let Some(token) = Token::at(body, at).filter(|_| at < place) {
        let text = &body[at..token.end];
        match (token.kind, text) {
            (TokenKind::Other, b":") => found = last.take().map(|key: String| (key.trim_matches('"').to_owned(), None)),
            (TokenKind::Other, _) => {}
            _ => last = Some(shown(text)),
        }
        at = token.end;
    }
    found.map(|(key, _): (String, Option<String>)| (key, last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize, Debug, PartialEq)]
    struct Counted {
        bytes: u64,
        note: Option<String>,
        share: Option<f64>,
    }

    fn counted(body: &str) -> Result<u64, String> {
        read_object::<Counted>(body.as_bytes()).map(|read| read.bytes).map_err(|why| why.to_string())
    }

    #[test]
    fn whole_numbers_are_taken_however_they_are_written() {
        for (written, meant) in [
            ("10", 10),
            ("10.0", 10),
            ("1e1", 10),
            ("1E+1", 10),
            ("1.5e3", 1500),
            ("100e-1", 10),
            ("0.0", 0),
            ("-0.0", 0),
            ("0e99", 0),
            ("9007199254740993.0", 9_007_199_254_740_993),
            ("1.8446744073709551615e19", u64::MAX),
        ] {
            assert_eq!(counted(&format!("{{\"bytes\":{written}}}")), Ok(meant), "{written}");
        }
    }

    #[test]
    fn what_is_no_whole_count_is_refused_with_key_and_value() {
        for written in ["10.5", "-1", "-10.0", "1e-1", "1e20", "1e400", "1e99999999999999999999", "\"5\"", "true"] {
            let why = counted(&format!("{{\"note\":\"a\",\n \"bytes\":{written},\"share\":0.5}}")).expect_err(written);
            let value = whole(written).unwrap_or_else(|| written.to_owned());
            assert!(why.starts_with(&format!("bytes is {value}: ")), "{written}: {why}");
        }
        for broken in ["1.", ".5", "01.0", "1e", "+1.0", "1.0.0", "0x10", "--1.0"] {
            counted(&format!("{{\"bytes\":{broken}}}")).expect_err(broken);
        }
        let why = counted("{\"bytes\":[10.0]}").expect_err("a list");
        assert!(why.starts_with("bytes: "), "{why}");
    }

    #[test]
    fn numbers_within_texts_and_shares_stay_as_they_are() {
        let body = br#"{"bytes":1e1,"note":"10.0 \" 1e1","share":10.25}"#;
        let note = Some("10.0 \" 1e1".to_owned());
        assert_eq!(read_object(body), Ok(Counted { bytes: 10, note, share: Some(10.25) }));
    }

    #[test]
    fn free_texts_that_are_broken_are_taken_with_marks() {
        for (text, meant, marked) in [
            (&b"caf\xe9 10.0"[..], "caf\u{fffd} 10.0", true),
            (br"caf\udce9!", "caf\u{fffd}!", true),
            (br"\ud83d", "\u{fffd}", true),
            (br"\ud83d\u0041", "\u{fffd}A", true),
            (br"\ud83d\ude00", "\u{1f600}", false),
            (b"two\nlines\tand \x01", "two\nlines\tand \u{1}", false),
            (br"a\\udce9", "a\\udce9", false),
        ] {
            let body = [b"{\"bytes\":1,\"note\":\"", text, b"\"}"].concat();
            let (read, replaced) = read_mended::<Counted>(&body).expect(meant);
            assert_eq!((read.note.as_deref(), replaced), (Some(meant), marked), "{meant}");
            if marked {
                let why = read_object::<Counted>(&body).expect_err("texts by the letter").to_string();
                assert!(why.starts_with("note"), "{why}");
            }
        }
    }

    #[test]
    fn a_byte_order_mark_is_skipped() {
        assert_eq!(counted("\u{feff}{\"bytes\":1}"), Ok(1));
        assert_eq!(counted("\u{feff}").expect_err("empty"), "the body is empty; a JSON object is expected");
    }

    proptest::proptest! {
        #[test]
        fn no_body_makes_it_panic(body in proptest::collection::vec(proptest::sample::select(&b"{}[]\"\\u:,.0129eE+-d8 \n\xff\xc3n"[..]), 0..60)) {
            let body = [b"{".as_slice(), &body].concat();
            let _ = read_mended::<Counted>(&body);
            let _ = read_object::<Counted>(&body);
        }
    }
}
