//! What happens in the world when time passes: requests travel to a VMA and answers back, over links that lose, delay
//! and double them, and the OMA wakes up as in the real loop: take what happened, drain the changes into the outbox, one
//! commit, then carry out the actions.

use waybill::limits;
use waybill::model::change::Change;
use waybill::model::id::{JobId, VmaName};
use waybill::model::progress::Progress;
use waybill::model::request::{Declaration, Outcome};
use waybill::policy::contact::Miss;
use waybill::policy::fleet::{Action, DeclareAnswer, FinishAnswer, Input, Listed, listed_request};
use waybill::policy::refusal::Refusal;
use waybill::store::Durability;
use waybill::wire::{job, log, progress};

use crate::link::{Down, Link, TIMEOUT};
use crate::vma::{Vma, commit};
use crate::world::World;

/// Wake-ups after which a run is taken for one that spins.
const MOST_STEPS: u64 = 5_000_000;
const LIMIT_MS: u64 = TIMEOUT.as_millis() as u64;
/// How long after the first the second of two equal answers may come.
const DOUBLED_WITHIN_MS: u64 = 5000;

/// One thing that happens at its moment.
pub enum Happening {
    /// A request reaches its VMA.
    Asked(Request),
    /// An answer reaches the OMA; `is_awaited` is false where it comes twice, or after the limit.
    Arrived { came: Came, process: u32, is_awaited: bool },
    /// Something that a test wants.
    Script(Box<dyn FnOnce(&mut World)>),
}

/// A request on its way.
pub struct Request {
    action: Action,
    sent: u64,
    /// The OMA's process that sent it; its successor waits for nothing.
    process: u32,
    is_awaited: bool,
}

/// What comes to the OMA.
#[derive(Clone)]
pub enum Came {
    Core(Input),
    /// A VMA's list, as bytes: which of its jobs have a row here is looked up when it arrives.
    List(VmaName, String),
}

impl World {
    /// Lets time pass up to a moment.
    pub fn run_until(&mut self, end_ms: u64) {
        while self.step(end_ms) {}
        // Something within may have waited longer.
        self.now_ms = self.now_ms.max(end_ms);
    }

