//! One table of the file, read key by key. Every reader notes what is wrong and answers the default (or `None`), so that
//! one pass finds all faults.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::fault::Fault;
use super::nearest::nearest;
use super::{duration, listener};
use crate::model::id::VmaName;
use crate::wire::origin::Origin;

/// A table with the keys that may stand in it.
pub(super) struct Section<'a> {
    /// The file, to count lines in.
    text: &'a str,
    /// `poll`, `vma[2]`; "" for the file's top.
    path: String,
    /// The line of its head.
    line: usize,
    table: &'a DeTable<'a>,
}

/// Line, from 1, of a byte offset.
pub(super) fn line_at(text: &str, offset: usize) -> usize {
    1 + text.as_bytes().iter().take(offset).filter(|byte| **byte == b'\n').count()
}

impl<'a> Section<'a> {
    /// The file's top.
    pub(super) fn top(text: &'a str, table: &'a DeTable<'a>, known: &[&str], faults: &mut Vec<Fault>) -> Self {
        let section = Self { text, path: String::new(), line: 1, table };
        section.note_unknown_keys(known, faults);
        section
    }

    /// A section that is not in the file: all its keys have their defaults.
    pub(super) fn absent(no_keys: &'a DeTable<'a>) -> Self {
        Self { text: "", path: String::new(), line: 1, table: no_keys }
    }

    fn note_unknown_keys(&self, known: &[&str], faults: &mut Vec<Fault>) {
        for key in self.table.keys().filter(|key| !known.contains(&key.get_ref().as_ref())) {
            let name = key.get_ref();
            let problem = match nearest(name, known) {
                Some(near) => format!("unknown key; did you mean `{near}`?"),
                None => "unknown key".to_owned(),
            };
            let place = if self.path.is_empty() { "at the top of the file" } else { "here" };
            let remedy = format!("remove or rename it; allowed {place}: {}", known.join(", "));
            let line = line_at(self.text, key.span().start);
            faults.push(Fault { line, key: self.full(name), problem, remedy });
        }
    }

    /// The key with the section's path.
    fn full(&self, key: &str) -> String {
        let key: String = key.chars().map(|c| if c.is_control() { '?' } else { c }).collect();
        if self.path.is_empty() { key } else { format!("{}.{key}", self.path) }
    }

    /// The line of a key; that of the section's head where the key is not there.
    pub(super) fn line_of(&self, key: &str) -> usize {
        self.table.get_key_value(key).map_or(self.line, |(key, _)| line_at(self.text, key.span().start))
    }

    /// True where the key is there.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// Notes a fault of a key.
    pub(super) fn note(
        &self,
        faults: &mut Vec<Fault>,
        key: &str,
        problem: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        let (problem, remedy) = (problem.into(), remedy.into());
        faults.push(Fault { line: self.line_of(key), key: self.full(key), problem, remedy });
    }

    fn value(&self, key: &str) -> Option<&'a DeValue<'a>> {
        self.table.get(key).map(Spanned::get_ref)
    }

    fn wrong_type(&self, faults: &mut Vec<Fault>, key: &str, value: &DeValue<'_>, remedy: &str) {
        let kind = value.type_str();
        let article = if kind.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
        self.note(faults, key, format!("is {article} {kind}"), format!("write {remedy}"));
    }

