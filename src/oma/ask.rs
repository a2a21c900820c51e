//! What is sent to a VMA, and what its answer means to the core. Every action ends in exactly one
//! event, whatever happens on the way.

use super::event::Event;
use crate::model::id::{Epoch, JobId};
use crate::model::progress::Progress;
use crate::model::request::{Outcome, TrackRequest};
use crate::model::source_log::LogPage;
use crate::net::client::{Answer, CallError, Client, Phase};
use crate::policy::contact::Miss;
use crate::policy::fleet::{Action, DeclareAnswer, FinishAnswer, Input, Listed};
use crate::runtime::service::correlated;
use crate::wire::http::{Method, Response, encode_segment};
use crate::wire::problem::{Kind, Problem};
use crate::wire::progress::ReadListing;
use crate::wire::{job, log as wire_log, problem, progress};

/// Sends what the core wants sent, and waits for what comes of it.
pub(super) async fn carry_out(client: &Client, action: Action) -> Event {
    match action {
        Action::Poll { job, correlation, .. } => {
            // The plain id would mean the newest run.
            let target = format!("/api/v1/progress/{}?run=exact", encode_segment(job.as_str()));
            let answer = client.call(Method::Get, &target, &correlated(correlation.as_ref()), b"").await;
            Event::Core(match read_poll(answer) {
                Ok(progress) => Input::Answered(job, Box::new(progress)),
                Err(miss) => Input::Missed(job, miss),
            })
        }
        Action::TellFinish { job, outcome, correlation, .. } => {
            let target = format!("/api/v1/jobs/{}/finish", encode_segment(job.as_str()));
            let body = job::render_finish(&outcome);
            let answer = client.call(Method::Post, &target, &correlated(correlation.as_ref()), body.as_bytes()).await;
            Event::Core(Input::FinishAnswered(job, read_finish(answer)))
        }
        Action::Declare { job, declaration, correlation, .. } => {
            let target = format!("/api/v1/jobs/{}", encode_segment(job.as_str()));
            let body = job::render_declaration(&declaration);
            let answer = client.call(Method::Put, &target, &correlated(correlation.as_ref()), body.as_bytes()).await;
            Event::Core(Input::DeclareAnswered(job, declaration, read_declared(answer)))
        }
        Action::ReadLog { job, after, correlation, .. } => {
            let target = format!("/api/v1/jobs/{}/log?after={after}", encode_segment(job.as_str()));
            let answer = client.call(Method::Get, &target, &correlated(correlation.as_ref()), b"").await;
            Event::Core(match read_log(answer) {
                Ok(page) => Input::LogRead(job, page),
                Err(why) => Input::LogMissed(job, why),
            })
        }
        Action::List { vma, since, epoch } => {
            let epoch = epoch.map(|epoch| format!("&epoch={}", encode_segment(epoch.as_str()))).unwrap_or_default();
            let target = format!("/api/v1/progress?since={since}{epoch}");
            match client.call(Method::Get, &target, &[], b"").await {
                Ok(answer) if answer.status == 200 => match progress::parse_listing(&answer.body) {
                    Ok(listing) => Event::Listed(vma, listing),
                    Err(why) => list_missed(vma, why),
                },
                Ok(answer) => list_missed(vma, format_args!("status {}", answer.status)),
                Err(why) => list_missed(vma, why),
            }
        }
    }
}

/// Asks a VMA to end a job, for a caller who waits: the VMA's answer as it is, or why there is none.
pub(super) async fn finish(client: &Client, id: &JobId, outcome: &Outcome) -> Response {
    let target = format!("/api/v1/jobs/{}/finish", encode_segment(id.as_str()));
    let body = job::render_finish(outcome);
    match client.call(Method::Post, &target, &[], body.as_bytes()).await {
        Ok(answer) => {
            let content_type = if answer.status == 200 { "application/json" } else { "application/problem+json" };
            Response { status: answer.status, content_type, headers: Vec::new(), body: answer.body }
        }
        Err(why) => Problem::new(Kind::VmaUnreachable, why.to_string())
            .with_remedy("repeat it when the VMA is back; the job goes on meanwhile")
            .into(),
    }
}

