//! `dash completions`: for shells.

use super::{Context, Failure};

/// Print completions for a shell.
#[derive(Debug, clap::Args)]
pub struct CompletionsArgs {}

/// Runs the command.
///
/// # Errors
/// See [`Failure`].
#[allow(clippy::unused_async)]
pub async fn run(args: CompletionsArgs, context: &Context) -> Result<u8, Failure> {
    let _ = (args, context);
    Ok(super::exit::FAILED)
}
