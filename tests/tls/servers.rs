//! Servers with TLS, each on threads of its own, and the client for them.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_io::block_on;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::{TLS12, TLS13};
use rustls::{ServerConfig, ServerConnection, StreamOwned, SupportedProtocolVersion};
use waybill::net::client::{Answer, CallError, Client};
use waybill::net::tls::Trust;
use waybill::wire::http::Method;
use waybill::wire::origin::Origin;

use super::certificates::Identity;

/// No test waits longer than this for what ought to come.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub const BOTH: &[&SupportedProtocolVersion] = &[&TLS13, &TLS12];
pub const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// A connection after its handshake; dropping it closes without a word.
pub type Secured = StreamOwned<ServerConnection, TcpStream>;

/// A server by hand: `play` gets each connection with its number.
pub fn hand_made(play: impl Fn(usize, TcpStream) + Send + Sync + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let play = Arc::new(play);
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let (play, stream) = (Arc::clone(&play), stream.unwrap());
            stream.set_nodelay(true).unwrap();
            std::thread::spawn(move || play(number, stream));
        }
    });
    port
}

/// The same with TLS.
pub fn secured(
    identity: &Identity,
    versions: &[&'static SupportedProtocolVersion],
    play: impl Fn(usize, Secured) + Send + Sync + 'static,
) -> u16 {
    let chain = vec![CertificateDer::from_pem_file(&identity.certificate).unwrap()];
    let key = PrivateKeyDer::from_pem_file(&identity.key).unwrap();
    // Without a look at whether the two belong together: one of the tests is about that.
    let key = ring::default_provider().key_provider.load_private_key(key).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(CertifiedKey::new(chain, key))));
    let config = Arc::new(config);
    hand_made(move |number, stream| {
        play(number, StreamOwned::new(ServerConnection::new(Arc::clone(&config)).unwrap(), stream));
    })
}

/// Answers every request with `OK` and counts the connections that have sent one.
pub fn counted(identity: &Identity, versions: &[&'static SupportedProtocolVersion]) -> (u16, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&count);
    let port = secured(identity, versions, move |_, mut stream| {
        let mut is_first = true;
        while !read_request(&mut stream).is_empty() {
            counter.fetch_add(usize::from(std::mem::take(&mut is_first)), Ordering::SeqCst);
            stream.write_all(OK).unwrap();
        }
    });
    (port, count)
}

/// Reads one request's head, whatever its body; "" when the client left.
pub fn read_request(stream: &mut impl Read) -> String {
    let mut bytes = Vec::new();
    let mut space = [0; 4096];
    while !bytes.windows(4).any(|four| four == b"\r\n\r\n") {
        match stream.read(&mut space) {
            Ok(count @ 1..) => bytes.extend_from_slice(&space[..count]),
            _ => return String::new(),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

pub fn client(host: &str, port: u16, trust: Trust, timeout: Duration) -> Client {
    let (origin, _) = Origin::with_path(&format!("https://{host}:{port}"), "/").unwrap();
    Client::over_tls(origin, trust, timeout)
}

pub fn get(client: &Client) -> Result<Answer, CallError> {
    block_on(client.call(Method::Get, "/a", &[], &[]))
}

/// What one call of a new client comes to: the body, or the words of the error.
pub fn outcome(host: &str, port: u16, trust: Trust) -> Result<String, CallError> {
    get(&client(host, port, trust, PATIENCE)).map(|answer| String::from_utf8(answer.body).unwrap())
}
