//! What may happen in a random walk, and how often: movers with and without ids, users who declare, track, cancel and end,
//! and the weather: links, clocks, databases and processes. What is refused is refused; nobody is asked to like it.

use std::time::Duration;

use waybill::model::progress::Progress;
use waybill::policy::dice::Dice;
use waybill::policy::fleet::{FleetSettings, OnStall};

use crate::disk::Death;
use crate::link::{Down, Link};
use crate::movers::{change_id, completed, completed_with_zeros, failed, of_disk, run, stage, start};
use crate::vcenter;
use crate::vma::Backup;
use crate::world::{World, default_settings};

/// Jobs, a name that one of them may be given, and a later run of one.
pub const IDS: [&str; 4] = ["job-1", "job-2", "volume", "job-1~2"];
const DISKS: [&str; 4] = ["a", "b", "disk-2001", "stranger"];
const STAGES: [&str; 8] = [
    "Initializing",
    "Creating Snapshot",
    "Preparing Migration",
    "Setting up NBD",
    "Finalize",
    "Polishing",
    "QueryCBT",
    "PersistChangeIDs",
];
const DAY: u64 = 24 * 3600 * 1000;

/// The bad weather of one walk.
pub struct Storm {
    pub dice: Dice,
    /// VMAs may lose their database or get an older one back.
    pub has_disasters: bool,
    is_long: bool,
    backups: [Option<Backup>; 2],
}

/// A VMA ends and starts again: it tells the same story of every job (R-11).
fn restart(world: &mut World, vma: usize) {
    let (now, before) = (world.vma_now(vma), story(world, vma));
    world.vmas[vma].restart(now);
    assert_eq!(story(world, vma), before, "a VMA that started again tells another story");
}

/// What it says of all its jobs, but how fast they are.
fn story(world: &World, vma: usize) -> Vec<Progress> {
    let mut jobs = world.vmas[vma].source.listing(world.vma_now(vma), 0, None).jobs;
    for job in &mut jobs {
        (job.totals.throughput_bps, job.totals.eta_seconds) = (0, None);
        job.disks.iter_mut().for_each(|disk| disk.throughput_bps = 0);
    }
    jobs
}

