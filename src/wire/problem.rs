//! Errors as `application/problem+json` (RFC 9457): what went wrong, and what to do about it.
//!
//! Reading is lenient: whatever is a JSON object with a title or a detail is a problem; anything else is none.

use nanoserde::SerJson;
use serde::Deserialize;

use super::BadBody;
use super::http::{Fault, Request, Response};
use crate::model::id::JobId;

macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident = $status:literal $name:literal $title:literal: $meaning:literal,)*) => {
        /// What kind of problem; its URI is `urn:waybill:problem:<name>`. `packaging/doc/problems.md` explains each.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Kind { $($(#[$doc])* $variant,)* }

        impl Kind {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The last part of its URI, in kebab case.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
            /// The HTTP status that goes with it.
            pub const fn status(self) -> u16 {
                match self { $(Self::$variant => $status,)* }
            }
            /// The kind in words, the same for every problem of the kind.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)* }
            }
            /// What it means and what the caller can do, for the documentation.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning,)* }
            }
        }
    };
}

kinds! {
    /// The path's job id breaks the rules of R-2.
    BadId = 400 "bad-id" "The job id is not valid":
        "An id has 1 to 255 bytes, no control characters and none that cannot be seen; percent-encode what is not plain ASCII.",
    /// The body is not what the path takes.
    BadBody = 400 "bad-body" "The body cannot be read":
        "Send one JSON object in the shape that the path takes; the detail names the key and what was expected.",
    /// A value of the query.
    BadQuery = 400 "bad-query" "The query cannot be read":
        "The detail names the parameter and what was expected.",
    /// No `[[vma]]` of that name.
    UnknownVma = 400 "unknown-vma" "The VMA is not configured":
        "The detail lists the known names; add a [[vma]] section to oma.toml and send the daemon SIGHUP.",
    /// The request breaks RFC 9112.
    MalformedRequest = 400 "malformed-request" "The request is malformed":
        "The bytes are no valid HTTP/1.1 request; the detail names the rule. The connection is closed.",
    /// The caller is known, and this is not theirs (R-61).
    NotYours = 403 "not-yours" "This is not the caller's":
        "A VMA speaks for its own jobs only. The detail names the caller as its certificate does, and whose the job is.",
    /// A token is not taken, or a request not signed (R-63).
    EnrolmentRefused = 403 "enrolment-refused" "The enrolment is refused":
        "The detail says why. A token is good once and for a while: make a new one on the OMA with `waybill pki token`.",
    /// Nobody has heard of the job.
    UnknownJob = 404 "unknown-job" "The job is not known":
        "Check the id. On the VMA declare the job before its mover starts; on the OMA track it.",
    /// No such resource.
    NoSuchPath = 404 "no-such-path" "There is no such path":
        "VMA, OMA and the VMA's change-id listener have different paths; `appliance` says which of them answered.",
    /// The path takes other methods.
    Method = 405 "method" "The method is not allowed here":
        "The Allow field names the methods that the path takes.",
    /// The head or the body came too slowly.
    RequestTimeout = 408 "request-timeout" "The request came too slowly":
        "Send head and body without long pauses. The connection is closed.",
    /// The job is known with other facts (R-4).
    Contradiction = 409 "contradiction" "The job is known with other facts":
        "The detail gives each difference as known and given. Repeat the known facts or leave them out; another run needs another id.",
    /// Two jobs claim one name (R-2).
    AliasTaken = 409 "alias-taken" "Another job has this name":
        "The detail names both jobs. Finish the one that holds the name, or leave the name out.",
    /// The job has ended (R-42).
    Finished = 409 "finished" "The job has ended":
        "An ended job never changes. Use a new id; a mover that starts again under the old one opens the run `ID~2` by itself.",
    /// A declared disk is not Completed (R-45).
    DisksOpen = 409 "disks-open" "Not every declared disk is Completed":
        "The detail names the disks. Wait for them, or finish the job as Failed.",
    /// Over `limits::BODY_BYTES`.
    BodyTooLarge = 413 "body-too-large" "The body is too large":
        "The detail names the bound. The connection is closed.",
    /// Over `limits::TARGET_BYTES`.
    TargetTooLong = 414 "target-too-long" "The request target is too long":
        "The detail names the bound. The connection is closed.",
    /// A body that is compressed.
    ContentEncoding = 415 "content-encoding" "The body is encoded":
        "The detail names the encoding. Send the body uncompressed, without a Content-Encoding field.",
    /// `Expect` other than `100-continue`.
    ExpectationFailed = 417 "expectation-failed" "The expectation cannot be met":
        "Leave the Expect field out, or send 100-continue.",
    /// More than is ever possible (R-32).
    TooMany = 422 "too-many" "More is asked for than is possible":
        "The detail names what there is too much of and the bound. Repeating the request cannot help.",
    /// The head is over its bounds.
    HeadTooLarge = 431 "head-too-large" "The header fields are too large":
        "The detail names the bound. The connection is closed.",
    /// A handler panicked.
    InternalError = 500 "internal-error" "Internal error":
        "A fault of waybill: its log has the place. Other requests and jobs are not affected.",
    /// A method or coding that is not spoken here.
    NotImplemented = 501 "not-implemented" "Not implemented":
        "The detail names the transfer coding or method that is not understood.",
    /// The OMA asked the VMA in vain.
    VmaUnreachable = 502 "vma-unreachable" "The VMA does not answer":
        "The request needed the VMA, and the detail says in which phase it failed. Nothing has changed; repeat it when the VMA is back.",
    /// The database takes or gives nothing (R-27).
    Database = 503 "database" "The database cannot be used":
        "Nothing was lost, and polling goes on. Repeat the request; the daemon's log says what is wrong with the database.",
    /// No room now (R-32).
    Full = 503 "full" "There is no room now":
        "A bound is reached that unfinished jobs count against. Finish those that no longer run, then repeat.",
    /// The daemon ends.
    Stopping = 503 "stopping" "The appliance is stopping":
        "Repeat the request when the daemon is back.",
    /// Neither HTTP/1.1 nor HTTP/1.0.
    VersionNotSupported = 505 "version-not-supported" "The HTTP version is not supported":
        "HTTP/1.1 and HTTP/1.0 are spoken here.",
}

