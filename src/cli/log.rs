//! `waybill log`: the story of one job on both sides of the tunnel, from the database file alone; with
//! `--follow` as it goes on, until the job ends.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::ErrorKind;
use std::time::Duration;

use super::args::{self, Spec};
use super::followed::Database;
use super::{database, help, output};
use crate::config::duration;
use crate::exit::{Exit, Failure};
use crate::model::id::JobId;
use crate::model::record::{JobRecord, Side};
use crate::model::time::Wall;
use crate::runtime::clock::Clock;
use crate::runtime::signals::{Wake, Wakes};
use crate::view::json;
use crate::view::timeline::{self, Layout};

const SPEC: Spec = Spec {
    name: "log",
    words: &["JOB"],
    options: &[("db", "FILE", false), ("since", "AGE|TIME", false)],
    switches: &["json", "follow"],
    help: help::LOG,
};

/// How often the database is looked at with `--follow`.
const PACE: Duration = Duration::from_secs(1);

/// Runs the command with the arguments after `log`.
pub fn main(args: Vec<OsString>) -> Result<Exit, Failure> {
    let Some(given) = args::read(&SPEC, args)? else { return output::print(SPEC.help) };
    let id = args::id(&SPEC, "JOB", &given.word(&SPEC, 0)?, JobId::parse)?;
    let since = given.value(&SPEC, "since")?.map(|text| moment(&text)).transpose()?;
    let is_json = given.has("json");
    if given.has("follow") {
        return follow(Database::open(database::path(given.raw("db"))?)?, &id, &mut Printed::new(since, is_json));
    }
    let reader = database::open(given.raw("db"))?;
    let id = database::newest_run(&reader, &id).map_err(|error| database::failure(&error))?;
    let record = database::record(&reader, &id)?;
    output::print(&match is_json {
        true => Printed::new(since, true).news(&record),
        false => timeline::log(&record, since, output::Screen::of_stdout().colour),
    })
}

/// `10m` is ten minutes ago; anything else is a time as the log shows it.
fn moment(text: &str) -> Result<Wall, Failure> {
    let now = Clock::start().now().wall.unix_millis();
    let ago = duration::parse(text).and_then(|age| i64::try_from(age.as_millis()).ok());
    let at = ago.map(|ago| Wall::from_unix_millis(now.saturating_sub(ago))).or_else(|| Wall::parse(text));
    at.ok_or_else(|| {
        let failure = args::usage(&SPEC, &format!("--since {text:?} is neither an age nor a time"));
        failure.with_remedy("write an age as 10m, 2h or 1d, or a time as 2026-11-23T17:14:00Z")
    })
}

/// Prints what comes, until the job has ended and no entry came after its end.
fn follow(mut database: Database, id: &JobId, printed: &mut Printed) -> Result<Exit, Failure> {
    let mut wakes = Wakes::new().map_err(|error| Failure::new(Exit::Failed, "cannot watch signals", error))?;
    let mut record: Option<JobRecord> = None;
    let (mut trouble, mut run) = (None, None);
    loop {
        match database.news(|reader| database::record_of(reader, id, &mut run)) {
            Ok(Some((found, _))) => {
                record = Some(found.ok_or_else(|| database::no_such_job(id))?);
                trouble = None;
            }
            Ok(None) => trouble = None,
            Err(error) => {
                let text = database::failure(&error).to_string();
                if trouble.as_ref() != Some(&text) {
                    output::message(&text);
                }
                trouble = Some(text);
            }
        }
        let news = record.as_ref().map_or_else(String::new, |record| printed.news(record));
        match output::write(&news) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(Exit::Done),
            written => written.map_err(|error| Failure::new(Exit::Failed, "cannot write to stdout", error))?,
        }
        // The VMA's last entries are read after the end has been.
        if news.is_empty() && record.as_ref().is_some_and(|record| record.job.status.is_final()) {
            return Ok(Exit::Done);
        }
        match wakes.next(PACE) {
            Wake::Elapsed | Wake::Resized => {}
            Wake::Suspended => {
                output::stop().map_err(|error| Failure::new(Exit::Failed, "cannot stop", error))?;
            }
            Wake::Ended => return Ok(Exit::Interrupted),
        }
    }
}

/// What of a log has been printed: what both sides say is said when the first of them has said it.
struct Printed {
    since: Option<Wall>,
    is_json: bool,
    layout: Option<Layout>,
    printed: BTreeSet<(Side, usize)>,
}

impl Printed {
    fn new(since: Option<Wall>, is_json: bool) -> Self {
        Self { since, is_json, layout: None, printed: BTreeSet::new() }
    }

    /// What has not been printed yet. For programs each side's entries are their own.
    fn news(&mut self, record: &JobRecord) -> String {
        let id = &record.job.id;
        let lines = timeline::merged(record);
        let layout = self.layout.get_or_insert_with(|| Layout::of_all(&lines));
        let mut news = String::new();
        if self.is_json {
            let (mut own, mut source) = (0.., 0..);
            for (side, entry) in timeline::entries(record) {
                let at = if side == record.side { own.next() } else { source.next() }.unwrap_or(usize::MAX);
                let is_wanted = self.since.is_none_or(|since| entry.at.is_none_or(|at| at >= since));
                if self.printed.insert((side, at)) && is_wanted {
                    news += &(json::log_entry(id, side, entry) + "\n");
                }
            }
            return news;
        }
        let colour = output::Screen::of_stdout().colour;
        for line in timeline::after(&lines, self.since) {
            let places = [line.own.map(|at| (record.side, at)), line.source.map(|at| (Side::Vma, at))];
            let is_new = places.iter().flatten().all(|place| !self.printed.contains(place));
            self.printed.extend(places.into_iter().flatten());
            if is_new {
                news += &line.render(layout, colour);
            }
        }
        news
    }
}
