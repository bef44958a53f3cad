//! `dash kill`: ends agents.

use super::{Context, Failure};

/// End agents and everything they started.
#[derive(Debug, clap::Args)]
pub struct KillArgs {}

/// Runs the command.
///
/// # Errors
/// See [`Failure`].
#[allow(clippy::unused_async)]
pub async fn run(args: KillArgs, context: &Context) -> Result<u8, Failure> {
    let _ = (args, context);
    Ok(super::exit::FAILED)
}
