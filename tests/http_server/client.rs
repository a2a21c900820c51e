//! The client against the real server, and its kept connections.

use std::io::Write;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_io::block_on;
use smol::LocalExecutor;
use smol::future::{poll_once, zip};
use waybill::limits;
use waybill::net::client::{Answer, CallError, Client, Phase};
use waybill::net::server::ServerLimits;
use waybill::wire::http::{Method, encode_segment};
use waybill::wire::origin::Origin;

use super::harness::{PATIENCE, Server, hand_made, read_request};

pub const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Type: text/x\r\n\r\nok";

pub fn client(port: u16, timeout: Duration) -> Client {
    Client::new(Origin::from_url(&format!("http://127.0.0.1:{port}")).unwrap(), timeout)
}

pub fn get(client: &Client) -> Result<Answer, CallError> {
    block_on(client.call(Method::Get, "/a", &[], &[]))
}

fn text(answer: Result<Answer, CallError>) -> String {
    String::from_utf8(answer.unwrap().body).unwrap()
}

#[test]
fn requests_arrive_as_they_were_meant() {
    let server = Server::start(ServerLimits::default());
    let client = client(server.address.port(), PATIENCE);
    let call =
        |method, target: &str, body: &str| block_on(client.call(method, target, &[("X-A", "b")], body.as_bytes()));
    let target = format!("/{}?k=a%20b", encode_segment("a/b \u{e4}"));
    assert_eq!(text(call(Method::Get, &target, "")), "GET /a/b \u{e4} k=a b []");
    assert_eq!(text(call(Method::Post, "/p", "{}")), "POST /p  [{}]");
    assert_eq!(text(call(Method::Post, "/p", "")), "POST /p  []");
    assert_eq!(text(call(Method::Put, "/p", "x")), "PUT /p  [x]");
    assert_eq!(text(call(Method::Delete, "/p", "")), "DELETE /p  []");
    assert_eq!(text(call(Method::Other("PATCH".to_owned()), "/p", "y")), "PATCH /p  [y]");
    assert_eq!(text(call(Method::Head, "/p", "")), "");
    assert_eq!(call(Method::Get, "/status/204", "").map(|answer| (answer.status, answer.body.len())), Ok((204, 0)));
    let missing = call(Method::Get, "/status/404", "").unwrap();
    assert_eq!((missing.status, missing.content_type.as_str()), (404, "text/plain; charset=utf-8"));
    assert_eq!(text(call(Method::Get, "/big/9000000", "")).len(), 9_000_000);
    let large = "x".repeat(limits::BODY_BYTES);
    assert_eq!(text(call(Method::Post, "/p", &large)).len(), large.len() + "POST /p  []".len());
    let refused = call(Method::Post, "/p", &"x".repeat(limits::BODY_BYTES + 1)).unwrap();
    assert_eq!((refused.status, refused.content_type.as_str()), (413, "application/problem+json"));
    assert_eq!(call(Method::Get, "/panic", "").map(|answer| answer.status), Ok(500));
}

#[test]
fn a_name_is_resolved_and_reaches_the_same_server() {
    let server = Server::start(ServerLimits::default());
    let origin = Origin::from_url(&format!("http://localhost:{}", server.address.port())).unwrap();
    // The server listens on 127.0.0.1 only, so the client must also get past [::1] where that comes first.
    assert_eq!(text(get(&Client::new(origin, PATIENCE))), "GET /a  []");
}

#[test]
fn requests_that_cannot_be_sent_are_refused_before_anything_is() {
    let client = client(9, PATIENCE);
    for (target, header) in [
        ("a", ("X", "y")),
        ("/a b", ("X", "y")),
        ("/a#b", ("X", "y")),
        ("/a", ("X Y", "z")),
        ("/a", ("X", "y\r\nZ: z")),
    ] {
        let error = block_on(client.call(Method::Get, target, &[header], &[])).unwrap_err();
        assert!(error.phase == Phase::Queue && !error.timed_out, "{target}: {error}");
    }
    let long = "x".repeat(limits::HEAD_BYTES);
    assert!(block_on(client.call(Method::Get, "/a", &[("X", &long)], &[])).is_err());
}

/// Answers `OK` to every request and counts the connections.
fn counted() -> (u16, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&count);
    let address = hand_made(move |_, mut stream| {
        counter.fetch_add(1, Ordering::SeqCst);
        while !read_request(&mut stream).is_empty() {
            stream.write_all(OK).unwrap();
        }
    });
    (address.port(), count)
}

