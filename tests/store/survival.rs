//! what a commit has said is written stays written when the process is killed.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use waybill::model::change::Change;
use waybill::model::event::Event;
use waybill::store::{Durability, Reader, Store};

use super::readers::{make_writable, seen_unprivileged};
use super::{Dir, entry, job, job_id, job_with_disks, one, progress};

const DATABASE: &str = "WAYBILL_TEST_DATABASE";

/// Commits jobs for ever, and says so after each.
#[test]
#[ignore = "run by the test below in a process of its own"]
fn commits_until_killed() {
    let Some(path) = std::env::var_os(DATABASE) else { return };
    let mut store = Store::open(path.as_ref()).unwrap();
    for number in 0.. {
        let name = format!("job-{number}");
        let changes = [
            progress(&job_with_disks(&name, &["a", "b"])),
            Change::Entry(entry(&name, Event::JobDeclared)),
            Change::Sequence(number),
        ];
        let durability = if number % 50 == 0 { Durability::OnDisk } else { Durability::HandedToSystem };
        store.commit(&changes, durability).unwrap();
        writeln!(std::io::stdout(), "COMMITTED {number}").unwrap();
    }
}

#[test]
fn r11_kill_minus_nine_loses_nothing_that_was_committed() {
    let dir = Dir::new();
    let mut before = 0;
    // Several times over the same file, so that recovery follows on recovery and a checkpoint happens in between.
    for round in 1..=3 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "survival::commits_until_killed", "--ignored", "--nocapture"])
            .env(DATABASE, dir.file())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let mut last = 0;
        let number = |line: String| line.split_once("COMMITTED ").map(|(_, number)| number.parse::<u64>().unwrap());
        while last < 400 * round {
            last = number(lines.next().expect("it goes on until it is killed")).unwrap_or(last);
        }
        child.kill().unwrap();
        child.wait().unwrap();
        last = lines.filter_map(number).last().unwrap_or(last);

        // First beside the corpse, also without the right to repair anything; then as the next daemon.
        let seen = seen_unprivileged(&dir);
        let jobs: u64 = seen.strip_suffix(" false").expect(&seen).parse().unwrap();
        assert!(jobs > last, "{jobs} of {last}");
        make_writable(&dir);
        let reader = Reader::open(&dir.file()).unwrap();
        assert_eq!(reader.job(&job_id(&format!("job-{last}"))).unwrap().unwrap().disks.len(), 2);
        let store = Store::open(&dir.file()).unwrap();
        assert!(store.sequence().unwrap() >= last, "{} of {last}", store.sequence().unwrap());
        let ids = store.unfinished_ids().unwrap();
        for number in 0..=last {
            assert!(ids.contains_key(&job_id(&format!("job-{number}"))), "job-{number} of {last} in round {round}");
        }
        // Nothing is half there: every job has its disks, and its entry of this round.
        let halves = "SELECT count(*) FROM replication_jobs WHERE id NOT IN (SELECT job_id FROM job_events)
                      OR (SELECT count(*) FROM vm_disks WHERE job_id = id) <> 2";
        assert_eq!(one::<i64>(&dir.file(), halves), 0);
        assert_eq!(one::<String>(&dir.file(), "PRAGMA integrity_check"), "ok");
        assert!(last >= before);
        before = last;
    }
}

#[test]
fn a_store_that_is_opened_again_at_once_goes_on() {
    let dir = Dir::new();
    for round in 0..20 {
        let mut store = Store::open(&dir.file()).unwrap();
        assert_eq!(store.jobs().unwrap().len(), round);
        store.commit(&[progress(&job(&format!("job-{round}")))], Durability::OnDisk).unwrap();
    }
}
