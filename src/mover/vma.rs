//! The VMA as a mover's wrapper talks to it: push, read the document, finish (R-12, R-3, R-1, R-4).
//!
//! Every call ends within [`TIMEOUT`]. An error is told apart in two kinds, because only one of them is worth a retry:
//! the VMA is away, or it has refused. Plain http to loopback only (R-60).

use std::time::Duration;

use nanoserde::SerJson;
use serde::Deserialize;
use ureq::Agent;

use super::gauge::Figure;
use crate::limits;
use crate::model::id::{DiskId, JobId};
use crate::model::request::Outcome;
use crate::model::stage::Stage;
use crate::model::status::{DiskStatus, JobStatus};
use crate::wire::http::encode_segment;
use crate::wire::origin::Origin;
use crate::wire::{job, problem, progress};

/// Longest that one call may take.
const TIMEOUT: Duration = Duration::from_secs(2);

/// A call that brought nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// No answer, or one that blames the VMA itself; worth another try.
    #[error("{0}")]
    Away(String),
    /// The VMA understood and said no.
    #[error("{status}: {said}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// The VMA's own words.
        said: String,
    },
}

/// A mover's push (`wire.md`). Texts and counts as the movers in the field send them.
#[derive(Debug, SerJson)]
pub struct PushDoc {
    stage: String,
    status: String,
    bytes_transferred: u64,
    total_bytes: Option<u64>,
    throughput_bps: u64,
    percent: Option<f64>,
    disk_id: Option<String>,
    error_message: Option<String>,
    bytes_source: Option<String>,
}

impl PushDoc {
    /// Starts a run: the stage before Transfer, which also opens a new run of a finished id (R-40).
    pub fn start() -> Self {
        Self { stage: Stage::StartExports.wire_name().into(), ..Self::bare("in_progress") }
    }
    /// Opens the disk.
    pub fn open(disk: &DiskId) -> Self {
        Self { disk_id: Some(disk.as_str().into()), ..Self::bare("in_progress") }
    }
    /// Tells how far the disk is; `rate_bps` is the mean since the mover's start.
    pub fn running(disk: &DiskId, figure: &Figure, rate_bps: u64) -> Self {
        Self {
            bytes_transferred: figure.bytes,
            total_bytes: figure.total,
            throughput_bps: rate_bps,
            percent: figure.percent.map(|percent| percent.as_f64()),
            bytes_source: figure.counted.then(|| "proc-io".to_owned()),
            ..Self::open(disk)
        }
    }
    /// Ends the disk well.
    pub fn completed(disk: &DiskId, figure: &Figure, rate_bps: u64) -> Self {
        Self { status: "completed".into(), ..Self::running(disk, figure, rate_bps) }
    }
    /// Ends the disk badly.
    pub fn failed(disk: &DiskId, figure: &Figure, rate_bps: u64, reason: &str) -> Self {
        let failed = Self { status: "failed".into(), ..Self::running(disk, figure, rate_bps) };
        Self { error_message: Some(reason.to_owned()), ..failed }
    }

    fn bare(status: &str) -> Self {
        Self {
            stage: Stage::Transfer.wire_name().into(),
            status: status.into(),
            bytes_transferred: 0,
            total_bytes: None,
            throughput_bps: 0,
            percent: None,
            disk_id: None,
            error_message: None,
            bytes_source: None,
        }
    }
}

/// The answer to a push; older VMAs send something else.
#[derive(Deserialize)]
struct PushedDoc {
    job_id: String,
}

/// What the progress document says, as far as it decides how to go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// How far the job is.
    pub status: JobStatus,
    /// Why the job failed.
    pub error: Option<String>,
    /// How many disks it knows.
    pub disks: usize,
    /// Those that are not Completed.
    pub waits_for: Vec<String>,
}

/// One VMA.
#[derive(Debug, Clone)]
pub struct Vma {
    agent: Agent,
    base: String,
}

impl Vma {
    /// The VMA at this place.
    pub fn at(origin: &Origin) -> Self {
        // A proxy from the environment is for the mover, not for loopback; a redirect would lead off this machine.
        let agent = Agent::config_builder()
            .timeout_global(Some(TIMEOUT))
            .http_status_as_error(false)
            .proxy(None)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .build()
            .new_agent();
        Self { agent, base: format!("http://{}", origin.authority()) }
    }
    /// Its URL, without a slash at the end.
    pub fn url(&self) -> &str {
        &self.base
    }
    /// Pushes; answers the run that the VMA counts it to, where it says so (R-40).
    pub fn push(&self, job: &JobId, push: &PushDoc) -> Result<Option<JobId>, Trouble> {
        let (status, body) =
            self.post(&format!("/api/v1/progress/{}/update", encode_segment(job.as_str())), &push.serialize_json())?;
        if status != 200 {
            return Err(refusal(status, &body));
        }
        let answer: Option<PushedDoc> = serde_json::from_slice(&body).ok();
        Ok(answer.and_then(|answer| JobId::parse(&answer.job_id).ok()))
    }
    /// Reads how a job stands; `None` where the VMA does not know it.
    pub fn standing(&self, job: &JobId) -> Result<Option<Standing>, Trouble> {
        let call = self.agent.get(format!("{}/api/v1/progress/{}", self.base, encode_segment(job.as_str()))).call();
        let (status, body) = answer(call)?;
        match status {
            200 => read_standing(&body).map(Some),
            404 => Ok(None),
            _ => Err(refusal(status, &body)),
        }
    }
    /// Ends a job; `failure` is the reason where it failed.
    pub fn finish(&self, job: &JobId, failure: Option<&str>) -> Result<(), Trouble> {
        let outcome = failure.map_or(Outcome::Succeeded, |reason| Outcome::Failed(reason.to_owned()));
        let target = format!("/api/v1/jobs/{}/finish", encode_segment(job.as_str()));
        let (status, body) = self.post(&target, &job::render_finish(&outcome))?;
        if status == 200 { Ok(()) } else { Err(refusal(status, &body)) }
    }

