//! `dash agents`: the profiles.

use super::{Context, Failure};

/// List the profiles, and which can run here.
#[derive(Debug, clap::Args)]
pub struct AgentsArgs {}

/// Runs the command.
///
/// # Errors
/// See [`Failure`].
#[allow(clippy::unused_async)]
pub async fn run(args: AgentsArgs, context: &Context) -> Result<u8, Failure> {
    let _ = (args, context);
    Ok(super::exit::FAILED)
}
