//! What the configuration says of the bridge to OpenClaw.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// `[openclaw]`: the bridge to OpenClaw's gateway.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OpenClaw {
    /// Whether the daemon connects to the gateway, which needs the gateway's token.
    pub enabled: bool,
    /// `ws://127.0.0.1:PORT`; what OpenClaw's configuration says when absent.
    pub url: Option<String>,
    /// OpenClaw's configuration file; looked for where OpenClaw itself does when absent.
    pub config: Option<PathBuf>,
    /// A file with nothing but the gateway's token, mode 0600, instead of OpenClaw's configuration.
    pub token_file: Option<PathBuf>,
    /// What an agent's end means to the model of the session that owns it.
    pub react: React,
    /// Milliseconds between two messages into one session.
    pub interval_ms: u64,
    /// Lines of agents in one message; 0 for ends only.
    pub lines_max: usize,
}

/// Whether a model is told of an end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum React {
    /// It is shown to people, and the model has no turn.
    #[default]
    None,
    /// The model gets one turn.
    Turn,
}

impl Default for OpenClaw {
    fn default() -> Self {
        Self {
            enabled: false,
            url: None,
            config: None,
            token_file: None,
            react: React::None,
            interval_ms: 200,
            lines_max: 100,
        }
    }
}
