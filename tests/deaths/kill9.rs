//! `kill -9` of both appliances in turn, at random moments, while movers push without a pause, change ids are posted, and
//! jobs begin, are cancelled and end (R-11, R-28, R-29, F3, F27).
//!
//! Numbers: 6 movers, one job after the other each; 20 kills, or `WAYBILL_KILLS`, with new databases after each 20. The seed
//! is printed, and `WAYBILL_SEED` repeats its moments. What was acknowledged is in the files of the dead and in the answers of the restarted, bytes and
//! sequence never go back, row and log agree, and all jobs come to their ends.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::books::{Ask, Books};
use crate::figures::{Figures, number};
use crate::harness::{Daemon, SOON, Site, until};
use crate::http::Peer;
use crate::mover;
use crate::play::{self, Cast};

const KILLS: usize = 20;
const MOVERS: usize = 6;
const TOTAL: u64 = 40 << 20;
const STEP: u64 = 2 << 20;

/// What movers and killer share.
struct Load<'a> {
    site: &'a Site,
    books: Mutex<Books>,
    /// Answers of each side.
    answered: [AtomicUsize; 2],
    is_over: AtomicBool,
}

impl Load<'_> {
    fn answered_by(&self, role: &str) -> &AtomicUsize {
        &self.answered[usize::from(role == "oma")]
    }

    /// Asks until it is acknowledged, however often the daemon dies over it.
    fn ask(&self, peers: &mut [Peer; 2], ask: &Ask) {
        let (method, target, body) = ask.request();
        let peer = &mut peers[usize::from(ask.role() == "oma")];
        until(&format!("{ask:?} is answered"), 3 * SOON, || {
            match peer.call(method, &target, body.as_bytes()) {
                Ok(answer) if answer.status == 200 || answer.status == 201 => {
                    self.books.lock().unwrap().acknowledged(ask);
                    self.answered_by(ask.role()).fetch_add(1, Ordering::SeqCst);
                    Some(())
                }
                Ok(answer) if ask.has_happened(&answer) => Some(()),
                Ok(answer) => {
                    assert_eq!(answer.status, 503, "{ask:?}: {answer:?}");
                    None
                }
                // Whoever was asked is dead; a mover goes on.
                Err(_) => None,
            }
        });
    }

    /// One job from its declaration to its end.
    fn run_job(&self, peers: &mut [Peer; 2], job: &str, is_cancelled: bool) {
        self.ask(peers, &Ask::Declare(job.to_owned()));
        self.ask(peers, &Ask::Track(job.to_owned()));
        for (before, disk) in [(0, "disk-2000"), (TOTAL, "disk-2001")] {
            self.ask(peers, &Ask::push(job, mover::DISK_STARTS, before));
            for bytes in (STEP..TOTAL).step_by(STEP as usize) {
                self.ask(peers, &Ask::push(job, &mover::running(bytes, TOTAL), before + bytes));
            }
            if is_cancelled {
                return self.ask(peers, &Ask::Cancel(job.to_owned()));
            }
            self.ask(peers, &Ask::push(job, &mover::completed(TOTAL), before + TOTAL));
            self.ask(peers, &Ask::change_id(job, disk, before + 1));
        }
        let sql = format!("SELECT status FROM replication_jobs WHERE id = '{job}'");
        until(&format!("{job} ends"), 3 * SOON, || (self.site.rows(&sql) == ["completed"]).then_some(()));
    }

    fn run_mover(&self, number: usize) -> usize {
        let mut peers = ["vma", "oma"].map(|role| Peer::new(self.site.address(role)));
        let mut round = 0;
        while !self.is_over.load(Ordering::SeqCst) {
            round += 1;
            self.run_job(&mut peers, &format!("job-{number}-{round}"), round % 4 == 0);
        }
        round
    }
}

/// Moments that are the same for the same seed (splitmix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound
    }
}

