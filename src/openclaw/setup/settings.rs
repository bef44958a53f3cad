//! What OpenClaw's configuration must hold so that its work runs in Dash, what of it is missing, and how it was
//! before. Pure: values in, values out. Names and defaults are those of OpenClaw 2026.9.6
//! (`gateway/configuration-reference` of its documents, and seen in runs).

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// OpenClaw's agent, provider, secret provider and ACP agent are all called so.
pub const AGENT: &str = "dash";
/// The agents that the rule of exec is for.
pub const RULE_FOR: &str = "*";
/// What the gateway says instead of a secret.
const REDACTED: &str = "__OPENCLAW_REDACTED__";

/// A part of OpenClaw's configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// The rule that lets exec run `dashctl` in mode `allowlist`.
    Allowlist,
    /// `sessions_spawn({runtime: "acp", agentId: "dash"})`.
    Acp,
    /// A plain `sessions_spawn({agentId: "dash"})`.
    Provider,
}

/// What the configuration is to lead to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The absolute path of `dashctl`.
    pub link: PathBuf,
    /// The program that it leads to.
    pub program: PathBuf,
    /// The profiles; the first is what an agent is made from when nothing else is said.
    pub profiles: Vec<String>,
    /// `HOST:PORT` that the daemon listens on.
    pub listen: String,
    /// The file with the key for it.
    pub key_file: PathBuf,
    /// `DASH_HOME`, when that is set.
    pub home: Option<PathBuf>,
}

/// One value, and the names that lead to it.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting {
    pub path: String,
    pub value: Value,
}

/// One change that takes Dash out again.
#[derive(Debug, Clone, PartialEq)]
pub enum Undo {
    Set(Setting),
    /// Sets a value that has less in it than before, which OpenClaw wants to be told.
    Shorten(Setting),
    Unset(String),
    /// The agent `dash` with its workspace and its sessions, which OpenClaw deletes with it.
    DeleteAgent,
}

/// The value that a path leads to.
#[must_use]
pub fn at<'a>(config: &'a Value, path: &str) -> &'a Value {
    path.split('.').fold(config, |value, name| &value[name])
}

/// OpenClaw's configuration file; an empty configuration when there is none.
///
/// # Errors
/// Says what is wrong, without a word of what is in it.
pub fn read(file: &Path) -> Result<Value, String> {
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(json!({})),
        Err(error) => return Err(format!("{}: {error}", file.display())),
    };
    json5::from_str(&text).map_err(|_| format!("{} makes no sense", file.display()))
}

/// Whether exec's rules let this program run, which is named by its path without links: that is what OpenClaw
/// compares (seen with 2026.9.6: a rule for the link's path does not fit). It must be called by another name than
/// `dash`, which OpenClaw holds for a shell. `approvals` is what `exec.approvals.get` answers.
#[must_use]
pub fn has_rule(approvals: &Value, program: &Path) -> bool {
    let rules = approvals["file"]["agents"][RULE_FOR]["allowlist"].as_array();
    let ours = |rule: &Value| {
        rule["pattern"].as_str().is_some_and(|pattern| Path::new(pattern) == program)
            && rule["argPattern"].is_null()
    };
    rules.is_some_and(|rules| rules.iter().any(ours))
}

impl Wanted {
    /// What is missing of a part, in this configuration.
    #[must_use]
    pub fn missing(&self, part: Part, config: &Value) -> Vec<Setting> {
        let settings = match part {
            Part::Allowlist => Vec::new(),
            Part::Acp => self.acp(config),
            Part::Provider => self.provider(config),
        };
        let differs = |setting: &Setting| !same(&setting.value, at(config, &setting.path));
        settings.into_iter().filter(differs).collect()
    }

