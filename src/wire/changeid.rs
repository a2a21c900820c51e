//! Change ids.
