//! One keep-alive connection that asks and waits, as a mover's does. Understands what waybill answers: a status and a
//! body of a told length.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Longer than anything that waybill may make a caller wait.
const PATIENCE: Duration = Duration::from_secs(30);

/// A connection to one server.
pub struct Connection {
    stream: TcpStream,
    message: Vec<u8>,
}

impl Connection {
    /// Connects.
    pub fn to(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { stream, message: Vec::new() })
    }
    /// Sends one request and gives the status of its answer.
    pub fn call(&mut self, method: &str, path: &str, body: &str) -> io::Result<u16> {
        let length = body.len();
        let request = format!("{method} {path} HTTP/1.1\r\nHost: bench\r\nContent-Length: {length}\r\n\r\n{body}");
        let answer = self.pass_on(request.as_bytes())?;
        let status = answer.get(9..12).and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
        status.ok_or_else(|| io::Error::other("the answer has no status"))
    }
    /// As [`Self::call`]; anything but a success is an error that quotes the answer.
    pub fn demand(&mut self, method: &str, path: &str, body: &str) -> io::Result<()> {
        match self.call(method, path, body)? {
            200..=299 => Ok(()),
            status => {
                let answer = String::from_utf8_lossy(&self.message);
                Err(io::Error::other(format!("{method} {path} was answered with {status}: {answer}")))
            }
        }
    }
    /// Sends a whole request as it is and gives its whole answer.
    pub fn pass_on(&mut self, request: &[u8]) -> io::Result<&[u8]> {
        self.stream.write_all(request)?;
        match read_message(&mut self.stream, &mut self.message)? {
            true => Ok(&self.message),
            false => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

/// Reads one message, head and body, in place of what is in `message`; false where the peer has closed before one.
pub fn read_message(stream: &mut TcpStream, message: &mut Vec<u8>) -> io::Result<bool> {
    message.clear();
    let mut wanted = None;
    let mut part = [0; 16 * 1024];
    while wanted.is_none_or(|wanted| message.len() < wanted) {
        let count = stream.read(&mut part)?;
        if count == 0 && message.is_empty() {
            return Ok(false);
        }
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        message.extend_from_slice(&part[..count]);
        if wanted.is_none() {
            wanted = length(message);
        }
    }
    Ok(true)
}

/// The length of the message whose head is complete.
fn length(message: &[u8]) -> Option<usize> {
    let head = message.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(&message[..head]).ok()?;
    let told = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    Some(head + told.unwrap_or(0))
}
