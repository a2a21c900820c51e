//! The bodies of an enrolment and a renewal: a request for a certificate goes, a certificate comes back.

use nanoserde::SerJson;
use serde::Deserialize;

use super::{BadBody, read_object};

/// `POST /api/v1/pki/enrol`: a token's two halves, and the request. `POST /api/v1/pki/renew`: the request, and the
/// certificate with which whoever asks has come in.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, SerJson)]
pub struct EnrolDoc {
    /// The token's public half.
    #[serde(default)]
    pub token: String,
    /// Its secret half.
    #[serde(default)]
    pub secret: String,
    /// The request, PEM (RFC 2986).
    pub request: String,
    /// The certificate that is to be renewed, PEM.
    #[serde(default)]
    pub certificate: String,
}

/// What comes back.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, SerJson)]
pub struct IssuedDoc {
    /// The certificate and those between it and its authority, PEM.
    pub certificate: String,
    /// The authority, PEM.
    pub authority: String,
    /// Whose it is.
    pub owner: String,
    /// Until when it is valid.
    pub not_after: String,
}

/// Writes either request.
pub fn render_request(asked: &EnrolDoc) -> String {
    asked.serialize_json()
}

/// Writes the answer to either.
pub fn render_issued(issued: &IssuedDoc) -> String {
    issued.serialize_json()
}

/// Reads either request.
pub fn parse_request(body: &[u8]) -> Result<EnrolDoc, BadBody> {
    read_object(body)
}

/// Reads the answer to either.
pub fn parse_issued(body: &[u8]) -> Result<IssuedDoc, BadBody> {
    read_object(body)
}
