//! A request and an answer as the rest of the house sees them: decoded, complete, without framing.

/// A request method; names are case-sensitive (RFC 9110, 9.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Method {
    /// `GET`.
    Get,
    /// `HEAD`. The server turns it into [`Method::Get`] and keeps the answer's body back.
    Head,
    /// `POST`.
    Post,
    /// `PUT`.
    Put,
    /// `DELETE`.
    Delete,
    /// Any other token, as sent.
    Other(String),
}

impl Method {
    /// The method of that name.
    pub fn from_name(name: &str) -> Self {
        match name {
            "GET" => Self::Get,
            "HEAD" => Self::Head,
            "POST" => Self::Post,
            "PUT" => Self::Put,
            "DELETE" => Self::Delete,
            other => Self::Other(other.to_owned()),
        }
    }
    /// The name on the wire.
    pub fn name(&self) -> &str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
            Self::Other(name) => name,
        }
    }
    /// Whether a request that got no answer may be sent again without asking (RFC 9110, 9.2.2).
    ///
    /// `POST` is not among them: a repeated push can open the next disk (`wire.md`), and a lost `finish` is for its
    /// caller to repeat.
    pub fn may_be_repeated(&self) -> bool {
        matches!(self, Self::Get | Self::Head | Self::Put | Self::Delete)
    }
}

/// A complete request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// What is asked for.
    pub method: Method,
    /// The path split at `/`, each part percent-decoded; `/` gives none, `/a/` gives `a` and an empty one.
    pub segments: Vec<String>,
    /// The query's keys and values in their order, decoded (`%XX`, and `+` as a space).
    pub query: Vec<(String, String)>,
    /// The header fields in their order, names in lower case; bytes that are not UTF-8 are replaced.
    pub headers: Vec<(String, String)>,
    /// The body, at most [`crate::limits::BODY_BYTES`].
    pub body: Vec<u8>,
}

impl Request {
    /// The first header field of that name; the name is given in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
    /// The first value of that key in the query.
    pub fn query_value(&self, key: &str) -> Option<&str> {
        self.query.iter().find(|(known, _)| known == key).map(|(_, value)| value.as_str())
    }
}

/// A complete answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The status, 200 to 599.
    pub status: u16,
    /// The media type of the body; `""` for none.
    pub content_type: &'static str,
    /// Further header fields. Framing fields (`Content-Length`, `Transfer-Encoding`, `Connection`) are the server's
    /// own and are left out if they stand here.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Response {
    /// A JSON answer; the body is JSON text already.
    pub fn json(status: u16, body: String) -> Self {
        Self { status, content_type: "application/json", headers: Vec::new(), body: body.into_bytes() }
    }
    /// A page of that media type.
    pub fn page(content_type: &'static str, body: String) -> Self {
        Self { content_type, ..Self::json(200, body) }
    }
    /// A plain-text answer.
    pub fn text(status: u16, body: impl Into<String>) -> Self {
        let body = body.into().into_bytes();
        Self { status, content_type: "text/plain; charset=utf-8", headers: Vec::new(), body }
    }
}
