//! The built-in authority: who may become somebody, and how. `token` is the invitation, `request` is made where the
//! key stays, `authority` signs, `files` puts down what was issued, `renewal` says when it is time again.
//!
//! Policy: a private key is made where it is used and leaves that machine never; a file with one is 0600 before the first
//! byte is in it. What a request asks for beyond its key is ignored: the token, or the operator, says whose it is.

pub mod authority;
pub mod files;
pub mod request;
pub mod token;
