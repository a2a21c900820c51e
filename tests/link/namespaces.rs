//! Nothing but port 443, and only one side may open a connection (R-60, R-64, F46). Goal: whatever the network does to
//! that one connection, a job of two disks is tracked to its end, and how long each fault costs is measured. Method:
//! each fault by itself, with either side dialling, both at the same time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::harness::{Daemon, until};
use crate::plant::Dials;
use crate::run::{DISK, Run};
use crate::strait::{Fault, Strait};

const JOB: &str = "job-20250925-134230.513-8034ee";
const OMA_HAS_LINK: &str = "vma=site-a the link stands";
const VMA_HAS_LINK: &str = "the link to the OMA stands";
const SILENCE: &str = "nothing was heard for 8 s";

/// Within what time a dead link is noticed.
const NOTICED: Duration = Duration::from_secs(10);
/// The longest wait for a dial and the dial itself, after the network is well again.
const FOUND_AGAIN: Duration = Duration::from_secs(21);

/// Both appliances with the link between them.
struct Scene<'s> {
    strait: &'s Strait,
    vma: Daemon,
    oma: Daemon,
}

impl<'s> Scene<'s> {
    fn begin(strait: &'s Strait) -> Self {
        let (vma, oma) = strait.start();
        let scene = Self { strait, vma, oma };
        scene.until_linked(0, 0);
        scene
    }
    /// How long both logs are.
    fn marks(&self) -> (usize, usize) {
        (self.vma.log().len(), self.oma.log().len())
    }
    /// Waits until both logs tell of a link after these marks.
    fn until_linked(&self, vma: usize, oma: usize) {
        until_told(&self.vma, vma, VMA_HAS_LINK, FOUND_AGAIN);
        until_told(&self.oma, oma, OMA_HAS_LINK, FOUND_AGAIN);
    }
    fn tell(&self, what: &str, took: Duration) {
        println!("{:?} dials, {what}: {:.2} s", self.strait.dials, took.as_secs_f64());
    }
}

/// Waits until a daemon's log has a text after a mark; how long that took.
fn until_told(daemon: &Daemon, mark: usize, text: &str, limit: Duration) -> Duration {
    let started = Instant::now();
    until(&format!("{text:?} in the log"), limit, || daemon.log()[mark..].contains(text).then_some(()));
    started.elapsed()
}

