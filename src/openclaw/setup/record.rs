//! What was there before the first installation, so that taking it away leaves what was there.

use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::settings::Before;

/// One installation; no secret is in it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Record {
    /// The OpenClaw that it is for.
    pub state_dir: PathBuf,
    /// The link `dashctl`.
    pub link: PathBuf,
    /// The program that exec got a rule for.
    pub program: PathBuf,
    /// Directories that were made for the skill and the link.
    pub directories: Vec<PathBuf>,
    /// Values of Dash's own configuration file that were not set before.
    pub own: Vec<String>,
    /// OpenClaw's configuration before.
    pub before: Before,
}

impl Record {
    /// The record, if there is one. One that makes no sense counts as none.
    #[must_use]
    pub fn read(file: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(file).ok()?).ok()
    }

    /// Replaces the file, in one step.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, file: &Path) -> std::io::Result<()> {
        let new = file.with_extension(format!("new{}", std::process::id()));
        let mut opened = std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&new)?;
        opened.write_all(serde_json::to_string_pretty(self)?.as_bytes())?;
        std::fs::rename(&new, file)
    }

    /// Removes the file; that there is none is no error.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn remove(file: &Path) -> std::io::Result<()> {
        match std::fs::remove_file(file) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }
}
