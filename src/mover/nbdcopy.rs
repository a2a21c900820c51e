//! What `nbdcopy --progress=FD` writes, `N/100` a line, and what its command line tells.
//!
//! A line that is anything else says nothing. The figures are coarse and early: nbdcopy cuts the disk into pieces and
//! writes a line when one of its threads *begins* a piece. With four threads the line of half a GiB comes before the
//! first byte, and a percent of 10 TiB is 100 GiB. `super::gauge` therefore takes off what the threads may have begun and
//! counts the lines within a percent; what the kernel counts refines that.

use std::ffi::{OsStr, OsString};

use super::gauge::Habit;
use super::options;
use super::reading::Heard;
use crate::model::percent::Percent;

/// Reads progress lines, byte by byte and in a few bytes of memory.
#[derive(Debug, Default)]
pub struct Lines {
    at: At,
}

#[derive(Debug, Default, Clone, Copy)]
enum At {
    #[default]
    Start,
    Number(u16),
    /// After the number, with this many bytes of [`WHOLE`] matched.
    Whole(u16, usize),
    /// In a line that is no progress.
    Other,
}

/// What follows the number.
const WHOLE: &[u8] = b"/100\n";

impl Lines {
    /// Takes the next bytes and tells each figure in them; how they were cut into chunks makes no difference.
    pub fn feed(&mut self, chunk: &[u8], tell: &mut dyn FnMut(Heard)) {
        for &byte in chunk {
            self.at = match self.at {
                _ if byte == b'\n' && !matches!(self.at, At::Whole(_, 4)) => At::Start,
                At::Start if byte.is_ascii_digit() => At::Number(u16::from(byte - b'0')),
                At::Number(n) if byte.is_ascii_digit() && n <= 10 => At::Number(n * 10 + u16::from(byte - b'0')),
                At::Number(n) if byte == WHOLE[0] && n <= 100 => At::Whole(n, 1),
                At::Whole(n, matched) if byte == WHOLE[matched] && matched + 1 == WHOLE.len() => {
                    tell(Heard::Share(Percent::from_hundredths(n * 100)));
                    At::Start
                }
                At::Whole(n, matched) if byte == WHOLE[matched] => At::Whole(n, matched + 1),
                At::Start | At::Number(_) | At::Whole(..) | At::Other => At::Other,
            };
        }
    }
}

/// How the caller asked nbdcopy to show its progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProgressOption {
    /// Not at all: `--progress=FD` may be added.
    Unasked,
    /// `-p`: a bar on standard error.
    Bar,
    /// `--progress=FD`.
    Descriptor(i32),
}

/// What a thread takes at a time.
const PIECE_BYTES: u64 = 128 << 20;
/// Connections that are used at most, unless an option says otherwise; a thread needs one of its own.
const CONNECTIONS: u64 = 4;
/// Bytes under way on a connection, unless an option says otherwise: 64 requests of 256 KiB.
const UNDER_WAY: u64 = 16 << 20;

/// What nbdcopy's command line tells of the copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NbdcopyArguments {
    /// How progress is shown; the last mention counts, as it does for nbdcopy.
    pub progress: ProgressOption,
    /// Where it reads from; `[` means a program of its own, `-` for standard input.
    pub source: Option<OsString>,
    /// Where it writes to, spelled as the source.
    pub target: Option<OsString>,
    /// `--synchronous`: one request after the other, and a line after each.
    is_synchronous: bool,
    /// `--connections` and `--threads`, where they are given.
    connections: Option<u64>,
    threads: Option<u64>,
    /// `--requests` or `--request-size` is given.
    has_own_requests: bool,
}

/// Options that take the next argument where they carry no `=`.
const LONG_WITH_VALUE: [&str; 6] =
    ["--connections", "--queue-size", "--request-size", "--requests", "--sparse", "--threads"];
/// Short options that take a value.
const SHORT_WITH_VALUE: &[u8] = b"CRST";

