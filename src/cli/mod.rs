//! Arguments in, lines out. One file a command; only [`show`] and [`error`] print.

pub mod acp;
pub mod agents;
pub mod answer;
mod arguments;
pub mod audit;
mod background;
mod bridge;
pub mod completions;
pub mod config;
mod config_set;
mod daemon;
pub mod doctor;
mod environment;
mod error;
mod harden;
mod inherited;
mod input;
pub mod keeper;
pub mod keys;
pub mod kill;
pub mod logs;
pub mod man;
pub mod openclaw;
mod reply;
pub mod select;
pub mod send;
pub mod serve;
pub mod show;
pub mod shutdown;
mod signals;
pub mod spawn;
mod start;
pub mod status;
mod verify;
pub mod wait;
pub mod watch;

use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};

pub use error::Failure;

use crate::client::Client;
use crate::config::{Config, Paths};

/// Exit codes. They are part of the contract.
pub mod exit {
    /// What was asked for is done.
    pub const DONE: u8 = 0;
    /// It failed.
    pub const FAILED: u8 = 1;
    /// The arguments, or what they ask for, make no sense.
    pub const USAGE: u8 = 2;
    /// A wait ran out; the agent runs on.
    pub const WAIT_EXPIRED: u8 = 3;
    /// No such agent.
    pub const NO_AGENT: u8 = 4;
    /// Denied: the agent does not take it, or the caller may not.
    pub const DENIED: u8 = 5;
    /// No daemon answers (sysexits `EX_UNAVAILABLE`).
    pub const UNREACHABLE: u8 = 69;
    /// Try again later (sysexits `EX_TEMPFAIL`).
    pub const BUSY: u8 = 75;
    /// The key is missing or wrong (sysexits `EX_NOPERM`).
    pub const UNAUTHENTICATED: u8 = 77;
    /// The configuration is broken (sysexits `EX_CONFIG`).
    pub const CONFIG: u8 = 78;
    /// Ctrl-C.
    pub const INTERRUPTED: u8 = 130;
    /// SIGTERM.
    pub const TERMINATED: u8 = 143;
}

/// Run and watch a thousand agents from one small binary.
///
/// An agent is one piece of running work: any command, or a profile of the configuration with a
/// task. One daemon keeps agents alive, records everything they do, and streams it; the first
/// command that needs the daemon starts it.
#[derive(Debug, Parser)]
#[command(name = "dash", version, arg_required_else_help = true, after_help = EXAMPLES)]
pub struct Cli {
    #[command(flatten)]
    pub common: Common,
    #[command(subcommand)]
    pub command: Command,
}

const EXAMPLES: &str = "\
Examples:
  dash spawn -- make test          run a command as an agent
  dash spawn 'Review the diff'     give a task to the default profile
  dash status                      what runs
  dash watch                       see everything as it happens
  dash kill LABEL                  end an agent

A SELECTOR is an id, an unambiguous prefix of one, or an exact label.

Exit codes: 0 done, 1 failed, 2 usage, 3 a wait expired, 4 no such agent, 5 denied,
69 no daemon answers, 75 busy, 77 not authenticated, 78 bad configuration, 130 interrupted.";

/// What every command takes.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct Common {
    /// Print JSON objects, one a line, and errors as JSON on standard error.
    #[arg(long, global = true, help_heading = "Output")]
    pub json: bool,
    /// Print ids only, and no remarks.
    #[arg(short, long, global = true, help_heading = "Output")]
    pub quiet: bool,
    /// Whether to use colours.
    #[arg(
        long,
        global = true,
        help_heading = "Output",
        value_name = "WHEN",
        value_enum,
        default_value_t = Color::Auto
    )]
    pub color: Color,
}

/// Whether to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless `NO_COLOR` is set.
    Auto,
    Always,
    Never,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    Spawn(Box<spawn::SpawnArgs>),
    #[command(visible_alias = "list", alias = "ls")]
    Status(status::StatusArgs),
    Send(send::SendArgs),
    Kill(kill::KillArgs),
    Watch(watch::WatchArgs),
    Logs(logs::LogsArgs),
    Wait(wait::WaitArgs),
    Allow(answer::AllowArgs),
    Deny(answer::DenyArgs),
    Set(answer::SetArgs),
    Agents(agents::AgentsArgs),
    Audit(audit::AuditArgs),
    Keys(keys::KeysArgs),
    Acp(acp::AcpArgs),
    Openclaw(openclaw::OpenclawArgs),
    Config(config::ConfigArgs),
    Serve(serve::ServeArgs),
    Shutdown(shutdown::ShutdownArgs),
    Doctor(doctor::DoctorArgs),
    Completions(completions::CompletionsArgs),
    Man(man::ManArgs),
    /// Owns the agents' processes; the daemon starts it.
    #[command(hide = true)]
    Keeper(keeper::KeeperArgs),
}

