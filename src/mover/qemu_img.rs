//! What `qemu-img convert -p` writes to its standard output, `    (12.34/100%)` and a carriage return, and what its
//! command line tells.
//!
//! Anything else in the stream says nothing. A mark counts a request when it is made, not when it is through; a few are
//! under way at a time.

use std::ffi::OsString;

use super::gauge::Habit;
use super::number::share;
use super::options;
use super::reading::Heard;

/// Reads progress marks, byte by byte and in a few bytes of memory.
#[derive(Debug, Default)]
pub struct Marks {
    /// What has been read since an opening bracket, if one is open.
    open: Option<Vec<u8>>,
}

/// Bytes of the longest mark, `100.00/100%`.
const MARK_BYTES: usize = 11;

impl Marks {
    /// Takes the next bytes and tells each figure in them; how they were cut into chunks makes no difference.
    pub fn feed(&mut self, chunk: &[u8], tell: &mut dyn FnMut(Heard)) {
        for &byte in chunk {
            match (byte, &mut self.open) {
                (b'(', _) => self.open = Some(Vec::with_capacity(MARK_BYTES)),
                (b')', Some(mark)) => {
                    if let Some(share) = mark.strip_suffix(b"/100%").and_then(share) {
                        tell(Heard::Share(share));
                    }
                    self.open = None;
                }
                (_, Some(mark)) if mark.len() < MARK_BYTES => mark.push(byte),
                (_, Some(_)) => self.open = None,
                (_, None) => {}
            }
        }
    }
}

/// What the command line of `qemu-img convert` tells of the copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QemuImgArguments {
    /// `-p` is there already.
    pub progress: bool,
    /// `-q`: no progress is shown whatever else is said.
    pub quiet: bool,
    /// What `qemu-img` needs to find each source: `-f raw`, `--image-opts`, `--object X`.
    pub opening: Vec<OsString>,
    /// The sources; empty where the command line is not understood.
    pub sources: Vec<OsString>,
    /// The sources' own allocated data and nothing else is copied: no `-S 0`, no backing file, no snapshot.
    pub is_sparse: bool,
    /// `-m`, where it is given.
    parallel: Option<u64>,
}

/// Bytes of the largest request.
const REQUEST_BYTES: u64 = 2 << 20;
/// Requests under way at a time, unless an option says otherwise.
const PARALLEL: u64 = 8;

/// Options whose value is the next argument, where they carry no `=`.
const LONG_WITH_VALUE: [&str; 13] = [
    "--backing",
    "--backing-format",
    "--object",
    "--parallel",
    "--rate",
    "--source-cache",
    "--source-format",
    "--source-snapshot",
    "--sparse-size",
    "--target-cache",
    "--target-format",
    "--target-options",
    "--snapshot",
];
/// Short options that take a value.
const SHORT_WITH_VALUE: &[u8] = b"BFOSTflmort";

