//! When a certificate is renewed, and when its end is worth a warning. Times are seconds since 1970, as a
//! certificate has them.

use std::time::Duration;

/// How long before its end a certificate is warned about.
pub const WARN_AHEAD: Duration = Duration::from_secs(30 * 86_400);

/// From this moment on a certificate is renewed: when a third of its time is left.
pub fn renew_at(not_before: i64, not_after: i64) -> i64 {
    let time = not_after.saturating_sub(not_before).max(0);
    not_after.saturating_sub(time / 3)
}

/// The pause after a renewal that failed: short against the time that is left, and never a burden.
pub fn retry_after(now: i64, not_after: i64) -> Duration {
    let left = u64::try_from(not_after.saturating_sub(now)).unwrap_or(0);
    Duration::from_secs((left / 20).clamp(1, 3600))
}

/// Why a certificate is worth a warning; `None` where it is not. One that renews itself is only warned about when that has
/// been due for a while and has not happened.
pub fn warning(now: i64, not_before: i64, not_after: i64, renews_itself: bool) -> Option<String> {
    let left = not_after.saturating_sub(now);
    let ahead = i64::try_from(WARN_AHEAD.as_secs()).unwrap_or(i64::MAX);
    let begin = if renews_itself {
        let due = renew_at(not_before, not_after);
        due.saturating_add(not_after.saturating_sub(due) / 2)
    } else {
        not_after.saturating_sub(ahead)
    };
    match left {
        ..=0 => Some("has expired".to_owned()),
        _ if now >= begin => Some(format!("expires in {}", rough(left))),
        _ => None,
    }
}

fn rough(seconds: i64) -> String {
    match seconds / 60 {
        ..2 => format!("{seconds} s"),
        minutes @ 2..120 => format!("{minutes} minutes"),
        minutes @ 120..2880 => format!("{} hours", minutes / 60),
        minutes => format!("{} days", minutes / 1440),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400;

    #[test]
    fn a_certificate_of_90_days_is_renewed_when_30_are_left_and_tried_every_hour_or_oftener() {
        assert_eq!(renew_at(0, 90 * DAY), 60 * DAY);
        assert_eq!(retry_after(60 * DAY, 90 * DAY), Duration::from_secs(3600));
        assert_eq!(retry_after(90 * DAY - 40, 90 * DAY), Duration::from_secs(2));
        assert_eq!(retry_after(91 * DAY, 90 * DAY), Duration::from_secs(1));
    }

    #[test]
    fn a_warning_comes_30_days_ahead_and_of_one_that_renews_itself_only_where_it_did_not() {
        let of_a_company = |now| warning(now, 0, 365 * DAY, false);
        assert_eq!((of_a_company(334 * DAY), of_a_company(335 * DAY)), (None, Some("expires in 30 days".to_owned())));
        let of_our_own = |now| warning(now, 0, 90 * DAY, true);
        assert_eq!((of_our_own(74 * DAY), of_our_own(75 * DAY)), (None, Some("expires in 15 days".to_owned())));
        assert_eq!(of_our_own(90 * DAY - 60), Some("expires in 60 s".to_owned()));
        assert_eq!(of_our_own(90 * DAY), Some("has expired".to_owned()));
    }
}
