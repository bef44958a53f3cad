//! What a running gateway says about the pieces. Methods and fields as of OpenClaw 2026.9.6 (`skills.status`,
//! `config.get`, `exec.approvals.get`, `plugins.list` of its `gateway/protocol` documents).

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::openclaw::access::Access;
use crate::openclaw::gateway::{CallError, ConnectError, Gateway};

/// How long the gateway may take for an answer.
const LIMIT: Duration = Duration::from_secs(30);

/// All that was looked at.
#[derive(Debug, Clone)]
pub struct Look {
    pub version: String,
    /// The skill `dash` as the default agent has it.
    pub skill: Option<SkillRow>,
    /// The configuration in force; secrets are left out by the gateway.
    pub config: Value,
    /// The rules of exec.
    pub approvals: Value,
    /// The plugin that runs ACP agents.
    pub acpx: Option<Plugin>,
}

/// A skill, as the gateway sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct SkillRow {
    pub name: String,
    /// `openclaw-managed`, `openclaw-workspace`, …
    pub source: String,
    pub file_path: String,
    pub eligible: bool,
    pub disabled: bool,
    pub blocked_by_allowlist: bool,
    pub blocked_by_agent_filter: bool,
    pub model_visible: bool,
    pub command_visible: bool,
    pub missing: Missing,
}

/// What a skill lacks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Missing {
    pub bins: Vec<String>,
    pub os: Vec<String>,
}

/// A plugin, as the gateway sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Plugin {
    pub id: String,
    pub installed: bool,
    pub enabled: bool,
    pub runtime: PluginRuntime,
}

/// Whether it runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct PluginRuntime {
    /// `active` when it does.
    pub state: String,
}

#[derive(Deserialize)]
struct Skills {
    #[serde(default)]
    skills: Vec<SkillRow>,
}

#[derive(Deserialize)]
struct Plugins {
    #[serde(default)]
    plugins: Vec<Plugin>,
}

impl Look {
    /// Asks the gateway.
    ///
    /// # Errors
    /// When it is not reached, or does not take the token. What it does not know counts as absent.
    pub async fn at(access: &Access) -> Result<Self, ConnectError> {
        let gateway = Gateway::connect(access).await?;
        let skills = gateway.call::<Skills>("skills.status", &json!({}), LIMIT).await;
        let config = gateway.call::<Value>("config.get", &json!({}), LIMIT).await;
        let approvals = gateway.call::<Value>("exec.approvals.get", &json!({}), LIMIT).await;
        let plugins = gateway.call::<Plugins>("plugins.list", &json!({}), LIMIT).await;
        let look = Self {
            version: gateway.version().to_owned(),
            skill: known(skills)
                .and_then(|all| all.skills.into_iter().find(|row| row.name == super::SKILL)),
            config: known(config).map(|mut answer| answer["resolved"].take()).unwrap_or_default(),
            approvals: known(approvals).unwrap_or_default(),
            acpx: known(plugins)
                .and_then(|all| all.plugins.into_iter().find(|plugin| plugin.id == "acpx")),
        };
        gateway.leave();
        Ok(look)
    }
}

fn known<T>(answer: Result<T, CallError>) -> Option<T> {
    answer.ok()
}
