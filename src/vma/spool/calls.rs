//! What a VMA does with the movers' change-id calls (R-31): change ids are on the disk before they are answered, go on to
//! the OMA from there, and are asked of the OMA while the loop goes on. Decisions are `policy::spool`'s and
//! `policy::source`'s.

use std::rc::Rc;

use smol::LocalExecutor;
use smol::channel::Sender;

use super::Spool;
use super::oma::{Looked, Oma};
use super::routes::{Call, NAME, route};
use crate::config::SpoolConfig;
use crate::model::change::{Change, KnownChangeId, ReceivedChangeId, ServedChangeId};
use crate::model::id::{ChangeId, JobId};
use crate::model::request::{ChangeIdReport, DiskQuestion};
use crate::model::time::Now;
use crate::policy::spool::{Handed, still_holds, unasked};
use crate::runtime::guard::guarded;
use crate::runtime::ledger::{Reply, send};
use crate::runtime::service::{alive, seed};
use crate::store::{StoreError, Unsent};
use crate::vma::Vma;
use crate::vma::event::Event;
use crate::wire::changeid;
use crate::wire::http::{Request, Response};
use crate::wire::problem::{Problem, no_such_path, panicked};

impl Vma {
    /// From now on change ids are taken, and those that wait go on to the OMA.
    pub(in crate::vma) fn open_spool(&mut self, executor: &Rc<LocalExecutor<'static>>, events: &Sender<Event>) {
        let oma = self.config.changeid_spool.as_ref().map(|spool| Oma::new(&spool.oma, &self.berth));
        self.spool = oma.map(|oma| Spool::new(oma, seed(), executor.clone(), events.clone()));
    }

    /// Says at the start who takes the movers' change ids, and what waits from before (F37).
    pub(in crate::vma) fn tell_spool(&self) {
        let waiting = match self.ledger.store().unsent_count() {
            Ok(0) => "none waits".to_owned(),
            Ok(waiting) => format!("{waiting} wait for the OMA"),
            Err(error) => error.to_string(),
        };
        match &self.config.changeid_spool {
            Some(SpoolConfig { listen, .. }) => {
                log::info!("change ids are taken on {listen} and forwarded to {}; {waiting}", self.oma_of_spool());
            }
            None => log::warn!(
                "change ids are not taken here, {waiting}: movers that are not told of another URL find nobody at \
                 http://localhost:8082; add [changeid_spool] to the configuration"
            ),
        }
    }

    /// The configuration was read again: the OMA may answer elsewhere from now on (R-84).
    pub(in crate::vma) fn redirect_spool(&mut self, given: Option<SpoolConfig>) {
        let (Some(known), Some(given)) = (&mut self.config.changeid_spool, given) else { return };
        if known.oma == given.oma {
            return;
        }
        if let Some(spool) = &mut self.spool {
            spool.redirect(Oma::new(&given.oma, &self.berth));
        }
        known.oma = given.oma;
    }

    /// A request to the spool.
    pub(in crate::vma) fn asked_spool(&mut self, now: Now, request: &Request, to: Sender<Response>) {
        let call = guarded(|| route(request)).unwrap_or_else(|_| Err(panicked()));
        let call = call.and_then(|call| match call {
            Call::ChangeId { .. } => self.ledger.check_room().map(|()| call),
            Call::Look(_) | Call::Health => Ok(call),
        });
        let Some(spool) = &mut self.spool else {
            return send(Reply { to, response: no_such_path(request, NAME).into() });
        };
        match call {
            Ok(Call::Look(look)) => {
                let correlation = self.source.correlation_of_vm(&look.vm_path);
                let (vm_uuid, capacity_bytes) = self.source.facts_of_disk(&look.vm_path, &look.disk);
                let vma = Some(self.config.name.clone());
                spool.look(DiskQuestion { vma, vm_uuid, capacity_bytes, ..look }, correlation, to);
            }
            Ok(Call::ChangeId { job, report }) => {
                let delayed = spool.forwarding.added(&report.disk);
                let known = self.take_change_id(now, &job, &report);
                if known.is_none() {
                    log::warn!("job={job:?} is not known here; its change id is kept and goes on to the OMA");
                }
                if let (Some(id), Some(note)) = (known, delayed) {
                    self.source.note_job(now, &id, note);
                }
                let response = Response::json(200, changeid::render_stored(&job, &report));
                self.ledger.hold(now, Reply { to, response });
            }
            Ok(Call::Health) => {
                send(Reply { to, response: alive(NAME) });
            }
            Err(problem) => send(Reply { to, response: Problem::into(problem) }),
        }
    }

