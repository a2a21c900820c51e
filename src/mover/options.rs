//! How the movers' command lines spell options and their values, as getopt_long reads them. What is no value is none: the
//! mover itself will say so.

use std::ffi::OsString;
use std::str::FromStr;

/// A long option's name, and its value: what follows `=`, else the next argument where the option is one that takes it.
pub fn long<'t, 'a>(
    text: &'t str,
    with_value: &[&str],
    rest: &mut impl Iterator<Item = &'a OsString>,
) -> (&'t str, Option<OsString>) {
    match text.split_once('=') {
        Some((name, value)) => (name, Some(OsString::from(value))),
        None if with_value.contains(&text) => (text, rest.next().cloned()),
        None => (text, None),
    }
}

/// The value of a short option: what is attached to its letter, else the next argument.
pub fn short<'a>(attached: &str, rest: &mut impl Iterator<Item = &'a OsString>) -> Option<OsString> {
    if attached.is_empty() { rest.next().cloned() } else { Some(attached.into()) }
}

/// A value that is a number.
pub fn number<T: FromStr>(value: Option<OsString>) -> Option<T> {
    value?.to_str()?.parse().ok()
}
