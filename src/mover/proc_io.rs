//! What the kernel says a mover has written: `/proc/PID/io` of the mover and of its direct children (`sh -c`, `sudo`).
//!
//! The counter is `write_bytes` less `cancelled_write_bytes`: bytes that were sent towards storage. `wchar` would be
//! larger and worse: it also counts messages on standard error, progress lines and every byte that passes a pipe, twice
//! in `a | b`, and yet misses sockets. The price is that a target on tmpfs or behind a socket counts as 0; then the
//! mover's own figures stand alone. It errs on the small side, and a figure that is too small is put right at the end.
//! A child that has ended is counted in its parent from then on, so the sum does not fall for long; `super::gauge` sees
//! to it that it never does. Whatever cannot be read counts as 0 and is no error.

use std::fs;
use std::path::{Path, PathBuf};

/// Children that are looked at; a mover with more is no mover.
const CHILDREN: usize = 64;

/// A sum below this counts as nothing: a program that only reads makes a file system write about itself.
const NOISE_BYTES: u64 = 64 * 1024;
/// Processes that a mover may consist of.
const FAMILY: usize = 256;

/// The counters of one process and its children.
#[derive(Debug, Clone)]
pub struct Counters {
    root: PathBuf,
    pid: u32,
}

impl Counters {
    /// Looks at the process with this id.
    pub fn of(pid: u32) -> Self {
        Self { root: PathBuf::from("/proc"), pid }
    }
    /// Bytes written so far by the process and its present children; 0 where they are too few to tell anything.
    pub fn written(&self) -> u64 {
        let children = self.children().into_iter().take(CHILDREN);
        let sum = children.chain([self.pid]).map(|pid| self.written_by(pid)).fold(0, u64::saturating_add);
        if sum < NOISE_BYTES { 0 } else { sum }
    }

    /// The process and all below it, at most [`FAMILY`].
    pub fn family(&self) -> Vec<u32> {
        let mut family = vec![self.pid];
        let mut next = 0;
        while next < family.len() && family.len() < FAMILY {
            let children = Self { root: self.root.clone(), pid: family[next] }.children();
            let new: Vec<u32> = children.into_iter().filter(|pid| !family.contains(pid)).collect();
            family.extend(new);
            next += 1;
        }
        family.truncate(FAMILY);
        family
    }

    /// Threads of the process beside its first.
    pub fn threads(&self) -> Option<u64> {
        let threads = entries(&self.of_process(self.pid, "task")).count();
        u64::try_from(threads).ok()?.checked_sub(1)
    }

    fn written_by(&self, pid: u32) -> u64 {
        fs::read_to_string(self.of_process(pid, "io")).ok().and_then(|text| written(&text)).unwrap_or(0)
    }
    fn of_process(&self, pid: u32, file: &str) -> PathBuf {
        self.root.join(pid.to_string()).join(file)
    }
    /// From the kernel's own list, or where it was built without one, by asking every process for its parent.
    fn children(&self) -> Vec<u32> {
        let threads = self.of_process(self.pid, "task");
        let lists: Option<Vec<String>> = entries(&threads)
            .map(|thread| fs::read_to_string(threads.join(thread.to_string()).join("children")).ok())
            .collect();
        if let Some(lists) = lists {
            return lists.iter().flat_map(|list| list.split_whitespace()).filter_map(|pid| pid.parse().ok()).collect();
        }
        entries(&self.root)
            .filter(|pid| {
                fs::read_to_string(self.of_process(*pid, "stat")).is_ok_and(|stat| parent(&stat) == Some(self.pid))
            })
            .collect()
    }
}

/// The numbers among a folder's names.
fn entries(folder: &Path) -> impl Iterator<Item = u32> {
    fs::read_dir(folder).into_iter().flatten().flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

fn written(io: &str) -> Option<u64> {
    let value =
        |name: &str| io.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")?.parse::<u64>().ok());
    Some(value("write_bytes")?.saturating_sub(value("cancelled_write_bytes").unwrap_or(0)))
}

/// The parent in `/proc/PID/stat`; the program's name before it is in brackets and may hold anything.
fn parent(stat: &str) -> Option<u32> {
    stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn what_went_to_storage_is_counted_and_nothing_else() {
        let io =
            "rchar: 1\nwchar: 999\nsyscr: 1\nsyscw: 1\nread_bytes: 7\nwrite_bytes: 8192\ncancelled_write_bytes: 4096\n";
        assert_eq!(written(io), Some(4096));
        assert_eq!(written("write_bytes: 5\ncancelled_write_bytes: 9\n"), Some(0));
        assert_eq!(written("wchar: 999\n"), None);
    }

    #[test]
    fn the_parent_is_found_behind_any_name() {
        assert_eq!(parent("7 (a) S b) ) R 42 7 7 0"), Some(42));
        assert_eq!(parent("7 (x"), None);
    }

    #[test]
    fn a_child_counts_for_its_shell() {
        let program = std::env::current_exe().expect("this test runs");
        let file = program.with_file_name(format!("proc-io-{}", std::process::id()));
        let script = format!(
            "dd if=/dev/zero of='{}' bs=65536 count=16 status=none; echo written; read line; true",
            file.display()
        );
        let mut shell = Command::new("sh")
            .args(["-c", &format!("sh -c \"{script}\"; true")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("sh");
        let mut said = [0; 8];
        shell.stdout.as_mut().expect("piped").read_exact(&mut said).expect("the copy is made");
        let counted = Counters::of(shell.id()).written();
        shell.stdin.as_mut().expect("piped").write_all(b"\n").expect("the shell still reads");
        shell.wait().expect("the shell ends");
        fs::remove_file(&file).expect("the copy is there");
        assert!((1 << 20..2 << 20).contains(&counted), "{counted}");
    }

    #[test]
    fn a_process_that_is_gone_counts_as_nothing() {
        assert_eq!((Counters::of(u32::MAX).written(), Counters::of(u32::MAX).threads()), (0, None));
    }
}
