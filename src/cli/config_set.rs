//! `dash config set` and `unset`: one value of the file, with everything else left as it stands.

use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use toml_edit::{DocumentMut, Item, Table, Value};

use super::{Context, Failure, exit};
use crate::config::Config;

/// Mode of a file that is new.
const PRIVATE: u32 = 0o600;

/// Sets a value; the file is made when there is none.
///
/// # Errors
/// Exit code 78 when the file would make no sense any more, 1 when it cannot be written.
pub(super) fn set(key: &str, value: &str, context: &Context) -> Result<(), Failure> {
    let path = path(key)?;
    change(context, |document| {
        let (last, tables) = path.split_last().ok_or_else(|| no_key(key))?;
        let mut table: &mut Table = document.as_table_mut();
        for name in tables {
            let item = table.entry(name).or_insert_with(|| Item::Table(Table::new()));
            table = item.as_table_mut().ok_or_else(|| {
                Failure::usage(format!("{name:?} is no table in the file"))
                    .hinted("edit it by hand")
            })?;
        }
        let mut new: Value = value.parse().unwrap_or_else(|_| Value::from(value));
        match table.get_mut(last).and_then(Item::as_value_mut) {
            Some(old) => {
                // Its comment stays where it is.
                new.decor_mut().clone_from(old.decor());
                *old = new;
            }
            None => drop(table.insert(last, Item::Value(new))),
        }
        Ok(true)
    })
}

/// Takes a value away, and the table that it leaves empty. One that is not there is no error.
///
/// # Errors
/// See [`set`].
pub(super) fn unset(key: &str, context: &Context) -> Result<(), Failure> {
    let path = path(key)?;
    change(context, |document| Ok(remove(document.as_table_mut(), &path)))
}

fn remove(table: &mut Table, path: &[&str]) -> bool {
    match path {
        [] => false,
        [last] => table.remove(last).is_some(),
        [first, rest @ ..] => {
            let Some(inner) = table.get_mut(first).and_then(Item::as_table_mut) else {
                return false;
            };
            let removed = remove(inner, rest);
            if removed && inner.is_empty() {
                table.remove(first);
            }
            removed
        }
    }
}

fn path(key: &str) -> Result<Vec<&str>, Failure> {
    let path: Vec<&str> = key.split('.').collect();
    if path.iter().any(|name| name.is_empty()) { Err(no_key(key)) } else { Ok(path) }
}

fn no_key(key: &str) -> Failure {
    Failure::usage(format!("{key:?} names no value"))
        .hinted("a key is written like daemon.listen; `dash config show` has them all")
}

/// Changes the file if `edit` says so and the result is a configuration.
fn change(
    context: &Context,
    edit: impl FnOnce(&mut DocumentMut) -> Result<bool, Failure>,
) -> Result<(), Failure> {
    let file = &context.paths.config_file;
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
        Err(error) => return Err(cannot(file, &error)),
    };
    let mut document: DocumentMut = text.parse().map_err(|error: toml_edit::TomlError| {
        Failure::new(exit::CONFIG, "bad_configuration", format!("{}: {error}", file.display()))
            .hinted("mend that line first")
    })?;
    if !edit(&mut document)? {
        return Ok(());
    }
    let new = document.to_string();
    if new != text {
        write(file, &new).map_err(|error| cannot(file, &error))?;
    }
    Ok(())
}

/// Replaces the file by one that was looked at first, in one step.
fn write(file: &Path, text: &str) -> std::io::Result<()> {
    let directory = file.parent().unwrap_or(Path::new("."));
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let mode = std::fs::metadata(file).map_or(PRIVATE, |found| found.permissions().mode() & 0o777);
    let new = directory.join(format!(".config.toml.{}", std::process::id()));
    let written = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&new)
        .and_then(|mut opened| opened.write_all(text.as_bytes()).and_then(|()| opened.sync_all()))
        .and_then(|()| Config::load(&new).map_err(|error| std::io::Error::other(error.message)))
        // A link is followed: the file that it names is the one that was read.
        .and_then(|_| std::fs::rename(&new, file.canonicalize().as_deref().unwrap_or(file)));
    if written.is_err() {
        let _ = std::fs::remove_file(&new);
    }
    written
}

fn cannot(file: &Path, error: &std::io::Error) -> Failure {
    Failure::new(
        exit::CONFIG,
        "bad_configuration",
        format!("{} is left as it is: {error}", file.display()),
    )
    .hinted("`dash config show` has the keys, and what they may be")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_away_leaves_no_empty_table() {
        let mut document: DocumentMut =
            "# mine\nx = 1\n\n[daemon]\nlisten = \"a\" # here\n".parse().unwrap();
        assert!(!remove(document.as_table_mut(), &["daemon", "hosts"]));
        assert!(remove(document.as_table_mut(), &["daemon", "listen"]));
        assert_eq!(document.to_string(), "# mine\nx = 1\n");
    }
}
