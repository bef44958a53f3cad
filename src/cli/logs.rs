//! `dash logs`: an agent's output.

use super::{Context, Failure};

/// Print what an agent wrote.
#[derive(Debug, clap::Args)]
pub struct LogsArgs {}

/// Runs the command.
///
/// # Errors
/// See [`Failure`].
#[allow(clippy::unused_async)]
pub async fn run(args: LogsArgs, context: &Context) -> Result<u8, Failure> {
    let _ = (args, context);
    Ok(super::exit::FAILED)
}