    fn post(&self, target: &str, body: &str) -> Result<(u16, Vec<u8>), Trouble> {
        let call = self.agent.post(format!("{}{target}", self.base)).header("Content-Type", "application/json");
        answer(call.send(body))
    }
}

fn answer(call: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Result<(u16, Vec<u8>), Trouble> {
    let away = |error: ureq::Error| Trouble::Away(error.to_string());
    let mut response = call.map_err(away)?;
    let status = response.status().as_u16();
    let limit = u64::try_from(limits::BODY_BYTES).unwrap_or(u64::MAX);
    let body = response.body_mut().with_config().limit(limit).read_to_vec().map_err(away)?;
    Ok((status, body))
}

/// An answer other than the one hoped for. 408, 429 and 5xx may pass; anything else will be said again.
fn refusal(status: u16, body: &[u8]) -> Trouble {
    let said = match problem::read(body) {
        Some(problem) => [Some(problem.title), Some(problem.detail), problem.remedy]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join("; "),
        None => String::from_utf8_lossy(body).chars().filter(|c| !c.is_control()).take(200).collect(),
    };
    if matches!(status, 408 | 429 | 500..) {
        Trouble::Away(format!("{status}: {said}"))
    } else {
        Trouble::Refused { status, said }
    }
}

fn read_standing(body: &[u8]) -> Result<Standing, Trouble> {
    // A 200 without the document is no state (F6); a VMA that answers so is as good as away.
    let progress = progress::parse(body)
        .map_err(|error| Trouble::Away(format!("answered 200 with something that is no progress document: {error}")))?;
    let waits = progress.disks.iter().filter(|disk| disk.status != DiskStatus::Completed);
    Ok(Standing {
        status: progress.status,
        waits_for: waits.map(|disk| disk.id.to_string()).collect(),
        error: progress.error,
        disks: progress.disks.len(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::percent::Percent;

    #[test]
    fn pushes_have_the_shape_of_the_field() {
        let disk = DiskId::parse("disk-2000").expect("an id");
        let figure = Figure { bytes: 5, total: Some(10), percent: Percent::from_f64(50.0), counted: true };
        assert_eq!(
            PushDoc::start().serialize_json(),
            r#"{"stage":"StartExports","status":"in_progress","bytes_transferred":0,"throughput_bps":0}"#
        );
        assert_eq!(
            PushDoc::running(&disk, &figure, 7).serialize_json(),
            r#"{"stage":"Transfer","status":"in_progress","bytes_transferred":5,"total_bytes":10,"throughput_bps":7,"percent":50.0,"disk_id":"disk-2000","bytes_source":"proc-io"}"#
        );
        let failed = PushDoc::failed(&disk, &figure, 7, "why").serialize_json();
        assert!(failed.contains(r#""status":"failed""#) && failed.contains(r#""error_message":"why""#), "{failed}");
    }

    #[test]
    fn a_refusal_is_told_apart_from_a_vma_that_is_away() {
        let problem =
            br#"{"type":"urn:waybill:problem:x","title":"not now","detail":"disk-1 is Streaming","remedy":"wait"}"#;
        assert_eq!(refusal(409, problem).to_string(), "409: not now; disk-1 is Streaming; wait");
        assert_eq!(refusal(404, b"job not\nfound").to_string(), "404: job notfound");
        assert!(matches!(refusal(503, b""), Trouble::Away(_)));
    }

    #[test]
    fn a_text_that_is_no_document_is_no_standing() {
        assert!(matches!(read_standing(b"job not found"), Err(Trouble::Away(_))));
        let doc = br#"{"job_id":"j","stage":"Transfer","status":"Streaming","aggregate":{"total_bytes":0,"bytes_transferred":0},
            "disks":[{"id":"a","status":"Completed","bytes_transferred":0},{"id":"b","status":"Failed","bytes_transferred":0}]}"#;
        let standing = read_standing(doc).expect("a document");
        assert_eq!((standing.disks, standing.waits_for), (2, vec!["b".to_owned()]));
    }
}
