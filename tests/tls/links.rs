//! Connections with TLS: kept, repeated, cut off, and without a thread more.

use std::cell::Cell;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_io::block_on;
use rustls::version::{TLS12, TLS13};
use smol::LocalExecutor;
use waybill::limits;
use waybill::net::client::{CallError, Client, Phase};
use waybill::net::tls::Trust;
use waybill::wire::http::Method;

use super::certificates::{EC, Identity};
use super::peers::Foreign;
use super::servers::{BOTH, OK, PATIENCE, Secured, client, counted, get, read_request, secured};

fn identity() -> (Identity, Trust) {
    let identity = Identity::self_signed(EC);
    let trust = Trust::new(None, Some(identity.pin())).unwrap();
    (identity, trust)
}

/// A client of a server that plays so.
fn towards(play: impl Fn(usize, Secured) + Send + Sync + 'static) -> Client {
    let (identity, trust) = identity();
    let port = secured(&identity, BOTH, play);
    client("127.0.0.1", port, trust, PATIENCE)
}

#[test]
fn one_connection_serves_one_call_after_another() {
    let (identity, trust) = identity();
    for versions in [BOTH, &[&TLS13], &[&TLS12]] {
        let (port, connections) = counted(&identity, versions);
        let client = client("localhost", port, trust.clone(), PATIENCE);
        for _ in 0..100 {
            assert_eq!(get(&client.clone()).map(|answer| answer.status), Ok(200));
        }
        assert_eq!(connections.load(Ordering::SeqCst), 1);
    }
}

#[test]
fn many_calls_at_once_share_a_bounded_number_of_connections() {
    let (identity, trust) = identity();
    let (port, connections) = counted(&identity, BOTH);
    let client = client("127.0.0.1", port, trust, PATIENCE);
    let executor = LocalExecutor::new();
    block_on(executor.run(async {
        let calls: Vec<_> = (0..200)
            .map(|_| {
                let client = client.clone();
                executor.spawn(async move { client.call(Method::Get, "/a", &[], &[]).await })
            })
            .collect();
        for call in calls {
            assert_eq!(call.await.map(|answer| answer.status), Ok(200));
        }
    }));
    assert_eq!(connections.load(Ordering::SeqCst), limits::CONNECTIONS_PER_VMA);
}

#[test]
fn requests_and_answers_of_any_size_arrive_with_host_and_cookies() {
    let client = towards(|_, mut stream| while send_back(&mut stream).is_some() {});
    for size in [1, 100_000, 10_000_000] {
        let body: Vec<u8> = (0..size).map(|at: u32| b" abcdefghijklmnopqrstuvwxyz<>/"[at as usize % 30]).collect();
        let answer =
            block_on(client.call(Method::Post, "/sdk", &[("SOAPAction", "\"urn:vim25/6.5\"")], &body)).unwrap();
        let (host, back) = answer.body.split_at(answer.body.iter().position(|byte| *byte == b';').unwrap());
        assert!(host.to_ascii_lowercase().starts_with(b"host: 127.0.0.1:"));
        assert!(back[1..] == body, "{size} bytes come back as they went");
        assert_eq!(answer.cookies, ["a=\"b\"; Path=/; Secure", "c=d"]);
        assert_eq!(answer.content_type, "text/xml");
    }
}

/// Answers a request with its Host and its body, and two cookies.
fn send_back(stream: &mut Secured) -> Option<()> {
    let request = read_request(stream);
    let (head, begun) = request.split_once("\r\n\r\n")?;
    let field = |name: &str| head.lines().find(|line| line.to_lowercase().starts_with(name)).unwrap();
    let announced: usize = field("content-length: ")["content-length: ".len()..].parse().unwrap();
    let mut body = begun.as_bytes().to_vec();
    while body.len() < announced {
        let mut space = vec![0; 65536];
        let count = stream.read(&mut space).unwrap();
        body.extend_from_slice(&space[..count]);
    }
    let host = field("host: ");
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nSet-Cookie: a=\"b\"; Path=/; Secure\r\nset-cookie: c=d\r\n\
         Content-Length: {}\r\n\r\n{host};",
        body.len() + host.len() + 1
    );
    stream.write_all(answer.as_bytes()).unwrap();
    stream.write_all(&body).unwrap();
    Some(())
}

/// Answers once on each connection, and closes it when the next request has been read.
fn closes_at_the_second(is_polite: bool) -> (Client, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&count);
    let client = towards(move |_, mut stream| {
        read_request(&mut stream);
        counter.fetch_add(1, Ordering::SeqCst);
        stream.write_all(OK).unwrap();
        read_request(&mut stream);
        if is_polite {
            close(&mut stream);
        }
    });
    (client, count)
}

