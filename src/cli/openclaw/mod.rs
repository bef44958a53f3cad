//! `dash openclaw`: puts Dash into an OpenClaw, says whether it works there, and takes it out again.

mod install;
mod pieces;
mod plan;
mod site;
mod status;
mod uninstall;

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{Context, Failure};

/// Put Dash into OpenClaw, look whether it works there, take it out again.
///
/// The skill and the link `dashctl` are files that are put in place. What OpenClaw's own
/// configuration must hold is printed as commands of OpenClaw, and only changed by those.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct OpenclawArgs {
    #[command(subcommand)]
    action: Action,
}

const EXAMPLES: &str = "\
Examples:
  dash openclaw install            the skill and dashctl; prints what else is to be done
  dash openclaw install --apply    does that too, with OpenClaw's own command line
  dash openclaw status             whether each piece works, and what to do when it does not
  dash openclaw uninstall --apply";

#[derive(Debug, Subcommand)]
enum Action {
    /// Put the skill and `dashctl` in place, and print or run the commands for the rest.
    ///
    /// Twice is the same as once. Exit code 1 when a command of OpenClaw fails.
    Install(install::InstallArgs),
    /// Look at each piece, here and in the running gateway. Nothing is started or changed.
    ///
    /// Exit code 1 when something is to be mended.
    Status(Place),
    /// Take away what was installed, and print or run the commands for the rest.
    Uninstall(uninstall::UninstallArgs),
}

/// Which OpenClaw. What is not given is looked for where OpenClaw itself does.
#[derive(Debug, Clone, Default, Args)]
struct Place {
    /// OpenClaw's state directory; `$OPENCLAW_STATE_DIR` or ~/.openclaw when absent.
    #[arg(long, value_name = "DIR", help_heading = "Which OpenClaw")]
    state_dir: Option<PathBuf>,
    /// OpenClaw's configuration; `openclaw.json` in the state directory when absent.
    #[arg(long, value_name = "FILE", help_heading = "Which OpenClaw")]
    config: Option<PathBuf>,
    /// The gateway's address, such as <ws://127.0.0.1:18789>; what the configuration says when absent.
    #[arg(long, value_name = "URL", help_heading = "Which OpenClaw")]
    gateway: Option<String>,
    /// OpenClaw's command line; `openclaw` on the PATH when absent.
    #[arg(long, value_name = "FILE", help_heading = "Which OpenClaw")]
    openclaw: Option<PathBuf>,
    /// The directory of the link `dashctl`; one that the gateway's PATH has. ~/.local/bin when absent.
    #[arg(long, value_name = "DIR", help_heading = "Which OpenClaw")]
    link: Option<PathBuf>,
}

/// Runs the command.
///
/// # Errors
/// Exit code 1 when something fails or is to be mended; else see [`Failure`].
pub async fn run(args: OpenclawArgs, context: &Context) -> Result<u8, Failure> {
    match args.action {
        Action::Install(args) => install::run(args, context).await,
        Action::Status(place) => status::run(&place, context).await,
        Action::Uninstall(args) => uninstall::run(args, context).await,
    }
}
