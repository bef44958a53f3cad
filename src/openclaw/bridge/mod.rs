//! The bridge: what agents say and how they end, shown in the OpenClaw sessions that own them.

mod backoff;
mod board;
mod link;
mod sessions;

use std::sync::Arc;

use tokio::sync::watch;

use self::board::Board;
use self::sessions::Sessions;
use super::Places;
use crate::api::{BridgeBody, Problem, SessionBody};

/// What the bridge is to do.
#[derive(Debug, Clone)]
pub struct Settings {
    pub places: Places,
}

/// A bridge that runs. Dropping every clone ends it.
#[derive(Debug, Clone)]
pub struct Bridge {
    state: watch::Receiver<BridgeBody>,
    sessions: Arc<Sessions>,
}

impl Bridge {
    /// Starts it.
    #[must_use]
    pub fn start(settings: Settings) -> Self {
        let (board, state) = Board::new();
        let (connected, connection) = watch::channel(None);
        tokio::spawn(link::keep(settings.places, board, connected));
        Self { state, sessions: Arc::new(Sessions::new(connection)) }
    }

    /// How it is, now and whenever that changes.
    #[must_use]
    pub fn state(&self) -> watch::Receiver<BridgeBody> {
        self.state.clone()
    }

    /// What OpenClaw's gateway knows of a session. Answered within two seconds.
    ///
    /// # Errors
    /// `not_found` when there is no such session, `unavailable` when the gateway does not answer.
    pub async fn session(&self, key: &str) -> Result<SessionBody, Problem> {
        self.sessions.find(key).await
    }
}
