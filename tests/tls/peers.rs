//! A server that is another process.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use super::certificates::Identity;

/// `openssl s_server`, which answers a GET with a page; it ends when this is dropped.
pub struct Foreign {
    child: Child,
    pub port: u16,
}

impl Foreign {
    pub fn start(identity: &Identity, options: &str) -> Self {
        // Free a moment ago; the command cannot be given a socket.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut child = Command::new("openssl")
            .args(["s_server", "-www", "-accept", &format!("127.0.0.1:{port}")])
            .arg("-cert")
            .arg(&identity.certificate)
            .arg("-key")
            .arg(&identity.key)
            .args(options.split(' ').filter(|option| !option.is_empty()))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(said.any(|line| line.unwrap().contains("ACCEPT")), "the server does not start: {options}");
        // What it prints goes nowhere from here on, which it survives.
        std::thread::spawn(move || said.for_each(drop));
        Self { child, port }
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