impl NbdcopyArguments {
    /// Reads the arguments after the program's name.
    pub fn read(arguments: &[OsString]) -> Self {
        let mut read = Self {
            progress: ProgressOption::Unasked,
            source: None,
            target: None,
            is_synchronous: false,
            connections: None,
            threads: None,
            has_own_requests: false,
        };
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let text = argument.to_string_lossy();
            if text == "--" {
                read.ends(&mut rest);
                break;
            } else if text.starts_with("--") {
                read.long_option(&text, &mut rest);
            } else if text.starts_with('-') && text.len() > 1 {
                read.short_options(&text, &mut rest);
            } else {
                read.ends(&mut std::iter::once(argument).chain(&mut rest));
                break;
            }
        }
        read
    }

    /// Takes source and target: `[ PROGRAM ARGUMENT... ]` is a server that nbdcopy starts itself.
    fn ends<'a>(&mut self, rest: &mut impl Iterator<Item = &'a OsString>) {
        self.source = rest.next().cloned();
        if self.source.as_ref().is_some_and(|source| source == "[") {
            rest.by_ref().find(|word| *word == "]");
        }
        self.target = rest.next().cloned();
    }

    /// How early its lines are.
    pub fn habit(&self) -> Habit {
        if self.is_synchronous {
            return Habit::default();
        }
        let connections = self.connections.unwrap_or(CONNECTIONS);
        // 0 means a thread for each processor.
        let threads = self.threads.filter(|threads| *threads > 0).unwrap_or(u64::MAX);
        let under_way = if self.has_own_requests { PIECE_BYTES } else { UNDER_WAY };
        Habit { threads: connections.min(threads), piece: PIECE_BYTES, under_way }
    }

    fn long_option<'a>(&mut self, text: &str, rest: &mut impl Iterator<Item = &'a OsString>) {
        let (name, value) = options::long(text, &LONG_WITH_VALUE, rest);
        match name {
            "--progress" => {
                self.progress = options::number(value).map_or(ProgressOption::Bar, ProgressOption::Descriptor)
            }
            "--synchronous" => self.is_synchronous = true,
            "--connections" => self.connections = options::number(value),
            "--threads" => self.threads = options::number(value),
            "--requests" | "--request-size" => self.has_own_requests = true,
            _ => {}
        }
    }

    fn short_options<'a>(&mut self, cluster: &str, rest: &mut impl Iterator<Item = &'a OsString>) {
        for (at, option) in cluster.char_indices().skip(1) {
            if u8::try_from(option).is_ok_and(|byte| SHORT_WITH_VALUE.contains(&byte)) {
                let value = options::short(&cluster[at + 1..], rest);
                match option {
                    'C' => self.connections = options::number(value),
                    'T' => self.threads = options::number(value),
                    'R' => self.has_own_requests = true,
                    _ => {}
                }
                return;
            }
            if option == 'p' {
                self.progress = ProgressOption::Bar;
            }
        }
    }
}

/// True where nbdcopy would open this source as an NBD URI.
pub fn is_uri(source: &OsStr) -> bool {
    let text = source.to_string_lossy();
    text.split_once("://").is_some_and(|(scheme, _)| {
        ["nbd", "nbds", "nbd+unix", "nbds+unix", "nbd+vsock", "nbds+vsock", "nbd+ssh", "nbds+ssh"].contains(&scheme)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(chunks: &[&[u8]]) -> Vec<String> {
        let (mut lines, mut told) = (Lines::default(), Vec::new());
        for chunk in chunks {
            lines.feed(chunk, &mut |reading| match reading {
                Heard::Share(share) => told.push(share.to_string()),
                other => told.push(format!("{other:?}")),
            });
        }
        told
    }

    #[test]
    fn the_lines_of_nbdcopy_are_read() {
        assert_eq!(read(&[b"0/100\n0/100\n50/100\n100/100\n"]), ["0.00", "0.00", "50.00", "100.00"]);
        assert_eq!(read(&[b"5", b"0/1", b"00", b"\n"]), ["50.00"]);
    }

    #[test]
    fn anything_else_says_nothing() {
        for other in ["", "\n", "50", "50/100", "101/100\n", "1000/100\n", "99999999999999999999/100\n", "x50/100\n"] {
            assert_eq!(read(&[other.as_bytes()]), [""; 0], "{other:?}");
        }
        assert_eq!(read(&[b"50/100x\n-1/100\n50/1000\n/100\n50/100\r\n7/10\n7/100\n"]), ["7.00"]);
    }

    fn arguments(line: &str) -> NbdcopyArguments {
        NbdcopyArguments::read(&line.split(' ').map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn the_command_line_tells_source_and_progress() {
        let plain = arguments("nbd://h/x out.img");
        assert_eq!((plain.progress, plain.source), (ProgressOption::Unasked, Some("nbd://h/x".into())));
        let optioned = arguments("-C 4 --requests 8 -T2 --progress=7 --allocated in.img out.img");
        assert_eq!((optioned.progress, optioned.source), (ProgressOption::Descriptor(7), Some("in.img".into())));
        let program = arguments("-vp -- [ nbdkit --progress=3 memory 1G ] null:");
        assert_eq!((program.progress, program.source), (ProgressOption::Bar, Some("[".into())));
        assert_eq!(
            (program.target, arguments("in.img out.img").target),
            (Some("null:".into()), Some("out.img".into()))
        );
        assert_eq!(arguments("- out.img").source, Some("-".into()));
        assert_eq!(arguments("-p --progress=x in out").progress, ProgressOption::Bar);
        assert!(is_uri(OsStr::new("nbd+unix:///?socket=/tmp/s")) && !is_uri(OsStr::new("disk.img")));
    }

    #[test]
    fn the_command_line_tells_how_early_the_lines_are() {
        let threads = |line: &str| arguments(line).habit().threads;
        assert_eq!((threads("in out"), threads("-C 8 in out"), threads("-C8 -T 2 in out")), (4, 8, 2));
        assert_eq!((threads("--threads=1 in out"), threads("--connections 2 --threads 0 in out")), (1, 2));
        assert_eq!(arguments("--synchronous in out").habit(), Habit::default());
        let under_way = |line: &str| arguments(line).habit().under_way >> 20;
        assert_eq!(
            (under_way("in out"), under_way("-R 128 in out"), under_way("--request-size=1 in out")),
            (16, 128, 128)
        );
    }

    proptest! {
        #[test]
        fn chunking_makes_no_difference(bytes in "[0-9/\n x]{0,60}|([0-9]{1,3}/100\n){0,9}", cut in 1_usize..7) {
            let pieces: Vec<&[u8]> = bytes.as_bytes().chunks(cut).collect();
            prop_assert_eq!(read(&pieces), read(&[bytes.as_bytes()]));
        }
    }
}
