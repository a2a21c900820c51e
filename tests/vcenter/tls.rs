//! Whom the client takes for the right server (`vsphere.md`, "Trust"). Goal: nobody else gets a byte, and each refusal says what is
//! wrong and in which phase. Method: `openssl s_server` with certificates of every kind.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use waybill::net::client::{Answer, CallError, Client, Phase};
use waybill::net::tls::Trust;
use waybill::wire::http::Method;
use waybill::wire::origin::Origin;
use waybill::wire::thumbprint::Thumbprint;

use crate::harness::{SOON, until};
use crate::vcsim::run;

/// A folder with an authority `ca` and certificates of it.
struct Papers(TempDir);

impl Papers {
    fn new() -> Self {
        let papers = Self(tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap());
        let authority =
            "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 -subj /CN=ca";
        papers.make(&format!("{authority} -keyout ca.key -out ca.pem -addext basicConstraints=critical,CA:TRUE"));
        papers
    }
    fn make(&self, command: &str) {
        let words: Vec<&str> = command.split(' ').collect();
        run(Command::new(words[0]).args(&words[1..]).current_dir(self.0.path()));
    }
    /// A certificate of the authority for these names, valid for a day from that date on.
    fn certify(&self, name: &str, names: &str, from: &str) {
        self.make(&format!("openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout {name}.key -out csr -subj /CN=x"));
        fs::write(self.0.path().join("names"), format!("subjectAltName={names}\n")).unwrap();
        let sign = "openssl x509 -req -in csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 1 -extfile names";
        self.make(&format!("faketime {from} {sign} -out {name}.pem"));
    }
    fn pem(&self, name: &str) -> Vec<u8> {
        fs::read(self.0.path().join(format!("{name}.pem"))).unwrap()
    }
    fn pin(&self, name: &str) -> Thumbprint {
        let mut openssl = Command::new("openssl");
        openssl.args(["x509", "-noout", "-fingerprint", "-sha256", "-in", &format!("{name}.pem")]);
        let text = run(openssl.current_dir(self.0.path()));
        Thumbprint::parse(text.trim().rsplit_once('=').expect("a fingerprint").1).expect("a thumbprint")
    }
    fn serve(&self, name: &str, more: &[&str]) -> Server {
        Server::start(self.0.path(), name, more)
    }
}

/// `openssl s_server`, which answers every GET with a page.
struct Server {
    child: Child,
    port: u16,
}

