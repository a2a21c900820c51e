//! The mover as a process: its streams are passed through while they are read, signals are passed on, its end is awaited.
//!
//! The mover must not notice that it is wrapped. Its standard input is ours; what it writes appears at once and
//! unchanged; when our standard output has no reader any more, it gets the same broken pipe that it would have had.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use async_signal::{Signal, Signals};
use command_fds::{CommandFdExt, FdMapping};
use rustix::process::{Pid, WaitId, WaitIdOptions, kill_process, waitid};
use smol::stream::StreamExt;

use super::bound;
use super::command::{Mover, Tap};
use super::proc_io::Counters;

/// Bytes that are read and passed on at a time.
const CHUNK_BYTES: usize = 64 * 1024;

/// A mover that runs.
pub struct Running {
    child: Child,
    reachable: Reachable,
    /// Its standard output, where it is read.
    pub stdout: Option<File>,
    /// Its standard error.
    pub stderr: Option<File>,
    /// The pipe of its progress figures, where one was made.
    pub progress: Option<File>,
}

impl Running {
    /// Starts the mover.
    pub fn start(mover: &Mover) -> io::Result<Self> {
        let mut command = bound::command(&mover.program, &mover.arguments);
        command.stderr(Stdio::piped());
        if !matches!(mover.stdout, Tap::None) {
            command.stdout(Stdio::piped());
        }
        let (progress, _plugs) = match mover.progress_descriptor {
            Some(descriptor) => {
                let (reader, writer) = io::pipe()?;
                command
                    .fd_mappings(vec![FdMapping { parent_fd: writer.into(), child_fd: descriptor }])
                    .map_err(io::Error::other)?;
                (Some(reader), occupy_up_to(descriptor)?)
            }
            None => (None, Vec::new()),
        };
        let mut child = command.spawn()?;
        let stdout = child.stdout.take().map(|stream| File::from(OwnedFd::from(stream)));
        let stderr = child.stderr.take().map(|stream| File::from(OwnedFd::from(stream)));
        let progress = progress.map(|pipe| File::from(OwnedFd::from(pipe)));
        let reachable = Reachable(Arc::new(Mutex::new(pid_of(&child))));
        Ok(Self { child, reachable, stdout, stderr, progress })
    }
    /// The mover's process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }
    /// Where signals reach the mover for as long as it lives.
    pub fn reachable(&self) -> Reachable {
        Reachable(Arc::clone(&self.reachable.0))
    }
    /// Waits for the mover's end; calls `before_reaping` while `/proc` still has it.
    pub fn wait(mut self, before_reaping: impl FnOnce()) -> io::Result<ExitStatus> {
        if let Some(pid) = pid_of(&self.child) {
            let ended = || waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT);
            while matches!(ended(), Err(rustix::io::Errno::INTR)) {}
        }
        before_reaping();
        // Not reaped yet, so that no signal can reach another process that got the same number.
        *self.reachable.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.child.wait()
    }
}

/// A mover's process, or nothing where it has ended or never started.
#[derive(Debug, Default, Clone)]
pub struct Reachable(Arc<Mutex<Option<Pid>>>);

impl Reachable {
    /// Ends the mover and what it started, as Ctrl-C on a terminal reaches all of them: by SIGTERM, or with `force` by
    /// SIGKILL.
    pub fn end(&self, force: bool) {
        let signal = if force { rustix::process::Signal::KILL } else { rustix::process::Signal::TERM };
        if let Some(pid) = *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            let family = Counters::of(pid.as_raw_nonzero().get().unsigned_abs()).family();
            for pid in family.into_iter().filter_map(|pid| i32::try_from(pid).ok().and_then(Pid::from_raw)) {
                // Fails for what has ended, and for what runs as another user and is not ours to end.
                let _ = kill_process(pid, signal);
            }
        }
    }
}

/// Passes `signals` on for as long as the mover lives; afterwards each one is passed to `late`.
pub fn pass_on(mut signals: Signals, mover: Reachable, late: impl Fn() + Send + 'static) {
    thread::spawn(move || {
        while let Some(Ok(signal)) = smol::block_on(signals.next()) {
            match *mover.0.lock().unwrap_or_else(PoisonError::into_inner) {
                Some(pid) if !comes_from_the_terminal(signal) => {
                    // Fails only for a mover that runs as another user; then it is not ours to end.
                    let _ = kill_process(pid, to_send(signal));
                }
                Some(_) => {}
                None => late(),
            }
        }
    });
}

fn pid_of(child: &Child) -> Option<Pid> {
    i32::try_from(child.id()).ok().and_then(Pid::from_raw)
}

/// Opens files until the next free descriptor lies above `descriptor`. The standard library reports a failed start over
/// a pipe of its own; without this it could sit just where the progress pipe is put.
fn occupy_up_to(descriptor: i32) -> io::Result<Vec<File>> {
    let mut plugs = Vec::new();
    loop {
        let plug = File::open("/dev/null")?;
        if plug.as_raw_fd() > descriptor {
            return Ok(plugs);
        }
        plugs.push(plug);
    }
}

/// The signals that are passed on, as far as they are not ignored: `nohup` and background jobs ask for that, and a mover
/// would not inherit it from a wrapper that catches them.
pub fn catch_signals() -> io::Result<Signals> {
    let status = fs::read_to_string("/proc/self/status")?;
    let wanted = [(Signal::Hup, 1), (Signal::Int, 2), (Signal::Quit, 3), (Signal::Term, 15)];
    let mask = ignored(&status);
    Signals::new(wanted.into_iter().filter(|(_, number)| mask >> (number - 1) & 1 == 0).map(|(signal, _)| signal))
}

