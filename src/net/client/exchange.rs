//! One request and its answer over one connection. ureq-proto keeps the protocol's state; this file moves the bytes,
//! bounds them, and refuses answers whose end could be understood in two ways.

use std::cell::Cell;
use std::io;

use smol::future::yield_now;
use ureq_proto::BodyMode;
use ureq_proto::client::state::{RecvBody, RecvResponse};
use ureq_proto::client::{Call, RecvBodyResult, RecvResponseResult, SendRequestResult};
use ureq_proto::http::{self, Version, header};

use crate::limits;
use crate::net::error::{CallError, Phase};
use crate::net::pace::{Cut, Pace};
use crate::net::stream::{Duplex, SCRATCH_BYTES, Scratch, read_some, write_all};
use crate::wire::http::Method;
use crate::wire::origin::Origin;

/// Bytes of an answer's framing (a chunk's size line, a trailer field) that may wait for their end.
const UNDECODED_BYTES: usize = 4 * 1024;

/// What a server answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status, 100 to 999 as sent.
    pub status: u16,
    /// The media type as sent, `""` where missing.
    pub content_type: String,
    /// The Set-Cookie fields as sent.
    pub cookies: Vec<String>,
    /// The body, at most [`limits::ANSWER_BYTES`].
    pub body: Vec<u8>,
}

/// A request as the caller gave it.
pub struct Outgoing<'r> {
    pub method: &'r Method,
    pub target: &'r str,
    pub headers: &'r [(&'r str, &'r str)],
    pub body: &'r [u8],
}

/// A request's head, ready to be sent with its body, and the state that awaits its answer.
pub struct Rendered {
    head: Vec<u8>,
    call: Call<RecvResponse>,
}

/// Why there is no answer.
#[derive(Debug)]
pub struct Failure {
    pub error: CallError,
    /// The connection was closed before a single byte of an answer: it may have been dead before the request.
    pub unanswered: bool,
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        Self { error, unanswered: false }
    }
}

impl Outgoing<'_> {
    /// Writes the head; an error is the caller's own, in a header or the target.
    pub fn render(&self, origin: &Origin, scratch: &Scratch) -> Result<Rendered, CallError> {
        // The http crate takes fragments for granted and drops them.
        if !self.target.starts_with('/') || !self.target.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') {
            return Err(CallError::new(Phase::Queue, format!("the target {:?} is not percent-encoded", self.target)));
        }
        self.prepare(origin, scratch).map_err(|reason| CallError::new(Phase::Queue, reason))
    }

    fn prepare(&self, origin: &Origin, scratch: &Scratch) -> Result<Rendered, String> {
        let mut request = http::Request::builder()
            .method(self.method.name())
            .uri(self.target)
            .header(header::HOST, origin.authority());
        for (name, value) in self.headers {
            request = request.header(*name, *value);
        }
        if !self.body.is_empty() || matches!(self.method, Method::Post | Method::Put) {
            request = request.header(header::CONTENT_LENGTH, self.body.len());
        }
        let request = request.body(()).map_err(|error| error.to_string())?;
        let mut call = Call::new(request).map_err(|error| error.to_string())?;
        call.allow_non_standard_methods(true);
        let mut call = call.proceed();
        let head = scratch.lend(|space| call.write(space).map(|length| space[..length].to_vec()));
        let head = head.map_err(|error| error.to_string())?;
        let call = match call.proceed().map_err(|error| error.to_string())? {
            Some(SendRequestResult::RecvResponse(call)) => call,
            Some(SendRequestResult::SendBody(mut call)) => {
                call.consume_direct_write(self.body.len()).map_err(|error| error.to_string())?;
                call.proceed().ok_or("the body has not the length that its header tells")?
            }
            Some(SendRequestResult::Await100(_)) => return Err("Expect is not for this client".to_owned()),
            None => return Err(format!("the head is larger than {SCRATCH_BYTES} bytes")),
        };
        Ok(Rendered { head, call })
    }
}

