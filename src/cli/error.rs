//! What went wrong, for whoever typed the command. The only place that prints an error.

use std::io::Write as _;

use serde_json::json;

use super::exit;
use super::show::{clean, inert_json, shortened};
use crate::api::{Code, Problem};
use crate::client::ClientError;
use crate::config::ConfigError;

/// Characters of a message, and of a hint, that are printed.
const MESSAGE_MAX: usize = 800;

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

    /// What was asked for makes no sense as it stands.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(exit::USAGE, "usage", message)
    }

    /// The same, with the next step.
    #[must_use]
    pub fn hinted(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// What makes no sense and has no next step of its own gets this one: the help of the command
    /// whose name is among these arguments.
    pub(super) fn or_help(self, arguments: &[std::ffi::OsString]) -> Self {
        if self.exit != exit::USAGE || self.hint.is_some() {
            return self;
        }
        let command = <super::Cli as clap::CommandFactory>::command();
        let named = arguments.iter().skip(1).find_map(|word| command.find_subcommand(word));
        let name = named.map_or(String::new(), |command| format!(" {}", command.get_name()));
        self.hinted(format!("`dash{name} --help` says what it takes"))
    }

    /// Prints it on standard error, as one JSON object or for people. A failure with nothing to say
    /// prints nothing. That standard error is closed is not an error.
    pub(super) fn print(&self, json: bool, color: bool) {
        let text = match (self.message.is_empty(), json) {
            (true, _) => return,
            (false, true) => self.shortened().as_json(),
            (false, false) => self.shortened().as_text(color),
        };
        let _ = std::io::stderr().write_all(text.as_bytes());
    }

    /// A message repeats what was given, which may be long.
    fn shortened(&self) -> Self {
        let cut = |text: &str| shortened(text, MESSAGE_MAX).into_owned();
        let hint = self.hint.as_deref().map(cut);
        Self { message: cut(&self.message), hint, ..self.clone() }
    }

    fn as_json(&self) -> String {
        let mut error = json!({ "code": self.code, "message": self.message });
        for (name, value) in [("hint", &self.hint), ("request_id", &self.request_id)] {
            if let Some(value) = value {
                error[name] = json!(value);
            }
        }
        format!("{}\n", inert_json(&json!({ "error": error }).to_string()))
    }

    /// Each line is cleaned by itself: what an agent or a server said does not steer a terminal.
    fn as_text(&self, color: bool) -> String {
        let (red, bold_off) = if color { ("\x1b[1;31m", "\x1b[0m") } else { ("", "") };
        let (cyan, off) = if color { ("\x1b[36m", "\x1b[0m") } else { ("", "") };
        let mut text = if self.code == super::signals::CODE {
            format!("dash: {}\n", indented(&self.message, "      "))
        } else {
            format!("{red}error:{bold_off} {}\n", indented(&self.message, "       "))
        };
        if let Some(hint) = &self.hint {
            let hint = indented(hint, "        ");
            text.extend(["  ", cyan, "hint:", off, " ", &hint, "\n"]);
        }
        text
    }
}

fn indented(text: &str, indent: &str) -> String {
    let lines: Vec<_> = text.trim_end().lines().map(clean).collect();
    lines.join(&format!("\n{indent}"))
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        let failure = Self::new(exit::CONFIG, "bad_configuration", error.message);
        Self { hint: error.hint, ..failure }
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let message = error.to_string();
        match error {
            ClientError::Problem(problem) => problem.into(),
            ClientError::Unreachable { message: cause, .. } => {
                let failure = Self::new(exit::UNREACHABLE, "unreachable", message);
                if cause.contains("certificate") {
                    failure.hinted("name the file with its certificate authority in DASH_API_CA")
                } else {
                    failure.hinted("`dash doctor` says what is wrong")
                }
            }
            ClientError::Protocol(_) => Self::new(exit::UNREACHABLE, "protocol", message)
                .hinted("something else listens there, or a Dash of another kind"),
            ClientError::Target(_) => Self::new(exit::CONFIG, "bad_configuration", message)
                .hinted("DASH_API_URL is unix:///path, http://HOST:PORT or https://HOST:PORT"),
        }
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        let hint = problem.hint.or_else(|| match problem.code {
            Code::Unauthenticated => {
                Some("set DASH_API_KEY to the daemon's key; `dash doctor` says where it is".into())
            }
            Code::QueueFull | Code::Busy | Code::ShuttingDown => {
                Some("try again in a moment".into())
            }
            _ => None,
        });
        Self {
            exit: exit_code(problem.code),
            code: word(problem.code),
            message: problem.message,
            hint,
            request_id: problem.request_id,
        }
    }
}

