//! The progress document.
