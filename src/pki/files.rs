//! How keys and certificates come into their files: whole or not at all, and never readable for others in between.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, chown};
use std::path::{Path, PathBuf};

use crate::config::TlsFiles;

/// What a kept certificate begins with, before the fingerprint of the one that took its place.
const REPLACED_BY: &str = "replaced by ";

/// Bytes that are tried out for each file: more than any has.
const LARGEST: usize = 8192;

/// Who may read a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readable {
    /// Its owner only: a private key.
    ByOwner,
    /// Everybody: a certificate.
    ByAll,
}

/// Puts a text into a file, in place of what was there. It gets the owner of its folder, so that what root makes can be
/// read by the daemon.
///
/// # Errors
/// What is wrong, with the file's name; then it is as it was.
pub fn put(file: &Path, text: &str, readable: Readable) -> Result<(), String> {
    Staged::write([(file.to_owned(), text.to_owned(), readable)])?.settle()
}

/// Puts certificate, key and authority down together for somebody who begins with them: nothing is kept to go back to.
///
/// # Errors
/// What is wrong, with the file's name.
pub fn put_first(files: &TlsFiles, certificate: &str, key: &str, authority: &str) -> Result<(), String> {
    let staged = Staged::write([
        (files.authority.clone(), authority.to_owned(), Readable::ByAll),
        (files.key.clone(), key.to_owned(), Readable::ByOwner),
        (files.certificate.clone(), certificate.to_owned(), Readable::ByAll),
    ])?;
    for file in [replaced(&files.certificate), replaced(&files.key)] {
        match fs::remove_file(&file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(format!("cannot remove {}: {error}", file.display()));
            }
            _ => {}
        }
    }
    staged.settle()
}

/// Writes a renewed pair beside the files, and what it replaces, which is named as that of the new one. The file of the
/// authority is left alone, in which others may stand besides.
///
/// # Errors
/// What is wrong, with the file's name.
pub fn stage_renewed(files: &TlsFiles, renewed: &Renewed<'_>) -> Result<Staged, String> {
    let read =
        |file: &Path| fs::read_to_string(file).map_err(|error| format!("cannot read {}: {error}", file.display()));
    let [from_certificate, from_key] =
        [&files.certificate, &files.key].map(|file| if renewed.keeps_kept { replaced(file) } else { file.clone() });
    let before = read(&from_certificate)?;
    let before = before.find("-----BEGIN").map_or("", |at| &before[at..]);
    Staged::write([
        (replaced(&files.key), read(&from_key)?, Readable::ByOwner),
        (replaced(&files.certificate), format!("{REPLACED_BY}{}\n{before}", renewed.fingerprint), Readable::ByAll),
        (files.key.clone(), renewed.key.to_owned(), Readable::ByOwner),
        (files.certificate.clone(), renewed.certificate.to_owned(), Readable::ByAll),
    ])
}

/// That a renewed pair could be put down, before anybody makes one.
///
/// # Errors
/// What is wrong, with the file's name.
pub fn try_out(files: &TlsFiles) -> Result<(), String> {
    let space = "\n".repeat(LARGEST);
    let names = [&files.certificate, &files.key].into_iter().flat_map(|file| [file.clone(), replaced(file)]);
    Staged::write(names.map(|file| (file, space.clone(), Readable::ByOwner))).map(drop)
}

/// Whether a kept certificate is what the one of that fingerprint (64 hexadecimal digits) has replaced.
pub fn is_replaced_by(kept: &[u8], fingerprint: &str) -> bool {
    let line = kept.split(|byte| *byte == b'\n').next().unwrap_or_default();
    line.strip_prefix(REPLACED_BY.as_bytes()) == Some(fingerprint.as_bytes())
}

/// A pair that takes the place of another.
pub struct Renewed<'r> {
    /// The new certificate and those behind it, PEM.
    pub certificate: &'r str,
    /// SHA-256 of the new certificate, 64 hexadecimal digits.
    pub fingerprint: &'r str,
    /// Its key, PEM.
    pub key: &'r str,
    /// What was kept before is kept again, and not what lies in the files.
    pub keeps_kept: bool,
}

