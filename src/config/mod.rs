//! Where things live, and what the configuration file says.
//!
//! Flags win over the environment, the environment over the file, the file over the defaults. No
//! file of an agent's working directory is ever read.

mod harness;
mod openclaw;
mod secrets;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde::Deserialize;

pub use harness::{HARNESSES, Harness};
pub use openclaw::{OpenClaw, React};
pub use secrets::provider_keys;

use crate::model::{Cost, Limits, Permissions, Runtime};

/// Bytes in a Unix socket's path on Linux (`sockaddr_un.sun_path`, less the final NUL).
const SOCKET_PATH_MAX: usize = 107;

/// The profile that is always there.
pub const SCRIPTED: &str = "scripted";

/// Where things live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    pub config_file: PathBuf,
    /// Database, agents' files, audit, logs. Mode 0700.
    pub state: PathBuf,
    pub socket: PathBuf,
}

/// What is wrong with the configuration or the places it names. Exit code 78.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ConfigError {
    pub message: String,
    pub hint: Option<String>,
}

impl Paths {
    /// Everything under `DASH_HOME` when that is set, and the XDG directories otherwise
    /// (XDG Base Directory Specification 0.8). `variable` looks up the environment.
    ///
    /// # Errors
    /// When there is no home, or the socket's path would be too long for the system.
    pub fn resolve(variable: impl Fn(&str) -> Option<OsString>) -> Result<Self, ConfigError> {
        let set = |name: &str| variable(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        let paths = if let Some(home) = set("DASH_HOME") {
            let home = std::path::absolute(&home).unwrap_or(home);
            Self {
                config_file: home.join("config.toml"),
                state: home.join("state"),
                socket: home.join("dash.sock"),
            }
        } else {
            let base = directories::BaseDirs::new().ok_or_else(|| ConfigError {
                message: "there is no home directory to keep things in".to_owned(),
                hint: Some("set HOME, or DASH_HOME to a directory for everything".to_owned()),
            })?;
            let state = base.state_dir().unwrap_or_else(|| base.data_local_dir()).join("dash");
            let socket = base
                .runtime_dir()
                .map_or_else(|| state.join("run/dash.sock"), |dir| dir.join("dash/dash.sock"));
            Self { config_file: base.config_dir().join("dash/config.toml"), state, socket }
        };
        paths.check()
    }

    fn check(self) -> Result<Self, ConfigError> {
        let length = self.socket.as_os_str().len();
        if length > SOCKET_PATH_MAX {
            return Err(ConfigError {
                message: format!(
                    "the socket's path is too long for this system ({length} bytes, at most \
                     {SOCKET_PATH_MAX}): {}",
                    self.socket.display()
                ),
                hint: Some("set DASH_HOME to a shorter path".to_owned()),
            });
        }
        Ok(self)
    }

    /// The database.
    #[must_use]
    pub fn database(&self) -> PathBuf {
        self.state.join("dash.db")
    }

    /// A directory for each agent's files.
    #[must_use]
    pub fn agents(&self) -> PathBuf {
        self.state.join("agents")
    }

    /// Held by the daemon for as long as it lives, and names it: JSON with `pid`, `version`, `socket`.
    #[must_use]
    pub fn lock(&self) -> PathBuf {
        self.state.join("daemon.lock")
    }

    /// What a daemon that was started on demand writes to standard error.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.state.join("daemon.log")
    }

    /// The key that opens a TCP listener, mode 0600.
    #[must_use]
    pub fn key(&self) -> PathBuf {
        self.config_file.with_file_name("key")
    }
}

/// The configuration file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The profile of a task that names none.
    pub default_profile: Option<String>,
    pub profiles: BTreeMap<String, Profile>,
    /// What all agents of a group may use together, by the group's name; `*` for those that are not named.
    pub groups: BTreeMap<String, Limits>,
    /// What all agents of one OpenClaw session may use together, for each session alike.
    pub sessions: Limits,
    pub daemon: Daemon,
    pub openclaw: OpenClaw,
}