    fn step(&mut self, end_ms: u64) -> bool {
        let first = self.events.first_key_value().map(|((at, _), _)| *at);
        let deadline = self.fleet.next_deadline().map(|due| due.as_millis().max(self.busy_until));
        let Some(next) = first.into_iter().chain(deadline).min().filter(|next| *next <= end_ms) else { return false };
        self.steps += 1;
        assert!(self.steps < MOST_STEPS, "the world spins at {} ms", self.now_ms);
        self.now_ms = self.now_ms.max(next);
        for _ in 0..limits::EVENTS_PER_WAKEUP {
            let Some(entry) = self.events.first_entry().filter(|entry| entry.key().0 <= self.now_ms) else { break };
            let happening = entry.remove();
            self.happen(happening);
        }
        // Until its commit is over the OMA does nothing else.
        if self.now_ms >= self.busy_until {
            self.fleet.handle(self.now(), Input::Elapsed);
            self.settle();
        }
        true
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Asked(request) => {
                let came = self.vma_answers(&request.action);
                self.travel_back(request, came);
            }
            Happening::Arrived { process, .. } if process != self.process => {}
            Happening::Arrived { .. } if self.now_ms < self.busy_until => self.schedule(self.busy_until, happening),
            Happening::Arrived { came, is_awaited, .. } => self.arrive(came, is_awaited),
            Happening::Script(script) => script(self),
        }
    }

    fn arrive(&mut self, came: Came, is_awaited: bool) {
        let input = match came {
            Came::Core(input) => input,
            Came::List(vma, body) => return self.listed(vma, &body),
        };
        if let Input::Answered(job, _) | Input::Missed(job, _) = &input {
            // The fleet knows polls by their job: a stray answer ends the poll on the way, and that one's is the stray.
            self.strays += u64::from(!is_awaited);
            self.decide();
            let was_in_flight = self.in_flight.remove(job);
            assert!(was_in_flight || self.strays > 0, "an answer for {job} that nobody asked for");
            self.touched.insert(job.clone());
        }
        if let Input::LogRead(job, _) | Input::LogMissed(job, _) = &input {
            self.strays += u64::from(!is_awaited);
            self.decide();
            let was_on_the_way = self.log_reads.remove(job);
            assert!(was_on_the_way || self.strays > 0, "a log of {job} that nobody asked for");
        }
        self.fleet.handle(self.now(), input);
    }

    fn listed(&mut self, vma: VmaName, body: &str) {
        let listing = progress::parse_listing(body.as_bytes()).expect("our own list");
        // As the OMA's shell does: new jobs if it discovers, else the next runs of jobs that it knows.
        let request_of = |said: Progress| {
            let first = said.job.first_run();
            let newest = first.map(|first| self.store.newest_run(&first).expect("readable"));
            let before = newest.and_then(|run| self.fleet.job(&run).cloned().or_else(|| self.stored(&run)));
            let before = before.filter(|before| before.vma == vma);
            let is_wanted = self.stored(&said.job).is_none() && (self.settings.discover || before.is_some());
            is_wanted.then(|| listed_request(&vma, said, before.as_ref()))
        };
        let ended = listing.jobs.iter().filter(|said| said.status.is_final()).map(|said| said.job.clone()).collect();
        let jobs: Vec<_> = listing.jobs.into_iter().filter_map(request_of).collect();
        let new: Vec<JobId> = jobs.iter().map(|request| request.job.clone()).collect();
        let epoch = listing.epoch.and_then(|text| waybill::model::id::Epoch::parse(&text).ok());
        let listed = Listed { epoch, sequence: listing.sequence, more: listing.more, ended, jobs };
        self.fleet.handle(self.now(), Input::Listed(vma, listed));
        new.iter().for_each(|id| self.recall(id));
    }

    fn vma_answers(&mut self, action: &Action) -> Came {
        match action {
            Action::Poll { job, vma, .. } => {
                self.let_time_pass(vma);
                Came::Core(self.read(job, vma))
            }
            Action::Declare { job, vma, declaration, .. } => {
                let answer = self.take_declaration(job, vma, declaration);
                Came::Core(Input::DeclareAnswered(job.clone(), declaration.clone(), answer))
            }
            Action::TellFinish { job, vma, outcome, .. } => {
                Came::Core(Input::FinishAnswered(job.clone(), self.tell(job, vma, outcome)))
            }
            Action::ReadLog { job, vma, after, .. } => Came::Core(self.read_log(job, vma, *after)),
            Action::List { vma, .. } if self.vmas[self.place_of(vma)].is_old => missed(action, "status 404"),
            Action::List { vma, since, epoch } => {
                let at = self.place_of(vma);
                let epoch = epoch.as_ref().map(waybill::model::id::Epoch::as_str);
                let list = self.vmas[at].source.listing(self.vma_now(at), *since, epoch);
                let body = progress::render_listing(&list.epoch, list.sequence, list.more, &list.jobs);
                Came::List(vma.clone(), body)
            }
        }
    }

    /// A VMA notices by itself what is due; at the latest when it is asked.
    fn let_time_pass(&mut self, vma: &VmaName) {
        let at = self.place_of(vma);
        let now = self.vma_now(at);
        if !self.vmas[at].is_down {
            self.vmas[at].act(now, |_| Ok(())).expect("nothing is asked");
        }
    }

    fn take_declaration(&mut self, job: &JobId, vma: &VmaName, declaration: &Declaration) -> DeclareAnswer {
        let at = self.place_of(vma);
        if self.vmas[at].is_old || self.vmas[at].stub.is_some() || self.vmas[at].is_down {
            return DeclareAnswer::Unreachable;
        }
        let (now, body) = (self.vma_now(at), job::render_declaration(declaration));
        let declaration = job::parse_declaration(body.as_bytes()).expect("our own body");
        match self.vmas[at].act(now, |source| source.declare(now, job, &declaration)) {
            Ok(_) => DeclareAnswer::Taken,
            Err(refusal) => DeclareAnswer::Refused(refusal.to_string()),
        }
    }

    /// What the VMA answers to a poll, through the wire's bytes.
    fn read(&self, job: &JobId, vma: &VmaName) -> Input {
        let at = self.place_of(vma);
        let vma = &self.vmas[at];
        let body = match vma.stub {
            Some(stub) => match stub(job) {
                (200, body) => body,
                (404, _) => return Input::Missed(job.clone(), Miss::Unknown),
                (status, body) => return Input::Missed(job.clone(), Miss::Rubbish(format!("status {status}: {body}"))),
            },
            None => match vma.document(self.vma_now(at), job) {
                Some(said) if vma.is_old => {
                    progress::render(&Progress { sequence: None, epoch: None, log: None, ..said })
                }
                Some(said) => progress::render(&said),
                None => return Input::Missed(job.clone(), Miss::Unknown),
            },
        };
        match progress::parse(body.as_bytes()) {
            Ok(progress) => Input::Answered(job.clone(), Box::new(progress)),
            Err(why) => Input::Missed(job.clone(), Miss::Rubbish(why.to_string())),
        }
    }

    /// What the VMA answers to a read of its log, through the wire's bytes.
    fn read_log(&self, job: &JobId, vma: &VmaName, after: u64) -> Input {
        match self.vmas[self.place_of(vma)].log_after(job, after) {
            Some(page) => {
                let page = log::parse(log::render(&page).as_bytes()).expect("our own page");
                Input::LogRead(job.clone(), page)
            }
            None => Input::LogMissed(job.clone(), "status 404".to_owned()),
        }
    }

    fn tell(&mut self, job: &JobId, vma: &VmaName, outcome: &Outcome) -> FinishAnswer {
        let at = self.place_of(vma);
        let now = self.vma_now(at);
        let outcome = job::parse_finish(job::render_finish(outcome).as_bytes()).expect("our own body");
        match self.vmas[at].act(now, |source| source.finish(now, job, &outcome)) {
            Ok(()) => FinishAnswer::Taken,
            Err(Refusal::UnknownJob { .. }) => FinishAnswer::Unknown,
            Err(refusal) => FinishAnswer::Refused(refusal.to_string()),
        }
    }

    fn send(&mut self, action: Action) {
        // What a commit has held up is sent when it is over.
        let sent = self.now_ms.max(self.busy_until);
        let (place, process) = (self.place_of(vma_of(&action)), self.process);
        let delay = self.delay(place);
        let link = &self.vmas[place].link;
        let (is_up, down) = (link.is_up(sent), link.down);
        let miss = |why: &str| Happening::Arrived { came: missed(&action, why), process, is_awaited: true };
        match (is_up, down) {
            (true, _) => {
                let is_awaited = delay < LIMIT_MS;
                if !is_awaited {
                    self.schedule(sent + LIMIT_MS, miss("no first byte within 10 s"));
                }
                self.schedule(sent + delay, Happening::Asked(Request { action, sent, process, is_awaited }));
            }
            (false, Down::Refuses) => self.schedule(sent + 1, miss("connect: connection refused")),
            (false, Down::Hangs) => self.schedule(sent + LIMIT_MS, miss("no first byte within 10 s")),
        }
    }

    /// The answer goes back over the link, if that is still up, and within the limit, if it is fast enough.
    fn travel_back(&mut self, request: Request, came: Came) {
        let Request { action, sent, process, is_awaited } = request;
        let (place, limit) = (self.place_of(vma_of(&action)), sent + LIMIT_MS);
        let arrives = self.now_ms + self.delay(place);
        let link = &self.vmas[place].link;
        let Link { doubled, is_late, down, .. } = *link;
        let is_up = link.is_up(self.now_ms) && link.is_up(arrives);
        let is_in_time = is_awaited && arrives <= limit;
        if is_awaited {
            let (at, came) = match (is_up, down) {
                (true, _) if is_in_time => (arrives, came.clone()),
                (false, Down::Refuses) if is_in_time => (arrives, missed(&action, "body: connection reset by peer")),
                (true | false, _) => (limit, missed(&action, "no first byte within 10 s")),
            };
            self.schedule(at, Happening::Arrived { came, process, is_awaited: true });
        }
        if is_up && is_late && !is_in_time {
            self.schedule(arrives, Happening::Arrived { came, process, is_awaited: false });
        } else if is_up && is_in_time && doubled > 0 && self.dice.below(100) < doubled {
            let again = arrives + self.dice.below(DOUBLED_WITHIN_MS);
            self.schedule(again, Happening::Arrived { came, process, is_awaited: false });
        }
    }

    fn delay(&mut self, place: usize) -> u64 {
        let Link { latency_ms, jitter_ms, .. } = self.vmas[place].link;
        latency_ms + if jitter_ms > 0 { self.dice.below(jitter_ms + 1) } else { 0 }
    }

    /// The second half of a wake-up: one transaction, the invariants, then the actions.
    pub fn settle(&mut self) {
        if self.is_awake {
            return;
        }
        self.take_changes();
        while let Some(request) = self.fleet.next_redirected() {
            let (now, stored) = (self.now(), self.stored(&request.job));
            if self.fleet.track(now, &request, stored.as_ref()).is_ok() {
                self.recall(&request.job);
            }
            self.take_changes();
        }
        if self.is_writable {
            if !self.outbox.is_empty() {
                self.busy_until = self.now_ms.max(self.busy_until) + self.commit_ms;
            }
            for change in self.outbox.changes() {
                if let Change::Progress(job) | Change::Ended(job) = change {
                    self.writes.push((self.now_ms, job.id.clone()));
                }
            }
            let is_record = self.outbox.is_irreplaceable();
            let durability = if is_record { Durability::OnDisk } else { Durability::HandedToSystem };
            commit(&mut self.store, &mut self.outbox, &mut self.rules, durability);
            if let Some(disk) = &mut self.disk {
                disk.committed(durability);
            }
            self.rules.check_memory(&self.fleet, self.touched.iter());
        }
        self.touched.clear();
        self.fleet.handle(self.now(), Input::Writable(self.outbox.changes().len() < self.most_unwritten));
        assert!(self.fleet.len() <= limits::UNFINISHED_JOBS);
        self.decide();
        for action in std::mem::take(&mut self.decided) {
            match action {
                // A VMA is not told of an end that rests on what is not written yet; polls never wait.
                Action::TellFinish { .. } => self.to_tell.push(action),
                Action::Poll { .. } | Action::ReadLog { .. } => self.send(action),
                Action::List { .. } | Action::Declare { .. } => self.send(action),
            }
        }
        if self.outbox.is_empty() {
            for action in std::mem::take(&mut self.to_tell) {
                if self.fleet.stands_by(self.now(), &action) {
                    self.send(action);
                }
            }
        }
    }

    /// Takes what the fleet wants to be sent; it waits for the end of the wake-up.
    fn decide(&mut self) {
        while let Some(action) = self.fleet.next_action() {
            if let Action::Poll { job, .. } = &action {
                let at = self.now_ms;
                assert!(self.in_flight.insert(job.clone()), "two polls of {job} are on the way at {at} ms");
                self.polls.push((at, job.clone()));
            }
            if let Action::ReadLog { job, .. } = &action {
                assert!(self.log_reads.insert(job.clone()), "two reads of the log of {job} are on the way");
            }
            self.decided.push(action);
        }
    }

    /// What the fleet has decided is to be written.
    pub fn take_changes(&mut self) {
        let changes = self.fleet.changes();
        self.rules.check(&changes);
        self.outbox.extend(changes);
    }

    /// Where a VMA stands.
    pub fn place_of(&self, name: &VmaName) -> usize {
        self.vmas.iter().position(|vma: &Vma| vma.name == *name).expect("a VMA")
    }

    /// An answer comes now that no poll asked for.
    pub fn stray(&mut self, input: Input) {
        let came = Came::Core(input);
        self.happen(Happening::Arrived { came, process: self.process, is_awaited: false });
        self.settle();
    }

    pub fn schedule(&mut self, at_ms: u64, happening: Happening) {
        self.serial += 1;
        self.events.insert((at_ms.max(self.now_ms), self.serial), happening);
    }
}

fn vma_of(action: &Action) -> &VmaName {
    match action {
        Action::Poll { vma, .. } | Action::TellFinish { vma, .. } => vma,
        Action::ReadLog { vma, .. } | Action::List { vma, .. } | Action::Declare { vma, .. } => vma,
    }
}

fn missed(action: &Action, why: &str) -> Came {
    Came::Core(match action {
        // As the OMA's shell tells them apart: who refuses a connection is the near end of the tunnel.
        Action::Poll { job, .. } if why.starts_with("connect:") => {
            Input::Missed(job.clone(), Miss::NoTunnel(why.to_owned()))
        }
        Action::Poll { job, .. } => Input::Missed(job.clone(), Miss::Unreachable(why.to_owned())),
        Action::TellFinish { job, .. } => Input::FinishAnswered(job.clone(), FinishAnswer::Unreachable(why.to_owned())),
        Action::ReadLog { job, .. } => Input::LogMissed(job.clone(), why.to_owned()),
        Action::Declare { job, declaration, .. } => {
            Input::DeclareAnswered(job.clone(), declaration.clone(), DeclareAnswer::Unreachable)
        }
        Action::List { vma, .. } => Input::ListMissed(vma.clone()),
    })
}
