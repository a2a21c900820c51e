//! Who shows a certificate without its key.

use rustls::version::{TLS12, TLS13};
use waybill::net::client::Phase;
use waybill::net::tls::Trust;

use super::certificates::{Authority, EC, Identity};
use super::servers::{counted, outcome};

/// A certificate is public; a pin of it proves nothing where the key is another's.
#[test]
fn who_shows_the_pinned_certificate_without_its_key_is_refused() {
    let authority = Authority::new();
    let good = authority.issue_good();
    let (pin, pem) = (good.pin(), authority.pem());
    let thief = good.with_key_of(Identity::self_signed(EC));
    for trust in [Trust::new(None, Some(pin)), Trust::new(Some(&pem), None), Trust::new(Some(&pem), Some(pin))] {
        for version in [&TLS13, &TLS12] {
            let (port, requests) = counted(&thief, &[version]);
            let error = outcome("localhost", port, trust.clone().unwrap()).expect_err("no key");
            assert!(error.is_untrusted && error.phase == Phase::Tls, "{error:?}");
            let words = format!("certificate (SHA-256 thumbprint {pin}) is shown by somebody who does not prove");
            assert!(error.to_string().contains(&words), "{error}");
            assert_eq!(requests.load(std::sync::atomic::Ordering::SeqCst), 0);
        }
    }
}
