//! `dash status`: what runs.

use super::{Context, Failure};

/// Show agents and what they are doing.
#[derive(Debug, clap::Args)]
pub struct StatusArgs {}

/// Runs the command.
///
/// # Errors
/// See [`Failure`].
#[allow(clippy::unused_async)]
pub async fn run(args: StatusArgs, context: &Context) -> Result<u8, Failure> {
    let _ = (args, context);
    Ok(super::exit::FAILED)
}
