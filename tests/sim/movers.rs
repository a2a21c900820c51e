//! What movers in the field send, letter by letter (`wire.md`).

/// A stage before Transfer; its percent is of the stages, not of the data.
pub fn stage(name: &str, percent: u32) -> String {
    format!(
        r#"{{"stage":"{name}","status":"in_progress","bytes_transferred":0,"throughput_bps":0,"percent":{percent}}}"#
    )
}

/// A disk starts.
pub fn start() -> String {
    r#"{"stage":"Transfer","status":"in_progress","bytes_transferred":0,"throughput_bps":0,"sync_type":"initial"}"#
        .to_owned()
}

/// A disk is being copied.
pub fn run(bytes: u64, total: u64) -> String {
    let percent = bytes as f64 * 100.0 / total.max(1) as f64;
    format!(
        r#"{{"stage":"Transfer","status":"in_progress","bytes_transferred":{bytes},"total_bytes":{total},"throughput_bps":9,"percent":{percent:.2}}}"#
    )
}

/// A disk ends.
pub fn completed(total: u64) -> String {
    format!(
        r#"{{"stage":"Transfer","status":"completed","bytes_transferred":{total},"total_bytes":{total},"throughput_bps":0,"percent":100}}"#
    )
}

/// A disk ends in which nothing had changed, or a message whose figures are simply not set.
pub fn completed_with_zeros() -> String {
    r#"{"stage":"Transfer","status":"completed","bytes_transferred":0,"throughput_bps":0,"percent":100}"#.to_owned()
}

/// A copy fails.
pub fn failed(why: &str) -> String {
    format!(
        r#"{{"stage":"Transfer","status":"failed","bytes_transferred":0,"throughput_bps":0,"error_message":"{why}"}}"#
    )
}

/// The same body with a disk id.
pub fn of_disk(disk: &str, body: &str) -> String {
    format!(r#"{},"disk_id":"{disk}"}}"#, body.strip_suffix('}').expect("an object"))
}

/// A sound change id that ends in this counter.
pub fn change_id(counter: u32) -> String {
    format!("52 de c0 d9 b9 43 9d 10-61 d5 4c 1b e9 7b 65 63/{counter}")
}
