//! One request to an appliance on this machine, and its answer as an exit code: an unknown job is 4, a refusal 6. Silence
//! is 5, and so is an answer of another appliance or another program: what was meant was not reached.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use crate::config::{OmaConfig, VmaConfig};
use crate::exit::{Exit, Failure};
use crate::view::units::plain;
use crate::wire::origin::Origin;
use crate::wire::problem::{self, Kind, ReadProblem};
use crate::wire::update;

/// Where a VMA of this machine answers, unless another address is named.
pub const DEFAULT_VMA: &str = "http://127.0.0.1:8081";
/// Where an OMA of this machine answers, unless another address is named.
pub const DEFAULT_OMA: &str = "http://127.0.0.1:8082";
/// Where the packages put the configuration.
const CONFIGURATION: &str = "/etc/waybill";
/// Limit of the whole request; a person waits.
const LIMIT: Duration = Duration::from_secs(10);
/// Bytes of an answer that are read.
const ANSWER_BYTES: u64 = 1024 * 1024;

/// Which appliance is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Addressee {
    /// The one beside vCenter.
    Vma,
    /// The one beside the target.
    Oma,
}

impl Addressee {
    fn called(self) -> &'static str {
        match self {
            Self::Vma => "VMA",
            Self::Oma => "OMA",
        }
    }
    fn option(self) -> &'static str {
        match self {
            Self::Vma => "vma",
            Self::Oma => "oma",
        }
    }
    fn variable(self) -> &'static str {
        match self {
            Self::Vma => "WAYBILL_VMA",
            Self::Oma => "WAYBILL_OMA",
        }
    }
    /// How the next command reaches another address.
    fn way(self) -> String {
        format!("--{} URL or the environment variable {}", self.option(), self.variable())
    }
}

/// Where an appliance answers, and who says so.
#[derive(Debug, PartialEq, Eq)]
pub struct Appliance {
    side: Addressee,
    /// Its address, as `http://127.0.0.1:8081`.
    url: String,
    /// What named the address, as `--oma` or a file.
    named_by: String,
}

impl Appliance {
    /// The address that was given, else that of the environment, of the installed configuration, or the usual one.
    pub fn of(side: Addressee, given: Option<String>) -> Self {
        let variable = std::env::var_os(side.variable());
        Self::find(side, given, variable, Path::new(CONFIGURATION))
    }

    fn find(side: Addressee, given: Option<String>, variable: Option<OsString>, directory: &Path) -> Self {
        let named = |url: String, by: &str| Self { side, url, named_by: by.to_owned() };
        if let Some(url) = given {
            return named(url, &format!("--{}", side.option()));
        }
        if let Some(url) = variable.filter(|url| !url.is_empty()) {
            return named(url.to_string_lossy().into_owned(), side.variable());
        }
        let file = directory.join(side.option()).with_extension("toml");
        let text = std::fs::read_to_string(&file).ok();
        // A file that cannot be read says nothing here; `waybill check-config` says what is wrong with it.
        let listen = text.and_then(|text| match side {
            Addressee::Vma => VmaConfig::parse(&text, "vma.toml").ok().map(|config| config.listen),
            Addressee::Oma => OmaConfig::parse(&text, "oma.toml").ok().map(|config| config.listen),
        });
        match (listen, side) {
            (Some(listen), _) => named(format!("http://{listen}"), &format!("`listen` of {}", file.display())),
            (None, Addressee::Vma) => named(DEFAULT_VMA.to_owned(), "the default"),
            (None, Addressee::Oma) => named(DEFAULT_OMA.to_owned(), "the default"),
        }
    }
}

