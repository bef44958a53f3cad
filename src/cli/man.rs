//! `dash man`: the manual.

use super::{Context, Failure};

/// Print the manual page.
#[derive(Debug, clap::Args)]
pub struct ManArgs {}

/// Runs the command.
///
/// # Errors
/// See [`Failure`].
#[allow(clippy::unused_async)]
pub async fn run(args: ManArgs, context: &Context) -> Result<u8, Failure> {
    let _ = (args, context);
    Ok(super::exit::FAILED)
}
