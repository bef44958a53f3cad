//! `dash send`: talks to an agent.

use super::{Context, Failure};

/// Send a message to an agent.
#[derive(Debug, clap::Args)]
pub struct SendArgs {}

/// Runs the command.
///
/// # Errors
/// See [`Failure`].
#[allow(clippy::unused_async)]
pub async fn run(args: SendArgs, context: &Context) -> Result<u8, Failure> {
    let _ = (args, context);
    Ok(super::exit::FAILED)
}
