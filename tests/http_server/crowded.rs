//! More clients than places, and fewer descriptors than clients.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::harness::{PATIENCE, Peer, Server};
use waybill::net::server::ServerLimits;

fn places(connections: usize) -> ServerLimits {
    // Nothing but the wish for a place may close a connection here.
    ServerLimits { connections, idle: 10 * PATIENCE, head: 10 * PATIENCE, ..ServerLimits::default() }
}

#[test]
fn the_longest_resting_connection_makes_room() {
    let server = Server::start(places(8));
    let mut resting: Vec<Peer> = (0..8).map(|_| server.connect()).collect();
    for peer in &mut resting {
        assert!(peer.is_served());
    }
    // The first speaks again, so the second has now rested longest.
    assert!(resting[0].is_served());
    let mut newcomer = server.connect();
    assert!(newcomer.is_served());
    assert!(resting[1].is_closed());
    for (number, peer) in resting.iter_mut().enumerate().filter(|(number, _)| *number != 1) {
        assert!(peer.is_served(), "{number}");
    }
    assert!(newcomer.is_served());
}

#[test]
fn five_hundred_silent_clients_do_not_keep_out_another_hundred() {
    let server = Server::start(places(500));
    // Now and then one word, lest the kernel's backlog of 128 overflows before the server has had its turn.
    let silent = |number| {
        let mut peer = server.connect();
        assert!(number % 50 != 49 || peer.is_served());
        peer
    };
    let _silent: Vec<Peer> = (0..500).map(silent).collect();
    let mut speaking: Vec<Peer> = (0..100).map(|_| server.connect()).collect();
    for peer in &mut speaking {
        peer.send(b"GET /alive HTTP/1.1\r\nHost: h\r\n\r\n");
    }
    for peer in &mut speaking {
        assert_eq!(peer.receive(false).map(|raw| raw.status), Some(200));
    }
}

#[test]
fn a_connection_that_is_being_served_is_never_closed_for_another() {
    let server = Server::start(places(2));
    let mut busy: Vec<Peer> = (0..2).map(|_| server.connect()).collect();
    for peer in &mut busy {
        peer.send(b"GET /hold HTTP/1.1\r\nHost: h\r\n\r\n");
    }
    let mut waiting = server.connect();
    waiting.send(b"GET /alive HTTP/1.1\r\nHost: h\r\n\r\n");
    waiting.stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    assert!(waiting.stream.peek(&mut [0]).is_err(), "there was no place to serve it from");
    waiting.stream.set_read_timeout(Some(PATIENCE)).unwrap();
    server.release.try_send(()).unwrap();
    assert_eq!(waiting.receive(false).map(|raw| raw.status), Some(200));
    server.release.try_send(()).unwrap();
    for peer in &mut busy {
        assert_eq!(peer.receive(false).map(|raw| raw.body).as_deref(), Some("held"));
    }
}

#[test]
fn a_stopped_server_closes_all_it_had() {
    let server = Server::start(places(8));
    let mut resting = server.connect();
    assert!(resting.is_served());
    let mut busy = server.connect();
    busy.send(b"GET /hold HTTP/1.1\r\nHost: h\r\n\r\n");
    let address = server.address;
    drop(server);
    assert!(resting.is_gone());
    assert!(busy.is_gone());
    assert!(std::net::TcpStream::connect(address).is_err());
}

/// Another process serves with 40 descriptors while 100 connections come to it.
#[test]
fn running_out_of_descriptors_does_not_end_the_listener() {
    let mut poor = Command::new("sh")
        .args(["-c", "ulimit -n 40; exec \"$0\" --exact crowded::a_poor_server --ignored --nocapture"])
        .arg(std::env::current_exe().unwrap())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = BufReader::new(poor.stdout.take().unwrap());
    let mut lines = output.lines().map(Result::unwrap);
    let address = lines.find_map(|line| line.split_once("address ").and_then(|found| found.1.parse().ok())).unwrap();
    let silent: Vec<Peer> = (0..100).map(|_| Peer::new(address)).collect();
    let descriptors = || std::fs::read_dir(format!("/proc/{}/fd", poor.id())).unwrap().count();
    while descriptors() < 40 {
        std::thread::yield_now();
    }
    drop(silent);
    assert!(Peer::new(address).is_served());
    drop(poor.stdin.take());
    assert!(poor.wait().unwrap().success());
}

#[test]
#[ignore = "the other process of running_out_of_descriptors_does_not_end_the_listener"]
fn a_poor_server() {
    let server = Server::start(places(512));
    println!("address {}", server.address);
    // Until the test lets go of our standard input.
    let _ = std::io::stdin().lines().count();
}
