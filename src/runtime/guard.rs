//! Panics that are caught (R-52, F41): where each happened is said in the daemon's log and handed to whoever guards.
//!
//! What was in hand when it panicked may be half done. Whoever guards must take it up again from what is stored.

use std::cell::RefCell;
use std::panic::{self, AssertUnwindSafe};

thread_local! {
    static LAST: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// From now on the place of each panic is remembered, and told in the daemon's log in place of the bare standard error.
pub fn remember_places() {
    panic::set_hook(Box::new(|info| {
        let place = info.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
        let what = info.payload_as_str().unwrap_or("without a word");
        let said = format!("{place}: {what}");
        log::error!("panic at {said}");
        LAST.set(Some(said));
    }));
}

/// Runs something that may panic.
///
/// # Errors
/// Where it panicked and with which words, as `src/policy/rate.rs:17:9: the words`.
pub fn guarded<T>(what: impl FnOnce() -> T) -> Result<T, String> {
    LAST.set(None);
    panic::catch_unwind(AssertUnwindSafe(what))
        .map_err(|_| LAST.take().unwrap_or_else(|| "at a place that was not remembered".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f41_a_panic_is_an_error_that_names_its_place_and_never_a_result() {
        remember_places();
        assert_eq!(guarded(|| 7), Ok(7));
        let here = format!("{}:{}:", file!(), line!() + 1);
        let said = guarded(|| panic!("the disk is {}", "square")).expect_err("it panicked");
        assert!(said.starts_with(&here) && said.ends_with(": the disk is square"), "{said}");
        assert_eq!(guarded(|| 7), Ok(7));
    }
}
