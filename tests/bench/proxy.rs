//! Stands between the OMA and the VMA and writes down when each poll came and how long its answer took. It adds one hop
//! on loopback to every poll; what it measures of the VMA's answer is without that hop.

use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::http::{Connection, read_message};
use super::load::number_of;

/// One poll.
#[derive(Clone, Copy)]
pub struct Poll {
    /// The job's number.
    pub job: usize,
    /// When its request was here.
    pub at: Instant,
    /// How long the VMA took to answer.
    pub took: Duration,
}

/// The recording proxy. Its threads end with the connections.
pub struct Proxy {
    /// Where the OMA is to ask.
    pub address: SocketAddr,
    polls: Arc<Mutex<Vec<Poll>>>,
}

impl Proxy {
    /// A proxy in front of a VMA.
    pub fn before(vma: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let polls = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&polls);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let polls = Arc::clone(&shared);
                // Either side closing ends it, as it would without the proxy.
                std::thread::spawn(move || converse(stream, vma, &polls));
            }
        });
        Ok(Self { address, polls })
    }
    /// All polls since the last call.
    pub fn take(&self) -> Vec<Poll> {
        std::mem::take(&mut self.polls.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn converse(mut oma: TcpStream, vma: SocketAddr, polls: &Mutex<Vec<Poll>>) -> io::Result<()> {
    oma.set_nodelay(true)?;
    let mut vma = Connection::to(vma)?;
    let mut request = Vec::new();
    while read_message(&mut oma, &mut request)? {
        let at = Instant::now();
        let answer = vma.pass_on(&request)?;
        let took = at.elapsed();
        oma.write_all(answer)?;
        if let Some(job) = polled(&request) {
            polls.lock().unwrap_or_else(PoisonError::into_inner).push(Poll { job, at, took });
        }
    }
    Ok(())
}

fn polled(request: &[u8]) -> Option<usize> {
    let rest = request.strip_prefix(b"GET /api/v1/progress/")?;
    let end = rest.iter().position(|byte| *byte == b' ')?;
    number_of(std::str::from_utf8(&rest[..end]).ok()?)
}