impl QemuImgArguments {
    /// Reads the arguments after `convert`.
    pub fn read(arguments: &[OsString]) -> Self {
        let (opening, sources) = Default::default();
        let mut read = Self { progress: false, quiet: false, opening, sources, is_sparse: true, parallel: None };
        let mut images = Vec::new();
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let text = argument.to_string_lossy();
            if text == "--" {
                images.extend(rest.by_ref().cloned());
            } else if text.starts_with("--") {
                read.long_option(&text, &mut rest);
            } else if text.starts_with('-') && text.len() > 1 {
                read.short_options(&text, &mut rest);
            } else {
                images.push(argument.clone());
            }
        }
        // The last image is the target.
        images.pop();
        read.sources = images;
        read
    }

    /// How early its marks are. None of its threads has a piece of its own: they count as one.
    pub fn habit(&self) -> Habit {
        let under_way = self.parallel.unwrap_or(PARALLEL).saturating_mul(REQUEST_BYTES);
        Habit { threads: 1, piece: 0, under_way }
    }

    fn long_option<'a>(&mut self, text: &str, rest: &mut impl Iterator<Item = &'a OsString>) {
        match options::long(text, &LONG_WITH_VALUE, rest) {
            ("--progress", _) => self.progress = true,
            ("--quiet", _) => self.quiet = true,
            ("--image-opts" | "--source-image-opts", _) => self.opening.push("--image-opts".into()),
            ("--sparse-size" | "--backing" | "--source-snapshot" | "--snapshot", _) => self.is_sparse = false,
            ("--parallel", value) => self.parallel = options::number(value),
            ("--object", Some(value)) => self.opening.extend(["--object".into(), value]),
            ("--source-format", Some(value)) => self.opening.extend(["-f".into(), value]),
            _ => {}
        }
    }

    fn short_options<'a>(&mut self, cluster: &str, rest: &mut impl Iterator<Item = &'a OsString>) {
        for (at, option) in cluster.char_indices().skip(1) {
            match option {
                'p' => self.progress = true,
                'q' => self.quiet = true,
                _ if u8::try_from(option).is_ok_and(|byte| SHORT_WITH_VALUE.contains(&byte)) => {
                    match (option, options::short(&cluster[at + 1..], rest)) {
                        ('f', Some(value)) => self.opening.extend(["-f".into(), value]),
                        ('S' | 'B' | 'l', _) => self.is_sparse = false,
                        ('m', value) => self.parallel = options::number(value),
                        _ => {}
                    }
                    return;
                }
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(chunks: &[&[u8]]) -> Vec<String> {
        let (mut marks, mut told) = (Marks::default(), Vec::new());
        for chunk in chunks {
            marks.feed(chunk, &mut |reading| told.push(format!("{reading:?}")));
        }
        told
    }
    fn shares(hundredths: &[u16]) -> Vec<String> {
        hundredths
            .iter()
            .map(|h| format!("{:?}", Heard::Share(crate::model::percent::Percent::from_hundredths(*h))))
            .collect()
    }

    #[test]
    fn the_marks_of_qemu_img_are_read() {
        let stream = b"    (0.00/100%)\r    (12.34/100%)\r    (100.00/100%)\r    (100.00/100%)\r\n";
        assert_eq!(read(&[stream]), shares(&[0, 1234, 10_000, 10_000]));
    }

    #[test]
    fn anything_else_says_nothing() {
        for other in ["(", "()", "(12.34/100%", "(12.34%)", "(x/100%)", "(101.00/100%)", "12.34/100%)", "(-1.00/100%)"]
        {
            assert_eq!(read(&[other.as_bytes()]), [""; 0], "{other:?}");
        }
        assert_eq!(read(&[b"((1.00/100%)", &[b'('; 4096], &[b'x'; 4096], b"(2.00/100%)"]), shares(&[100, 200]));
    }

    fn arguments(line: &str) -> QemuImgArguments {
        QemuImgArguments::read(&line.split(' ').map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn the_command_line_tells_source_and_progress() {
        let plain = arguments("-f raw -O qcow2 in.raw out.qcow2");
        assert_eq!((plain.progress, plain.quiet), (false, false));
        assert_eq!((plain.opening, plain.sources), (vec!["-f".into(), "raw".into()], vec!["in.raw".into()]));
        let clustered = arguments("-pOraw -fqcow2 -m 8 --object secret,id=s a.qcow2 b.qcow2 out");
        assert!(clustered.progress);
        assert_eq!(clustered.opening, ["-f", "qcow2", "--object", "secret,id=s"]);
        assert_eq!(clustered.sources, ["a.qcow2", "b.qcow2"]);
        assert!(arguments("-q --image-opts driver=nbd,path=s out").quiet);
        assert!(arguments("--help").sources.is_empty());
        let sparse = |line: &str| arguments(line).is_sparse;
        assert!(sparse("-O raw a b") && !sparse("-S 0 a b") && !sparse("-Bbase a b") && !sparse("-l one a b"));
        let requests = |line: &str| arguments(line).habit().under_way / REQUEST_BYTES;
        assert_eq!((requests("a b"), requests("-m 16 a b"), requests("--parallel=2 a b")), (8, 16, 2));
    }

    proptest! {
        #[test]
        fn chunking_makes_no_difference(bytes in "[0-9/%(). \r]{0,60}|(    \\([0-9]{1,2}\\.[0-9]{2}/100%\\)\r){0,9}", cut in 1_usize..9) {
            let pieces: Vec<&[u8]> = bytes.as_bytes().chunks(cut).collect();
            prop_assert_eq!(read(&pieces), read(&[bytes.as_bytes()]));
        }
    }
}
