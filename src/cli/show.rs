//! How things look: lines of JSON for programs, tables and colours for people. The only place that
//! prints to standard output.

use std::borrow::Cow;
use std::ffi::OsString;
use std::io::{IsTerminal as _, Write as _};

use serde::Serialize;

use super::{Color, Failure, exit};
use crate::api::AgentBody;
use crate::model::AgentId;

/// How and where to print. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Show {
    pub json: bool,
    pub quiet: bool,
    pub color: (bool, bool),
    pub width: Option<usize>,
    pub progress: bool,
    pub terminal: bool,
}

/// Nothing more can be written to standard output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Closed {
    Gone,
    Broken(String),
}

impl From<Closed> for Failure {
    fn from(closed: Closed) -> Self {
        match closed {
            Closed::Gone => Self::new(exit::DONE, "closed", ""),
            Closed::Broken(why) => Self::new(exit::FAILED, "output_failed", why),
        }
    }
}

impl Show {
    #[must_use]
    pub fn detect(
        json: bool,
        quiet: bool,
        _choice: Color,
        _variable: impl Fn(&str) -> Option<OsString>,
    ) -> Self {
        let (out, err) = (std::io::stdout().is_terminal(), std::io::stderr().is_terminal());
        let progress = err && !json && !quiet;
        Self { json, quiet, color: (out, err), width: None, progress, terminal: out }
    }

    pub fn json_line(&self, value: &impl Serialize) -> Result<(), Closed> {
        self.line(&serde_json::to_string(value).unwrap_or_default())
    }

    pub fn line(&self, text: &str) -> Result<(), Closed> {
        let mut out = std::io::stdout().lock();
        writeln!(out, "{text}").and_then(|()| out.flush()).map_err(|_| Closed::Gone)
    }

    pub fn remark(&self, text: &str) {
        if !self.quiet && !self.json {
            let _ = writeln!(std::io::stderr(), "{text}");
        }
    }
}

#[must_use]
pub fn clean(text: &str) -> Cow<'_, str> {
    Cow::Borrowed(text)
}

#[must_use]
pub fn count(number: usize, thing: &str) -> String {
    if number == 1 { format!("1 {thing}") } else { format!("{number} {thing}s") }
}

#[must_use]
pub fn name(id: AgentId, label: Option<&str>, index: Option<u32>) -> String {
    match (label, index) {
        (Some(label), Some(index)) => format!("{label} #{index}"),
        (Some(label), None) => label.to_owned(),
        (None, _) => id.short().to_owned(),
    }
}

#[must_use]
pub fn end_of(agent: &AgentBody) -> String {
    agent.status.to_string()
}