    /// Takes a change id in, and keeps it also where that panics over its job (R-52): a mover that is told otherwise fails
    /// after its copy.
    fn take_change_id(&mut self, now: Now, path: &str, report: &ChangeIdReport) -> Option<JobId> {
        // What was decided before stands, whatever happens now.
        self.ledger.take(self.source.changes());
        let served = self.served(path, &report.disk);
        let place = match guarded(|| self.source.change_id(now, path, report, served.as_ref())) {
            Ok(known) => return known,
            Err(place) => place,
        };
        if let Ok(id) = JobId::parse(path) {
            let job = self.source.present_run(&id);
            self.go_on_after_panic(now, &job, &place);
        }
        let received = ReceivedChangeId::new(path, report, None, now.wall);
        self.ledger.take(vec![Change::ChangeIdSpooled(received)]);
        None
    }

    /// What the mover was last served of this disk, by the VM path of the job that it names.
    fn served(&self, job: &str, disk: &str) -> Option<ServedChangeId> {
        let vm_path = self.source.vm_path_of(job)?;
        self.ledger.store().served_change_id(None, &vm_path, disk).unwrap_or_else(|error| {
            log::error!("job={job:?} {error}");
            None
        })
    }

    /// What came of asking the OMA: its answer as it is, or what it said before, or the word that all must be copied.
    pub(in crate::vma) fn looked(&mut self, now: Now, look: DiskQuestion, looked: Looked, to: Sender<Response>) {
        let DiskQuestion { vm_path, disk, .. } = look;
        let response = match looked {
            Ok((body, change_id)) => {
                // Where the database is full of waiting records, what is remembered gives way (R-27).
                if !self.ledger.is_full() {
                    let served = served_now(now, &vm_path, &disk, change_id.as_ref());
                    let (answered_at, oma) = (now.wall, self.oma_of_spool());
                    let known = KnownChangeId { vm_path, disk, change_id, answered_at, oma };
                    self.ledger.take(served.into_iter().chain([Change::ChangeIdKnown(known)]).collect());
                }
                Response { status: 200, content_type: "application/json", headers: Vec::new(), body }
            }
            Err(why) => {
                let known = self.remembered(&vm_path, &disk).unwrap_or_else(|error| {
                    log::error!("{error}");
                    None
                });
                let id = known.as_ref().and_then(|known| known.change_id.as_ref());
                self.ledger.take(served_now(now, &vm_path, &disk, id).into_iter().collect());
                let note = unasked(&disk, &why, known.as_ref());
                let message = note.message.clone();
                if !self.source.note_vm(now, &vm_path, note) {
                    log::warn!("VM {vm_path:?}, of which no job is known yet: {}", message.escape_debug());
                }
                Response::json(200, changeid::render_unasked(&vm_path, &disk, known.as_ref(), &why))
            }
        };
        if let Some(spool) = &mut self.spool {
            spool.told.push(Reply { to, response });
        }
    }

    /// The OMA that is asked, as host and port.
    fn oma_of_spool(&self) -> String {
        self.config.oma_of_spool().unwrap_or_default()
    }

    /// What this OMA said last of the disk, where that may still be given out.
    fn remembered(&self, vm_path: &str, disk: &str) -> Result<Option<KnownChangeId>, StoreError> {
        let store = self.ledger.store();
        let Some(known) = store.known_change_id(vm_path, disk, &self.oma_of_spool())? else { return Ok(None) };
        let later = store.received_since(vm_path, disk, known.answered_at)?;
        Ok(still_holds(&known, &later).then_some(known))
    }

    /// What came of handing a change id over.
    pub(in crate::vma) fn handed_over(&mut self, now: Now, unsent: &Unsent, handed: &Handed) {
        let Some(spool) = &mut self.spool else { return };
        let note = spool.forwarding.handed(now, &unsent.received, handed);
        match handed {
            Handed::Taken => self.ledger.take(vec![Change::ChangeIdSent(unsent.number)]),
            Handed::Refused(_) | Handed::Failed(_) => {}
        }
        let Some(note) = note else { return };
        let message = note.message.clone();
        if !self.source.note_change_id(now, &unsent.received, note) {
            log::warn!("job={:?}, which is not known here: {}", unsent.received.job, message.escape_debug());
        }
    }

