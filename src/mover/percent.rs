//! Progress in plain text: a stream becomes lines, and `super::line` says what each of them tells.
//!
//! Bars end their lines with a carriage return or only begin them so; a line that is still open is read once the mover
//! pauses. The stream may as well be data: a `sh -c` mover may pipe a disk through its standard output. A control
//! character that no text has therefore ends the reading for good, before chance can make a percent figure out of disk
//! blocks.

use super::line::{self, Said};
use super::number::{digits, share};
use super::reading::{Bar, Heard};

/// How the figures of a mover are to be taken, as far as only its command line tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Hints {
    /// `pv -n`: a bare number is a share, or with `-b` a count.
    pub numbers: Option<Numbers>,
    /// rsync's figures are of one file among several.
    pub files: bool,
    /// virt-v2v: a line of text is the title of the bars after it.
    pub headings: bool,
}

/// What a bare number is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Numbers {
    /// A share.
    Percent,
    /// Bytes.
    Bytes,
}

/// Reads text in bounded memory, however long a line is.
#[derive(Debug, Default)]
pub struct Text {
    hints: Hints,
    /// The present line as a terminal shows it, at most [`LINE_BYTES`].
    line: Vec<u8>,
    /// Within a terminal sequence: after the escape, or with that many characters of it.
    sequence: Option<u8>,
    /// The line has been read already, and nothing has come since.
    is_read: bool,
    /// Lines of the present chunk that may still be looked at.
    budget: u32,
    /// It was data.
    data: bool,
    /// Bytes of the files before this one, and the last count of the present one.
    files: (u64, u64),
    heading: Option<String>,
}

/// Candidates of one chunk that are looked at: more is a flood, no progress, and must not wait for its reading.
const CANDIDATES: u32 = 256;
/// Longest line that can be progress, terminal sequences not counted.
const LINE_BYTES: usize = 512;

/// Bytes that something follows from. The others are passed over in bulk: the stream may be a copy, and must not wait.
const MARKS: [bool; 256] = {
    let mut marks = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        marks[byte] = is_of_no_text(byte as u8) || matches!(byte as u8, b'\r' | b'\n' | BACKSPACE | ESCAPE);
        byte += 1;
    }
    marks
};
const ESCAPE: u8 = 0x1b;
const BACKSPACE: u8 = 0x08;

/// Control characters but those that lines and bars are made of: backspace, bell, tab, escape and the ends of a line.
const fn is_of_no_text(byte: u8) -> bool {
    matches!(byte, 0..=0x06 | 0x0b | 0x0c | 0x0e..=0x1a | 0x1c..=0x1f | 0x7f)
}

impl Text {
    /// Reads a mover's text with what its command line says.
    pub fn with(hints: Hints) -> Self {
        Self { hints, ..Self::default() }
    }
    /// Takes the next bytes and tells each figure in them. How they were cut into chunks makes no difference, but for a
    /// flood of them.
    pub fn feed(&mut self, chunk: &[u8], tell: &mut dyn FnMut(Heard)) {
        let mut rest = chunk;
        self.budget = CANDIDATES;
        while !self.data && !rest.is_empty() {
            if self.sequence.is_some() {
                self.follow_sequence(rest[0], tell);
                rest = &rest[1..];
                continue;
            }
            let Some(at) = rest.iter().position(|byte| MARKS[usize::from(*byte)]) else {
                self.keep(rest);
                return;
            };
            self.keep(&rest[..at]);
            match rest[at] {
                b'\r' | b'\n' => self.end_line(tell),
                ESCAPE => self.sequence = Some(0),
                BACKSPACE => drop(self.line.pop()),
                _ => self.data = true,
            }
            rest = &rest[at + 1..];
        }
    }
    /// The mover pauses: what is in the open line is read.
    pub fn pause(&mut self, tell: &mut dyn FnMut(Heard)) {
        if !self.data && self.sequence.is_none() && !std::mem::replace(&mut self.is_read, true) {
            self.budget = self.budget.max(1);
            self.read_line(tell);
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.is_read = false;
            let room = (LINE_BYTES + 1).saturating_sub(self.line.len());
            self.line.extend_from_slice(&bytes[..bytes.len().min(room)]);
        }
    }
    /// Colours change nothing. Any other sequence moves the cursor or clears the line, so that another line begins.
    fn follow_sequence(&mut self, byte: u8, tell: &mut dyn FnMut(Heard)) {
        let length = self.sequence.unwrap_or(0);
        self.sequence = match (length, byte) {
            (0, b'[') => Some(1),
            (1..=30, 0x20..=0x3f) => Some(length + 1),
            _ => None,
        };
        if self.sequence.is_none() && length > 0 && byte != b'm' {
            self.end_line(tell);
        }
    }
    fn end_line(&mut self, tell: &mut dyn FnMut(Heard)) {
        if !std::mem::replace(&mut self.is_read, false) {
            self.read_line(tell);
        }
        if self.hints.headings && self.line.len() <= LINE_BYTES {
            self.take_heading();
        }
        self.line.clear();
    }

