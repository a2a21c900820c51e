//! The bar. Plain ASCII, because it is read in serial consoles and mails too.

use crate::model::percent::Percent;

/// A bar of `width` cells in brackets, `[####......]`. Full only at 100 %, so that 99.99 never looks done (U2).
pub fn bar(percent: Percent, width: usize) -> String {
    let full = usize::from(percent.hundredths()) * width / usize::from(Percent::DONE.hundredths());
    format!("[{}{}]", "#".repeat(full), ".".repeat(width - full))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_is_full_only_when_all_is_done() {
        assert_eq!(bar(Percent::ZERO, 10), "[..........]");
        assert_eq!(bar(Percent::from_hundredths(4217), 10), "[####......]");
        assert_eq!(bar(Percent::ALMOST, 10), "[#########.]");
        assert_eq!(bar(Percent::DONE, 10), "[##########]");
    }
}
