//! `waybill watch`: jobs as they change, from the database file alone: a frame that is redrawn in place on a
//! terminal, one line or one JSON object for each change elsewhere.
//!
//! A database that cannot be read for a moment is told once and tried again; what was shown stays. With a JOB the command
//! ends with the job, and its exit code says how that ended.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::Duration;

use super::args::{self, Spec};
use super::output::{self, Canvas, Screen};
use super::show::exit_of;
use super::{database, help, jobs};
use crate::exit::{Exit, Failure};
use crate::model::id::JobId;
use crate::model::job::Job;
use crate::model::record::JobRecord;
use crate::model::time::Wall;
use crate::runtime::clock::Clock;
use crate::runtime::signals::{Wake, Wakes};
use crate::store::{Reader, StoreError};
use crate::view::line::Shown;
use crate::view::live::{self, Window};
use crate::view::{json, line};

const SPEC: Spec = Spec {
    name: "watch",
    words: &["[JOB]"],
    options: &[("db", "FILE", false)],
    switches: &["json"],
    help: help::WATCH,
};

/// How often the database is looked at; twice for each of the OMA's polls.
const PACE: Duration = Duration::from_secs(1);
/// How long an ended job stays in the frame of all jobs.
const RECENT_SECONDS: u64 = 600;

/// Runs the command with the arguments after `watch`.
pub fn main(args: Vec<OsString>) -> Result<Exit, Failure> {
    let Some(given) = args::read(&SPEC, args)? else { return output::print(SPEC.help) };
    let job = given.optional_word(&SPEC, 0)?;
    let job = job.map(|job| args::id(&SPEC, "JOB", &job, JobId::parse)).transpose()?;
    let mut database = Database::open(database::path(given.raw("db"))?)?;
    let mut show = Show::new(given.has("json"));
    let clock = Clock::start();
    let mut wakes = Wakes::new().map_err(|error| Failure::new(Exit::Failed, "cannot watch signals", error))?;
    let ended = match job {
        Some(id) => watch_job(&mut database, &id, &mut show, &clock, &mut wakes),
        None => watch_jobs(&mut database, &mut show, &clock, &mut wakes),
    };
    match ended {
        // The reader went away, as `head` does: nobody is left to show anything to.
        Err(Stopped::ByReader) => Ok(Exit::Done),
        Err(Stopped::By(failure)) => Err(failure),
        Ok(exit) => Ok(exit),
    }
}

/// Why watching ended before its time.
enum Stopped {
    ByReader,
    By(Failure),
}

impl From<std::io::Error> for Stopped {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            ErrorKind::BrokenPipe => Self::ByReader,
            _ => Self::By(Failure::new(Exit::Failed, "cannot write to stdout", error)),
        }
    }
}

fn watch_job(
    database: &mut Database,
    id: &JobId,
    show: &mut Show,
    clock: &Clock,
    wakes: &mut Wakes,
) -> Result<Exit, Stopped> {
    let mut record: Option<JobRecord> = None;
    loop {
        let now = clock.now().wall;
        if let Some(found) = database.news(|reader| reader.record(id)) {
            record = Some(found.ok_or_else(|| Stopped::By(database::no_such_job(id)))?);
        }
        if let Some(record) = &record {
            show.job(record, now)?;
            if record.job.status.is_final() {
                show.leave(|window| live::job(record, now, window))?;
                return Ok(exit_of(&record.job, now));
            }
        }
        if wakes.next(PACE) == Wake::Ended {
            let last = record.map(|record| move |window| live::job(&record, now, window));
            last.map_or(Ok(()), |last| show.leave(last))?;
            return Ok(Exit::Interrupted);
        }
    }
}

fn watch_jobs(database: &mut Database, show: &mut Show, clock: &Clock, wakes: &mut Wakes) -> Result<Exit, Stopped> {
    let mut known: Vec<Job> = Vec::new();
    loop {
        if let Some(read) = database.news(|reader| reader.jobs()) {
            known = read;
        }
        let now = clock.now().wall;
        let listed = jobs::listed(known.clone(), RECENT_SECONDS, now);
        show.jobs(&listed, now)?;
        if wakes.next(PACE) == Wake::Ended {
            show.leave(|window| live::jobs(&listed, now, window))?;
            return Ok(Exit::Done);
        }
    }
}

