//! The demo's disks, and the movers that copy them.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

const MIB: u64 = 1 << 20;
/// Where the changed area of the incremental run begins.
const CHANGED_AT: u64 = 32 * MIB;
/// How long it is.
pub(super) const CHANGED_BYTES: u64 = 12 * MIB;

/// One disk: a sparse image, and the file that it is copied to.
pub(super) struct Disk {
    pub(super) id: &'static str,
    pub(super) label: &'static str,
    pub(super) size: u64,
    data: u64,
    source: PathBuf,
    target: PathBuf,
}

/// Makes the two disks in a folder.
pub(super) fn make(dir: &Path) -> io::Result<Vec<Disk>> {
    let shapes = [("disk-2000", "Hard disk 1", 128 * MIB, 72 * MIB), ("disk-2001", "Hard disk 2", 96 * MIB, 40 * MIB)];
    shapes.into_iter().map(|(id, label, size, data)| Disk::make(dir, id, label, size, data)).collect()
}

impl Disk {
    fn make(dir: &Path, id: &'static str, label: &'static str, size: u64, data: u64) -> io::Result<Self> {
        let (source, target) = (dir.join(format!("{id}.source")), dir.join(format!("{id}.target")));
        let disk = Self { id, label, size, data, source, target };
        let mut file = File::create_new(&disk.source)?;
        file.set_len(size)?;
        fill(&mut file, 0, data, 1)?;
        File::create_new(&disk.target)?.set_len(size)?;
        Ok(disk)
    }

    pub(super) fn describe(&self) -> String {
        format!("{} MiB, {} MiB of them data", self.size / MIB, self.data / MIB)
    }

    /// The VM goes on writing: an area of the source changes.
    pub(super) fn change(&self) -> io::Result<()> {
        fill(&mut OpenOptions::new().write(true).open(&self.source)?, CHANGED_AT, CHANGED_BYTES, 2)
    }

    /// Source and target must be the same, byte for byte.
    pub(super) fn compare(&self) -> io::Result<()> {
        let (mut source, mut target) = (File::open(&self.source)?, File::open(&self.target)?);
        let (mut ours, mut theirs) = (vec![0; MIB as usize], vec![0; MIB as usize]);
        for at in 0..self.size / MIB {
            source.read_exact(&mut ours)?;
            target.read_exact(&mut theirs)?;
            if ours != theirs {
                return Err(io::Error::other(format!("{} differs within MiB {at}", self.target.display())));
            }
        }
        Ok(())
    }
}

/// Writes data that no file system can leave out or compress away.
fn fill(file: &mut File, at: u64, length: u64, seed: u64) -> io::Result<()> {
    file.seek(SeekFrom::Start(at))?;
    let mut dice = crate::policy::dice::Dice::new(seed);
    let mut block = vec![0; MIB as usize];
    for _ in 0..length / MIB {
        for word in block.chunks_exact_mut(8) {
            word.copy_from_slice(&dice.bits().to_ne_bytes());
        }
        file.write_all(&block)?;
    }
    Ok(())
}

/// The movers that the demo knows, best first.
#[derive(Clone, Copy)]
pub(super) enum Mover {
    /// nbdkit serves the source at 10 MiB/s, nbdcopy copies it.
    Nbd,
    /// qemu-img convert, at the same rate.
    QemuImg,
    /// Neither is installed.
    Dd,
}

impl Mover {
    /// The best that is installed.
    pub(super) fn find() -> Self {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let has = |program: &str| std::env::split_paths(&path).any(|folder| folder.join(program).is_file());
        match (has("nbdkit") && has("nbdcopy"), has("qemu-img")) {
            (true, _) => Self::Nbd,
            (false, true) => Self::QemuImg,
            (false, false) => Self::Dd,
        }
    }

    pub(super) fn describe(self) -> &'static str {
        match self {
            Self::Nbd => "nbdkit serves the source at 10 MiB/s, nbdcopy copies it",
            Self::QemuImg => "qemu-img convert copies (nbdkit and nbdcopy are not installed)",
            Self::Dd => "dd copies, as neither nbdkit and nbdcopy nor qemu-img are installed",
        }
    }

    /// The command that copies all of a disk.
    pub(super) fn whole(self, disk: &Disk) -> Vec<OsString> {
        match self {
            Self::Nbd => nbdcopy(disk, &[]),
            Self::QemuImg => {
                let options = ["qemu-img", "convert", "-p", "-n", "-r", "10M", "-f", "raw", "-O", "raw"];
                let mut command: Vec<OsString> = options.map(OsString::from).into();
                command.extend([disk.source.clone().into(), disk.target.clone().into()]);
                command
            }
            Self::Dd => dd(disk, 0, disk.size),
        }
    }

    /// The command that copies what changed.
    pub(super) fn changed(self, disk: &Disk) -> Vec<OsString> {
        match self {
            Self::Nbd => nbdcopy(disk, &[format!("offset={CHANGED_AT}"), format!("range={CHANGED_BYTES}")]),
            Self::QemuImg | Self::Dd => dd(disk, CHANGED_AT, CHANGED_BYTES),
        }
    }
}

/// nbdcopy between two nbdkits of its own; the area is that of nbdkit's offset filter.
fn nbdcopy(disk: &Disk, area: &[String]) -> Vec<OsString> {
    let filter = if area.is_empty() { None } else { Some("--filter=offset") };
    let mut command: Vec<OsString> =
        ["nbdcopy", "--requests=4", "--connections=1", "--", "[", "nbdkit", "--exit-with-parent", "-r"]
            .map(OsString::from)
            .into();
    command.push("--filter=rate".into());
    command.extend(filter.map(OsString::from));
    command.extend(["file".into(), disk.source.clone().into_os_string(), "rate=80M".into(), "burstiness=0.5".into()]);
    command.extend(area.iter().map(OsString::from));
    command.extend(["]", "[", "nbdkit", "--exit-with-parent"].map(OsString::from));
    command.extend(filter.map(OsString::from));
    command.extend(["file".into(), disk.target.clone().into_os_string()]);
    command.extend(area.iter().map(OsString::from));
    command.push("]".into());
    command
}

fn dd(disk: &Disk, at: u64, length: u64) -> Vec<OsString> {
    let pair = |key: &str, path: &Path| {
        let mut text = OsString::from(key);
        text.push(path);
        text
    };
    let (skip, count) = (at / MIB, length / MIB);
    let mut command = vec!["dd".into(), pair("if=", &disk.source), pair("of=", &disk.target)];
    command.extend([format!("skip={skip}"), format!("seek={skip}"), format!("count={count}")].map(OsString::from));
    command.extend(["bs=1M", "conv=notrunc,fsync", "status=progress"].map(OsString::from));
    command
}
