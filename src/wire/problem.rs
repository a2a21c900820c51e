//! Errors as `application/problem+json` (RFC 9457): what went wrong, and what to do about it.
//!
//! Reading is lenient: whatever is a JSON object with a title or a detail is a problem; anything else is none.

use nanoserde::SerJson;
use serde::Deserialize;

use super::BadBody;
use super::http::{Fault, Request, Response};
use crate::model::id::JobId;

/// An error for the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The HTTP status, 400 to 599.
    pub status: u16,
    /// The kind in kebab case; programs tell problems apart by it (`urn:waybill:problem:<kind>`).
    pub kind: &'static str,
    /// The kind in words, the same for every problem of the kind.
    pub title: &'static str,
    /// What happened this time.
    pub detail: String,
    /// What the caller can do.
    pub remedy: Option<String>,
    /// The methods that the path takes, for the Allow field of a 405 (RFC 9110, 15.5.6).
    pub allow: Option<&'static str>,
}

impl Problem {
    /// A problem without a remedy.
    pub fn new(status: u16, kind: &'static str, title: &'static str, detail: impl Into<String>) -> Self {
        Self { status, kind, title, detail: detail.into(), remedy: None, allow: None }
    }
    /// The same with a remedy.
    pub fn with_remedy(self, remedy: impl Into<String>) -> Self {
        Self { remedy: Some(remedy.into()), ..self }
    }
}

#[derive(SerJson)]
struct ProblemDoc {
    #[nserde(rename = "type")]
    kind: String,
    title: String,
    status: u16,
    detail: String,
    remedy: Option<String>,
}

impl From<Problem> for Response {
    fn from(problem: Problem) -> Self {
        let doc = ProblemDoc {
            kind: format!("urn:waybill:problem:{}", problem.kind),
            title: problem.title.to_owned(),
            status: problem.status,
            detail: problem.detail,
            remedy: problem.remedy,
        };
        let mut response = Self::json(problem.status, doc.serialize_json());
        response.content_type = "application/problem+json";
        response.headers.extend(problem.allow.map(|methods| ("Allow", methods.to_owned())));
        response
    }
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        let (kind, title) = match fault.status() {
            408 => ("request-timeout", "The request came too slowly"),
            413 => ("body-too-large", "The body is too large"),
            414 => ("target-too-long", "The request target is too long"),
            417 => ("expectation-failed", "The expectation cannot be met"),
            431 => ("head-too-large", "The header fields are too large"),
            501 => ("not-implemented", "Not implemented"),
            505 => ("version-not-supported", "The HTTP version is not supported"),
            _ => ("malformed-request", "The request is malformed"),
        };
        Self::new(fault.status(), kind, title, fault.to_string())
    }
}

/// A problem that somebody else sent.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ReadProblem {
    /// The kind in words; empty where missing.
    #[serde(default)]
    pub title: String,
    /// What happened; empty where missing.
    #[serde(default)]
    pub detail: String,
    /// What can be done, where the sender knows.
    #[serde(default)]
    pub remedy: Option<String>,
}

/// Reads a problem; `None` for a body that is none.
pub fn read(body: &[u8]) -> Option<ReadProblem> {
    let problem: ReadProblem = serde_json::from_slice(body).ok()?;
    (!problem.title.is_empty() || !problem.detail.is_empty()).then_some(problem)
}

/// The job id of a path, or why it is none.
pub fn job_id(text: &str) -> Result<JobId, Problem> {
    JobId::parse(text)
        .map_err(|why| Problem::new(400, "bad-id", "The job id is not valid", format!("the job id {why}")))
}

/// A body that cannot be read.
pub fn bad_body(why: BadBody) -> Problem {
    Problem::new(400, "bad-body", "The body cannot be read", why.to_string())
        .with_remedy("send one JSON object in the shape that the documentation gives for this path")
}

/// A path that exists, with another method.
pub fn not_allowed(allowed: &'static str) -> Problem {
    let detail = format!("this path takes {allowed}");
    Problem { allow: Some(allowed), ..Problem::new(405, "method", "The method is not allowed here", detail) }
}

/// A path that does not exist.
pub fn no_such_path(request: &Request) -> Problem {
    let path = request.segments.join("/");
    Problem::new(404, "no-such-path", "There is no such path", format!("/{path} is no path of this appliance"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_comes_back_as_it_was_sent() {
        let detail = "job \"a\\b\"\n\u{1}\u{e4} has no disk";
        let problem = Problem::new(404, "unknown-job", "No such job", detail).with_remedy("declare it first");
        let response = Response::from(problem);
        assert_eq!((response.status, response.content_type), (404, "application/problem+json"));
        let json: serde_json::Value = serde_json::from_slice(&response.body).unwrap();
        assert_eq!((&json["type"], &json["status"]), (&"urn:waybill:problem:unknown-job".into(), &404.into()));
        let back = read(&response.body).unwrap();
        assert_eq!((back.title.as_str(), back.detail.as_str()), ("No such job", detail));
        assert_eq!(back.remedy.as_deref(), Some("declare it first"));
    }

    #[test]
    fn a_remedy_that_is_unknown_is_left_out() {
        let response = Response::from(Problem::new(400, "k", "t", "d"));
        let expected = r#"{"type":"urn:waybill:problem:k","title":"t","status":400,"detail":"d"}"#;
        assert_eq!(String::from_utf8(response.body).unwrap(), expected);
    }

    #[test]
    fn what_is_no_problem_is_not_taken_for_one() {
        for other in ["", "job not found", "[]", "{}", "{\"title\":7}", "{\"status\":404}", "{\"title\":\"\"}"] {
            assert_eq!(read(other.as_bytes()), None, "{other}");
        }
        assert_eq!(read(b"{\"detail\":\"x\",\"more\":{}}").map(|problem| problem.detail).as_deref(), Some("x"));
    }
}
