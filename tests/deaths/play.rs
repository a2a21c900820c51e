//! One fixed play of requests, from the declaration of jobs to their ends, which goes on from the request that was not
//! answered when it is played again. Honest refusals are repeated, as a mover's client or an operator would.

use std::thread;
use std::time::{Duration, Instant};

use crate::books::{Ask, Books};
use crate::harness::{Daemon, FAST, SOON, Site, waybill};
use crate::http::Peer;
use crate::{mover, tracer};

/// One step of the play.
#[derive(Debug, Clone)]
enum Step {
    Ask(Ask),
    /// Wait until the OMA has stored this status of a job.
    Until(&'static str, &'static str),
    /// Time for what the VMA does a second later.
    Pause(Duration),
}

/// How a play came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Over,
    /// This daemon has died; its request stands open.
    Died(&'static str),
}

/// The daemons that play; one may be away.
pub struct Cast {
    pub vma: Daemon,
    pub oma: Daemon,
}

impl Cast {
    pub fn of(&mut self, role: &str) -> &mut Daemon {
        if role == "vma" { &mut self.vma } else { &mut self.oma }
    }
    /// Starts one side again, without a fault.
    pub fn restart(&mut self, site: &Site, role: &str) {
        *self.of(role) = if role == "vma" { site.vma() } else { site.oma() };
    }
}

/// The play, how far it is, and what was acknowledged in it.
pub struct Play {
    steps: Vec<Step>,
    at: usize,
    pub books: Books,
    /// When something was acknowledged, and how long the longest wait for it was.
    answered: Vec<Instant>,
    pub slowest: Duration,
}

const TOTAL: u64 = 1000;

impl Play {
    /// Two jobs of two disks each: one ends by its change ids, one by its source's word; a third is cancelled.
    pub fn new() -> Self {
        let mut steps = vec![Step::Ask(Ask::Declare("job-1".to_owned())), Step::Ask(Ask::Track("job-1".to_owned()))];
        let push = |job: &str, body: &str, moved| Step::Ask(Ask::push(job, body, moved));
        steps.extend([push("job-1", mover::INITIALIZING, 0), push("job-1", mover::SNAPSHOT, 0)]);
        for before in [0, TOTAL] {
            steps.push(push("job-1", mover::DISK_STARTS, before));
            for bytes in [TOTAL / 4, TOTAL / 2] {
                steps.push(push("job-1", &mover::running(bytes, TOTAL), before + bytes));
            }
            steps.push(Step::Until("job-1", "streaming"));
            steps.push(push("job-1", &mover::completed(TOTAL), before + TOTAL));
        }
        steps.push(Step::Ask(Ask::change_id("job-1", "disk-2000", 1)));
        steps.push(Step::Ask(Ask::change_id("job-1", "disk-2001", 2)));
        steps.push(Step::Until("job-1", "completed"));
        // A mover in the field declares nothing, and its job ends by its source's word.
        steps.push(push("job-2", &mover::running(TOTAL / 2, TOTAL), TOTAL / 2));
        steps.push(Step::Ask(Ask::Track("job-2".to_owned())));
        steps.push(Step::Until("job-2", "streaming"));
        steps.push(push("job-2", &mover::completed(TOTAL), TOTAL));
        steps.push(Step::Ask(Ask::Finish("job-2".to_owned())));
        steps.push(Step::Until("job-2", "completed"));
        steps.push(Step::Ask(Ask::Track("job-3".to_owned())));
        steps.push(Step::Ask(Ask::Cancel("job-3".to_owned())));
        steps.push(Step::Until("job-3", "failed"));
        // A change id that contradicts the end, and one that nobody can place.
        steps.push(Step::Ask(Ask::change_id("job-1", "disk-2001", 3)));
        steps.push(Step::Ask(Ask::change_id("job-9", "disk-2000", 4)));
        Self { steps, at: 0, books: Books::default(), answered: Vec::new(), slowest: Duration::ZERO }
    }
    /// The same with a pause in the middle, for what a VMA writes a second after a push.
    pub fn with_pause(pause: Duration) -> Self {
        let mut play = Self::new();
        play.steps.insert(6, Step::Pause(pause));
        play
    }