#[test]
fn one_connection_serves_one_call_after_another() {
    let (port, connections) = counted();
    let client = client(port, PATIENCE);
    for _ in 0..100 {
        let answer = get(&client.clone()).unwrap();
        assert_eq!((answer.status, answer.content_type.as_str(), answer.body.as_slice()), (200, "text/x", &b"ok"[..]));
    }
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}

#[test]
fn many_calls_at_once_share_a_bounded_number_of_connections() {
    let (port, connections) = counted();
    let client = client(port, PATIENCE);
    let executor = LocalExecutor::new();
    let burst = async {
        let calls: Vec<_> = (0..500)
            .map(|_| {
                let client = client.clone();
                executor.spawn(async move { client.call(Method::Get, "/a", &[], &[]).await })
            })
            .collect();
        for call in calls {
            assert_eq!(call.await.map(|answer| answer.status), Ok(200));
        }
    };
    block_on(executor.run(burst));
    // Those that wait take over the connections of those that are done, so that none is made in vain.
    assert_eq!(connections.load(Ordering::SeqCst), limits::CONNECTIONS_PER_VMA);
    for _ in 0..10 {
        let two = || zip(client.call(Method::Get, "/a", &[], &[]), client.call(Method::Get, "/a", &[], &[]));
        let ((first, second), (third, fourth)) = block_on(executor.run(zip(two(), two())));
        assert!([first, second, third, fourth].iter().all(Result::is_ok));
    }
    assert_eq!(connections.load(Ordering::SeqCst), limits::CONNECTIONS_PER_VMA, "four are kept, and four were wanted");
}

/// The peer answers once on each connection, then closes it when the next request has been read.
fn closes_at_the_second() -> (u16, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&count);
    let address = hand_made(move |_, mut stream| {
        counter.fetch_add(1, Ordering::SeqCst);
        read_request(&mut stream);
        stream.write_all(OK).unwrap();
        read_request(&mut stream);
    });
    (address.port(), count)
}

#[test]
fn a_stale_connection_costs_a_repeatable_call_nothing() {
    for method in [Method::Get, Method::Head, Method::Put, Method::Delete] {
        let (port, connections) = closes_at_the_second();
        let client = client(port, PATIENCE);
        for _ in 0..3 {
            // HEAD's answer has no body, so the two bytes of one make its connection unfit for more.
            assert_eq!(block_on(client.call(method.clone(), "/a", &[], &[])).map(|answer| answer.status), Ok(200));
        }
        assert_eq!(connections.load(Ordering::SeqCst), 3);
    }
}

#[test]
fn a_post_is_not_sent_twice() {
    let (port, connections) = closes_at_the_second();
    let client = client(port, PATIENCE);
    let post = || block_on(client.call(Method::Post, "/a", &[], b"x"));
    assert_eq!(post().map(|answer| answer.status), Ok(200));
    let error = post().unwrap_err();
    assert_eq!(error.to_string(), "first byte: the connection was closed without an answer");
    assert_eq!(connections.load(Ordering::SeqCst), 1);
    assert_eq!(post().map(|answer| answer.status), Ok(200));
}

#[test]
fn a_connection_that_the_peer_has_closed_or_spoken_on_is_not_used_again() {
    for last_words in [&b""[..], b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n"] {
        let (done, closed) = std::sync::mpsc::channel();
        let done = std::sync::Mutex::new(done);
        let address = hand_made(move |_, mut stream| {
            read_request(&mut stream);
            stream.write_all(OK).unwrap();
            // After the client has taken the first answer.
            std::thread::sleep(Duration::from_millis(50));
            stream.write_all(last_words).unwrap();
            drop(stream);
            done.lock().unwrap().send(()).unwrap();
        });
        let client = client(address.port(), PATIENCE);
        for _ in 0..3 {
            assert_eq!(block_on(client.call(Method::Post, "/a", &[], b"x")).map(|answer| answer.status), Ok(200));
            closed.recv().unwrap();
        }
    }
}

#[test]
fn a_dropped_call_spoils_nothing() {
    let server = Server::start(ServerLimits::default());
    let client = client(server.address.port(), PATIENCE);
    block_on(async {
        assert_eq!(text(client.call(Method::Get, "/first", &[], &[]).await), "GET /first  []");
        for _ in 0..2 * limits::CONNECTIONS_PER_VMA {
            let mut dropped = pin!(client.call(Method::Get, "/hold", &[], &[]));
            assert!(poll_once(dropped.as_mut()).await.is_none());
        }
        assert_eq!(text(client.call(Method::Get, "/last", &[], &[]).await), "GET /last  []");
    });
}