/// `[profiles.NAME]`: a named spec.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    pub runtime: Runtime,
    /// Program and arguments. `{task}` in an argument stands for the task; when no argument has it,
    /// the task becomes the last one.
    #[serde(default)]
    pub command: Vec<String>,
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// A template around the task; `{task}` stands for it.
    #[serde(default)]
    pub task: Option<String>,
    #[serde(default)]
    pub model: Option<String>,
    #[serde(default)]
    pub stdin: bool,
    /// Milliseconds from its start until an agent is stopped.
    #[serde(default)]
    pub timeout_ms: Option<u64>,
    /// Mebibytes that an agent is expected to take, with all its processes.
    #[serde(default)]
    pub memory_mb: Option<u32>,
    /// One line for `dash agents`.
    #[serde(default)]
    pub description: Option<String>,
    /// What a harness may do without asking: `read`, `edit`, `all` or `ask`.
    #[serde(default)]
    pub permissions: Option<Permissions>,
    /// Milliseconds that a permission request waits for people before it is denied.
    #[serde(default)]
    pub ask_timeout_ms: Option<u64>,
    /// Milliseconds that an agent waits for its next message before it is ended; 0 for as long as it
    /// likes.
    #[serde(default)]
    pub idle_timeout_ms: Option<u64>,
    /// Milliseconds that a harness may take until it has begun the conversation.
    #[serde(default)]
    pub start_timeout_ms: Option<u64>,
    /// Whether its agents end with their first turn.
    #[serde(default)]
    pub once: bool,
    /// The mode that a harness begins in.
    #[serde(default)]
    pub mode: Option<String>,
    /// Configuration options of a harness, by their ids.
    #[serde(default)]
    pub options: BTreeMap<String, String>,
    #[serde(default)]
    pub max_turns: Option<u32>,
    #[serde(default)]
    pub max_tokens: Option<u64>,
    #[serde(default)]
    pub max_cost: Option<Cost>,
    /// Agents that one of it may have below it at once; none when absent.
    #[serde(default)]
    pub children: Option<u32>,
    /// Agents that may ever be spawned below it.
    #[serde(default)]
    pub children_in_all: Option<u32>,
    /// Generations below it.
    #[serde(default)]
    pub depth: Option<u32>,
    /// Variables with keys of model providers, which its agents get from the daemon's environment or from
    /// `daemon.keys_file`.
    #[serde(default)]
    pub keys: Vec<String>,
    /// How to log in to the harness: a command, or a sentence.
    #[serde(default)]
    pub login: Option<String>,
}

impl Profile {
    /// One of this runtime that says nothing else.
    #[must_use]
    pub fn of(runtime: Runtime) -> Self {
        Self {
            runtime,
            command: Vec::new(),
            env: BTreeMap::new(),
            task: None,
            model: None,
            stdin: false,
            timeout_ms: None,
            memory_mb: None,
            description: None,
            permissions: None,
            ask_timeout_ms: None,
            idle_timeout_ms: None,
            start_timeout_ms: None,
            once: false,
            mode: None,
            options: BTreeMap::new(),
            max_turns: None,
            max_tokens: None,
            max_cost: None,
            children: None,
            children_in_all: None,
            depth: None,
            keys: Vec::new(),
            login: None,
        }
    }

    /// What its agents may use.
    #[must_use]
    pub fn limits(&self) -> Limits {
        let Self { max_turns, max_tokens, max_cost, .. } = *self;
        Limits { max_turns, max_tokens, max_cost }
    }
}

/// `[daemon]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Daemon {
    /// Agents that run at once; what the machine's memory, processes and descriptors carry when absent.
    pub max_running: Option<usize>,
    /// Mebibytes that the agents which run may be expected to take together; half of the machine's when
    /// absent.
    pub memory_mb: Option<u64>,
    /// A file of lines `NAME=VALUE` with keys of model providers, mode 0600.
    pub keys_file: Option<PathBuf>,
    /// Agents that wait for a place; more are refused.
    pub max_queued: usize,
    /// Milliseconds between the signal and SIGKILL.
    pub grace_ms: u64,
    /// Milliseconds that a permission request waits for people before it is denied.
    pub ask_timeout_ms: u64,
    /// Milliseconds that the agent of another program's session, such as a child of OpenClaw's, waits
    /// for its next message before it is ended; 0 for as long as it likes.
    pub idle_timeout_ms: u64,
    /// Processes and threads that one agent may have, where the system can limit that; 0 for
    /// as many as it likes.
    pub agent_processes_max: u32,
    /// Events that are kept, at most about so many.
    pub events_kept: u64,
    /// Days that events are kept.
    pub events_kept_days: u32,
    /// Mebibytes that the database may take, about; the oldest events go.
    pub database_max_mb: u64,
    /// Mebibytes of each of an agent's output streams that are taken over when a daemon comes back.
    pub backlog_max_mb: u64,
    /// A TCP address such as `127.0.0.1:7373`.
    pub listen: Option<String>,
    /// Certificate chain in PEM; needed for an address that is not loopback.
    pub tls_cert: Option<PathBuf>,
    /// Private key in PEM.
    pub tls_key: Option<PathBuf>,
    /// Host names, beside the address itself, that requests may name.
    pub hosts: Vec<String>,
}

