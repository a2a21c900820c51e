//! TLS: who we are (`own`), what a certificate says (`facts`), whom a client trusts (`trust`), and whom a listener lets
//! in (`door`).
//!
//! Policy: nobody is trusted without a certificate, whatever else is configured. TLS 1.3; 1.2 towards vCenter, and at a
//! listener where the configuration says so. Nothing is resumed: a revoked certificate must not come back by a ticket.
//! An error says what is wrong in words that an operator can act on; keys appear in none.

mod door;
mod facts;
mod own;
mod protocol;
mod refused;
mod trust;

pub use self::door::{Door, Entrance, Judge, TurnedAway, Visitor};
pub use self::facts::Facts;
pub use self::own::{BadTls, Own, check_authority, signed_by};
pub(in crate::net) use self::refused::Refused;
pub use self::trust::{Expected, Trust};
