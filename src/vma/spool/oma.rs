//! The spool's way to the OMA: the movers' two change-id calls as they go on.
//!
//! Error policy: every request ends in one answer, whatever happens on the way; a server that is no OMA has confirmed
//! nothing. What is kept, forwarded or said is not decided here.

use std::time::Duration;

use crate::config::SpoolWay;
use crate::model::id::{ChangeId, CorrelationId};
use crate::model::request::{ChangeIdReport, DiskQuestion};
use crate::net::berth::Berth;
use crate::net::client::{Answer, CallError, Client, Phase};
use crate::policy::spool::Handed;
use crate::runtime::service::correlated;
use crate::store::Unsent;
use crate::wire::http::{Method, encode_segment};
use crate::wire::{changeid, problem};

/// How long the OMA is asked while a mover waits, who gives up after 5 s (`wire.md`).
const LOOK_WITHIN: Duration = Duration::from_secs(3);
/// How long the OMA may take to store a change id; nobody waits for it.
const HAND_OVER_WITHIN: Duration = Duration::from_secs(10);

/// The OMA's answer: its body, and the change id in it; or why there is none.
pub type Looked = Result<(Vec<u8>, Option<ChangeId>), String>;

/// The OMA, as the spool speaks to it.
#[derive(Debug, Clone)]
pub struct Oma {
    for_looks: Client,
    for_change_ids: Client,
}

impl Oma {
    pub(super) fn new(way: &SpoolWay, link: &Berth) -> Self {
        let client = |timeout| match way {
            SpoolWay::Forward(origin) => Client::new(origin.clone(), timeout),
            SpoolWay::Link => Client::over_link(link.clone(), timeout),
        };
        Self { for_looks: client(LOOK_WITHIN), for_change_ids: client(HAND_OVER_WITHIN) }
    }

    /// Asks for a disk's last change id.
    pub(super) async fn look(&self, look: &DiskQuestion, correlation: Option<&CorrelationId>) -> Looked {
        let target = changeid::target_of_question(look);
        let answer = self.for_looks.call(Method::Get, &target, &correlated(correlation), b"").await;
        let answer = answer.map_err(|error| error.to_string())?;
        if answer.status != 200 {
            return Err(format!("status {}: {}", answer.status, problem::said(&answer.body)));
        }
        match changeid::parse_answer(&answer.body) {
            Ok(change_id) => Ok((answer.body, change_id)),
            Err(why) => Err(format!("status 200 with another answer than an OMA's: {why}")),
        }
    }

    /// Hands a change id over, as it came, for the job of that id.
    pub(super) async fn hand_over(&self, unsent: &Unsent, job: &str, correlation: Option<&CorrelationId>) -> Handed {
        let received = &unsent.received;
        let report = ChangeIdReport {
            change_id: received.change_id.clone(),
            disk: received.disk.clone(),
            previous_change_id: received.previous_change_id.clone(),
            replaced: false,
        };
        let target = format!("/api/v1/replications/{}/changeid", encode_segment(job));
        let body = changeid::render_report(&report);
        let answer = self.for_change_ids.call(Method::Post, &target, &correlated(correlation), body.as_bytes()).await;
        read_handed(answer, &report)
    }
}

fn read_handed(answer: Result<Answer, CallError>, report: &ChangeIdReport) -> Handed {
    let answer = match answer {
        Ok(answer) => answer,
        // Not even a request could be made of it, and that will be so every time.
        Err(error) if error.phase == Phase::Queue && !error.timed_out => return Handed::Refused(error.to_string()),
        Err(error) => return Handed::Failed(error.to_string()),
    };
    let why = || format!("status {}: {}", answer.status, problem::said(&answer.body));
    match answer.status {
        200 if changeid::confirms(&answer.body, report) => Handed::Taken,
        200 => Handed::Failed("status 200 without a confirmation: what answers there is no OMA".to_owned()),
        // An OMA that refuses the path or the body of this one may well take the next.
        400 | 413 | 414 | 422 | 431 if problem::read(&answer.body).is_some() => Handed::Refused(why()),
        _ => Handed::Failed(why()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::http::Response;
    use crate::wire::problem::{Kind, Problem};

    fn report() -> ChangeIdReport {
        ChangeIdReport {
            change_id: "52 de/81".to_owned(),
            disk: "disk-2000".to_owned(),
            previous_change_id: None,
            replaced: false,
        }
    }
    fn handed(status: u16, body: &str) -> Handed {
        let answer =
            Answer { status, content_type: String::new(), cookies: Vec::new(), body: body.as_bytes().to_vec() };
        read_handed(Ok(answer), &report())
    }

    #[test]
    fn only_the_omas_confirmation_ends_the_waiting() {
        assert_eq!(handed(200, &changeid::render_stored("job-1", &report())), Handed::Taken);
        for (status, body) in [
            (200, "<html>"),
            (201, "{}"),
            (302, ""),
            (400, "The plain HTTP request was sent to HTTPS port"),
            (404, ""),
            (503, "{}"),
        ] {
            assert!(matches!(handed(status, body), Handed::Failed(_)), "{status} {body}");
        }
        let problem: Response = Problem::new(Kind::TargetTooLong, "at most 8192 bytes").into();
        let Handed::Refused(why) = handed(414, &String::from_utf8_lossy(&problem.body)) else { panic!("it is") };
        assert!(why.contains("status 414") && why.contains("at most 8192 bytes"), "{why}");
        let unsendable = CallError {
            phase: Phase::Queue,
            reason: "the head is too large".to_owned(),
            timed_out: false,
            is_untrusted: false,
        };
        assert!(matches!(read_handed(Err(unsendable), &report()), Handed::Refused(_)));
        let late = CallError {
            phase: Phase::FirstByte,
            reason: "no first byte".to_owned(),
            timed_out: true,
            is_untrusted: false,
        };
        assert!(matches!(read_handed(Err(late), &report()), Handed::Failed(_)));
    }
}
