//! What an OMA answers to its callers. A change is answered when it is written; what only the VMA can
//! decide is asked there.

use crate::model::change::{Change, ReceivedChangeId};
use crate::model::id::{JobId, VmaName};
use crate::model::job::Job;
use crate::model::peer::Caller;
use crate::model::status::JobStatus;
use crate::model::time::Now;
use crate::policy::fleet::{Admitted, Input};
use crate::policy::guests::may_ask_oma;
use crate::policy::refusal::Refusal;
use crate::runtime::guard::guarded;
use crate::runtime::service::{alive, refuse, unreadable};
use crate::view::{json, metrics};
use crate::wire::http::Response;
use crate::wire::problem::Problem;
use crate::wire::{changeid, job};

use super::Oma;
use super::event::Answer;
use super::links::vma_of;
use super::routes::{Call, NAME};

impl Oma {
    pub(super) fn answer(
        &mut self,
        now: Now,
        call: Call,
        caller: &Caller,
        vma: Option<VmaName>,
    ) -> Result<Answer, Problem> {
        match call {
            Call::Track(request) => {
                let stored = self.ended(now, &request.job)?;
                if self.is_archived(&request.job) {
                    return Err(refuse(&Refusal::Archived { job: request.job }));
                }
                let admitted = self.fleet.track(now, &request, stored.as_ref()).map_err(|refusal| refuse(&refusal))?;
                self.recall(&request.job);
                let status = if admitted == Admitted::New { 201 } else { 200 };
                let known = self.fleet.job(&request.job).map_or(JobStatus::Queued, |known| known.status);
                Ok(Answer::WhenWritten(Response::json(status, job::render_state(&request.job, known))))
            }
            Call::Jobs => {
                let jobs: Vec<String> = self.fleet.jobs().map(json::job).collect();
                Ok(Answer::AtOnce(Response::json(200, format!("{{\"jobs\":[{}]}}", jobs.join(",")))))
            }
            Call::Job(id) => {
                let ended = self.ended(now, &id)?;
                let known = self.fleet.job(&id).or(ended.as_ref()).ok_or_else(|| unknown(&id))?;
                Ok(Answer::AtOnce(Response::json(200, json::job(known))))
            }
            Call::Cancel(id, reason) => {
                self.must_be_tracked(now, &id)?;
                self.fleet.cancel(now, &id, &reason).map_err(|refusal| refuse(&refusal))?;
                Ok(Answer::WhenWritten(Response::json(200, job::render_state(&id, JobStatus::Failed))))
            }
            Call::Finish(id, outcome) => {
                self.must_be_tracked(now, &id)?;
                let vma = self.fleet.job(&id).map(|job| job.vma.clone()).ok_or_else(|| unknown(&id))?;
                let known = || self.clients.keys().map(|vma| vma.as_str()).collect::<Vec<_>>().join(", ");
                let client = self.clients.get(&vma).cloned();
                let client =
                    client.ok_or_else(|| refuse(&Refusal::UnknownVma { vma: vma.to_string(), known: known() }))?;
                Ok(Answer::OfVma(client, id, outcome))
            }
            Call::LastChangeId { vm_path, disk } => {
                let last = self.ledger.store().last_change_id(&vm_path, &disk).map_err(|error| unreadable(&error))?;
                Ok(Answer::AtOnce(Response::json(200, changeid::render_last(&vm_path, &disk, last.as_ref()))))
            }
            Call::ChangeId { job, report, correlation } => {
                let taken = guarded(|| {
                    // The change id is kept even where the job's row cannot be read: it is the one that cannot be had again.
                    let ended = JobId::parse(&job).ok().and_then(|id| self.ended(now, &id).ok().flatten());
                    let (ended, correlation) = (ended.as_ref(), correlation.as_ref());
                    self.fleet.change_id(now, &job, &report, ended, correlation, vma.as_ref());
                });
                if let Err(place) = taken {
                    // It is kept all the same, and a mover that is told otherwise fails after its copy.
                    self.go_on_after_panic(now, &place);
                    let received = ReceivedChangeId::new(&job, &report, None, now.wall);
                    self.ledger.take(vec![Change::ChangeIdReceived(ReceivedChangeId { vma, ..received })]);
                }
                Ok(Answer::WhenWritten(Response::json(200, changeid::render_stored(&job, &report))))
            }
            Call::Enrol(asked) => self.enrol(now, &asked),
            Call::Renew(asked) => self.renew(now, vma, caller, &asked),
            Call::Health => Ok(Answer::AtOnce(alive(NAME))),
            Call::Metrics => {
                let (links, certificates) = (self.links.states(), self.shown.ends());
                let page = metrics::page(&metrics::Figures { appliance: "oma", links, certificates });
                Ok(Answer::AtOnce(Response::page(metrics::CONTENT_TYPE, page)))
            }
        }
    }

    /// Whether this caller may ask that. Answers the VMA, where the caller is one.
    pub(super) fn may_ask(&mut self, now: Now, caller: &Caller, call: &Call) -> Result<Option<VmaName>, Problem> {
        let vma = match caller {
            Caller::Known(peer, _) => vma_of(&self.config, peer),
            Caller::Local | Caller::Applicant => None,
        };
        let owner = match (call, &vma) {
            (Call::ChangeId { job, .. }, Some(_)) => self.owner(now, job)?,
            _ => None,
        };
        may_ask_oma(caller, vma.as_ref(), call.matter(owner.as_ref())).map_err(|refusal| refuse(&refusal))?;
        Ok(vma)
    }

    /// The VMA of a job, tracked or ended.
    fn owner(&mut self, now: Now, job: &str) -> Result<Option<VmaName>, Problem> {
        let Ok(id) = JobId::parse(job) else { return Ok(None) };
        let ended = self.ended(now, &id)?;
        Ok(self.fleet.job(&id).or(ended.as_ref()).map(|job| job.vma.clone()))
    }

    /// The row of a job that has ended. A row of an unfinished job that another program has just inserted is tracked first.
    fn ended(&mut self, now: Now, id: &JobId) -> Result<Option<Job>, Problem> {
        if self.fleet.job(id).is_some() {
            return Ok(None);
        }
        let row = self.ledger.job(id).map_err(|error| unreadable(&error))?;
        let Some(unnoticed) = row.as_ref().filter(|row| !row.status.is_final()) else { return Ok(row) };
        self.fleet.handle(now, Input::Noticed(Box::new(unnoticed.clone())));
        self.recall(id);
        self.remember();
        if self.fleet.job(id).is_some() { Ok(None) } else { self.ledger.job(id).map_err(|error| unreadable(&error)) }
    }

    fn must_be_tracked(&mut self, now: Now, id: &JobId) -> Result<(), Problem> {
        match self.ended(now, id)? {
            Some(ended) => Err(refuse(&Refusal::Finished { job: ended.id, status: ended.status })),
            None => Ok(()),
        }
    }
}

fn unknown(id: &JobId) -> Problem {
    refuse(&Refusal::NotTracked { id: id.to_string() })
}