/// How the URI of every kind begins.
const URN: &str = "urn:waybill:problem:";

/// An error for the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What kind; programs tell problems apart by it.
    pub kind: Kind,
    /// What happened this time.
    pub detail: String,
    /// What the caller can do.
    pub remedy: Option<String>,
    /// The methods that the path takes, for the Allow field of a 405 (RFC 9110, 15.5.6).
    pub allow: Option<&'static str>,
    /// Which appliance and listener answers, if the caller may have meant another.
    pub appliance: Option<&'static str>,
}

impl Problem {
    /// A problem without a remedy of its own.
    pub fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), remedy: None, allow: None, appliance: None }
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
    appliance: Option<&'static str>,
}

impl From<Problem> for Response {
    fn from(problem: Problem) -> Self {
        let doc = ProblemDoc {
            kind: format!("{URN}{}", problem.kind.name()),
            title: problem.kind.title().to_owned(),
            status: problem.kind.status(),
            detail: problem.detail,
            remedy: problem.remedy,
            appliance: problem.appliance,
        };
        let mut response = Self::json(problem.kind.status(), doc.serialize_json());
        response.content_type = "application/problem+json";
        if problem.kind == Kind::ContentEncoding {
            response.headers.push(("Accept-Encoding", "identity".to_owned()));
        }
        response.headers.extend(problem.allow.map(|methods| ("Allow", methods.to_owned())));
        response
    }
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        let kind = match fault.status() {
            408 => Kind::RequestTimeout,
            413 => Kind::BodyTooLarge,
            414 => Kind::TargetTooLong,
            417 => Kind::ExpectationFailed,
            431 => Kind::HeadTooLarge,
            501 => Kind::NotImplemented,
            505 => Kind::VersionNotSupported,
            _ => Kind::MalformedRequest,
        };
        Self::new(kind, fault.to_string())
    }
}

/// A problem that somebody else sent.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ReadProblem {
    /// The URI of its kind; empty where missing.
    #[serde(default, rename = "type")]
    pub kind: String,
    /// The kind in words; empty where missing.
    #[serde(default)]
    pub title: String,
    /// What happened; empty where missing.
    #[serde(default)]
    pub detail: String,
    /// What can be done, where the sender knows.
    #[serde(default)]
    pub remedy: Option<String>,
    /// Which appliance and listener of waybill answered, if it says so.
    #[serde(default)]
    pub appliance: Option<String>,
}

impl ReadProblem {
    /// True if it is of that kind.
    pub fn is(&self, kind: Kind) -> bool {
        self.kind.strip_prefix(URN) == Some(kind.name())
    }
}

/// Reads a problem; `None` for a body that is none.
pub fn read(body: &[u8]) -> Option<ReadProblem> {
    let problem: ReadProblem = serde_json::from_slice(body).ok()?;
    (!problem.title.is_empty() || !problem.detail.is_empty()).then_some(problem)
}

/// What an answer that is no success says, shortly.
pub fn said(body: &[u8]) -> String {
    match read(body) {
        Some(problem) => format!("{}: {}", problem.title, problem.detail),
        None => String::from_utf8_lossy(&body[..body.len().min(200)]).into_owned(),
    }
}

