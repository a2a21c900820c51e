//! How much a mover has to copy, asked from the tools that know: `nbdinfo` and `qemu-img`, or a file's length.
//!
//! A server is asked only after the mover has shown its first progress: `qemu-nbd` without `-t` serves one client and
//! ends, and a question before the mover would take its place. So the copy never waits for the answer. A tool that
//! fails, or does not answer within [`PATIENCE`], leaves the total unknown; that is no error.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use serde::Deserialize;

use super::{nbdcopy, qemu_img};

/// Longest that a tool may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often it is looked whether the mover has ended meanwhile.
const LOOK: Duration = Duration::from_millis(100);
/// Bytes of an answer that are read: a map with some 400,000 entries.
const ANSWER_BYTES: u64 = 64 << 20;

/// Where a total can be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TotalSource {
    /// A file or block device of this length.
    File(PathBuf),
    /// A file that nbdcopy writes: before its first byte it is made as long as the source, which cannot be asked itself.
    Target(PathBuf),
    /// An NBD server, by its URI.
    Nbd(OsString),
    /// Images, by what `qemu-img` needs to open them.
    Images {
        /// Options: `-f raw`, `--image-opts`.
        opening: Vec<OsString>,
        /// File names or URIs.
        images: Vec<OsString>,
        /// Only what is allocated is copied, and qemu-img's share is of that: an image of 1 TiB that holds 10 GiB would
        /// otherwise be shown as a TiB moved, at a hundred times the rate.
        is_sparse: bool,
    },
}

impl TotalSource {
    /// Where nbdcopy reads from, if it can be asked.
    pub fn of_nbdcopy(arguments: &nbdcopy::NbdcopyArguments) -> Option<Self> {
        match &arguments.source {
            Some(source) if nbdcopy::is_uri(source) => Some(Self::Nbd(source.clone())),
            Some(source) if source != "-" && source != "[" => Some(Self::File(source.into())),
            Some(source) if source == "[" => {
                let target = arguments.target.as_ref()?;
                let is_file = target != "-" && target != "[" && target != "null:" && !nbdcopy::is_uri(target);
                is_file.then(|| Self::Target(target.into()))
            }
            _ => None,
        }
    }
    /// Where `qemu-img convert` reads from.
    pub fn of_qemu_img(arguments: &qemu_img::QemuImgArguments) -> Option<Self> {
        (!arguments.sources.is_empty()).then(|| Self::Images {
            opening: arguments.opening.clone(),
            images: arguments.sources.clone(),
            is_sparse: arguments.is_sparse,
        })
    }
    /// True where it can be asked only once the mover copies: asking could take its place at a server, or be too early.
    pub fn is_served(&self) -> bool {
        match self {
            Self::File(_) => false,
            Self::Target(_) | Self::Nbd(_) => true,
            Self::Images { opening, images, .. } => {
                let opts = opening.iter().any(|option| option == "--image-opts");
                opts || images.iter().any(|image| image.to_string_lossy().contains(':'))
            }
        }
    }
    /// How a total from here is called in a message.
    pub fn asked_by(&self) -> &'static str {
        match self {
            Self::File(_) => "the source's length",
            Self::Target(_) => "the target once it is made",
            Self::Nbd(_) => "nbdinfo",
            Self::Images { .. } => "qemu-img",
        }
    }
    /// Asks; `None` where there is no answer. Gives up early once `abandoned` says so.
    pub fn ask(&self, abandoned: &dyn Fn() -> bool) -> Option<u64> {
        match self {
            Self::File(path) => length(path).ok().flatten(),
            // A device has a length of its own.
            Self::Target(path) => {
                fs::metadata(path).ok().filter(|file| file.is_file() && file.len() > 0).map(|file| file.len())
            }
            Self::Nbd(uri) => {
                let answer = output(Command::new("nbdinfo").arg("--size").arg(uri), abandoned)?;
                String::from_utf8(answer).ok()?.trim().parse().ok()
            }
            Self::Images { opening, images, is_sparse } => images.iter().try_fold(0_u64, |sum, image| {
                let told = |question: &str| {
                    let mut command = Command::new("qemu-img");
                    // Without -U the question would take a lock that the mover may want.
                    command.args([question, "--output=json", "-U"]).args(opening).arg("--").arg(image);
                    output(&mut command, abandoned)
                };
                let bytes = is_sparse.then(|| allocated(&told("map")?)).flatten();
                sum.checked_add(bytes.or_else(|| virtual_size(&told("info")?))?)
            }),
        }
    }
}

