//! How things look: lines of JSON for programs, tables and colours for people. The only place that
//! prints to standard output.
//!
//! What an agent says, and what callers named it, is untrusted: [`clean()`] takes everything out that
//! a terminal would obey before it reaches one.

mod color;
mod progress;
mod table;
mod text;
mod time;

use std::ffi::OsString;
use std::io::{ErrorKind, IsTerminal as _, Write as _};

use serde::Serialize;

pub use crate::model::{clean, clean_line, inert_json, shortened};
pub use color::{Paint, decide, of_status};
pub(in crate::cli) use progress::EVERY;
pub use progress::StatusLine;
pub use table::{Cell, Column, Table, clip};
pub(in crate::cli) use text::said_of_end;
pub use text::{command_line, count, end_of, name};
pub use time::{ago, between, span};

use super::{Color, Failure, exit};

/// Columns of a table when nothing says how wide the output is.
const WIDTH: usize = 80;

/// How and where to print. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Show {
    /// Lines of JSON, and nothing else, on standard output.
    pub json: bool,
    /// Only ids.
    pub quiet: bool,
    /// Whether colours may be used on standard output, standard error.
    pub color: (bool, bool),
    /// Columns of the terminal, when standard output is one, or what `COLUMNS` says.
    pub width: Option<usize>,
    /// Whether standard error is a terminal: progress may be drawn there.
    pub progress: bool,
    /// Whether standard output is a terminal: agents' text is kept from steering it in any case,
    /// but only there is more said about it.
    pub terminal: bool,
}

/// Nothing more can be written to standard output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Closed {
    /// Whoever read it has gone. Not an error; the command ends with 0.
    Gone,
    /// It takes no more, for this reason; the command ends with 1.
    Broken(String),
}

impl From<Closed> for Failure {
    /// A failure with exit code 0 is none: nothing is printed of it.
    fn from(closed: Closed) -> Self {
        match closed {
            Closed::Gone => Self::new(exit::DONE, "closed", ""),
            Closed::Broken(why) => Self::new(
                exit::FAILED,
                "output_failed",
                format!("standard output cannot be written: {why}"),
            ),
        }
    }
}

impl Show {
    /// How to print, by the flags, the environment (`variable` looks it up) and what the outputs are.
    #[must_use]
    pub fn detect(
        json: bool,
        quiet: bool,
        choice: Color,
        variable: impl Fn(&str) -> Option<OsString>,
    ) -> Self {
        let (out, err) = (std::io::stdout(), std::io::stderr());
        let (terminal, error_terminal) = (out.is_terminal(), err.is_terminal());
        let dumb = variable("TERM").is_some_and(|term| term == "dumb");
        let columns = variable("COLUMNS").and_then(|text| text.to_str()?.trim().parse().ok());
        let of_terminal = || {
            let size = rustix::termios::tcgetwinsize(&out).ok()?;
            Some(usize::from(size.ws_col))
        };
        Self {
            json,
            quiet,
            color: (decide(choice, terminal, &variable), decide(choice, error_terminal, &variable)),
            width: columns.or_else(of_terminal).filter(|columns| *columns > 0),
            progress: error_terminal && !dumb && !json && !quiet,
            terminal,
        }
    }

    /// How many columns a line may have.
    #[must_use]
    pub fn columns(&self) -> usize {
        self.width.unwrap_or(WIDTH)
    }

    /// One JSON object on a line of its own, flushed.
    ///
    /// # Errors
    /// [`Closed`].
    pub fn json_line(&self, value: &impl Serialize) -> Result<(), Closed> {
        let line =
            serde_json::to_string(value).map_err(|error| Closed::Broken(error.to_string()))?;
        self.line(&inert_json(&line))
    }

    /// One line of text, already clean, flushed.
    ///
    /// # Errors
    /// [`Closed`].
    pub fn line(&self, text: &str) -> Result<(), Closed> {
        self.bytes(format!("{text}\n").as_bytes())
    }

    /// Whole lines, already clean or for programs, with their line ends, in one go and flushed.
    ///
    /// # Errors
    /// [`Closed`].
    #[allow(clippy::unused_self, reason = "printing belongs to whoever knows how")]
    pub fn bytes(&self, lines: &[u8]) -> Result<(), Closed> {
        let mut out = std::io::stdout().lock();
        out.write_all(lines).and_then(|()| out.flush()).map_err(|error| match error.kind() {
            ErrorKind::BrokenPipe => Closed::Gone,
            _ => Closed::Broken(error.to_string()),
        })
    }

    /// A remark for people, on standard error. None with `--quiet`.
    pub fn remark(&self, text: &str) {
        if self.quiet {
            return;
        }
        let mut lines = String::new();
        for line in text.lines() {
            lines.push_str(&self.paint_error(&clean(line), Paint::Dim));
            lines.push('\n');
        }
        // Nobody can be told that standard error is closed.
        let _ = std::io::stderr().lock().write_all(lines.as_bytes());
    }

    /// The text in this colour, when standard output takes colours. The text must be clean.
    #[must_use]
    pub fn paint(&self, text: &str, paint: Paint) -> String {
        if self.color.0 { paint.around(text) } else { text.to_owned() }
    }

    fn paint_error(&self, text: &str, paint: Paint) -> String {
        if self.color.1 { paint.around(text) } else { text.to_owned() }
    }

    /// The table, as it fits. Nothing is printed of a table without rows.
    ///
    /// # Errors
    /// [`Closed`].
    pub fn table(&self, table: &Table) -> Result<(), Closed> {
        self.bytes(table.render(self.columns(), self.color.0).as_bytes())
    }
}
