//! `waybill watch`: jobs as they change, from the database file alone: a frame that is redrawn in place on a
//! terminal, one line or one JSON object for each change elsewhere.
//!
//! A database that cannot be read is told and tried again, one that is replaced is read from its beginning; what was shown
//! stays. With a JOB the command ends with the job, and its exit code says how that ended.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::ErrorKind;
use std::time::Duration;

use super::args::{self, Spec};
use super::followed::Database;
use super::output::{self, Canvas, Screen};
use super::show::exit_of;
use super::{database, help, jobs};
use crate::exit::{Exit, Failure};
use crate::model::id::JobId;
use crate::model::job::Job;
use crate::model::record::JobRecord;
use crate::model::time::Wall;
use crate::runtime::signals::{Wake, Wakes};
use crate::store::{Reader, StoreError};
use crate::view::line::Shown;
use crate::view::live::{self, Window};
use crate::view::runs::NewestRuns;
use crate::view::{Moment, json, line};

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
    let mut wakes = Wakes::new().map_err(|error| Failure::new(Exit::Failed, "cannot watch signals", error))?;
    let ended = match job {
        Some(id) => watch_job(&mut database, &id, &mut show, &mut wakes),
        None => watch_jobs(&mut database, &mut show, &mut wakes),
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

fn watch_job(database: &mut Database, id: &JobId, show: &mut Show, wakes: &mut Wakes) -> Result<Exit, Stopped> {
    let (mut record, mut run): (Option<JobRecord>, Option<JobId>) = (None, None);
    loop {
        // The run that is the newest at the beginning is watched to its end.
        if let Some(found) = news(database, show, |reader| database::record_of(reader, id, &mut run)) {
            record = Some(found.ok_or_else(|| Stopped::By(database::no_such_job(id)))?);
        }
        let now = database.moment();
        if let Some(record) = &record {
            show.job(record, now)?;
            if record.job.status.is_final() {
                show.leave(|window| live::job(record, now, window))?;
                return Ok(exit_of(&record.job, now));
            }
        }
        if is_over(show, wakes)? {
            let last = record.map(|record| move |window| live::job(&record, now, window));
            last.map_or(Ok(()), |last| show.leave(last))?;
            return Ok(Exit::Interrupted);
        }
    }
}

fn watch_jobs(database: &mut Database, show: &mut Show, wakes: &mut Wakes) -> Result<Exit, Stopped> {
    let mut known: Vec<Job> = Vec::new();
    loop {
        if let Some(read) = news(database, show, |reader| reader.jobs()) {
            known = read;
        }
        let now = database.moment();
        let newest = NewestRuns::of(&known);
        let listed = jobs::listed(known.clone(), &newest, RECENT_SECONDS, now.wall);
        show.jobs(&listed, &newest, now)?;
        if is_over(show, wakes)? {
            show.leave(|window| live::jobs(&listed, &newest, now, window))?;
            return Ok(Exit::Done);
        }
    }
}

/// What the database answers, if it may be another answer than the last. What keeps it from answering is shown.
fn news<T>(database: &mut Database, show: &mut Show, ask: impl FnOnce(&Reader) -> Result<T, StoreError>) -> Option<T> {
    match database.news(ask) {
        Ok(None) => {
            // As it was: so are the odd values that were named.
            show.readable();
            None
        }
        Ok(Some((news, odd))) => {
            show.readable();
            show.tell_odd(odd);
            Some(news)
        }
        Err(error) => {
            show.unreadable(&database::failure(&error), database.moment().wall);
            None
        }
    }
}

/// Waits for the next look; true where somebody asked to end.
fn is_over(show: &Show, wakes: &mut Wakes) -> std::io::Result<bool> {
    match wakes.next(PACE) {
        Wake::Elapsed | Wake::Resized => Ok(false),
        Wake::Suspended => show.suspend().map(|()| false),
        Wake::Ended => Ok(true),
    }
}

/// What stdout is shown, and what stands beside it.
struct Show {
    form: Form,
    /// Why nothing new is shown, and since when.
    trouble: Option<(String, Wall)>,
    odd: Vec<String>,
}

enum Form {
    Frames(Canvas),
    Lines(BTreeMap<JobId, Shown>),
    Objects(BTreeMap<JobId, String>),
}

impl Show {
    fn new(is_json: bool) -> Self {
        let form = match Canvas::of_stdout() {
            _ if is_json => Form::Objects(BTreeMap::new()),
            Some(canvas) => Form::Frames(canvas),
            None => Form::Lines(BTreeMap::new()),
        };
        Self { form, trouble: None, odd: Vec::new() }
    }

    fn readable(&mut self) {
        self.trouble = None;
    }

    /// The database gives no answer: frames say so for as long as it lasts, lines once.
    fn unreadable(&mut self, failure: &Failure, now: Wall) {
        let text = failure.to_string();
        if self.trouble.as_ref().is_none_or(|(told, _)| *told != text) {
            if !matches!(self.form, Form::Frames(_)) {
                output::message(&text);
            }
            self.trouble = Some((text, now));
        }
    }

    /// Values typed by hand that mean nothing: frames name them below, lines once.
    fn tell_odd(&mut self, odd: Vec<String>) {
        if !matches!(self.form, Form::Frames(_)) {
            odd.iter().filter(|note| !self.odd.contains(note)).for_each(|note| output::message(note));
        }
        self.odd = odd;
    }

    /// Another program than this command may use the terminal; returns when this one goes on.
    fn suspend(&self) -> std::io::Result<()> {
        match &self.form {
            Form::Frames(canvas) => canvas.suspend(),
            Form::Lines(_) | Form::Objects(_) => output::stop(),
        }
    }

    fn job(&mut self, record: &JobRecord, now: Moment) -> std::io::Result<()> {
        match &self.form {
            Form::Frames(canvas) => self.draw(canvas, |window| live::job(record, now, window)),
            Form::Lines(_) | Form::Objects(_) => self.change(&record.job, now),
        }
    }

    fn jobs(&mut self, jobs: &[Job], newest: &NewestRuns, now: Moment) -> std::io::Result<()> {
        match &self.form {
            Form::Frames(canvas) => self.draw(canvas, |window| live::jobs(jobs, newest, now, window)),
            Form::Lines(_) | Form::Objects(_) => jobs.iter().try_for_each(|job| self.change(job, now)),
        }
    }

    /// A frame below what is wrong with the database.
    fn draw(&self, canvas: &Canvas, frame: impl FnOnce(Window) -> String) -> std::io::Result<()> {
        let window = window(canvas);
        let mut text = String::new();
        if let Some((why, since)) = &self.trouble {
            text += &live::trouble(&format!("not read since {since}, the figures are of then: {why}"), window);
        }
        let height = window.height.map(|height| height.saturating_sub(text.lines().count() + self.odd.len()));
        text += &frame(Window { height, ..window });
        self.odd.iter().for_each(|note| text += &live::trouble(note, window));
        canvas.draw(&text)
    }

    /// A job's line, or its object, where it differs from the last.
    fn change(&mut self, job: &Job, now: Moment) -> std::io::Result<()> {
        match &mut self.form {
            Form::Lines(last) => {
                let shown = Shown::of(job, now);
                let is_known = last.insert(job.id.clone(), shown.clone()) == Some(shown);
                if is_known { Ok(()) } else { output::write(&(line::job(job, now) + "\n")) }
            }
            Form::Objects(last) => {
                let object = json::seen(job, now);
                let is_known = last.insert(job.id.clone(), object.clone()).as_ref() == Some(&object);
                if is_known { Ok(()) } else { output::write(&(object + "\n")) }
            }
            Form::Frames(_) => Ok(()),
        }
    }

    /// Gives the terminal back, with the last frame on it, however long that is.
    fn leave(&mut self, frame: impl FnOnce(Window) -> String) -> std::io::Result<()> {
        let Form::Frames(canvas) = &self.form else { return Ok(()) };
        let last = frame(Window { height: None, ..window(canvas) });
        // Without its canvas the terminal is as it was, and takes lines.
        self.form = Form::Lines(BTreeMap::new());
        output::write(&last)?;
        let trouble = self.trouble.take().map(|(why, _)| why);
        trouble.iter().chain(&self.odd).for_each(|text| output::message(text));
        Ok(())
    }
}

fn window(canvas: &Canvas) -> Window {
    let Screen { width, height, colour } = canvas.screen();
    Window { width: width.unwrap_or(100), height, colour }
}
