//! A VMA's log of one job as it crosses the tunnel (R-50, R-51): `GET /api/v1/jobs/{id}/log?after=N`.
//!
//! Attributes cross as they are stored, letter by letter, so that both sides have the same row. What is too long is left
//! out and says so; what is no page is an error, and nothing of it is taken.

use nanoserde::{SerJson, SerJsonState};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{BadBody, is_storable, read_borrowed};
use crate::limits;
use crate::model::event::Level;
use crate::model::id::{CorrelationId, Epoch, JobId};
use crate::model::record::LogRecord;
use crate::model::source_log::{LogPage, SourceEntry};
use crate::model::text::bounded;
use crate::model::time::Wall;

#[derive(SerJson)]
#[nserde(serialize_none_as_null)]
struct WriteEntry {
    id: u64,
    at: Option<String>,
    level: &'static str,
    event: String,
    message: String,
    attributes: Raw,
    correlation_id: Option<String>,
}

/// JSON that is JSON already.
struct Raw(String);

impl SerJson for Raw {
    fn ser_json(&self, _depth: usize, state: &mut SerJsonState) {
        state.out.push_str(&self.0);
    }
}

/// Writes a page: as many of its entries as fit, and at least one.
pub fn render(page: &LogPage) -> String {
    let (job, epoch) = (page.job.to_string().serialize_json(), page.epoch.to_string().serialize_json());
    let mut out = format!("{{\"job_id\":{job},\"epoch\":{epoch},\"entries\":[");
    let mut entries = page.entries.iter().take(limits::LOG_ENTRIES).peekable();
    while let Some(entry) = entries.next_if(|_| out.len() < limits::LOG_BYTES) {
        out.push_str(&WriteEntry::of(entry).serialize_json());
        out.push(',');
    }
    if out.ends_with(',') {
        out.pop();
    }
    let more = page.more || entries.peek().is_some() || page.entries.len() > limits::LOG_ENTRIES;
    out + &format!("],\"more\":{more}}}")
}

impl WriteEntry {
    fn of(entry: &SourceEntry) -> Self {
        let SourceEntry { id, record, .. } = entry;
        Self {
            id: *id,
            at: record.at.map(|at| at.to_string()),
            level: record.level.stored_name(),
            event: bounded(&record.event),
            message: sentence(&record.message),
            attributes: Raw(attributes(&record.attributes)),
            correlation_id: record.correlation.as_ref().map(ToString::to_string),
        }
    }
}

#[derive(Deserialize)]
struct ReadPage<'a> {
    job_id: String,
    epoch: String,
    #[serde(borrow)]
    entries: Vec<ReadEntry<'a>>,
    more: Option<bool>,
}

#[derive(Deserialize)]
struct ReadEntry<'a> {
    id: u64,
    at: Option<String>,
    level: Option<String>,
    event: String,
    message: Option<String>,
    #[serde(borrow)]
    attributes: Option<&'a RawValue>,
    correlation_id: Option<String>,
}

/// Reads a page. Of one that is longer than it may be the beginning is taken, and there is more.
pub fn parse(body: &[u8]) -> Result<LogPage, BadBody> {
    let doc: ReadPage<'_> = read_borrowed(body)?;
    let named = |key: &str, text: &str| BadBody(format!("{key} is {text:?}, which is no id"));
    let job = JobId::parse(&doc.job_id).map_err(|_| named("job_id", &doc.job_id))?;
    let epoch = Epoch::parse(&doc.epoch).map_err(|_| named("epoch", &doc.epoch))?;
    let more = doc.more.unwrap_or(false) || doc.entries.len() > limits::LOG_ENTRIES;
    let mut entries: Vec<SourceEntry> = Vec::with_capacity(doc.entries.len().min(limits::LOG_ENTRIES));
    for read in doc.entries.into_iter().take(limits::LOG_ENTRIES) {
        let before = entries.last().map_or(0, |last| last.id);
        if read.id <= before || !is_storable(read.id) {
            return Err(BadBody(format!("entry {} stands after entry {before}; ids rise from 1", read.id)));
        }
        entries.push(read.into_entry(&job, &epoch));
    }
    Ok(LogPage { job, epoch, entries, more })
}

impl ReadEntry<'_> {
    fn into_entry(self, job: &JobId, epoch: &Epoch) -> SourceEntry {
        let record = LogRecord {
            at: self.at.as_deref().and_then(Wall::parse),
            level: self.level.as_deref().and_then(Level::from_stored_name).unwrap_or(Level::Info),
            event: bounded(&self.event),
            message: sentence(&self.message.unwrap_or_default()),
            attributes: self.attributes.map_or("{}".to_owned(), |json| attributes(json.get())),
            correlation: self.correlation_id.as_deref().and_then(|text| CorrelationId::parse(text).ok()),
        };
        SourceEntry { job: job.clone(), epoch: epoch.clone(), id: self.id, record }
    }
}

