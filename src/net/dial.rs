//! A TCP connection to a server, through the proxy on the way where there is one.
//!
//! A proxy is told the server's name, not its address: often only the proxy can resolve it. Until the server's own first
//! byte the connection is the proxy's, and what it says is not believed beyond "connected" or "refused".

use std::cell::Cell;
use std::io;
use std::net::{SocketAddr, TcpStream};

use async_io::Async;
use smol::io::{AsyncReadExt, AsyncWriteExt};

use super::error::{CallError, Phase};
use super::resolve;
use crate::limits;
use crate::runtime::secrets::Secret;
use crate::wire::origin::{Origin, Scheme};
use crate::wire::proxy::{self, Proxy, ProxyKind};

/// The proxy on the way, and who we are to it.
#[derive(Debug, Clone)]
pub struct Via {
    /// Where it stands.
    pub proxy: Proxy,
    /// Name and password.
    pub credentials: Option<(Secret, Secret)>,
}

/// Connects to a server.
///
/// # Errors
/// In which phase it failed, and why.
pub async fn dial(origin: &Origin, via: Option<&Via>, phase: &Cell<Phase>) -> Result<Async<TcpStream>, CallError> {
    let Some(via) = via else {
        let filter: fn(&SocketAddr) -> bool = match origin.scheme {
            // R-60 once more: a name is what the resolver makes of it.
            Scheme::Http => |address| address.ip().is_loopback(),
            Scheme::Https => |_| true,
        };
        return connect(&origin.host, origin.port, filter, phase).await;
    };
    let told = |error: CallError| CallError {
        phase: Phase::Proxy,
        reason: format!("the proxy {}: {}", via.proxy, error.reason),
        ..error
    };
    let mut stream = connect(&via.proxy.host, via.proxy.port, |_| true, phase).await.map_err(told)?;
    phase.set(Phase::Proxy);
    let refused = |why: String| told(CallError::new(Phase::Proxy, why));
    let credentials = via.credentials.as_ref().map(|(user, password)| (user.expose(), password.expose()));
    match via.proxy.kind {
        ProxyKind::Connect => through_http(&mut stream, origin, credentials).await.map_err(refused)?,
        ProxyKind::Socks5 => through_socks(&mut stream, origin, credentials).await.map_err(refused)?,
    }
    Ok(stream)
}

async fn connect(
    host: &str,
    port: u16,
    filter: impl Fn(&SocketAddr) -> bool,
    phase: &Cell<Phase>,
) -> Result<Async<TcpStream>, CallError> {
    phase.set(Phase::Resolve);
    let mut addresses =
        resolve::addresses(host, port).await.map_err(|reason| CallError::new(Phase::Resolve, reason))?;
    addresses.retain(filter);
    phase.set(Phase::Connect);
    let mut last =
        CallError::new(Phase::Resolve, format!("{host} is not on loopback, and plain http goes nowhere else"));
    for address in addresses {
        match connect_to(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => {
                last = CallError::io(Phase::Connect, &error);
                last.reason.push_str(&format!(" ({address})"));
            }
        }
    }
    Err(last)
}

async fn connect_to(address: SocketAddr) -> io::Result<Async<TcpStream>> {
    let stream = Async::<TcpStream>::connect(address).await?;
    stream.get_ref().set_nodelay(true)?;
    Ok(stream)
}

async fn through_http(
    stream: &mut Async<TcpStream>,
    origin: &Origin,
    credentials: Option<(&str, &str)>,
) -> Result<(), String> {
    let request = proxy::connect(&origin.host, origin.port, credentials);
    stream.write_all(request.as_bytes()).await.map_err(|error| error.to_string())?;
    let (mut answer, mut space) = (Vec::new(), [0; 512]);
    let (length, status, reason) = loop {
        let count = stream.read(&mut space).await.map_err(|error| error.to_string())?;
        answer.extend_from_slice(&space[..count]);
        match proxy::connected(&answer).map_err(|error| format!("its answer is not HTTP: {error}"))? {
            Some(read) => break read,
            None if count == 0 => return Err("it closed the connection instead of an answer".to_owned()),
            None if answer.len() > limits::HEAD_BYTES => return Err("its answer has no end".to_owned()),
            None => {}
        }
    };
    match status {
        // The server speaks second, so what came already is not the server's.
        200..300 if answer.len() > length => Err("it sends more than its answer".to_owned()),
        200..300 => Ok(()),
        407 if credentials.is_some() => Err("it does not take the user's name and password (407)".to_owned()),
        407 => Err("it wants a user's name and a password (407): name their files in proxy_username_file and \
                    proxy_password_file"
            .to_owned()),
        403 => Err(format!("it forbids CONNECT to {} (403): its administrator has to allow it", origin.authority())),
        status => Err(format!("it answers {status} {}", reason.escape_debug())),
    }
}

async fn through_socks(
    stream: &mut Async<TcpStream>,
    origin: &Origin,
    credentials: Option<(&str, &str)>,
) -> Result<(), String> {
    let io = |error: io::Error| match error.kind() {
        io::ErrorKind::UnexpectedEof => "it closed the connection instead of an answer".to_owned(),
        _ => error.to_string(),
    };
    stream.write_all(proxy::socks_greeting(credentials.is_some())).await.map_err(io)?;
    let mut chosen = [0; 2];
    stream.read_exact(&mut chosen).await.map_err(io)?;
    match (chosen, credentials) {
        ([5, 0], _) => {}
        ([5, 2], Some((user, password))) => {
            let message = proxy::socks_password(user, password)?;
            stream.write_all(&message).await.map_err(io)?;
            let mut verdict = [0; 2];
            stream.read_exact(&mut verdict).await.map_err(io)?;
            if verdict[1] != 0 {
                return Err("it does not take the user's name and password".to_owned());
            }
        }
        ([5, 0xff], None) => {
            return Err("it wants to know who asks: name the files proxy_username_file and proxy_password_file".into());
        }
        ([5, _], _) => return Err("it takes neither nobody nor a password".to_owned()),
        _ => return Err("its answer is no SOCKS 5".to_owned()),
    }
    stream.write_all(&proxy::socks_request(&origin.host, origin.port)?).await.map_err(io)?;
    let mut answer = vec![0; 5];
    stream.read_exact(&mut answer).await.map_err(io)?;
    if answer[1] != 0 {
        return Err(format!("no way to {}: {}", origin.authority(), proxy::socks_reply(answer[1])));
    }
    // Nothing beyond the answer is read: what follows is the server's.
    let length = proxy::socks_answer_length(&answer).ok_or("its answer is no SOCKS 5")??;
    answer.resize(length, 0);
    stream.read_exact(&mut answer[5..]).await.map_err(io)
}
