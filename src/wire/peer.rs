//! Who stands at the other end of a connection with TLS, as a certificate tells it: a URI among its names,
//! `urn:waybill:oma`, `urn:waybill:vma:NAME` or `urn:waybill:operator:NAME`. Without such a URI, as in a certificate of a
//! company's own authority, its DNS names tell.

use std::fmt;

use super::http::{decode_segment, encode_segment};
use crate::model::id::VmaName;

const OMA: &str = "urn:waybill:oma";
const VMA: &str = "urn:waybill:vma:";
const OPERATOR: &str = "urn:waybill:operator:";

/// Who somebody is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Peer {
    /// The OMA.
    Oma,
    /// The VMA of that name.
    Vma(VmaName),
    /// A person or a program that uses the OMA's API from another machine.
    Operator(String),
    /// Somebody with a certificate that says none of this, and its DNS names.
    Named(Vec<String>),
}

/// Who asks something of an appliance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// Somebody on this machine, over loopback.
    Local,
    /// Somebody with a certificate, and the SHA-256 of its public key.
    Known(Peer, [u8; 32]),
    /// Somebody without one, who may have a token.
    Applicant,
}

impl Peer {
    /// Reads the names of a certificate. `None` where they contradict each other, or where there is none.
    pub fn from_names<'n>(uris: impl Iterator<Item = &'n str>, dns: impl Iterator<Item = &'n str>) -> Option<Self> {
        let mut ours = uris.filter(|uri| uri.starts_with("urn:waybill:"));
        match (ours.next(), ours.next()) {
            (Some(uri), None) => Self::from_uri(uri),
            (Some(_), Some(_)) => None,
            (None, _) => {
                let names: Vec<String> = dns.map(str::to_ascii_lowercase).collect();
                if names.is_empty() { None } else { Some(Self::Named(names)) }
            }
        }
    }

    fn from_uri(uri: &str) -> Option<Self> {
        if uri == OMA {
            return Some(Self::Oma);
        }
        if let Some(name) = uri.strip_prefix(VMA) {
            return VmaName::parse(&decode_segment(name)?).ok().map(Self::Vma);
        }
        let name = decode_segment(uri.strip_prefix(OPERATOR)?)?;
        VmaName::parse(&name).ok()?;
        Some(Self::Operator(name))
    }

    /// The URI that a certificate carries for it; `None` where only DNS names tell.
    pub fn uri(&self) -> Option<String> {
        match self {
            Self::Oma => Some(OMA.to_owned()),
            Self::Vma(name) => Some(format!("{VMA}{}", encode_segment(name.as_str()))),
            Self::Operator(name) => Some(format!("{OPERATOR}{}", encode_segment(name))),
            Self::Named(_) => None,
        }
    }

    /// True where this is that VMA: by its URI, or by a DNS name that is the VMA's name.
    pub fn is_vma(&self, name: &VmaName) -> bool {
        match self {
            Self::Vma(own) => own == name,
            Self::Named(names) => names.iter().any(|own| own.eq_ignore_ascii_case(name.as_str())),
            Self::Oma | Self::Operator(_) => false,
        }
    }

    /// True where this is the OMA, which a certificate of a company's own authority tells by the given DNS name.
    pub fn is_oma(&self, known_as: Option<&str>) -> bool {
        match self {
            Self::Oma => true,
            Self::Named(names) => known_as.is_some_and(|oma| names.iter().any(|own| own.eq_ignore_ascii_case(oma))),
            Self::Vma(_) | Self::Operator(_) => false,
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Oma => f.write_str("the OMA"),
            Self::Vma(name) => write!(f, "the VMA {:?}", name.as_str()),
            Self::Operator(name) => write!(f, "the operator {name:?}"),
            Self::Named(names) => write!(f, "{}", names.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(uris: &[&str], dns: &[&str]) -> Option<Peer> {
        Peer::from_names(uris.iter().copied(), dns.iter().copied())
    }

    #[test]
    fn a_certificate_says_who_its_owner_is_and_a_doubtful_one_says_nothing() {
        let site = VmaName::parse("site a/ü").expect("a name");
        for peer in [Peer::Oma, Peer::Vma(site.clone()), Peer::Operator("backup job".to_owned())] {
            let uri = peer.uri().expect("a URI");
            assert!(uri.is_ascii() && !uri.contains(' '), "{uri}");
            assert_eq!(read(&[&uri, "https://else.example"], &["site-b"]), Some(peer));
        }
        assert_eq!(read(&[], &["VMA.example", "b"]), Some(Peer::Named(vec!["vma.example".into(), "b".into()])));
        for doubtful in [
            &["urn:waybill:vma:a", "urn:waybill:vma:b"][..],
            &["urn:waybill:oma", "urn:waybill:vma:a"],
            &["urn:waybill:vma:"],
            &["urn:waybill:vma:%zz"],
            &["urn:waybill:root"],
        ] {
            assert_eq!(read(doubtful, &["site-a"]), None, "{doubtful:?}");
        }
        assert_eq!(read(&[], &[]), None);
    }

    #[test]
    fn nobody_passes_for_another() {
        let name = |text| VmaName::parse(text).expect("a name");
        let (a, named) = (Peer::Vma(name("a")), Peer::Named(vec!["b.example".to_owned()]));
        assert!(a.is_vma(&name("a")) && !a.is_vma(&name("b")) && !a.is_oma(Some("a")));
        assert!(named.is_vma(&name("B.example")) && named.is_oma(Some("b.EXAMPLE")) && !named.is_oma(None));
        assert!(Peer::Oma.is_oma(None) && !Peer::Oma.is_vma(&name("a")));
        assert!(!Peer::Operator("a".to_owned()).is_vma(&name("a")));
    }
}
