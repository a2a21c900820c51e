//! How long it will still take: seconds at the present rate, `None` while that cannot be known.

/// Seconds until `total` at `rate` bytes per second; 0 only where the work `is_done` (F22).
pub fn eta_seconds(is_done: bool, total: u64, moved: u64, rate: u64) -> Option<u64> {
    if is_done {
        return Some(0);
    }
    let left = total.checked_sub(moved).filter(|left| *left > 0)?;
    left.checked_add(rate.checked_sub(1)?)?.checked_div(rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f22_unknown_is_not_done() {
        assert_eq!(eta_seconds(true, 100, 100, 0), Some(0));
        assert_eq!(eta_seconds(false, 100, 50, 0), None, "no rate");
        assert_eq!(eta_seconds(false, 0, 0, 10), None, "no total");
        assert_eq!(eta_seconds(false, 100, 120, 10), None, "beyond the plan");
        assert_eq!(eta_seconds(false, 100, 50, 20), Some(3), "rounded up");
        assert_eq!(eta_seconds(false, u64::MAX, 0, 1), Some(u64::MAX));
    }
}
