//! Arguments in, lines out. One file a command; only [`show`] and [`error`] print.

mod error;
mod show;

use std::process::ExitCode;

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
        todo!()
    }

    /// A client of the daemon if one is running. Nothing is started.
    ///
    /// # Errors
    /// When the target makes no sense.
    pub async fn running_daemon(&self) -> Result<Option<Client>, Failure> {
        todo!()
    }
}

/// Runs the command line and says how it went.
#[must_use]
pub fn run() -> ExitCode {
    todo!()
}
