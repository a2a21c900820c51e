//! `waybill cancel`: ends a job that is tracked, with a reason that stays in its row; its VMA is told (R-20, U4).

use std::ffi::OsString;

use super::args::{self, Spec};
use super::request::{self, Addressee, Appliance};
use super::{help, output};
use crate::exit::{Exit, Failure};
use crate::model::id::JobId;
use crate::wire::http::encode_segment;
use crate::wire::job;

const SPEC: Spec = Spec {
    name: "cancel",
    words: &["JOB"],
    options: &[("reason", "TEXT", false), ("oma", "URL", false)],
    switches: &[],
    help: help::CANCEL,
};

/// Runs the command with the arguments after `cancel`.
pub fn main(args: Vec<OsString>) -> Result<Exit, Failure> {
    let Some(given) = args::read(&SPEC, args)? else { return output::print(SPEC.help) };
    let job = args::id(&SPEC, "JOB", &given.word(&SPEC, 0)?, JobId::parse)?;
    let reason = given.required(&SPEC, "reason")?;
    let oma = Appliance::of(Addressee::Oma, given.value(&SPEC, "oma")?);
    let path = format!("/api/v1/jobs/{}/cancel", encode_segment(job.as_str()));
    request::post(&oma, &path, &job::render_cancel(&reason), &format!("cannot cancel job {job}"))?;
    output::print(&format!(
        "job {job} is cancelled; `waybill run` ends its mover, any other one is to be ended on the VMA\n"
    ))
}
