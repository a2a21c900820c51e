//! The bar. Plain ASCII, because it is read in serial consoles and mails too.

use crate::model::percent::Percent;

/// A bar of `width` cells in brackets, `[####......]`. Full only at 100 %, so that 99.99 never looks done (U2).
pub fn bar(percent: Percent, width: usize) -> String {
    let full = usize::from(percent.hundredths()) * width / usize::from(Percent::DONE.hundredths());
    format!("[{}{}]", "#".repeat(full), ".".repeat(width - full))
}

/// The bar with its percent, `[####......]  42.17%`; the percent alone where the bar has no width.
pub fn with_percent(percent: Percent, width: usize) -> String {
    let figure = format!("{:>6}%", percent.to_string());
    if width == 0 { figure } else { format!("{} {figure}", bar(percent, width)) }
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