/// Figures of the OMA's rows that may not go back.
fn never_back(site: &Site, last: &mut BTreeMap<String, (u64, u64, f64)>) {
    for row in site.rows("SELECT id, bytes_transferred, source_sequence, progress_percent FROM replication_jobs") {
        let cells: Vec<&str> = row.split('|').collect();
        let now = (cells[1].parse().unwrap(), cells[2].parse().unwrap(), cells[3].parse().unwrap());
        if let Some(before) = last.insert(cells[0].to_owned(), now) {
            assert!(now.0 >= before.0 && now.1 >= before.1 && now.2 >= before.2, "{row} after {before:?}");
        }
    }
}

/// Kills one side, and looks before and after its restart.
fn kill(load: &Load<'_>, cast: &mut Cast, role: &'static str, figures: &mut Figures) {
    cast.of(role).kill();
    load.books.lock().unwrap().check_files(load.site);
    let restarted = Instant::now();
    cast.restart(load.site, role);
    let before = load.answered_by(role).load(Ordering::SeqCst);
    until("it is asked again", SOON, || (load.answered_by(role).load(Ordering::SeqCst) > before).then_some(()));
    figures.fault(restarted.elapsed());
    load.books.lock().unwrap().check_answers(&cast.vma);
}

#[test]
fn f03_f27_appliances_that_are_killed_at_any_moment_lose_nothing() {
    let seed = number("WAYBILL_SEED", std::process::id() as usize);
    println!("WAYBILL_SEED={seed}");
    let (mut dice, mut figures) = (Dice(seed as u64), Figures::default());
    let kills = number("WAYBILL_KILLS", KILLS);
    while figures.faults() < kills {
        killed_in_turn(&mut dice, &mut figures);
    }
    figures.tell(&format!("kill -9 under load, {MOVERS} movers, seed {seed}"));
}

/// Kills on one pair of databases.
fn killed_in_turn(dice: &mut Dice, figures: &mut Figures) {
    let site = play::site();
    let mut cast = Cast { vma: site.vma(), oma: site.oma() };
    let load =
        Load { site: &site, books: Mutex::default(), answered: Default::default(), is_over: AtomicBool::new(false) };
    let jobs: usize = thread::scope(|scope| {
        let movers: Vec<_> = (0..MOVERS)
            .map(|number| {
                scope.spawn({
                    let load = &load;
                    move || load.run_mover(number)
                })
            })
            .collect();
        let killed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let mut last = BTreeMap::new();
            for count in 0..KILLS {
                thread::sleep(Duration::from_millis(20 + dice.below(300)));
                kill(&load, &mut cast, if count % 2 == 0 { "vma" } else { "oma" }, figures);
                never_back(&site, &mut last);
            }
        }));
        load.is_over.store(true, Ordering::SeqCst);
        killed.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        movers.into_iter().map(|mover| mover.join().unwrap()).sum()
    });
    let books = load.books.into_inner().unwrap();
    books.check_files(&site);
    all_has_ended(&site, &cast.vma, jobs);
    println!("{jobs} jobs, {} acknowledged requests", books.count());
}

fn all_has_ended(site: &Site, vma: &Daemon, jobs: usize) {
    let unended = "SELECT id, status FROM replication_jobs WHERE status NOT IN ('completed', 'failed')";
    assert_eq!(site.rows(unended), Vec::<String>::new());
    let failed = "SELECT id, error_message FROM replication_jobs WHERE status = 'failed'
                  AND error_message <> 'cancelled: told so'";
    assert_eq!(site.rows(failed), Vec::<String>::new());
    assert_eq!(site.rows("SELECT count(*) FROM replication_jobs"), [jobs.to_string()]);
    // The one thing that a VMA which is set back would leave.
    assert_eq!(site.rows("SELECT message FROM job_events WHERE event = 'source_replaced'"), Vec::<String>::new());
    let served = "SELECT count(*) = (SELECT 2 * count(*) FROM replication_jobs WHERE status = 'completed')
                  FROM cbt_history WHERE sync_success AND change_id IS NOT NULL";
    assert_eq!(site.rows(served), ["1"], "two disks each, and their change ids");
    for job in site.rows("SELECT id FROM replication_jobs WHERE status = 'completed'") {
        assert_eq!(vma.document(&job)["status"], "Succeeded", "{job}");
    }
}
