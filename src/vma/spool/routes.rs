//! From requests to the spool's calls: the movers' two change-id calls, and nothing else (R-31).

use crate::model::request::{ChangeIdReport, DiskQuestion};
use crate::wire::changeid;
use crate::wire::http::{Method, Request};
use crate::wire::problem::{Problem, bad_body, no_such_path, not_allowed, plain};

/// What this listener calls itself to those who may have meant another.
pub(super) const NAME: &str = "VMA change-id listener";

/// What the spool can be asked for.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Call {
    /// The last change id of a disk.
    Look(DiskQuestion),
    /// A disk's new change id; the job as the path has it, because it is stored even where it is no valid id.
    ChangeId { job: String, report: ChangeIdReport },
    /// Is the daemon alive?
    Health,
}

/// Reads a request; a HEAD arrives as the GET that it stands for.
pub(super) fn route(request: &Request) -> Result<Call, Problem> {
    plain(request)?;
    let segments: Vec<&str> = request.segments.iter().map(String::as_str).collect();
    let text = |key: &str| request.query_value(key).unwrap_or("").to_owned();
    match (&request.method, segments.as_slice()) {
        (Method::Get, ["api", "v1", "replications", "changeid"]) => {
            let (vm_path, disk) = (text("vm_path"), text("disk_id"));
            Ok(Call::Look(DiskQuestion { vm_path, disk, ..DiskQuestion::default() }))
        }
        (Method::Post, ["api", "v1", "replications", job, "changeid"]) => {
            let report = changeid::parse(&request.body).map_err(bad_body)?;
            Ok(Call::ChangeId { job: (*job).to_owned(), report })
        }
        (Method::Get, ["health"] | ["api", "v1", "health"]) => Ok(Call::Health),
        (_, ["api", "v1", "replications", "changeid"] | ["health"] | ["api", "v1", "health"]) => {
            Err(not_allowed("GET, HEAD"))
        }
        (_, ["api", "v1", "replications", _, "changeid"]) => Err(not_allowed("POST")),
        _ => Err(no_such_path(request, NAME)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn health_answers_at_both_paths_and_another_path_says_who_answers() {
        let request = |path: &str| {
            let segments = path.split('/').map(str::to_owned).collect();
            Request { method: Method::Get, segments, query: vec![], headers: vec![], body: vec![] }
        };
        let get = |path| route(&request(path));
        assert_eq!((get("health"), get("api/v1/health")), (Ok(Call::Health), Ok(Call::Health)));
        let problem = get("api/v1/jobs").expect_err("a path of the OMA");
        assert_eq!(problem.appliance, Some("VMA change-id listener"));
        assert!(problem.detail.contains("VMA change-id listener"), "{}", problem.detail);
        let headers = vec![("content-encoding".to_owned(), "br".to_owned())];
        let problem = route(&Request { headers, body: b"x".to_vec(), ..request("health") }).expect_err("not unpacked");
        assert_eq!((problem.kind.status(), problem.detail.contains("\"br\"")), (415, true));
    }
}
