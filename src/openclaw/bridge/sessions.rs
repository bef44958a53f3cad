//! Who a session is, asked over the bridge's connection and remembered for a moment.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::time::timeout;

use super::link::Connected;
use crate::api::{Code, Problem, SessionBody};
use crate::openclaw::{CallError, Gateway};

/// How long an answer holds.
const HOLDS: Duration = Duration::from_secs(10);
/// Answers that are remembered.
const REMEMBERED: usize = 1_024;
/// How long a connection that is being made is waited for.
const CONNECTION_LIMIT: Duration = Duration::from_secs(5);

/// Answers questions about sessions.
#[derive(Debug)]
pub(super) struct Sessions {
    connected: Connected,
    /// Tells who makes the connection that somebody waits for it.
    wanted: Arc<Notify>,
    remembered: Mutex<HashMap<String, (Instant, SessionBody)>>,
}

impl Sessions {
    pub(super) fn new(connected: Connected, wanted: Arc<Notify>) -> Self {
        Self { connected, wanted, remembered: Mutex::default() }
    }

    /// The session with this key, as the gateway knows it.
    pub(super) async fn find(&self, key: &str) -> Result<SessionBody, Problem> {
        if let Some(known) = self.remember(key, Instant::now()) {
            return Ok(known);
        }
        let found = self.gateway().await?.session(key).await;
        match found {
            Ok(Some(session)) => {
                self.keep(key, &session, Instant::now());
                Ok(session)
            }
            Ok(None) => {
                Err(Problem::new(Code::NotFound, format!("OpenClaw knows no session {key:?}"))
                    .hinted("`openclaw sessions` lists them"))
            }
            Err(CallError::Refused { message, .. }) => {
                Err(Problem::new(Code::Unavailable, format!("OpenClaw refuses: {message}")))
            }
            Err(error) => Err(away(&error.to_string())),
        }
    }

    async fn gateway(&self) -> Result<Gateway, Problem> {
        let mut connected = self.connected.clone();
        if connected.borrow().is_none() {
            self.wanted.notify_one();
        }
        let found = timeout(CONNECTION_LIMIT, connected.wait_for(Option::is_some)).await;
        match found {
            Ok(Ok(gateway)) => gateway.clone().ok_or_else(|| away("there is no connection")),
            _ => Err(away("there is no connection")),
        }
    }

    fn remember(&self, key: &str, now: Instant) -> Option<SessionBody> {
        let remembered = self.remembered.lock().ok()?;
        let (since, session) = remembered.get(key)?;
        (now.duration_since(*since) < HOLDS).then(|| session.clone())
    }

    fn keep(&self, key: &str, session: &SessionBody, now: Instant) {
        let Ok(mut remembered) = self.remembered.lock() else { return };
        if remembered.len() >= REMEMBERED {
            remembered.retain(|_, (since, _)| now.duration_since(*since) < HOLDS);
        }
        if remembered.len() < REMEMBERED {
            remembered.insert(key.to_owned(), (now, session.clone()));
        }
    }
}

fn away(why: &str) -> Problem {
    Problem::new(Code::Unavailable, format!("OpenClaw's gateway does not answer: {why}"))
        .hinted("`dash openclaw status` says more")
}
