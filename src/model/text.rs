//! Long texts made short.

use std::borrow::Cow;

/// At most so many characters, the last one `…` when something is left out. For values that may be
/// very long, before they are cleaned and measured.
#[must_use]
pub fn shortened(text: &str, characters: usize) -> Cow<'_, str> {
    // A character is a byte at least: most texts are short enough by that already.
    if text.len() <= characters {
        return text.into();
    }
    match text.char_indices().nth(characters) {
        None => text.into(),
        Some((end, _)) => format!("{}…", &text[..end]).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_text_is_cut_at_a_character() {
        assert_eq!(shortened("日本語", 2), "日本…");
        assert_eq!(shortened("日本語", 3), "日本語");
        assert_eq!(shortened("日本語", 9), "日本語");
        assert_eq!(shortened("", 0), "");
    }
}
