//! From requests to calls: one `match` over method and path. What cannot be read is a problem that names the fault.

use crate::model::id::{CorrelationId, JobId, VmaName};
use crate::model::request::{ChangeIdReport, DiskQuestion, Outcome, TrackRequest};
use crate::policy::guests::Matter;
use crate::wire::enrolment::{self, EnrolDoc};
use crate::wire::http::{Method, Request};
use crate::wire::problem::{Problem, bad_body, job_id, no_such_path, not_allowed, plain};
use crate::wire::{changeid, job};

/// What this appliance calls itself to those who may have meant another.
pub(super) const NAME: &str = "OMA";

/// What an OMA can be asked for.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Call {
    /// Track a job.
    Track(TrackRequest),
    /// All jobs that are tracked.
    Jobs,
    /// One job, tracked or ended.
    Job(JobId),
    /// End a job.
    Cancel(JobId, String),
    /// Ask the job's VMA to end it.
    Finish(JobId, Outcome),
    /// The last change id of a disk.
    LastChangeId(DiskQuestion),
    /// A disk's new change id; the job as the path has it, because it is stored even where it is no valid id. The
    /// correlation id is that of its run, where a VMA hands it on.
    ChangeId { job: String, report: ChangeIdReport, correlation: Option<CorrelationId> },
    /// A token is turned into a certificate.
    Enrol(EnrolDoc),
    /// A VMA wants its certificate renewed.
    Renew(EnrolDoc),
    /// Is the daemon alive?
    Health,
    /// What Prometheus reads.
    Metrics,
}

impl Call {
    /// What it is about, where it matters who asks; `owner` is the VMA of the job that it names.
    pub(super) fn matter<'m>(&'m self, owner: Option<&'m VmaName>) -> Matter<'m> {
        match self {
            Self::Health => Matter::Health,
            Self::LastChangeId(_) => Matter::LastChangeId,
            Self::ChangeId { job, .. } => Matter::ChangeId { job, owner },
            Self::Renew(_) => Matter::Renewal,
            Self::Enrol(_) => Matter::Enrolment,
            Self::Track(_) | Self::Jobs | Self::Job(_) | Self::Cancel(..) | Self::Finish(..) | Self::Metrics => {
                Matter::Operation
            }
        }
    }
    /// True where it asks for a change, whose answer must wait until the change is written.
    pub(super) fn is_change(&self) -> bool {
        matches!(self, Self::Track(_) | Self::Cancel(..) | Self::ChangeId { .. })
    }
}

/// Reads a request; a HEAD arrives as the GET that it stands for.
pub(super) fn route(request: &Request) -> Result<Call, Problem> {
    plain(request)?;
    let segments: Vec<&str> = request.segments.iter().map(String::as_str).collect();
    match (&request.method, segments.as_slice()) {
        (Method::Post, ["api", "v1", "jobs"]) => Ok(Call::Track(job::parse_track(&request.body).map_err(bad_body)?)),
        (Method::Get, ["api", "v1", "jobs"]) => Ok(Call::Jobs),
        (Method::Get, ["api", "v1", "jobs", id]) => Ok(Call::Job(job_id(id)?)),
        (Method::Post, ["api", "v1", "jobs", id, "cancel"]) => {
            Ok(Call::Cancel(job_id(id)?, job::parse_cancel(&request.body).map_err(bad_body)?))
        }
        (Method::Post, ["api", "v1", "jobs", id, "finish"]) => {
            Ok(Call::Finish(job_id(id)?, job::parse_finish(&request.body).map_err(bad_body)?))
        }
        (Method::Get, ["api", "v1", "replications", "changeid"]) => {
            Ok(Call::LastChangeId(changeid::read_question(|key| request.query_value(key)).map_err(bad_body)?))
        }
        (Method::Post, ["api", "v1", "replications", job, "changeid"]) => {
            let report = changeid::parse(&request.body).map_err(bad_body)?;
            let correlation = request.header("x-correlation-id").and_then(|id| CorrelationId::parse(id).ok());
            Ok(Call::ChangeId { job: (*job).to_owned(), report, correlation })
        }
        (Method::Post, ["api", "v1", "pki", "enrol"]) => {
            Ok(Call::Enrol(enrolment::parse_request(&request.body).map_err(bad_body)?))
        }
        (Method::Post, ["api", "v1", "pki", "renew"]) => {
            Ok(Call::Renew(enrolment::parse_request(&request.body).map_err(bad_body)?))
        }
        (Method::Get, ["health"] | ["api", "v1", "health"]) => Ok(Call::Health),
        (Method::Get, ["metrics"]) => Ok(Call::Metrics),
        (_, ["api", "v1", "jobs"]) => Err(not_allowed("GET, HEAD, POST")),
        (
            _,
            ["api", "v1", "jobs", _]
            | ["api", "v1", "replications", "changeid"]
            | ["health"]
            | ["api", "v1", "health"]
            | ["metrics"],
        ) => Err(not_allowed("GET, HEAD")),
        (_, ["api", "v1", "jobs", _, "cancel" | "finish"] | ["api", "v1", "replications", _, "changeid"]) => {
            Err(not_allowed("POST"))
        }
        (_, ["api", "v1", "pki", "enrol" | "renew"]) => Err(not_allowed("POST")),
        _ => Err(no_such_path(request, NAME)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn health_answers_at_both_paths_and_another_path_says_who_answers() {
        let get = |path: &str, headers, body: &[u8]| {
            let segments = path.split('/').map(str::to_owned).collect();
            route(&Request { method: Method::Get, segments, query: vec![], headers, body: body.to_vec() })
        };
        assert_eq!(
            (get("health", vec![], b""), get("api/v1/health", vec![], b"")),
            (Ok(Call::Health), Ok(Call::Health))
        );
        let problem = get("api/v1/progress", vec![], b"").expect_err("a path of another");
        assert_eq!(problem.appliance, Some("OMA"));
        let zipped = vec![("content-encoding".to_owned(), "identity, gzip".to_owned())];
        let problem = get("health", zipped, b"x").expect_err("no body is unpacked");
        assert_eq!((problem.kind.status(), problem.detail.contains("\"gzip\"")), (415, true));
    }
}
