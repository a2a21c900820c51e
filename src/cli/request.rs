//! One request to an appliance on this machine, and its answer as an exit code: 404 is 4, silence is 5, 409 is 6.

use std::time::Duration;

use crate::exit::{Exit, Failure};
use crate::wire::origin::Origin;
use crate::wire::problem;

/// Where a VMA of this machine answers, unless told otherwise.
pub const DEFAULT_VMA: &str = "http://127.0.0.1:8081";
/// Where an OMA of this machine answers, unless told otherwise.
pub const DEFAULT_OMA: &str = "http://127.0.0.1:8082";
/// Limit of the whole request; a person waits.
const LIMIT: Duration = Duration::from_secs(10);
/// Bytes of an answer that are read.
const ANSWER_BYTES: u64 = 1024 * 1024;

/// Where an appliance answers.
pub struct Appliance {
    /// `VMA` or `OMA`.
    pub called: &'static str,
    /// The option that names it.
    pub option: &'static str,
    /// Its address, as `http://127.0.0.1:8081`.
    pub url: String,
}

/// Posts JSON to a path that begins with `/`; answers the status of a success, 200 to 299.
pub fn post(to: &Appliance, path: &str, body: &str, what: &str) -> Result<u16, Failure> {
    Origin::from_url(&to.url).map_err(|bad| {
        let why = format!("--{} {bad}", to.option);
        Failure::new(Exit::Usage, what, why).with_remedy(bad.remedy())
    })?;
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(LIMIT))
        .max_redirects(0)
        .max_redirects_will_error(false)
        .proxy(None)
        .build();
    let url = format!("{}{path}", to.url.trim_end_matches('/'));
    let sent = ureq::Agent::new_with_config(config).post(&url).header("Content-Type", "application/json").send(body);
    let mut answer = sent.map_err(|error| unreachable(to, what, &error))?;
    let status = answer.status().as_u16();
    if (200..300).contains(&status) {
        return Ok(status);
    }
    let body = answer.body_mut().with_config().limit(ANSWER_BYTES).read_to_vec().unwrap_or_default();
    Err(refused(to, what, status, &body))
}

fn unreachable(to: &Appliance, what: &str, error: &ureq::Error) -> Failure {
    let why = format!("the {} at {} does not answer: {error}", to.called, to.url);
    let remedy = format!("see whether its daemon runs, or name another address with --{} URL", to.option);
    Failure::new(Exit::Unreachable, what, why).with_remedy(remedy)
}

/// A failure in the words of the answer.
fn refused(to: &Appliance, what: &str, status: u16, body: &[u8]) -> Failure {
    let exit = match status {
        404 => Exit::NotFound,
        409 => Exit::Refused,
        _ => Exit::Failed,
    };
    let Some(problem) = problem::read(body) else {
        let remedy = format!("see whether a waybill {} listens there", to.called);
        let why = format!("{} answered with status {status} and no reason", to.url);
        return Failure::new(exit, what, why).with_remedy(remedy);
    };
    let why =
        [problem.title, problem.detail].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(": ");
    let mut failure = Failure::new(exit, what, crate::view::units::plain(&why));
    failure.remedy = problem.remedy.map(|remedy| crate::view::units::plain(&remedy));
    failure
}
