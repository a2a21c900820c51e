//! The table of `cases` sent whole, byte by byte and half-closed, and what needs a dialogue.

use super::cases::After::{Closed, Open};
use super::cases::{CONNECTIONS, Case, FRAMING, MESSAGES};
use super::harness::{PATIENCE, Peer, Server};
use waybill::net::server::ServerLimits;

/// Whoever has to wait for the lingering to end has not been told of the close (9112-9.6), and fails.
fn limits() -> ServerLimits {
    ServerLimits { linger: 2 * PATIENCE, ..ServerLimits::default() }
}

fn check(peer: &mut Peer, (title, _, expected, after): &Case) {
    for (status, text) in *expected {
        let answer = peer.receive(false).unwrap_or_else(|| panic!("{title}: closed without an answer"));
        assert!(answer.status == *status && answer.body.contains(text), "{title}: {answer:?}");
        let is_problem = answer.field("content-type") == Some("application/problem+json");
        assert_eq!(is_problem, *status >= 400, "{title}: {answer:?}");
        assert!(answer.status < 400 || answer.field("connection") == Some("close"), "{title}: {answer:?}");
    }
    match after {
        Open => assert!(peer.is_served(), "{title}: the connection ought to serve on"),
        Closed => assert!(peer.is_closed(), "{title}: the connection ought to be closed"),
    }
}

fn all() -> impl Iterator<Item = &'static Case> {
    [MESSAGES, FRAMING, CONNECTIONS].into_iter().flatten()
}

#[test]
fn every_case_sent_at_once() {
    let server = Server::start(limits());
    assert!(all().count() >= 90, "the table has {} cases", all().count());
    for case in all() {
        let mut peer = server.connect();
        peer.send(case.1.as_bytes());
        check(&mut peer, case);
    }
}

#[test]
fn every_case_byte_by_byte() {
    let server = Server::start(limits());
    for case in all() {
        let mut peer = server.connect();
        peer.send_byte_by_byte(case.1.as_bytes());
        check(&mut peer, case);
    }
}

/// RFC 9112, 9.6: whoever only closes its sending side still reads.
#[test]
fn every_case_from_a_client_that_closed_its_half() {
    let server = Server::start(limits());
    for (title, bytes, expected, _) in all() {
        let mut peer = server.connect();
        peer.send(bytes.as_bytes());
        peer.close_sending();
        check(&mut peer, &(title, bytes, expected, Closed));
    }
}

#[test]
fn rfc9110_9_3_2_head_is_get_without_the_body() {
    let server = Server::start(limits());
    let mut peer = server.connect();
    peer.send(b"GET /a HTTP/1.1\r\nHost: h\r\n\r\nHEAD /a HTTP/1.1\r\nHost: h\r\n\r\nHEAD /status/404 HTTP/1.1\r\nHost: h\r\n\r\n");
    let get = peer.receive(false).unwrap();
    let head = peer.receive(true).unwrap();
    assert_eq!(get.head, head.head);
    assert_eq!(get.field("content-length"), Some(get.body.len().to_string().as_str()));
    assert_eq!(peer.receive(true).map(|raw| raw.status), Some(404));
    assert!(peer.is_served());
}

#[test]
fn rfc9110_10_1_1_a_client_that_waits_is_told_to_go_on() {
    let server = Server::start(limits());
    let mut peer = server.connect();
    for framing in ["Content-Length: 2", "Transfer-Encoding: chunked"] {
        peer.send(format!("POST /a HTTP/1.1\r\nHost: h\r\nExpect: 100-Continue\r\n{framing}\r\n\r\n").as_bytes());
        assert_eq!(peer.receive(true).map(|raw| raw.head).as_deref(), Some("HTTP/1.1 100 Continue\r\n\r\n"));
        peer.send(if framing.starts_with('C') { b"hi" } else { b"2\r\nhi\r\n0\r\n\r\n" });
        assert_eq!(peer.receive(false).map(|raw| raw.body).as_deref(), Some("POST /a  [hi]"));
    }
    // Too large a body is refused before it is asked for.
    peer.send(b"POST /a HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 9999999\r\n\r\n");
    assert_eq!(peer.receive(false).map(|raw| raw.status), Some(413));
    assert!(peer.is_closed());
}

#[test]
fn rfc9112_9_3_an_http10_client_is_told_that_the_connection_stays() {
    let server = Server::start(limits());
    let mut peer = server.connect();
    peer.send(b"GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assert_eq!(peer.receive(false).unwrap().field("connection"), Some("keep-alive"));
    peer.send(b"GET /a HTTP/1.0\r\n\r\n");
    assert_eq!(peer.receive(false).unwrap().field("connection"), Some("close"));
    assert!(peer.is_closed());
}