fn ignored(status: &str) -> u64 {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

/// A terminal sends its signals to the whole foreground group: the mover has had this one already, and a second Ctrl-C
/// makes many programs give up their clean-up.
fn comes_from_the_terminal(signal: Signal) -> bool {
    !matches!(signal, Signal::Term) && fs::read_to_string("/proc/self/stat").is_ok_and(|stat| is_in_foreground(&stat))
}

/// Group, session, terminal and the terminal's foreground group follow the state and the parent.
fn is_in_foreground(stat: &str) -> bool {
    let fields: Vec<&str> = stat.rsplit_once(") ").map(|(_, rest)| rest.split(' ').collect()).unwrap_or_default();
    matches!((fields.get(2), fields.get(5)), (Some(group), Some(foreground)) if group == foreground)
}

fn to_send(signal: Signal) -> rustix::process::Signal {
    match signal {
        Signal::Hup => rustix::process::Signal::HUP,
        Signal::Int => rustix::process::Signal::INT,
        Signal::Quit => rustix::process::Signal::QUIT,
        _ => rustix::process::Signal::TERM,
    }
}

/// Where a stream is passed on to.
pub enum Onward {
    /// To one of our own descriptors; without a reader there, the mover gets a broken pipe.
    Strict(File),
    /// Like that, but read on for its content when it has no reader.
    Lenient(File),
    /// Nowhere.
    Dropped,
}

impl Onward {
    /// Our own standard output or error, unbuffered.
    pub fn own(stream: impl AsFd) -> io::Result<File> {
        stream.as_fd().try_clone_to_owned().map(File::from)
    }
}

/// Reads a stream to its end, passes it on at once and shows each chunk to `look`.
pub fn pass(mut from: impl Read, mut to: Onward, mut look: impl FnMut(&[u8])) {
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let length = match from.read(&mut chunk) {
            Ok(0) => return,
            Ok(length) => length,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(_) => return,
        };
        let taken = match &mut to {
            Onward::Strict(file) | Onward::Lenient(file) => write_all(file, &chunk[..length]),
            Onward::Dropped => Ok(()),
        };
        match (taken, &to) {
            (Err(_), Onward::Strict(_)) => return,
            (Err(_), _) => to = Onward::Dropped,
            (Ok(()), _) => {}
        }
        look(&chunk[..length]);
    }
}

/// Like the method, but a descriptor that was set to not wait is waited for.
fn write_all(file: &mut File, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.write(bytes) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(Duration::from_millis(5)),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The status that the wrapper passes on: the mover's own, or 128 and the signal's number as shells have it.
pub fn passed_status(status: ExitStatus) -> u8 {
    let number = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    u8::try_from(number).unwrap_or(u8::MAX)
}

/// How it ended, in words: "exited with status 3", "was killed by signal SIGKILL".
pub fn in_words(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exited with status {code}"),
        (None, Some(signal)) => format!("was killed by signal {}", signal_name(signal)),
        (None, None) => "ended without a status".to_owned(),
    }
}

fn signal_name(number: i32) -> String {
    let name = match number {
        1 => "HUP",
        2 => "INT",
        3 => "QUIT",
        4 => "ILL",
        6 => "ABRT",
        7 => "BUS",
        8 => "FPE",
        9 => "KILL",
        11 => "SEGV",
        13 => "PIPE",
        15 => "TERM",
        24 => "XCPU",
        25 => "XFSZ",
        31 => "SYS",
        other => return other.to_string(),
    };
    format!("SIG{name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_told_in_words_and_as_shells_have_them() {
        let end = |raw| (in_words(ExitStatus::from_raw(raw)), passed_status(ExitStatus::from_raw(raw)));
        assert_eq!(end(3 << 8), ("exited with status 3".to_owned(), 3));
        assert_eq!(end(9), ("was killed by signal SIGKILL".to_owned(), 137));
        assert_eq!(end(40), ("was killed by signal 40".to_owned(), 168));
    }

    #[test]
    fn ignored_signals_and_the_foreground_are_read_from_proc() {
        assert_eq!(ignored("SigBlk:\t0\nSigIgn:\t0000000000001003\n"), 0x1003);
        assert_eq!(ignored(""), 0);
        assert!(is_in_foreground("7 (a) b) S 1 70 70 34816 70 4194304"));
        assert!(!is_in_foreground("7 (a) S 1 70 70 0 -1 4194304"));
        assert!(!is_in_foreground(""));
    }

    #[test]
    fn a_stream_is_passed_on_unchanged_and_shown() {
        let (mut reader, writer) = io::pipe().expect("a pipe");
        let mut shown = Vec::new();
        pass(&b"\x00\xffdata"[..], Onward::Strict(File::from(OwnedFd::from(writer))), |chunk| {
            shown.extend_from_slice(chunk)
        });
        let mut passed = Vec::new();
        reader.read_to_end(&mut passed).expect("a pipe");
        assert_eq!((passed.as_slice(), shown.as_slice()), (&b"\x00\xffdata"[..], &b"\x00\xffdata"[..]));
    }

    #[test]
    fn only_a_strict_stream_ends_with_its_reader() {
        let broken = || {
            let (reader, writer) = io::pipe().expect("a pipe");
            drop(reader);
            File::from(OwnedFd::from(writer))
        };
        let mut shown = 0;
        pass(&b"x"[..], Onward::Strict(broken()), |chunk| shown += chunk.len());
        assert_eq!(shown, 0);
        pass(&b"x"[..], Onward::Lenient(broken()), |chunk| shown += chunk.len());
        assert_eq!(shown, 1);
    }
}