/// Posts JSON to a path that begins with `/`; answers the status of a success, 200 to 299.
pub fn post(to: &Appliance, path: &str, body: &str, what: &str) -> Result<u16, Failure> {
    Origin::from_url(&to.url).map_err(|bad| {
        let why = format!("{} {bad}", to.named_by);
        Failure::new(Exit::Usage, what, why).with_remedy(bad.remedy())
    })?;
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(LIMIT))
        .max_redirects(0)
        .max_redirects_will_error(false)
        .proxy(None)
        .build();
    let url = format!("{}{path}", to.url.trim_end_matches('/'));
    let sent = ureq::Agent::new_with_config(config).post(&url).header("Content-Type", "application/json").send(body);
    let mut answer = sent.map_err(|error| unreachable(to, what, &error))?;
    let status = answer.status().as_u16();
    let body = answer.body_mut().with_config().limit(ANSWER_BYTES).read_to_vec().unwrap_or_default();
    if (200..300).contains(&status) && update::parse_taken(&body).is_some() {
        return Ok(status);
    }
    Err(refused(to, what, status, &body))
}

fn unreachable(to: &Appliance, what: &str, error: &ureq::Error) -> Failure {
    let (called, url, named_by, way) = (to.side.called(), &to.url, &to.named_by, to.side.way());
    let why = format!("the {called} at {url} ({named_by}) does not answer: {error}");
    let remedy = format!("see whether its daemon runs, or name another address with {way}");
    Failure::new(Exit::Unreachable, what, why).with_remedy(remedy)
}

/// A failure in the words of the answer.
fn refused(to: &Appliance, what: &str, status: u16, body: &[u8]) -> Failure {
    let problem = match problem::read(body) {
        Some(problem) if !problem.is(Kind::NoSuchPath) => problem,
        other => return answered_by_another(to, what, status, other),
    };
    let exit = match status {
        404 => Exit::NotFound,
        409 => Exit::Refused,
        _ => Exit::Failed,
    };
    let why =
        [problem.title, problem.detail].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(": ");
    let mut failure = Failure::new(exit, what, plain(&why));
    failure.remedy = problem.remedy.map(|remedy| plain(&remedy));
    failure
}

/// The address leads elsewhere than was meant.
fn answered_by_another(to: &Appliance, what: &str, status: u16, problem: Option<ReadProblem>) -> Failure {
    let (called, way) = (to.side.called(), to.side.way());
    let other = match problem.map(|problem| problem.appliance) {
        Some(Some(appliance)) => format!("waybill's {}", plain(&appliance)),
        Some(None) => "another appliance of waybill".to_owned(),
        None => format!("a program that is not waybill (status {status})"),
    };
    let why = format!("at {} ({}) answers {other}, not the {called}", to.url, to.named_by);
    let remedy = format!("name the address of the {called} (`listen` of its configuration) with {way}");
    Failure::new(Exit::Unreachable, what, why).with_remedy(remedy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_that_of_the_option_the_environment_the_file_or_usual() {
        let directory = tempfile::tempdir().expect("a directory");
        let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).expect("written");
        let found = |side, given: Option<&str>, variable: Option<&str>| {
            let found = Appliance::find(side, given.map(str::to_owned), variable.map(OsString::from), directory.path());
            (found.url, found.named_by)
        };
        assert_eq!(found(Addressee::Oma, None, None), (DEFAULT_OMA.to_owned(), "the default".to_owned()));
        assert_eq!(found(Addressee::Vma, None, Some("")), (DEFAULT_VMA.to_owned(), "the default".to_owned()));
        write("oma.toml", "database = '/srv/oma.db'\nlisten = '127.0.0.1:9082'");
        write("vma.toml", "database = '/srv/vma.db'\nlisten = 5");
        let (url, by) = found(Addressee::Oma, None, None);
        assert_eq!((url.as_str(), by.starts_with("`listen` of /")), ("http://127.0.0.1:9082", true), "{by}");
        assert_eq!(found(Addressee::Vma, None, None).0, DEFAULT_VMA, "a faulty file says nothing");
        let environment = ("http://127.0.0.1:1".to_owned(), "WAYBILL_OMA".to_owned());
        assert_eq!(found(Addressee::Oma, None, Some("http://127.0.0.1:1")), environment);
        assert_eq!(found(Addressee::Oma, Some("http://127.0.0.1:2"), Some("x")).1, "--oma");
    }
}
