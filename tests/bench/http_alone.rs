//! The HTTP server and client in figures: `cargo bench --bench http_alone`.
//!
//! A second process serves; this one loads it over loopback and reads its memory and threads from `/proc`.
#![allow(clippy::unwrap_used)]

use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::time::{Duration, Instant};

use async_io::Async;
use smol::LocalExecutor;
use smol::io::{AsyncReadExt, AsyncWriteExt};
use waybill::net::client::Client;
use waybill::net::server::{ServerLimits, serve};
use waybill::wire::http::{Method, Request, Response};
use waybill::wire::origin::Origin;

const PUSH: &str = "POST /api/v1/progress/job-1/update HTTP/1.1\r\nHost: 127.0.0.1:8081\r\nUser-Agent: Go-http-client/1.1\r\n\
    Content-Length: 131\r\nContent-Type: application/json\r\nAccept-Encoding: gzip\r\n\r\n\
    {\"stage\":\"Transfer\",\"status\":\"in_progress\",\"bytes_transferred\":1234567890,\"total_bytes\":9876543210,\
    \"throughput_bps\":1234567,\"p\":12}";

fn main() {
    if std::env::args().any(|argument| argument == "serve") {
        return serve_until_stdin_ends();
    }
    let mut server = Command::new(std::env::current_exe().unwrap())
        .arg("serve")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut address = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut address).unwrap();
    let address: SocketAddr = address.trim().parse().unwrap();
    println!("server at rest: {}", status(&server));
    for connections in [1, 50, 500] {
        load(address, connections);
    }
    idle(address, &server);
    println!("after all of them left: {}", status(&server));
    client(address, 1);
    client(address, 100);
    drop(server.stdin.take());
    server.wait().unwrap();
}

fn serve_until_stdin_ends() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    println!("{}", listener.local_addr().unwrap());
    let executor = Rc::new(LocalExecutor::new());
    let answer = Rc::new(async |request: Request| {
        Response::json(200, format!("{{\"status\":\"success\",\"job_id\":\"{}\"}}", request.segments[3]))
    });
    let listener = Async::new(listener).unwrap();
    executor.spawn(serve(Rc::clone(&executor), listener, ServerLimits::default(), answer)).detach();
    let stdin = Async::new(std::io::stdin()).unwrap();
    async_io::block_on(executor.run(async { stdin.read_with(|mut stdin| stdin.read(&mut [0])).await })).unwrap();
}

/// Resident memory and threads of the server.
fn status(server: &Child) -> String {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.id())).unwrap();
    let lines = status.lines().filter(|line| line.starts_with("VmRSS") || line.starts_with("Threads"));
    lines.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>().join(", ")
}

/// Movers' pushes over so many keep-alive connections, one at a time on each.
fn load(address: SocketAddr, connections: usize) {
    const SECONDS: f64 = 3.0;
    let executor = LocalExecutor::new();
    let (began, mut latencies) = (Instant::now(), Vec::new());
    async_io::block_on(executor.run(async {
        let tasks: Vec<_> = (0..connections).map(|_| executor.spawn(push_for(address, SECONDS))).collect();
        for task in tasks {
            latencies.extend(task.await);
        }
    }));
    let rate = latencies.len() as f64 / began.elapsed().as_secs_f64();
    latencies.sort_unstable();
    let at = |share: f64| latencies[(latencies.len() as f64 * share) as usize];
    println!("{connections} connections: {rate:.0} pushes/s, p50 {:?}, p99 {:?}", at(0.5), at(0.99));
}

async fn push_for(address: SocketAddr, seconds: f64) -> Vec<Duration> {
    let mut stream = Async::<TcpStream>::connect(address).await.unwrap();
    stream.get_ref().set_nodelay(true).unwrap();
    let (began, mut latencies, mut answer) = (Instant::now(), Vec::new(), vec![0; 1024]);
    while began.elapsed().as_secs_f64() < seconds {
        let sent = Instant::now();
        stream.write_all(PUSH.as_bytes()).await.unwrap();
        let count = stream.read(&mut answer).await.unwrap();
        assert!(answer[..count].starts_with(b"HTTP/1.1 200 OK\r\n"));
        latencies.push(sent.elapsed());
    }
    latencies
}

/// Five hundred connections that have been served and rest.
fn idle(address: SocketAddr, server: &Child) {
    let executor = LocalExecutor::new();
    let resting: Vec<_> = async_io::block_on(executor.run(async {
        let mut resting = Vec::new();
        for _ in 0..500 {
            let mut stream = Async::<TcpStream>::connect(address).await.unwrap();
            stream.write_all(PUSH.as_bytes()).await.unwrap();
            assert!(stream.read(&mut [0; 1024]).await.unwrap() > 0);
            resting.push(stream);
        }
        resting
    }));
    println!("{} resting connections: {}", resting.len(), status(server));
}

/// Polls through the client.
fn client(address: SocketAddr, calls_at_once: usize) {
    const CALLS: usize = 30_000;
    let client = Client::new(Origin::from_url(&format!("http://{address}")).unwrap(), Duration::from_secs(10));
    let executor = LocalExecutor::new();
    let began = Instant::now();
    async_io::block_on(executor.run(async {
        let poll = |client: Client| async move {
            for _ in 0..CALLS / calls_at_once {
                let answer =
                    client.call(Method::Get, "/api/v1/progress/job-1", &[("X-Correlation-ID", "1")], &[]).await;
                assert_eq!(answer.map(|answer| answer.status), Ok(200));
            }
        };
        let tasks: Vec<_> = (0..calls_at_once).map(|_| executor.spawn(poll(client.clone()))).collect();
        for task in tasks {
            task.await;
        }
    }));
    let rate = CALLS as f64 / began.elapsed().as_secs_f64();
    println!("client, {calls_at_once} calls at once: {rate:.0} polls/s");
}
