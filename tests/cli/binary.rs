//! What the tests of the binary share: running it, and an appliance that answers one request.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::{Command, Output};
use std::thread::JoinHandle;

/// The end of a command.
pub struct Ended(Output);

/// Runs the binary without the environment that would change what it prints or reads.
pub fn waybill(args: &[&str]) -> Ended {
    Ended(command(args).output().expect("the binary runs"))
}

/// As [`waybill`], with one variable in its environment.
pub fn waybill_with(name: &str, value: &str, args: &[&str]) -> Ended {
    Ended(command(args).env(name, value).output().expect("the binary runs"))
}

/// The binary with its arguments, not yet started.
pub fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_waybill"));
    for name in [
        "WAYBILL_DB",
        "WAYBILL_OMA",
        "WAYBILL_VMA",
        "COLUMNS",
        "NO_COLOR",
        "http_proxy",
        "HTTP_PROXY",
        "ALL_PROXY",
        "all_proxy",
    ] {
        command.env_remove(name);
    }
    command.args(args);
    command
}

impl Ended {
    fn text(bytes: &[u8]) -> String {
        String::from_utf8(bytes.to_vec()).expect("UTF-8")
    }
    /// Its data; it must have ended with 0 and without a message.
    pub fn succeeded(&self) -> String {
        self.ended_with(0)
    }
    /// Its data and its message; it must have ended with 0.
    pub fn succeeded_with_message(&self) -> (String, String) {
        let (out, err) = (Self::text(&self.0.stdout), Self::text(&self.0.stderr));
        assert_eq!(self.0.status.code(), Some(0), "{err}");
        (out, err)
    }
    /// Its data; it must have ended with this code and without a message.
    pub fn ended_with(&self, code: i32) -> String {
        let (out, err) = (Self::text(&self.0.stdout), Self::text(&self.0.stderr));
        assert_eq!((self.0.status.code(), err.as_str()), (Some(code), ""), "{out}");
        out
    }
    /// Its message; it must have ended with this code and without data.
    pub fn refused_with(&self, code: i32) -> String {
        let (out, err) = (Self::text(&self.0.stdout), Self::text(&self.0.stderr));
        assert_eq!((self.0.status.code(), out.as_str()), (Some(code), ""), "{err}");
        err
    }
}

/// A port of this machine on which nobody listens.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port()
}

/// A server that answers one request and keeps it.
pub struct Appliance {
    port: u16,
    server: JoinHandle<String>,
}

impl Appliance {
    /// One that answers with this status and body.
    pub fn answering(status: u16, body: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let length = body.len();
        let answer = format!("HTTP/1.1 {status} Said\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}");
        let server = std::thread::spawn(move || {
            let (mut peer, _) = listener.accept().expect("a request");
            let mut request = Vec::new();
            while !is_complete(&request) {
                let mut part = [0; 4096];
                let read = peer.read(&mut part).expect("readable");
                assert_ne!(read, 0, "the request broke off: {}", String::from_utf8_lossy(&request));
                request.extend_from_slice(&part[..read]);
            }
            peer.write_all(answer.as_bytes()).expect("writable");
            String::from_utf8(request).expect("UTF-8")
        });
        Self { port, server }
    }
    /// Where it listens.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
    /// The request that it got.
    pub fn request(self) -> String {
        self.server.join().expect("answered")
    }
}

fn is_complete(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_ascii_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    length.is_some_and(|length| length.parse() == Ok(body.len()))
}
