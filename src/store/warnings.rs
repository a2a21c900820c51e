//! A job's warnings as one JSON text, `[{"kind":"same_vm","text":"..."}]`, which `json_each` opens in a plain shell. What a
//! newer version has added and this one does not know is left out.

use nanoserde::SerJson;
use serde::Deserialize;

use crate::model::warning::{Warning, WarningKind};

#[derive(SerJson, Deserialize)]
struct WarningRow {
    kind: String,
    text: String,
}

/// The text of the column.
pub(super) fn to_json(warnings: &[Warning]) -> String {
    let row = |warning: &Warning| WarningRow { kind: warning.kind.name().to_owned(), text: warning.text.clone() };
    warnings.iter().map(row).collect::<Vec<_>>().serialize_json()
}

/// The warnings of such a text; `None` for a text that is none.
pub(super) fn from_json(text: &str) -> Option<Vec<Warning>> {
    let rows: Vec<WarningRow> = serde_json::from_str(text).ok()?;
    let known = |row: WarningRow| Some(Warning { kind: WarningKind::from_name(&row.kind)?, text: row.text });
    Some(rows.into_iter().filter_map(known).collect())
}
