//! One run of a mover: two disks, each with a change id at its end. Goal: a test can stop between any two steps and do
//! something to the link. Method: calls as movers make them, and the OMA's database as the only witness.

use std::thread;
use std::time::{Duration, Instant};

use crate::mover;
use crate::plant::{At, Calls};

pub const MIB: u64 = 1 << 20;
/// How many bytes each disk has.
pub const DISK: u64 = 64 * MIB;
const DISKS: [&str; 2] = ["disk-2000", "disk-2001"];

/// One job under way.
pub struct Run<'c> {
    calls: &'c dyn Calls,
    pub job: String,
    vm: String,
    /// How long the OMA may take for what it is to learn.
    pub patience: Duration,
}

impl<'c> Run<'c> {
    /// Declares the job with both disks on the VMA and has it tracked by the OMA.
    pub fn begin(calls: &'c dyn Calls, job: &str) -> Self {
        Self::begin_again(calls, job, job)
    }
    /// The same for another job of a VM.
    pub fn begin_again(calls: &'c dyn Calls, job: &str, vm: &str) -> Self {
        let run = Self { calls, job: job.to_owned(), vm: vm.to_owned(), patience: Duration::from_secs(20) };
        let [first, second] = DISKS;
        let disks = format!(r#"[{{"id":"{first}","label":"Hard disk 1"}},{{"id":"{second}","label":"Hard disk 2"}}]"#);
        let declared = format!(r#"{{"vm":{{"name":"{vm}","path":"{}"}},"disks":{disks}}}"#, run.vm_path());
        run.expect(At::Movers, "PUT", &format!("/api/v1/jobs/{job}"), &declared, 201);
        run.expect(At::Oma, "POST", "/api/v1/jobs", &format!(r#"{{"id":"{job}","vma":"site-a"}}"#), 201);
        run
    }
    /// All of it, while nothing happens.
    pub fn to_its_end(calls: &'c dyn Calls, job: &str) {
        let run = Self::begin(calls, job);
        run.copy(0);
        run.complete(0);
        run.copy(1);
        run.complete(1);
        run.ends();
    }

    fn vm_path(&self) -> String {
        format!("/DC0/vm/{}", self.vm)
    }
    /// The change id of a disk.
    pub fn change_id(disk: usize) -> String {
        format!("52 de c0 d9 b9 43 9d 10-61 d5 4c 1b e9 7b 65 6{disk}/{}", 81 + disk)
    }

    /// Copies half a disk, and sees the OMA learn of each step.
    pub fn copy(&self, disk: u64) {
        self.push(mover::DISK_STARTS);
        for quarter in [1, 2] {
            self.push_bytes(DISK * quarter / 4);
            self.until_bytes(disk * DISK + DISK * quarter / 4);
        }
    }
    /// Reports so many bytes of the present disk.
    pub fn push_bytes(&self, bytes: u64) {
        self.push(&mover::running(bytes, DISK));
    }
    /// Waits until the OMA's row has so many bytes, of all disks; how long that took.
    pub fn until_bytes(&self, bytes: u64) -> Duration {
        self.until_row("bytes_transferred", &bytes.to_string())
    }
    /// True where the OMA's row has so many bytes.
    pub fn has_bytes(&self, bytes: u64) -> bool {
        self.row("bytes_transferred") == [bytes.to_string()]
    }
    /// Reports a disk's end and hands its change id over.
    pub fn complete(&self, disk: usize) {
        self.push(&mover::completed(DISK));
        self.hand_over(disk);
    }
    /// What a mover does after each disk; it does not wait for the OMA.
    pub fn hand_over(&self, disk: usize) {
        let started = Instant::now();
        let target = format!("/api/v1/replications/{}/changeid", self.job);
        self.expect(At::Spool, "POST", &target, &mover::change_id(DISKS[disk], &Self::change_id(disk)), 200);
        assert!(started.elapsed() < Duration::from_secs(2), "the mover has waited {:?}", started.elapsed());
    }
    /// What a mover does before each disk: the change id of the run before, and what is said of it.
    pub fn ask(&self, disk: usize) -> (String, String) {
        let target = format!("/api/v1/replications/changeid?vm_path={}&disk_id={}", self.vm_path(), DISKS[disk]);
        let said = self.expect(At::Spool, "GET", &target, "", 200);
        let text = |key: &str| said[key].as_str().unwrap_or_else(|| panic!("{key} is no text: {said}")).to_owned();
        (text("change_id"), text("message"))
    }
    /// Waits until both sides know that all is copied and all change ids are there.
    pub fn ends(&self) -> Duration {
        let took = self.until_row("status", "completed");
        let site = self.calls.site();
        let ids = [Self::change_id(0), Self::change_id(1)];
        let of_job = |sql: &str| site.rows(&format!("{sql} WHERE job_id = '{}' ORDER BY disk_id", self.job));
        assert_eq!(of_job("SELECT sync_status || ' ' || disk_change_id FROM vm_disks"), ids.clone().map(completed));
        let history = of_job("SELECT change_id || ' ' || bytes_transferred || ' ' || sync_success FROM cbt_history");
        assert_eq!(history, ids.map(|id| format!("{id} {DISK} 1")));
        self.until("the VMA hears of it", || {
            let document = self.expect(At::Movers, "GET", &format!("/api/v1/progress/{}", self.job), "", 200);
            (document["status"] == "Succeeded").then_some(())
        });
        self.until("nothing waits in the spool", || {
            (site.rows_of("vma.db", "SELECT count(*) FROM unsent_change_ids") == ["0"]).then_some(())
        });
        took
    }

    fn push(&self, body: &str) {
        let said = self.expect(At::Movers, "POST", &format!("/api/v1/progress/{}/update", self.job), body, 200);
        assert_eq!(said["status"], "success", "{said}");
    }
    fn row(&self, column: &str) -> Vec<String> {
        self.calls.site().rows(&format!("SELECT {column} FROM replication_jobs WHERE id = '{}'", self.job))
    }
    fn until_row(&self, column: &str, expected: &str) -> Duration {
        let started = Instant::now();
        let what = format!("{column} of {} is {expected}", self.job);
        self.until(&what, || (self.row(column) == [expected]).then_some(()));
        started.elapsed()
    }
    fn until<T>(&self, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
        crate::harness::until(what, self.patience, || {
            let found = look();
            if found.is_none() {
                thread::sleep(Duration::from_millis(15));
            }
            found
        })
    }
    fn expect(&self, at: At, method: &str, target: &str, body: &str, status: u16) -> serde_json::Value {
        let answer = self.calls.call(at, method, target, body);
        assert_eq!(answer.status, status, "{at:?} {method} {target} {body}: {answer:?}");
        answer.json()
    }
}

fn completed(change_id: String) -> String {
    format!("completed {change_id}")
}