/// The database file, which is read again only where something was written.
struct Database {
    path: PathBuf,
    reader: Option<Reader>,
    version: Option<i64>,
    told: String,
}

impl Database {
    fn open(path: PathBuf) -> Result<Self, Failure> {
        let reader = Reader::open(&path).map_err(|error| database::failure(&error))?;
        Ok(Self { path, reader: Some(reader), version: None, told: String::new() })
    }

    /// What the database answers, if it may be another answer than the last.
    fn news<T>(&mut self, ask: impl FnOnce(&Reader) -> Result<T, StoreError>) -> Option<T> {
        match self.try_news(ask) {
            Ok(news) => {
                self.told.clear();
                news
            }
            Err(error) => {
                let failure = database::failure(&error).to_string();
                if self.told != failure {
                    output::message(&failure);
                    self.told = failure;
                }
                self.reader = None;
                None
            }
        }
    }

    fn try_news<T>(&mut self, ask: impl FnOnce(&Reader) -> Result<T, StoreError>) -> Result<Option<T>, StoreError> {
        // One that only sees the file as it lay there is opened anew: a daemon may have started since.
        let reader = match self.reader.take().filter(|reader| !reader.is_snapshot() || self.version.is_none()) {
            Some(reader) => reader,
            None => {
                self.version = None;
                Reader::open(&self.path)?
            }
        };
        let version = reader.data_version()?;
        let is_news = self.version != Some(version);
        let news = if is_news { Some(ask(&reader)?) } else { None };
        if is_news {
            database::tell_odd_values(&reader);
        }
        (self.version, self.reader) = (Some(version), Some(reader));
        Ok(news)
    }
}

/// What stdout is shown.
enum Show {
    Frames(Canvas),
    Lines(BTreeMap<JobId, Shown>),
    Objects(BTreeMap<JobId, String>),
}

impl Show {
    fn new(is_json: bool) -> Self {
        match Canvas::of_stdout() {
            _ if is_json => Self::Objects(BTreeMap::new()),
            Some(canvas) => Self::Frames(canvas),
            None => Self::Lines(BTreeMap::new()),
        }
    }

    fn job(&mut self, record: &JobRecord, now: Wall) -> std::io::Result<()> {
        match self {
            Self::Frames(canvas) => canvas.draw(&live::job(record, now, window(canvas))),
            _ => self.change(&record.job, now),
        }
    }

    fn jobs(&mut self, jobs: &[Job], now: Wall) -> std::io::Result<()> {
        match self {
            Self::Frames(canvas) => canvas.draw(&live::jobs(jobs, now, window(canvas))),
            _ => jobs.iter().try_for_each(|job| self.change(job, now)),
        }
    }

    /// A job's line, or its object, where it differs from the last.
    fn change(&mut self, job: &Job, now: Wall) -> std::io::Result<()> {
        match self {
            Self::Lines(last) => {
                let shown = Shown::of(job);
                let is_known = last.insert(job.id.clone(), shown.clone()) == Some(shown);
                if is_known { Ok(()) } else { output::write(&(line::job(job, now) + "\n")) }
            }
            Self::Objects(last) => {
                let object = json::job(job);
                let is_known = last.insert(job.id.clone(), object.clone()).as_ref() == Some(&object);
                if is_known { Ok(()) } else { output::write(&(object + "\n")) }
            }
            Self::Frames(_) => Ok(()),
        }
    }

    /// Gives the terminal back, with the last frame on it, however long that is.
    fn leave(&mut self, frame: impl FnOnce(Window) -> String) -> std::io::Result<()> {
        let Self::Frames(canvas) = self else { return Ok(()) };
        let last = frame(Window { height: None, ..window(canvas) });
        // Without its canvas the terminal is as it was, and takes lines.
        *self = Self::Lines(BTreeMap::new());
        output::write(&last)
    }
}

fn window(canvas: &Canvas) -> Window {
    let Screen { width, height, colour } = canvas.screen();
    Window { width: width.unwrap_or(100), height, colour }
}
