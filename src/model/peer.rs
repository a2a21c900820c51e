//! Who stands at the other end of a connection. `wire::peer` has how a certificate spells it.

use std::fmt;

use super::id::VmaName;

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

/// What is decided of somebody with a genuine certificate who wants to come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// They are served.
    Served,
    /// Nobody here serves them.
    Foreign,
    /// Their key is revoked.
    Revoked,
}

impl Peer {
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
