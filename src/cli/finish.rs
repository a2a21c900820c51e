//! `waybill finish`: says of a job that it has ended, where its mover cannot.

use std::ffi::OsString;

use super::args::{self, Spec};
use super::request::{self, Addressee, Appliance};
use super::{help, output};
use crate::exit::{Exit, Failure};
use crate::model::id::JobId;
use crate::model::request::Outcome;
use crate::wire::http::encode_segment;
use crate::wire::job;

const SPEC: Spec = Spec {
    name: "finish",
    words: &["JOB"],
    options: &[("failed", "TEXT", false), ("oma", "URL", false), ("vma", "URL", false)],
    switches: &[],
    help: help::FINISH,
};

/// Runs the command with the arguments after `finish`.
pub fn main(args: Vec<OsString>) -> Result<Exit, Failure> {
    let Some(given) = args::read(&SPEC, args)? else { return output::print(SPEC.help) };
    let job = args::id(&SPEC, "JOB", &given.word(&SPEC, 0)?, JobId::parse)?;
    let to = match (given.value(&SPEC, "oma")?, given.value(&SPEC, "vma")?) {
        (Some(_), Some(_)) => {
            let failure = Failure::new(Exit::Usage, "finish", "--oma and --vma exclude each other");
            return Err(failure.with_remedy("name the one appliance that is to be told"));
        }
        (Some(url), None) => Appliance::of(Addressee::Oma, Some(url)),
        (None, url) => Appliance::of(Addressee::Vma, url),
    };
    let outcome = given.value(&SPEC, "failed")?.map_or(Outcome::Succeeded, Outcome::Failed);
    let path = format!("/api/v1/jobs/{}/finish", encode_segment(job.as_str()));
    request::post(&to, &path, &job::render_finish(&outcome), &format!("cannot finish job {job}"))?;
    let ended = if outcome == Outcome::Succeeded { "Succeeded" } else { "Failed" };
    output::print(&format!("job {job} is finished: {ended}\n"))
}
