//! What the commands of `waybill pki` share: the configuration, the authority's books, and whom the options mean.

use std::ffi::OsString;
use std::path::Path;

use crate::cli::args::{self, Given, Spec};
use crate::cli::{daemon, database};
use crate::config::{OmaConfig, PkiConfig};
use crate::exit::{Exit, Failure};
use crate::model::id::VmaName;
use crate::model::peer::Peer;
use crate::pki::authority::Authority;
use crate::pki::files;
use crate::store::Store;

/// The option that all of them take.
pub(super) const CONFIG: (&str, &str, bool) = ("config", "FILE", false);
const DEFAULT_CONFIG: &str = "/etc/waybill/oma.toml";

/// What the commands work on: the OMA's configuration with an authority in it, and the books.
pub(super) struct Office {
    pub(super) config: OmaConfig,
    pub(super) pki: PkiConfig,
    pub(super) store: Store,
}

impl Office {
    /// Reads the configuration and opens the books.
    pub(super) fn open(given: &Given) -> Result<Self, Failure> {
        let file = given.raw("config").unwrap_or_else(|| OsString::from(DEFAULT_CONFIG));
        let name = file.to_string_lossy().into_owned();
        let config = OmaConfig::parse(&daemon::read(Path::new(&file))?, &name);
        let config = config.map_err(|errors| daemon::refused(&errors))?;
        let Some(pki) = config.pki.clone() else {
            let failure = Failure::new(Exit::Configuration, name, "it has no section [pki]");
            return Err(failure.with_remedy("write one, as the shipped oma.toml shows"));
        };
        let store = Store::open(&config.database).map_err(|error| database::failure(&error))?;
        // Root makes them for the daemon.
        files::give_to_folders_owner(&config.database).map_err(|why| failed("open the database", &why))?;
        Ok(Self { config, pki, store })
    }

    /// The authority, for signing.
    pub(super) fn authority(&self) -> Result<Authority, Failure> {
        Authority::open(&self.pki.folder).map_err(|why| {
            failed("use the authority", &why)
                .with_remedy("`waybill pki init` makes one; it runs as root or as the daemon's user")
        })
    }
}

/// A step that failed.
pub(super) fn failed(what: &str, why: &dyn std::fmt::Display) -> Failure {
    Failure::new(Exit::Failed, format!("cannot {what}"), why)
}

/// Whom the options mean: exactly one of `--vma NAME`, `--operator NAME` and, where it is possible, `--oma`.
pub(super) fn owner(spec: &Spec, given: &Given) -> Result<Option<Peer>, Failure> {
    let name = |option: &str| -> Result<Option<VmaName>, Failure> {
        let value = given.value(spec, option)?;
        value.map(|value| args::id(spec, &format!("--{option}"), &value, VmaName::parse)).transpose()
    };
    let vma = name("vma")?.map(Peer::Vma);
    let operator = name("operator")?.map(|name| Peer::Operator(name.to_string()));
    let oma = given.has("oma").then_some(Peer::Oma);
    let mut named = [vma, operator, oma].into_iter().flatten();
    match (named.next(), named.next()) {
        (_, Some(_)) => Err(args::usage(spec, &"only one owner can be named")),
        (owner, None) => Ok(owner),
    }
}
