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

/// Puts a text into a file, in place of what was there. It keeps its owner, or gets that of its folder, so that what root
/// makes can be read by the daemon.
///
/// # Errors
/// What is wrong, with the file's name; then it is as it was.
pub fn put(file: &Path, text: &str, readable: Readable) -> Result<(), String> {
    Staged::write([(file.to_owned(), text.to_owned(), readable)])?.settle()
}

/// Puts certificate, key and authority down together for somebody who begins with them. What was there is somebody's: it is
/// kept beside them, and is nothing to go back to by itself.
///
/// # Errors
/// What is wrong, with the file's name.
pub fn put_first(files: &TlsFiles, certificate: &str, key: &str, authority: &str) -> Result<(), String> {
    let put = [
        (&files.authority, authority, Readable::ByAll),
        (&files.key, key, Readable::ByOwner),
        (&files.certificate, certificate, Readable::ByAll),
    ];
    let mut all = Vec::new();
    for (file, text, _) in put {
        if file.exists() {
            let before = read(file)?;
            // Whatever stands in it.
            all.extend((before != text).then(|| (replaced(file), before, Readable::ByOwner)));
        }
    }
    all.extend(put.map(|(file, text, readable)| (file.clone(), text.to_owned(), readable)));
    Staged::write(all)?.settle()
}

