//! A peer as its certificate tells it: a URI among its names,
//! `urn:waybill:oma`, `urn:waybill:vma:NAME` or `urn:waybill:operator:NAME`. Without such a URI, as in a certificate of a
//! company's own authority, its DNS names tell.

use super::http::{decode_segment, encode_segment};
use crate::model::id::VmaName;
use crate::model::peer::Peer;

const OMA: &str = "urn:waybill:oma";
const VMA: &str = "urn:waybill:vma:";
const OPERATOR: &str = "urn:waybill:operator:";

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
}
