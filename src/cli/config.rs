//! `dash config`: the configuration.

use super::{Context, Failure};

/// Show the configuration, or write a first one.
#[derive(Debug, clap::Args)]
pub struct ConfigArgs {}

/// Runs the command.
///
/// # Errors
/// See [`Failure`].
#[allow(clippy::unused_async)]
pub async fn run(args: ConfigArgs, context: &Context) -> Result<u8, Failure> {
    let _ = (args, context);
    Ok(super::exit::FAILED)
}