/// Plays a scene with either side dialling.
fn with_both(play: impl Fn(&Scene<'_>) + Sync) {
    let play = &play;
    thread::scope(|scope| {
        for dials in Dials::BOTH {
            scope.spawn(move || {
                let strait = Strait::new(dials);
                play(&Scene::begin(&strait));
            });
        }
    });
}

/// Seconds of the long form, which `WAYBILL_LONG` asks for.
fn seconds(short: u64, long: u64) -> Duration {
    Duration::from_secs(if std::env::var_os("WAYBILL_LONG").is_some() { long } else { short })
}

#[test]
fn port_443_and_one_direction_are_enough() {
    with_both(|scene| {
        let (dialler, listener) = match scene.strait.dials {
            Dials::Vma => ("vma", "oma"),
            Dials::Oma => ("oma", "vma"),
        };
        const NOTHING_CAME_BACK: Option<i32> = Some(28);
        for (from, port) in [(listener, 443), (listener, 8081), (dialler, 8081), (dialler, 8082), (dialler, 22)] {
            assert_eq!(scene.strait.knock(from, port), NOTHING_CAME_BACK, "from the {from} to port {port}");
        }
        let started = Instant::now();
        Run::to_its_end(scene.strait, JOB);
        scene.tell("a job to its end", started.elapsed());
    });
}

#[test]
fn bursts_of_loss() {
    with_both(|scene| {
        let (is_over, network) = (AtomicBool::new(false), &scene.strait.network);
        thread::scope(|scope| {
            let weather = scope.spawn(|| {
                while !is_over.load(Ordering::SeqCst) {
                    network.suffer(Fault::Loss);
                    thread::sleep(Duration::from_secs(3));
                    network.heal();
                    thread::sleep(Duration::from_secs(1));
                }
            });
            let _over = Over(&is_over);
            assert!(!weather.is_finished());
            through_loss(scene);
        });
    });
}

/// Says that it is over when it is dropped, also where the test fails.
struct Over<'o>(&'o AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

fn through_loss(scene: &Scene<'_>) {
    let mut run = Run::begin(scene.strait, JOB);
    run.patience = Duration::from_secs(60);
    let (started, steps) = (Instant::now(), seconds(40, 240).as_secs());
    let mut longest = Duration::ZERO;
    for disk in [0, 1] {
        for step in 1..=steps {
            let bytes = DISK / 2 * step / steps;
            run.push_bytes(bytes);
            longest = longest.max(run.until_bytes(disk * DISK + bytes));
            thread::sleep(Duration::from_millis(100));
        }
        run.complete(usize::try_from(disk).unwrap());
    }
    run.ends();
    let ends = scene.oma.log().matches("WARN").count();
    scene.tell(&format!("30 % of packets lost 3 s of 4, slowest of {} steps ({ends} warnings)", 2 * steps), longest);
    scene.tell("30 % of packets lost 3 s of 4, all of the job", started.elapsed());
}

#[test]
fn a_reset_every_five_seconds() {
    with_both(|scene| {
        let run = Run::begin(scene.strait, JOB);
        let resets = seconds(3, 24).as_secs();
        for reset in 1..=resets {
            thread::sleep(Duration::from_secs(5));
            let (vma, oma) = scene.marks();
            scene.strait.network.suffer(Fault::Reset);
            thread::sleep(Duration::from_millis(300));
            scene.strait.network.heal();
            let healed = Instant::now();
            let bytes = DISK / 2 * reset / resets;
            run.push_bytes(bytes);
            run.until_bytes(bytes);
            scene.tell("a reset, until the row goes on", healed.elapsed());
            scene.until_linked(vma, oma);
        }
        run.complete(0);
        run.copy(1);
        run.complete(1);
        run.ends();
    });
}

#[test]
fn a_partition() {
    with_both(|scene| {
        let mut run = Run::begin(scene.strait, JOB);
        run.patience = FOUND_AGAIN;
        run.copy(0);
        let (vma, oma) = scene.marks();
        scene.strait.network.suffer(Fault::Partition);
        let cut = Instant::now();
        // The movers know nothing of it, and go on.
        run.complete(0);
        run.push_bytes(DISK / 4);
        until_told(&scene.vma, vma, SILENCE, NOTICED);
        until_told(&scene.oma, oma, SILENCE, NOTICED);
        scene.tell("a partition, until both have noticed", cut.elapsed());
        assert!(cut.elapsed() < NOTICED, "{:?}", cut.elapsed());
        thread::sleep(seconds(20, 60).saturating_sub(cut.elapsed()));
        assert!(!run.has_bytes(DISK + DISK / 4), "the fault is none");
        let (vma, oma) = scene.marks();
        scene.strait.network.heal();
        let healed = Instant::now();
        run.until_bytes(DISK + DISK / 4);
        scene.tell("a partition has ended, until the row goes on", healed.elapsed());
        scene.until_linked(vma, oma);
        run.copy(1);
        run.complete(1);
        run.ends();
    });
}

/// A link of which only one direction is left is dead for both.
fn half_open(fault: Fault) {
    with_both(|scene| {
        let mut run = Run::begin(scene.strait, JOB);
        run.patience = FOUND_AGAIN;
        run.copy(0);
        let (vma, oma) = scene.marks();
        scene.strait.network.suffer(fault);
        let cut = Instant::now();
        run.complete(0);
        run.push_bytes(DISK / 4);
        let (deaf, mark, other, others_mark) = match fault {
            Fault::DeafOma => (&scene.oma, oma, &scene.vma, vma),
            _ => (&scene.vma, vma, &scene.oma, oma),
        };
        until_told(deaf, mark, SILENCE, NOTICED);
        scene.tell(&format!("{fault:?}, until it has noticed"), cut.elapsed());
        until_told(other, others_mark, SILENCE, NOTICED);
        scene.tell(&format!("{fault:?}, until both have noticed"), cut.elapsed());
        assert!(cut.elapsed() < NOTICED, "{:?}", cut.elapsed());
        assert!(!run.has_bytes(DISK + DISK / 4), "the fault is none");
        let (vma, oma) = scene.marks();
        scene.strait.network.heal();
        let healed = Instant::now();
        run.until_bytes(DISK + DISK / 4);
        scene.tell(&format!("{fault:?} has ended, until the row goes on"), healed.elapsed());
        scene.until_linked(vma, oma);
        run.copy(1);
        run.complete(1);
        run.ends();
    });
}

#[test]
fn half_open_where_nothing_arrives_at_the_oma() {
    half_open(Fault::DeafOma);
}

#[test]
fn half_open_where_nothing_arrives_at_the_vma() {
    half_open(Fault::DeafVma);
}

#[test]
fn f46_the_vma_gets_another_address() {
    with_both(|scene| {
        let mut run = Run::begin(scene.strait, JOB);
        run.patience = FOUND_AGAIN;
        run.copy(0);
        let (vma, oma) = scene.marks();
        scene.strait.move_vma();
        let moved = Instant::now();
        run.complete(0);
        run.push_bytes(DISK / 4);
        scene.until_linked(vma, oma);
        scene.tell("another address, until the link stands", moved.elapsed());
        run.until_bytes(DISK + DISK / 4);
        scene.tell("another address, until the row goes on", moved.elapsed());
        run.copy(1);
        run.complete(1);
        run.ends();
    });
}

/// The VMA's host loses its power, and comes back with another address before the OMA has noticed.
#[test]
fn f46_a_vma_that_dials_anew_is_taken_at_once_though_its_old_session_is_still_there() {
    let strait = Strait::new(Dials::Vma);
    let mut scene = Scene::begin(&strait);
    let mut run = Run::begin(&strait, JOB);
    run.patience = FOUND_AGAIN;
    run.copy(0);
    let (_, oma) = scene.marks();
    strait.network.suffer(Fault::Partition);
    scene.vma.kill();
    strait.move_vma();
    strait.network.heal();
    let back = Instant::now();
    scene.vma = strait.start_one("vma");
    run.complete(0);
    run.push_bytes(DISK / 4);
    run.until_bytes(DISK + DISK / 4);
    scene.tell("vanished without a FIN and back, until the row goes on", back.elapsed());
    assert!(back.elapsed() < Duration::from_secs(3), "{:?}", back.elapsed());
    let log = &scene.oma.log()[oma..];
    assert!(log.contains(OMA_HAS_LINK), "{log}");
    for old in ["has ended", "nothing was heard"] {
        assert!(!log.contains(old), "the old session was still there: {old:?} in\n{log}");
    }
    run.copy(1);
    run.complete(1);
    run.ends();
    assert!(!scene.oma.log()[oma..].contains("has ended"), "its end ends nothing: {}", scene.oma.log());
}