    /// Answers what was decided, and hands the next change id over once all that was decided is written: what the OMA has
    /// confirmed must have left the table before the table is read again.
    pub(in crate::vma) fn settle_spool(&mut self, now: Now) {
        let Some(spool) = &mut self.spool else { return };
        spool.told.drain(..).for_each(send);
        let Some(after) = spool.forwarding.due_after().filter(|_| self.ledger.is_clean()) else { return };
        match self.ledger.store().next_unsent(after) {
            Ok(Some(unsent)) => {
                let (job, correlation) = self.source.way_on(&unsent.received);
                spool.hand_over(unsent, job, correlation);
            }
            Ok(None) => spool.forwarding.none_left(now.mono),
            Err(error) => {
                log::error!("{error}");
                spool.forwarding.unreadable(now.mono);
            }
        }
    }
}

/// What is to be remembered of an answer that has a change id.
fn served_now(now: Now, vm_path: &str, disk: &str, change_id: Option<&ChangeId>) -> Option<Change> {
    let (vm_path, disk, change_id) = (vm_path.to_owned(), disk.to_owned(), change_id?.clone());
    Some(Change::ChangeIdServed(ServedChangeId { vma: String::new(), vm_path, disk, change_id, served_at: now.wall }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::VmaConfig;
    use crate::model::event::Event as Entry;
    use crate::model::peer::Caller;
    use crate::model::time::{Mono, Wall};
    use crate::runtime::drive::Appliance;
    use crate::wire::http::Method;

    fn now(seconds: u64) -> Now {
        Now { mono: Mono::from_millis(seconds * 1000), wall: Wall::from_unix_millis(1000) }
    }
    fn post(path: &[&str], body: &str) -> Request {
        let segments = path.iter().map(|segment| (*segment).to_owned()).collect();
        let body = body.as_bytes().to_vec();
        Request { method: Method::Post, segments, query: Vec::new(), headers: Vec::new(), body }
    }
    fn status(vma: &mut Vma, event: impl FnOnce(Sender<Response>) -> Event) -> u16 {
        let (to, answer) = smol::channel::bounded(1);
        vma.handle(now(1), event(to));
        vma.settle(now(1));
        answer.try_recv().expect("an answer").status
    }

    #[test]
    fn r52_a_panic_over_its_job_loses_no_change_id() {
        crate::runtime::guard::remember_places();
        let folder = tempfile::tempdir().expect("a folder");
        let database = folder.path().join("vma.db");
        let spool = "[changeid_spool]\noma = 'http://127.0.0.1:18082'";
        let text = format!("name = 'site-a'\ndatabase = '{}'\n{spool}\n", database.display());
        let config = VmaConfig::parse(&text, "vma.toml").expect("valid");
        let mut vma = Vma::open(&config, now(0), 1).expect("a database");
        let (events, _inbox) = smol::channel::bounded(1);
        vma.open_spool(&Rc::new(LocalExecutor::new()), &events);
        let push = r#"{"stage":"Transfer","bytes_transferred":10,"total_bytes":1000,"throughput_bps":0}"#;
        let push = post(&["api", "v1", "progress", "trapped", "update"], push);
        assert_eq!(status(&mut vma, |to| Event::Asked(Caller::Local, push, to)), 200);
        let job = JobId::parse("trapped").expect("an id");
        vma.source.trap = Some(job.clone());
        let change_id = post(&["api", "v1", "replications", "trapped", "changeid"], r#"{"change_id":"*"}"#);
        assert_eq!(status(&mut vma, |to| Event::AskedSpool(change_id, to)), 200);
        let store = vma.ledger.store();
        let waiting = store.next_unsent(0).expect("readable").expect("kept").received;
        assert_eq!((store.unsent_count(), waiting.change_id.as_str()), (Ok(1), "*"));
        let log = store.events(&job).expect("readable");
        let panics = log.iter().filter(|entry| entry.event == Entry::PanicCaught.stored_name());
        assert_eq!(panics.count(), 1);
        assert_eq!(vma.source.job(&job).expect("known").totals.bytes_transferred, 10);
    }
}
