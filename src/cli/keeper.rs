//! `dash keeper`: the process that owns the agents' processes.

use std::path::PathBuf;

use super::{Context, Failure, exit, harden};

/// Own the agents' processes; the daemon starts this
#[derive(Debug, clap::Args)]
pub struct KeeperArgs {
    /// The daemon's state directory
    state: PathBuf,
}

/// Runs the command. There is no async runtime around it: the keeper has one thread.
///
/// # Errors
/// See [`Failure`].
pub fn run(args: &KeeperArgs, _context: &Context) -> Result<u8, Failure> {
    harden::no_core_dumps();
    match crate::runtime::keeper::keep(&args.state) {
        Ok(()) => Ok(exit::DONE),
        Err(error) => Err(Failure::new(exit::FAILED, "runtime", error.to_string())),
    }
}
