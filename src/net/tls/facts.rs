//! What a certificate says of its owner and of its time, for decisions and for people. That it is genuine is not looked at
//! here.

use std::net::IpAddr;

use ring::digest::{SHA256, digest};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::model::peer::Peer;
use crate::model::pki::Validity;
use crate::model::time::Wall;

/// What a certificate says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Whose it is; `None` where it does not say.
    pub peer: Option<Peer>,
    /// When it is valid.
    pub validity: Validity,
    /// The DNS names and addresses under which it may be dialled.
    pub hosts: Vec<String>,
    /// The SHA-256 of all of it, for people.
    pub fingerprint: [u8; 32],
    /// The SHA-256 of its public key (SubjectPublicKeyInfo). What is revoked is known by this: whoever holds a certificate
    /// can write its signature in another way, so that its fingerprint is another one, and its key cannot be.
    pub key: [u8; 32],
}

impl Facts {
    /// Reads a certificate; `None` where it is none.
    pub fn read(certificate: &[u8]) -> Option<Self> {
        let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
        let names = parsed.subject_alternative_name().ok()?;
        let names = names.as_ref().map(|extension| extension.value.general_names.as_slice()).unwrap_or_default();
        let uris = names.iter().filter_map(|name| match name {
            GeneralName::URI(uri) => Some(*uri),
            _ => None,
        });
        let dns = names.iter().filter_map(|name| match name {
            GeneralName::DNSName(name) => Some(*name),
            _ => None,
        });
        let address = |bytes: &[u8]| match bytes.len() {
            4 => <[u8; 4]>::try_from(bytes).ok().map(|four| IpAddr::from(four).to_string()),
            _ => <[u8; 16]>::try_from(bytes).ok().map(|sixteen| IpAddr::from(sixteen).to_string()),
        };
        let hosts = names.iter().filter_map(|name| match name {
            GeneralName::DNSName(name) => Some((*name).to_owned()),
            GeneralName::IPAddress(bytes) => address(bytes),
            _ => None,
        });
        let hosts = hosts.collect();
        let validity = parsed.validity();
        let at = |seconds: i64| Wall::from_unix_millis(seconds.saturating_mul(1000));
        Some(Self {
            hosts,
            peer: Peer::from_names(uris, dns),
            validity: Validity { from: at(validity.not_before.timestamp()), until: at(validity.not_after.timestamp()) },
            fingerprint: Self::fingerprint_of(certificate),
            key: Self::fingerprint_of(parsed.public_key().raw),
        })
    }

    /// The SHA-256 of a certificate, or of a part of it.
    pub fn fingerprint_of(part: &[u8]) -> [u8; 32] {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest(&SHA256, part).as_ref());
        bytes
    }
}
