//! Many movers and readers at once on one VMA (F24): nothing crashes, no byte is lost or mixed up.

use std::thread;

use crate::harness::{FAST, Site};
use crate::mover::{self, Mover};

const MOVERS: u64 = 16;
const PUSHES: u64 = 60;
const TOTAL: u64 = 1 << 30;

#[test]
fn f24_movers_and_readers_at_once_crash_nothing_and_mix_nothing_up() {
    let site = Site::new(&format!("discover = true\n{FAST}"));
    let (mut vma, mut oma) = (site.vma(), site.oma());
    thread::scope(|scope| {
        for n in 1..=MOVERS {
            let vma = &vma;
            scope.spawn(move || {
                let job = format!("job-{n}");
                let mut mover = Mover::new(vma, &job);
                for push in 1..=PUSHES {
                    mover.push(&mover::running(push * n, TOTAL));
                    let bytes = vma.document(&job)["aggregate"]["bytes_transferred"].as_u64();
                    assert_eq!(bytes, Some(push * n), "{job} reads what it has just written");
                    if push % 20 == 0 {
                        assert_eq!(vma.get("/api/v1/progress").status, 200);
                    }
                }
            });
        }
    });
    assert!(vma.is_running() && oma.is_running());
    let rows: Vec<String> = (1..=MOVERS).map(|n| format!("job-{n}|{}", n * PUSHES)).collect();
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    site.until_rows("SELECT id, bytes_transferred FROM replication_jobs ORDER BY length(id), id", &rows);
}