/// A sentence as it is, unless it is longer than a text that was cut once and what is said round it.
fn sentence(message: &str) -> String {
    if message.len() <= 2 * limits::TEXT_BYTES { message.to_owned() } else { bounded(message) }
}

/// The attributes as they are, unless they are too long or no JSON.
fn attributes(json: &str) -> String {
    let is_json = || serde_json::from_str::<serde::de::IgnoredAny>(json).is_ok();
    if json.len() <= limits::ATTRIBUTES_BYTES && is_json() {
        return json.to_owned();
    }
    format!("{{\"left_out_bytes\":{}}}", json.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(entries: u64) -> LogPage {
        let (job, epoch) = (JobId::parse("job \"1\"").expect("an id"), Epoch::parse("e1").expect("an epoch"));
        let entry = |id| SourceEntry {
            job: job.clone(),
            epoch: epoch.clone(),
            id,
            record: LogRecord {
                at: Wall::parse("2026-11-23T17:14:01.123Z"),
                level: Level::Warning,
                event: "unknown_text".to_owned(),
                message: "stage \"Zippering\"\nis not known \u{1f980}".to_owned(),
                attributes: r#"{"to":"Transfer","a": 5, "text":"\u0001é\\"}"#.to_owned(),
                correlation: CorrelationId::parse("01JDCQ5ZK0000000000000000A").ok(),
            },
        };
        LogPage {
            entries: (1..=entries).map(|n| entry(n * 3)).collect(),
            job: job.clone(),
            epoch: epoch.clone(),
            more: false,
        }
    }

    #[test]
    fn what_is_written_is_read_again_letter_by_letter() {
        for entries in [0, 1, limits::LOG_ENTRIES as u64] {
            let page = page(entries);
            assert_eq!(parse(render(&page).as_bytes()), Ok(page));
        }
    }

    #[test]
    fn a_page_is_bounded_in_entries_and_in_bytes_and_says_that_there_is_more() {
        let read = parse(render(&page(limits::LOG_ENTRIES as u64 + 1)).as_bytes()).expect("a page");
        assert_eq!((read.entries.len(), read.more), (limits::LOG_ENTRIES, true));
        let mut long = page(100);
        for entry in &mut long.entries {
            entry.record.attributes = format!(r#"{{"text":"{}"}}"#, "x".repeat(limits::ATTRIBUTES_BYTES - 11));
            entry.record.message = "y".repeat(limits::TEXT_BYTES * 3);
        }
        let text = render(&long);
        assert!(text.len() < limits::LOG_BYTES + 2 * limits::ATTRIBUTES_BYTES, "{} bytes", text.len());
        let read = parse(text.as_bytes()).expect("a page");
        assert!(read.more && (1..100).contains(&read.entries.len()), "{} entries", read.entries.len());
        assert_eq!(read.entries[0].record.attributes, long.entries[0].record.attributes);
        assert!(read.entries[0].record.message.ends_with("(cut at 4048 of 12288 bytes)"));
    }

    #[test]
    fn attributes_that_are_too_long_or_no_json_say_so() {
        let mut odd = page(2);
        odd.entries[0].record.attributes = "no json".to_owned();
        odd.entries[1].record.attributes = format!("\"{}\"", "x".repeat(limits::ATTRIBUTES_BYTES));
        let read = parse(render(&odd).as_bytes()).expect("a page");
        let attributes: Vec<&str> = read.entries.iter().map(|entry| entry.record.attributes.as_str()).collect();
        assert_eq!(attributes, [r#"{"left_out_bytes":7}"#, r#"{"left_out_bytes":65538}"#]);
    }

    #[test]
    fn what_is_no_page_is_an_error_that_names_the_fault() {
        let entry = |id: &str| {
            format!(r#"{{"job_id":"j","epoch":"e","entries":[{{"id":1,"event":"x"}},{{"id":{id},"event":"x"}}]}}"#)
        };
        for (body, part) in [
            ("not found".to_owned(), "not a JSON object"),
            (r#"{"job_id":"j"}"#.to_owned(), "missing field"),
            (r#"{"job_id":"","epoch":"e","entries":[]}"#.to_owned(), "job_id is \"\""),
            (entry("1"), "entry 1 stands after entry 1"),
            (entry("9223372036854775808"), "entry 9223372036854775808"),
        ] {
            let error = parse(body.as_bytes()).expect_err(&body).to_string();
            assert!(error.contains(part), "{body}: {error}");
        }
        let read = parse(entry("2").as_bytes()).expect("a page of a VMA that says no more");
        assert_eq!(
            (read.entries[1].record.attributes.as_str(), read.entries[1].record.level, read.more),
            ("{}", Level::Info, false)
        );
    }
}