/// The job id of a path, or why it is none.
pub fn job_id(text: &str) -> Result<JobId, Problem> {
    JobId::parse(text).map_err(|why| Problem::new(Kind::BadId, format!("the job id {why}")))
}

/// A body that cannot be read.
pub fn bad_body(why: BadBody) -> Problem {
    Problem::new(Kind::BadBody, why.to_string())
        .with_remedy("send one JSON object in the shape that the documentation gives for this path")
}

/// Refuses a body that is compressed or otherwise encoded (RFC 9110, 15.5.16).
pub fn plain(request: &Request) -> Result<(), Problem> {
    let encodings = request.headers.iter().filter(|(name, _)| name == "content-encoding");
    let mut words = encodings.flat_map(|(_, value)| value.split(',')).map(str::trim).filter(|word| !word.is_empty());
    match words.find(|word| !word.eq_ignore_ascii_case("identity")) {
        Some(word) if !request.body.is_empty() => {
            let detail = format!("Content-Encoding is {word:?}, which is not understood here");
            Err(Problem::new(Kind::ContentEncoding, detail).with_remedy("send the body uncompressed"))
        }
        _ => Ok(()),
    }
}

/// The answer to a request over which waybill panicked (R-52).
pub fn panicked() -> Problem {
    Problem::new(Kind::InternalError, "the request could not be handled")
        .with_remedy("look into the daemon's log for the panic and report it")
}

/// A path that exists, with another method.
pub fn not_allowed(allowed: &'static str) -> Problem {
    let detail = format!("this path takes {allowed}");
    Problem { allow: Some(allowed), ..Problem::new(Kind::Method, detail) }
}

/// A path that does not exist; `appliance` says who it is that has no such path.
pub fn no_such_path(request: &Request, appliance: &'static str) -> Problem {
    let path = request.segments.join("/");
    let problem = Problem::new(Kind::NoSuchPath, format!("/{path} is no path of the {appliance}, which answers here"));
    let remedy = "check the port: `listen` in the configuration of each appliance says where it answers";
    Problem { appliance: Some(appliance), ..problem.with_remedy(remedy) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_comes_back_as_it_was_sent() {
        let detail = "job \"a\\b\"\n\u{1}\u{e4} has no disk";
        let problem = Problem::new(Kind::UnknownJob, detail).with_remedy("declare it first");
        let response = Response::from(problem);
        assert_eq!((response.status, response.content_type), (404, "application/problem+json"));
        let json: serde_json::Value = serde_json::from_slice(&response.body).unwrap();
        assert_eq!((&json["type"], &json["status"]), (&"urn:waybill:problem:unknown-job".into(), &404.into()));
        let back = read(&response.body).unwrap();
        assert_eq!((back.title.as_str(), back.detail.as_str()), ("The job is not known", detail));
        assert_eq!(back.remedy.as_deref(), Some("declare it first"));
        assert!(back.is(Kind::UnknownJob) && !back.is(Kind::NoSuchPath));
    }

    #[test]
    fn a_remedy_that_is_unknown_is_left_out() {
        let response = Response::from(Problem::new(Kind::BadQuery, "d"));
        let expected =
            r#"{"type":"urn:waybill:problem:bad-query","title":"The query cannot be read","status":400,"detail":"d"}"#;
        assert_eq!(String::from_utf8(response.body).unwrap(), expected);
    }

    #[test]
    fn the_documentation_explains_every_kind() {
        let page = include_str!("../../packaging/doc/problems.md");
        let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| `")).collect();
        let expected: Vec<String> = Kind::ALL
            .iter()
            .map(|kind| format!("| `{}` | {} | {} | {} |", kind.name(), kind.status(), kind.title(), kind.meaning()))
            .collect();
        assert_eq!(rows, expected, "packaging/doc/problems.md needs exactly these rows:\n{}", expected.join("\n"));
    }

    #[test]
    fn every_fault_of_a_request_has_the_status_of_its_kind() {
        let faults = [Fault::Framing, Fault::TooSlow, Fault::BodyTooLarge, Fault::TargetTooLong, Fault::Expectation];
        for fault in faults.into_iter().chain([Fault::HeadTooLarge, Fault::Connect, Fault::Version]) {
            assert_eq!(Problem::from(fault).kind.status(), fault.status(), "{fault}");
        }
    }

    #[test]
    fn what_is_no_problem_is_not_taken_for_one() {
        for other in ["", "job not found", "[]", "{}", "{\"title\":7}", "{\"status\":404}", "{\"title\":\"\"}"] {
            assert_eq!(read(other.as_bytes()), None, "{other}");
        }
        assert_eq!(read(b"{\"detail\":\"x\",\"more\":{}}").map(|problem| problem.detail).as_deref(), Some("x"));
    }
}
