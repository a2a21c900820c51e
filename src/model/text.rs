//! Texts from outside, within their bound.

use crate::limits;

/// Room for the mark that a cut leaves, with the largest length that it can name.
const MARK_BYTES: usize = 48;

/// True of a character that leaves no mark or only turns the direction of a line: Unicode's default-ignorables, and the
/// separators of lines and paragraphs.
pub fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{3164}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}'
    )
}

/// Cuts a text that has more than [`limits::TEXT_BYTES`] bytes, at a character, and marks the cut. The result with its
/// mark is within the bound, so that the next appliance cuts no more of it.
pub fn bounded(text: &str) -> String {
    if text.len() <= limits::TEXT_BYTES {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(limits::TEXT_BYTES - MARK_BYTES);
    format!("{} ... (cut at {end} of {} bytes)", &text[..end], text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_is_marked_and_made_once() {
        let fits = "ü".repeat(limits::TEXT_BYTES / 2);
        assert_eq!(bounded(&fits), fits);
        let cut = bounded(&"ü".repeat(limits::TEXT_BYTES));
        assert!(cut.len() <= limits::TEXT_BYTES && cut.ends_with("ü ... (cut at 4048 of 8192 bytes)"), "{cut:?}");
        assert_eq!(bounded(&cut), cut);
        assert!(format!(" ... (cut at {} of {} bytes)", limits::TEXT_BYTES, usize::MAX).len() <= MARK_BYTES);
    }
}
