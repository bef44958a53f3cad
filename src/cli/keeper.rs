//! `dash keeper`: the process that owns the agents' processes.

use super::{Context, Failure};

/// Own the agents' processes; the daemon starts this.
#[derive(Debug, clap::Args)]
pub struct KeeperArgs {}

/// Runs the command. There is no async runtime around it: the keeper has one thread.
///
/// # Errors
/// See [`Failure`].
pub fn run(args: KeeperArgs, context: &Context) -> Result<u8, Failure> {
    let _ = (args, context);
    Ok(super::exit::FAILED)
}
