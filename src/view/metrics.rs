//! The page that Prometheus reads (R-72), in its text format 0.0.4.
//!
//! Written here and not by a client library: the one for Rust names counters as OpenMetrics does, which `promtool check
//! metrics` refuses, and keeps the figures in registers of its own, where waybill has them in its rows already.
//!
//! Labels are names from the configuration only, so that their number is bounded by it; never a job or a text of others.

use std::fmt::Write as _;

use crate::model::time::Wall;

/// The media type of the page.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What an appliance knows of itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Figures {
    /// `vma` or `oma`.
    pub appliance: &'static str,
    /// The other side of each link that is configured, and whether it stands.
    pub links: Vec<(String, bool)>,
    /// Each certificate that is shown or signed with: its file and its end.
    pub certificates: Vec<(String, Wall)>,
}

/// The page.
pub fn page(figures: &Figures) -> String {
    let mut page = String::new();
    let build = [("appliance", figures.appliance), ("version", env!("CARGO_PKG_VERSION"))];
    gauge(&mut page, "waybill_build_info", "Which appliance this is, and its version.", [(&build[..], 1.0)]);
    let links: Vec<_> =
        figures.links.iter().map(|(peer, stands)| ([("peer", peer.as_str())], f64::from(*stands))).collect();
    gauge(
        &mut page,
        "waybill_link_up",
        "Whether the link to the other appliance stands.",
        links.iter().map(|(labels, value)| (&labels[..], *value)),
    );
    let certificates: Vec<_> = figures
        .certificates
        .iter()
        .map(|(file, end)| ([("file", file.as_str())], end.unix_millis() as f64 / 1000.0))
        .collect();
    gauge(
        &mut page,
        "waybill_certificate_not_after_timestamp_seconds",
        "When a certificate ends that this appliance shows or signs with.",
        certificates.iter().map(|(labels, value)| (&labels[..], *value)),
    );
    page
}

/// One family of samples; nothing where there is none.
fn gauge<'s>(
    page: &mut String,
    name: &str,
    help: &str,
    samples: impl IntoIterator<Item = (&'s [(&'s str, &'s str)], f64)>,
) {
    let mut samples = samples.into_iter().peekable();
    if samples.peek().is_some() {
        let _ = writeln!(page, "# HELP {name} {help}\n# TYPE {name} gauge");
    }
    for (labels, value) in samples {
        let labels: Vec<String> = labels.iter().map(|(key, text)| format!("{key}=\"{}\"", escaped(text))).collect();
        let _ = writeln!(page, "{name}{{{}}} {value}", labels.join(","));
    }
}

/// A label's value as the format wants it.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_each_family_once_with_help_and_type_and_escapes_what_stands_in_labels() {
        let end = Wall::parse("2026-11-23T17:14:01Z").expect("a time");
        let figures = Figures {
            appliance: "oma",
            links: vec![("site-a".to_owned(), true), ("site-b".to_owned(), false)],
            certificates: vec![("/etc/a \"b\\c\nd".to_owned(), end)],
        };
        let version = env!("CARGO_PKG_VERSION");
        let expected = format!(
            r#"# HELP waybill_build_info Which appliance this is, and its version.
# TYPE waybill_build_info gauge
waybill_build_info{{appliance="oma",version="{version}"}} 1
# HELP waybill_link_up Whether the link to the other appliance stands.
# TYPE waybill_link_up gauge
waybill_link_up{{peer="site-a"}} 1
waybill_link_up{{peer="site-b"}} 0
# HELP waybill_certificate_not_after_timestamp_seconds When a certificate ends that this appliance shows or signs with.
# TYPE waybill_certificate_not_after_timestamp_seconds gauge
waybill_certificate_not_after_timestamp_seconds{{file="/etc/a \"b\\c\nd"}} 1795454041
"#
        );
        // A raw text: the line end within the label is written as two characters.
        assert_eq!(page(&figures), expected);
    }

    #[test]
    fn an_appliance_without_links_has_no_family_of_them() {
        let page = page(&Figures { appliance: "vma", links: Vec::new(), certificates: Vec::new() });
        assert_eq!(page.lines().count(), 3, "{page}");
    }
}
