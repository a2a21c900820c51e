//! Secrets come from files or from systemd's credentials, never from a command line, a URL or the environment itself, and
//! nothing here can show one: `Secret` has no text but for whoever sends it.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Bytes of a secret.
const SECRET_BYTES: u64 = 4096;

/// Bytes of a file with a private key.
const KEY_BYTES: u64 = 64 * 1024;

/// A text that is not shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The text, for the one who sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// Why a secret is not to be had; it never holds a part of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadSecret {
    /// Neither a file nor a credential.
    #[error("no file for it is named, and systemd gives no credential {0:?}")]
    Nowhere(String),
    /// The file cannot be read.
    #[error("cannot read {}: {why}", .file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why.
        why: String,
    },
    /// Everybody on the machine could read it.
    #[error("{} may be read by everybody (mode {mode:03o}): `chmod 600` it", .file.display())]
    Open {
        /// The file.
        file: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// What stands in it is no secret.
    #[error("{} {what}", .file.display())]
    Unusable {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        what: &'static str,
    },
}

/// Reads a secret from its file, or else from the credential of that name that systemd gave this process. One line end at
/// its end does not belong to it.
pub fn read(file: Option<&Path>, credential: &str) -> Result<Secret, BadSecret> {
    read_in(file, std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from).as_deref(), credential)
}

fn read_in(file: Option<&Path>, credentials: Option<&Path>, name: &str) -> Result<Secret, BadSecret> {
    let file = file.map(Path::to_owned).or_else(|| credentials.map(|folder| folder.join(name)));
    let file = file.ok_or_else(|| BadSecret::Nowhere(name.to_owned()))?;
    let unusable = |what| BadSecret::Unusable { file: file.clone(), what };
    let bytes = look_at(&file, SECRET_BYTES)?;
    let text = String::from_utf8(bytes).map_err(|_| unusable("is not UTF-8"))?;
    let text = text.strip_suffix('\n').map_or(&*text, |line| line.strip_suffix('\r').unwrap_or(line));
    match text {
        "" => Err(unusable("is empty")),
        text if text.chars().any(char::is_control) => Err(unusable("has a control character or a second line")),
        text => Ok(Secret(text.to_owned())),
    }
}

/// Reads a file that nobody but its owner and group may read, of at most so many bytes.
fn look_at(file: &Path, most: u64) -> Result<Vec<u8>, BadSecret> {
    let unreadable = |error: std::io::Error| BadSecret::Unreadable { file: file.to_owned(), why: error.to_string() };
    let unusable = |what| BadSecret::Unusable { file: file.to_owned(), what };
    // Looked at first: to open a pipe would block the daemon's only thread.
    if !std::fs::metadata(file).map_err(unreadable)?.is_file() {
        return Err(unusable("is no file"));
    }
    let mut opened = File::open(file).map_err(unreadable)?;
    let about = opened.metadata().map_err(unreadable)?;
    let mode = about.permissions().mode() & 0o777;
    if mode & 0o007 != 0 {
        return Err(BadSecret::Open { file: file.to_owned(), mode });
    }
    if about.len() > most {
        return Err(unusable(if most == SECRET_BYTES {
            "is larger than any secret, 4096 bytes"
        } else {
            "is larger than any key, 64 KiB"
        }));
    }
    let mut bytes = Vec::new();
    opened.by_ref().take(most).read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(bytes)
}

/// A private key in PEM, which is not shown.
pub struct KeyText(Vec<u8>);

impl KeyText {
    /// The text, for TLS.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

/// Reads a private key from its file.
pub fn read_key(file: &Path) -> Result<KeyText, BadSecret> {
    look_at(file, KEY_BYTES).map(KeyText)
}

/// Reads a file that is no secret, such as a certificate: one of at most so many bytes.
///
/// # Errors
/// What is wrong, with the file's name.
pub fn read_public(file: &Path, most: u64) -> Result<Vec<u8>, String> {
    let bad = |why: &dyn fmt::Display| format!("cannot read {}: {why}", file.display());
    let about = std::fs::metadata(file).map_err(|error| bad(&error))?;
    if !about.is_file() || about.len() > most {
        return Err(bad(&format_args!("it is no file of at most {most} bytes")));
    }
    std::fs::read(file).map_err(|error| bad(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_with(content: &[u8], mode: u32) -> Result<Secret, BadSecret> {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("vcenter.password");
        std::fs::write(&file, content).expect("written");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).expect("its mode");
        let by_file = read_in(Some(&file), None, "x");
        assert_eq!(by_file, read_in(None, Some(folder.path()), "vcenter.password"), "a credential is such a file");
        by_file
    }

    #[test]
    fn a_secret_is_its_file_without_the_line_end_and_is_not_shown() {
        for content in ["p ss\"<wörd>", "p ss\"<wörd>\n", "p ss\"<wörd>\r\n"] {
            let secret = read_with(content.as_bytes(), 0o640).expect("a secret");
            assert_eq!((secret.expose(), format!("{secret:?}").as_str()), ("p ss\"<wörd>", "Secret"));
        }
    }

    #[test]
    fn what_cannot_be_used_says_why_and_shows_nothing_of_it() {
        let said = |content: &[u8], mode| {
            let error = read_with(content, mode).expect_err("refused");
            let text = format!("{error} {error:?}");
            assert!(!text.contains("hush"), "{text}");
            error.to_string()
        };
        assert!(said(b"hush", 0o604).ends_with("may be read by everybody (mode 604): `chmod 600` it"));
        assert!(said(b"\n", 0o600).ends_with("is empty"));
        assert!(said(b"hush\nhush", 0o600).ends_with("has a control character or a second line"));
        assert!(said(b"hush\xff", 0o600).ends_with("is not UTF-8"));
        assert!(said(&b"hush".repeat(1025), 0o600).ends_with("is larger than any secret, 4096 bytes"));
    }

    #[test]
    fn a_pipe_is_refused_and_not_waited_for() {
        let folder = tempfile::tempdir().expect("a folder");
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo").success());
        let (done, answered) = std::sync::mpsc::channel();
        std::thread::spawn(move || done.send(read_in(Some(&pipe), None, "x")));
        let fault = answered.recv_timeout(std::time::Duration::from_secs(5)).expect("it does not wait for a writer");
        assert!(fault.expect_err("a pipe").to_string().ends_with("is no file"));
    }

    #[test]
    fn what_is_not_there_is_named() {
        let nowhere = read_in(None, None, "vcenter-password").expect_err("nowhere");
        assert_eq!(
            nowhere.to_string(),
            "no file for it is named, and systemd gives no credential \"vcenter-password\""
        );
        let folder = tempfile::tempdir().expect("a folder");
        let missing = read_in(Some(&folder.path().join("none")), None, "x").expect_err("missing").to_string();
        assert!(missing.contains("/none: No such file"), "{missing}");
        assert!(read_in(Some(folder.path()), None, "x").expect_err("a folder").to_string().ends_with("is no file"));
    }
}
