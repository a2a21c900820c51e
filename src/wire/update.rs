//! Movers' pushes.