/// Files that are written beside those whose places they will take, so that a full disk leaves these as they are. Who drops
/// them has changed his mind.
pub struct Staged {
    stages: Vec<Stage>,
}

struct Stage {
    file: PathBuf,
    text: String,
}

impl Staged {
    fn write(all: impl IntoIterator<Item = (PathBuf, String, Readable)>) -> Result<Self, String> {
        let mut staged = Self { stages: Vec::new() };
        for (file, text, readable) in all {
            let written = stage(&file, &text, readable);
            staged.stages.push(Stage { file, text });
            if let (Err(error), Some(stage)) = (written, staged.stages.last()) {
                return Err(format!("cannot write {}: {error}", stage.file.display()));
            }
        }
        Ok(staged)
    }

    /// Puts them into their places, one after the other.
    ///
    /// # Errors
    /// What is wrong, with the file's name. What waits then is left: a certificate whose key has its place already is put
    /// into its own by whoever reads them next.
    pub fn settle(mut self) -> Result<(), String> {
        for Stage { file, text } in std::mem::take(&mut self.stages) {
            settle(&file, &text).map_err(|error| format!("cannot write {}: {error}", file.display()))?;
        }
        Ok(())
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        for stage in &self.stages {
            // It may not have come so far.
            fs::remove_file(waiting(&stage.file)).ok();
        }
    }
}

/// The folder of a file, whose path may be relative.
fn folder_of(file: &Path) -> &Path {
    match file.parent() {
        Some(folder) if folder != Path::new("") => folder,
        Some(_) => Path::new("."),
        None => Path::new("/"),
    }
}

/// Where what is to become a file lies until then.
pub fn waiting(file: &Path) -> PathBuf {
    beside(file, ".new")
}

/// Where what was a file before is kept.
pub fn replaced(file: &Path) -> PathBuf {
    beside(file, ".old")
}

fn beside(file: &Path, ending: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

fn stage(file: &Path, text: &str, readable: Readable) -> io::Result<()> {
    let folder = folder_of(file);
    fs::create_dir_all(folder)?;
    let stage = waiting(file);
    // What an earlier attempt left may have other permissions.
    match fs::remove_file(&stage) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mode = match readable {
        Readable::ByOwner => 0o600,
        Readable::ByAll => 0o644,
    };
    let mut opened = OpenOptions::new().write(true).create_new(true).mode(mode).open(&stage)?;
    opened.write_all(text.as_bytes())?;
    let about = fs::metadata(folder)?;
    let own = opened.metadata()?;
    // Nobody else may give files away, nor needs to: the daemon makes its own.
    if own.uid() == 0 && (own.uid(), own.gid()) != (about.uid(), about.gid()) {
        chown(&stage, Some(about.uid()), Some(about.gid()))?;
    }
    opened.sync_all()
}

fn settle(file: &Path, text: &str) -> io::Result<()> {
    match fs::rename(waiting(file), file) {
        // A daemon that looked in between has done it.
        Err(error) if error.kind() == io::ErrorKind::NotFound && fs::read(file)? == text.as_bytes() => {}
        renamed => renamed?,
    }
    // The name is on the disk with the folder.
    File::open(folder_of(file))?.sync_all()
}

/// Gives a database that root may just have made, with what SQLite keeps beside it, to the owner of its folder.
///
/// # Errors
/// What is wrong, with the file's name.
pub fn give_to_folders_owner(database: &Path) -> Result<(), String> {
    let failed = |file: &Path, error: io::Error| format!("{}: {error}", file.display());
    let folder = folder_of(database);
    let owner = fs::metadata(folder).map_err(|error| failed(folder, error))?;
    for suffix in ["", "-wal", "-shm"] {
        let mut name = database.as_os_str().to_owned();
        name.push(suffix);
        let file = PathBuf::from(name);
        let Ok(about) = fs::metadata(&file) else { continue };
        if (about.uid(), about.gid()) != (owner.uid(), owner.gid()) {
            chown(&file, Some(owner.uid()), Some(owner.gid())).map_err(|error| failed(&file, error))?;
        }
    }
    Ok(())
}