impl Storm {
    pub fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed ^ 0x5eed);
        let (has_disasters, is_long) = (dice.below(2) == 0, dice.below(4) == 0);
        Self { dice, has_disasters, is_long, backups: [None, None] }
    }

    /// Some walks go over hours, with VMAs that soon forget what has ended; in some the second VMA is an older one.
    pub fn prepare(&mut self, world: &mut World) {
        world.vmas[1].is_old = self.is(30);
        if self.is_long {
            world.vmas.iter_mut().for_each(|vma| vma.keep_finished = Duration::from_secs(1200));
        }
        (0..2).for_each(|vma| restart(world, vma));
    }
    /// How long the storm lasts.
    pub fn length_ms(&self) -> u64 {
        if self.is_long { 3 * 3600 * 1000 } else { 600_000 }
    }
    /// How long until the next thing happens.
    pub fn pause_ms(&mut self) -> u64 {
        self.dice.below(if self.is_long { 40_000 } else { 4000 })
    }

    /// Two VMAs, and rules that are the default's or so short that a walk meets their ends.
    pub fn settings(&mut self, seed: u64) -> FleetSettings {
        let mut settings = default_settings(seed);
        settings.vmas.push(waybill::model::id::VmaName::parse("site-b").expect("a name"));
        settings.discover = self.is(50);
        if self.is(50) {
            settings.backoff.lost_after = Duration::from_secs(60);
            settings.queued_timeout = Duration::from_secs(150);
            settings.stall_after = Duration::from_secs(20);
        }
        if self.is(20) {
            settings.on_stall = OnStall::Fail;
        }
        settings
    }

    fn is(&mut self, percent: u64) -> bool {
        self.dice.below(100) < percent
    }
    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.dice.below(of.len() as u64) as usize]
    }
    fn vma(&mut self) -> usize {
        usize::from(self.is(25))
    }

    /// One thing happens, or some at once.
    pub fn happen(&mut self, world: &mut World) {
        let things = 1 + self.one(&[0, 0, 0, 1, 3]);
        world.at_once(|world| (0..things).for_each(|_| self.do_one_thing(world)));
    }

    fn do_one_thing(&mut self, world: &mut World) {
        let (vma, id) = (self.vma(), self.one(&IDS));
        match self.dice.below(110) {
            0..=59 => drop(world.push_to(vma, id, &self.body())),
            60 | 61 => self.tell_a_story(world, vma, id),
            62 => self.tell_as_it_is(world, vma, id),
            63..=66 => self.declare(world, vma, id),
            67..=69 => {
                let name = world.vmas[vma].name.clone();
                let disks = self.one(&[
                    "",
                    r#","disks":[{"id":"a"},{"id":"b"}]"#,
                    r#","disks":[{"id":"a"}]"#,
                    r#","disk_count":2,"vm":{"path":"/DC0/vm/web"}"#,
                ]);
                drop(world.track(&format!(r#"{{"id":"{id}","vma":"{name}"{disks}}}"#)));
            }
            70..=77 => {
                let (disk, counter) = (self.one(&DISKS), self.dice.below(9) as u32);
                let given = if self.is(90) { change_id(counter) } else { "rubbish".to_owned() };
                world.change_id(id, &format!(r#"{{"change_id":"{given}","disk_id":"{disk}"}}"#));
            }
            78 => drop(world.cancel(id, "a whim")),
            79 => {
                let end = self.one(&[r#"{"status":"Succeeded"}"#, r#"{"status":"Failed","error":"by hand"}"#]);
                drop(world.finish_at(vma, id, end));
            }
            80..=89 => self.blow(world, vma),
            90..=92 => self.end_oma(world),
            93..=95 => self.end_vma(world, vma),
            96..=98 => self.strike(world, vma),
            99 => self.backups[vma] = Some(world.vmas[vma].backup()),
            100 => world.insert_by_hand(id, self.one(&["site-a", "site-b", "nowhere"])),
            101 => world.fail_by_hand(id),
            _ => {
                let late_ms = 1 + self.dice.below(20_000);
                world.ask_vcenter(vma, late_ms, &mut self.dice, vcenter::by_lot);
            }
        }
    }

    /// The OMA ends and starts again: asked to, killed, or with its machine.
    fn end_oma(&mut self, world: &mut World) {
        match self.one(&[None, Some(Death::Killed), Some(Death::PowerCut)]) {
            Some(death) => world.kill_oma(death, &mut self.dice),
            None => world.restart_oma(),
        }
    }
    /// The same of a VMA. Its machine takes the last second with it, which only sets it back.
    fn end_vma(&mut self, world: &mut World, vma: usize) {
        let now = world.vma_now(vma);
        match self.one(&[None, Some(Death::Killed), Some(Death::PowerCut)]) {
            Some(Death::PowerCut) if self.has_disasters => world.vmas[vma].die(now, Death::PowerCut, &mut self.dice),
            Some(Death::Killed) => {
                let before = story(world, vma);
                world.vmas[vma].die(now, Death::Killed, &mut self.dice);
                assert_eq!(story(world, vma), before, "a VMA that was killed tells another story");
            }
            Some(Death::PowerCut) | None => restart(world, vma),
        }
    }

    /// The weather changes.
    fn blow(&mut self, world: &mut World, vma: usize) {
        match self.dice.below(11) {
            0..=2 => {
                let (down, period) = (self.one(&[Down::Hangs, Down::Refuses]), 1000 + self.dice.below(60_000));
                let share = self.dice.below(100);
                world.vmas[vma].link = Link::when(down, move |ms| ms % period < period * share / 100);
            }
            3..=4 => {
                let (latency_ms, jitter_ms) = (self.dice.below(6000), self.dice.below(8000));
                let (doubled, is_late) = (self.one(&[0, 0, 50, 100]), self.is(50));
                world.vmas[vma].link = Link { latency_ms, jitter_ms, doubled, is_late, ..Link::good() };
            }
            5 => world.vmas[vma].link = Link::good(),
            6 => {
                let step = self.dice.below(2 * DAY) as i64 - DAY as i64;
                *self.clock(world, vma) += step;
            }
            7 => world.commit_ms = self.one(&[0, 0, 100, 3000, 15_000]),
            8 => world.is_writable = !world.is_writable,
            9 => {
                let nothing: crate::vma::Stub = |_| (404, "404 page not found".to_owned());
                let rubbish: crate::vma::Stub = |_| (200, "job not found".to_owned());
                world.vmas[vma].stub = self.one(&[None, Some(nothing), Some(rubbish)]);
            }
            _ => world.most_unwritten = self.one(&[5, 50, 50_000]),
        }
    }

    fn clock<'a>(&mut self, world: &'a mut World, vma: usize) -> &'a mut i64 {
        if self.is(50) { &mut world.ahead_ms } else { &mut world.vmas[vma].ahead_ms }
    }

    /// A VMA loses its database, or gets an earlier one back.
    fn strike(&mut self, world: &mut World, vma: usize) {
        let now = world.vma_now(vma);
        match self.backups[vma].take() {
            _ if !self.has_disasters => {}
            Some(backup) => world.vmas[vma].restore(now, &backup),
            None => world.vmas[vma].replace(now),
        }
    }

    fn declare(&mut self, world: &mut World, vma: usize, id: &str) {
        let declaration = self.one(&[
            "{}",
            r#"{"disks":[{"id":"a","export":{"name":"volume"}},{"id":"b","device_key":2001}]}"#,
            r#"{"vm":{"path":"/DC0/vm/db"},"disks":[{"id":"a","capacity_bytes":500}],"aliases":["volume"]}"#,
            r#"{"vm":{"path":"/DC0/vm/web"}}"#,
            r#"{"vm":{"path":"/DC0/vm/web"},"disk_count":2,"again":true}"#,
            r#"{"vm":{"path":"/DC0/vm/web"},"sync":"incremental","disks":[{"id":"disk-2001"}]}"#,
        ]);
        drop(world.declare_to(vma, id, declaration));
    }

    /// A mover that does all as it should, within the next minutes: two disks and their change ids.
    fn tell_a_story(&mut self, world: &mut World, vma: usize, id: &'static str) {
        let mut at = world.now_ms() + 500;
        let mut bodies = vec![stage("Initializing", 5), stage("Creating Snapshot", 10)];
        for _ in 0..2 {
            let total = 50 + self.dice.below(100);
            bodies.push(start());
            bodies.extend((1..=4).map(|quarter| run(total * quarter / 4, total)));
            bodies.push(completed(total));
        }
        for body in bodies {
            world.at(at, move |world| drop(world.push_to(vma, id, &body)));
            at += 500 + self.dice.below(4000);
        }
        for disk in ["a", "b"] {
            let body = format!(r#"{{"change_id":"{}","disk_id":"{disk}"}}"#, change_id(5));
            world.at(at + self.dice.below(3000), move |world| world.change_id(id, &body));
        }
    }

    /// A mover as it is (`wire.md`): it declares nothing and names no disk, posts each disk's change id before it goes on,
    /// and may die on the way, say `failed` and leave, or be started again; every VM has a `disk-2000`.
    fn tell_as_it_is(&mut self, world: &mut World, vma: usize, id: &'static str) {
        let mut at = world.now_ms() + 500;
        let (lives, counter) = (1 + self.dice.below(2), self.dice.below(9) as u32);
        for life in 0..lives {
            let is_last = life + 1 == lives;
            let steps = if is_last && self.is(60) { usize::MAX } else { self.dice.below(12) as usize };
            let mut said: Vec<Result<String, String>> =
                vec![Ok(stage("Initializing", 5)), Ok(stage("Creating Snapshot", 10))];
            for disk in ["disk-2000", "disk-2001"] {
                let total = 50 + self.dice.below(100);
                said.push(Ok(start()));
                said.extend((1..=3).map(|third| Ok(run(total * third / 3, total))));
                said.push(Ok(completed(total)));
                said.push(Err(format!(r#"{{"change_id":"{}","disk_id":"{disk}"}}"#, change_id(counter))));
            }
            said.truncate(steps);
            if steps < usize::MAX && self.is(50) {
                said.push(Ok(failed("no space left on device")));
            }
            for one in said {
                world.at(at, move |world| match one {
                    Ok(push) => drop(world.push_to(vma, id, &push)),
                    Err(change_id) => world.change_id_by(vma, id, &change_id),
                });
                at += 300 + self.dice.below(2500);
            }
            at += self.dice.below(5000);
        }
    }

    fn body(&mut self) -> String {
        let total = self.one(&[100, 100, 100, 150, 90, 0]);
        let body = match self.dice.below(12) {
            0 | 1 => start(),
            2..=6 => run(self.dice.below(120), total),
            7 => completed(total),
            8 => completed_with_zeros(),
            9 => failed(self.one(&["disk error", "exit status 1"])),
            _ => return stage(self.one(&STAGES), 10),
        };
        if self.is(50) { of_disk(self.one(&DISKS), &body) } else { body }
    }
}
