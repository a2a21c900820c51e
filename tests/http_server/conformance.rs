//! A table of requests, each named by the clause it is about, sent whole and byte by byte.

use super::harness::{PATIENCE, Peer, Server};
use waybill::net::server::ServerLimits;

/// What becomes of the connection.
#[derive(PartialEq)]
enum After {
    Open,
    Closed,
}
use After::{Closed, Open};

/// Clause and title; bytes; the answers' status and a text in their body; the connection afterwards.
type Case = (&'static str, &'static str, &'static [(u16, &'static str)], After);

/// RFC 9112: messages, framing, connections.
const MESSAGES: &[Case] = &[
    (
        "9112-2.2 an empty line before a request is skipped",
        "\r\n\r\nGET /a HTTP/1.1\r\nHost: h\r\n\r\n",
        &[(200, "GET /a ")],
        Open,
    ),
    (
        "9112-2.2 an empty line after a body is skipped",
        "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx\r\nGET /b HTTP/1.1\r\nHost: h\r\n\r\n",
        &[(200, "[x]"), (200, "/b")],
        Open,
    ),
    ("9112-2.2 bare LF ends no line", "GET / HTTP/1.1\nHost: h\n\n", &[(400, "CR LF")], Closed),
    ("9112-2.2 one bare LF among good lines", "GET / HTTP/1.1\r\nHost: h\nX: y\r\n\r\n", &[(400, "CR LF")], Closed),
    ("9112-2.2 bare CR in a field value", "GET / HTTP/1.1\r\nHost: h\r\nX: a\rb\r\n\r\n", &[(400, "")], Closed),
    ("9112-2.2 bare CR in the request line", "GET /\r HTTP/1.1\r\nHost: h\r\n\r\n", &[(400, "request line")], Closed),
    ("9112-2.2 space before the first field", "GET / HTTP/1.1\r\n Host: h\r\n\r\n", &[(400, "header field")], Closed),
    ("9112-2.3 HTTP/2.0", "GET / HTTP/2.0\r\nHost: h\r\n\r\n", &[(505, "HTTP/1.1")], Closed),
    ("9113-3.4 the HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &[(505, "")], Closed),
    ("9112-2.3 lower-case version", "GET / http/1.1\r\nHost: h\r\n\r\n", &[(400, "request line")], Closed),
    ("9112-2.3 HTTP/0.9", "GET /\r\n\r\n", &[(400, "request line")], Closed),
    ("9112-2.3 a version that is none", "GET / HTTP/1.1x\r\nHost: h\r\n\r\n", &[(400, "")], Closed),
    ("9112-3 two spaces in the request line", "GET  / HTTP/1.1\r\nHost: h\r\n\r\n", &[(400, "request line")], Closed),
    ("9112-3 a tab in the request line", "GET\t/ HTTP/1.1\r\nHost: h\r\n\r\n", &[(400, "request line")], Closed),
    ("9112-3 a TLS hello", "\u{16}\u{3}\u{1}\u{2}\0\u{1}", &[(400, "request line")], Closed),
    ("9112-3.1 a method is case-sensitive", "get / HTTP/1.1\r\nHost: h\r\n\r\n", &[(200, "get /")], Open),
    ("9112-3.1 a method that is no token", "G(T / HTTP/1.1\r\nHost: h\r\n\r\n", &[(400, "request line")], Closed),
    (
        "9110-9.1 an unknown method reaches the handler",
        "PATCH /a HTTP/1.1\r\nHost: h\r\n\r\n",
        &[(200, "PATCH /a")],
        Open,
    ),
    ("9112-3.2 no Host", "GET / HTTP/1.1\r\nX: y\r\n\r\n", &[(400, "Host")], Closed),
    ("9112-3.2 two Hosts", "GET / HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n", &[(400, "Host")], Closed),
    ("9112-3.2 two Hosts in one", "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", &[(400, "Host")], Closed),
    ("9112-3.2 Host with a user", "GET / HTTP/1.1\r\nHost: u@h\r\n\r\n", &[(400, "Host")], Closed),
    ("9112-3.2 an empty Host is a Host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", &[(200, "GET / ")], Open),
    (
        "9112-3.2.1 origin form with a query",
        "GET /a/b?c=d+e&f=%2B HTTP/1.1\r\nHost: h\r\n\r\n",
        &[(200, "GET /a|b c=d e&f=+ ")],
        Open,
    ),
    ("9112-3.2.1 plus is no space in a path", "GET /a+b HTTP/1.1\r\nHost: h\r\n\r\n", &[(200, "GET /a+b ")], Open),
    (
        "9112-3.2.2 absolute form",
        "GET http://other:1/a/b?c HTTP/1.1\r\nHost: h\r\n\r\n",
        &[(200, "GET /a|b c= ")],
        Open,
    ),
    ("9112-3.2.2 absolute form needs a Host too", "GET http://other/a HTTP/1.1\r\n\r\n", &[(400, "Host")], Closed),
    ("9112-3.2.2 another scheme", "GET ftp://other/a HTTP/1.1\r\nHost: h\r\n\r\n", &[(400, "request target")], Closed),
    ("9112-3.2.3 CONNECT", "CONNECT h:443 HTTP/1.1\r\nHost: h\r\n\r\n", &[(501, "CONNECT")], Closed),
    ("9112-3.2.4 OPTIONS *", "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", &[(200, "OPTIONS /*")], Open),
    ("9112-3.2.4 GET *", "GET * HTTP/1.1\r\nHost: h\r\n\r\n", &[(400, "request target")], Closed),
    ("9112-3.2 a target without a slash", "GET a HTTP/1.1\r\nHost: h\r\n\r\n", &[(400, "request target")], Closed),
    ("3986-3.5 a fragment", "GET /a#b HTTP/1.1\r\nHost: h\r\n\r\n", &[(400, "request target")], Closed),
    ("3986-2 a byte that is not ASCII", "GET /\u{e4} HTTP/1.1\r\nHost: h\r\n\r\n", &[(400, "request target")], Closed),
    (
        "3986-2.1 an escaped slash stays in its segment",
        "GET /a%2Fb/c HTTP/1.1\r\nHost: h\r\n\r\n",
        &[(200, "GET /a/b|c ")],
        Open,
    ),
    ("3986-2.1 escaped UTF-8", "GET /%C3%A4 HTTP/1.1\r\nHost: h\r\n\r\n", &[(200, "GET /\u{e4} ")], Open),
    ("3986-2.1 a broken escape", "GET /%4 HTTP/1.1\r\nHost: h\r\n\r\n", &[(400, "percent escape")], Closed),
    (
        "3986-2.1 an escape that is no hex",
        "GET /a?b=%zz HTTP/1.1\r\nHost: h\r\n\r\n",
        &[(400, "percent escape")],
        Closed,
    ),
    ("3986-2.1 an escaped NUL", "GET /%00 HTTP/1.1\r\nHost: h\r\n\r\n", &[(400, "NUL")], Closed),
    ("3986-2.1 escaped bytes that are no UTF-8", "GET /%ff HTTP/1.1\r\nHost: h\r\n\r\n", &[(400, "UTF-8")], Closed),
];

/// RFC 9110, 5 and 9112, 5: fields; 9112, 6: bodies and smuggling.
const FRAMING: &[Case] = &[
    ("9112-5.1 space before the colon", "GET / HTTP/1.1\r\nHost : h\r\n\r\n", &[(400, "header field")], Closed),
    (
        "9112-5.1 Content-Length with a space before the colon",
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length : 5\r\n\r\nhello",
        &[(400, "header field")],
        Closed,
    ),
    ("9110-5.1 an empty field name", "GET / HTTP/1.1\r\nHost: h\r\n: x\r\n\r\n", &[(400, "header field")], Closed),
    (
        "9110-5.1 a line without a colon",
        "GET / HTTP/1.1\r\nHost: h\r\nnonsense\r\n\r\n",
        &[(400, "header field")],
        Closed,
    ),
    (
        "9110-5.1 a field name that is no token",
        "GET / HTTP/1.1\r\nHost: h\r\nX\"Y: z\r\n\r\n",
        &[(400, "header field")],
        Closed,
    ),
    (
        "9110-5.5 a NUL in a value",
        "GET / HTTP/1.1\r\nHost: h\r\nX: a\0b\r\n\r\n",
        &[(400, "control character")],
        Closed,
    ),
    (
        "9110-5.5 text beyond ASCII in a value is let pass",
        "GET /a HTTP/1.1\r\nHost: h\r\nX: \u{e4}\r\n\r\n",
        &[(200, "GET /a")],
        Open,
    ),
    ("9112-5.2 a folded line", "GET / HTTP/1.1\r\nHost: h\r\nX: a\r\n b\r\n\r\n", &[(400, "folded")], Closed),
    (
        "9112-5.2 a folded Transfer-Encoding",
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
        &[(400, "folded")],
        Closed,
    ),
    (
        "9110-8.6 a body by its length",
        "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 005\r\n\r\nhello",
        &[(200, "POST /a  [hello]")],
        Open,
    ),
    (
        "9110-9.3.1 GET may have a body, and it is read",
        "GET /a HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi",
        &[(200, "[hi]")],
        Open,
    ),
    ("9112-6.3 no length is no body", "POST /a HTTP/1.1\r\nHost: h\r\n\r\n", &[(200, "POST /a  []")], Open),
    (
        "9112-6.3 two different lengths",
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        &[(400, "Content-Length")],
        Closed,
    ),
    (
        "9112-6.3 the same length twice",
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
        &[(400, "Content-Length")],
        Closed,
    ),
    (
        "9112-6.3 a list of lengths",
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5, 5\r\n\r\nhello",
        &[(400, "Content-Length")],
        Closed,
    ),
    (
        "9110-8.6 a signed length",
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: +5\r\n\r\nhello",
        &[(400, "Content-Length")],
        Closed,
    ),
    (
        "9110-8.6 a negative length",
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: -5\r\n\r\n",
        &[(400, "Content-Length")],
        Closed,
    ),
    (
        "9110-8.6 a hexadecimal length",
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0x5\r\n\r\nhello",
        &[(400, "Content-Length")],
        Closed,
    ),
    (
        "9110-8.6 an empty length",
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length:\r\n\r\n",
        &[(400, "Content-Length")],
        Closed,
    ),
    (
        "9110-8.6 a length past every number",
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999999999999999\r\n\r\n",
        &[(413, "larger than")],
        Closed,
    ),
    (
        "9110-15.5.14 a length past the limit",
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1048577\r\n\r\n",
        &[(413, "larger than")],
        Closed,
    ),
    (
        "9112-6.1 CL.TE",
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG",
        &[(400, "Transfer-Encoding")],
        Closed,
    ),
    (
        "9112-6.1 TE.CL",
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n12\r\nGET /admin HTTP/1.1\r\n\r\n0\r\n\r\n",
        &[(400, "Transfer-Encoding")],
        Closed,
    ),
    (
        "9112-6.1 TE.TE",
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n",
        &[(501, "transfer coding")],
        Closed,
    ),
    (
        "9112-6.1 chunked twice",
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
        &[(501, "transfer coding")],
        Closed,
    ),
    (
        "9112-6.1 another coding",
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        &[(501, "transfer coding")],
        Closed,
    ),
    (
        "9112-6.1 a coding that looks like chunked",
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        &[(501, "transfer coding")],
        Closed,
    ),
    (
        "9112-6.1 a coding with a vertical tab",
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: \u{b}chunked\r\n\r\n0\r\n\r\n",
        &[(400, "control character")],
        Closed,
    ),
    (
        "9112-6.1 chunked in HTTP/1.0",
        "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        &[(400, "HTTP/1.0")],
        Closed,
    ),
    (
        "9112-7 chunked is written in any case",
        "POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: CHUNKED\r\n\r\n1\r\nx\r\n0\r\n\r\n",
        &[(200, "[x]")],
        Open,
    ),
    (
        "9112-7.1 chunks",
        "POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n00A\r\n0123456789\r\n0\r\n\r\n",
        &[(200, "[hello0123456789]")],
        Open,
    ),
    (
        "9112-7.1.1 extensions are skipped",
        "POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1 ; a=\"b;c\"\r\nx\r\n0;z\r\n\r\n",
        &[(200, "[x]")],
        Open,
    ),
    (
        "9112-7.1.2 trailers are skipped",
        "POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nHost: evil\r\nX: y\r\n\r\n",
        &[(200, "[x]")],
        Open,
    ),
    (
        "9112-7.1 a chunk size that is none",
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        &[(400, "chunked body")],
        Closed,
    ),
    (
        "9112-7.1 a negative chunk size",
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
        &[(400, "chunked body")],
        Closed,
    ),
    (
        "9112-7.1 a chunk size with a prefix",
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0x1\r\nx\r\n0\r\n\r\n",
        &[(400, "chunked body")],
        Closed,
    ),
    (
        "9112-7.1 a chunk size past every number",
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
        &[(413, "")],
        Closed,
    ),
    (
        "9112-7.1 a chunk longer than its size",
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxy\r\n0\r\n\r\n",
        &[(400, "chunked body")],
        Closed,
    ),
    (
        "9112-7.1.1 bare LF in an extension",
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1;a\nx\r\n0\r\n\r\n",
        &[(400, "chunked body")],
        Closed,
    ),
    (
        "9112-7.1 bare LF after a size",
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\nx\r\n0\r\n\r\n",
        &[(400, "chunked body")],
        Closed,
    ),
    (
        "9112-7.1.2 bare LF after a trailer",
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: y\n\r\n",
        &[(400, "chunked body")],
        Closed,
    ),
];

/// RFC 9112, 9: connections; RFC 9110, 9.3.2, 10.1.1, 15: semantics that the server itself answers for.
const CONNECTIONS: &[Case] = &[
    ("9112-9.3 HTTP/1.1 stays open", "GET /a HTTP/1.1\r\nHost: h\r\n\r\n", &[(200, "/a")], Open),
    ("9112-9.3 HTTP/1.0 does not", "GET /a HTTP/1.0\r\n\r\n", &[(200, "/a")], Closed),
    ("9112-9.3 HTTP/1.0 does when asked", "GET /a HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", &[(200, "/a")], Open),
    (
        "9112-9.6 close is obeyed, wherever it stands",
        "GET /a HTTP/1.1\r\nHost: h\r\nConnection: x, CLOSE\r\n\r\n",
        &[(200, "/a")],
        Closed,
    ),
    (
        "9112-9.6 nothing after close is answered",
        "GET /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\nGET /b HTTP/1.1\r\nHost: h\r\n\r\n",
        &[(200, "/a")],
        Closed,
    ),
    (
        "9112-9.3.2 pipelined requests are answered in order",
        "GET /slowly HTTP/1.1\r\nHost: h\r\n\r\nPOST /b HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhiPOST /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\nGET /d HTTP/1.1\r\nHost: h\r\n\r\n",
        &[(200, "slowly"), (200, "/b  [hi]"), (200, "/c  [x]"), (200, "/d")],
        Open,
    ),
    (
        "9112-9.3.2 a bad request ends the pipeline",
        "GET /a HTTP/1.1\r\nHost: h\r\n\r\nBAD\r\n\r\nGET /c HTTP/1.1\r\nHost: h\r\n\r\n",
        &[(200, "/a"), (400, "")],
        Closed,
    ),
    (
        "9110-10.1.1 another expectation",
        "GET / HTTP/1.1\r\nHost: h\r\nExpect: 200-ok\r\n\r\n",
        &[(417, "100-continue")],
        Closed,
    ),
    (
        "9110-10.1.1 HTTP/1.0 expects nothing",
        "POST /a HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx",
        &[(200, "[x]")],
        Closed,
    ),
    (
        "9110-10.1.1 nothing to continue with",
        "GET /a HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n\r\n",
        &[(200, "/a")],
        Open,
    ),
    ("9110-15.3.5 204 has no body", "GET /status/204 HTTP/1.1\r\nHost: h\r\n\r\n", &[(204, "")], Open),
    ("9110-15.4.5 304 has no body", "GET /status/304 HTTP/1.1\r\nHost: h\r\n\r\n", &[(304, "")], Open),
    (
        "R-52 a handler that panics is a 500",
        "GET /panic HTTP/1.1\r\nHost: h\r\n\r\n",
        &[(500, "could not be handled")],
        Closed,
    ),
    (
        "9110-7.8 an upgrade is not taken",
        "GET /a HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
        &[(200, "/a")],
        Open,
    ),
];

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
