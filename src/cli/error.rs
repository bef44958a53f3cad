//! What went wrong, for whoever typed the command. The only place that prints an error.

use crate::client::ClientError;
use crate::config::ConfigError;

/// Why a command did not succeed: exit code, what happened, and the next command to type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub exit: u8,
    /// The stable word for programs, such as `not_found`.
    pub code: String,
    pub message: String,
    pub hint: Option<String>,
    pub request_id: Option<String>,
}

impl Failure {
    /// A failure without a hint.
    pub fn new(exit: u8, code: &str, message: impl Into<String>) -> Self {
        let (code, message) = (code.to_owned(), message.into());
        Self { exit, code, message, hint: None, request_id: None }
    }

    /// The same, with the next step.
    #[must_use]
    pub fn hinted(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        let failure = Self::new(super::exit::CONFIG, "bad_configuration", error.message);
        Self { hint: error.hint, ..failure }
    }
}

impl From<ClientError> for Failure {
    fn from(_error: ClientError) -> Self {
        todo!()
    }
}
