//! From requests to calls: one `match` over method and path. What cannot be read is a problem that names the fault.

use crate::model::id::JobId;
use crate::model::request::{Declaration, Outcome, Push};
use crate::policy::source::WhichRun;
use crate::wire::http::{Method, Request};
use crate::wire::problem::{Kind, Problem, bad_body, job_id, no_such_path, not_allowed, plain};
use crate::wire::{job, update};

/// What this appliance calls itself to those who may have meant another.
pub(super) const NAME: &str = "VMA";

/// What a VMA can be asked for.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Call {
    /// One job's document.
    Progress(JobId, WhichRun),
    /// The documents that changed.
    List { since: u64, epoch: Option<String> },
    /// The entries of a job's log after one of them.
    Log { job: JobId, after: u64 },
    /// A mover's push.
    Push(JobId, Push),
    /// A declaration.
    Declare(JobId, Declaration),
    /// The end of a job.
    Finish(JobId, Outcome),
    /// Is the daemon alive?
    Health,
    /// What Prometheus reads.
    Metrics,
}

impl Call {
    /// The job that it asks to change, as the caller calls it.
    pub(super) fn changed_job(&self) -> Option<&JobId> {
        match self {
            Self::Push(id, _) | Self::Declare(id, _) | Self::Finish(id, _) => Some(id),
            Self::Progress(..) | Self::List { .. } | Self::Log { .. } | Self::Health | Self::Metrics => None,
        }
    }
    /// True of what movers say, on this machine only.
    pub(super) fn is_of_movers(&self) -> bool {
        matches!(self, Self::Push(..))
    }
    /// True where it asks for a change, whose answer must wait until the change is written.
    pub(super) fn is_change(&self) -> bool {
        matches!(self, Self::Push(..) | Self::Declare(..) | Self::Finish(..))
    }
}

/// Reads a request; a HEAD arrives as the GET that it stands for.
pub(super) fn route(request: &Request) -> Result<Call, Problem> {
    plain(request)?;
    let segments: Vec<&str> = request.segments.iter().map(String::as_str).collect();
    match (&request.method, segments.as_slice()) {
        (Method::Get, ["api", "v1", "progress", id]) => Ok(Call::Progress(job_id(id)?, which_run(request)?)),
        (Method::Get, ["api", "v1", "progress"]) => {
            Ok(Call::List { since: number(request, "since")?, epoch: request.query_value("epoch").map(str::to_owned) })
        }
        (Method::Post, ["api", "v1", "progress", id, "update"]) => {
            Ok(Call::Push(job_id(id)?, update::parse(&request.body).map_err(bad_body)?))
        }
        (Method::Put, ["api", "v1", "jobs", id]) => {
            Ok(Call::Declare(job_id(id)?, job::parse_declaration(&request.body).map_err(bad_body)?))
        }
        (Method::Post, ["api", "v1", "jobs", id, "finish"]) => {
            Ok(Call::Finish(job_id(id)?, job::parse_finish(&request.body).map_err(bad_body)?))
        }
        (Method::Get, ["api", "v1", "jobs", id, "log"]) => {
            Ok(Call::Log { job: job_id(id)?, after: number(request, "after")? })
        }
        (Method::Get, ["health"] | ["api", "v1", "health"]) => Ok(Call::Health),
        (Method::Get, ["metrics"]) => Ok(Call::Metrics),
        (
            _,
            ["api", "v1", "progress", _]
            | ["api", "v1", "progress"]
            | ["api", "v1", "jobs", _, "log"]
            | ["health"]
            | ["api", "v1", "health"]
            | ["metrics"],
        ) => Err(not_allowed("GET, HEAD")),
        (_, ["api", "v1", "progress", _, "update"] | ["api", "v1", "jobs", _, "finish"]) => Err(not_allowed("POST")),
        (_, ["api", "v1", "jobs", _]) => Err(not_allowed("PUT")),
        _ => Err(no_such_path(request, NAME)),
    }
}

/// Which run is asked for: `?run=exact` means that of the very id, and nothing the newest.
fn which_run(request: &Request) -> Result<WhichRun, Problem> {
    match request.query_value("run") {
        None => Ok(WhichRun::Newest),
        Some("exact") => Ok(WhichRun::Exactly),
        Some(other) => Err(Problem::new(Kind::BadQuery, format!("run is {other:?}; \"exact\" is expected, or no run"))),
    }
}

/// A whole number of the query; 0 where it is missing.
fn number(request: &Request, key: &str) -> Result<u64, Problem> {
    let text = request.query_value(key).unwrap_or("0");
    text.parse().map_err(|_| Problem::new(Kind::BadQuery, format!("{key} is {text:?}, a whole number is expected")))
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
        let problem = get("api/v1/replications/changeid", vec![], b"").expect_err("a path of another");
        assert_eq!(problem.appliance, Some("VMA"));
        let zipped = vec![("content-encoding".to_owned(), "identity, gzip".to_owned())];
        let problem = get("health", zipped, b"x").expect_err("no body is unpacked");
        assert_eq!((problem.kind.status(), problem.detail.contains("\"gzip\"")), (415, true));
    }
}
