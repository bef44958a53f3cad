//! Starts the daemon's bridge to OpenClaw's gateway, and lets requests reach it.

use std::sync::Arc;

use crate::config::OpenClaw;
use crate::openclaw::Places;
use crate::openclaw::bridge::{Bridge, Settings};
use crate::server;

/// The bridge, when the configuration asks for one.
pub(super) fn start(config: &OpenClaw) -> Option<server::Bridge> {
    if !config.enabled {
        return None;
    }
    let places = Places {
        url: config.url.clone(),
        config: config.config.clone(),
        token_file: config.token_file.clone(),
    };
    let bridge = Bridge::start(Settings { places });
    let state = bridge.state();
    let ask = move |key: String| {
        let bridge = bridge.clone();
        let asked: futures::future::BoxFuture<'static, _> =
            Box::pin(async move { bridge.session(&key).await });
        asked
    };
    Some(server::Bridge { state, ask: Arc::new(ask) })
}