/// Writes a renewed pair beside the files, and what it replaces, which is named as that of the new one. The file of the
/// authority is left alone, in which others may stand besides.
///
/// # Errors
/// What is wrong, with the file's name.
pub fn stage_renewed(files: &TlsFiles, renewed: &Renewed<'_>) -> Result<Staged, String> {
    let [from_certificate, from_key] =
        [&files.certificate, &files.key].map(|file| if renewed.keeps_kept { replaced(file) } else { file.clone() });
    let kept = format!("{REPLACED_BY}{}\n{}", renewed.fingerprint, certificates_of(&read(&from_certificate)?));
    Staged::write([
        (replaced(&files.key), read(&from_key)?, Readable::ByOwner),
        (replaced(&files.certificate), kept, Readable::ByAll),
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
    // Under names of their own: others may be putting something down.
    let tried = names.map(|file| (beside(&file, ".waybill-try"), space.clone(), Readable::ByOwner));
    Staged::write(tried).map(drop)
}

fn read(file: &Path) -> Result<String, String> {
    fs::read_to_string(file).map_err(|error| format!("cannot read {}: {error}", file.display()))
}

/// The certificates of a PEM text, in which a key may stand too.
fn certificates_of(pem: &str) -> String {
    let mut is_inside = false;
    let certificates = pem.lines().filter(|line| {
        is_inside |= *line == "-----BEGIN CERTIFICATE-----";
        let belongs = is_inside;
        is_inside &= *line != "-----END CERTIFICATE-----";
        belongs
    });
    certificates.flat_map(|line| [line, "\n"]).collect()
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
            let file = target(&file);
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
    beside(file, ".waybill-new")
}

/// Where what was a file before is kept.
pub fn replaced(file: &Path) -> PathBuf {
    beside(file, ".waybill-old")
}

/// The file itself, where a path is a link to it: whoever manages it goes on doing so.
pub fn target(file: &Path) -> PathBuf {
    fs::canonicalize(file).unwrap_or_else(|_| file.to_owned())
}

fn beside(file: &Path, ending: &str) -> PathBuf {
    let mut name = target(file).into_os_string();
    name.push(ending);
    PathBuf::from(name)
}

/// Whose a file is to be: its present owner's, or that of its folder.
fn owner(file: &Path, folder: &Path) -> io::Result<fs::Metadata> {
    match fs::metadata(file) {
        Ok(about) if about.uid() != 0 => Ok(about),
        _ => fs::metadata(folder),
    }
}

fn stage(file: &Path, text: &str, readable: Readable) -> io::Result<()> {
    let folder = folder_of(file);
    fs::create_dir_all(folder)?;
    if fs::metadata(file).is_ok_and(|about| !about.is_file()) {
        return Err(io::Error::other("what is there is no file"));
    }
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
    let about = owner(file, folder)?;
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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    const OLD: &str = "of the CA\n-----BEGIN CERTIFICATE-----\nb2xk\n-----END CERTIFICATE-----\n";

    fn text(file: &Path) -> String {
        fs::read_to_string(file).expect("it is there")
    }
    fn mode(file: &Path) -> u32 {
        fs::metadata(file).expect("it is there").permissions().mode() & 0o777
    }
    fn renewed(keeps_kept: bool) -> Renewed<'static> {
        Renewed { certificate: "new", fingerprint: "0a", key: "new key", keeps_kept }
    }

    #[test]
    fn what_is_renewed_is_kept_beside_it_and_no_key_is_in_what_everybody_may_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        let files = TlsFiles { certificate: at("link.pem"), key: at("own.key"), authority: at("ca.pem") };
        let both = format!("-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n{OLD}");
        fs::write(at("managed.pem"), &both).expect("written");
        fs::write(&files.key, "old key").expect("written");
        symlink(at("managed.pem"), &files.certificate).expect("linked");
        // Files of a person's own.
        for name in ["managed.pem.old", "managed.pem.new", "own.key.old", "own.key.new"] {
            fs::write(at(name), "mine").expect("written");
        }
        try_out(&files).expect("there is room");
        stage_renewed(&files, &renewed(false)).expect("staged").settle().expect("put");
        assert_eq!(
            (text(&at("managed.pem")), text(&files.key), mode(&files.key)),
            ("new".into(), "new key".into(), 0o600)
        );
        assert!(fs::symlink_metadata(&files.certificate).expect("it is there").is_symlink());
        let kept = "replaced by 0a\n-----BEGIN CERTIFICATE-----\nb2xk\n-----END CERTIFICATE-----\n";
        assert_eq!(text(&replaced(&files.certificate)), kept);
        assert_eq!((text(&replaced(&files.key)), mode(&replaced(&files.key))), ("old key".into(), 0o600));
        assert!(is_replaced_by(kept.as_bytes(), "0a") && !is_replaced_by(kept.as_bytes(), "0b"));

        // What was kept is kept again, and what nobody wants is not left there.
        let next = Renewed { fingerprint: "0b", ..renewed(true) };
        drop(stage_renewed(&files, &next).expect("staged"));
        assert_eq!(text(&replaced(&files.certificate)), kept);
        stage_renewed(&files, &next).expect("staged").settle().expect("put");
        assert_eq!(text(&replaced(&files.certificate)), kept.replace("0a", "0b"));
        assert_eq!(text(&replaced(&files.key)), "old key");
        let mut names: Vec<_> =
            fs::read_dir(folder.path()).expect("a folder").map(|one| one.expect("one").file_name()).collect();
        names.sort();
        let wanted = [
            "link.pem",
            "managed.pem",
            "managed.pem.new",
            "managed.pem.old",
            "managed.pem.waybill-old",
            "own.key",
            "own.key.new",
            "own.key.old",
            "own.key.waybill-old",
        ];
        assert_eq!(names, wanted);
    }

    #[test]
    fn what_somebody_has_is_kept_where_they_begin_anew_and_no_device_is_replaced() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        let files = TlsFiles { certificate: at("own.pem"), key: at("own.key"), authority: at("ca.pem") };
        put_first(&files, "1", "key 1", "ca").expect("put");
        put_first(&files, "2", "key 2", "ca").expect("put");
        let all = [&files.certificate, &files.key, &files.authority].map(|file| text(file));
        assert_eq!(all, ["2", "key 2", "ca"]);
        assert_eq!([&files.certificate, &files.key].map(|file| text(&replaced(file))), ["1", "key 1"]);
        assert!(!replaced(&files.authority).exists(), "it is the same");
        let refused = put(Path::new("/dev/null"), "3", Readable::ByAll).expect_err("it is no file");
        assert_eq!(refused, "cannot write /dev/null: what is there is no file");
    }
}
