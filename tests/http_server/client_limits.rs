//! The client against peers that never answer, answer half, or answer without end; each failure names its phase.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use smol::LocalExecutor;
use smol::future::poll_once;
use waybill::limits;
use waybill::net::client::{CallError, Phase};
use waybill::wire::http::Method;

use super::client::{OK, client, get};
use super::harness::{PATIENCE, hand_made, read_request};

const SHORT: Duration = Duration::from_millis(200);

/// What the client says to a peer that reads one request, sends `bytes` and then stays silent.
fn silent_after(bytes: &'static [u8]) -> CallError {
    let address = hand_made(move |_, mut stream| {
        read_request(&mut stream);
        let _ = stream.write_all(bytes);
        let _ = stream.read(&mut [0]);
    });
    get(&client(address.port(), SHORT)).unwrap_err()
}

/// What it says to one that closes instead.
fn closed_after(bytes: &'static [u8]) -> CallError {
    let address = hand_made(move |_, mut stream| {
        read_request(&mut stream);
        let _ = stream.write_all(bytes);
    });
    get(&client(address.port(), PATIENCE)).unwrap_err()
}

/// What it says to one that repeats `bytes` for ever after `head`.
fn endless(head: &'static [u8], bytes: &'static [u8]) -> CallError {
    let address = hand_made(move |_, mut stream| {
        read_request(&mut stream);
        let block = bytes.repeat(65536 / bytes.len() + 1);
        let mut sent = stream.write_all(head);
        while sent.is_ok() {
            sent = stream.write_all(&block);
        }
    });
    get(&client(address.port(), PATIENCE)).unwrap_err()
}

