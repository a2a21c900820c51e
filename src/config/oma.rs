//! `oma.toml`.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use toml::de::DeTable;

use super::fault::Fault;
use super::section::Section;
use super::settings::{OmaConfig, OnStall, PkiConfig, PollRules, ThrottleRules, TlsListener, VmaEntry, VmaWay};
use super::{duration, tls};
use crate::model::percent::Percent;
use crate::wire::origin::Origin;

/// The keys that only this file has.
pub(super) const OWN_KEYS: [&str; 5] = ["discover", "pki", "poll", "throttle", "vma"];

const KEYS: [&str; 8] = ["database", "listen", "discover", "tls", "pki", "poll", "throttle", "vma"];

const POLL_KEYS: [&str; 8] = [
    "interval",
    "timeout",
    "failures_before_backoff",
    "backoff_max",
    "contact_lost_after",
    "queued_timeout",
    "stall_after",
    "on_stall",
];

const THROTTLE_KEYS: [&str; 3] = ["min_percent", "min_interval", "contact_refresh"];

const VMA_KEYS: [&str; 9] = [
    "name",
    "url",
    "tunnel",
    "ca_file",
    "certificate",
    "key",
    tls::PROXY_KEYS[0],
    tls::PROXY_KEYS[1],
    tls::PROXY_KEYS[2],
];

/// Those that mean nothing where nobody is dialled.
const DIAL_KEYS: [&str; 6] =
    ["ca_file", "certificate", "key", tls::PROXY_KEYS[0], tls::PROXY_KEYS[1], tls::PROXY_KEYS[2]];

const TENTH: Duration = Duration::from_millis(100);
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const YEAR: Duration = Duration::from_secs(365 * 86_400);

/// Reads the file; notes every fault.
pub(super) fn read<'a>(table: &'a DeTable<'a>, text: &'a str, faults: &mut Vec<Fault>) -> Option<OmaConfig> {
    let top = Section::top(text, table, &KEYS, faults);
    let database = top.path(faults, "database", "/var/lib/waybill/oma.db");
    let listen = top.listener(faults, "listen", SocketAddr::from((Ipv4Addr::LOCALHOST, 8082)));
    let listener = top.section(faults, "tls", &tls::KEYS).map(|section| tls::listener(&section, "oma", faults));
    let pki = top.section(faults, "pki", &["directory", "valid_for"]).map(|section| pki(&section, faults));
    let discover = top.switch(faults, "discover", false);
    let no_keys = DeTable::new();
    let absent = Section::absent(&no_keys);
    let poll = poll(top.section(faults, "poll", &POLL_KEYS).as_ref().unwrap_or(&absent), faults);
    let written = top.section(faults, "throttle", &THROTTLE_KEYS);
    let throttle = throttle(written.as_ref().unwrap_or(&absent), &poll, faults);
    let vmas = vmas(&top, listener.as_ref(), faults);
    Some(OmaConfig { database, listen, tls: listener, pki, discover, poll, throttle, vmas })
}

fn pki(section: &Section<'_>, faults: &mut Vec<Fault>) -> PkiConfig {
    let why = "a certificate is renewed when a third of its time is left, and a stolen one should not be good for long";
    let most = Duration::from_secs(825 * 86_400);
    let default = Duration::from_secs(90 * 86_400);
    PkiConfig {
        folder: section.path(faults, "directory", "/var/lib/waybill/pki"),
        valid_for: section.duration(faults, "valid_for", default, 10 * SECOND..=most, why),
    }
}

fn poll(section: &Section<'_>, faults: &mut Vec<Fault>) -> PollRules {
    let pace = "more often than ten times a second is load without news, less often than hourly is no tracking";
    let interval = section.duration(faults, "interval", 2 * SECOND, TENTH..=HOUR, pace);
    let why = "a VMA must have a chance to answer, and a hung one must not hold its jobs up for long";
    let timeout = section.duration(faults, "timeout", 10 * SECOND, TENTH..=5 * MINUTE, why);
    let failures_before_backoff = section.count(faults, "failures_before_backoff", 3, 1..=100);
    let why = "a silent VMA should not be asked all the time, yet be found again soon";
    let backoff_max = section.duration(faults, "backoff_max", 30 * SECOND, TENTH..=HOUR, why);
    let why = "a short outage is no reason to fail a job, and a dead VMA is to be named some day";
    let contact_lost_after = section.duration(faults, "contact_lost_after", 5 * MINUTE, SECOND..=YEAR, why);
    let why = "a job may wait long for its turn, but not unnoticed for ever";
    let queued_timeout = section.duration(faults, "queued_timeout", HOUR, SECOND..=YEAR, why);
    let why = "movers report every 2 s at best, and a stall is to be named some day";
    let stall_after = section.duration(faults, "stall_after", 5 * MINUTE, SECOND..=YEAR, why);
    let on_stall = on_stall(section, faults);
    let rules = PollRules {
        interval,
        timeout,
        failures_before_backoff,
        backoff_max,
        contact_lost_after,
        queued_timeout,
        stall_after,
        on_stall,
    };
    compare(section, &rules, faults);
    rules
}

