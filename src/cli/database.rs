//! Which database the reading commands read: `--db`, else `WAYBILL_DB`, else what this machine's configuration says.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::output;
use crate::config::{ConfigErrors, OmaConfig, VmaConfig};
use crate::exit::{Exit, Failure};
use crate::model::id::JobId;
use crate::model::record::{HistoryRecord, JobRecord};
use crate::runtime::clock::Clock;
use crate::store::{Reader, StoreError};
use crate::view::{Moment, units};

/// Where the packages put the configuration.
const CONFIGURATION: &str = "/etc/waybill";

/// Opens the database for reading. It works while a daemon writes, and when none runs.
pub fn open(db: Option<OsString>) -> Result<Reader, Failure> {
    Reader::open(&path(db)?).map_err(|error| failure(&error))
}

/// The file that is to be read.
pub fn path(db: Option<OsString>) -> Result<PathBuf, Failure> {
    let named = db.or_else(|| std::env::var_os("WAYBILL_DB")).filter(|path| !path.is_empty());
    named.map_or_else(|| configured(Path::new(CONFIGURATION)), |path| Ok(PathBuf::from(path)))
}

/// What `waybill db archive` moved out of this database, the earliest first. One that is not there is told of.
pub fn archives(reader: &Reader) -> Result<Vec<Reader>, StoreError> {
    let mut found = Vec::new();
    for path in reader.archives()? {
        match Reader::open(&path) {
            Ok(archive) => found.push(archive),
            Err(_) => output::message(&format!("waybill: note: {}", missing(&path))),
        }
    }
    Ok(found)
}

/// Fails where what was archived is not there: a judgement of half of it would be none.
pub fn must_be_whole(reader: &Reader) -> Result<(), Failure> {
    let archives = reader.archives().map_err(|error| failure(&error))?;
    match archives.iter().find(|path| Reader::open(path).is_err()) {
        Some(path) => Err(Failure::new(Exit::Failed, "cannot judge the history", missing(path))),
        None => Ok(()),
    }
}

fn missing(path: &Path) -> String {
    format!(
        "what was archived in {} is missing here; put the file back, or archive again to where it is now, with \
         `waybill db archive --older-than 90d --to FILE`",
        units::plain(&path.to_string_lossy())
    )
}

/// The runs that a person means by an id, the oldest first.
pub fn runs(reader: &Reader, id: &JobId) -> Result<Vec<JobId>, StoreError> {
    let base = JobId::parse(id.run().0).unwrap_or_else(|_| id.clone());
    Ok(id.runs_among(&reader.runs(&base)?))
}

/// The one run that a person means by an id: by a plain id the newest.
pub fn newest_run(reader: &Reader, id: &JobId) -> Result<JobId, StoreError> {
    Ok(runs(reader, id)?.pop().unwrap_or_else(|| id.clone()))
}

/// What is remembered here of the run that a person means; once it is there, it stays that run.
pub fn record_of(reader: &Reader, id: &JobId, run: &mut Option<JobId>) -> Result<Option<JobRecord>, StoreError> {
    let chosen = run.clone().map_or_else(|| newest_run(reader, id), Ok)?;
    let record = reader.record(&chosen)?;
    *run = record.as_ref().map(|record| record.job.id.clone());
    Ok(record)
}

/// The history of these jobs, or all of it, oldest first, here and in the archives.
pub fn history(reader: &Reader, jobs: Option<&[JobId]>) -> Result<Vec<HistoryRecord>, StoreError> {
    // By their ids: a row is in both files while it is moved.
    let mut rows: BTreeMap<i64, HistoryRecord> = BTreeMap::new();
    let archives = archives(reader)?;
    for file in archives.iter().chain([reader]) {
        let wanted: Vec<Option<&JobId>> = jobs.map_or(vec![None], |jobs| jobs.iter().map(Some).collect());
        for job in wanted {
            rows.extend(file.history(job)?.into_iter().map(|row| (row.id, row)));
        }
    }
    // A row that takes the place of another may be in the other file.
    let mut later = BTreeSet::new();
    for row in rows.values_mut().rev() {
        row.superseded = !later.insert((row.entry.job.clone(), row.entry.disk.clone()));
    }
    Ok(rows.into_values().collect())
}

/// All that is remembered of a job, here or in an archive; where it is in both, as during a move, here.
pub fn record(reader: &Reader, id: &JobId) -> Result<JobRecord, Failure> {
    let found = reader.record(id).map_err(|error| failure(&error))?;
    tell_odd_values(reader);
    if let Some(record) = found {
        return Ok(record);
    }
    for archive in archives(reader).map_err(|error| failure(&error))? {
        if let Some(record) = archive.record(id).map_err(|error| failure(&error))? {
            return Ok(record);
        }
    }
    Err(no_such_job(id))
}

/// The moment of a view: now, and when the daemon of this database last gave a sign of life.
pub fn moment(reader: &Reader) -> Result<Moment, StoreError> {
    Ok(Moment { wall: Clock::start().now().wall, daemon: reader.daemon_seen()? })
}

/// The job is not in the database.
pub fn no_such_job(id: &JobId) -> Failure {
    let remedy = "`waybill jobs --all` lists the jobs of this database";
    Failure::new(Exit::NotFound, format!("job {id}"), "not in this database").with_remedy(remedy)
}

/// A question that the database did not answer; the error names file, reason and remedy.
pub fn failure(error: &StoreError) -> Failure {
    Failure::new(Exit::Failed, "cannot read the database", error)
}

/// Values typed by hand that mean nothing; rows may be missing from the output because of them.
pub fn odd_values(reader: &Reader) -> Vec<String> {
    reader.take_odd_values().iter().map(|odd| format!("waybill: note: {}", units::plain(&odd.to_string()))).collect()
}

/// Tells of those values.
pub fn tell_odd_values(reader: &Reader) {
    odd_values(reader).iter().for_each(|note| output::message(note));
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
