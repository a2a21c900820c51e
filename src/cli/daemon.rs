//! `waybill vma` and `waybill oma`: the configuration is read, then the appliance takes over.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::args::{self, Spec};
use super::{help, output};
use crate::config::{ConfigErrors, OmaConfig, VmaConfig};
use crate::exit::{Exit, Failure};

const VMA: Spec =
    Spec { name: "vma", words: &[], options: &[("config", "FILE", false)], switches: &[], help: help::VMA };
const OMA: Spec =
    Spec { name: "oma", words: &[], options: &[("config", "FILE", false)], switches: &[], help: help::OMA };

/// Runs the source appliance with the arguments after `vma`.
pub fn vma(args: Vec<OsString>) -> Result<Exit, Failure> {
    let Some(given) = args::read(&VMA, args)? else { return output::print(VMA.help) };
    let file = PathBuf::from(given.required(&VMA, "config")?);
    let config = VmaConfig::parse(&read(&file)?, &file.to_string_lossy()).map_err(|errors| refused(&errors))?;
    start();
    crate::vma::main(&config, &file).map(|()| Exit::Done)
}

/// Runs the target appliance with the arguments after `oma`.
pub fn oma(args: Vec<OsString>) -> Result<Exit, Failure> {
    let Some(given) = args::read(&OMA, args)? else { return output::print(OMA.help) };
    let file = PathBuf::from(given.required(&OMA, "config")?);
    let config = OmaConfig::parse(&read(&file)?, &file.to_string_lossy()).map_err(|errors| refused(&errors))?;
    start();
    crate::oma::main(&config, &file).map(|()| Exit::Done)
}

fn start() {
    crate::runtime::log::start();
    crate::runtime::guard::remember_places();
}

/// A configuration file as text.
pub(super) fn read(file: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(file).map_err(|error| {
        let what = format!("cannot read the configuration {}", file.display());
        Failure::new(Exit::Configuration, what, error).with_remedy("name a UTF-8 text file that this user may read")
    })
}

/// The failure of a configuration with its faults, one below the other.
pub(super) fn refused(errors: &ConfigErrors) -> Failure {
    let count = match errors.faults.len() {
        1 => "1 fault".to_owned(),
        several => format!("{several} faults"),
    };
    Failure::new(Exit::Configuration, format!("configuration refused, {count}"), format!("\n{errors}"))
}