    fn acp(&self, config: &Value) -> Vec<Setting> {
        let mut settings = vec![
            setting("plugins.entries.acpx.enabled", json!(true)),
            setting(
                "plugins.entries.acpx.config.agents.dash",
                json!({ "command": self.link, "args": ["acp", "--agent", self.profiles[0]] }),
            ),
            // An agent of OpenClaw's of that name is refused as an ACP agent without it (seen).
            setting(
                "agents.entries.dash.runtime",
                json!({ "type": "acp", "acp": { "agent": AGENT, "backend": "acpx", "mode": "oneshot" } }),
            ),
        ];
        // On unless somebody switched it off.
        for gate in ["acp.enabled", "acp.dispatch.enabled"] {
            if at(config, gate) == false {
                settings.push(setting(gate, json!(true)));
            }
        }
        if at(config, "acp.backend").is_null() {
            settings.push(setting("acp.backend", json!("acpx")));
        }
        // Lists that restrict only when they are there.
        for (list, name) in [("acp.allowedAgents", AGENT), ("plugins.allow", "acpx")] {
            if let Some(longer) = with(at(config, list), name) {
                settings.push(setting(list, longer));
            }
        }
        settings
    }

    fn provider(&self, config: &Value) -> Vec<Setting> {
        let models: Vec<Value> = self.profiles.iter().map(|profile| model(profile)).collect();
        let url = format!("http://{}", self.listen);
        let mut service = json!({
            "command": self.link, "args": ["serve", "--background"], "healthUrl": format!("{url}/healthz"),
            "readyTimeoutMs": 30_000, "idleStopMs": 0,
        });
        if let Some(home) = &self.home {
            service["env"] = json!({ "DASH_HOME": home });
        }
        let provider = json!({
            "baseUrl": format!("{url}/v1"), "api": "openai-completions", "timeoutSeconds": 3600,
            // The key stays in Dash's file.
            "apiKey": { "source": "file", "provider": AGENT, "id": "value" },
            "localService": service, "models": models,
        });
        let secret = json!({ "source": "file", "path": self.key_file, "mode": "singleValue" });
        let mut settings = vec![
            setting("secrets.providers.dash", secret),
            setting("models.providers.dash", provider),
            setting(
                "agents.entries.dash.model.primary",
                json!(format!("{AGENT}/{}", self.profiles[0])),
            ),
        ];
        settings.extend(allowed(config));
        settings
    }
}

fn setting(path: &str, value: Value) -> Setting {
    Setting { path: path.to_owned(), value }
}

fn model(profile: &str) -> Value {
    json!({
        "id": profile, "name": profile, "reasoning": false, "input": ["text"],
        "contextWindow": 200_000, "maxTokens": 8_192,
        "cost": { "input": 0, "output": 0, "cacheRead": 0, "cacheWrite": 0 },
    })
}

/// The list with this name in it; nothing when it need not change.
fn with(list: &Value, name: &str) -> Option<Value> {
    let names = list.as_array().filter(|names| !names.is_empty())?;
    if names.iter().any(|found| found == name || found == "*") {
        return None;
    }
    Some(names.iter().cloned().chain([json!(name)]).collect())
}

/// Who asks for children: OpenClaw's default agent.
fn requester(config: &Value) -> Option<&str> {
    let entries = at(config, "agents.entries").as_object()?;
    let others = || entries.keys().map(String::as_str).filter(|id| *id != AGENT);
    let default = others().find(|id| entries[*id]["default"] == true);
    default.or_else(|| others().find(|id| *id == "main")).or_else(|| others().next())
}

/// Where it stands which agents the default agent may ask for children; without it, only itself.
fn allowed_path(config: &Value) -> String {
    let own = requester(config).map(|id| format!("agents.entries.{id}.subagents.allowAgents"));
    let for_all = "agents.defaults.subagents.allowAgents";
    match own {
        Some(own) if at(config, for_all).is_null() || !at(config, &own).is_null() => own,
        _ => for_all.to_owned(),
    }
}

fn allowed(config: &Value) -> Option<Setting> {
    let path = allowed_path(config);
    let list = at(config, &path);
    if list.as_array().is_none_or(Vec::is_empty) {
        // A list replaces the default, which is the agent itself.
        let own = requester(config).unwrap_or("main");
        return Some(setting(&path, json!([own, AGENT])));
    }
    with(list, AGENT).map(|longer| setting(&path, longer))
}

/// Whether a value is there; one that the gateway does not show counts as such.
fn same(wanted: &Value, found: &Value) -> bool {
    match (wanted, found) {
        (_, Value::String(text)) if text == REDACTED => true,
        (Value::Object(wanted), Value::Object(found)) => wanted
            .iter()
            .all(|(name, value)| found.get(name).is_some_and(|found| same(value, found))),
        (wanted, found) => wanted == found,
    }
}

