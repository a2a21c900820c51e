//! `waybill db check`: each rule with what was found against it.

use nanoserde::SerJson;

use super::paint::{Tone, paint};
use super::units;
use crate::model::record::Check;

/// A line for each rule, the findings with their remedies below it, and a line that counts.
pub fn text(database: &str, checks: &[Check], colour: bool) -> String {
    let mut text = String::new();
    for check in checks {
        let (word, tone) = if check.findings.is_empty() { ("ok   ", Tone::Good) } else { ("FAULT", Tone::Bad) };
        text.push_str(&format!("{}  {}\n", paint(word, tone, colour), check.rule));
        for (at, finding) in check.findings.iter().enumerate() {
            text.push_str(&format!("         {}\n", units::plain(&finding.text)));
            if check.findings.get(at + 1).is_none_or(|next| next.remedy != finding.remedy) {
                text.push_str(&format!("         remedy: {}\n", finding.remedy));
            }
        }
    }
    let faults: usize = checks.iter().map(|check| check.findings.len()).sum();
    let rules = checks.len();
    text.push_str(&match faults {
        0 => format!("{database}: {rules} rules hold\n"),
        1 => format!("{database}: 1 fault\n"),
        _ => format!("{database}: {faults} faults\n"),
    });
    text
}

#[derive(SerJson)]
struct CheckRow {
    rule: String,
    holds: bool,
    findings: Vec<FindingRow>,
}

#[derive(SerJson)]
struct FindingRow {
    found: String,
    remedy: String,
}

/// An object a line for each rule.
pub fn json(checks: &[Check]) -> String {
    let row = |check: &Check| {
        let findings = check.findings.iter();
        let findings = findings.map(|one| FindingRow { found: one.text.clone(), remedy: one.remedy.to_owned() });
        let holds = check.findings.is_empty();
        CheckRow { rule: check.rule.to_owned(), holds, findings: findings.collect() }.serialize_json() + "\n"
    };
    checks.iter().map(row).collect()
}
