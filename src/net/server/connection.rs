//! One connection: requests in, answers out, one after the other.

use std::panic::AssertUnwindSafe;

use async_io::Timer;
use smol::future::{self, FutureExt, yield_now};

use super::crowd::Seat;
use super::room::Room;
use crate::limits;
use crate::net::pace::{Cut, Pace};
use crate::net::stream::{Duplex, linger, read_some, write_all};
use crate::wire::http::http_date;
use crate::wire::http::{
    CONTINUE, ChunkedBody, Closing, Fault, Framing, Head, Method, Request, Response, parse_head, render_head,
};
use crate::wire::problem::{Problem, panicked};

/// Why a request did not become one.
enum Lost {
    /// The peer is gone; there is nobody to answer.
    Gone,
    /// The peer gets a problem.
    Refused(Fault),
}

/// Serves a connection to its end.
pub async fn converse<S>(mut stream: S, room: &Room, seat: Seat)
where
    S: Duplex,
{
    let mut input = Vec::new();
    while wait_for_request(&mut stream, room, &seat, &mut input).await {
        let (mut response, to_head, closing) = match read_request(&mut stream, room, &mut input).await {
            Ok((request, closing)) => answer(room, request, closing).await,
            Err(Lost::Gone) => return,
            Err(Lost::Refused(fault)) => {
                log::debug!("a request was refused: {fault}");
                (Problem::from(fault).into(), false, Closing::Close)
            }
        };
        response.headers.push(("Date", http_date(room.clock.now().wall)));
        let head = render_head(&response, to_head, closing);
        let body = if head.with_body { response.body.as_slice() } else { &[] };
        let mut pace = Pace::at_least(room.limits.pace_bytes, room.limits.pace_window);
        if write_all(&mut stream, &mut pace, &head.bytes, body).await.is_err() {
            return;
        }
        if closing == Closing::Close {
            return linger(&mut stream, &room.scratch, room.limits.linger).await;
        }
        // A peer that always has another request ready must not keep the thread for itself.
        yield_now().await;
    }
}

/// Waits for the first byte of a request; false when there will be none.
async fn wait_for_request<S>(stream: &mut S, room: &Room, seat: &Seat, input: &mut Vec<u8>) -> bool
where
    S: Duplex,
{
    let mut skipped = skip_empty_lines(input);
    if !input.is_empty() {
        return true;
    }
    // A resting connection owns no buffer.
    *input = Vec::new();
    let resting = seat.rest();
    let mut idle = Timer::after(room.limits.idle);
    while input.is_empty() {
        // Bytes come first: a request that has arrived is served even when the place is wanted.
        let arrival = async { matches!(read_some(stream, &room.scratch, input).await, Ok(1..)) };
        let enough = async {
            future::or(resting.asked_to_leave(), elapsed(&mut idle)).await;
            false
        };
        if !future::or(arrival, enough).await {
            return false;
        }
        skipped += skip_empty_lines(input);
        if skipped > limits::HEAD_BYTES {
            return false;
        }
        yield_now().await;
    }
    true
}

/// Some clients send an empty line after a body (RFC 9112, 2.2). Tells how many bytes that was.
fn skip_empty_lines(input: &mut Vec<u8>) -> usize {
    let empty = input.chunks_exact(2).take_while(|pair| pair == b"\r\n").count() * 2;
    input.drain(..empty);
    empty
}

/// Reads one request; what came after it stays in `input`.
async fn read_request<S>(stream: &mut S, room: &Room, input: &mut Vec<u8>) -> Result<(Request, Closing), Lost>
where
    S: Duplex,
{
    let head = read_head(stream, room, input).await?;
    input.drain(..head.length);
    let closing = match (head.keep_alive, head.is_http10) {
        (false, _) => Closing::Close,
        (true, true) => Closing::KeepAliveHttp10,
        (true, false) => Closing::KeepAlive,
    };
    let mut pace = Pace::at_least(room.limits.pace_bytes, room.limits.pace_window);
    if head.expects_continue && input.is_empty() && head.framing != Framing::Length(0) {
        write_all(stream, &mut pace, CONTINUE, &[]).await.map_err(|_| Lost::Gone)?;
    }
    let body = match head.framing {
        Framing::Length(length) => read_length(stream, room, &mut pace, input, length).await?,
        Framing::Chunked => read_chunks(stream, room, &mut pace, input).await?,
    };
    Ok((Request { body, ..head.request }, closing))
}

async fn read_head<S>(stream: &mut S, room: &Room, input: &mut Vec<u8>) -> Result<Head, Lost>
where
    S: Duplex,
{
    let mut pace = Pace::within(room.limits.head);
    let mut seen = 0;
    loop {
        // Only a line's end changes the verdict, so a head that comes byte by byte is not parsed at every byte.
        let worth_parsing = seen == 0 || input[seen..].contains(&b'\n') || input.len() > limits::TARGET_BYTES;
        if worth_parsing && let Some(head) = parse_head(input).map_err(Lost::Refused)? {
            return Ok(head);
        }
        seen = input.len();
        pace.step(read_some(stream, &room.scratch, input)).await.map_err(Lost::from)?;
    }
}

async fn read_length<S>(
    stream: &mut S,
    room: &Room,
    pace: &mut Pace,
    input: &mut Vec<u8>,
    length: usize,
) -> Result<Vec<u8>, Lost>
where
    S: Duplex,
{
    if length == 0 {
        return Ok(Vec::new());
    }
    let mut body = std::mem::take(input);
    while body.len() < length {
        pace.step(read_some(stream, &room.scratch, &mut body)).await.map_err(Lost::from)?;
        yield_now().await;
    }
    *input = body.split_off(length);
    Ok(body)
}

async fn read_chunks<S>(stream: &mut S, room: &Room, pace: &mut Pace, input: &mut Vec<u8>) -> Result<Vec<u8>, Lost>
where
    S: Duplex,
{
    let (mut chunks, mut body) = (ChunkedBody::new(limits::BODY_BYTES), Vec::new());
    loop {
        let used = chunks.feed(input, &mut body).map_err(Lost::Refused)?;
        input.drain(..used);
        if chunks.is_done() {
            return Ok(body);
        }
        pace.step(read_some(stream, &room.scratch, input)).await.map_err(Lost::from)?;
        yield_now().await;
    }
}

impl From<Cut> for Lost {
    fn from(cut: Cut) -> Self {
        match cut {
            // The peer may have closed its sending side only, and still read.
            Cut::Ended => Self::Refused(Fault::Incomplete),
            Cut::TooSlow => Self::Refused(Fault::TooSlow),
            Cut::Broken(_) => Self::Gone,
        }
    }
}

/// Asks the handler; tells the answer, whether its body is kept back, and what becomes of the connection.
async fn answer(room: &Room, mut request: Request, closing: Closing) -> (Response, bool, Closing) {
    let to_head = request.method == Method::Head;
    if to_head {
        request.method = Method::Get;
    }
    // On the heap, so that a connection at rest does not carry the room for it.
    match Box::pin(AssertUnwindSafe((room.handler)(request)).catch_unwind()).await {
        Ok(response) => (response, to_head, closing),
        Err(_) => {
            log::error!("the handler of a request panicked; it was answered with 500");
            (panicked().into(), to_head, Closing::Close)
        }
    }
}

async fn elapsed(timer: &mut Timer) {
    timer.await;
}
