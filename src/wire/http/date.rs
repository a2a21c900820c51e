//! The Date field (RFC 9110, 6.6.1 and 5.6.7).

use time::OffsetDateTime;

use crate::model::time::Wall;

/// The moment as `Sun, 06 Nov 1994 08:49:37 GMT`.
pub fn http_date(at: Wall) -> String {
    const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let seconds = at.unix_millis().div_euclid(1000);
    let at = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let day = DAYS[usize::from(at.weekday().number_days_from_monday())];
    let month = MONTHS[usize::from(u8::from(at.month())) - 1];
    let (hour, minute, second) = at.to_hms();
    format!("{day}, {:02} {month} {:04} {hour:02}:{minute:02}:{second:02} GMT", at.day(), at.year())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_date_is_in_the_one_form_that_is_generated() {
        assert_eq!(http_date(Wall::from_unix_millis(784_111_777_999)), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(http_date(Wall::from_unix_millis(0)), "Thu, 01 Jan 1970 00:00:00 GMT");
    }
}
