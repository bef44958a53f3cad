//! From words to a [`Cli`], and what is said when they make no sense.

use std::ffi::{OsStr, OsString};
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{ColorChoice, CommandFactory as _, FromArgMatches as _};

use super::show::clean;
use super::{Cli, Command, Failure, exit};

/// Reads the arguments. What they ask for alone (help, version) or get wrong is printed.
pub(super) fn parse(arguments: &[OsString]) -> Result<Cli, ExitCode> {
    let json = own_flags(arguments).any(|argument| argument == "--json");
    let fail = |failure: Failure, color| {
        let failure = failure.or_help(arguments);
        failure.print(json, color);
        ExitCode::from(failure.exit)
    };
    check_unicode(arguments).map_err(|failure| fail(failure, false))?;
    let mut command = Cli::command().color(color(arguments));
    let parsed = command
        .try_get_matches_from_mut(arguments)
        .and_then(|matches| Cli::from_arg_matches(&matches))
        .map_err(cleaned);
    if !parsed.as_ref().is_ok_and(|cli| stays(&cli.command)) {
        // The process ends soon: to give back what describes every command is a tenth of `dash --version`.
        std::mem::forget(command);
    }
    parsed.map_err(|error| match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            // A closed pipe is not an error.
            let _ = error.print();
            ExitCode::from(exit::DONE)
        }
        _ if json => fail(as_failure(&error), false),
        _ => {
            let _ = error.print();
            ExitCode::from(exit::USAGE)
        }
    })
}

/// Whether it runs for long, so that memory counts more than time.
fn stays(command: &Command) -> bool {
    matches!(command, Command::Serve(_) | Command::Keeper(_) | Command::Acp(_) | Command::Watch(_))
}

/// The same error without what would steer a terminal: it quotes what was typed, which may be text
/// that somebody else wrote. Tips that quote it too are left out.
fn cleaned(mut error: clap::Error) -> clap::Error {
    let clean_value = |value: &ContextValue| match value {
        ContextValue::String(text) => Some(ContextValue::String(clean(text).into_owned())),
        ContextValue::Strings(texts) => {
            let texts = texts.iter().map(|text| clean(text).into_owned());
            Some(ContextValue::Strings(texts.collect()))
        }
        _ => None,
    };
    let changed: Vec<_> = error
        .context()
        .filter_map(|(kind, value)| Some((kind, clean_value(value).filter(|new| new != value)?)))
        .collect();
    if !changed.is_empty() {
        error.insert(ContextKind::Suggested, ContextValue::None);
    }
    for (kind, value) in changed {
        error.insert(kind, value);
    }
    error
}

/// What is ours: everything up to `--`.
fn own_flags(arguments: &[OsString]) -> impl Iterator<Item = &OsStr> {
    arguments.iter().skip(1).map(OsString::as_os_str).take_while(|argument| *argument != "--")
}

/// Colours for what is said before the arguments are understood.
fn color(arguments: &[OsString]) -> ColorChoice {
    let mut flags = own_flags(arguments);
    while let Some(flag) = flags.next() {
        let given = match flag.to_str() {
            Some("--color") => flags.next().and_then(OsStr::to_str),
            Some(flag) => flag.strip_prefix("--color="),
            None => None,
        };
        match given {
            Some("always") => return ColorChoice::Always,
            Some("never") => return ColorChoice::Never,
            _ => {}
        }
    }
    ColorChoice::Auto
}

/// Everything that is sent to the daemon is JSON, which is Unicode.
fn check_unicode(arguments: &[OsString]) -> Result<(), Failure> {
    let broken = arguments.iter().enumerate().skip(1).find(|(_, text)| text.to_str().is_none());
    match broken {
        None => Ok(()),
        Some((place, text)) => Err(Failure::usage(format!(
            "argument {place} is not valid UTF-8: {:?}",
            text.to_string_lossy()
        ))
        .hinted("Dash carries text as JSON; put other bytes into a file and pass its path")),
    }
}

/// The first paragraph says what is wrong; the tips, or else the usage, say what to do.
fn as_failure(error: &clap::Error) -> Failure {
    let text = error.to_string();
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return Failure::usage("there is no command").hinted("`dash --help` lists the commands");
    }
    let one_line = |part: &str| part.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut parts = text.trim().split("\n\n");
    let first = one_line(parts.next().unwrap_or_default());
    let message = first.strip_prefix("error: ").unwrap_or(&first).to_owned();
    let rest: Vec<_> = parts.map(one_line).collect();
    let tips: Vec<_> = rest
        .iter()
        .filter_map(|part| part.strip_prefix("tip: "))
        .map(|tip| tip.replace(" tip: ", "; "))
        .collect();
    let usage = rest.iter().find(|part| part.starts_with("Usage: ")).cloned();
    let failure = Failure::usage(message);
    Failure { hint: if tips.is_empty() { usage } else { Some(tips.join("; ")) }, ..failure }
}

#[cfg(test)]
#[path = "arguments_test.rs"]
mod tests;
