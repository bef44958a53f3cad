//! Starts the daemon's bridge to OpenClaw's gateway, and lets requests reach it.

use std::sync::Arc;
use std::time::Duration;

use super::Failure;
use crate::client::{Client, Target};
use crate::config::{OpenClaw, Paths, React};
use crate::openclaw::Places;
use crate::openclaw::bridge::{Bridge, Settings};
use crate::server;

/// However the bridge is configured, it neither floods a gateway nor fills its frames.
const INTERVAL_MIN_MS: u64 = 50;
const LINES_MAX: usize = 1_000;

/// The bridge, when the configuration asks for one.
///
/// # Errors
/// When the daemon's own socket makes no sense.
pub(super) fn start(config: &OpenClaw, paths: &Paths) -> Result<Option<server::Bridge>, Failure> {
    if !config.enabled {
        return Ok(None);
    }
    let places = Places {
        url: config.url.clone(),
        config: config.config.clone(),
        token_file: config.token_file.clone(),
    };
    let settings = Settings {
        places,
        file: paths.state.join("openclaw-outbox.json"),
        react: config.react == React::Turn,
        interval: Duration::from_millis(config.interval_ms.max(INTERVAL_MIN_MS)),
        lines_max: config.lines_max.min(LINES_MAX),
    };
    let bridge = Bridge::start(settings, Client::new(&Target::Unix(paths.socket.clone()))?);
    let state = bridge.state();
    let ask = move |key: String| {
        let bridge = bridge.clone();
        let asked: futures::future::BoxFuture<'static, _> =
            Box::pin(async move { bridge.session(&key).await });
        asked
    };
    Ok(Some(server::Bridge { state, ask: Arc::new(ask) }))
}
