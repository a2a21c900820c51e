//! The VMA as a mover's wrapper talks to it: push, read the document, finish (R-12, R-3, R-1, R-4).
//!
//! Every call ends within [`TIMEOUT`]. Errors are of two kinds, because only one of them is worth a retry:
//! the VMA is away, or it has refused. Plain http to loopback only (R-60).

use std::time::Duration;

use ureq::Agent;

use super::gauge::Figure;
use super::standing::JobStanding;
use crate::limits;
use crate::model::id::{DiskId, JobId};
use crate::model::percent::Percent;
use crate::model::request::{Declaration, Outcome, Push};
use crate::model::stage::Stage;
use crate::wire::http::encode_segment;
use crate::wire::origin::Origin;
use crate::wire::{job, problem, update};

/// Longest that one call may take.
const TIMEOUT: Duration = Duration::from_secs(2);
/// Longest that one may take that a copy waits for before it starts.
const BRIEF_TIMEOUT: Duration = Duration::from_millis(700);

/// A call that brought nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VmaError {
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

/// One report of a copy: a push, and how far the copy is where that is known.
#[derive(Debug)]
pub struct Report {
    push: Push,
    percent: Option<Percent>,
}

impl Report {
    /// Tells a stage. One before Transfer also opens a new run of a finished id (R-40).
    pub fn stage(stage: Stage) -> Self {
        Self { push: push(stage, "in_progress"), percent: None }
    }
    /// Opens the disk.
    pub fn open(disk: &DiskId) -> Self {
        Self { push: Push { disk: Some(disk.clone()), ..push(Stage::Transfer, "in_progress") }, percent: None }
    }
    /// Tells how far the disk is; `rate_bps` is the mean since the mover's start.
    pub fn running(disk: &DiskId, figure: &Figure, rate_bps: u64) -> Self {
        Self::of("in_progress", disk, figure, rate_bps)
    }
    /// Ends the disk well.
    pub fn completed(disk: &DiskId, figure: &Figure, rate_bps: u64) -> Self {
        Self::of("completed", disk, figure, rate_bps)
    }
    /// Ends the disk badly.
    pub fn failed(disk: &DiskId, figure: &Figure, rate_bps: u64, reason: &str) -> Self {
        let mut failed = Self::of("failed", disk, figure, rate_bps);
        failed.push.error = Some(reason.to_owned());
        failed
    }

    fn of(status: &str, disk: &DiskId, figure: &Figure, rate_bps: u64) -> Self {
        let push = Push {
            bytes_transferred: figure.bytes,
            total_bytes: figure.total,
            throughput_bps: Some(rate_bps),
            disk: Some(disk.clone()),
            bytes_source: figure.counted.then(|| "proc-io".to_owned()),
            ..push(Stage::Transfer, status)
        };
        Self { push, percent: figure.percent }
    }
    fn body(&self) -> String {
        update::render(&self.push, self.percent)
    }
}

fn push(stage: Stage, status: &str) -> Push {
    Push { stage: stage.wire_name().to_owned(), status: Some(status.to_owned()), ..Push::default() }
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
        Self { agent: agent(TIMEOUT), base: format!("http://{}", origin.authority()) }
    }
    /// The same for calls that a copy waits for before it starts: they end sooner.
    pub fn briefly(&self) -> Self {
        Self { agent: agent(BRIEF_TIMEOUT), base: self.base.clone() }
    }
    /// Its URL, without a slash at the end.
    pub fn url(&self) -> &str {
        &self.base
    }
    /// Pushes; answers the run that the VMA counts it to, where it says so (R-40).
    pub fn push(&self, job: &JobId, report: &Report) -> Result<Option<JobId>, VmaError> {
        let target = format!("/api/v1/progress/{}/update", encode_segment(job.as_str()));
        let (status, body) = self.post(&target, &report.body())?;
        if status != 200 {
            return Err(refusal(status, &body));
        }
        Ok(update::parse_taken(&body))
    }
    /// Reads the state of a job; `None` where the VMA does not know it.
    pub fn standing(&self, job: &JobId) -> Result<Option<JobStanding>, VmaError> {
        let call = self.agent.get(format!("{}/api/v1/progress/{}", self.base, encode_segment(job.as_str()))).call();
        let (status, body) = answer(call)?;
        match status {
            200 => read_standing(&body).map(Some),
            404 => Ok(None),
            _ => Err(refusal(status, &body)),
        }
    }
    /// Declares a job, or adds to what was declared (R-4).
    pub fn declare(&self, job: &JobId, declaration: &Declaration) -> Result<(), VmaError> {
        let url = format!("{}/api/v1/jobs/{}", self.base, encode_segment(job.as_str()));
        let call = self.agent.put(url).header("Content-Type", "application/json");
        let (status, body) = answer(call.send(job::render_declaration(declaration)))?;
        if (200..300).contains(&status) { Ok(()) } else { Err(refusal(status, &body)) }
    }
    /// Ends a job; `failure` is the reason where it failed.
    pub fn finish(&self, job: &JobId, failure: Option<&str>) -> Result<(), VmaError> {
        let outcome = failure.map_or(Outcome::Succeeded, |reason| Outcome::Failed(reason.to_owned()));
        let target = format!("/api/v1/jobs/{}/finish", encode_segment(job.as_str()));
        let (status, body) = self.post(&target, &job::render_finish(&outcome))?;
        if status == 200 { Ok(()) } else { Err(refusal(status, &body)) }
    }

    fn post(&self, target: &str, body: &str) -> Result<(u16, Vec<u8>), VmaError> {
        let call = self.agent.post(format!("{}{target}", self.base)).header("Content-Type", "application/json");
        answer(call.send(body))
    }
}

