//! What both daemons need of the machine to start, and how a request reaches their loop.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use smol::channel::Sender;
use smol::stream::{Stream, StreamExt};

use crate::exit::{Exit, Failure};
use crate::model::id::CorrelationId;
use crate::policy::refusal::Refusal;
use crate::store::StoreError;
use crate::wire::http::{Request, Response};
use crate::wire::problem::{Kind, Problem};

/// Holds a database for this daemon alone: two would poll and write beside each other. The hold ends with the process,
/// however that ends.
///
/// # Errors
/// Where another daemon holds it, or the lock file beside it cannot be made.
pub fn hold_database(database: &Path) -> Result<File, Failure> {
    // A link to the file is the same database.
    let mut name = std::fs::canonicalize(database).unwrap_or_else(|_| database.to_owned()).into_os_string();
    name.push(".lock");
    let file = File::options().create(true).truncate(false).write(true).open(&name);
    let file = file.map_err(|error| {
        Failure::new(Exit::Failed, format!("cannot make {}", Path::new(&name).display()), error)
            .with_remedy("make the database's folder and let this user write in it")
    })?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(error) => Err(Failure::new(Exit::Failed, format!("cannot use {}", database.display()), error)
            .with_remedy("another daemon has this database: end it, or give this one its own `database`")),
    }
}

/// A database that cannot be opened, as the end of a command.
pub fn database_failure(error: &StoreError) -> Failure {
    Failure::new(Exit::Failed, "cannot open the database", error)
}

/// A certificate that cannot be used, as the end of a command.
pub fn certificate_failure(why: &str) -> Failure {
    Failure::new(Exit::Configuration, "cannot use the certificates of the configuration", why).with_remedy(
        "`waybill pki init` makes an authority and the OMA's certificate, `waybill enroll` that of a VMA; or name \
         other files",
    )
}

/// A number that is another at every start, for jitter and correlation ids.
pub fn seed() -> u64 {
    let mut bytes = [0; 8];
    let read = File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes));
    match read {
        Ok(()) => u64::from_ne_bytes(bytes),
        // Without the device the process id still tells two daemons apart.
        Err(_) => u64::from(std::process::id()),
    }
}

/// A refusal as a problem; the same for both appliances.
pub fn refuse(refusal: &Refusal) -> Problem {
    let kind = match refusal {
        Refusal::UnknownJob { .. } | Refusal::NotTracked { .. } => Kind::UnknownJob,
        Refusal::UnknownVma { .. } => Kind::UnknownVma,
        Refusal::Finished { .. } | Refusal::Archived { .. } => Kind::Finished,
        Refusal::Contradiction { .. } => Kind::Contradiction,
        Refusal::AliasTaken { .. } => Kind::AliasTaken,
        Refusal::DisksOpen { .. } => Kind::DisksOpen,
        Refusal::NotYours { .. } => Kind::NotYours,
        Refusal::Full { .. } => Kind::Full,
        Refusal::TooMany { .. } => Kind::TooMany,
    };
    Problem::new(kind, refusal.to_string()).with_remedy(refusal.remedy())
}

/// A database that does not answer, as a problem; the same for both appliances.
pub fn unreadable(error: &StoreError) -> Problem {
    log::error!("{error}");
    Problem::new(Kind::Database, format!("the database cannot be read: {error}"))
        .with_remedy("repeat the request; the daemon's log says what is wrong with the database")
}

/// The answer to the question if the daemon is alive, with the name of the appliance and listener that answers.
pub fn alive(appliance: &str) -> Response {
    Response::json(200, format!("{{\"status\":\"alive\",\"appliance\":\"{appliance}\"}}"))
}

/// The headers of a request about a job: its correlation id, where it has one.
pub fn correlated(correlation: Option<&CorrelationId>) -> Vec<(&'static str, &str)> {
    correlation.map(|id| ("X-Correlation-ID", id.as_str())).into_iter().collect()
}

/// Hands a request to the loop and waits for its answer.
pub async fn ask<E>(
    events: &Sender<E>,
    request: Request,
    event: impl FnOnce(Request, Sender<Response>) -> E,
) -> Response {
    let (reply, answer) = smol::channel::bounded(1);
    let gone = || Problem::new(Kind::Stopping, "repeat the request in a moment").into();
    if events.send(event(request, reply)).await.is_err() {
        return gone();
    }
    answer.recv().await.unwrap_or_else(|_| gone())
}

/// Sends each item of a stream to the loop, until the loop has ended.
pub async fn forward<T, E>(stream: impl Stream<Item = T>, events: Sender<E>, event: impl Fn(T) -> E) {
    smol::pin!(stream);
    while let Some(item) = stream.next().await {
        if events.send(event(item)).await.is_err() {
            return;
        }
    }
}
