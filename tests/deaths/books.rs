//! What has been acknowledged, and what both databases must hold for it. Row and log must tell the same whatever
//! happened (R-27).

use std::collections::{BTreeMap, BTreeSet};

use crate::harness::{Daemon, Site};
use crate::http::Answer;

/// One request of which the answer is a promise.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ask {
    Declare(String),
    /// A mover's push: the job, the body, and how many bytes the whole job has moved by it.
    Push(String, String, u64),
    /// The end of a job, told to the VMA.
    Finish(String),
    Track(String),
    Cancel(String),
    /// A disk's change id, told to the OMA.
    ChangeId(String, String, String),
}

impl Ask {
    pub fn push(job: &str, body: &str, moved: u64) -> Self {
        Self::Push(job.to_owned(), body.to_owned(), moved)
    }
    pub fn change_id(job: &str, disk: &str, counter: u64) -> Self {
        let id = format!("52 de c0 d9 b9 43 9d 10-61 d5 4c 1b e9 7b 65 63/{counter}");
        Self::ChangeId(job.to_owned(), disk.to_owned(), id)
    }
    /// Who is asked: `vma` or `oma`.
    pub fn role(&self) -> &'static str {
        match self {
            Self::Declare(_) | Self::Push(..) | Self::Finish(_) => "vma",
            Self::Track(_) | Self::Cancel(_) | Self::ChangeId(..) => "oma",
        }
    }
    /// True where an answer says that this has happened already: a death had taken the answer to the first time.
    pub fn has_happened(&self, answer: &Answer) -> bool {
        answer.status == 409 && matches!(self, Self::Cancel(_) | Self::Declare(_) | Self::Track(_))
    }
    /// Method, target and body.
    pub fn request(&self) -> (&'static str, String, String) {
        match self {
            Self::Declare(job) => {
                let vm = format!(r#""vm":{{"name":"{job}","path":"/DC0/vm/{job}"}}"#);
                let disks = r#""disks":[{"id":"disk-2000"},{"id":"disk-2001"}]"#;
                ("PUT", format!("/api/v1/jobs/{job}"), format!("{{{vm},{disks}}}"))
            }
            Self::Push(job, body, _) => ("POST", format!("/api/v1/progress/{job}/update"), body.clone()),
            Self::Finish(job) => ("POST", format!("/api/v1/jobs/{job}/finish"), r#"{"status":"Succeeded"}"#.to_owned()),
            Self::Track(job) => ("POST", "/api/v1/jobs".to_owned(), format!(r#"{{"id":"{job}","vma":"site-a"}}"#)),
            Self::Cancel(job) => ("POST", format!("/api/v1/jobs/{job}/cancel"), r#"{"reason":"told so"}"#.to_owned()),
            Self::ChangeId(job, disk, id) => (
                "POST",
                format!("/api/v1/replications/{job}/changeid"),
                format!(r#"{{"change_id":"{id}","disk_id":"{disk}"}}"#),
            ),
        }
    }
}

/// What the VMA said of itself and of a job.
#[derive(Debug, Clone, PartialEq)]
struct Identity {
    started_at: String,
    epoch: String,
    correlation: String,
}

/// All that was acknowledged.
#[derive(Debug, Default)]
pub struct Books {
    asked: BTreeSet<Ask>,
    identities: BTreeMap<String, Identity>,
    sequence: u64,
}

impl Books {
    pub fn acknowledged(&mut self, ask: &Ask) {
        self.asked.insert(ask.clone());
    }
    /// How many different requests were acknowledged.
    pub fn count(&self) -> usize {
        self.asked.len()
    }

    /// What a VMA that answers must still say; remembers what it says now for the next time.
    pub fn check_answers(&mut self, vma: &Daemon) {
        let listing = vma.get("/api/v1/progress").json();
        let sequence = listing["sequence"].as_u64().expect("a sequence");
        assert!(sequence >= self.sequence, "sequence {sequence} after {}", self.sequence);
        self.sequence = sequence;
        for job in listing["jobs"].as_array().expect("jobs") {
            let text = |key: &str| job[key].as_str().unwrap_or_else(|| panic!("{key} of {job}")).to_owned();
            let identity =
                Identity { started_at: text("started_at"), epoch: text("epoch"), correlation: text("correlation_id") };
            let known = self.identities.entry(text("job_id")).or_insert_with(|| identity.clone());
            assert_eq!(*known, identity);
        }
        for job in self.identities.keys() {
            assert_eq!(vma.get(&format!("/api/v1/progress/{job}")).status, 200, "{job} is known");
        }
    }

    /// What the database files must hold, whether or not their daemons live.
    pub fn check_files(&self, site: &Site) {
        self.check_files_in(site, "");
    }
    /// The same where they lie in a folder of the site, as `disk/`.
    pub fn check_files_in(&self, site: &Site, folder: &str) {
        let (vma, oma) = (format!("{folder}vma.db"), format!("{folder}oma.db"));
        self.check_vma(site, &vma);
        self.check_oma(site, &oma, &vma);
        agree(site, &vma);
        agree(site, &oma);
        histories(site, &oma);
    }

    fn check_vma(&self, site: &Site, vma: &str) {
        if !site.path(vma).exists() {
            return;
        }
        let sql = "SELECT id, status, bytes_transferred FROM replication_jobs";
        let rows = jobs(&site.rows_of(vma, sql));
        for ask in &self.asked {
            match ask {
                Ask::Declare(job) => assert!(rows.contains_key(job), "{job} was declared: {rows:?}"),
                Ask::Push(job, _, moved) => {
                    let row = rows.get(job).unwrap_or_else(|| panic!("{job} was pushed to: {rows:?}"));
                    assert!(row.1 >= *moved, "{job}: {} bytes after {moved} were acknowledged", row.1);
                }
                Ask::Finish(job) => assert_eq!(rows[job].0, "completed", "{job}"),
                Ask::Track(_) | Ask::Cancel(_) | Ask::ChangeId(..) => {}
            }
        }
    }

    fn check_oma(&self, site: &Site, oma: &str, vma: &str) {
        if !self.asked.iter().any(|ask| ask.role() == "oma") {
            return;
        }
        let rows = jobs(&site.rows_of(oma, "SELECT id, status, bytes_transferred FROM replication_jobs"));
        let received: BTreeSet<String> =
            site.rows_of(oma, "SELECT job_id, disk_id, change_id FROM received_change_ids").into_iter().collect();
        for ask in &self.asked {
            match ask {
                Ask::Track(job) => assert!(rows.contains_key(job), "{job} was tracked: {rows:?}"),
                Ask::Cancel(job) => assert_eq!(rows[job].0, "failed", "{job} was cancelled"),
                Ask::ChangeId(job, disk, id) => {
                    assert!(received.contains(&format!("{job}|{disk}|{id}")), "{ask:?} was acknowledged: {received:?}");
                }
                Ask::Declare(_) | Ask::Push(..) | Ask::Finish(_) => {}
            }
        }
        // An end that the VMA was told of, and that nobody else told it of, rests on what the OMA has written.
        if site.path(vma).exists() {
            for ended in site.rows_of(vma, "SELECT id FROM replication_jobs WHERE status = 'completed'") {
                let sql = format!("SELECT id FROM job_events WHERE job_id = '{ended}' AND event = 'completion_judged'");
                let judged = site.rows_of(oma, &sql).len();
                assert!(judged > 0 || self.was_asked_to_finish(&ended), "{ended}: told of, {judged} times judged");
            }
        }
    }

    fn was_asked_to_finish(&self, job: &str) -> bool {
        self.asked.contains(&Ask::Finish(job.to_owned()))
    }
}

/// Job -> status and bytes.
fn jobs(rows: &[String]) -> BTreeMap<String, (String, u64)> {
    let cells = rows.iter().map(|row| row.split('|').collect::<Vec<_>>());
    cells.map(|cells| (cells[0].to_owned(), (cells[1].to_owned(), cells[2].parse().unwrap()))).collect()
}

/// Questions to either database that have no row for an answer where row and log tell the same.
const DISAGREEMENTS: [(&str, &str); 8] = [
    (
        "a job's status is the last one that its log has",
        "SELECT id, status, told FROM (SELECT id, status, coalesce((SELECT json_extract(attributes, '$.to')
             FROM job_events WHERE job_id = replication_jobs.id AND event = 'status_changed' ORDER BY id DESC LIMIT 1),
             'pending') AS told FROM replication_jobs) WHERE status <> told",
    ),
    (
        "a disk's status is the last one that the log has",
        "SELECT job_id, disk_id, sync_status, told FROM (SELECT job_id, disk_id, sync_status, coalesce((SELECT
             json_extract(attributes, '$.to') FROM job_events WHERE job_id = vm_disks.job_id
             AND event = 'disk_status_changed' AND json_extract(attributes, '$.disk') = vm_disks.disk_id
             ORDER BY id DESC LIMIT 1), 'pending') AS told FROM vm_disks) WHERE sync_status <> told",
    ),
    (
        "an end has one entry, and nothing else has one",
        "SELECT id, status FROM replication_jobs WHERE (status = 'completed') <> (SELECT count(*) FROM job_events
             WHERE job_id = replication_jobs.id AND event = 'job_succeeded') OR (status = 'failed') <> (SELECT count(*)
             FROM job_events WHERE job_id = replication_jobs.id AND event = 'job_failed')",
    ),
    (
        "the steps of what has ended are closed, of what runs all but the present one",
        "SELECT job_id, stage, status FROM job_steps JOIN replication_jobs ON replication_jobs.id = job_id
             WHERE job_steps.completed_at IS NULL AND (status IN ('completed', 'failed') OR stage <> current_operation)",
    ),
    (
        "the stage is the last one that the log has",
        "SELECT id, current_operation, told FROM (SELECT id, current_operation, (SELECT
             json_extract(attributes, '$.to') FROM job_events WHERE job_id = replication_jobs.id
             AND event = 'stage_changed' ORDER BY id DESC LIMIT 1) AS told FROM replication_jobs)
             WHERE coalesce(current_operation, '') <> coalesce(told, '')",
    ),
    (
        "each stage of the log has its step",
        "SELECT job_id, message FROM job_events WHERE event = 'stage_changed' AND NOT EXISTS (SELECT 1 FROM job_steps
             WHERE job_steps.job_id = job_events.job_id AND stage = json_extract(attributes, '$.to'))",
    ),
    (
        "tracking begins once",
        "SELECT job_id, count(*) FROM job_events WHERE event IN ('tracking_started', 'tracking_stopped')
             GROUP BY job_id, event HAVING count(*) > 1",
    ),
    ("nothing points nowhere", "PRAGMA foreign_key_check"),
];