/// What every command is run with.
pub struct Context {
    pub paths: Paths,
    /// How and where to print.
    pub show: show::Show,
}

impl Context {
    /// The configuration file's content.
    ///
    /// # Errors
    /// Exit code 78, naming the file, line and column.
    pub fn config(&self) -> Result<Config, Failure> {
        Ok(Config::load(&self.paths.config_file)?)
    }

    /// A client of the daemon, which is started when there is none (unless `DASH_API_URL` is set).
    ///
    /// # Errors
    /// Exit code 69 when none answers and none could be started.
    pub async fn daemon(&self) -> Result<Client, Failure> {
        daemon::connect_or_start(self).await
    }

    /// A client of the daemon if one is running. Nothing is started.
    ///
    /// # Errors
    /// When the target makes no sense.
    pub async fn running_daemon(&self) -> Result<Option<Client>, Failure> {
        daemon::connect(self).await
    }

    /// A remark for people, on standard error; none with `--quiet` and `--json`.
    fn say(&self, text: &str) {
        if !self.show.json && !self.show.quiet {
            self.show.remark(text);
        }
    }
}

/// Runs the command line and says how it went.
#[must_use]
pub fn run() -> ExitCode {
    completions::complete_from_environment();
    let arguments: Vec<_> = std::env::args_os().collect();
    let cli = match arguments::parse(&arguments) {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    let Common { json, quiet, color } = cli.common;
    // Whoever starts a daemon on demand reads why it could not start.
    let json = json || matches!(&cli.command, Command::Serve(args) if args.detached);
    let show = show::Show::detect(json, quiet, color, |name| std::env::var_os(name));
    let color = show.color.1;
    let done = Paths::resolve(|name| std::env::var_os(name))
        .map_err(Failure::from)
        .and_then(|paths| perform(cli.command, &Context { paths, show }));
    match done {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            let failure = failure.or_help(&arguments);
            failure.print(json, color);
            ExitCode::from(failure.exit)
        }
    }
}

/// Threads for work on files: a thousand agents that end at once need no more.
const BLOCKING_THREADS: usize = 8;

/// The daemon and the keeper live as long as they must; everything else ends with Ctrl-C.
fn perform(command: Command, context: &Context) -> Result<u8, Failure> {
    let mut builder = match command {
        Command::Keeper(args) => {
            inherited::close();
            return keeper::run(&args, context);
        }
        Command::Serve(ref args) => {
            if args.detached {
                inherited::close();
            }
            let mut builder = tokio::runtime::Builder::new_multi_thread();
            builder.max_blocking_threads(BLOCKING_THREADS);
            builder
        }
        _ => tokio::runtime::Builder::new_current_thread(),
    };
    let runtime = builder.enable_all().build().map_err(|error| {
        let hint = "the limits on processes and open files may be too low";
        Failure::new(exit::FAILED, "internal", format!("cannot start: {error}")).hinted(hint)
    })?;
    let done = runtime.block_on(async {
        match command {
            Command::Serve(args) => serve::run(args, context).await,
            command => signals::interruptible(Box::pin(dispatch(command, context))).await,
        }
    });
    // Without waiting for what cannot be interrupted, such as a read from a terminal.
    runtime.shutdown_background();
    done
}

async fn dispatch(command: Command, context: &Context) -> Result<u8, Failure> {
    match command {
        Command::Spawn(args) => spawn::run(*args, context).await,
        Command::Status(args) => status::run(args, context).await,
        Command::Send(args) => send::run(args, context).await,
        Command::Kill(args) => kill::run(args, context).await,
        Command::Watch(args) => watch::run(args, context).await,
        Command::Logs(args) => logs::run(args, context).await,
        Command::Wait(args) => wait::run(args, context).await,
        Command::Allow(args) => answer::allow(args, context).await,
        Command::Deny(args) => answer::deny(args, context).await,
        Command::Set(args) => answer::set(args, context).await,
        Command::Agents(args) => agents::run(args, context).await,
        Command::Audit(args) => audit::run(args, context).await,
        Command::Keys(args) => keys::run(args, context).await,
        Command::Acp(args) => acp::run(args, context).await,
        Command::Openclaw(args) => openclaw::run(args, context).await,
        Command::Config(args) => config::run(args, context).await,
        Command::Serve(args) => serve::run(args, context).await,
        Command::Shutdown(args) => shutdown::run(args, context).await,
        Command::Doctor(args) => doctor::run(args, context).await,
        Command::Completions(args) => completions::run(args, context).await,
        Command::Man(args) => man::run(args, context).await,
        Command::Keeper(args) => keeper::run(&args, context),
    }
}
