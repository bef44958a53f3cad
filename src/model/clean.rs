//! Takes out of a text what a terminal would obey.
//!
//! The grammar of escape sequences is ECMA-48 (5th edition, sections 5.3 to 5.6), with what xterm's
//! "Control Sequences" adds: an operating system command may also end with BEL.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::iter::Peekable;
use std::str::Chars;

const ESC: char = '\u{1b}';

/// The text without anything that a terminal would obey or that would hide what it says: escape
/// sequences, control characters other than tab, bidirectional controls, and characters that show
/// nothing. Line ends become spaces; a carriage return, which would overwrite, becomes a visible
/// sign. Text that is clean already is not copied.
#[must_use]
pub fn clean(text: &str) -> Cow<'_, str> {
    if is_clean(text) { Cow::Borrowed(text) } else { Cow::Owned(rewrite(text)) }
}

/// [`clean`], for one line of a longer text: the carriage return of a CR LF line end is no sign of
/// overwriting.
#[must_use]
pub fn clean_line(line: &str) -> Cow<'_, str> {
    clean(line.strip_suffix('\n').unwrap_or(line).trim_end_matches('\r'))
}

/// JSON without the control characters that it need not escape: DEL, and those that some terminals
/// obey as if they were ESC and a letter (U+0080 to U+009F; ECMA-48, 5.3). They can only stand in
/// its strings, where `\u009b` means the same.
#[must_use]
pub fn inert_json(json: &str) -> Cow<'_, str> {
    let obeyed = |c: char| matches!(c, '\u{7f}'..='\u{9f}');
    if !json.bytes().any(|byte| matches!(byte, 0xc2 | 0x7f)) || !json.contains(obeyed) {
        return Cow::Borrowed(json);
    }
    let mut inert = String::with_capacity(json.len() + 64);
    for c in json.chars() {
        if obeyed(c) {
            // Writing to memory cannot fail.
            let _ = write!(inert, "\\u{:04x}", u32::from(c));
        } else {
            inert.push(c);
        }
    }
    Cow::Owned(inert)
}

fn is_clean(text: &str) -> bool {
    // Most text is caught by its bytes: these lead every character that is not kept as it is.
    let suspect = |byte: u8| match byte {
        b'\t' => false,
        0..0x20 | 0x7f | 0xc2 | 0xcd | 0xd8 | 0xe1 | 0xe2 | 0xe3 | 0xef | 0xf3 => true,
        _ => false,
    };
    !text.bytes().any(suspect) || text.chars().all(|c| fate(c) == Fate::Keep)
}

#[derive(PartialEq, Eq)]
enum Fate {
    Keep,
    Drop,
    Space,
    /// U+000D.
    Return,
    /// It may begin a sequence: ESC, or the one-character form of ESC and a letter.
    Sequence,
    /// U+200D: part of some emoji, invisible anywhere else.
    Joiner,
}

fn fate(c: char) -> Fate {
    match c {
        '\t' => Fate::Keep,
        '\n' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}' => Fate::Space,
        '\r' => Fate::Return,
        ESC | '\u{90}' | '\u{98}' | '\u{9b}' | '\u{9d}' | '\u{9e}' | '\u{9f}' => Fate::Sequence,
        '\u{200d}' => Fate::Joiner,
        _ if c.is_control() => Fate::Drop,
        // Soft hyphen, combining grapheme joiner, Arabic letter mark, Hangul fillers, Mongolian
        // vowel separator.
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{3164}' => {
            Fate::Drop
        }
        // Zero width, direction marks; bidirectional embeddings and overrides; invisible operators,
        // isolates and deprecated format characters; byte order mark; annotations; tags.
        '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}'
        | '\u{ffa0}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}' => Fate::Drop,
        _ => Fate::Keep,
    }
}

fn rewrite(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match fate(c) {
            Fate::Keep => kept.push(c),
            Fate::Drop => {}
            Fate::Space => kept.push(' '),
            Fate::Return if rest.next_if_eq(&'\n').is_some() => kept.push(' '),
            Fate::Return => kept.push('␍'),
            Fate::Sequence => skip_sequence(c, &mut rest),
            Fate::Joiner => {
                let joins = |c: char| c >= '\u{2190}' && fate(c) == Fate::Keep;
                if kept.chars().next_back().is_some_and(joins)
                    && rest.peek().copied().is_some_and(joins)
                {
                    kept.push(c);
                }
            }
        }
    }
    kept
}

/// Goes past the rest of the sequence that `first` begins. Of one that does not end, only its
/// beginning goes: better to show too much than to let an agent hide what follows.
fn skip_sequence(first: char, rest: &mut Peekable<Chars<'_>>) {
    let introducer = match first {
        ESC => match rest.peek().copied() {
            Some(c @ ('[' | ']' | 'P' | 'X' | '^' | '_')) => {
                rest.next();
                c
            }
            Some('\u{20}'..='\u{2f}') => return skip_control(rest, '\u{20}'..='\u{2f}', '0'),
            Some('\u{30}'..='\u{7e}') => {
                rest.next();
                return;
            }
            _ => return,
        },
        '\u{9b}' => '[',
        '\u{9d}' => ']',
        _ => 'P',
    };
    if introducer == '[' {
        skip_control(rest, '\u{20}'..='\u{3f}', '@');
    } else {
        skip_string(rest, introducer == ']');
    }
}

/// Goes past parameters and intermediates, and the final character when it is one.
fn skip_control(
    rest: &mut Peekable<Chars<'_>>,
    inner: std::ops::RangeInclusive<char>,
    lowest_final: char,
) {
    while rest.next_if(|c| inner.contains(c)).is_some() {}
    rest.next_if(|c| (lowest_final..='~').contains(c));
}

/// Goes past a control string and its end: ST, BEL where that is one, or the CAN or SUB that
/// aborts it.
fn skip_string(rest: &mut Peekable<Chars<'_>>, bell_ends: bool) {
    let mut ahead = rest.clone();
    while let Some(c) = ahead.next() {
        let ended = match c {
            '\u{9c}' | '\u{18}' | '\u{1a}' => true,
            '\u{7}' => bell_ends,
            ESC => {
                // Any other escape sequence aborts the string, and is a sequence of its own.
                if ahead.peek() != Some(&'\\') {
                    return;
                }
                ahead.next();
                true
            }
            _ => false,
        };
        if ended {
            *rest = ahead;
            return;
        }
    }
}

#[cfg(test)]
#[path = "clean_test.rs"]
mod tests;
