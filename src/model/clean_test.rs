use proptest::prelude::*;

use super::*;

#[test]
fn clean_text_is_not_copied() {
    for text in ["", "plain", "tab\there", "déjà vu", "日本語", "🦊 fox", "👩\u{200d}💻"]
    {
        assert_eq!(clean(text), text);
    }
    for text in ["plain", "tab\there", "déjà vu", "日本語", "…", "🦊"] {
        assert!(matches!(clean(text), Cow::Borrowed(_)), "{text:?}");
    }
}

#[test]
fn sequences_go_whole() {
    for (text, expected) in [
        ("\u{1b}[31mred\u{1b}[0m", "red"),
        ("\u{1b}[2J\u{1b}[1;1Hx", "x"),
        ("\u{1b}[?1049hx", "x"),
        ("\u{1b}[38:2::1:2:3mx", "x"),
        ("\u{9b}31mred", "red"),
        ("\u{1b}]0;title\u{7}x", "x"),
        ("\u{1b}]8;;http://a\u{1b}\\link\u{1b}]8;;\u{1b}\\x", "linkx"),
        ("\u{1b}]52;c;aGk=\u{7}x", "x"),
        ("\u{9d}52;c;aGk=\u{9c}x", "x"),
        ("\u{1b}P$q\"p\u{1b}\\x", "x"),
        ("\u{90}q#0\u{9c}x", "x"),
        ("\u{1b}_payload\u{1b}\\x", "x"),
        ("\u{1b}^pm\u{1b}\\x", "x"),
        ("\u{1b}Xsos\u{1b}\\x", "x"),
        ("\u{1b}(B\u{1b})0x", "x"),
        ("\u{1b}cx", "x"),
        ("\u{1b}7\u{1b}8x", "x"),
        ("\u{1b}]0;a\u{18}x", "x"),
        ("\u{1b}]0;a\u{1b}[31mx", "0;ax"),
    ] {
        assert_eq!(clean(text), expected, "{text:?}");
    }
}

#[test]
fn what_does_not_end_hides_nothing() {
    assert_eq!(clean("a\u{1b}]0;b"), "a0;b");
    assert_eq!(clean("a\u{1b}Pb"), "ab");
    assert_eq!(clean("a\u{1b}[31"), "a");
    assert_eq!(clean("a\u{1b}"), "a");
    assert_eq!(clean("\u{1b}]\u{1b}"), "");
    assert_eq!(clean("\u{1b}[31\u{1b}[1mx"), "x");
}

#[test]
fn controls_and_tricks_go() {
    assert_eq!(clean("a\0\u{7}\u{8}b\u{7f}\u{80}"), "ab");
    assert_eq!(clean("pass\rfail"), "pass␍fail");
    assert_eq!(clean("a\r\nb\nc"), "a b c");
    assert_eq!(clean_line("text\r\n"), "text");
    assert_eq!(clean("user\u{202e}txt.exe"), "usertxt.exe");
    assert_eq!(clean("\u{2066}a\u{2069}\u{200f}"), "a");
    assert_eq!(clean("\u{feff}a\u{200b}b\u{2060}c\u{ad}d\u{200d}e"), "abcde");
    assert_eq!(clean("a\u{e0041}\u{e007f}"), "a");
    assert_eq!(clean("a\u{2028}b"), "a b");
}

/// Text made of what matters to a terminal, so that a random walk meets it.
fn nasty() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        prop::sample::select(
            "\u{1b}[]PX^_\\(;0m\u{7}\u{18}\r\n\t\u{9b}\u{9c}\u{9d}\u{90}\u{200d}\u{202e}a💻"
                .chars()
                .collect::<Vec<_>>()
        ),
        any::<char>(),
    ];
    prop::collection::vec(piece, 0..40).prop_map(String::from_iter)
}

proptest! {
    #[test]
    fn nothing_is_left_to_obey(text in nasty()) {
        let cleaned = clean(&text);
        for c in cleaned.chars() {
            prop_assert!(c == '\t' || !c.is_control(), "{:?} left {:?}", text, c);
            let hides = ('\u{202a}'..='\u{202e}').contains(&c)
                || ('\u{2066}'..='\u{2069}').contains(&c)
                || "\u{200b}\u{200c}\u{200e}\u{200f}\u{feff}".contains(c);
            prop_assert!(!hides, "{:?} left {:?}", text, c);
        }
        prop_assert!(cleaned.chars().count() <= text.chars().count());
        let again = clean(&cleaned).into_owned();
        prop_assert_eq!(again.as_str(), &*cleaned, "cleaning twice changes nothing");
    }

    #[test]
    fn the_quick_look_agrees_with_the_slow_one(c: char) {
        let text = c.to_string();
        prop_assert_eq!(is_clean(&text), fate(c) == Fate::Keep);
    }
}

#[test]
fn json_steers_no_terminal_and_means_the_same() {
    let text = "a\u{9b}2J\u{85}\u{7f}é\u{a0}\u{1b}[1m\\u";
    let json = serde_json::to_string(text).unwrap();
    let inert = inert_json(&json);
    assert!(!inert.chars().any(char::is_control), "{inert}");
    assert_eq!(serde_json::from_str::<String>(&inert).unwrap(), text);
    assert!(matches!(inert_json(r#"{"plain":"é"}"#), Cow::Borrowed(_)));
}
