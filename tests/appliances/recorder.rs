//! A listener that stands for a VMA where a test must count what the OMA asks, or decide what it is told.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

type Say = dyn Fn(&str) -> (u16, String) + Send + Sync;

/// The listener; its threads end with the process of the tests.
pub struct Recorder {
    address: SocketAddr,
    targets: Arc<Mutex<Vec<String>>>,
}

impl Recorder {
    /// Answers each target as `say` decides.
    pub fn start(say: impl Fn(&str) -> (u16, String) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let targets = Arc::new(Mutex::new(Vec::new()));
        let (seen, say): (_, Arc<Say>) = (Arc::clone(&targets), Arc::new(say));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (seen, say) = (Arc::clone(&seen), Arc::clone(&say));
                // A peer that breaks off ends its own conversation only.
                thread::spawn(move || converse(stream, &seen, &*say));
            }
        });
        Self { address, targets }
    }
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
    /// How many requests named this text in their target.
    pub fn count(&self, part: &str) -> usize {
        self.targets.lock().unwrap().iter().filter(|target| target.contains(part)).count()
    }
}

fn converse(stream: TcpStream, seen: &Mutex<Vec<String>>, say: &Say) -> Option<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let mut head = Vec::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
            match line.trim_end() {
                "" => break,
                text => head.push(text.to_owned()),
            }
        }
        let target = head.first()?.split(' ').nth(1)?.to_owned();
        let (status, body) = say(&target);
        seen.lock().unwrap().push(target);
        let length = body.len();
        let answer =
            format!("HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}");
        reader.get_mut().write_all(answer.as_bytes()).ok()?;
    }
}
