//! The wall clock is set under two running daemons: a day forward and back, then 30 days forward,
//! beyond `keep_finished`, and back; by libfaketime, which leaves the monotonic clock alone.
//!
//! Numbers: four times within one job of two disks. No job fails, stalls or is forgotten, no duration is negative or a day
//! long, entries stay in their order, and the views neither take the daemon for dead nor show nonsense. `keep_finished` is
//! counted by the clock that nobody sets, and anew from each start: a job that ended is there 30 days later by the wall
//! clock, also after a restart.

use std::time::{Duration, Instant};

use crate::books::{Ask, Books};
use crate::fake_clock::FakeClock;
use crate::figures::Figures;
use crate::harness::{Daemon, Site, until, waybill};
use crate::mover;
use crate::play;

/// Less than the 10 s between two signs of life.
const AT_ONCE: Duration = Duration::from_secs(2);
const DAY: i64 = 24 * 3600;

/// The clock of both daemons and of whoever looks at them.
struct Clock {
    site: Site,
    fake: FakeClock,
}

impl Clock {
    fn start(&self, role: &'static str) -> Daemon {
        self.fake.start(&self.site, role)
    }
    /// What a command shows.
    fn shown(&self, args: &[&str]) -> String {
        let mut command = self.fake.faked(waybill(args));
        let output = command.arg("--db").arg(self.site.path("oma.db")).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{args:?}: {said}{}", String::from_utf8_lossy(&output.stderr));
        said
    }
}

fn ask(site: &Site, books: &mut Books, asked: Ask) {
    let (method, target, body) = asked.request();
    let mut peer = crate::http::Peer::new(site.address(asked.role()));
    let answer = peer.call(method, &target, body.as_bytes()).unwrap();
    assert!([200, 201].contains(&answer.status), "{asked:?}: {answer:?}");
    books.acknowledged(&asked);
}

/// Two disks; before each push of the second the clock is set.
fn run_job(clock: &mut Clock, books: &mut Books, figures: &mut Figures, job: &str, steps: &[i64]) {
    let stored = format!("SELECT bytes_transferred FROM replication_jobs WHERE id = '{job}'");
    ask(&clock.site, books, Ask::Declare(job.to_owned()));
    ask(&clock.site, books, Ask::Track(job.to_owned()));
    ask(&clock.site, books, Ask::push(job, mover::DISK_STARTS, 0));
    ask(&clock.site, books, Ask::push(job, &mover::completed(1000), 1000));
    ask(&clock.site, books, Ask::push(job, mover::DISK_STARTS, 1000));
    for (at, by) in (1..).zip(steps) {
        clock.fake.set(*by);
        let set = Instant::now();
        let bytes = 100 * at;
        ask(&clock.site, books, Ask::push(job, &mover::running(bytes, 1000), 1000 + bytes));
        clock.site.until_rows(&stored, &[&(1000 + bytes).to_string()]);
        if clock.fake.ahead != 0 {
            figures.fault(set.elapsed());
        }
        looks_sensible(clock, job);
    }
    ask(&clock.site, books, Ask::push(job, &mover::completed(1000), 2000));
    for (disk, counter) in [("disk-2000", 1), ("disk-2001", 2)] {
        ask(&clock.site, books, Ask::change_id(job, disk, counter));
    }
    clock.site.until_status(job, "completed");
}

/// The views of a job that runs: a living daemon, and no age that nobody has lived through.
fn looks_sensible(clock: &Clock, job: &str) {
    // The daemon notices at its next look, 100 ms later at most.
    let shown = until("the daemon is not taken for dead", AT_ONCE, || {
        let shown = [&["jobs"][..], &["show", job]].map(|args| clock.shown(args)).concat();
        (!shown.contains("not polled")).then_some(shown)
    });
    assert!(shown.contains("Streaming") || shown.contains("streaming"), "{shown}");
    assert!(!shown.contains("late") && !shown.contains("lost") && !shown.contains("stalled"), "{shown}");
}

#[test]
fn a_wall_clock_that_is_set_by_days_bends_nothing() {
    let site = play::site();
    let mut clock = Clock { fake: FakeClock::right(&site.path("")), site };
    let (mut vma, mut oma) = (clock.start("vma"), clock.start("oma"));
    let (mut books, mut figures) = (Books::default(), Figures::default());
    run_job(&mut clock, &mut books, &mut figures, "job-1", &[0]);
    run_job(&mut clock, &mut books, &mut figures, "job-2", &[DAY, -DAY, -DAY, DAY, 30 * DAY]);
    let spread = "SELECT round(max(julianday(at)) - min(julianday(at))) FROM job_events WHERE job_id = 'job-2'";
    assert_eq!(clock.site.rows(spread), ["30"], "the clock was set");
    assert_eq!(
        vma.document("job-1")["status"],
        "Succeeded",
        "30 days later it is still known, as keep_finished is 7 d"
    );

    let seconds = "SELECT DISTINCT sync_duration_seconds FROM cbt_history ORDER BY 1";
    assert!(clock.site.rows(seconds).iter().all(|text| text.parse::<u64>().unwrap() < 60));
    for database in ["vma.db", "oma.db"] {
        let odd = "SELECT job_id, stage, duration_ms FROM job_steps WHERE duration_ms IS NULL OR duration_ms > 60000";
        assert_eq!(clock.site.rows_of(database, odd), Vec::<String>::new(), "{database}");
    }
    let trouble = "SELECT job_id, event, message FROM job_events WHERE event IN
                   ('job_failed', 'job_stalled', 'contact_lost', 'backoff_changed', 'source_replaced', 'bytes_regressed')";
    assert_eq!(clock.site.rows(trouble), Vec::<String>::new());
    entries_in_order(&clock);

    for daemon in [&mut vma, &mut oma] {
        daemon.kill();
    }
    (vma, oma) = (clock.start("vma"), clock.start("oma"));
    assert_eq!(vma.document("job-1")["status"], "Succeeded", "a restart 30 days later forgets nothing");
    clock.fake.set(-30 * DAY);
    run_job(&mut clock, &mut books, &mut figures, "job-3", &[DAY]);
    books.check_files(&clock.site);
    books.check_answers(&vma);
    drop(oma);
    figures.tell("wall clock set by 1 and 30 days");
}

/// `log` shows what happened in the order in which it happened, whatever the clock said.
fn entries_in_order(clock: &Clock) {
    let shown = clock.shown(&["log", "job-2", "--json"]);
    let told: Vec<String> = shown
        .lines()
        .map(|line| {
            let entry: serde_json::Value = serde_json::from_str(line).expect(line);
            entry["event"].as_str().expect("an event").to_owned()
        })
        .collect();
    let stored = clock.site.rows("SELECT event FROM job_events WHERE job_id = 'job-2' ORDER BY id");
    // The VMA's entries stand between them.
    let mut all = told.iter();
    assert!(stored.iter().all(|event| all.any(|shown| shown == event)), "{told:#?} for {stored:#?}");
    let text = clock.shown(&["log", "job-2"]);
    assert!(!text.contains("-1d") && !text.contains("+-"), "{text}");
}
