//! A certificate's thumbprint as people write it: hexadecimal, in upper or lower case, with or without colons
//! (`vsphere.md`, "Trust").

use std::fmt;

/// The digest of a certificate in DER.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Thumbprint {
    /// SHA-256.
    Sha256([u8; 32]),
    /// SHA-1, as VMware's tools print it.
    Sha1([u8; 20]),
}

/// Why a text is no thumbprint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a thumbprint: 64 (SHA-256) or 40 (SHA-1) hexadecimal digits, with or without colons")]
pub struct BadThumbprint(String);

impl Thumbprint {
    /// Reads a thumbprint; its length tells which digest it is.
    pub fn parse(text: &str) -> Result<Self, BadThumbprint> {
        let bad = || BadThumbprint(crate::model::text::bounded(text));
        let has_pairs = || text.split(':').all(|pair| pair.len() == 2);
        if text.contains(':') && !has_pairs() {
            return Err(bad());
        }
        let digits: Vec<u32> =
            text.chars().filter(|c| *c != ':').map(|c| c.to_digit(16)).collect::<Option<_>>().ok_or_else(bad)?;
        let bytes: Vec<u8> =
            digits.chunks(2).filter_map(|pair| u8::try_from(pair[0] * 16 + pair.get(1)?).ok()).collect();
        match (digits.len(), bytes.as_slice().try_into(), bytes.as_slice().try_into()) {
            (64, Ok(sha256), _) => Ok(Self::Sha256(sha256)),
            (40, _, Ok(sha1)) => Ok(Self::Sha1(sha1)),
            _ => Err(bad()),
        }
    }
}

impl fmt::Display for Thumbprint {
    /// `AA:BB:CC...`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes: &[u8] = match self {
            Self::Sha256(bytes) => bytes,
            Self::Sha1(bytes) => bytes,
        };
        for (at, byte) in bytes.iter().enumerate() {
            write!(f, "{}{byte:02X}", if at == 0 { "" } else { ":" })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thumbprint_is_read_however_it_is_written() {
        let bare = "0a1b".repeat(16);
        let sha256 = Thumbprint::parse(&bare).expect("64 digits");
        assert_eq!(sha256.to_string(), ["0A", "1B"].repeat(16).join(":"));
        assert_eq!(Thumbprint::parse(&sha256.to_string()), Ok(sha256));
        let sha1 = Thumbprint::parse(&"aB".repeat(20)).expect("40 digits");
        assert_eq!(sha1, Thumbprint::Sha1([0xab; 20]));
        assert_eq!(Thumbprint::parse(&sha1.to_string()), Ok(sha1));
    }

    #[test]
    fn what_is_no_thumbprint_says_what_is() {
        let colons = ["A"; 64].join(":");
        for text in ["", "aabb", &"g".repeat(64), &"a".repeat(63), &"é".repeat(32), &colons, &":".repeat(64)] {
            let bad = Thumbprint::parse(text).expect_err(text).to_string();
            assert!(bad.contains("64 (SHA-256) or 40 (SHA-1)"), "{bad}");
        }
    }
}
