//! `dash wait`: until agents have ended.

use super::{Context, Failure};

/// Wait until agents have ended.
#[derive(Debug, clap::Args)]
pub struct WaitArgs {}

/// Runs the command.
///
/// # Errors
/// See [`Failure`].
#[allow(clippy::unused_async)]
pub async fn run(args: WaitArgs, context: &Context) -> Result<u8, Failure> {
    let _ = (args, context);
    Ok(super::exit::FAILED)
}