#[test]
fn silence_is_told_by_its_phase() {
    for (bytes, phase, words) in [
        (&b""[..], Phase::FirstByte, "no first byte within 200 ms"),
        (b"H", Phase::Body, "answer not complete within 200 ms"),
        (b"HTTP/1.1 200 OK\r\nContent-Len", Phase::Body, "answer not complete within 200 ms"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", Phase::Body, "answer not complete within 200 ms"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", Phase::Body, "answer not complete within 200 ms"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n", Phase::Body, "answer not complete"),
        (b"HTTP/1.1 200 OK\r\n\r\nuntil closed", Phase::Body, "answer not complete within 200 ms"),
    ] {
        let error = silent_after(bytes);
        assert!(error.timed_out && error.phase == phase && error.to_string().contains(words), "{error:?}");
    }
}

#[test]
fn an_early_end_is_told_by_its_phase() {
    for (bytes, phase, words) in [
        (&b""[..], Phase::FirstByte, "first byte: the connection was closed without an answer"),
        (b"HTTP/1.1 2", Phase::Body, "body: the connection was closed within the answer's head"),
        (b"HTTP/1.1 103 Early Hints\r\n\r\n", Phase::Body, "closed within the answer's head"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", Phase::Body, "closed after 4 bytes of the body"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n", Phase::Body, "closed after 2 bytes"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n", Phase::Body, "closed after 2 bytes"),
    ] {
        let error = closed_after(bytes);
        assert!(!error.timed_out && error.phase == phase && error.to_string().contains(words), "{error:?}");
    }
}

#[test]
fn rubbish_is_told_as_such() {
    for bytes in [
        &b"SSH-2.0-OpenSSH_9.2\r\n"[..],
        b"\x15\x03\x03\0\x02\x02\x46",
        b"HTTP/2.0 200 OK\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 099 Odd\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nbad field\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n",
    ] {
        let error = closed_after(bytes);
        assert!(
            error.phase == Phase::Body && error.reason.contains("the answer"),
            "{error:?} {}",
            bytes.escape_ascii()
        );
    }
}

#[test]
fn answers_without_end_are_cut_off_at_their_limit() {
    let sized = b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n";
    let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let large = format!("body: the answer is larger than {} bytes", limits::ANSWER_BYTES);
    let head = format!("body: the answer's head is larger than {} bytes", limits::HEAD_BYTES);
    for (error, words) in [
        (endless(b"HTTP/1.1 200 OK\r\n\r\n", b"x"), large.as_str()),
        (endless(sized, b"x"), &large),
        (endless(chunked, b"8\r\nabcdefgh\r\n"), &large),
        (endless(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"), "body: the answer is not HTTP/1.1"),
        (endless(b"HTTP/1.1 200 OK\r\nX: ", b"y"), &head),
        (endless(b"HTTP/1.1 ", b"100 Continue\r\n\r\nHTTP/1.1 "), &head),
        (endless(chunked, b"1"), "body: the answer's chunks are malformed"),
        (endless(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"X: y\r\n"), &large),
    ] {
        assert!(error.to_string().starts_with(words), "{error} instead of {words}");
    }
}

#[test]
fn answers_of_every_kind_arrive_even_byte_by_byte() {
    for (bytes, body) in [
        (OK, "ok"),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "ok"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;a=b\r\no\r\n1\r\nk\r\n0\r\nT: x\r\n\r\n", "ok"),
        (b"HTTP/1.0 200 OK\r\n\r\nok", "ok"),
        (b"HTTP/1.1 200\r\nconnection: close\r\n\r\nok", "ok"),
        (b"HTTP/1.1 302 Found\r\nLocation: /b\r\nContent-Length: 2\r\n\r\nok", "ok"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", ""),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n", ""),
    ] {
        for piece in [bytes.len(), 1] {
            let address = hand_made(move |_, mut stream| {
                read_request(&mut stream);
                bytes.chunks(piece).for_each(|piece| stream.write_all(piece).unwrap());
            });
            let client = client(address.port(), PATIENCE);
            for _ in 0..2 {
                let answer = get(&client).map(|answer| String::from_utf8(answer.body).unwrap());
                assert_eq!(answer.as_deref(), Ok(body), "{}", bytes.escape_ascii());
            }
        }
    }
}

#[test]
fn nobody_there_is_a_refused_connection() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let error = get(&client(port, PATIENCE)).unwrap_err();
    let expected = format!("connect: connection refused (127.0.0.1:{port})");
    assert_eq!((error.phase, error.to_string()), (Phase::Connect, expected));
}

/// A listener whose backlog is full does not even refuse.
#[test]
fn a_peer_that_does_not_accept_is_a_late_connection() {
    let executor = LocalExecutor::new();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let error = async_io::block_on(executor.run(async {
        let mut held = Vec::new();
        loop {
            // Connections pile up until the kernel stops answering.
            let next = async_io::Async::<TcpStream>::connect(([127, 0, 0, 1], port));
            let late = async {
                async_io::Timer::after(SHORT).await;
                Err(std::io::ErrorKind::TimedOut.into())
            };
            match smol::future::or(next, late).await {
                Ok(stream) => held.push(stream),
                Err(_) => break client(port, SHORT).call(Method::Get, "/a", &[], &[]).await.unwrap_err(),
            }
        }
    }));
    assert_eq!((error.phase, error.to_string().as_str()), (Phase::Connect, "not connected within 200 ms"));
}

#[test]
fn who_finds_every_connection_taken_waits_no_longer_than_its_limit() {
    let address = hand_made(|_, mut stream| {
        read_request(&mut stream);
        let _ = stream.read(&mut [0]);
    });
    let client = client(address.port(), SHORT);
    async_io::block_on(async {
        let mut holding: Vec<_> =
            (0..limits::CONNECTIONS_PER_VMA).map(|_| Box::pin(client.call(Method::Get, "/a", &[], &[]))).collect();
        for call in &mut holding {
            assert!(poll_once(call).await.is_none());
        }
        let error = client.call(Method::Get, "/a", &[], &[]).await.unwrap_err();
        assert_eq!((error.phase, error.to_string().as_str()), (Phase::Queue, "no free connection within 200 ms"));
        // Those that hold them were not looked at meanwhile, and end as late as they are.
        assert_eq!(holding.remove(0).await.map_err(|error| error.timed_out), Err(true));
    });
}
