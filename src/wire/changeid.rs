//! The two change-id calls of the movers (R-31, `wire.md`).

use std::collections::BTreeMap;

use nanoserde::SerJson;
use serde::Deserialize;

use super::http::encode_segment;
use super::{BadBody, read_mended, read_object};
use crate::model::change::KnownChangeId;
use crate::model::id::{ChangeId, VmaName};
use crate::model::request::{ChangeIdReport, DiskQuestion};

#[derive(Deserialize)]
struct ReportDoc {
    change_id: String,
    disk_id: Option<String>,
    previous_change_id: Option<String>,
}

/// Reads what a mover hands over after a disk's copy. Texts stay raw: a strange change id is kept, not refused.
pub fn parse(body: &[u8]) -> Result<ChangeIdReport, BadBody> {
    let (doc, replaced): (ReportDoc, bool) = read_mended(body)?;
    Ok(ChangeIdReport {
        change_id: doc.change_id,
        disk: doc.disk_id.unwrap_or_default(),
        previous_change_id: doc.previous_change_id,
        replaced,
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
    let ChangeIdReport { change_id, disk, previous_change_id, replaced: _ } = report.clone();
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

/// The target of the question for a disk's last change id, as a VMA hands it on: with what it knows of the VM.
pub fn target_of_question(question: &DiskQuestion) -> String {
    let DiskQuestion { vma, vm_path, vm_uuid, disk, capacity_bytes } = question;
    let (vm_path, disk) = (encode_segment(vm_path), encode_segment(disk));
    let mut target = format!("/api/v1/replications/changeid?vm_path={vm_path}&disk_id={disk}");
    if let Some(vma) = vma {
        target += &format!("&vma={}", encode_segment(vma.as_str()));
    }
    if !vm_uuid.is_empty() {
        target += &format!("&vm_uuid={}", encode_segment(vm_uuid));
    }
    if let Some(bytes) = capacity_bytes {
        target += &format!("&capacity_bytes={bytes}");
    }
    target
}

/// Reads such a question; `value` is that of a key of the query.
///
/// # Errors
/// The key and its value, if it is none.
pub fn read_question<'a>(value: impl Fn(&str) -> Option<&'a str>) -> Result<DiskQuestion, BadBody> {
    let text = |key| value(key).unwrap_or_default().to_owned();
    let vma = value("vma").filter(|vma| !vma.is_empty()).map(VmaName::parse).transpose();
    let capacity = value("capacity_bytes").filter(|bytes| !bytes.is_empty());
    let number =
        |bytes: &str| bytes.parse().map_err(|_| BadBody(format!("capacity_bytes is {bytes:?}, a number is expected")));
    Ok(DiskQuestion {
        vma: vma.map_err(|why| BadBody(format!("vma {why}")))?,
        vm_path: text("vm_path"),
        vm_uuid: text("vm_uuid"),
        disk: text("disk_id"),
        capacity_bytes: capacity.map(number).transpose()?,
    })
}

/// The OMA's answer to the question for a disk's last change id; `why` is why there is none.
pub fn render_last(vm_path: &str, disk: &str, served: Result<&ChangeId, &str>) -> String {
    match served {
        Ok(change_id) => render_answer(vm_path, disk, Some(change_id), "change id of the disk's last good copy"),
        Err(why) => render_answer(vm_path, disk, None, why),
    }
}

/// The VMA's answer where the OMA could not be asked, with the reason: what the OMA said before, else nothing (F38).
pub fn render_unasked(vm_path: &str, disk: &str, known: Option<&KnownChangeId>, why: &str) -> String {
    let change_id = known.and_then(|known| known.change_id.as_ref());
    let message = match (known, change_id) {
        (Some(known), Some(_)) => {
            format!("remembered: the OMA answered so at {}; it cannot be asked now: {why}", known.answered_at)
        }
        (_, None) | (None, _) => {
            format!("copy everything: the OMA cannot be asked, and no earlier answer of it is known here: {why}")
        }
    };
    render_answer(vm_path, disk, change_id, &message)
}

/// Every value is a string (`wire.md`).
fn render_answer(vm_path: &str, disk: &str, change_id: Option<&ChangeId>, message: &str) -> String {
    LastDoc {
        vm_path: vm_path.to_owned(),
        disk_id: disk.to_owned(),
        change_id: change_id.map(|id| id.as_str().to_owned()).unwrap_or_default(),
        message: message.to_owned(),
    }
    .serialize_json()
}

/// The change id of such an answer, whose values must all be strings: a mover takes no other.
pub fn parse_answer(body: &[u8]) -> Result<Option<ChangeId>, BadBody> {
    let doc: BTreeMap<String, String> = read_object(body)?;
    let change_id = doc.get("change_id").ok_or_else(|| BadBody("the body has no change_id".to_owned()))?;
    Ok(ChangeId::from_text(change_id))
}

#[derive(Deserialize)]
struct ReadStoredDoc {
    status: String,
    disk_id: String,
    change_id: String,
}

/// True where the body is the OMA's confirmation of this very change id; any other server's 200 is none.
pub fn confirms(body: &[u8], report: &ChangeIdReport) -> bool {
    let doc: Result<ReadStoredDoc, BadBody> = read_object(body);
    doc.is_ok_and(|doc| doc.status == "success" && doc.disk_id == report.disk && doc.change_id == report.change_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_of_the_answer_is_a_string() {
        let id = ChangeId::from_text("52 de/81");
        let expected = r#"{"vm_path":"/DC0/vm/a\"b","disk_id":"disk-2000","change_id":"52 de/81","message":"change id of the disk's last good copy"}"#;
        assert_eq!(render_last("/DC0/vm/a\"b", "disk-2000", Ok(id.as_ref().expect("an id"))), expected);
        assert_eq!(parse_answer(expected.as_bytes()), Ok(id));
        assert_eq!(parse_answer(render_last("", "", Err("none")).as_bytes()), Ok(None));
        assert!(render_last("", "", Err("none")).contains(r#""change_id":"""#));
    }

    #[test]
    fn f38_an_answer_without_the_oma_says_so_in_the_same_shape() {
        let change_id = ChangeId::from_text("52 de/81");
        let answered_at = crate::model::time::Wall::from_unix_millis(0);
        let (vm_path, disk) = ("/DC0/vm/a".to_owned(), "disk-2000".to_owned());
        let oma = String::new();
        let known = KnownChangeId { vm_path, disk, change_id: change_id.clone(), answered_at, oma };
        let body = render_unasked("/DC0/vm/a", "disk-2000", Some(&known), "connect: connection refused");
        assert_eq!(parse_answer(body.as_bytes()), Ok(change_id));
        for part in ["remembered", "1970-01-01T00:00:00.000Z", "connect: connection refused"] {
            assert!(body.contains(part), "{body}");
        }
        let body = render_unasked("/DC0/vm/a", "disk-2000", None, "no first byte within 3 s");
        assert_eq!(parse_answer(body.as_bytes()), Ok(None));
        assert!(body.contains("copy everything") && body.contains("no first byte within 3 s"), "{body}");
    }

    #[test]
    fn only_the_omas_own_words_are_an_answer_or_a_confirmation() {
        for other in ["", "<html>", "{}", r#"{"change_id":null}"#, r#"{"change_id":"a/1","disk_id":5}"#, "[]"] {
            assert!(parse_answer(other.as_bytes()).is_err(), "{other}");
        }
        let report = parse(br#"{"change_id":"* ?","disk_id":"disk-2000"}"#).expect("taken");
        assert!(confirms(render_stored("job-1", &report).as_bytes(), &report));
        let other = ChangeIdReport { disk: "disk-2001".to_owned(), ..report.clone() };
        assert!(!confirms(render_stored("job-1", &other).as_bytes(), &report));
        for other in ["", "ok", r#"{"status":"success"}"#, r#"{"change_id":"* ?","disk_id":"disk-2000"}"#] {
            assert!(!confirms(other.as_bytes(), &report), "{other}");
        }
    }

    proptest::proptest! {
        // What the OMA says of it must be understood, or it would wait for ever.
        #[test]
        fn every_change_id_goes_on_as_it_came_and_is_confirmed(
            change_id in proptest::prelude::any::<String>(),
            disk in proptest::prelude::any::<String>(),
            previous_change_id in proptest::option::of(proptest::prelude::any::<String>()),
            job in proptest::prelude::any::<String>(),
        ) {
            let report = ChangeIdReport { change_id, disk, previous_change_id, replaced: false };
            let went_on = parse(render_report(&report).as_bytes());
            proptest::prop_assert_eq!(went_on.as_ref(), Ok(&report));
            proptest::prop_assert!(confirms(render_stored(&job, &report).as_bytes(), &report));
        }
    }

    #[test]
    fn a_strange_change_id_is_kept_as_it_came() {
        let report = parse(br#"{"change_id":"* ?","disk_id":"disk-2000"}"#).expect("taken");
        assert_eq!(parse(render_report(&report).as_bytes()).as_ref(), Ok(&report));
        assert_eq!((report.change_id.as_str(), report.previous_change_id), ("* ?", None));
        let broken = parse(b"{\"change_id\":\"52 \xff\",\"disk_id\":\"disk-2000\"}").expect("taken");
        assert_eq!((broken.change_id.as_str(), broken.replaced), ("52 \u{fffd}", true));
        assert!(parse(br#"{"disk_id":"disk-2000"}"#).expect_err("refused").to_string().contains("change_id"));
    }
}
