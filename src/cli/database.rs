//! Which database the reading commands read: `--db`, else `WAYBILL_DB`, else what this machine's configuration says.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::config::{ConfigErrors, OmaConfig, VmaConfig};
use crate::exit::{Exit, Failure};
use crate::store::Reader;

/// Where the packages put the configuration.
const CONFIGURATION: &str = "/etc/waybill";

/// Opens the database for reading. It works while a daemon writes, and when none runs.
pub fn open(db: Option<OsString>) -> Result<Reader, Failure> {
    let named = db.or_else(|| std::env::var_os("WAYBILL_DB")).filter(|path| !path.is_empty());
    let path = match named {
        Some(path) => PathBuf::from(path),
        None => configured(Path::new(CONFIGURATION))?,
    };
    let what = format!("cannot read the database {}", path.display());
    match std::fs::metadata(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let remedy = "name another with --db FILE, or start the daemon that makes it";
            Err(Failure::new(Exit::Failed, what, "there is no such file").with_remedy(remedy))
        }
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            let remedy = "ask to be put into the group of the file, or use sudo";
            Err(Failure::new(Exit::Failed, what, error).with_remedy(remedy))
        }
        _ => Reader::open(&path).map_err(|error| Failure::new(Exit::Failed, what, error)),
    }
}

/// The database of the OMA's configuration, else of the VMA's.
fn configured(directory: &Path) -> Result<PathBuf, Failure> {
    let (oma, vma) = (directory.join("oma.toml"), directory.join("vma.toml"));
    if let Some(text) = read(&oma)? {
        return OmaConfig::parse(&text, &oma.to_string_lossy()).map(|config| config.database).map_err(refused);
    }
    if let Some(text) = read(&vma)? {
        return VmaConfig::parse(&text, &vma.to_string_lossy()).map(|config| config.database).map_err(refused);
    }
    let why = format!("neither {} nor {} is there", oma.display(), vma.display());
    let remedy = "name it with --db FILE, or in the environment variable WAYBILL_DB";
    Err(Failure::new(Exit::Configuration, "no database is known", why).with_remedy(remedy))
}

fn read(file: &Path) -> Result<Option<String>, Failure> {
    match std::fs::read_to_string(file) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => {
            let what = format!("cannot read {}", file.display());
            let remedy = "name the database with --db FILE, or in the environment variable WAYBILL_DB";
            Err(Failure::new(Exit::Configuration, what, error).with_remedy(remedy))
        }
    }
}

fn refused(errors: ConfigErrors) -> Failure {
    let remedy = "correct the file, or name the database with --db FILE";
    let why = format!("the configuration that names it is wrong\n{errors}");
    Failure::new(Exit::Configuration, "no database is known", why).with_remedy(remedy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_omas_database_comes_before_the_vmas() {
        let directory = tempfile::tempdir().expect("a directory");
        let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).expect("written");

        let none = configured(directory.path()).expect_err("nothing there");
        assert_eq!(none.exit, Exit::Configuration);
        assert!(none.to_string().contains("WAYBILL_DB"), "{none}");

        write("vma.toml", "name = 'a'\ndatabase = '/srv/vma.db'");
        assert_eq!(configured(directory.path()), Ok(PathBuf::from("/srv/vma.db")));
        write("oma.toml", "database = '/srv/oma.db'");
        assert_eq!(configured(directory.path()), Ok(PathBuf::from("/srv/oma.db")));
        write("oma.toml", "databse = '/srv/oma.db'");
        let wrong = configured(directory.path()).expect_err("a typing error").to_string();
        assert!(wrong.contains("oma.toml:1: databse: unknown key; did you mean `database`?"), "{wrong}");
    }
}
