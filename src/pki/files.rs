//! How keys and certificates come into their files: whole or not at all, and never readable for others in between.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, chown};
use std::path::{Path, PathBuf};

use crate::config::TlsFiles;

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
    let stage = stage(file, text, readable).map_err(|error| format!("cannot write {}: {error}", file.display()))?;
    settle(&stage, file).map_err(|error| format!("cannot write {}: {error}", file.display()))
}

/// Puts certificate and key down together, with the authority where it is new here: all are written before the first takes
/// its place, so that a full disk leaves the old ones. A renewal leaves the file of the authority alone, in which others may
/// stand besides; who comes with an authority begins anew.
///
/// # Errors
/// What is wrong, with the file's name.
pub fn put_all(files: &TlsFiles, certificate: &str, key: &str, authority: Option<&str>) -> Result<(), String> {
    if authority.is_some() {
        forget(files)?;
    }
    let authority = authority.map(|authority| (&files.authority, authority, Readable::ByAll));
    let own = [(&files.key, key, Readable::ByOwner), (&files.certificate, certificate, Readable::ByAll)];
    let failed = |file: &Path, error: io::Error| format!("cannot write {}: {error}", file.display());
    let mut stages = Vec::new();
    for (file, text, readable) in authority.into_iter().chain(own) {
        stages.push((stage(file, text, readable).map_err(|error| failed(file, error))?, file));
    }
    for (stage, file) in stages {
        settle(&stage, file).map_err(|error| failed(file, error))?;
    }
    Ok(())
}

/// Keeps what lies in the files beside them, before another pair takes its place.
///
/// # Errors
/// What is wrong, with the file's name.
pub fn keep(files: &TlsFiles) -> Result<(), String> {
    for (file, readable) in [(&files.key, Readable::ByOwner), (&files.certificate, Readable::ByAll)] {
        let text = fs::read_to_string(file).map_err(|error| format!("cannot read {}: {error}", file.display()))?;
        put(&replaced(file), &text, readable)?;
    }
    Ok(())
}

/// Forgets what was kept: it is nothing to go back to for somebody who enrols.
fn forget(files: &TlsFiles) -> Result<(), String> {
    for file in [replaced(&files.certificate), replaced(&files.key)] {
        match fs::remove_file(&file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(format!("cannot remove {}: {error}", file.display()));
            }
            _ => {}
        }
    }
    Ok(())
}

/// That a new pair could be put down, before anybody makes one.
///
/// # Errors
/// What is wrong, with the file's name.
pub fn try_out(files: &TlsFiles) -> Result<(), String> {
    for file in [&files.key, &files.certificate] {
        let tried = stage(file, "", Readable::ByOwner).and_then(fs::remove_file);
        tried.map_err(|error| format!("cannot write {}: {error}", file.display()))?;
    }
    Ok(())
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

fn stage(file: &Path, text: &str, readable: Readable) -> io::Result<PathBuf> {
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
    opened.sync_all()?;
    Ok(stage)
}

fn settle(stage: &Path, file: &Path) -> io::Result<()> {
    fs::rename(stage, file)?;
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
