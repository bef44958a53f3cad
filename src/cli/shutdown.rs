//! `dash shutdown`: stops the daemon.

use super::{Context, Failure};

/// Stop the daemon; agents run on unless asked otherwise.
#[derive(Debug, clap::Args)]
pub struct ShutdownArgs {}

/// Runs the command.
///
/// # Errors
/// See [`Failure`].
#[allow(clippy::unused_async)]
pub async fn run(args: ShutdownArgs, context: &Context) -> Result<u8, Failure> {
    let _ = (args, context);
    Ok(super::exit::FAILED)
}