impl Server {
    fn start(folder: &Path, name: &str, more: &[&str]) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut openssl = Command::new("openssl");
        openssl.args(["s_server", "-quiet", "-www", "-accept", &format!("127.0.0.1:{port}")]);
        openssl.args(["-cert", &format!("{name}.pem"), "-key", &format!("{name}.key")]).args(more);
        let child =
            openssl.current_dir(folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let server = Self { child: child.expect("openssl runs"), port };
        until("the server listens", SOON, || TcpStream::connect(("127.0.0.1", port)).ok());
        server
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn client(host: &str, port: u16, trust: Trust, timeout: Duration) -> Client {
    let (origin, _) = Origin::with_path(&format!("https://{host}:{port}"), "/").expect("an origin");
    Client::over_tls(origin, trust, timeout)
}

fn ask(host: &str, port: u16, authority: Option<Vec<u8>>, pin: Option<Thumbprint>) -> Result<Answer, CallError> {
    let trust = Trust::new(authority.as_deref(), pin).expect("somebody to trust");
    let client = client(host, port, trust, Duration::from_secs(5));
    async_io::block_on(client.call(Method::Get, "/", &[], b""))
}

#[test]
fn the_right_server_is_taken_by_name_address_and_pin() {
    let papers = Papers::new();
    papers.certify("good", "IP:127.0.0.1,DNS:localhost", "today");
    papers.certify("old", "DNS:elsewhere.example", "2020-01-01");
    for more in [&["-tls1_3"][..], &["-tls1_2"]] {
        let server = papers.serve("good", more);
        for host in ["127.0.0.1", "localhost"] {
            assert_eq!(ask(host, server.port, Some(papers.pem("ca")), None).expect("an answer").status, 200);
        }
        assert_eq!(ask("127.0.0.1", server.port, None, Some(papers.pin("good"))).expect("an answer").status, 200);
    }
    // A pin names the certificate itself, whatever stands in it.
    let server = papers.serve("old", &[]);
    assert_eq!(ask("127.0.0.1", server.port, None, Some(papers.pin("old"))).expect("an answer").status, 200);
    let server = papers.serve("ca", &[]);
    assert_eq!(ask("127.0.0.1", server.port, None, Some(papers.pin("ca"))).expect("an answer").status, 200);
}

#[test]
fn every_other_server_is_refused_with_what_is_wrong_with_its_certificate() {
    let (papers, strangers) = (Papers::new(), Papers::new());
    papers.certify("good", "IP:127.0.0.1", "today");
    papers.certify("expired", "IP:127.0.0.1", "2020-01-01");
    papers.certify("early", "IP:127.0.0.1", "2040-01-01");
    papers.certify("named", "DNS:elsewhere.example", "today");
    let (right, wrong) = (papers.pem("ca"), strangers.pem("ca"));
    for (name, authority, pin, said) in [
        ("good", Some(&wrong), None, "was not issued by the trusted authority"),
        ("good", Some(&wrong), Some(papers.pin("good")), "was not issued by the trusted authority"),
        ("good", Some(&right), Some(papers.pin("named")), "is not the pinned one"),
        ("good", None, Some(papers.pin("ca")), "is not the pinned one"),
        ("expired", Some(&right), None, "has expired"),
        ("early", Some(&right), None, "is not valid yet: see that this machine's clock is right"),
        ("named", Some(&right), None, "is another's"),
        ("ca", Some(&right), None, "is itself an authority's: pin its thumbprint instead"),
    ] {
        let server = papers.serve(name, &[]);
        let error = ask("127.0.0.1", server.port, authority.cloned(), pin).expect_err(name);
        assert_eq!((error.phase, error.is_untrusted), (Phase::Tls, true), "{name}: {error}");
        let shown = format!("TLS: the server's certificate (SHA-256 thumbprint {}) ", papers.pin(name));
        assert!(error.to_string().starts_with(&shown) && error.reason.contains(said), "{name}: {error}");
    }
}

#[test]
fn what_is_no_tls_says_so_and_is_not_called_untrusted() {
    let papers = Papers::new();
    papers.certify("good", "IP:127.0.0.1", "today");
    let failed = |port, said: &str| {
        let error = ask("127.0.0.1", port, Some(papers.pem("ca")), None).expect_err(said);
        assert_eq!((error.phase, error.is_untrusted), (Phase::Tls, false), "{error}");
        assert!(error.reason.contains(said), "{said}: {error}");
    };
    let server = papers.serve("good", &["-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"]);
    failed(server.port, "which must speak TLS 1.2 or 1.3");

    let plain = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = plain.local_addr().unwrap().port();
    let answering = std::thread::spawn(move || {
        use std::io::Write;
        let (mut stream, _) = plain.accept().unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
        drop(plain.accept());
    });
    failed(port, "the server does not speak TLS");
    failed(port, "closed the connection within the handshake");
    answering.join().unwrap();

    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let trust = Trust::new(Some(&papers.pem("ca")), None).expect("an authority");
    let client = client("127.0.0.1", silent.local_addr().unwrap().port(), trust, Duration::from_millis(200));
    let error = async_io::block_on(client.call(Method::Get, "/", &[], b"")).expect_err("silence");
    assert_eq!((error.to_string(), error.phase), ("TLS handshake not complete within 200 ms".to_owned(), Phase::Tls));
}

#[test]
fn an_authority_that_is_none_is_named() {
    let said = |pem: &[u8]| Trust::new(Some(pem), None).expect_err("no authority").to_string();
    assert!(said(b"").contains("holds no certificate in PEM"));
    assert!(
        said(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
            .contains("certificate number 1 cannot be used")
    );
    assert_eq!(
        Trust::new(None, None).expect_err("nobody").to_string(),
        "neither an authority nor a thumbprint is given"
    );
}
