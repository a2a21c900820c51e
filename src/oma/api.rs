//! What an OMA answers to its callers. A change is answered when it is written; what only the VMA can
//! decide is asked there.

use crate::model::change::{Change, ReceivedChangeId, ServedChangeId};
use crate::model::id::{CorrelationId, JobId, VmaName};
use crate::model::job::Job;
use crate::model::peer::Caller;
use crate::model::request::{ChangeIdReport, DiskQuestion, Outcome};
use crate::model::status::JobStatus;
use crate::model::time::{Now, Wall};
use crate::policy::fleet::{Admitted, Input, Sender};
use crate::policy::guests::may_ask_oma;
use crate::policy::refusal::Refusal;
use crate::policy::serving;
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
            Call::Track(mut request) => {
                request.job = self.newest_run(&request.job)?;
                let stored = self.ended(now, &request.job)?.map(|job| self.with_later_path(job));
                if self.is_archived(&request.job) {
                    return Err(refuse(&Refusal::Archived { job: request.job }));
                }
                let admitted = self.fleet.track(now, &request, stored.as_ref()).map_err(|refusal| refuse(&refusal))?;
                self.recall(&request.job);
                let status = if admitted == Admitted::New { 201 } else { 200 };
                let known = self.fleet.job(&request.job).or(stored.as_ref()).map_or(JobStatus::Queued, |it| it.status);
                Ok(Answer::WhenWritten(Response::json(status, job::render_state(&request.job, known))))
            }
            Call::Jobs => {
                let jobs: Vec<String> = self.fleet.jobs().map(json::job).collect();
                Ok(Answer::AtOnce(Response::json(200, format!("{{\"jobs\":[{}]}}", jobs.join(",")))))
            }
            Call::Job(id) => {
                let id = self.newest_run(&id)?;
                let ended = self.ended(now, &id)?;
                let known = self.fleet.job(&id).or(ended.as_ref()).ok_or_else(|| unknown(&id))?;
                Ok(Answer::AtOnce(Response::json(200, json::job(known))))
            }
            Call::Cancel(id, reason) => {
                let id = self.newest_run(&id)?;
                self.must_be_tracked(now, &id)?;
                self.fleet.cancel(now, &id, &reason).map_err(|refusal| refuse(&refusal))?;
                Ok(Answer::WhenWritten(Response::json(200, job::render_state(&id, JobStatus::Failed))))
            }
            Call::Finish(id, outcome) => {
                let id = self.newest_run(&id)?;
                self.must_be_tracked(now, &id)?;
                let job = self.fleet.job(&id).ok_or_else(|| unknown(&id))?;
                let (vma, missing) = (job.vma.clone(), job.missing_disks());
                if outcome == Outcome::Succeeded && !missing.is_empty() {
                    return Err(refuse(&Refusal::DisksOpen { job: id, disks: missing.join(", ") }));
                }
                let known = || self.clients.keys().map(|vma| vma.as_str()).collect::<Vec<_>>().join(", ");
                let client = self.clients.get(&vma).cloned();
                let client =
                    client.ok_or_else(|| refuse(&Refusal::UnknownVma { vma: vma.to_string(), known: known() }))?;
                Ok(Answer::OfVma(client, id, outcome))
            }
            Call::LastChangeId(question) => self.serve_change_id(now, question, vma),
            Call::ChangeId { job, report, correlation } => {
                let taken = guarded(|| {
                    // The change id is kept even where the job's row cannot be read: it is the one that cannot be had again.
                    let ended = JobId::parse(&job).ok().and_then(|id| self.ended_run(now, &id, correlation.as_ref()));
                    let served = self.served(&job, &report, ended.as_ref(), correlation.as_ref());
                    let (ended, correlation) = (ended.as_ref(), correlation.as_ref());
                    let sender = Sender { vma: vma.as_ref(), correlation };
                    self.fleet.change_id(now, &job, &report, sender, ended, served.as_ref());
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

    /// The row of an ended job with the VM's path that its history got after the end, if its own has none.
    fn with_later_path(&self, mut job: Job) -> Job {
        if job.status.is_final() && job.vm.path.is_empty() {
            let history = self.ledger.store().history(Some(&job.id)).unwrap_or_default();
            let named = history.into_iter().map(|row| row.entry.vm_path).find(|path| !path.is_empty());
            job.vm.path = named.unwrap_or_default();
        }
        job
    }

    /// Answers a mover that asks where its next incremental starts. What it is served is remembered: its run starts
    /// there if it does not say where.
    fn serve_change_id(
        &mut self,
        now: Now,
        mut question: DiskQuestion,
        vma: Option<VmaName>,
    ) -> Result<Answer, Problem> {
        // Who asks by a certificate is believed; from this machine the question says it.
        question.vma = vma.or(question.vma);
        let mut candidates = self.fleet.live_candidates(&mut question);
        let ended = self.ledger.store().served_candidates(&question).map_err(|error| unreadable(&error))?;
        let newest = ended.first().map_or(Wall::default(), |candidate| candidate.at);
        candidates.retain(|live| live.at >= newest);
        candidates.extend(ended);
        let served = serving::serve(&question, &candidates);
        let body = match &served {
            Ok(found) => {
                if found.vm_path != question.vm_path {
                    self.fleet.note_renamed(now, &question, &found.vm_path);
                }
                changeid::render_last(&question.vm_path, &question.disk, Ok(&found.change_id))
            }
            Err(why) => {
                self.fleet.note_not_served(now, &question, why);
                changeid::render_last(&question.vm_path, &question.disk, Err(&why.to_string()))
            }
        };
        if let Ok(change_id) = served.map(|found| found.change_id.clone()) {
            let vma = question.vma.as_ref().map_or("", VmaName::as_str).to_owned();
            let DiskQuestion { vm_path, disk, .. } = question;
            let served = ServedChangeId { vma, vm_path, disk, change_id, served_at: now.wall };
            self.ledger.take(vec![Change::ChangeIdServed(served)]);
        }
        Ok(Answer::AtOnce(Response::json(200, body)))
    }

    /// What the mover was last served of the disk whose change id it hands over now. A VMA that hands it on has asked under
    /// its own name.
    fn served(
        &self,
        job: &str,
        report: &ChangeIdReport,
        ended: Option<&Job>,
        of_run: Option<&CorrelationId>,
    ) -> Option<ServedChangeId> {
        let tracked = JobId::parse(job).ok().and_then(|id| self.fleet.newest_run(&id));
        let job = tracked.and_then(|id| self.fleet.job(&id)).or(ended)?;
        let vma = of_run.map(|_| &job.vma);
        let served = self.ledger.store().served_change_id(vma, &job.vm.path, &report.disk);
        served.unwrap_or_else(|error| {
            log::error!("job={:?} {error}", job.id.as_str());
            None
        })
    }

    /// The newest run under an id, tracked or ended; the id itself if there is none.
    pub(super) fn newest_run(&self, id: &JobId) -> Result<JobId, Problem> {
        let stored = self.ledger.store().newest_run(id).map_err(|error| unreadable(&error))?;
        let tracked = self.fleet.newest_run(id);
        let number = |run: &JobId| run.run_number(id).unwrap_or(1);
        Ok(tracked.into_iter().chain([stored]).max_by_key(number).unwrap_or_else(|| id.clone()))
    }

    /// The row of the ended run that a change id may be of: that of the very id if the correlation id says so, else that of
    /// the newest run.
    fn ended_run(&mut self, now: Now, id: &JobId, of_run: Option<&CorrelationId>) -> Option<Job> {
        let exact = self.ended(now, id).ok().flatten();
        if of_run.is_some() && exact.as_ref().is_some_and(|job| job.correlation.as_ref() == of_run) {
            return exact;
        }
        let newest = self.newest_run(id).ok().filter(|newest| newest != id);
        newest.map_or(exact, |newest| self.ended(now, &newest).ok().flatten())
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
