//! The two change-id calls of the movers (R-31, `wire.md`).

use nanoserde::SerJson;
use serde::Deserialize;

use super::{BadBody, read_object};
use crate::model::id::ChangeId;
use crate::model::request::ChangeIdReport;

#[derive(Deserialize)]
struct ReportDoc {
    change_id: String,
    disk_id: Option<String>,
    previous_change_id: Option<String>,
}

/// Reads what a mover hands over after a disk's copy. Texts stay raw: a strange change id is kept, not refused.
pub fn parse(body: &[u8]) -> Result<ChangeIdReport, BadBody> {
    let doc: ReportDoc = read_object(body)?;
    Ok(ChangeIdReport {
        change_id: doc.change_id,
        disk: doc.disk_id.unwrap_or_default(),
        previous_change_id: doc.previous_change_id,
    })
}

#[derive(SerJson)]
struct WriteReportDoc {
    change_id: String,
    disk_id: String,
    previous_change_id: Option<String>,
}

/// The body with which a mover hands a change id over.
pub fn render_report(report: &ChangeIdReport) -> String {
    let ChangeIdReport { change_id, disk, previous_change_id } = report.clone();
    WriteReportDoc { change_id, disk_id: disk, previous_change_id }.serialize_json()
}

#[derive(SerJson)]
struct StoredDoc {
    status: &'static str,
    job_id: String,
    disk_id: String,
    change_id: String,
}

/// The answer to a change id that is stored.
pub fn render_stored(job: &str, report: &ChangeIdReport) -> String {
    let (disk_id, change_id) = (report.disk.clone(), report.change_id.clone());
    StoredDoc { status: "success", job_id: job.to_owned(), disk_id, change_id }.serialize_json()
}

#[derive(SerJson)]
struct LastDoc {
    vm_path: String,
    disk_id: String,
    change_id: String,
    message: String,
}

/// The answer to the question for a disk's last change id: every value is a string (`wire.md`).
pub fn render_last(vm_path: &str, disk: &str, change_id: Option<&ChangeId>) -> String {
    let message = match change_id {
        Some(_) => "change id of the last run that succeeded",
        None => "no change id of a completed disk of a job that succeeded: copy everything",
    };
    LastDoc {
        vm_path: vm_path.to_owned(),
        disk_id: disk.to_owned(),
        change_id: change_id.map(|id| id.as_str().to_owned()).unwrap_or_default(),
        message: message.to_owned(),
    }
    .serialize_json()
}

#[derive(Deserialize)]
struct ReadLastDoc {
    change_id: String,
}

/// The change id of such an answer; `None` where there is none, or where it is no such answer.
pub fn parse_last(body: &[u8]) -> Option<ChangeId> {
    let doc: ReadLastDoc = read_object(body).ok()?;
    ChangeId::from_text(&doc.change_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_of_the_answer_is_a_string() {
        let id = ChangeId::from_text("52 de/81");
        let expected = r#"{"vm_path":"/DC0/vm/a\"b","disk_id":"disk-2000","change_id":"52 de/81","message":"change id of the last run that succeeded"}"#;
        assert_eq!(render_last("/DC0/vm/a\"b", "disk-2000", id.as_ref()), expected);
        assert_eq!(parse_last(expected.as_bytes()), id);
        assert_eq!(parse_last(render_last("", "", None).as_bytes()), None);
        assert!(render_last("", "", None).contains(r#""change_id":"""#));
    }

    #[test]
    fn a_strange_change_id_is_kept_as_it_came() {
        let report = parse(br#"{"change_id":"* ?","disk_id":"disk-2000"}"#).expect("taken");
        assert_eq!(parse(render_report(&report).as_bytes()).as_ref(), Ok(&report));
        assert_eq!((report.change_id.as_str(), report.previous_change_id), ("* ?", None));
        assert!(parse(br#"{"disk_id":"disk-2000"}"#).expect_err("refused").to_string().contains("change_id"));
    }
}
