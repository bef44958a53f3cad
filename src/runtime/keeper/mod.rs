//! The keeper: one small process that owns the agents' processes, and the daemon's handle on it.
//!
//! It starts them, inherits their orphans, reaps them, and writes down how each ended. It outlives the
//! daemon: a daemon that comes back asks it what happened meanwhile. Agents read and write files, never
//! a pipe to the keeper, so that its own death does not touch them either.

mod child;
mod connect;
mod handle;
mod link;
mod memory;
mod process;
mod protocol;
mod reap;
mod record;
mod stdin;

use std::path::{Path, PathBuf};

pub use handle::{Ending, Keeper, SpawnFailure, WriteFailure};
pub use process::keep;
pub use protocol::{Ended, Start};
pub(super) use record::Record;

/// Why there is no keeper.
#[derive(Debug, thiserror::Error)]
pub enum KeeperError {
    #[error("cannot use {}: {error}", path.display())]
    Io { path: PathBuf, error: std::io::Error },
    #[error("the keeper cannot be set up: {0}")]
    System(std::io::Error),
    #[error("the keeper does not answer at {}", path.display())]
    Silent { path: PathBuf },
    #[error("the keeper that runs is of a newer Dash (protocol {found}, this one speaks {known})")]
    Newer { found: u32, known: u32 },
}

impl KeeperError {
    fn at(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |error| Self::Io { path, error }
    }
}

/// Where the keeper listens.
fn socket(state: &Path) -> PathBuf {
    state.join("keeper.sock")
}

/// Held by the keeper for as long as it lives.
fn lock(state: &Path) -> PathBuf {
    state.join("keeper.lock")
}

#[cfg(test)]
#[path = "prepare_test.rs"]
mod prepare_tests;
#[cfg(test)]
#[path = "keeper_test.rs"]
mod tests;
