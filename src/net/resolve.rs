//! Host names to addresses, off the executor's thread.
//!
//! `getaddrinfo` blocks, for seconds where a name server is silent. One thread for the whole process does it (R-80
//! allows one more while a name is being resolved): it starts with the first name, takes the waiting ones in order, and
//! ends when none is left. Addresses never come here.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::{Mutex, MutexGuard, PoisonError};

use smol::channel::{Sender, bounded};

type Found = Result<Vec<SocketAddr>, String>;

struct Lookup {
    host: String,
    port: u16,
    answer: Sender<Found>,
}

/// The names that wait; `None` while no thread runs. It is locked for moments only, never while a name is resolved.
static WAITING: Mutex<Option<VecDeque<Lookup>>> = Mutex::new(None);

fn waiting() -> MutexGuard<'static, Option<VecDeque<Lookup>>> {
    WAITING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The addresses of a host, at least one; the error says why there are none. A name whose
/// future was dropped is passed over.
pub async fn addresses(host: &str, port: u16) -> Found {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    let (answer, found) = bounded(1);
    enqueue(Lookup { host: host.to_owned(), port, answer })?;
    let found = found.recv().await.map_err(|_| "the resolver thread has ended".to_owned())??;
    if found.is_empty() { Err(format!("{host} has no address")) } else { Ok(found) }
}

fn enqueue(lookup: Lookup) -> Result<(), String> {
    let mut queue = waiting();
    if let Some(queue) = queue.as_mut() {
        // While a name server is silent, calls run out of time and come again.
        queue.retain(|other| !other.answer.is_closed());
        queue.push_back(lookup);
        return Ok(());
    }
    std::thread::Builder::new()
        .name("resolve".to_owned())
        .spawn(resolve_all)
        .map_err(|error| format!("no thread to resolve it: {error}"))?;
    *queue = Some(VecDeque::from([lookup]));
    Ok(())
}

fn resolve_all() {
    while let Some(next) = next_lookup() {
        // Whoever asked may have run out of time meanwhile.
        if next.answer.is_closed() {
            continue;
        }
        let found: Found = match (next.host.as_str(), next.port).to_socket_addrs() {
            Ok(addresses) => Ok(addresses.collect()),
            Err(error) => Err(error.to_string()),
        };
        for lookup in same_as(&next) {
            let _ = lookup.answer.try_send(found.clone());
        }
        let _ = next.answer.try_send(found);
    }
}

fn next_lookup() -> Option<Lookup> {
    let mut queue = waiting();
    let next = queue.as_mut().and_then(VecDeque::pop_front);
    if next.is_none() {
        *queue = None;
    }
    next
}

/// Takes out of the queue what asks for the same.
fn same_as(answered: &Lookup) -> VecDeque<Lookup> {
    let mut queue = waiting();
    let Some(queue) = queue.as_mut() else { return VecDeque::new() };
    let (same, rest) = queue.drain(..).partition(|lookup| lookup.host == answered.host && lookup.port == answered.port);
    *queue = rest;
    same
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn localhost_is_found_however_many_ask_at_once() {
        async_io::block_on(async {
            for _ in 0..3 {
                let (first, second) = smol::future::zip(addresses("localhost", 80), addresses("localhost", 80)).await;
                assert!(first.as_ref().is_ok_and(|found| found.iter().all(|address| address.ip().is_loopback())));
                assert_eq!(first, second);
            }
        });
    }

    #[test]
    fn a_name_that_does_not_exist_says_so() {
        assert!(async_io::block_on(addresses("no-such-host.invalid", 80)).is_err());
    }

    #[test]
    fn an_address_starts_no_thread() {
        assert_eq!(async_io::block_on(addresses("::1", 9)), Ok(vec!["[::1]:9".parse().unwrap()]));
    }
}
