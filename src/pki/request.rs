//! A key and the request for its certificate (PKCS #10, RFC 2986), made where the key stays.

use rcgen::{CertificateParams, KeyPair};

/// A new key, ECDSA on P-256, and a request that proves to have it.
pub struct KeyAndRequest {
    /// The private key, PEM; never sent.
    pub key: String,
    /// The request, PEM.
    pub request: String,
}

/// Makes a key and its request. The request names nobody: whose the certificate is says the authority.
///
/// # Errors
/// Where the machine gives no randomness.
pub fn make() -> Result<KeyAndRequest, String> {
    let failed = |error: rcgen::Error| format!("cannot make a key: {error}");
    let key = KeyPair::generate().map_err(failed)?;
    let request = CertificateParams::default().serialize_request(&key).and_then(|request| request.pem());
    Ok(KeyAndRequest { key: key.serialize_pem(), request: request.map_err(failed)? })
}
