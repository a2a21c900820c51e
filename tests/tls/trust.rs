//! Whom the client takes for the right server. Goal: nobody else gets a byte of HTTP, and each refusal says what is wrong, with
//! the certificate's thumbprint, and in which phase.

use std::net::TcpListener;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rustls::version::{TLS12, TLS13};
use waybill::net::client::Phase;
use waybill::net::tls::Trust;
use waybill::wire::thumbprint::Thumbprint;

use super::certificates::{Authority, EC, Identity, NOW};
use super::peers::Foreign;
use super::servers::{BOTH, client, counted, get, hand_made, outcome};

/// From when until when a certificate is valid that is not.
const PAST: (&str, &str) = ("20200101000000Z", "20210101000000Z");
const FUTURE: (&str, &str) = ("20900101000000Z", "20991231000000Z");

fn trust(authority: Option<&Authority>, pin: Option<Thumbprint>) -> Trust {
    Trust::new(authority.map(Authority::pem).as_deref(), pin).unwrap()
}

#[test]
fn the_right_server_is_taken_by_name_address_and_pin() {
    let authority = Authority::new();
    let good = authority.issue_good();
    for version in [&TLS13, &TLS12] {
        for host in ["127.0.0.1", "localhost"] {
            let (port, _) = counted(&good, &[version]);
            assert_eq!(outcome(host, port, trust(Some(&authority), None)).as_deref(), Ok("ok"));
            assert_eq!(outcome(host, port, trust(None, Some(good.pin()))).as_deref(), Ok("ok"));
            assert_eq!(outcome(host, port, trust(Some(&authority), Some(good.pin()))).as_deref(), Ok("ok"));
        }
    }
    // A pin names the certificate itself, whatever stands in it.
    for other in [authority.issue("DNS:elsewhere.example", PAST), Identity::self_signed(EC)] {
        let (port, _) = counted(&other, BOTH);
        for digest in ["sha256", "sha1"] {
            let pin = Thumbprint::parse(&other.fingerprint(digest)).unwrap();
            assert_eq!(outcome("127.0.0.1", port, trust(None, Some(pin))).as_deref(), Ok("ok"), "{digest}");
        }
    }
}

#[test]
fn every_other_server_is_refused_with_what_is_wrong_with_its_certificate() {
    let (right, wrong) = (Authority::new(), Authority::new());
    let good = right.issue_good();
    let selfsigned = Identity::self_signed(&format!("{EC} -addext subjectAltName=IP:127.0.0.1"));
    let other_pin = Identity::self_signed(EC).pin();
    let itself = Trust::new(Some(&std::fs::read(&selfsigned.certificate).unwrap()), None).unwrap();
    let by_right = || trust(Some(&right), None);
    for (identity, trust, said) in [
        (&good, trust(Some(&wrong), None), "was not issued by the trusted authority"),
        (&good, trust(Some(&wrong), Some(good.pin())), "was not issued by the trusted authority"),
        (&good, trust(Some(&right), Some(other_pin)), "is not the pinned one"),
        (&good, trust(None, Some(other_pin)), "is not the pinned one"),
        (&right.issue("IP:127.0.0.1", PAST), by_right(), "has expired"),
        (&right.issue("IP:127.0.0.1", FUTURE), by_right(), "is not valid yet: see that this machine's clock is right"),
        (&right.issue("DNS:elsewhere.example", NOW), by_right(), "is another's"),
        (&selfsigned, itself, "is itself an authority's: pin its thumbprint instead"),
    ] {
        let (port, requests) = counted(identity, BOTH);
        let error = outcome("127.0.0.1", port, trust).expect_err(said);
        assert_eq!((error.phase, error.is_untrusted), (Phase::Tls, true), "{error}");
        let shown = format!("TLS: the server's certificate (SHA-256 thumbprint {}) {said}", identity.pin());
        assert!(error.to_string().starts_with(&shown), "{error}");
        assert_eq!(requests.load(Ordering::SeqCst), 0);
    }
}

/// A certificate is public; a pin of it proves nothing where the key is another's.
#[test]
fn who_shows_the_pinned_certificate_without_its_key_is_refused() {
    let authority = Authority::new();
    let good = authority.issue_good();
    let pin = good.pin();
    let thief = good.with_key_of(Identity::self_signed(EC));
    for trust in [trust(None, Some(pin)), trust(Some(&authority), None), trust(Some(&authority), Some(pin))] {
        for version in [&TLS13, &TLS12] {
            let (port, requests) = counted(&thief, &[version]);
            let error = outcome("localhost", port, trust.clone()).expect_err("no key");
            assert!(error.is_untrusted && error.phase == Phase::Tls, "{error:?}");
            let words = format!("certificate (SHA-256 thumbprint {pin}) is shown by somebody who does not prove");
            assert!(error.to_string().contains(&words), "{error}");
            assert_eq!(requests.load(Ordering::SeqCst), 0);
        }
    }
}

#[test]
fn what_is_no_tls_says_so_and_is_not_called_untrusted() {
    let authority = Authority::new();
    let failed = |port, said: &str| {
        let error = outcome("127.0.0.1", port, trust(Some(&authority), None)).expect_err(said);
        assert_eq!((error.phase, error.is_untrusted), (Phase::Tls, false), "{error}");
        assert!(error.reason.contains(said), "{said}: {error}");
    };
    let old = Foreign::start(&authority.issue_good(), "-tls1_1 -cipher DEFAULT@SECLEVEL=0");
    failed(old.port, "which must speak TLS 1.2 or 1.3");
    let plain = hand_made(|number, mut stream| {
        if number == 0 {
            std::io::Write::write_all(&mut stream, b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
        }
    });
    failed(plain, "the server does not speak TLS");
    failed(plain, "closed the connection within the handshake");

    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let error = get(&client("127.0.0.1", port, trust(Some(&authority), None), Duration::from_millis(200)));
    let error = error.expect_err("silence");
    assert_eq!((error.to_string(), error.phase), ("TLS handshake not complete within 200 ms".to_owned(), Phase::Tls));
}

#[test]
fn an_authority_that_is_none_is_named() {
    let said = |pem: &[u8]| Trust::new(Some(pem), None).expect_err("no authority").to_string();
    assert!(said(b"").contains("holds no certificate in PEM"));
    let empty = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert!(said(empty).contains("certificate number 1 cannot be used"));
    let nobody = Trust::new(None, None).expect_err("nobody").to_string();
    assert_eq!(nobody, "neither an authority nor a thumbprint is given");
}
