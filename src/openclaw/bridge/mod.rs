//! The bridge: what agents say and how they end, shown in the OpenClaw sessions that own them.

mod act;
mod backoff;
mod board;
mod card;
mod file;
mod lines;
mod link;
mod notice;
mod outbox;
mod roster;
mod run;
mod session;
mod sessions;
mod take;
mod text;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};

use self::board::Board;
use self::sessions::Sessions;
use super::Places;
use crate::api::{BridgeBody, Problem, SessionBody};
use crate::client::Client;

/// What the bridge is to do.
#[derive(Debug, Clone)]
pub struct Settings {
    pub places: Places,
    /// The file that remembers what is owed.
    pub file: PathBuf,
    /// Whether models have a turn about an end when the agent's metadata do not say.
    pub react: bool,
    /// Between two messages into one session.
    pub interval: Duration,
    /// Lines of agents in one message; none at all when 0.
    pub lines_max: usize,
}

/// A bridge that runs. Dropping every clone ends it.
#[derive(Debug, Clone)]
pub struct Bridge {
    state: watch::Receiver<BridgeBody>,
    sessions: Arc<Sessions>,
}

impl Bridge {
    /// Starts it, as a client of the daemon.
    #[must_use]
    pub fn start(settings: Settings, client: Client) -> Self {
        let (board, state) = Board::new();
        let (connected, connection) = watch::channel(None);
        let wanted = Arc::<Notify>::default();
        tokio::spawn(link::keep(settings.places, board.clone(), connected, Arc::clone(&wanted)));
        tokio::spawn(run::run(run::Parts {
            client,
            connected: connection.clone(),
            board,
            file: settings.file,
            pace: session::Pace { interval: settings.interval, lines_max: settings.lines_max },
            react: settings.react,
        }));
        Self { state, sessions: Arc::new(Sessions::new(connection, wanted)) }
    }

    /// How it is, now and whenever that changes.
    #[must_use]
    pub fn state(&self) -> watch::Receiver<BridgeBody> {
        self.state.clone()
    }

    /// What OpenClaw's gateway knows of a session. Answered within twenty seconds.
    ///
    /// # Errors
    /// `not_found` when there is no such session, `unavailable` when the gateway does not answer.
    pub async fn session(&self, key: &str) -> Result<SessionBody, Problem> {
        self.sessions.find(key).await
    }
}
