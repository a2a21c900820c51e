//! Faults in a configuration: each says where, what and what to do about it.

use std::fmt;

/// One fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Line in the file, from 1.
    pub line: usize,
    /// The key with its section, `poll.interval` or `vma[2].url`; "" where the file is no TOML at that line.
    pub key: String,
    /// What is wrong.
    pub problem: String,
    /// What to write instead.
    pub remedy: String,
}

/// All faults of one file, in the order of its lines; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigErrors {
    /// The file as it was named.
    pub file: String,
    /// The faults.
    pub faults: Vec<Fault>,
}

impl fmt::Display for ConfigErrors {
    /// Two lines a fault: `FILE:LINE: KEY: PROBLEM`, which editors can jump to, and the remedy.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.faults.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{}:{}: ", self.file, fault.line)?;
            if !fault.key.is_empty() {
                write!(f, "{}: ", fault.key)?;
            }
            write!(f, "{}\n  remedy: {}", fault.problem, fault.remedy)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

/// Runs `read` and answers its result, or every fault that it noted. `read` answers `None` only after noting one.
pub(super) fn collect<T>(file: &str, read: impl FnOnce(&mut Vec<Fault>) -> Option<T>) -> Result<T, ConfigErrors> {
    let mut faults = Vec::new();
    match read(&mut faults) {
        Some(config) if faults.is_empty() => Ok(config),
        _ => {
            faults.sort_by_key(|fault| fault.line);
            Err(ConfigErrors { file: file.to_owned(), faults })
        }
    }
}
