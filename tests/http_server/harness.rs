//! A real server on a thread of its own, raw sockets to talk to it, and hand-made servers for the client.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::rc::Rc;
use std::thread::JoinHandle;
use std::time::Duration;

use async_io::{Async, Timer};
use smol::LocalExecutor;
use smol::channel::{Receiver, Sender, bounded, unbounded};
use waybill::net::server::{ServerLimits, serve};
use waybill::wire::http::{Request, Response};

/// No test waits longer than this for a byte that ought to come.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A running server; it stops when this is dropped.
pub struct Server {
    pub address: SocketAddr,
    /// One message lets one request of `/hold` go on.
    pub release: Sender<()>,
    stop: Sender<()>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub fn start(limits: ServerLimits) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = bounded::<()>(1);
        let (release, released) = unbounded();
        let thread = std::thread::spawn(move || {
            let executor = Rc::new(LocalExecutor::new());
            let handler = Rc::new(async move |request| answer(request, &released).await);
            let listener = Async::new(listener).unwrap();
            let serving = executor.spawn(serve(Rc::clone(&executor), listener, limits, handler));
            async_io::block_on(executor.run(async {
                let _ = stopped.recv().await;
                serving.cancel().await;
            }));
        });
        Self { address, release, stop, thread: Some(thread) }
    }

    pub fn connect(&self) -> Peer {
        Peer::new(self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.stop.try_send(());
        let ended = self.thread.take().unwrap().join();
        assert!(ended.is_ok() || std::thread::panicking(), "the server's thread panicked");
    }
}

/// Echoes what was understood: `METHOD /a|b k=v [body]`.
async fn answer(request: Request, released: &Receiver<()>) -> Response {
    match request.segments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["panic"] => panic!("as the test wishes"),
        ["hold"] => {
            let _ = released.recv().await;
            Response::text(200, "held")
        }
        ["slowly"] => {
            Timer::after(Duration::from_millis(30)).await;
            Response::text(200, "slowly")
        }
        ["status", code] => Response::text(code.parse().unwrap(), "a body"),
        ["big", bytes] => Response::text(200, "x".repeat(bytes.parse().unwrap())),
        segments => {
            let query: Vec<String> = request.query.iter().map(|(key, value)| format!("{key}={value}")).collect();
            let mut text = format!("{} /{} {} [", request.method.name(), segments.join("|"), query.join("&"));
            text.push_str(&String::from_utf8_lossy(&request.body));
            let mut response = Response::text(200, text + "]");
            response.headers.push(("X-Fields", request.headers.len().to_string()));
            response
        }
    }
}

/// A client's end of a connection, byte by byte under the test's control.
pub struct Peer {
    pub stream: TcpStream,
    unread: Vec<u8>,
}

/// An answer as it stood on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Raw {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Raw {
    pub fn field(&self, name: &str) -> Option<&str> {
        self.head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|f| f.1)
    }
}

impl Peer {
    pub fn new(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { stream, unread: Vec::new() }
    }

    /// Sends; a server that has closed already is no failure of the sender.
    pub fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    pub fn send_byte_by_byte(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.send(&[*byte]);
        }
    }

    pub fn close_sending(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// The next answer; `None` at the end of the stream. A reset is a failure: the server must not cause one.
    pub fn receive(&mut self, to_head: bool) -> Option<Raw> {
        let end = loop {
            if let Some(end) = self.unread.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            if self.read_more() == 0 {
                assert!(self.unread.is_empty(), "the stream ended within a head");
                return None;
            }
        };
        let head = String::from_utf8(self.unread.drain(..end).collect()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let mut raw = Raw { status, head, body: String::new() };
        let length: usize = raw.field("content-length").map_or(0, |length| length.parse().unwrap());
        if !to_head {
            while self.unread.len() < length {
                assert!(self.read_more() > 0, "the stream ended within a body");
            }
            raw.body = String::from_utf8(self.unread.drain(..length).collect()).unwrap();
        }
        Some(raw)
    }

    fn read_more(&mut self) -> usize {
        let mut space = [0; 65536];
        let count = self.stream.read(&mut space).expect("bytes or an orderly end, and neither a reset nor silence");
        self.unread.extend_from_slice(&space[..count]);
        count
    }

    /// Whether the server has closed in good order and sent nothing more.
    pub fn is_closed(&mut self) -> bool {
        self.receive(false).is_none()
    }

    /// Whether the connection has ended by now, in good order or not.
    pub fn is_gone(&mut self) -> bool {
        match self.stream.read(&mut [0]) {
            Ok(count) => count == 0,
            Err(error) => error.kind() == ErrorKind::ConnectionReset,
        }
    }

    /// Whether the connection still serves.
    pub fn is_served(&mut self) -> bool {
        self.send(b"GET /alive HTTP/1.1\r\nHost: h\r\n\r\n");
        self.receive(false).is_some_and(|raw| raw.body == "GET /alive  []")
    }
}

/// Limits with every wait short; `linger` long enough for a loaded machine.
pub fn quick() -> ServerLimits {
    ServerLimits {
        idle: Duration::from_millis(300),
        head: Duration::from_millis(300),
        pace_window: Duration::from_millis(300),
        ..ServerLimits::default()
    }
}

/// A server by hand: `play` gets each connection with its number, on a thread of its own.
pub fn hand_made(play: impl Fn(usize, TcpStream) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let play = std::sync::Arc::new(play);
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let (play, stream) = (std::sync::Arc::clone(&play), stream.unwrap());
            stream.set_nodelay(true).unwrap();
            std::thread::spawn(move || play(number, stream));
        }
    });
    address
}

/// Reads one request (of a client that sends head and body at once) and tells its first line; "" when the client left.
pub fn read_request(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let mut space = [0; 4096];
    while !bytes.windows(4).any(|four| four == b"\r\n\r\n") {
        match stream.read(&mut space) {
            Ok(count @ 1..) => bytes.extend_from_slice(&space[..count]),
            _ => return String::new(),
        }
    }
    String::from_utf8_lossy(&bytes).lines().next().unwrap_or_default().to_owned()
}
