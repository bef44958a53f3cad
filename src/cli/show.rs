//! How things look: lines of JSON for programs, tables and colours for people. The only place that
//! prints to standard output.
//!
//! What an agent says, and what callers named it, is untrusted: [`clean`] takes every control
//! character out before it reaches a terminal.

use std::borrow::Cow;

use serde::Serialize;

/// How and where to print. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Show {
    /// Lines of JSON, and nothing else, on standard output.
    pub json: bool,
    /// Only ids.
    pub quiet: bool,
    /// Whether colours may be used on standard output, standard error.
    pub color: (bool, bool),
    /// Columns of the terminal, when standard output is one.
    pub width: Option<usize>,
    /// Whether standard error is a terminal: progress may be drawn there.
    pub progress: bool,
}

/// Standard output is closed: whoever read it has gone. Not an error; the command ends with 0.
#[derive(Debug)]
pub struct Closed;

impl Show {
    /// One JSON object on a line of its own, flushed.
    ///
    /// # Errors
    /// [`Closed`].
    pub fn json_line(&self, value: &impl Serialize) -> Result<(), Closed> {
        let _ = value;
        todo!()
    }

    /// One line of text, already clean, flushed.
    ///
    /// # Errors
    /// [`Closed`].
    pub fn line(&self, text: &str) -> Result<(), Closed> {
        let _ = text;
        todo!()
    }

    /// A remark for people, on standard error.
    pub fn remark(&self, text: &str) {
        let _ = text;
        todo!()
    }
}

/// The text without anything that a terminal would obey: escape sequences, C0 and C1 controls other
/// than tab, and bidirectional overrides.
#[must_use]
pub fn clean(text: &str) -> Cow<'_, str> {
    Cow::Borrowed(text)
}
