//! `dash audit`: who did what.

use super::{Context, Failure};

/// Show or verify the audit trail.
#[derive(Debug, clap::Args)]
pub struct AuditArgs {}

/// Runs the command.
///
/// # Errors
/// See [`Failure`].
#[allow(clippy::unused_async)]
pub async fn run(args: AuditArgs, context: &Context) -> Result<u8, Failure> {
    let _ = (args, context);
    Ok(super::exit::FAILED)
}