/// Sends and receives. The flag tells whether the connection may carry another request.
pub async fn exchange<S: Duplex>(
    stream: &mut S,
    scratch: &Scratch,
    request: Rendered,
    body: &[u8],
    phase: &Cell<Phase>,
) -> Result<(Answer, bool), Failure> {
    // A peer that refuses early may close before it has read everything; its answer is worth more than our error.
    let sent = write_all(stream, &mut Pace::unwatched(), &request.head, body).await;
    let mut incoming = Incoming { stream, scratch, input: Vec::new(), consumed: 0, is_cut: false, phase };
    let mut call = request.call;
    let response = match incoming.head(&mut call).await {
        Ok(response) => response,
        Err(failure) => return Err(first_cause(failure, sent)),
    };
    if let Some(doubt) = ambiguity(&response) {
        return Err(CallError::new(Phase::Body, doubt).into());
    }
    let (body, reusable) = match call.proceed() {
        Some(RecvResponseResult::RecvBody(call)) => incoming.body(call).await?,
        Some(RecvResponseResult::Redirect(call)) => (Vec::new(), !call.must_close_connection()),
        Some(RecvResponseResult::Cleanup(call)) => (Vec::new(), !call.must_close_connection()),
        None => return Err(CallError::new(Phase::Body, "the answer has no end").into()),
    };
    let (status, headers) = (response.status().as_u16(), response.headers());
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let cookies = headers.get_all(header::SET_COOKIE).iter().filter_map(|value| value.to_str().ok().map(str::to_owned));
    let content_type = content_type.unwrap_or_default().to_owned();
    let answer = Answer { status, content_type, cookies: cookies.collect(), body };
    Ok((answer, reusable && sent.is_ok() && incoming.input.is_empty()))
}

/// Where nothing came back and the sending had failed already, that is the reason to tell.
fn first_cause(failure: Failure, sent: Result<(), Cut>) -> Failure {
    match sent {
        Err(Cut::Broken(error)) if failure.unanswered => {
            Failure { error: CallError::io(Phase::FirstByte, &error), unanswered: true }
        }
        _ => failure,
    }
}

/// Why an answer's length is open to doubt (RFC 9112, 6.1 and 6.3).
fn ambiguity(response: &http::Response<()>) -> Option<&'static str> {
    let mut codings = response.headers().get_all(header::TRANSFER_ENCODING).iter();
    let coding = codings.next()?;
    if response.headers().contains_key(header::CONTENT_LENGTH) {
        return Some("the answer has both Transfer-Encoding and Content-Length");
    }
    let plain = coding.as_bytes().eq_ignore_ascii_case(b"chunked") && codings.next().is_none();
    (!plain || response.version() != Version::HTTP_11).then_some("the answer has a transfer coding other than chunked")
}

/// An answer on its way in.
struct Incoming<'c, S> {
    stream: &'c mut S,
    scratch: &'c Scratch,
    /// What has come and is not understood yet.
    input: Vec<u8>,
    /// Bytes that were understood.
    consumed: usize,
    /// The stream ended without TLS's word that this was all.
    is_cut: bool,
    phase: &'c Cell<Phase>,
}

