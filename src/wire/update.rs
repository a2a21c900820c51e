//! A mover's push (R-3), in the shapes that `wire.md` shows. Unknown keys are ignored, because movers come in many
//! versions; a known key of another type is an error that names it. A text that is no UTF-8 is taken all the same
//! (`object`): it may be the reason of a failure.

use nanoserde::SerJson;
use serde::Deserialize;

use super::{BadBody, read_mended, read_object, storable};
use crate::model::id::{DiskId, JobId};
use crate::model::percent::Percent;
use crate::model::request::Push;

#[derive(Deserialize)]
struct PushDoc {
    stage: String,
    status: Option<String>,
    bytes_transferred: Option<u64>,
    total_bytes: Option<u64>,
    throughput_bps: Option<u64>,
    percent: Option<f64>,
    disk_id: Option<String>,
    sync_type: Option<String>,
    error_message: Option<String>,
    bytes_source: Option<String>,
}

/// Reads a push.
pub fn parse(body: &[u8]) -> Result<Push, BadBody> {
    let (doc, replaced): (PushDoc, bool) = read_mended(body)?;
    let disk = doc.disk_id.filter(|id| !id.is_empty());
    // What names a disk cannot be guessed at.
    if replaced && disk.as_ref().is_some_and(|id| id.contains(char::REPLACEMENT_CHARACTER)) {
        return Err(BadBody("disk_id has bytes that are no UTF-8".to_owned()));
    }
    let disk = disk.map(|id| DiskId::parse(&id).map_err(|why| BadBody(format!("disk_id {why}"))));
    Ok(Push {
        stage: doc.stage,
        status: doc.status,
        bytes_transferred: storable("bytes_transferred", doc.bytes_transferred)?.unwrap_or(0),
        total_bytes: storable("total_bytes", doc.total_bytes)?,
        throughput_bps: storable("throughput_bps", doc.throughput_bps)?,
        disk: disk.transpose()?,
        sync: doc.sync_type.filter(|text| !text.is_empty()),
        error: doc.error_message.filter(|text| !text.is_empty()),
        bytes_source: doc.bytes_source.filter(|text| !text.is_empty()),
        percent: doc.percent.and_then(Percent::from_f64),
        replaced,
    })
}

#[derive(SerJson)]
struct SentDoc {
    stage: String,
    status: Option<String>,
    bytes_transferred: u64,
    total_bytes: Option<u64>,
    throughput_bps: u64,
    percent: Option<f64>,
    disk_id: Option<String>,
    sync_type: Option<String>,
    error_message: Option<String>,
    bytes_source: Option<String>,
}

/// Writes a push as [`parse`] reads it. The counts are always there, as the movers in the field send them. `percent` is
/// of the mover's data, and that of the push serves if there is none.
pub fn render(push: &Push, percent: Option<Percent>) -> String {
    SentDoc {
        stage: push.stage.clone(),
        status: push.status.clone(),
        bytes_transferred: push.bytes_transferred,
        total_bytes: push.total_bytes,
        throughput_bps: push.throughput_bps.unwrap_or(0),
        percent: percent.or(push.percent).map(Percent::as_f64),
        disk_id: push.disk.as_ref().map(ToString::to_string),
        sync_type: push.sync.clone(),
        error_message: push.error.clone(),
        bytes_source: push.bytes_source.clone(),
    }
    .serialize_json()
}

#[derive(SerJson)]
struct TakenDoc {
    status: &'static str,
    job_id: String,
    auto_initialized: Option<bool>,
}

#[derive(Deserialize)]
struct ReadTaken {
    job_id: String,
}

/// The job that a push went to, by the answer to it; `None` where the answer does not say, as those of older VMAs.
pub fn parse_taken(body: &[u8]) -> Option<JobId> {
    let read: ReadTaken = read_object(body).ok()?;
    JobId::parse(&read.job_id).ok()
}

