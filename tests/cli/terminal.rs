//! `watch` in a real terminal, made by tmux: what stands on the screen, after a resize too, and that the terminal is as it
//! was afterwards.

use std::process::Command;
use std::time::{Duration, Instant};

use waybill::model::change::Change;
use waybill::model::status::JobStatus;
use waybill::store::{Durability, Store};

use crate::sample::{ago, database, streaming};

/// A terminal with a shell; it ends with the test.
struct Terminal {
    socket: String,
}

impl Terminal {
    fn new(name: &str, width: u32, height: u32) -> Self {
        let terminal = Self { socket: format!("waybill-{name}-{}", std::process::id()) };
        let (width, height) = (width.to_string(), height.to_string());
        terminal.tmux(&["new-session", "-d", "-x", &width, "-y", &height, "env", "PS1=$ ", "sh"]);
        terminal
    }
    fn tmux(&self, args: &[&str]) -> String {
        let output = Command::new("tmux").args(["-L", &self.socket, "-f", "/dev/null"]).args(args).output();
        let output = output.expect("tmux is installed");
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("UTF-8")
    }
    fn enter(&self, line: &str) {
        self.tmux(&["send-keys", "-l", line]);
        self.tmux(&["send-keys", "Enter"]);
    }
    fn resize(&self, width: u32, height: u32) {
        self.tmux(&["resize-window", "-x", &width.to_string(), "-y", &height.to_string()]);
    }
    /// The screen, with its colours where `-e` is given, once it shows a text.
    fn screen(&self, flags: &[&str], wanted: &str) -> String {
        let started = Instant::now();
        loop {
            let screen = self.tmux(&[&["capture-pane", "-p"], flags].concat());
            if screen.contains(wanted) {
                return screen;
            }
            assert!(started.elapsed() < Duration::from_secs(20), "{wanted:?} does not come:\n{screen}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // A server that has ended already is as good.
        let _ = Command::new("tmux").args(["-L", &self.socket, "kill-server"]).output();
    }
}

fn watch(db: &str) -> String {
    format!("'{}' watch job-1 --db '{db}'; echo \"exit $?\"", env!("CARGO_BIN_EXE_waybill"))
}

#[test]
fn the_frame_is_redrawn_in_place_follows_the_window_and_gives_the_terminal_back() {
    let (_directory, db) = database();
    let terminal = Terminal::new("frame", 80, 24);
    terminal.enter("echo before");
    terminal.enter(&watch(&db));
    let screen = terminal.screen(&[], "last report");
    let bar = format!("[{}{}]  25.00%  10.0/40.0 GiB  100.0 MiB/s  5m 07s left", "#".repeat(6), ".".repeat(18));
    assert!(screen.starts_with("job-1  VM /DC0/vm/web01  VMA site-a\n") && screen.contains(&bar), "{screen}");
    assert!(!screen.contains("before"), "the shell's lines are out of sight:\n{screen}");

    terminal.resize(120, 30);
    let bar = format!("[{}{}]  25.00%", "#".repeat(15), ".".repeat(45));
    let screen = terminal.screen(&[], &bar);
    assert_eq!(screen.matches("job-1  VM").count(), 1, "{screen}");
    terminal.resize(60, 12);
    let screen = terminal.screen(&[], "[##........]  25.00%");
    assert_eq!(screen.lines().filter(|line| line.starts_with("job-1  VM")).count(), 1, "{screen}");

    let mut job = streaming();
    (job.status, job.error, job.completed_at) = (JobStatus::Failed, Some("mover killed".to_owned()), Some(ago(0)));
    let mut store = Store::open(db.as_ref()).expect("the database");
    terminal.resize(80, 40);
    store.commit(&[Change::Ended(Box::new(job))], Durability::OnDisk).expect("written");
    let screen = terminal.screen(&[], "exit 1");
    for part in ["before\n", "Failed, full copy, started ", "state     mover killed\n", "now", "exit 1\n$"] {
        let is_there = screen.contains(part);
        assert_eq!(is_there, part != "now", "{part:?} in\n{screen}");
    }
}

#[test]
fn the_terminal_is_given_back_when_watch_is_stopped_killed_or_hung_up() {
    let (_directory, db) = database();
    let terminal = Terminal::new("back", 80, 24);
    let state = || terminal.tmux(&["display-message", "-p", "#{alternate_on}#{cursor_flag}#{wrap_flag}"]);
    terminal.enter("echo before");
    terminal.enter(&watch(&db));
    terminal.screen(&[], "last report");
    assert_eq!(state(), "100\n", "another screen, no cursor, no line goes on in the next");
    terminal.tmux(&["send-keys", "C-z"]);
    let screen = terminal.screen(&[], "before");
    assert_eq!(state(), "011\n", "{screen}");
    terminal.enter("fg");
    terminal.screen(&[], "last report");
    assert_eq!(state(), "100\n");
    terminal.tmux(&["send-keys", "C-c"]);
    terminal.screen(&[], "exit 147");
    for signal in ["TERM", "HUP", "QUIT"] {
        // The last frame of the one before stands on the ordinary screen until that is cleared.
        terminal.enter(&format!("clear; echo cleared'-'{signal}"));
        terminal.screen(&[], &format!("cleared-{signal}"));
        terminal.enter(&watch(&db));
        terminal.screen(&[], "to come");
        let whose = format!("watch job-1 --db {db}");
        let sent = Command::new("pkill").args([&format!("-{signal}"), "-f", &whose]).status().expect("pkill runs");
        assert!(sent.success(), "{signal}");
        terminal.screen(&[], "exit 130");
        assert_eq!(state(), "011\n", "{signal}");
    }
}

#[test]
fn a_line_that_is_cut_is_marked_in_its_last_cell() {
    let (_directory, db) = database();
    let terminal = Terminal::new("cut", 40, 20);
    terminal.enter(&watch(&db));
    let screen = terminal.screen(&[], "last report");
    let figures = screen.lines().find(|line| line.starts_with("[##")).expect("the bar");
    assert_eq!((figures.chars().count(), figures.chars().last()), (40, Some('…')), "{screen}");
    assert!(screen.contains("to come   Finalize, PersistChangeIDs"), "{screen}");
}

#[test]
fn a_database_that_cannot_be_read_is_told_above_the_figures_of_then() {
    let (_directory, db) = database();
    let terminal = Terminal::new("trouble", 100, 30);
    terminal.enter(&watch(&db));
    terminal.screen(&[], "last report");
    let table = |from: &str, to: &str| {
        let sql = format!("PRAGMA legacy_alter_table = ON; ALTER TABLE {from} RENAME TO {to}");
        rusqlite::Connection::open(&db).and_then(|conn| conn.execute_batch(&sql)).expect("renamed");
    };
    table("job_steps", "aside");
    let screen = terminal.screen(&[], "no such table: job_steps");
    assert!(screen.starts_with("trouble   not read since 20") && screen.contains("job-1  VM /DC0"), "{screen}");
    table("aside", "job_steps");
    let started = Instant::now();
    while terminal.screen(&[], "last report").contains("trouble") {
        assert!(started.elapsed() < Duration::from_secs(20));
    }
}

#[test]
fn colour_is_for_those_who_want_it() {
    let (_directory, db) = database();
    let of = |name: &str, before: &str| {
        let terminal = Terminal::new(name, 80, 24);
        terminal.enter(&format!("{before} {}", watch(&db)));
        terminal.screen(&["-e"], "last report")
    };
    let coloured = of("colour", "");
    assert!(coloured.contains("\u{1b}[1mjob-1"), "{coloured:?}");
    let plain = of("plain", "NO_COLOR=1");
    assert!(!plain.contains('\u{1b}'), "{plain:?}");
}
