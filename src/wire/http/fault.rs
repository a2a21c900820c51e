//! Why a request is refused before anybody looks at what it asks for.

use crate::limits;

/// A request that cannot be read without doubt, or is too large. Every one of them closes the connection: where the
/// next request begins is no longer certain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The request line is not `METHOD SP TARGET SP HTTP/1.1` (RFC 9112, 3).
    #[error("the request line is not \"METHOD TARGET HTTP/1.1\"")]
    RequestLine,
    /// A line ends in LF alone, or a CR stands by itself (RFC 9112, 2.2).
    #[error("a line of the head does not end in CR LF")]
    LineEnd,
    /// A field name is no token, or is followed by a space (RFC 9112, 5.1), or the line is folded (5.2).
    #[error("a header field has no valid name directly followed by a colon, or is folded over two lines")]
    FieldName,
    /// A field value holds a control character (RFC 9110, 5.5).
    #[error("a header field's value holds a control character")]
    FieldValue,
    /// No Host field in HTTP/1.1, several, or one that names no host (RFC 9112, 3.2).
    #[error("exactly one valid Host field is needed")]
    Host,
    /// The target is neither a path nor an http URL (RFC 9112, 3.2).
    #[error("the request target is neither a path nor an http URL")]
    Target,
    /// The target has a bad percent escape, or its decoded bytes are no UTF-8 text, or hold a NUL.
    #[error("the request target holds a bad percent escape, a NUL or bytes that are not UTF-8")]
    Escape,
    /// Content-Length is repeated or is no number (RFC 9112, 6.3).
    #[error("Content-Length must be one decimal number, given once")]
    ContentLength,
    /// Transfer-Encoding and Content-Length together, or Transfer-Encoding in HTTP/1.0 (RFC 9112, 6.1).
    #[error("Transfer-Encoding must not come with Content-Length, nor in HTTP/1.0")]
    Framing,
    /// A chunk's size line or end is malformed (RFC 9112, 7.1).
    #[error("the chunked body is malformed")]
    Chunk,
    /// The connection ended within a request.
    #[error("the connection ended before the request was complete")]
    Incomplete,
    /// The head or the body came too slowly.
    #[error("the request came too slowly")]
    TooSlow,
    /// The body is larger than [`limits::BODY_BYTES`].
    #[error("the body is larger than {} bytes", limits::BODY_BYTES)]
    BodyTooLarge,
    /// The target is longer than [`limits::TARGET_BYTES`].
    #[error("the request target is longer than {} bytes", limits::TARGET_BYTES)]
    TargetTooLong,
    /// `Expect` asks for something else than `100-continue` (RFC 9110, 10.1.1).
    #[error("the only expectation that can be met is 100-continue")]
    Expectation,
    /// The head is larger than [`limits::HEAD_BYTES`] or has more than [`limits::HEAD_FIELDS`] fields.
    #[error("the head has more than {} bytes or {} fields", limits::HEAD_BYTES, limits::HEAD_FIELDS)]
    HeadTooLarge,
    /// Chunk extensions and trailer fields are larger than [`limits::CHUNK_EXTRA_BYTES`].
    #[error("chunk extensions and trailer fields have more than {} bytes", limits::CHUNK_EXTRA_BYTES)]
    ChunkExtrasTooLarge,
    /// A transfer coding other than `chunked` (RFC 9112, 6.1).
    #[error("the only transfer coding that is understood is chunked")]
    TransferCoding,
    /// `CONNECT`: this is no proxy (RFC 9110, 9.3.6).
    #[error("CONNECT is for proxies, and this is none")]
    Connect,
    /// Neither HTTP/1.1 nor HTTP/1.0.
    #[error("only HTTP/1.1 and HTTP/1.0 are spoken here")]
    Version,
}

impl Fault {
    /// The status to answer with.
    pub fn status(self) -> u16 {
        match self {
            Self::TooSlow => 408,
            Self::BodyTooLarge => 413,
            Self::TargetTooLong => 414,
            Self::Expectation => 417,
            Self::HeadTooLarge | Self::ChunkExtrasTooLarge => 431,
            Self::TransferCoding | Self::Connect => 501,
            Self::Version => 505,
            _ => 400,
        }
    }
}