/// Says that nothing more comes, then closes.
fn close(stream: &mut Secured) {
    stream.conn.send_close_notify();
    let _ = stream.flush();
    let _ = stream.sock.shutdown(Shutdown::Write);
}

#[test]
fn a_stale_connection_costs_a_repeatable_call_nothing() {
    for is_polite in [true, false] {
        let (client, connections) = closes_at_the_second(is_polite);
        for _ in 0..3 {
            assert_eq!(get(&client).map(|answer| answer.status), Ok(200));
        }
        let post = || block_on(client.ask_by_post("/sdk", &[], b"<only reads/>"));
        for _ in 0..3 {
            assert_eq!(post().map(|answer| answer.status), Ok(200));
        }
        assert_eq!(connections.load(Ordering::SeqCst), 6);
    }
}

#[test]
fn a_post_is_sent_twice_only_where_the_caller_says_so() {
    for is_polite in [true, false] {
        let (client, connections) = closes_at_the_second(is_polite);
        let post = || block_on(client.call(Method::Post, "/sdk", &[], b"x"));
        assert_eq!(post().map(|answer| answer.status), Ok(200));
        let error = post().unwrap_err();
        assert_eq!(error.to_string(), "first byte: the connection was closed without an answer");
        assert_eq!(connections.load(Ordering::SeqCst), 1);
        assert_eq!(post().map(|answer| answer.status), Ok(200));
    }
}

#[test]
fn a_kept_connection_that_the_peer_has_closed_or_spoken_on_is_not_used_again() {
    for last_words in [&b""[..], b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n"] {
        for is_polite in [true, false] {
            let (done, closed) = std::sync::mpsc::channel();
            let done = std::sync::Mutex::new(done);
            let client = towards(move |_, mut stream| {
                read_request(&mut stream);
                stream.write_all(OK).unwrap();
                // After the client has taken the first answer.
                std::thread::sleep(Duration::from_millis(50));
                stream.write_all(last_words).unwrap();
                if is_polite {
                    close(&mut stream);
                }
                drop(stream);
                done.lock().unwrap().send(()).unwrap();
            });
            for _ in 0..3 {
                let answer = block_on(client.call(Method::Post, "/a", &[], b"x"));
                assert_eq!(answer.map(|answer| answer.status), Ok(200));
                closed.recv().unwrap();
            }
        }
    }
}

/// An answer's second half that comes with the first in one piece is nobody's answer.
#[test]
fn an_answer_too_many_is_not_taken_for_the_next_ones() {
    let (identity, trust) = identity();
    let connections = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&connections);
    let port = secured(&identity, BOTH, move |_, mut stream| {
        counter.fetch_add(1, Ordering::SeqCst);
        while !read_request(&mut stream).is_empty() {
            stream.conn.writer().write_all(OK).unwrap();
            stream.conn.writer().write_all(b"HTTP/1.1 500 Not Yours\r\nContent-Length: 0\r\n\r\n").unwrap();
            stream.flush().unwrap();
        }
    });
    let client = client("127.0.0.1", port, trust, PATIENCE);
    for _ in 0..5 {
        assert_eq!(get(&client).map(|answer| answer.status), Ok(200));
    }
    assert_eq!(connections.load(Ordering::SeqCst), 5);
}

