//! Peers that are slow, large, or gone half-way.

use std::io::{Read, Write};
use std::time::Duration;

use super::harness::{PATIENCE, Server, quick};
use waybill::limits;
use waybill::net::server::ServerLimits;

const TICK: Duration = Duration::from_millis(20);

/// A mover's push is 200 bytes; slowloris sends a byte now and then for ever.
#[test]
fn a_head_that_trickles_is_cut_off_at_its_limit() {
    let server = Server::start(quick());
    let mut peer = server.connect();
    peer.send(b"GET / HTTP/1.1\r\nHost: h\r\n");
    for _ in 0..30 {
        peer.send(b"X: y\r\n");
        std::thread::sleep(TICK);
    }
    let answer = peer.receive(false).unwrap();
    assert!(answer.status == 408 && answer.body.contains("request-timeout"), "{answer:?}");
    assert!(peer.is_closed());
}

#[test]
fn an_idle_connection_is_closed_without_a_word_and_empty_lines_do_not_help() {
    let server = Server::start(quick());
    let mut silent = server.connect();
    assert!(silent.is_closed());
    let mut served = server.connect();
    assert!(served.is_served());
    assert!(served.is_closed());
    let mut pretending = server.connect();
    for _ in 0..50 {
        pretending.send(b"\r\n");
        std::thread::sleep(TICK);
    }
    pretending.stream.set_nonblocking(true).unwrap();
    assert!(pretending.is_gone(), "a second of empty lines kept it open");
}