/// What of the configuration an installation may change, as it was before.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Before {
    /// The highest names that led to nothing.
    pub absent: BTreeSet<String>,
    /// Lists and switches that were there.
    pub was: BTreeMap<String, Value>,
}

/// Whole values of ours.
const OURS: [&str; 3] =
    ["models.providers.dash", "secrets.providers.dash", "plugins.entries.acpx.config.agents.dash"];
/// The agents that have names; without it there is one, `main`.
const ENTRIES: &str = "agents.entries";
/// What may be set on the way.
const SWITCHES: [&str; 6] = [
    "plugins.entries.acpx.enabled",
    "acp.enabled",
    "acp.dispatch.enabled",
    "acp.backend",
    "acp.allowedAgents",
    "plugins.allow",
];
/// What OpenClaw itself writes down when it gets a second agent: who owned what so far.
const OWNERS: [&str; 3] =
    ["talk.agentId", "agents.defaults.heartbeat.agentId", "agents.defaults.systemAgent.agentId"];

impl Before {
    /// How it is now, before anything is installed.
    #[must_use]
    pub fn of(config: &Value) -> Self {
        let mut before = Self::default();
        let allowed = allowed_path(config);
        let switches = SWITCHES.into_iter().chain(OWNERS).chain([allowed.as_str()]);
        for path in switches.clone() {
            let value = at(config, path);
            if !value.is_null() {
                before.was.insert(path.to_owned(), value.clone());
            }
        }
        for path in switches.chain(OURS).chain([ENTRIES]) {
            before.absent.extend(highest_absent(config, path));
        }
        before
    }

    /// What takes Dash out of this configuration, in order: nothing may name what is not there. `workspace` is the
    /// one that an agent has when nothing is said.
    #[must_use]
    pub fn undo(&self, config: &Value, workspace: &Path) -> Vec<Undo> {
        let allowed = allowed_path(config);
        let is_ours = |path: &&str| self.absent.iter().any(|absent| leads_to(absent, path));
        let there = |path: &&str| !at(config, path).is_null();
        let mut gone: Vec<&str> = OURS.into_iter().filter(there).collect();
        let switches = SWITCHES.into_iter().chain(OWNERS).chain([allowed.as_str()]);
        gone.extend(switches.clone().filter(there).filter(is_ours));
        let restored = switches.filter_map(|path| {
            let was = self.was.get(path)?;
            (at(config, path) != was).then(|| Undo::Set(setting(path, was.clone())))
        });
        let mut undo: Vec<Undo> = restored.collect();
        let mut unset: Vec<String> =
            gone.iter().map(|path| self.whole(config, path, &gone)).collect();
        unset.sort();
        unset.dedup();
        let (lists, others): (Vec<_>, Vec<_>) =
            unset.into_iter().partition(|path| leads_to(path, &allowed));
        undo.extend(lists.into_iter().map(Undo::Unset));
        let model = at(config, "agents.entries.dash.model.primary").as_str().unwrap_or_default();
        let over_acp = at(config, "agents.entries.dash.runtime.acp.agent") == AGENT;
        if model.starts_with("dash/") || over_acp {
            undo.push(Undo::DeleteAgent);
            if self.main_was_nameless(config, workspace) {
                undo.push(Undo::Unset(ENTRIES.to_owned()));
            }
        }
        undo.extend(others.into_iter().map(Undo::Unset));
        gently(config, undo)
    }

    /// Whether OpenClaw wrote its one agent down when it got a second, and nobody has said more of it since.
    fn main_was_nameless(&self, config: &Value, workspace: &Path) -> bool {
        let default = at(config, "agents.defaults.workspace").as_str().map_or(workspace, Path::new);
        let says_nothing = |entry: &Value| {
            entry.as_object().is_some_and(|entry| {
                let is_default = |value: &Value| value.as_str().map(Path::new) == Some(default);
                entry.iter().all(|(name, value)| name == "workspace" && is_default(value))
            })
        };
        let entries = at(config, ENTRIES).as_object();
        self.absent.iter().any(|absent| leads_to(absent, ENTRIES))
            && entries.is_some_and(|entries| {
                entries.iter().all(|(id, entry)| id == AGENT || id == "main" && says_nothing(entry))
            })
    }

