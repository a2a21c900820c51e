//! The sockets that a daemon listens on: those that systemd has opened for it (`sd_listen_fds`(3)), so that port 443 needs
//! no privilege, and its own for all others.

use std::net::{SocketAddr, TcpListener};

use async_io::Async;
use listenfd::ListenFd;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::exit::{Exit, Failure};

/// Connections that wait for `accept` in the kernel. A crowd at the door must not make the right ones repeat their SYN.
const BACKLOG: i32 = 1024;

/// What systemd has opened, and nobody has taken yet.
pub struct Sockets(Vec<TcpListener>);

impl Sockets {
    /// What this process was given. To be called once, before the process opens anything.
    ///
    /// # Errors
    /// Where something else than a listening TCP socket was given.
    pub fn inherited() -> Result<Self, Failure> {
        raise_limit();
        let mut given = ListenFd::from_env();
        let mut listeners = Vec::new();
        for index in 0..given.len() {
            match given.take_tcp_listener(index) {
                Ok(Some(listener)) => listeners.push(listener),
                Ok(None) => {}
                Err(error) => {
                    let what = format!("cannot use socket {} that systemd handed over", index + 1);
                    let remedy = "give the socket unit `ListenStream=ADDRESS:PORT` lines only";
                    return Err(Failure::new(Exit::Failed, what, error).with_remedy(remedy));
                }
            }
        }
        Ok(Self(listeners))
    }

    /// A listener at this address: the one that was handed over, else one of our own.
    ///
    /// # Errors
    /// Where the address is taken or not of this machine; says what to do.
    pub fn listen(&mut self, address: SocketAddr) -> Result<Async<TcpListener>, Failure> {
        let is_it = |listener: &TcpListener| listener.local_addr().is_ok_and(|at| is_same(at, address));
        let opened = match self.0.iter().position(is_it) {
            Some(at) => Async::new(self.0.swap_remove(at)),
            None => Async::<TcpListener>::bind(address).inspect(|listener| {
                // With the kernel's own default it works as well, only not in a crowd.
                let _ = rustix::net::listen(listener.get_ref(), BACKLOG);
            }),
        };
        opened.map_err(|error| {
            let remedy = match error.kind() {
                std::io::ErrorKind::PermissionDenied => {
                    "a port below 1024 needs a privilege: let systemd open it (a .socket unit), or use another port"
                }
                _ => "end whatever listens there (`ss -ltnp` names it), or change `listen`",
            };
            Failure::new(Exit::Failed, format!("cannot listen on {address}"), error).with_remedy(remedy)
        })
    }

    /// Says which sockets nobody wanted: whoever connects there waits for ever.
    pub fn tell_unused(&self) {
        for at in self.0.iter().filter_map(|listener| listener.local_addr().ok()) {
            log::warn!("systemd has opened {at}, and nothing in the configuration listens there");
        }
    }
}

/// Lets the process have as many files open as the system permits: a crowd at port 443 must not cost the others theirs.
fn raise_limit() {
    let limit = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }) {
        log::warn!("the limit of open files stays at {:?}: {error}", limit.current);
    }
}

/// True where the socket is what the configuration means: `[::]` takes IPv4 as well.
fn is_same(opened: SocketAddr, wanted: SocketAddr) -> bool {
    let is_any = opened.ip().is_unspecified() && wanted.ip().is_unspecified();
    opened.port() == wanted.port() && (opened.ip() == wanted.ip() || is_any)
}