fn on_stall(section: &Section<'_>, faults: &mut Vec<Fault>) -> OnStall {
    let expected = "\"warn\" or \"fail\"";
    match section.text(faults, "on_stall", expected) {
        None | Some("warn") => OnStall::Warn,
        Some("fail") => OnStall::Fail,
        Some(other) => {
            section.note(faults, "on_stall", format!("{other:?} is not known"), format!("write {expected}"));
            OnStall::Warn
        }
    }
}

/// Rules that are each in range and do not go together.
fn compare(section: &Section<'_>, rules: &PollRules, faults: &mut Vec<Fault>) {
    let mut at_least = |key: &str, length: Duration, least: Duration, of: &str, why: &str| {
        if length < least {
            let problem = format!("\"{}\" is less than {of}: {why}", duration::write(length));
            section.note(faults, key, problem, format!("write at least \"{}\"", duration::write(least)));
        }
    };
    let why = "backing off would ask more often";
    at_least("backoff_max", rules.backoff_max, rules.interval, "`interval`", why);
    let why = "a job would be failed before one slow answer, or the next try, had its chance";
    // The backoff needs no room in it: its pace returns before the contact is lost.
    let patience = 2 * (rules.timeout + rules.interval);
    at_least("contact_lost_after", rules.contact_lost_after, patience, "two polls that time out", why);
    let why = "every job would look stalled between two polls";
    at_least("stall_after", rules.stall_after, 2 * rules.interval, "twice `interval`", why);
    let why = "a job would be failed before its second poll";
    at_least("queued_timeout", rules.queued_timeout, 2 * rules.interval, "twice `interval`", why);
}

fn throttle(section: &Section<'_>, poll: &PollRules, faults: &mut Vec<Fault>) -> ThrottleRules {
    let percent = section.percent(faults, "min_percent", 1.0);
    let why = "what people see must not be older than an hour";
    let min_interval = section.duration(faults, "min_interval", 2 * SECOND, Duration::ZERO..=HOUR, why);
    let why = "views could not tell a silent VMA from an unwritten contact";
    // Where only `contact_lost_after` was shortened, the refresh follows it instead of becoming a fault.
    let most = poll.contact_lost_after;
    let default = (30 * SECOND).min(most);
    let contact_refresh = section.duration(faults, "contact_refresh", default, TENTH..=most, why);
    ThrottleRules {
        min_percent: Percent::from_f64(percent).unwrap_or(Percent::from_hundredths(100)),
        min_interval,
        contact_refresh,
    }
}

fn vmas(top: &Section<'_>, own: Option<&TlsListener>, faults: &mut Vec<Fault>) -> Vec<VmaEntry> {
    let mut entries = Vec::new();
    let mut lines = BTreeMap::new();
    for section in top.sections(faults, "vma", &VMA_KEYS) {
        let name = section.vma_name(faults, "name");
        if let Some(name) = &name
            && let Some(line) = lines.insert(name.clone(), section.line_of("name"))
        {
            let problem = format!("\"{name}\" already names the VMA of line {line}; jobs could not tell them apart");
            section.note(faults, "name", problem, "give every VMA a name of its own");
        }
        let way = vma_way(&section, own, faults);
        if let Some(VmaWay::Direct { files, .. }) = &way {
            let of_others = entries.iter().filter_map(|entry: &VmaEntry| entry.way.files());
            tls::refuse_mixed_pair(&section, files, own.map(|own| &own.files).into_iter().chain(of_others), faults);
        }
        entries.extend(name.zip(way).map(|(name, way)| VmaEntry { name, way }));
    }
    entries
}

fn vma_way(section: &Section<'_>, own: Option<&TlsListener>, faults: &mut Vec<Fault>) -> Option<VmaWay> {
    let tunnel = section.switch(faults, "tunnel", false);
    if tunnel {
        if section.has("url") {
            section.note(
                faults,
                "url",
                "stands beside tunnel = true: the VMA dials, or the OMA does",
                "write one of them",
            );
        }
        refuse_dial_keys(section, "where the VMA dials", faults);
        if own.is_none() {
            let remedy = "add the section [tls], where this OMA's port 443 is described";
            section.note(faults, "tunnel", "nobody can dial this OMA: it has no [tls]", remedy);
        }
        return Some(VmaWay::Tunnel);
    }
    let url = section.required_text(
        faults,
        "url",
        "\"https://vma.example\", or \"http://127.0.0.1:18081\" for a forward; or tunnel = true",
    )?;
    if !url.get(..8).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https://")) {
        refuse_dial_keys(section, "without TLS", faults);
        return section.origin(faults, "url", url).map(VmaWay::Forward);
    }
    let default = own.map_or_else(|| tls::default_files("oma"), |own| own.files.clone());
    let files = tls::files(section, "ca_file", default, faults);
    let proxy = tls::proxy(section, faults);
    match Origin::of_tls(url) {
        Ok(origin) => Some(VmaWay::Direct { origin, files, proxy }),
        Err(bad) => {
            section.note(faults, "url", bad.to_string(), bad.remedy());
            None
        }
    }
}

/// A security setting must never look as if it worked.
fn refuse_dial_keys(section: &Section<'_>, when: &str, faults: &mut Vec<Fault>) {
    for key in DIAL_KEYS.into_iter().filter(|key| section.has(key)) {
        let remedy = "remove the key; or write url = \"https://...\", which the OMA dials";
        section.note(faults, key, format!("means nothing {when}"), remedy);
    }
}