    /// Plays on to the end, or to a death.
    pub fn on(&mut self, site: &Site, cast: &mut Cast) -> Outcome {
        while let Some(step) = self.steps.get(self.at).cloned() {
            let outcome = match &step {
                Step::Ask(ask) => self.ask(cast, ask),
                Step::Until(job, status) => wait_for(site, cast, job, status),
                Step::Pause(pause) => {
                    thread::sleep(*pause);
                    Outcome::Over
                }
            };
            if outcome != Outcome::Over {
                return outcome;
            }
            self.at += 1;
        }
        Outcome::Over
    }

    /// How long after a moment something was acknowledged again.
    pub fn first_answer_after(&self, moment: Instant) -> Duration {
        let first = self.answered.iter().find(|answered| **answered >= moment);
        first.map_or(Duration::ZERO, |answered| *answered - moment)
    }

    /// Asks until it is acknowledged; whatever else is answered must be honest.
    fn ask(&mut self, cast: &mut Cast, ask: &Ask) -> Outcome {
        let (method, target, body) = ask.request();
        let daemon = cast.of(ask.role());
        let started = Instant::now();
        loop {
            match Peer::new(daemon.address()).call(method, &target, body.as_bytes()) {
                Ok(answer) if answer.status == 200 || answer.status == 201 => {
                    self.books.acknowledged(ask);
                    self.answered.push(Instant::now());
                    self.slowest = self.slowest.max(started.elapsed());
                    return Outcome::Over;
                }
                Ok(answer) if ask.has_happened(&answer) => return Outcome::Over,
                Ok(answer) => {
                    assert!((500..600).contains(&answer.status), "{ask:?}: {answer:?}");
                    assert_eq!(answer.content_type, "application/problem+json", "{answer:?}");
                }
                Err(_) if tracer::has_died(daemon) => return Outcome::Died(ask.role()),
                Err(error) => panic!("{ask:?}: {error} by a daemon that lives"),
            }
            assert!(started.elapsed() < 3 * SOON, "{ask:?} is never acknowledged");
        }
    }

    /// Ends both daemons in order, and looks at their files once more.
    pub fn close(self, site: &Site, mut cast: Cast) {
        self.check(site, &mut cast);
        for role in ["vma", "oma"] {
            let daemon = cast.of(role);
            daemon.signal(rustix::process::Signal::TERM);
            assert_eq!(daemon.ended(SOON).code(), Some(0), "{role}");
        }
        self.books.check_files(site);
        for database in ["vma.db", "oma.db"] {
            let checked = waybill(&["db", "check", "--db"]).arg(site.path(database)).output().unwrap();
            assert!(checked.status.success(), "{database}: {}", String::from_utf8_lossy(&checked.stdout));
        }
    }

    /// All that was promised is there, and all that was played has come to its end.
    fn check(&self, site: &Site, cast: &mut Cast) {
        assert_eq!(self.at, self.steps.len());
        self.books.check_files(site);
        let rows = site.rows("SELECT id, status, bytes_transferred FROM replication_jobs ORDER BY id");
        assert_eq!(rows, ["job-1|completed|2000", "job-2|completed|1000", "job-3|failed|0"]);
        let history = site.rows("SELECT job_id, disk_id, change_id FROM cbt_history WHERE sync_success ORDER BY id");
        assert_eq!(history.len(), 3, "{history:?}");
        for job in ["job-1", "job-2"] {
            assert_eq!(cast.vma.document(job)["status"], "Succeeded");
        }
    }
}

fn wait_for(site: &Site, cast: &mut Cast, job: &str, status: &str) -> Outcome {
    let started = Instant::now();
    let sql = format!("SELECT status FROM replication_jobs WHERE id = '{job}'");
    while site.rows(&sql) != [status] {
        for role in ["vma", "oma"] {
            if !cast.of(role).is_running() {
                return Outcome::Died(role);
            }
        }
        assert!(started.elapsed() < 3 * SOON, "{job} is not {status}: {:?}", site.rows(&sql));
        thread::sleep(Duration::from_millis(5));
    }
    Outcome::Over
}

/// A site that polls as fast as a configuration may.
pub fn site() -> Site {
    Site::new(FAST)
}
