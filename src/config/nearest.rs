//! "Did you mean": the known word nearest to a mistyped one.

/// The candidate that the fewest edits make of `word`; `None` where even the nearest differs in more than a third of
/// its letters (one edit is always forgiven, but not in a word of two letters).
pub fn nearest<'c>(word: &str, candidates: &[&'c str]) -> Option<&'c str> {
    // A word far longer than any candidate cannot be near one, and the table would grow with it.
    if word.len() > 64 {
        return None;
    }
    let (distance, best) = candidates.iter().map(|candidate| (edits(word, candidate), *candidate)).min()?;
    (distance <= (best.chars().count() / 3).max(1) && best.chars().count() > distance + 1).then_some(best)
}

/// Letters to insert, delete, replace or swap with their neighbour to make `b` of `a`.
fn edits(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().flat_map(char::to_lowercase).collect();
    let b: Vec<char> = b.chars().flat_map(char::to_lowercase).collect();
    let mut before = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let mut least = (above[j] + usize::from(x != y)).min(above[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *x == b[j - 1] && a[i - 1] == *y {
                let swapped: &Vec<usize> = &before;
                least = least.min(swapped[j - 1] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut above, row);
    }
    above[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_its_word_and_a_stranger_finds_none() {
        let words = ["interval", "timeout", "backoff_max", "vma", "jobs"];
        assert_eq!(nearest("intervall", &words), Some("interval"));
        assert_eq!(nearest("itnerval", &words), Some("interval"));
        assert_eq!(nearest("time_out", &words), Some("timeout"));
        assert_eq!(nearest("backoffmax", &words), Some("backoff_max"));
        assert_eq!(nearest("VMA", &words), Some("vma"));
        assert_eq!(nearest("job", &words), Some("jobs"));
        assert_eq!(nearest("password", &words), None);
        assert_eq!(nearest("", &words), None);
        assert_eq!(nearest(&"interval".repeat(100), &words), None);
    }
}