/// Row and log of a database tell the same, and the file is sound.
pub fn agree(site: &Site, database: &str) {
    // A daemon that was killed before it made the tables has nothing to disagree about.
    let path = site.path(database);
    if !path.exists() || site.rows_of(database, "SELECT name FROM sqlite_schema WHERE name = 'job_events'").is_empty() {
        return;
    }
    assert_eq!(site.rows_of(database, "PRAGMA integrity_check"), ["ok"], "{database}");
    for (rule, question) in DISAGREEMENTS {
        let found = site.rows_of(database, question);
        assert!(found.is_empty(), "{database}: {rule}: {found:#?}");
    }
}

/// Every disk of a job that has ended has its row in the OMA's history (R-53).
fn histories(site: &Site, oma: &str) {
    let tables = "SELECT name FROM sqlite_schema WHERE name = 'cbt_history'";
    if !site.path(oma).exists() || site.rows_of(oma, tables).is_empty() {
        return;
    }
    let missing = "SELECT job_id, disk_id FROM vm_disks JOIN replication_jobs ON replication_jobs.id = job_id
                   WHERE status IN ('completed', 'failed') AND NOT EXISTS (SELECT 1 FROM cbt_history
                   WHERE cbt_history.job_id = vm_disks.job_id AND cbt_history.disk_id = vm_disks.disk_id)";
    assert_eq!(site.rows_of(oma, missing), Vec::<String>::new());
    let stopped = "SELECT id FROM replication_jobs WHERE status IN ('completed', 'failed') AND NOT EXISTS
                   (SELECT 1 FROM job_events WHERE job_id = replication_jobs.id AND event = 'tracking_stopped')";
    assert_eq!(site.rows_of(oma, stopped), Vec::<String>::new());
}