    /// The line has what all progress has; seen without reading it, since most lines have not.
    fn is_candidate(&self) -> bool {
        let line = &self.line;
        let begins_with_number =
            || line.iter().find(|byte| !byte.is_ascii_whitespace()).is_some_and(u8::is_ascii_digit);
        let has = |byte| line.contains(&byte);
        line.len() <= LINE_BYTES
            && (has(b'%') || (has(b'/') || has(b'(') || self.hints.numbers.is_some()) && begins_with_number())
    }

    fn read_line(&mut self, tell: &mut dyn FnMut(Heard)) {
        if !self.is_candidate() || self.budget == 0 {
            return;
        }
        self.budget -= 1;
        let line = String::from_utf8_lossy(&self.line).into_owned();
        match (self.hints.numbers.and_then(|kind| bare_number(&line, kind)), line::read(&line)) {
            (Some(reading), _) => tell(reading),
            (None, Some(Said::Bar(bar))) => tell(Heard::Bar(bar)),
            (None, Some(Said::Share(share, about))) => match &self.heading {
                Some(title) => tell(Heard::Bar(Bar { title: title.clone(), share, has_bytes: false, about })),
                None => {
                    tell(Heard::Share(share));
                    about.into_iter().for_each(|bytes| tell(Heard::About(bytes)));
                }
            },
            (None, Some(Said::Copied(bytes))) => tell(Heard::Bytes(self.with_files_before(bytes))),
            (None, Some(Said::Rsync { bytes, share, ends_file })) => {
                if !self.hints.files {
                    tell(Heard::Share(share));
                }
                tell(Heard::Bytes(self.with_files_before(bytes)));
                if self.hints.files && ends_file {
                    self.files = (self.files.0.saturating_add(bytes), 0);
                }
            }
            (None, None) => {}
        }
    }

    /// A count that is smaller than the last is of another file.
    fn with_files_before(&mut self, bytes: u64) -> u64 {
        let (before, last) = self.files;
        let before = if bytes < last { before.saturating_add(last) } else { before };
        self.files = (before, bytes);
        before.saturating_add(bytes)
    }

    /// `[  12.3] Copying disk 1/2`
    fn take_heading(&mut self) {
        let line = String::from_utf8_lossy(&self.line);
        let text = line.trim_start().strip_prefix('[').and_then(|rest| rest.split_once(']'));
        let Some((time, text)) = text else { return };
        if time.trim().parse::<f64>().is_ok() {
            self.heading = Some(text.trim().chars().take(super::reading::TITLE_CHARACTERS).collect());
        }
    }
}