    /// The highest name on the way to this value that was not there before, and holds nothing but what goes.
    fn whole(&self, config: &Value, path: &str, gone: &[&str]) -> String {
        let ends = path.match_indices('.').map(|(end, _)| end).chain([path.len()]);
        let mut names = ends.map(|end| &path[..end]);
        let highest = names.find(|name| {
            let new = self.absent.iter().any(|absent| leads_to(absent, name));
            new && leaves(at(config, name), name)
                .iter()
                .all(|leaf| gone.iter().any(|path| leads_to(path, leaf)))
        });
        highest.unwrap_or(path).to_owned()
    }
}

/// OpenClaw refuses a change that halves a file of 512 bytes or more (seen with 2026.9.6). Where the provider is most of
/// the file, it goes in pieces.
fn gently(config: &Value, steps: Vec<Undo>) -> Vec<Undo> {
    let mut config = config.clone();
    let mut all = Vec::new();
    for step in steps {
        if let Undo::Unset(path) = &step
            && leads_to(path, PROVIDER)
        {
            for piece in pieces(&config) {
                if !halves(&config, |config| remove(config, path)) {
                    break;
                }
                apply(&mut config, &piece);
                all.push(piece);
            }
        }
        apply(&mut config, &step);
        all.push(step);
    }
    all
}

const PROVIDER: &str = "models.providers.dash";

/// What makes the provider smaller, little by little.
fn pieces(config: &Value) -> Vec<Undo> {
    let path = format!("{PROVIDER}.models");
    let mut models = at(config, &path).as_array().cloned().unwrap_or_default();
    let mut pieces = Vec::new();
    while models.len() > 1 {
        models.truncate(models.len().div_ceil(2));
        pieces.push(Undo::Shorten(setting(&path, json!(models))));
    }
    pieces.push(Undo::Unset(format!("{PROVIDER}.localService")));
    let least = json!({
        "baseUrl": at(config, &format!("{PROVIDER}.baseUrl")),
        "models": [{ "id": AGENT, "name": AGENT }],
    });
    pieces.push(Undo::Shorten(setting(PROVIDER, least)));
    pieces
}

/// Whether OpenClaw may hold this change for an accident. With a margin, for what it adds to the file by itself.
fn halves(config: &Value, change: impl FnOnce(&mut Value)) -> bool {
    let before = size(config);
    let mut after = config.clone();
    change(&mut after);
    before >= 512 && size(&after) < before * 55 / 100
}

fn apply(config: &mut Value, step: &Undo) {
    match step {
        Undo::Set(new) | Undo::Shorten(new) => {
            let pointer = format!("/{}", new.path.replace('.', "/"));
            if let Some(place) = config.pointer_mut(&pointer) {
                place.clone_from(&new.value);
            }
        }
        Undo::Unset(path) => remove(config, path),
        Undo::DeleteAgent => remove(config, "agents.entries.dash"),
    }
}

/// Bytes of the file, as OpenClaw writes it.
fn size(config: &Value) -> usize {
    serde_json::to_string_pretty(config).map_or(0, |text| text.len())
}

fn remove(config: &mut Value, path: &str) {
    let (parent, name) = path.rsplit_once('.').unwrap_or(("", path));
    let parent = match parent {
        "" => Some(config),
        parent => config.pointer_mut(&format!("/{}", parent.replace('.', "/"))),
    };
    if let Some(parent) = parent.and_then(Value::as_object_mut) {
        parent.remove(name);
    }
}

/// Whether one path is the other, or on the way to it.
fn leads_to(path: &str, other: &str) -> bool {
    other.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

fn highest_absent(config: &Value, path: &str) -> Option<String> {
    let ends = path.match_indices('.').map(|(end, _)| end).chain([path.len()]);
    let mut names = ends.map(|end| &path[..end]);
    names.find(|name| at(config, name).is_null()).map(str::to_owned)
}

/// The paths of all values below this one.
fn leaves(value: &Value, path: &str) -> Vec<String> {
    match value {
        Value::Object(inner) => inner
            .iter()
            .flat_map(|(name, value)| leaves(value, &format!("{path}.{name}")))
            .collect(),
        _ => vec![path.to_owned()],
    }
}

#[cfg(test)]
#[path = "settings_test.rs"]
mod tests;
