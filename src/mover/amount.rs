//! Rounded amounts in a mover's text, as people read them: `1.2/2.6 GB`, `225G/537G`, `25.7 GiB of 32.0 GiB`.

/// How much of how much the text says, in bytes and rounded as it is; the first part alone where it begins with one, as
/// pv's `2.0MiB 0:00:01 [...]`. `None` where it says neither.
pub fn moved(text: &str) -> Option<u64> {
    let begins = |text: &str| text.starts_with(|c: char| c.is_ascii_digit());
    let starts = text.char_indices().filter(|(at, c)| {
        c.is_ascii_digit() && !text[..*at].ends_with(|c: char| c.is_alphanumeric() || ".,:".contains(c))
    });
    for (at, _) in starts {
        let (part, unit, rest) = amount(&text[at..])?;
        let rest = rest.trim_start();
        let whole = rest.strip_prefix('/').or_else(|| rest.strip_prefix("of ")).map(str::trim_start);
        if let Some((whole, whole_unit, _)) = whole.filter(|whole| begins(whole)).and_then(amount)
            && let Some(factor) = unit.or(whole_unit)
            && let Some(whole_factor) = whole_unit
            && part * factor <= whole * whole_factor
        {
            return Some((part * factor) as u64);
        }
        if at == 0
            && rest.contains(':')
            && let Some(factor) = unit
        {
            return Some((part * factor) as u64);
        }
    }
    None
}

/// A number, the factor of its unit where it has one, and what follows.
fn amount(text: &str) -> Option<(f64, Option<f64>, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let number = text[..end].parse().ok()?;
    let rest = &text[end..];
    let unit = rest.trim_start();
    let word = &unit[..unit.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(unit.len())];
    match factor(word) {
        Some(factor) => Some((number, Some(factor), &unit[word.len()..])),
        None => Some((number, None, rest)),
    }
}

fn factor(unit: &str) -> Option<f64> {
    let power =
        |letter: &str| ["", "K", "M", "G", "T", "P"].iter().position(|known| letter.eq_ignore_ascii_case(known));
    let plain = unit.strip_suffix('B').unwrap_or(unit);
    let (letter, base) = plain.strip_suffix('i').map_or((plain, 1000.0_f64), |letter| (letter, 1024.0));
    if unit.is_empty() {
        return None;
    }
    power(letter).map(|power| base.powi(i32::try_from(power).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_as_people_read_them() {
        for (text, bytes) in [
            ("Full copy  45% [====>     ] (1.2/2.6 GB, 95 MB/s)", Some(1_200_000_000)),
            ("saving disk hda:  42%|##  | 225G/537G [10:01<13:00, 400MB/s]", Some(225_000_000_000)),
            ("transferred 25.5 GiB of 32.0 GiB (80.26%) in 6m 14s", Some(27_380_416_512)),
            ("Transferred:   \t    4.5 MiB / 10 MiB, 41%, 0 B/s, ETA -", Some(4_718_592)),
            ("2.0MiB 0:00:00 [22.0MiB/s] [=======>  ] 80%", Some(2_097_152)),
            ("Creating snapshot 100% [=====] (100/100)", None),
            ("Copying disk 1/2: 45%", None),
            ("45% (95 MB/s)", None),
            ("5 GB / 2 GB", None),
            ("", None),
        ] {
            assert_eq!(moved(text), bytes, "{text:?}");
        }
    }
}