/// The last word of a line that consists of numbers alone: with `-t` the time comes before it.
fn bare_number(line: &str, kind: Numbers) -> Option<Heard> {
    let is_number = |word: &str| word.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let last = line.split_whitespace().all(is_number).then(|| line.split_whitespace().next_back())??;
    match kind {
        Numbers::Percent => share(last.as_bytes()).map(Heard::Share),
        Numbers::Bytes => digits(last.as_bytes()).map(Heard::Bytes),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read_with(hints: Hints, chunks: &[&[u8]]) -> Vec<String> {
        let (mut text, mut told) = (Text::with(hints), Vec::new());
        let mut tell = |reading: Heard| match reading {
            Heard::Share(share) => told.push(share.to_string()),
            Heard::Bytes(bytes) => told.push(format!("{bytes} bytes")),
            Heard::Bar(bar) => told.push(format!("{} {}", bar.title, bar.share)),
            Heard::About(_) => {}
        };
        chunks.iter().for_each(|chunk| text.feed(chunk, &mut tell));
        text.pause(&mut tell);
        told
    }
    fn read(chunks: &[&[u8]]) -> Vec<String> {
        read_with(Hints::default(), chunks)
    }

    #[test]
    fn percent_lines_are_read() {
        assert_eq!(read(&[b"12%\n12.5 %\n 12.34%\r12,5%\n100%"]), ["12.00", "12.50", "12.34", "12.50", "100.00"]);
        let bars = "\u{258b}      0% [--------]\r\u{2588}     42% [***-----]\r\u{2588}    100% [********]\n";
        assert_eq!(read(&[bars.as_bytes()]), ["0.00", "42.00", "100.00"]);
        assert_eq!(read(&[b"[55%] copying"]), ["55.00"]);
    }

    #[test]
    fn dd_counts_are_read_once_a_line() {
        let stream =
            b"1048576 bytes (1.0 MB, 1.0 MiB) copied, 1 s, 1 MB/s\r2097152 bytes (2.1 MB, 2.0 MiB) copied, 2 s";
        assert_eq!(read(&[stream]), ["1048576 bytes", "2097152 bytes"]);
    }

    #[test]
    fn colours_are_passed_over_and_a_cleared_line_is_another() {
        let stream = b"\x1b[32mCopy\x1b[0m 5% [\x1b[32m=\x1b[0m ]\x1b[2K\x1b[1GCopy 6% [= ]\x1b[K";
        assert_eq!(read(&[stream]), ["Copy 5.00", "Copy 6.00"]);
    }

    #[test]
    fn a_figure_that_is_written_over_is_read_anew() {
        let mut text = Text::default();
        let mut told = Vec::new();
        for chunk in ["Copying: 9%", "\u{8}\u{8}10%", "\u{8}\u{8}\u{8}11%"].map(str::as_bytes) {
            let mut tell = |reading: Heard| {
                if let Heard::Bar(bar) = reading {
                    told.push(bar.share.to_string())
                }
            };
            text.feed(chunk, &mut tell);
            text.pause(&mut tell);
        }
        assert_eq!(told, ["9.00", "10.00", "11.00"]);
    }

    #[test]
    fn files_one_after_another_are_added_up() {
        let files = Hints { files: true, ..Hints::default() };
        let line = |bytes: &str, end: &str| format!("\r {bytes} 100%  1.00MB/s    0:00:00 {end}");
        let stream =
            [line("100", ""), line("100", "(xfr#1, to-chk=1/3)\nb\n"), line("32,768", ""), line("70,000", "(xfr#2")];
        assert_eq!(
            read_with(files, &[stream.concat().as_bytes()]),
            ["100 bytes", "100 bytes", "32868 bytes", "70100 bytes"]
        );
        let whole = read(&[stream.concat().as_bytes()]);
        assert_eq!(whole[whole.len() - 2..], ["100.00", "70000 bytes"], "with --info=progress2 the count is of all");
    }

    #[test]
    fn bare_numbers_are_read_where_they_were_asked_for() {
        let hints = |numbers| Hints { numbers: Some(numbers), ..Hints::default() };
        assert_eq!(read_with(hints(Numbers::Percent), &[b"5\n42\n1.5 100\nx 7\n"]), ["5.00", "42.00", "100.00"]);
        assert_eq!(read_with(hints(Numbers::Bytes), &[b"1048576\n"]), ["1048576 bytes"]);
        assert_eq!(read(&[b"5\n42\n"]), [""; 0]);
    }

    #[test]
    fn headings_of_virt_v2v_are_the_titles_of_its_bars() {
        let hints = Hints { headings: true, ..Hints::default() };
        let stream = b"[   0.1] Setting up the source\n[  12.3] Copying disk 1/2\n    (12.34/100%)\r";
        assert_eq!(read_with(hints, &[stream]), ["Copying disk 1/2 12.34"]);
    }

    /// What `tests/movers/record` has recorded of real movers.
    macro_rules! recorded {
        ($name:literal) => {
            include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/movers/", $name)).as_slice()
        };
    }

    #[test]
    fn what_real_movers_print_is_read_from_pipes_and_terminals() {
        let plain = Hints::default();
        let numbers = Hints { numbers: Some(Numbers::Percent), ..plain };
        let files = Hints { files: true, ..plain };
        let mib = |mib: u64| format!("{} bytes", mib << 20);
        for (streams, hints, last) in [
            ([recorded!("dd.pipe"), recorded!("dd.tty")], plain, "23592960 bytes".to_owned()),
            ([recorded!("nbdcopy-p.pipe"), recorded!("nbdcopy-p.tty")], plain, "100.00".to_owned()),
            ([recorded!("nbdcopy-1.pipe"), recorded!("nbdcopy-1.tty")], plain, "100.00".to_owned()),
            ([recorded!("pv.pipe"), recorded!("pv.tty")], plain, "100.00".to_owned()),
            ([recorded!("pv-n.pipe"), recorded!("pv-n.tty")], numbers, "100.00".to_owned()),
            ([recorded!("qemu-img.pipe"), recorded!("qemu-img.tty")], plain, "100.00".to_owned()),
            ([recorded!("rclone.pipe"), recorded!("rclone.tty")], plain, "100.00".to_owned()),
            ([recorded!("rclone-checks.pipe"), recorded!("rclone-checks.tty")], plain, "100.00".to_owned()),
            ([recorded!("rsync-files.pipe"), recorded!("rsync-files.tty")], files, mib(12)),
            ([recorded!("rsync-whole.pipe"), recorded!("rsync-whole.tty")], plain, mib(12)),
            ([recorded!("tqdm.pipe"), recorded!("tqdm.tty")], plain, "saving disk hdb 100.00".to_owned()),
        ] {
            for stream in streams {
                let told = read_with(hints, &[stream]);
                let shares: Vec<f64> = told.iter().filter_map(|told| told.rsplit(' ').next()?.parse().ok()).collect();
                let is_tqdm = last.starts_with("saving");
                assert!(told.len() >= 2 && told.last() == Some(&last), "{}: {told:?}", String::from_utf8_lossy(stream));
                assert!(is_tqdm || shares.is_sorted(), "{}: {told:?}", String::from_utf8_lossy(stream));
            }
        }
    }

    #[test]
    fn disk_data_is_never_taken_for_progress() {
        assert_eq!(read(&[b"10%\n\x00 50%\n", b"99%\n"]), ["10.00"]);
    }

    #[test]
    fn a_line_without_end_costs_no_memory() {
        let mut text = Text::default();
        let megabyte = vec![b'7'; 1 << 20];
        for _ in 0..100 {
            text.feed(&megabyte, &mut |_| panic!("no figure is in it"));
            text.feed(b"\x1b[31m5% ", &mut |_| panic!("no figure is in it"));
        }
        assert!(text.line.capacity() < 4096);
        let mut told = 0;
        text.feed(b"\n5%\n", &mut |_| told += 1);
        assert_eq!(told, 1);
    }

    proptest! {
        #[test]
        fn chunking_makes_no_difference(
            bytes in "([0-9.,% \r\nx\\[\u{1b}mK]{0,60})|([0-9]{1,9} bytes \\(1 B\\) copied[\r,]){0,5}",
            cut in 1_usize..17,
        ) {
            let pieces: Vec<&[u8]> = bytes.as_bytes().chunks(cut).collect();
            prop_assert_eq!(read(&pieces), read(&[bytes.as_bytes()]));
        }

        #[test]
        fn no_bytes_cause_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            read(&[&bytes]);
        }

        #[test]
        fn no_line_causes_a_panic(line in "[0-9%/\\[\\]|(),. a-zA-Z:=>\u{2588}-]{0,60}") {
            read(&[line.as_bytes()]);
        }
    }
}
