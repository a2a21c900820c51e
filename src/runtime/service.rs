//! What both daemons need of the machine to start, and how a request reaches their loop.

use std::io::Read;
use std::net::{SocketAddr, TcpListener};

use async_io::Async;
use smol::channel::Sender;
use smol::stream::{Stream, StreamExt};

use crate::exit::{Exit, Failure};
use crate::policy::refusal::Refusal;
use crate::store::StoreError;
use crate::wire::http::{Request, Response};
use crate::wire::problem::Problem;

/// Binds a listener.
///
/// # Errors
/// Where the address is taken or not of this machine; says what to do.
pub fn listen(address: SocketAddr) -> Result<Async<TcpListener>, Failure> {
    Async::<TcpListener>::bind(address).map_err(|error| {
        Failure::new(Exit::Failed, format!("cannot listen on {address}"), error)
            .with_remedy("end whatever listens there (`ss -ltnp` names it), or change `listen`")
    })
}

/// A database that cannot be opened, as the end of a command.
pub fn database_failure(error: &StoreError) -> Failure {
    Failure::new(Exit::Failed, "cannot open the database", error)
}

/// A number that is another at every start, for jitter and correlation ids.
pub fn seed() -> u64 {
    let mut bytes = [0; 8];
    let read = std::fs::File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes));
    match read {
        Ok(()) => u64::from_ne_bytes(bytes),
        // Without the device the process id still tells two daemons apart.
        Err(_) => u64::from(std::process::id()),
    }
}

/// A refusal as a problem; the same for both appliances.
pub fn refuse(refusal: &Refusal) -> Problem {
    let (status, kind, title) = match refusal {
        Refusal::UnknownJob { .. } => (404, "unknown-job", "The job is not known"),
        Refusal::UnknownVma { .. } => (400, "unknown-vma", "The VMA is not configured"),
        Refusal::Finished { .. } => (409, "finished", "The job has ended"),
        Refusal::Contradiction { .. } => (409, "contradiction", "The job is known with other facts"),
        Refusal::AliasTaken { .. } => (409, "alias-taken", "Another job has this name"),
        Refusal::DisksOpen { .. } => (409, "disks-open", "Not every declared disk is Completed"),
        Refusal::Full { .. } => (503, "full", "There is no room now"),
        Refusal::TooMany { .. } => (422, "too-many", "More is asked for than is possible"),
    };
    Problem::new(status, kind, title, refusal.to_string()).with_remedy(refusal.remedy())
}

/// Hands a request to the loop and waits for its answer.
pub async fn ask<E>(
    events: &Sender<E>,
    request: Request,
    event: impl FnOnce(Request, Sender<Response>) -> E,
) -> Response {
    let (reply, answer) = smol::channel::bounded(1);
    let gone = || Problem::new(503, "stopping", "The appliance is stopping", "repeat the request in a moment").into();
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
