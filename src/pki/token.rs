//! The token that turns into a certificate, once: `waybill-` and base64url (RFC 4648, 5) of its public id, its secret,
//! the fingerprint of the authority that made it, and a check over all three, so that a slip in copying is told apart from
//! a token that is not good.

use std::fmt;

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};

const PREFIX: &str = "waybill-";
const ID: usize = 9;
const SECRET: usize = 24;
const FINGERPRINT: usize = 32;
const CHECK: usize = 4;

/// A token.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    id: [u8; ID],
    secret: [u8; SECRET],
    /// SHA-256 of the authority's certificate.
    pub authority: [u8; FINGERPRINT],
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({})", self.id())
    }
}

/// Why a text is no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadToken {
    /// It does not look like one.
    #[error("this is no token: one begins with \"waybill-\" and stands on one line")]
    Shape,
    /// A character is another.
    #[error("the token was damaged on its way: copy it again, whole")]
    Damaged,
}

impl Token {
    /// A new one.
    ///
    /// # Errors
    /// Where the machine gives no randomness.
    pub fn make(authority: [u8; FINGERPRINT]) -> Result<Self, String> {
        let (mut id, mut secret) = ([0; ID], [0; SECRET]);
        let random = SystemRandom::new();
        let filled = random.fill(&mut id).and_then(|()| random.fill(&mut secret));
        filled.map_err(|_| "the machine gives no random numbers".to_owned())?;
        Ok(Self { id, secret, authority })
    }

    /// Reads what somebody pasted.
    pub fn parse(text: &str) -> Result<Self, BadToken> {
        let encoded = text.trim().strip_prefix(PREFIX).ok_or(BadToken::Shape)?;
        let bytes = BASE64URL_NOPAD.decode(encoded.as_bytes()).map_err(|_| BadToken::Damaged)?;
        let (content, check) = bytes.split_at_checked(ID + SECRET + FINGERPRINT).ok_or(BadToken::Damaged)?;
        if check != check_of(content) {
            return Err(BadToken::Damaged);
        }
        let (id, rest) = content.split_at(ID);
        let (secret, authority) = rest.split_at(SECRET);
        let part = |_| BadToken::Damaged;
        Ok(Self {
            id: id.try_into().map_err(part)?,
            secret: secret.try_into().map_err(part)?,
            authority: authority.try_into().map_err(part)?,
        })
    }

    /// The token as it is handed over.
    pub fn text(&self) -> String {
        let mut content = [&self.id[..], &self.secret, &self.authority].concat();
        content.extend_from_slice(&check_of(&content));
        format!("{PREFIX}{}", BASE64URL_NOPAD.encode(&content))
    }

    /// Its public half.
    pub fn id(&self) -> String {
        BASE64URL_NOPAD.encode(&self.id)
    }

    /// Its secret half, for the OMA only.
    pub fn secret(&self) -> String {
        BASE64URL_NOPAD.encode(&self.secret)
    }
}

fn check_of(content: &[u8]) -> [u8; CHECK] {
    let mut check = [0; CHECK];
    check.copy_from_slice(&digest(&SHA256, content).as_ref()[..CHECK]);
    check
}

/// What the OMA keeps of a secret: SHA-256, as 64 hexadecimal digits. A secret of 192 random bits needs no slower hash.
pub fn kept(secret: &str) -> String {
    HEXLOWER.encode(digest(&SHA256, secret.as_bytes()).as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_comes_back_whole_or_not_at_all() {
        let token = Token::make([7; 32]).expect("random numbers");
        let text = token.text();
        assert_eq!(Token::parse(&format!("  {text}\n")), Ok(token.clone()));
        assert_ne!(Token::make([7; 32]).expect("random numbers").text(), text);
        assert!(!format!("{token:?}").contains(&token.secret()), "it is not shown");
        for at in PREFIX.len()..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).expect("ASCII");
            assert_eq!(Token::parse(&changed), Err(BadToken::Damaged), "{at}");
        }
        assert_eq!(Token::parse(&text[..text.len() - 1]), Err(BadToken::Damaged));
        assert_eq!(Token::parse("hello"), Err(BadToken::Shape));
        assert_eq!(Token::parse("waybill-"), Err(BadToken::Damaged));
    }
}
