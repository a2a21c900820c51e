//! Every place that shows a figure of a job shows the same one (U5): the row, the audit line of that moment, the daemon's
//! log, `show`, `jobs --json` and the API.

use serde_json::Value;

use crate::harness::{Daemon, Site, waybill};
use crate::mover::{self, Mover};

fn printed(site: &Site, args: &[&str]) -> String {
    let output = waybill(args).arg("--db").arg(site.path("oma.db")).output().expect("it runs");
    assert!(output.status.success(), "{args:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// Percent and bytes as each of the readers gives them.
fn figures(site: &Site, oma: &Daemon) -> [(f64, u64); 3] {
    let of = |object: &Value| {
        (object["progress_percent"].as_f64().expect("a number"), object["bytes_transferred"].as_u64().expect("a count"))
    };
    let row = site.rows("SELECT progress_percent, bytes_transferred FROM replication_jobs").remove(0);
    let (percent, bytes) = row.split_once('|').expect("two cells");
    let listed = serde_json::from_str(&printed(site, &["jobs", "--json"])).expect("one object");
    let answered = oma.get("/api/v1/jobs/job-1").json();
    [(percent.parse().expect("a number"), bytes.parse().expect("a count")), of(&listed), of(&answered)]
}

#[test]
fn u05_the_log_the_row_and_every_view_say_the_same() {
    let site = Site::fast();
    let (vma, oma) = (site.vma(), site.oma());
    oma.post("/api/v1/jobs", r#"{"id":"job-1","vma":"site-a"}"#, 201);
    let mut mover = Mover::new(&vma, "job-1");
    for (percent, bytes) in [(25_u64, 2500_u64), (50, 5000), (75, 7777)] {
        mover.push(&mover::running(bytes, 10_000));
        site.until_rows("SELECT bytes_transferred FROM replication_jobs", &[&bytes.to_string()]);
        let share = bytes as f64 / 100.0;
        assert_eq!(figures(&site, &oma), [(share, bytes); 3]);
        let page = printed(&site, &["show", "job-1"]);
        assert!(page.contains(&format!("] {share:.2} %\n")), "{share} in\n{page}");
        let reached = format!("{percent} % reached: {bytes} of 10000 bytes");
        assert_eq!(site.events("job-1", "milestone").last(), Some(&reached));
    }
    // Every audit line stands in the daemon's log, word for word, and in `waybill log`.
    let (log, story) = (oma.log(), printed(&site, &["log", "job-1"]));
    for line in site.rows("SELECT event || ': ' || message FROM job_events ORDER BY id") {
        let (event, message) = line.split_once(": ").expect("both");
        assert!(log.lines().any(|line| line.contains(event) && line.ends_with(message)), "{line} in\n{log}");
        // What the VMA says too is there in the VMA's words.
        let is_there = |line: &str| line.contains(event) && (line.ends_with(message) || line.contains("  both  "));
        assert!(story.lines().any(is_there), "{line} in\n{story}");
    }
}