#[test]
fn a_body_must_keep_the_pace() {
    let server = Server::start(ServerLimits { pace_bytes: 50, ..quick() });
    for (framing, piece) in [("Content-Length: 1000", &b"x"[..]), ("Transfer-Encoding: chunked", b"1\r\nx\r\n")] {
        let head = format!("POST /a HTTP/1.1\r\nHost: h\r\n{framing}\r\n\r\n");
        let mut slow = server.connect();
        slow.send(head.as_bytes());
        slow.send(piece);
        assert_eq!(slow.receive(false).map(|raw| raw.status), Some(408), "{framing}");
        assert!(slow.is_closed());
    }
    let mut steady = server.connect();
    steady.send(b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n");
    for _ in 0..50 {
        steady.send(&[b'x'; 20]);
        std::thread::sleep(TICK);
    }
    assert_eq!(steady.receive(false).map(|raw| (raw.status, raw.body.len())), Some((200, 1000 + "POST /a  []".len())));
}

/// Its place is the only one, so the next client is served only if it was cut off.
#[test]
fn a_client_that_does_not_read_its_answer_is_cut_off() {
    let server = Server::start(ServerLimits { connections: 1, pace_bytes: 1 << 20, ..quick() });
    let mut deaf = server.connect();
    deaf.send(b"GET /big/50000000 HTTP/1.1\r\nHost: h\r\n\r\n");
    assert!(server.connect().is_served());
}

#[test]
fn a_large_answer_arrives_whole() {
    let server = Server::start(ServerLimits::default());
    let mut peer = server.connect();
    peer.send(b"GET /big/5000000 HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(peer.receive(false).map(|raw| raw.body.len()), Some(5_000_000));
    assert!(peer.is_served());
}

/// RFC 9112, 3 and RFC 6585, 5.
#[test]
fn heads_are_taken_up_to_their_limits() {
    let server = Server::start(ServerLimits::default());
    let request = |target: usize, fields: usize, bytes: usize| {
        let fields = format!("X: {}\r\n", "v".repeat(bytes)).repeat(fields);
        format!("GET /{} HTTP/1.1\r\nHost: h\r\n{fields}\r\n", "t".repeat(target))
    };
    for (title, bytes, status) in [
        ("10,000 bytes of fields", request(1, 10, 1000), 200),
        ("a target of 8,000 bytes", request(8000, 1, 1), 200),
        ("64 fields", request(1, limits::HEAD_FIELDS - 1, 9), 200),
        ("65 fields", request(1, limits::HEAD_FIELDS, 9), 431),
        ("one field of 20,000 bytes", request(1, 1, 20_000), 431),
        ("100,000 bytes of fields", request(1, 50, 2000), 431),
        ("a target of 8,200 bytes", request(8200, 1, 1), 414),
        ("a target of a million bytes", request(1_000_000, 1, 1), 414),
    ] {
        let mut peer = server.connect();
        peer.send(bytes.as_bytes());
        assert_eq!(peer.receive(false).map(|raw| raw.status), Some(status), "{title}");
        assert!(if status == 200 { peer.is_served() } else { peer.is_closed() }, "{title}");
    }
}

/// RFC 9112, 9.6: the answer must reach a client that is still sending.
#[test]
fn a_body_past_the_limit_is_refused_while_it_is_being_sent() {
    let server = Server::start(ServerLimits::default());
    let chunk = [b"10000\r\n".as_slice(), &[b'x'; 0x10000], b"\r\n"].concat();
    let mut peer = server.connect();
    peer.send(b"POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
    for _ in 0..200 {
        peer.send(&chunk);
    }
    let answer = peer.receive(false).unwrap();
    assert!(answer.status == 413 && answer.body.contains("1048576 bytes"), "{answer:?}");
    assert!(peer.is_closed());

    let mut declared = server.connect();
    declared.send(b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 13000000\r\n\r\n");
    for _ in 0..200 {
        declared.send(&chunk);
    }
    assert_eq!(declared.receive(false).map(|raw| raw.status), Some(413));

    let mut largest = server.connect();
    largest.send(format!("POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n", limits::BODY_BYTES).as_bytes());
    largest.send(&vec![b'x'; limits::BODY_BYTES]);
    assert_eq!(largest.receive(false).map(|raw| raw.body.len()), Some(limits::BODY_BYTES + "POST /a  []".len()));
}

#[test]
fn what_ends_half_way_is_told_so() {
    let server = Server::start(ServerLimits::default());
    for half in [
        "G",
        "GET / HTTP/1.1\r\nHost:",
        "GET / HTTP/1.1\r\nHost: h\r\n",
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhell",
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
    ] {
        let mut peer = server.connect();
        peer.send(half.as_bytes());
        peer.close_sending();
        let answer = peer.receive(false).unwrap();
        assert!(answer.status == 400 && answer.body.contains("before the request was complete"), "{half}: {answer:?}");
        assert!(peer.is_closed());
    }
    let mut nothing = server.connect();
    nothing.close_sending();
    assert!(nothing.is_closed());
}

#[test]
fn who_vanishes_while_being_served_harms_nobody() {
    let server = Server::start(ServerLimits::default());
    for _ in 0..20 {
        let mut vanishing = server.connect();
        vanishing.send(b"GET /slowly HTTP/1.1\r\nHost: h\r\n\r\nGET /big/9000000 HTTP/1.1\r\nHost: h\r\n\r\n");
    }
    assert!(server.connect().is_served());
}

#[test]
fn a_flood_of_empty_lines_is_no_request() {
    let server = Server::start(ServerLimits { idle: 10 * PATIENCE, ..ServerLimits::default() });
    let mut flooding = server.connect();
    for _ in 0..100 {
        flooding.send(&b"\r\n".repeat(1000));
    }
    assert!(flooding.is_gone());
}

/// One thread serves all, so none may keep it.
#[test]
fn a_client_that_never_pauses_does_not_keep_others_waiting() {
    let server = Server::start(ServerLimits::default());
    let flooding = server.connect();
    let (mut answers, mut requests) = (flooding.stream.try_clone().unwrap(), flooding.stream.try_clone().unwrap());
    let writer = std::thread::spawn(move || {
        let block = b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n".repeat(1000);
        while requests.write_all(&block).is_ok() {}
    });
    let reader = std::thread::spawn(move || while matches!(answers.read(&mut [0; 65536]), Ok(1..)) {});
    let mut other = server.connect();
    for _ in 0..100 {
        assert!(other.is_served());
    }
    flooding.stream.shutdown(std::net::Shutdown::Both).unwrap();
    writer.join().unwrap();
    reader.join().unwrap();
}
