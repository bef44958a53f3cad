//! `dash doctor`: finds what is wrong.

use super::{Context, Failure};

/// Find out what is wrong with this installation.
#[derive(Debug, clap::Args)]
pub struct DoctorArgs {}

/// Runs the command.
///
/// # Errors
/// See [`Failure`].
#[allow(clippy::unused_async)]
pub async fn run(args: DoctorArgs, context: &Context) -> Result<u8, Failure> {
    let _ = (args, context);
    Ok(super::exit::FAILED)
}
