//! `dash acp`: an agent of the Agent Client Protocol on standard input and output.

use std::process::Stdio;

use futures::FutureExt as _;
use futures::future::LocalBoxFuture;

use super::{Context, Failure, daemon, environment, exit, start};
use crate::acp::{self, Settings, Trouble};
use crate::client::Client;
use crate::model::{check_label, check_session};

/// Arguments that OpenClaw's own plugin adds after ours begin like this.
const OPENCLAWS: &str = "--openclaw-";

/// Be an agent of the Agent Client Protocol (ACP), for OpenClaw, acpx or an editor.
///
/// It speaks version 1 of ACP on standard input and output; remarks go to standard error. Each
/// session is one agent of a profile, spawned with the session's first prompt; later prompts are
/// messages to it. Agents are the daemon's: they run on when this process ends, and a new process
/// goes on with them.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct AcpArgs {
    /// The profile that agents are made from; the default one when absent.
    #[arg(short, long, value_name = "PROFILE")]
    pub agent: Option<String>,
    /// The model to begin with; several are what a client can choose from.
    #[arg(long, value_name = "NAME")]
    pub model: Vec<String>,
    /// The OpenClaw session that owns the agents; when absent, the one that the client says.
    #[arg(long, value_name = "KEY")]
    pub session: Option<String>,
    /// What the agents are called.
    #[arg(short, long, value_name = "TEXT")]
    pub label: Option<String>,
    /// What OpenClaw adds for itself.
    #[arg(hide = true, trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<String>,
}

const EXAMPLES: &str = "\
Examples:
  dash acp                                agents of the default profile
  dash acp --agent claude --model opus    agents of the profile claude
  acpx --agent 'dash acp --agent claude' exec 'Fix the failing test'";

/// Runs the command.
///
/// # Errors
/// Exit code 2 when the arguments make no sense, 1 when standard input cannot be read.
pub async fn run(args: AcpArgs, context: &Context) -> Result<u8, Failure> {
    check(&args)?;
    let base_env = environment::base(false, std::env::vars_os()).variables;
    let AcpArgs { agent: profile, model: models, session, label, .. } = args;
    let settings = Settings { profile, models, session, label, base_env };
    acp::serve(settings, &Way(context), tokio::io::stdin(), tokio::io::stdout()).await.map_err(
        |error| {
            let message = format!("cannot read standard input: {error}");
            Failure::new(exit::FAILED, "io", message)
        },
    )?;
    Ok(exit::DONE)
}

fn check(args: &AcpArgs) -> Result<(), Failure> {
    if let Some(stray) = args.rest.first().filter(|stray| !stray.starts_with(OPENCLAWS)) {
        return Err(Failure::usage(format!("unexpected argument {stray:?}")));
    }
    let wrong = |error: crate::model::OutOfBounds| Failure::usage(error.to_string());
    args.session.as_deref().map_or(Ok(()), check_session).map_err(wrong)?;
    args.label.as_deref().map_or(Ok(()), check_label).map_err(wrong)
}

/// The way to the daemon that every command takes.
struct Way<'a>(&'a Context);

impl acp::Daemon for Way<'_> {
    fn connect(&self) -> LocalBoxFuture<'_, Result<Client, Trouble>> {
        async {
            if let Some(client) = self.0.running_daemon().await.map_err(trouble)? {
                return Ok(client);
            }
            start_apart().await?;
            self.0.daemon().await.map_err(trouble)
        }
        .boxed_local()
    }

    fn revive(&self) -> LocalBoxFuture<'_, Result<(), Trouble>> {
        async {
            if daemon::has_crashed(self.0).await {
                start_apart().await?;
            }
            Ok(())
        }
        .boxed_local()
    }

    fn say(&self, text: &str) {
        self.0.say(text);
    }
}

/// Starts the daemon from a process that ends at once, so that it is no descendant of this one: acpx
/// 0.19, and with it OpenClaw, kills all descendants of an ACP agent when it closes the session.
///
/// # Errors
/// When that process cannot be started. Why there is no daemon, the next call says.
async fn start_apart() -> Result<(), Trouble> {
    let program = start::this_program().map_err(trouble)?;
    let ended = tokio::process::Command::new(&program)
        .args(["agents", "--quiet"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .await;
    ended.map(drop).map_err(|error| {
        let message = format!("cannot start {}: {error}", program.display());
        Trouble::failed(message).hinted("`dash doctor` says what is wrong")
    })
}

fn trouble(failure: Failure) -> Trouble {
    let trouble = Trouble::failed(failure.message);
    match failure.hint {
        Some(hint) => trouble.hinted(hint),
        None => trouble,
    }
}
