//! Whether to use colours, and which.

use std::ffi::OsString;

use crate::cli::Color;
use crate::model::Status;

/// Whether to use colours on an output: the flag wins, then `NO_COLOR` (not empty: no-color.org),
/// then `CLICOLOR_FORCE` (neither empty nor 0: bixense.com/clicolors), then what the output is.
#[must_use]
pub fn decide(choice: Color, terminal: bool, variable: impl Fn(&str) -> Option<OsString>) -> bool {
    let set = |name: &str| variable(name).filter(|value| !value.is_empty());
    match choice {
        Color::Always => true,
        Color::Never => false,
        Color::Auto if set("NO_COLOR").is_some() => false,
        Color::Auto if set("CLICOLOR_FORCE").is_some_and(|value| value != "0") => true,
        Color::Auto => terminal && set("TERM").is_none_or(|term| term != "dumb"),
    }
}

/// How a piece of text is set off, in the terminal's own sixteen colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paint {
    Bold,
    Dim,
    Red,
    Green,
    Yellow,
    Blue,
    Magenta,
    Cyan,
}

impl Paint {
    /// What tells agents apart. Red is for what went wrong.
    pub const NAMES: [Self; 5] = [Self::Cyan, Self::Magenta, Self::Blue, Self::Green, Self::Yellow];

    /// The text between "select graphic rendition" sequences (ECMA-48, 8.3.117).
    #[must_use]
    pub fn around(self, text: &str) -> String {
        let code = match self {
            Self::Bold => 1,
            Self::Dim => 2,
            Self::Red => 31,
            Self::Green => 32,
            Self::Yellow => 33,
            Self::Blue => 34,
            Self::Magenta => 35,
            Self::Cyan => 36,
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}

/// The colour of a status.
#[must_use]
pub fn of_status(status: Status) -> Paint {
    match status {
        Status::Queued | Status::Starting | Status::Stopping => Paint::Yellow,
        Status::Running => Paint::Cyan,
        Status::Waiting => Paint::Blue,
        Status::Completed => Paint::Green,
        Status::Failed | Status::TimedOut | Status::Lost => Paint::Red,
        Status::Killed => Paint::Magenta,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flag_wins_then_the_environment_then_the_terminal() {
        let with = |choice, terminal, environment: &[(&str, &str)]| {
            decide(choice, terminal, |name| {
                environment.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into())
            })
        };
        assert!(with(Color::Auto, true, &[]));
        assert!(!with(Color::Auto, false, &[]));
        assert!(!with(Color::Auto, true, &[("NO_COLOR", "1")]));
        assert!(with(Color::Auto, true, &[("NO_COLOR", "")]));
        assert!(with(Color::Auto, false, &[("CLICOLOR_FORCE", "1")]));
        assert!(!with(Color::Auto, false, &[("CLICOLOR_FORCE", "0")]));
        assert!(!with(Color::Auto, false, &[("CLICOLOR_FORCE", "")]));
        assert!(!with(Color::Auto, true, &[("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")]));
        assert!(!with(Color::Auto, true, &[("TERM", "dumb")]));
        assert!(with(Color::Auto, true, &[("TERM", "xterm")]));
        assert!(with(Color::Always, false, &[("NO_COLOR", "1")]));
        assert!(!with(Color::Never, true, &[("CLICOLOR_FORCE", "1")]));
    }
}