    /// A text in quotes; `expected` says what to write instead of another type.
    pub(super) fn text(&self, faults: &mut Vec<Fault>, key: &str, expected: &str) -> Option<&'a str> {
        match self.value(key)? {
            DeValue::String(text) => Some(text.as_ref()),
            other => {
                self.wrong_type(faults, key, other, expected);
                None
            }
        }
    }

    /// As [`Section::text`], but the key must be there.
    pub(super) fn required_text(&self, faults: &mut Vec<Fault>, key: &str, expected: &str) -> Option<&'a str> {
        if !self.has(key) {
            self.note(faults, key, "is missing", format!("write {key} = {expected}"));
        }
        self.text(faults, key, expected)
    }

    /// `true` or `false`.
    pub(super) fn switch(&self, faults: &mut Vec<Fault>, key: &str, default: bool) -> bool {
        match self.value(key) {
            None => default,
            Some(DeValue::Boolean(value)) => *value,
            Some(other) => {
                self.wrong_type(faults, key, other, "true or false, without quotes");
                default
            }
        }
    }

    /// A whole number within a range.
    pub(super) fn count(&self, faults: &mut Vec<Fault>, key: &str, default: u32, range: RangeInclusive<u32>) -> u32 {
        let expected = format!("a whole number from {} to {}", range.start(), range.end());
        let Some(value) = self.value(key) else { return default };
        let DeValue::Integer(number) = value else {
            self.wrong_type(faults, key, value, &expected);
            return default;
        };
        match u32::from_str_radix(number.as_str(), number.radix()) {
            Ok(count) if range.contains(&count) => count,
            _ => {
                self.note(faults, key, format!("{} is out of range", number.as_str()), format!("write {expected}"));
                default
            }
        }
    }

    /// A number of 0 to 100; whole or with a fraction.
    pub(super) fn percent(&self, faults: &mut Vec<Fault>, key: &str, default: f64) -> f64 {
        const EXPECTED: &str = "a number from 0 to 100, such as 1.0";
        let number = match self.value(key) {
            None => return default,
            Some(DeValue::Integer(number)) if number.radix() == 10 => number.as_str(),
            Some(DeValue::Float(number)) => number.as_str(),
            Some(other) => {
                self.wrong_type(faults, key, other, EXPECTED);
                return default;
            }
        };
        match number.parse::<f64>() {
            Ok(percent) if (0.0..=100.0).contains(&percent) => percent,
            _ => {
                self.note(faults, key, format!("{number} is out of range"), format!("write {EXPECTED}"));
                default
            }
        }
    }

    /// A duration within a range; `why` says why the range has these ends.
    pub(super) fn duration(
        &self,
        faults: &mut Vec<Fault>,
        key: &str,
        default: Duration,
        range: RangeInclusive<Duration>,
        why: &str,
    ) -> Duration {
        const EXPECTED: &str = "a number and a unit in quotes: \"250ms\", \"2s\", \"5m\", \"1h\" or \"7d\"";
        let Some(text) = self.text(faults, key, EXPECTED) else { return default };
        let (least, most) = (duration::write(*range.start()), duration::write(*range.end()));
        match duration::parse(text) {
            Some(length) if range.contains(&length) => length,
            Some(_) => {
                let problem = format!("{text:?} is out of range: {why}");
                self.note(
                    faults,
                    key,
                    problem,
                    format!("write \"{least}\" to \"{most}\"; the default is {:?}", duration::write(default)),
                );
                default
            }
            None => {
                self.note(faults, key, format!("{text:?} is not a duration"), format!("write {EXPECTED}"));
                default
            }
        }
    }

    /// The path of a file; absolute, because commands and daemon are started in different directories.
    pub(super) fn path(&self, faults: &mut Vec<Fault>, key: &str, default: &str) -> PathBuf {
        self.optional_path(faults, key, default).unwrap_or_else(|| PathBuf::from(default))
    }

    /// As [`Section::path`], where the key is there; the example says what one looks like.
    pub(super) fn optional_path(&self, faults: &mut Vec<Fault>, key: &str, example: &str) -> Option<PathBuf> {
        let expected = format!("an absolute path in quotes, such as {example:?}");
        let path = PathBuf::from(self.text(faults, key, &expected)?);
        if !path.is_absolute() {
            let problem = format!("{path:?} is not absolute; it would be another file in every directory");
            self.note(faults, key, problem, format!("write {expected}"));
        }
        Some(path)
    }

    /// A loopback address to listen on.
    pub(super) fn listener(&self, faults: &mut Vec<Fault>, key: &str, default: SocketAddr) -> SocketAddr {
        let remedy = format!("write \"127.0.0.1:PORT\" or \"[::1]:PORT\"; the default is \"{default}\"");
        let Some(text) = self.text(faults, key, "\"127.0.0.1:PORT\" in quotes") else { return default };
        listener::loopback_listener(text).unwrap_or_else(|problem| {
            self.note(faults, key, problem, remedy);
            default
        })
    }

    /// An address to listen on with TLS.
    pub(super) fn any_listener(&self, faults: &mut Vec<Fault>, key: &str, default: SocketAddr) -> SocketAddr {
        let remedy = format!("write \"ADDRESS:PORT\"; the default is \"{default}\"");
        let Some(text) = self.text(faults, key, "\"ADDRESS:PORT\" in quotes") else { return default };
        listener::any_listener(text).unwrap_or_else(|problem| {
            self.note(faults, key, problem, remedy);
            default
        })
    }

    /// Where a server without TLS answers, on this machine.
    pub(super) fn origin(&self, faults: &mut Vec<Fault>, key: &str, url: &str) -> Option<Origin> {
        match Origin::from_url(url) {
            Ok(origin) => Some(origin),
            Err(bad) => {
                self.note(faults, key, bad.to_string(), bad.remedy());
                None
            }
        }
    }

    /// The required name of a VMA.
    pub(super) fn vma_name(&self, faults: &mut Vec<Fault>, key: &str) -> Option<VmaName> {
        const EXPECTED: &str = "\"site-a\", the name that jobs refer to";
        let text = self.required_text(faults, key, EXPECTED)?;
        match VmaName::parse(text) {
            Ok(name) => Some(name),
            Err(bad) => {
                self.note(faults, key, bad.to_string(), format!("write {EXPECTED}"));
                None
            }
        }
    }

    /// The section of that name, where it is there.
    pub(super) fn section(&self, faults: &mut Vec<Fault>, key: &str, known: &[&str]) -> Option<Self> {
        match self.value(key)? {
            DeValue::Table(table) => {
                let section = Self { text: self.text, path: self.full(key), line: self.line_of(key), table };
                section.note_unknown_keys(known, faults);
                Some(section)
            }
            other => {
                self.wrong_type(faults, key, other, &format!("a section: a line [{key}], its keys below"));
                None
            }
        }
    }

    /// The sections of a repeated head, `[[key]]`; `vma[1]` is the first.
    pub(super) fn sections(&self, faults: &mut Vec<Fault>, key: &str, known: &[&str]) -> Vec<Self> {
        let expected = format!("one line [[{key}]] with double brackets before the keys of each");
        let items = match self.value(key) {
            None => return Vec::new(),
            Some(DeValue::Array(items)) => items,
            Some(other) => {
                self.wrong_type(faults, key, other, &expected);
                return Vec::new();
            }
        };
        let mut sections = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let DeValue::Table(table) = item.get_ref() else {
                self.wrong_type(faults, key, item.get_ref(), &expected);
                continue;
            };
            let path = format!("{}[{}]", self.full(key), index + 1);
            let section = Self { text: self.text, path, line: line_at(self.text, item.span().start), table };
            section.note_unknown_keys(known, faults);
            sections.push(section);
        }
        sections
    }
}