/// The length of a file or block device. Anything else is left alone: to open a pipe would spoil it for the mover.
fn length(path: &Path) -> io::Result<Option<u64>> {
    let kind = fs::metadata(path)?.file_type();
    if !kind.is_file() && !kind.is_block_device() {
        return Ok(None);
    }
    File::open(path)?.seek(SeekFrom::End(0)).map(Some)
}

#[derive(Deserialize)]
struct ImageDoc {
    #[serde(rename = "virtual-size")]
    virtual_size: u64,
}

fn virtual_size(answer: &[u8]) -> Option<u64> {
    serde_json::from_slice::<ImageDoc>(answer).ok().map(|image| image.virtual_size)
}

#[derive(Deserialize)]
struct ExtentDoc {
    length: u64,
    zero: bool,
    data: bool,
}

/// The bytes that hold data.
fn allocated(map: &[u8]) -> Option<u64> {
    let extents: Vec<ExtentDoc> = serde_json::from_slice(map).ok()?;
    let data = extents.iter().filter(|extent| extent.data && !extent.zero);
    data.map(|extent| extent.length).try_fold(0, u64::checked_add)
}

/// What a tool prints, if it ends well and in time; it is ended otherwise.
fn output(command: &mut Command, abandoned: &dyn Fn() -> bool) -> Option<Vec<u8>> {
    let mut tool = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().ok()?;
    let stdout = tool.stdout.take()?;
    let (told, answer) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let read = stdout.take(ANSWER_BYTES).read_to_end(&mut bytes);
        // Nobody listens any more where patience ended first.
        let _ = told.send(read.map(|_| bytes));
    });
    let looks = PATIENCE.as_millis() / LOOK.as_millis();
    let bytes = (0..looks).take_while(|_| !abandoned()).find_map(|_| match answer.recv_timeout(LOOK) {
        Ok(read) => Some(read.ok()),
        Err(mpsc::RecvTimeoutError::Timeout) => None,
        Err(mpsc::RecvTimeoutError::Disconnected) => Some(None),
    });
    if bytes.is_none() {
        // Fails only where it has ended by itself.
        let _ = tool.kill();
    }
    let status = tool.wait().ok()?;
    bytes.flatten().filter(|_| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(line: &str) -> Vec<OsString> {
        line.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn a_server_is_told_apart_from_a_file() {
        let source = |line: &str| TotalSource::of_nbdcopy(&nbdcopy::NbdcopyArguments::read(&arguments(line)));
        assert_eq!(source("nbd://h x"), Some(TotalSource::Nbd("nbd://h".into())));
        assert_eq!(source("in.img x"), Some(TotalSource::File("in.img".into())));
        assert_eq!(source("- x"), None);
        assert_eq!(source("-- [ nbdkit memory 1 ] x"), Some(TotalSource::Target("x".into())));
        assert_eq!((source("-- [ nbdkit memory 1 ] null:"), source("-- [ a ] [ b ]")), (None, None));
        let served = |line: &str| {
            TotalSource::of_qemu_img(&qemu_img::QemuImgArguments::read(&arguments(line)))
                .is_some_and(|source| source.is_served())
        };
        assert!(served("nbd:localhost:1 x") && served("--image-opts driver=nbd,path=s x"));
        assert!(!served("-f raw in.raw x"));
    }

    #[test]
    fn a_files_length_is_its_total() {
        let this = TotalSource::File(file!().into());
        assert_eq!(this.ask(&|| false), Some(include_bytes!("total.rs").len() as u64));
        assert_eq!(TotalSource::File("/nonexistent".into()).ask(&|| false), None);
        assert_eq!(TotalSource::File("/dev/null".into()).ask(&|| false), None);
    }

    #[test]
    fn a_tool_that_fails_or_is_not_waited_for_gives_no_answer() {
        assert_eq!(output(Command::new("sh").args(["-c", "echo 5"]), &|| false), Some(b"5\n".to_vec()));
        assert_eq!(output(Command::new("sh").args(["-c", "echo 5; exit 1"]), &|| false), None);
        assert_eq!(output(Command::new("sleep").arg("60"), &|| true), None);
        assert_eq!(output(&mut Command::new("/nonexistent"), &|| false), None);
        assert_eq!(virtual_size(br#"{"virtual-size": 1048576, "format": "raw"}"#), Some(1_048_576));
        assert_eq!(virtual_size(b"{}"), None);
        let map = br#"[{"start":0,"length":5,"depth":0,"present":true,"zero":false,"data":true},
            {"start":5,"length":70,"zero":true,"data":true},{"start":75,"length":700,"zero":true,"data":false}]"#;
        assert_eq!((allocated(map), allocated(b"[]"), allocated(b"[{}]")), (Some(5), Some(0), None));
    }
}