/// The exit code of each kind of failure; part of the contract.
fn exit_code(code: Code) -> u8 {
    match code {
        Code::InvalidRequest
        | Code::InvalidCommand
        | Code::InvalidCwd
        | Code::InvalidProfile
        | Code::Ambiguous
        | Code::KeyReused
        | Code::TooLarge => exit::USAGE,
        Code::NotFound => exit::NO_AGENT,
        Code::Refused
        | Code::Forbidden
        | Code::ChildrenUsedUp
        | Code::TooDeep
        | Code::LimitReached => exit::DENIED,
        Code::Unauthenticated => exit::UNAUTHENTICATED,
        Code::QueueFull
        | Code::Busy
        | Code::TooManyChildren
        | Code::ShuttingDown
        | Code::Unavailable => exit::BUSY,
        Code::StorageFull | Code::Storage | Code::Runtime | Code::Internal | Code::Unknown => {
            exit::FAILED
        }
    }
}

/// The code as the JSON has it.
fn word(code: Code) -> String {
    match serde_json::to_value(code) {
        Ok(serde_json::Value::String(word)) => word,
        _ => "unknown".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(code: Code) -> Failure {
        ClientError::Problem(Problem::new(code, "m")).into()
    }

    #[test]
    fn every_code_has_the_exit_code_of_the_contract() {
        for (code, word, exit) in [
            (Code::InvalidRequest, "invalid_request", 2),
            (Code::InvalidCommand, "invalid_command", 2),
            (Code::InvalidCwd, "invalid_cwd", 2),
            (Code::InvalidProfile, "invalid_profile", 2),
            (Code::Ambiguous, "ambiguous", 2),
            (Code::KeyReused, "key_reused", 2),
            (Code::TooLarge, "too_large", 2),
            (Code::NotFound, "not_found", 4),
            (Code::Refused, "refused", 5),
            (Code::Forbidden, "forbidden", 5),
            (Code::Unauthenticated, "unauthenticated", 77),
            (Code::QueueFull, "queue_full", 75),
            (Code::TooManyChildren, "too_many_children", 75),
            (Code::ChildrenUsedUp, "children_used_up", 5),
            (Code::LimitReached, "limit_reached", 5),
            (Code::TooDeep, "too_deep", 5),
            (Code::Busy, "busy", 75),
            (Code::ShuttingDown, "shutting_down", 75),
            (Code::StorageFull, "storage_full", 1),
            (Code::Storage, "storage", 1),
            (Code::Runtime, "runtime", 1),
            (Code::Internal, "internal", 1),
            (Code::Unknown, "unknown", 1),
        ] {
            let failure = of(code);
            assert_eq!((failure.code.as_str(), failure.exit), (word, exit));
        }
    }

    #[test]
    fn what_is_no_answer_has_one_too() {
        let unreachable =
            ClientError::Unreachable { target: "unix:///s".into(), message: "refused".into() };
        for (error, exit) in [
            (unreachable, 69),
            (ClientError::Protocol("p".into()), 69),
            (ClientError::Target("t".into()), 78),
        ] {
            let failure = Failure::from(error);
            assert_eq!(failure.exit, exit);
            assert!(failure.hint.is_some(), "{failure:?}");
        }
    }

    #[test]
    fn the_servers_own_hint_wins() {
        let problem = Problem::new(Code::Unauthenticated, "m").hinted("theirs");
        assert_eq!(Failure::from(problem).hint.as_deref(), Some("theirs"));
        assert!(of(Code::Unauthenticated).hint.unwrap().contains("DASH_API_KEY"));
    }

    #[test]
    fn what_makes_no_sense_points_to_the_help() {
        let words = ["dash", "--json", "spawn", "-n", "0"].map(Into::into);
        let hint = |failure: Failure| failure.or_help(&words).hint;
        assert!(hint(Failure::usage("m")).unwrap().starts_with("`dash spawn --help`"));
        assert_eq!(hint(Failure::usage("m").hinted("own")).as_deref(), Some("own"));
        assert_eq!(hint(Failure::new(1, "c", "m")), None);
    }

    #[test]
    fn a_long_message_is_cut() {
        let failure = Failure::usage("x".repeat(100_000)).shortened();
        assert!(failure.message.chars().count() <= MESSAGE_MAX + 1, "{}", failure.message.len());
    }

    #[test]
    fn people_and_programs_each_get_their_form() {
        let failure = Failure {
            request_id: Some("r".into()),
            ..Failure::new(4, "not_found", "no \"x\"\nor so").hinted("try y")
        };
        let plain = "error: no \"x\"\n       or so\n  hint: try y\n";
        assert_eq!(failure.as_text(false), plain);
        assert!(failure.as_text(true).contains("\x1b[1;31merror:"));
        assert_eq!(
            failure.as_json(),
            "{\"error\":{\"code\":\"not_found\",\"message\":\"no \\\"x\\\"\\nor so\",\
             \"hint\":\"try y\",\"request_id\":\"r\"}}\n"
        );
    }
}
