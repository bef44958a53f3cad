//! How large what a caller gives may be, and what it may contain.
//!
//! Labels, metadata and sessions come back byte for byte, so what cannot be carried safely through
//! a terminal, a header or a table is refused at the door rather than changed.

use std::collections::BTreeMap;

/// Bytes in a label.
pub const LABEL_MAX: usize = 1024;
/// Bytes in a group's name.
pub const GROUP_MAX: usize = 256;
/// Bytes in a session key.
pub const SESSION_MAX: usize = 1024;
/// Entries in an agent's metadata.
pub const METADATA_KEYS_MAX: usize = 64;
/// Bytes in a metadata key.
pub const METADATA_KEY_MAX: usize = 256;
/// Bytes in a metadata value.
pub const METADATA_VALUE_MAX: usize = 8 * 1024;
/// Bytes in a task or a message.
pub const TEXT_MAX: usize = 1024 * 1024;
/// Bytes in one argument of a command (Linux's `MAX_ARG_STRLEN`, less the final NUL).
pub const ARGUMENT_MAX: usize = 128 * 1024 - 1;
/// Bytes in a whole command.
pub const COMMAND_MAX: usize = 1024 * 1024;
/// Agents in one request.
pub const COUNT_MAX: u32 = 10_000;
/// Agents that one with children may spawn in all its life, when nobody says otherwise.
pub const CHILDREN_IN_ALL: u32 = 1_000;
/// Generations below an agent, at most.
pub const DEPTH_MAX: u32 = 16;
/// Bytes in the name of an MCP server.
pub const SERVER_NAME_MAX: usize = 256;
/// MCP servers of one agent.
pub const SERVERS_MAX: usize = 64;
/// Bytes in an idempotency key.
pub const KEY_MAX: usize = 256;
/// Bytes of an agent's output in one event.
pub const OUTPUT_TEXT_MAX: usize = 64 * 1024;

/// What is wrong with a given value. The text names the value and the limit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct OutOfBounds(pub String);

/// A label: 1 to [`LABEL_MAX`] bytes of any text without control characters, but for `.` and `..`:
/// an agent is also named in paths, where these are directories, however they are written (URL
/// Standard, section 4.4, single-dot and double-dot path segments).
///
/// # Errors
/// Says what is wrong with it.
pub fn check_label(label: &str) -> Result<(), OutOfBounds> {
    if matches!(label, "." | "..") {
        return refuse(format!("{label:?} cannot be a label: in a path it means a directory"));
    }
    one_line("the label", label, LABEL_MAX)
}

/// A group's name: 1 to [`GROUP_MAX`] bytes of any text without control characters.
///
/// # Errors
/// Says what is wrong with it.
pub fn check_group(group: &str) -> Result<(), OutOfBounds> {
    one_line("the group's name", group, GROUP_MAX)
}

/// A session key: 1 to [`SESSION_MAX`] bytes of any text without control characters.
///
/// # Errors
/// Says what is wrong with it.
pub fn check_session(session: &str) -> Result<(), OutOfBounds> {
    one_line("the session key", session, SESSION_MAX)
}

/// The name of an MCP server: 1 to [`SERVER_NAME_MAX`] bytes of any text without control characters.
///
/// # Errors
/// Says what is wrong with it.
pub fn check_server_name(name: &str) -> Result<(), OutOfBounds> {
    one_line("the name of an MCP server", name, SERVER_NAME_MAX)
}

/// An idempotency key: 1 to [`KEY_MAX`] bytes without control characters.
///
/// # Errors
/// Says what is wrong with it.
pub fn check_key(key: &str) -> Result<(), OutOfBounds> {
    one_line("the idempotency key", key, KEY_MAX)
}

/// Metadata: at most [`METADATA_KEYS_MAX`] entries; keys of 1 to [`METADATA_KEY_MAX`] bytes without
/// control characters; values of at most [`METADATA_VALUE_MAX`] bytes, of any text without NUL.
///
/// # Errors
/// Says which entry is wrong, and how.
pub fn check_metadata(metadata: &BTreeMap<String, String>) -> Result<(), OutOfBounds> {
    if metadata.len() > METADATA_KEYS_MAX {
        return refuse(format!(
            "there are {} metadata entries; at most {METADATA_KEYS_MAX} are kept",
            metadata.len()
        ));
    }
    for (key, value) in metadata {
        one_line("a metadata key", key, METADATA_KEY_MAX)?;
        text(&format!("the metadata value of {key:?}"), value, METADATA_VALUE_MAX)?;
    }
    Ok(())
}

/// A task or a message: 1 to [`TEXT_MAX`] bytes of any text without NUL, and not only white space.
///
/// # Errors
/// Says what is wrong with it; `what` names it.
pub fn check_text(what: &str, value: &str) -> Result<(), OutOfBounds> {
    if value.trim().is_empty() {
        return refuse(format!("{what} is empty"));
    }
    text(what, value, TEXT_MAX)
}

fn one_line(what: &str, value: &str, max: usize) -> Result<(), OutOfBounds> {
    if value.is_empty() {
        return refuse(format!("{what} is empty"));
    }
    text(what, value, max)?;
    match value.chars().find(|c| c.is_control()) {
        Some(found) => refuse(format!(
            "{what} has a control character ({}), which it may not",
            found.escape_default()
        )),
        None => Ok(()),
    }
}

fn text(what: &str, value: &str, max: usize) -> Result<(), OutOfBounds> {
    if value.len() > max {
        return refuse(format!("{what} is {} bytes long; at most {max} are kept", value.len()));
    }
    if value.contains('\0') {
        return refuse(format!("{what} has a NUL character, which it may not"));
    }
    Ok(())
}

fn refuse<T>(why: String) -> Result<T, OutOfBounds> {
    Err(OutOfBounds(why))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_any_text_on_one_line() {
        for label in ["--help", "-rf", "$(id)", "../../x", "...", ". ", "🦊", "\u{202e}left", " "]
        {
            assert_eq!(check_label(label), Ok(()), "{label:?}");
        }
        for label in ["", ".", "..", "a\nb", "a\0b", "\u{1b}[2J", "\u{9b}31m"] {
            assert!(check_label(label).is_err(), "{label:?}");
        }
        assert_eq!(check_label(&"x".repeat(LABEL_MAX)), Ok(()));
        assert!(check_label(&"x".repeat(LABEL_MAX + 1)).is_err());
    }

    #[test]
    fn metadata_values_may_have_lines_but_no_nul() {
        let entry = |key: &str, value: &str| BTreeMap::from([(key.to_owned(), value.to_owned())]);
        assert_eq!(check_metadata(&entry("k", "two\nlines")), Ok(()));
        assert_eq!(check_metadata(&entry("k", "")), Ok(()));
        assert!(check_metadata(&entry("k", "\0")).is_err());
        assert!(check_metadata(&entry("", "v")).is_err());
        assert!(check_metadata(&entry("k", &"v".repeat(METADATA_VALUE_MAX + 1))).is_err());
        let many = (0..=METADATA_KEYS_MAX).map(|n| (n.to_string(), String::new())).collect();
        assert!(check_metadata(&many).is_err());
    }

    #[test]
    fn a_text_says_something() {
        assert!(check_text("the task", " \n").is_err());
        assert_eq!(check_text("the task", "fix\nit"), Ok(()));
        assert!(check_text("the task", &"x".repeat(TEXT_MAX + 1)).is_err());
    }
}
