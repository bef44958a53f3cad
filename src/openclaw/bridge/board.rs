//! What the bridge says of itself: one value that others look at.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::watch;

use crate::api::{BridgeBody, BridgeState, DeadLetterBody};

/// Where the bridge writes how it is. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Board(Arc<watch::Sender<BridgeBody>>);

impl Board {
    /// A bridge that begins to connect, and whoever looks at it.
    pub(super) fn new() -> (Self, watch::Receiver<BridgeBody>) {
        let body = BridgeBody {
            state: BridgeState::Connecting,
            since: Some(Timestamp::now()),
            ..BridgeBody::default()
        };
        let (board, look) = watch::channel(body);
        (Self(Arc::new(board)), look)
    }

    pub(super) fn address(&self, address: &str) {
        let url = format!("ws://{address}");
        self.0.send_if_modified(|body| {
            let other = body.url.as_ref() != Some(&url);
            body.url = Some(url);
            other
        });
    }

    pub(super) fn connected(&self, version: &str) {
        self.0.send_modify(|body| {
            body.state = BridgeState::Connected;
            body.since = Some(Timestamp::now());
            body.gateway = Some(version.to_owned());
            (body.last_error, body.hint, body.refused) = (None, None, false);
        });
    }

    /// There is no connection, for this reason. Answers whether that is news.
    pub(super) fn lost(&self, why: String, hint: Option<String>) -> bool {
        let mut news = false;
        self.0.send_modify(|body| {
            if body.state != BridgeState::Connecting {
                body.state = BridgeState::Connecting;
                body.since = Some(Timestamp::now());
            }
            body.gateway = None;
            news = body.last_error.as_ref() != Some(&why);
            (body.last_error, body.hint, body.refused) = (Some(why), hint, false);
        });
        news
    }

    /// It is the token that is refused.
    pub(super) fn refused(&self) {
        self.0.send_modify(|body| body.refused = true);
    }

    /// What is owed to sessions, what they were told, and what nobody can be told.
    pub(super) fn books(
        &self,
        owed: u64,
        told: u64,
        dead: u64,
        letters: impl Fn() -> Vec<DeadLetterBody>,
    ) {
        self.0.send_if_modified(|body| {
            let same = (body.owed, body.told, body.dead) == (owed, told, dead);
            if same {
                return false;
            }
            (body.owed, body.told, body.dead) = (owed, told, dead);
            body.dead_letters = letters();
            true
        });
    }
}
