//! Command lines, read against a description: what a command takes, and what is wrong with what it was given.

use std::ffi::OsString;

use crate::config::nearest;
use crate::exit::{Exit, Failure};

/// What a command takes.
pub struct Spec {
    /// Its name.
    pub name: &'static str,
    /// Its words, in order, as the help calls them; one in brackets, `[JOB]`, may be left out.
    pub words: &'static [&'static str],
    /// Options with a value: name, what the help calls the value, and whether it may be given more than once.
    pub options: &'static [(&'static str, &'static str, bool)],
    /// Options without a value.
    pub switches: &'static [&'static str],
    /// The text of `--help`.
    pub help: &'static str,
}

/// What a command was given.
#[derive(Debug, Default)]
pub struct Given {
    words: Vec<OsString>,
    options: Vec<(&'static str, OsString)>,
    switches: Vec<&'static str>,
}

/// Reads a command line; `None` where help was asked for. An error is a [`Exit::Usage`] and names the nearest option.
pub fn read(spec: &Spec, args: Vec<OsString>) -> Result<Option<Given>, Failure> {
    let mut given = Given::default();
    let mut parser = lexopt::Parser::from_args(args);
    let refuse = |why: &dyn std::fmt::Display| usage(spec, why);
    while let Some(arg) = parser.next().map_err(|error| refuse(&error))? {
        match arg {
            lexopt::Arg::Short('h') | lexopt::Arg::Long("help") => return Ok(None),
            lexopt::Arg::Long(name) => {
                if let Some(switch) = spec.switches.iter().find(|switch| **switch == name) {
                    given.switches.push(switch);
                    continue;
                }
                let Some((option, _, repeatable)) = spec.options.iter().find(|(option, ..)| *option == name) else {
                    return Err(unknown_option(spec, name));
                };
                if !repeatable && given.options.iter().any(|(known, _)| known == option) {
                    return Err(refuse(&format!("--{option} is given twice")));
                }
                let value = parser.value().map_err(|error| refuse(&error))?;
                given.options.push((option, value));
            }
            lexopt::Arg::Short(letter) => return Err(unknown_option(spec, &letter.to_string())),
            lexopt::Arg::Value(word) if given.words.len() < spec.words.len() => given.words.push(word),
            lexopt::Arg::Value(word) => return Err(refuse(&format!("{word:?} is one word too many"))),
        }
    }
    match spec.words.get(given.words.len()) {
        Some(missing) if !missing.starts_with('[') => Err(refuse(&format!("{missing} is missing"))),
        Some(_) | None => Ok(Some(given)),
    }
}

/// A command line that is refused, and how to find out what is right.
pub fn usage(spec: &Spec, why: &dyn std::fmt::Display) -> Failure {
    Failure::new(Exit::Usage, spec.name, why).with_remedy(format!("`waybill {} --help` shows how", spec.name))
}

fn unknown_option(spec: &Spec, name: &str) -> Failure {
    let known: Vec<&str> =
        spec.options.iter().map(|(option, ..)| *option).chain(spec.switches.iter().copied()).collect();
    let dashes = if name.chars().count() == 1 { "-" } else { "--" };
    match nearest(name, &known) {
        Some(near) => usage(spec, &format!("unknown option {dashes}{name}; did you mean --{near}?")),
        None => usage(spec, &format!("unknown option {dashes}{name}")),
    }
}

impl Given {
    /// The words, as text.
    pub fn word(&self, spec: &Spec, index: usize) -> Result<String, Failure> {
        let word = self.words.get(index).cloned().unwrap_or_default();
        text(spec, spec.words.get(index).copied().unwrap_or_default(), word)
    }
    /// The word, where it was given.
    pub fn optional_word(&self, spec: &Spec, index: usize) -> Result<Option<String>, Failure> {
        (index < self.words.len()).then(|| self.word(spec, index)).transpose()
    }
    /// The word as it is, for paths.
    pub fn raw_word(&self, index: usize) -> OsString {
        self.words.get(index).cloned().unwrap_or_default()
    }
    /// True where the switch was given.
    pub fn has(&self, switch: &str) -> bool {
        self.switches.contains(&switch)
    }
    /// The option's value as it is, for paths.
    pub fn raw(&self, option: &str) -> Option<OsString> {
        self.options.iter().find(|(name, _)| *name == option).map(|(_, value)| value.clone())
    }
    /// The option's value, as text.
    pub fn value(&self, spec: &Spec, option: &str) -> Result<Option<String>, Failure> {
        self.raw(option).map(|value| text(spec, &format!("--{option}"), value)).transpose()
    }
    /// As [`Given::value`]; an error where it is missing.
    pub fn required(&self, spec: &Spec, option: &str) -> Result<String, Failure> {
        let called = spec.options.iter().find(|(name, ..)| *name == option).map_or("VALUE", |(_, value, _)| value);
        self.value(spec, option)?.ok_or_else(|| usage(spec, &format!("--{option} {called} is missing")))
    }
    /// All values of a repeatable option, as texts.
    pub fn values(&self, spec: &Spec, option: &str) -> Result<Vec<String>, Failure> {
        let values = self.options.iter().filter(|(name, _)| *name == option);
        values.map(|(_, value)| text(spec, &format!("--{option}"), value.clone())).collect()
    }
}

fn text(spec: &Spec, called: &str, value: OsString) -> Result<String, Failure> {
    value.into_string().map_err(|value| usage(spec, &format!("{called} {value:?} is not UTF-8")))
}

/// An id from the command line; its rules are those of R-2.
pub fn id<T>(
    spec: &Spec,
    called: &str,
    text: &str,
    parse: impl Fn(&str) -> Result<T, crate::model::id::BadId>,
) -> Result<T, Failure> {
    parse(text).map_err(|bad| usage(spec, &format!("{called} {text:?} {bad}")))
}