/// The same where it lies decrypted already: the first answer fills just what is read at a time.
#[test]
fn an_answer_too_many_that_is_decrypted_already_is_not_taken_for_the_next_ones() {
    let client = towards(|_, mut stream| {
        while !read_request(&mut stream).is_empty() {
            let head = "HTTP/1.1 200 OK\r\nContent-Length: 00000\r\n\r\n";
            let length = 16384 - head.len();
            let head = head.replace("00000", &length.to_string());
            stream.conn.writer().write_all(&[head.as_bytes(), &vec![b'x'; length]].concat()).unwrap();
            stream.conn.writer().write_all(b"HTTP/1.1 500 Not Yours\r\nContent-Length: 0\r\n\r\n").unwrap();
            stream.flush().unwrap();
            // So that all of it has come when the client looks.
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    for _ in 0..5 {
        assert_eq!(get(&client).map(|answer| answer.status), Ok(200));
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn ended_after(bytes: &'static [u8], is_polite: bool) -> Result<String, CallError> {
    let client = towards(move |_, mut stream| {
        read_request(&mut stream);
        stream.write_all(bytes).unwrap();
        if is_polite {
            close(&mut stream);
        }
    });
    get(&client).map(|answer| String::from_utf8(answer.body).unwrap())
}

/// Whoever cuts the connection could else shorten an answer unseen.
#[test]
fn an_answer_that_is_cut_off_is_none() {
    let until_closed = b"HTTP/1.1 200 OK\r\n\r\nhalf";
    assert_eq!(ended_after(until_closed, true).as_deref(), Ok("half"));
    for (bytes, is_polite, phase, words) in [
        (&until_closed[..], false, Phase::Body, "body: the connection was closed after 4 bytes of the body"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", false, Phase::Body, "closed after 4 bytes of the body"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", true, Phase::Body, "closed after 4 bytes of the body"),
        (b"HTTP/1.1 200 OK\r\nConte", false, Phase::Body, "body: the connection was closed within the answer's head"),
        (b"", false, Phase::FirstByte, "first byte: the connection was closed without an answer"),
        (b"", true, Phase::FirstByte, "first byte: the connection was closed without an answer"),
    ] {
        let error = ended_after(bytes, is_polite).unwrap_err();
        assert!(error.phase == phase && error.to_string().contains(words), "{error}");
    }
    // One whose length was told is whole, whatever follows.
    assert_eq!(ended_after(OK, false).as_deref(), Ok("ok"));
}

/// A peer that always has something must not hold the one thread.
#[test]
fn a_peer_that_sends_without_end_is_left_and_holds_up_nobody() {
    let (identity, trust) = identity();
    let port = secured(&identity, BOTH, |_, mut stream| {
        read_request(&mut stream);
        let mut sent = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
        while sent.is_ok() {
            sent = stream.write_all(&[b'x'; 65536]);
        }
    });
    let client = client("127.0.0.1", port, trust, PATIENCE);
    let turns = Cell::new(0);
    let others = async {
        loop {
            turns.set(turns.get() + 1);
            smol::future::yield_now().await;
        }
    };
    let error = block_on(smol::future::or(client.call(Method::Get, "/a", &[], &[]), others)).unwrap_err();
    assert_eq!(error.to_string(), format!("body: the answer is larger than {} bytes", limits::ANSWER_BYTES));
    // At most 16 KiB in each turn.
    assert!(turns.get() > limits::ANSWER_BYTES / (16 * 1024), "{} turns", turns.get());
}

#[test]
fn a_peer_that_only_changes_its_keys_is_left() {
    let (identity, trust) = identity();
    let port = secured(&identity, &[&TLS13], |_, mut stream| {
        read_request(&mut stream);
        while stream.conn.refresh_traffic_keys().is_ok() && stream.conn.write_tls(&mut stream.sock).is_ok() {}
    });
    let error = get(&client("127.0.0.1", port, trust, PATIENCE)).unwrap_err();
    assert!(error.phase == Phase::FirstByte && !error.timed_out && !error.is_untrusted, "{error:?}");
    assert!(error.to_string().starts_with("first byte: peer misbehaved"), "{error}");
}

#[test]
fn a_handshake_needs_no_thread_more() {
    let alone = ["--exact", "links::threads_of_a_client_alone", "--ignored", "--nocapture"];
    let said = Command::new(std::env::current_exe().unwrap()).args(alone).output().unwrap();
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(said.contains("handshakes: 3, threads more: 0\n"), "{said}");
}

/// Only in a process of its own can threads be counted; the server is another process.
#[test]
#[ignore = "started by the test above"]
fn threads_of_a_client_alone() {
    let threads = || std::fs::read_dir("/proc/self/task").unwrap().count();
    let (identity, trust) = identity();
    let server = Foreign::start(&identity, "");
    let client = client("127.0.0.1", server.port, trust, PATIENCE);
    // The timers' own thread is there from the first of them.
    block_on(async_io::Timer::after(Duration::from_millis(1)));
    let before = threads();
    let most = Cell::new(0);
    let watching = async {
        loop {
            most.set(most.get().max(threads()));
            smol::future::yield_now().await;
        }
    };
    let calling = async {
        // This server closes after each answer.
        for _ in 0..3 {
            assert_eq!(client.call(Method::Get, "/", &[], &[]).await.map(|answer| answer.status), Ok(200));
        }
    };
    block_on(smol::future::or(calling, watching));
    println!("handshakes: 3, threads more: {}", most.get().max(threads()).saturating_sub(before));
}