/// What comes of an action for a VMA that is no longer configured.
pub(super) fn without_client(action: Action) -> Event {
    let why = "the VMA is no longer configured: add its [[vma]] section again and reload".to_owned();
    Event::Core(match action {
        Action::Poll { job, .. } => Input::Missed(job, Miss::Unreachable(why)),
        Action::TellFinish { job, .. } => Input::FinishAnswered(job, FinishAnswer::Unreachable(why)),
        Action::Declare { job, declaration, .. } => {
            Input::DeclareAnswered(job, declaration, DeclareAnswer::Unreachable)
        }
        Action::ReadLog { job, .. } => Input::LogMissed(job, why),
        Action::List { vma, .. } => Input::ListMissed(vma),
    })
}

/// The jobs of a list that are to be looked at here.
pub(super) fn wanted(listing: ReadListing, wanted: impl FnMut(Progress) -> Option<TrackRequest>) -> Listed {
    for why in listing.bad {
        log::warn!("a listed job cannot be read: {why}");
    }
    let ended = listing.jobs.iter().filter(|said| said.status.is_final());
    Listed {
        epoch: listing.epoch.and_then(|text| Epoch::parse(&text).ok()),
        sequence: listing.sequence,
        more: listing.more,
        ended: ended.map(|said| said.job.clone()).collect(),
        jobs: listing.jobs.into_iter().filter_map(wanted).collect(),
    }
}

fn list_missed(vma: crate::model::id::VmaName, why: impl std::fmt::Display) -> Event {
    log::warn!("vma={vma} does not list its jobs: {why}");
    Event::Core(Input::ListMissed(vma))
}

fn read_poll(answer: Result<Answer, CallError>) -> Result<Progress, Miss> {
    let answer = answer.map_err(|error| match error.phase {
        // A forward's near end takes no connection, or no link stands: the VMA was not asked at all.
        Phase::Connect | Phase::Link => Miss::NoTunnel(error.to_string()),
        Phase::Queue | Phase::Resolve | Phase::Proxy | Phase::Tls | Phase::FirstByte | Phase::Body => {
            Miss::Unreachable(error.to_string())
        }
    })?;
    match answer.status {
        200 => progress::parse(&answer.body).map_err(|why| Miss::Rubbish(why.to_string())),
        404 => Err(Miss::Unknown),
        status => Err(Miss::Rubbish(format!("status {status}: {}", problem::said(&answer.body)))),
    }
}

fn read_log(answer: Result<Answer, CallError>) -> Result<LogPage, String> {
    let answer = answer.map_err(|error| error.to_string())?;
    match answer.status {
        200 => wire_log::parse(&answer.body).map_err(|why| why.to_string()),
        status => Err(format!("status {status}: {}", problem::said(&answer.body))),
    }
}

fn read_declared(answer: Result<Answer, CallError>) -> DeclareAnswer {
    match answer {
        Ok(answer) => match answer.status {
            200 | 201 => DeclareAnswer::Taken,
            // An older VMA does not know the method from here, or a key.
            400 | 403 | 404 | 405 | 409 => {
                DeclareAnswer::Refused(format!("status {}: {}", answer.status, problem::said(&answer.body)))
            }
            _ => DeclareAnswer::Unreachable,
        },
        Err(_) => DeclareAnswer::Unreachable,
    }
}

fn read_finish(answer: Result<Answer, CallError>) -> FinishAnswer {
    match answer {
        Ok(answer) => match answer.status {
            200 => FinishAnswer::Taken,
            404 => FinishAnswer::Unknown,
            409 => FinishAnswer::Refused(problem::said(&answer.body)),
            status => FinishAnswer::Unreachable(format!("status {status}: {}", problem::said(&answer.body))),
        },
        Err(error) => FinishAnswer::Unreachable(error.to_string()),
    }
}