impl Default for Daemon {
    fn default() -> Self {
        Self {
            max_running: None,
            memory_mb: None,
            keys_file: None,
            max_queued: 10_000,
            grace_ms: 10_000,
            ask_timeout_ms: 600_000,
            idle_timeout_ms: 3_600_000,
            agent_processes_max: 4096,
            events_kept: 5_000_000,
            events_kept_days: 30,
            database_max_mb: 2_048,
            backlog_max_mb: 256,
            listen: None,
            tls_cert: None,
            tls_key: None,
            hosts: Vec::new(),
        }
    }
}

impl Daemon {
    /// Processes and threads that one agent may have, if that is limited.
    #[must_use]
    pub fn processes_max(&self) -> Option<u32> {
        (self.agent_processes_max > 0).then_some(self.agent_processes_max)
    }
}

impl Config {
    /// Reads the file; a file that is not there is an empty one.
    ///
    /// # Errors
    /// Names the file, and the line and column of what is wrong in it.
    pub fn load(file: &Path) -> Result<Self, ConfigError> {
        let text = match std::fs::read_to_string(file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => {
                return Err(ConfigError {
                    message: format!("cannot read {}: {error}", file.display()),
                    hint: Some("make it a file of UTF-8 text that you may read".to_owned()),
                });
            }
        };
        Self::parse(&text).map_err(|message| ConfigError {
            message: format!("{}: {message}", file.display()),
            hint: Some("`dash config show` prints what is in force when it is mended".to_owned()),
        })
    }

    /// The profile with this name: one of the file's, or a built-in one.
    #[must_use]
    pub fn profile(&self, name: &str) -> Option<Profile> {
        let own = self.profiles.get(name).cloned();
        own.or_else(|| Harness::named(name).map(Harness::profile)).or_else(|| {
            (name == SCRIPTED).then(|| Profile {
                description: Some("says what a script says: for tests and demonstrations".into()),
                ..Profile::of(Runtime::Scripted)
            })
        })
    }

    /// What all agents of this group may use together, and the table that says so; none when nothing does.
    #[must_use]
    pub fn group_limits(&self, group: &str) -> Option<(String, Limits)> {
        let (name, limits) = self.groups.get_key_value(group).or(self.groups.get_key_value("*"))?;
        (!limits.is_none()).then(|| (format!("groups.{name}"), *limits))
    }

    /// The names of all profiles.
    #[must_use]
    pub fn profile_names(&self) -> Vec<String> {
        let built_in = HARNESSES.iter().map(|harness| harness.name).chain([SCRIPTED]);
        let names: BTreeSet<&str> =
            self.profiles.keys().map(String::as_str).chain(built_in).collect();
        names.into_iter().map(str::to_owned).collect()
    }

    /// The variables with keys of model providers that any profile names, the built-in ones included.
    #[must_use]
    pub fn provider_key_names(&self) -> BTreeSet<String> {
        let own = self.profiles.values().flat_map(|profile| &profile.keys).cloned();
        let built_in = HARNESSES.iter().flat_map(|harness| harness.keys);
        own.chain(built_in.map(|&name| name.to_owned())).collect()
    }

    /// How to get the program of a built-in profile; nobody knows that of an own one.
    #[must_use]
    pub fn install(&self, profile: &str) -> Option<&'static str> {
        let own = self.profiles.contains_key(profile);
        Harness::named(profile).filter(|_| !own).map(|harness| harness.install)
    }

    fn parse(text: &str) -> Result<Self, String> {
        let config: Self = toml::from_str(text).map_err(|error| {
            let place = error.span().map(|span| place(text, span.start)).unwrap_or_default();
            format!("{place}{}", error.message())
        })?;
        if let Some(name) = &config.default_profile
            && config.profile(name).is_none()
        {
            return Err(format!("default_profile names {name:?}, and there is no such profile"));
        }
        for (name, profile) in &config.profiles {
            if profile.runtime != Runtime::Scripted && profile.command.is_empty() {
                return Err(format!("profile {name:?} has no command"));
            }
        }
        for limits in config.groups.values().chain([&config.sessions]) {
            if limits.max_turns == Some(0) || limits.max_tokens == Some(0) {
                return Err(
                    "a limit of a group or of sessions is zero; leave it out for none".into()
                );
            }
        }
        Ok(config)
    }
}

/// "line 3, column 5: " of a byte offset.
fn place(text: &str, offset: usize) -> String {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    format!("line {line}, column {column}: ")
}

#[cfg(test)]
#[path = "config_test.rs"]
mod tests;
