//! `dash serve`: the daemon.

use super::{Context, Failure};

/// Run the daemon in the foreground.
#[derive(Debug, clap::Args)]
pub struct ServeArgs {
    /// Listen on this TCP address too, such as 127.0.0.1:7373; requests there need the key.
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<String>,
    /// Started on demand: say on standard output when it is ready, and then nothing more.
    #[arg(long, hide = true)]
    pub detached: bool,
}

/// Runs the command.
///
/// # Errors
/// See [`Failure`].
#[allow(clippy::unused_async)]
pub async fn run(args: ServeArgs, context: &Context) -> Result<u8, Failure> {
    let _ = (args, context);
    Ok(super::exit::FAILED)
}