fn agent(timeout: Duration) -> Agent {
    // A proxy from the environment is for the mover, not for loopback; a redirect would lead off this machine.
    Agent::config_builder()
        .timeout_global(Some(timeout))
        .http_status_as_error(false)
        .proxy(None)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .build()
        .new_agent()
}

fn answer(call: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Result<(u16, Vec<u8>), VmaError> {
    let away = |error: ureq::Error| VmaError::Away(error.to_string());
    let mut response = call.map_err(away)?;
    let status = response.status().as_u16();
    let limit = u64::try_from(limits::BODY_BYTES).unwrap_or(u64::MAX);
    let body = response.body_mut().with_config().limit(limit).read_to_vec().map_err(away)?;
    Ok((status, body))
}

/// An answer other than the one hoped for. 408, 429 and 5xx may pass; anything else will be said again.
fn refusal(status: u16, body: &[u8]) -> VmaError {
    let said = match problem::read(body) {
        Some(problem) => [Some(problem.title), Some(problem.detail), problem.remedy]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join("; "),
        None => String::from_utf8_lossy(body).chars().filter(|c| !c.is_control()).take(200).collect(),
    };
    if matches!(status, 408 | 429 | 500..) {
        VmaError::Away(format!("{status}: {said}"))
    } else {
        VmaError::Refused { status, said }
    }
}

fn read_standing(body: &[u8]) -> Result<JobStanding, VmaError> {
    // A 200 without the document is no state (F6); a VMA that answers so is as good as away.
    JobStanding::read(body)
        .map_err(|error| VmaError::Away(format!("answered 200 with something that is no progress document: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pushes_have_the_shape_of_the_field() {
        let disk = DiskId::parse("disk-2000").expect("an id");
        let figure = Figure { bytes: 5, total: Some(10), percent: Percent::from_f64(50.0), counted: true };
        assert_eq!(
            Report::stage(Stage::StartExports).body(),
            r#"{"stage":"StartExports","status":"in_progress","bytes_transferred":0,"throughput_bps":0}"#
        );
        assert_eq!(
            Report::running(&disk, &figure, 7).body(),
            r#"{"stage":"Transfer","status":"in_progress","bytes_transferred":5,"total_bytes":10,"throughput_bps":7,"percent":50.0,"disk_id":"disk-2000","bytes_source":"proc-io"}"#
        );
        let failed = Report::failed(&disk, &figure, 7, "why").body();
        assert!(failed.contains(r#""status":"failed""#) && failed.contains(r#""error_message":"why""#), "{failed}");
    }

    #[test]
    fn a_refusal_is_told_apart_from_a_vma_that_is_away() {
        let problem =
            br#"{"type":"urn:waybill:problem:x","title":"not now","detail":"disk-1 is Streaming","remedy":"wait"}"#;
        assert_eq!(refusal(409, problem).to_string(), "409: not now; disk-1 is Streaming; wait");
        assert_eq!(refusal(404, b"job not\nfound").to_string(), "404: job notfound");
        assert!(matches!(refusal(503, b""), VmaError::Away(_)));
    }

    #[test]
    fn a_text_that_is_no_document_is_no_standing() {
        assert!(matches!(read_standing(b"job not found"), Err(VmaError::Away(_))));
    }
}
