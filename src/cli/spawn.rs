//! `dash spawn`: starts agents.

use super::{Context, Failure};

/// Start one agent or many.
#[derive(Debug, clap::Args)]
pub struct SpawnArgs {}

/// Runs the command.
///
/// # Errors
/// See [`Failure`].
#[allow(clippy::unused_async)]
pub async fn run(args: SpawnArgs, context: &Context) -> Result<u8, Failure> {
    let _ = (args, context);
    Ok(super::exit::FAILED)
}