impl<S: Duplex> Incoming<'_, S> {
    /// Waits for more; false at the end of the stream.
    async fn more(&mut self) -> Result<bool, Failure> {
        let count = read_some(self.stream, self.scratch, &mut self.input).await;
        let nothing_yet = self.consumed == 0 && self.input.is_empty();
        if !self.input.is_empty() {
            self.phase.set(Phase::Body);
        }
        let count = match count {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                self.is_cut = true;
                0
            }
            Err(error) => {
                return Err(Failure { error: CallError::io(self.phase.get(), &error), unanswered: nothing_yet });
            }
            Ok(count) => count,
        };
        // Time limits only fire when this task lets them.
        yield_now().await;
        Ok(count > 0)
    }

    fn consume(&mut self, count: usize) {
        self.consumed += count;
        self.input.drain(..count);
    }

    fn garbled(&self, error: &ureq_proto::Error) -> Failure {
        CallError::new(Phase::Body, format!("the answer is not HTTP/1.1: {error}")).into()
    }

    /// Reads up to the final answer's empty line; interim answers (1xx) are passed over.
    async fn head(&mut self, call: &mut Call<RecvResponse>) -> Result<http::Response<()>, Failure> {
        let mut seen = 0;
        loop {
            // As in the server, only the first bytes and a line's end can change the verdict.
            while !self.input.is_empty() && (seen == 0 || self.input[seen..].contains(&b'\n')) {
                let (used, response) = call.try_response(&self.input, false).map_err(|error| self.garbled(&error))?;
                self.consume(used);
                if let Some(response) = response {
                    return Ok(response);
                }
                if used == 0 {
                    break;
                }
                seen = 0;
            }
            if self.consumed + self.input.len() > limits::HEAD_BYTES {
                let reason = format!("the answer's head is larger than {} bytes", limits::HEAD_BYTES);
                return Err(CallError::new(Phase::Body, reason).into());
            }
            seen = self.input.len();
            if !self.more().await? {
                let unanswered = self.consumed == 0 && self.input.is_empty();
                let error = match unanswered {
                    true => CallError::new(Phase::FirstByte, "the connection was closed without an answer"),
                    false => CallError::new(Phase::Body, "the connection was closed within the answer's head"),
                };
                return Err(Failure { error, unanswered });
            }
        }
    }

    /// Reads the body; the flag tells whether the connection may be used again.
    async fn body(&mut self, mut call: Call<RecvBody>) -> Result<(Vec<u8>, bool), Failure> {
        let until_closed = matches!(call.body_mode(), BodyMode::CloseDelimited);
        let announced = match call.body_mode() {
            BodyMode::LengthDelimited(length) => length,
            _ => 0,
        };
        let mut body = Vec::new();
        loop {
            self.decode(&mut call, &mut body)?;
            // Framing counts as well, else chunk extensions and trailer fields could come for ever.
            let too_large = body.len() > limits::ANSWER_BYTES || self.consumed > 2 * limits::ANSWER_BYTES;
            if too_large || announced > limits::ANSWER_BYTES as u64 {
                let reason = format!("the answer is larger than {} bytes", limits::ANSWER_BYTES);
                return Err(CallError::new(Phase::Body, reason).into());
            }
            if !until_closed && call.can_proceed() {
                break;
            }
            if self.input.len() > UNDECODED_BYTES {
                return Err(CallError::new(Phase::Body, "the answer's chunks are malformed").into());
            }
            if !self.more().await? {
                // Else anybody on the way could shorten such an answer.
                if until_closed && !self.is_cut {
                    break;
                }
                let reason = format!("the connection was closed after {} bytes of the body", body.len());
                return Err(CallError::new(Phase::Body, reason).into());
            }
        }
        let reusable = match call.proceed() {
            Some(RecvBodyResult::Redirect(call)) => !call.must_close_connection(),
            Some(RecvBodyResult::Cleanup(call)) => !call.must_close_connection(),
            None => false,
        };
        Ok((body, reusable))
    }

    fn decode(&mut self, call: &mut Call<RecvBody>, body: &mut Vec<u8>) -> Result<(), Failure> {
        while !self.input.is_empty() {
            let start = body.len();
            // Decoded data is never longer than what it came in.
            body.resize(start + self.input.len(), 0);
            let (used, made) = call.read(&self.input, &mut body[start..]).map_err(|error| self.garbled(&error))?;
            body.truncate(start + made);
            self.consume(used);
            if used == 0 {
                break;
            }
        }
        Ok(())
    }
}