/// The answer to a push: `{"status":"success","job_id":"..."}` and `"auto_initialized":true` at first contact.
pub fn render_taken(job: &JobId, auto_initialized: bool) -> String {
    TakenDoc { status: "success", job_id: job.to_string(), auto_initialized: auto_initialized.then_some(true) }
        .serialize_json()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bodies_of_the_field_are_read_as_they_are() {
        let read = |body: &str| parse(body.as_bytes()).expect(body);
        let start = read(
            r#"{"stage":"Transfer","status":"in_progress","bytes_transferred":0,"throughput_bps":0,"sync_type":"initial"}"#,
        );
        assert_eq!((start.total_bytes, start.sync.as_deref(), start.disk), (None, Some("initial"), None));
        let running = read(
            r#"{"stage":"Transfer","status":"in_progress","bytes_transferred":5,"total_bytes":10,"throughput_bps":3,"percent":50.5,"disk_id":"disk-2000"}"#,
        );
        assert_eq!((running.bytes_transferred, running.total_bytes), (5, Some(10)));
        assert_eq!(running.disk.expect("named").as_str(), "disk-2000");
        assert_eq!(read(r#"{"stage":"Transfer","disk_id":"","error_message":"","status":null}"#).disk, None);
    }

    #[test]
    fn f67_counts_and_reasons_are_taken_as_clients_write_them() {
        let read = |body: &[u8]| parse(body).expect("taken");
        let counts = read(b"\xef\xbb\xbf{\"stage\":\"Transfer\",\"bytes_transferred\":10.0,\"total_bytes\":1.5e3}");
        assert_eq!((counts.bytes_transferred, counts.total_bytes, counts.replaced), (10, Some(1500), false));
        let failed = read(b"{\"stage\":\"Transfer\",\"status\":\"failed\",\"error_message\":\"caf\xe9\"}");
        assert_eq!((failed.error.as_deref(), failed.replaced), (Some("caf\u{fffd}"), true));
        for (sent, kept) in
            [("37.5", Percent::from_f64(37.5)), ("100", Some(Percent::DONE)), ("-1", None), ("130", None)]
        {
            let push = read(format!("{{\"stage\":\"Transfer\",\"percent\":{sent}}}").as_bytes());
            assert_eq!(push.percent, kept, "{sent}");
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let bare = Push { stage: "StartExports".to_owned(), throughput_bps: Some(0), ..Push::default() };
        let full = Push {
            stage: "Transfer".to_owned(),
            status: Some("failed".to_owned()),
            bytes_transferred: 5,
            total_bytes: Some(10),
            throughput_bps: Some(3),
            disk: DiskId::parse("disk-\u{fc} \"0\"").ok(),
            sync: Some("initial".to_owned()),
            error: Some("line 1\nline 2\u{0}".to_owned()),
            bytes_source: Some("proc-io".to_owned()),
            percent: Percent::from_f64(50.5),
            replaced: false,
        };
        for push in [bare, full] {
            assert_eq!(parse(render(&push, None).as_bytes()), Ok(push));
        }
        let other = Percent::from_f64(7.25);
        assert_eq!(parse(render(&Push::default(), other).as_bytes()).map(|push| push.percent), Ok(other));
        let job = JobId::parse("job-1~2").expect("an id");
        assert_eq!(parse_taken(render_taken(&job, true).as_bytes()), Some(job));
        for older in ["", "ok", "[\"job-1\"]", r#"{"status":"success"}"#, r#"{"job_id":""}"#] {
            assert_eq!(parse_taken(older.as_bytes()), None, "{older}");
        }
    }

    #[test]
    fn hostile_bodies_are_errors_that_name_the_fault() {
        let deep = "[".repeat(100_000);
        let nested = format!("{{\"stage\":{}", "{\"a\":".repeat(5000));
        for (body, part) in [
            (&b""[..], "empty"),
            (b"{", "EOF"),
            (b"{\"stage\":", "EOF"),
            (b"[\"Transfer\"]", "not a JSON object"),
            (b"{}", "missing field `stage`"),
            (b"{\"stage\":1}", "expected a string"),
            (b"{\"stage\":\"Transfer\",\"bytes_transferred\":-1}", "expected u64"),
            (b"{\"stage\":\"Transfer\",\"bytes_transferred\":1e400}", "out of range"),
            (b"{\"stage\":\"Transfer\",\"bytes_transferred\":NaN}", "expected value"),
            (b"{\"stage\":\"Transfer\",\"bytes_transferred\":\"5\"}", "expected u64"),
            (b"{\"stage\":\"Transfer\",\"total_bytes\":18446744073709551615}", "total_bytes is 18446744073709551615"),
            (b"{\"stage\":\"Transfer\",\"percent\":\"x\"}", "expected f64"),
            (b"{\"stage\":\"a\",\"disk_id\":\"\xff\xfe\"}", "disk_id has bytes that are no UTF-8"),
            (b"{\"stage\":\"a\",\"bytes_transferred\":10.5}", "bytes_transferred is 10.5: "),
            (b"{\"stage\":\"a\",\"total_bytes\":-1}", "total_bytes is -1: "),
            (b"{\"stage\":\"a\",\"stage\":\"b\"}", "duplicate field"),
            (b"{\"stage\":\"a\"} trailing", "trailing characters"),
            (b"{\"stage\":\"a\",\"disk_id\":\"a\\u0000b\"}", "disk_id has a control character"),
            (deep.as_bytes(), "not a JSON object"),
            (nested.as_bytes(), "line 1 column"),
        ] {
            let error = parse(body).expect_err("refused").to_string();
            assert!(error.contains(part), "{:?}: {error}", String::from_utf8_lossy(&body[..body.len().min(60)]));
        }
    }
}
