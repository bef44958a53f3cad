//! `dash acp`: an agent of the Agent Client Protocol, version 1, on standard input and output. It is
//! a bridge to the daemon, and has nothing of its own: what must outlive the process is with the
//! agents, as metadata.
//!
//! The messages are read and written by a loop of our own rather than by the connection of the crate
//! `agent-client-protocol`, of which the types are used: a line has a bound, what an agent says in
//! ACP's words passes through unread, an update never overtakes the answer after it, and the end of
//! the input ends the process without ending a turn.

mod accept;
mod face;
mod follow;
mod history;
mod lines;
mod offered;
mod options;
mod out;
mod prompt;
mod rpc;
mod session;
mod trouble;
mod turn;
mod update;

use std::collections::BTreeMap;
use std::io;
use std::pin::pin;

use futures::future::LocalBoxFuture;
use tokio::io::{AsyncRead, AsyncWrite};

pub use self::trouble::Trouble;

use self::face::Face;
use self::lines::{LINE_MAX, Lines};
use self::out::Out;
use crate::client::Client;

/// What the command line says about the agents that are spawned.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// The profile; the configuration's default one when absent.
    pub profile: Option<String>,
    /// Models that the client may choose from; the first is the one to begin with.
    pub models: Vec<String>,
    /// The session that owns the agents; the one that OpenClaw says when absent.
    pub session: Option<String>,
    pub label: Option<String>,
    /// The variables that an agent starts from.
    pub base_env: BTreeMap<String, String>,
}

/// The way to the daemon.
pub trait Daemon {
    /// A client of the daemon, which is started when there is none.
    fn connect(&self) -> LocalBoxFuture<'_, Result<Client, Trouble>>;
    /// Starts the daemon again when it crashed.
    fn revive(&self) -> LocalBoxFuture<'_, Result<(), Trouble>>;
    /// A remark for whoever reads the log of the process.
    fn say(&self, text: &str);
}

/// Serves one client until its input ends, or it does not read any more. Agents run on.
///
/// # Errors
/// When the input cannot be read.
pub async fn serve(
    settings: Settings,
    daemon: &dyn Daemon,
    input: impl AsyncRead + Unpin,
    output: impl AsyncWrite + Unpin,
) -> io::Result<()> {
    let (out, lines) = Out::new();
    let mut written = pin!(out::write(lines, output));
    let mut served = pin!(async move {
        let face = Face::new(settings, daemon, out);
        face.serve(Lines::new(input, LINE_MAX)).await
    });
    tokio::select! {
        biased;
        // Nobody reads any more, which is not an error.
        _ = &mut written => Ok(()),
        served = &mut served => {
            let _ = written.await;
            served
        }
    }
}
