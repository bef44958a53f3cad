//! `dash config`: the configuration in force, and a first file.

use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use serde_json::json;

use super::show::clean;
use super::{Context, Failure, config_set, exit};
use crate::config::{Config, Paths, Profile};

/// Show the configuration, or write a first one.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct ConfigArgs {
    #[command(subcommand)]
    pub command: ConfigCommand,
}

/// What to do with the configuration.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum ConfigCommand {
    /// Print what is in force, where each value comes from, and where things live.
    ///
    /// The values of a profile's environment are not printed: they may be secret.
    Show,
    /// Write a configuration file that explains itself. An existing one is left as it is.
    Init,
    /// Set one value in the file; comments and everything else stay. The daemon reads it when it starts.
    Set {
        /// Such as daemon.listen.
        key: String,
        /// As TOML; what is no TOML is text.
        value: String,
    },
    /// Take one value out of the file, so that its default is in force again.
    Unset {
        /// Such as daemon.listen.
        key: String,
    },
}

const EXAMPLES: &str = "\
Examples:
  dash config init   write a first file, with everything commented out
  dash config show   what is in force
  dash config set daemon.listen 127.0.0.1:7373
  dash config unset daemon.listen

Flags win over the environment, the environment over the file, the file over the defaults.";

/// What `dash config init` writes.
const FIRST: &str = include_str!("config_first.toml");

/// Runs the command.
///
/// # Errors
/// Exit code 78 when the file is broken, 1 when there is one already or it cannot be written.
#[allow(clippy::unused_async, reason = "every command is run the same way")]
pub async fn run(args: ConfigArgs, context: &Context) -> Result<u8, Failure> {
    match args.command {
        ConfigCommand::Show => show(context)?,
        ConfigCommand::Init => init(context)?,
        ConfigCommand::Set { key, value } => config_set::set(&key, &value, context)?,
        ConfigCommand::Unset { key } => config_set::unset(&key, context)?,
    }
    Ok(exit::DONE)
}

fn show(context: &Context) -> Result<(), Failure> {
    let config = context.config()?;
    let file = std::fs::read_to_string(&context.paths.config_file).ok();
    let given = file.as_deref().and_then(|text| toml::from_str::<toml::Table>(text).ok());
    let settings = settings(&config, &given.unwrap_or_default());
    if context.show.json {
        context.show.json_line(&as_json(&settings, &config, &context.paths))?;
    } else {
        let text = as_text(&settings, &config, &context.paths, file.is_some());
        context.show.bytes(text.as_bytes())?;
    }
    Ok(())
}

/// One value outside of the profiles.
struct Setting {
    /// Its table, none for the top.
    table: Option<&'static str>,
    key: &'static str,
    value: serde_json::Value,
    /// What it means that there is no value.
    unset: &'static str,
    from_file: bool,
}

fn settings(config: &Config, given: &toml::Table) -> Vec<Setting> {
    let (daemon, openclaw) = (&config.daemon, &config.openclaw);
    let values = [
        (None, "default_profile", json!(config.default_profile), "a task must name its profile"),
        (Some("sessions"), "max_turns", json!(config.sessions.max_turns), "no limit"),
        (Some("sessions"), "max_tokens", json!(config.sessions.max_tokens), "no limit"),
        (Some("sessions"), "max_cost", json!(config.sessions.max_cost), "no limit"),
        (Some("daemon"), "max_running", json!(daemon.max_running), "what the machine carries"),
        (Some("daemon"), "memory_mb", json!(daemon.memory_mb), "half of the machine's memory"),
        (Some("daemon"), "keys_file", json!(daemon.keys_file), "the daemon's environment only"),
        (Some("daemon"), "max_queued", json!(daemon.max_queued), ""),
        (Some("daemon"), "grace_ms", json!(daemon.grace_ms), ""),
        (Some("daemon"), "ask_timeout_ms", json!(daemon.ask_timeout_ms), ""),
        (Some("daemon"), "idle_timeout_ms", json!(daemon.idle_timeout_ms), ""),
        (Some("daemon"), "agent_processes_max", json!(daemon.agent_processes_max), ""),
        (Some("daemon"), "events_kept", json!(daemon.events_kept), ""),
        (Some("daemon"), "events_kept_days", json!(daemon.events_kept_days), ""),
        (Some("daemon"), "database_max_mb", json!(daemon.database_max_mb), ""),
        (Some("daemon"), "backlog_max_mb", json!(daemon.backlog_max_mb), ""),
        (Some("daemon"), "listen", json!(daemon.listen), "the Unix socket only"),
        (Some("daemon"), "tls_cert", json!(daemon.tls_cert), "no TLS"),
        (Some("daemon"), "tls_key", json!(daemon.tls_key), "no TLS"),
        (Some("daemon"), "hosts", json!(daemon.hosts), ""),
        (Some("openclaw"), "enabled", json!(openclaw.enabled), ""),
        (Some("openclaw"), "url", json!(openclaw.url), "what OpenClaw's configuration says"),
        (Some("openclaw"), "config", json!(openclaw.config), "where OpenClaw itself looks"),
        (Some("openclaw"), "token_file", json!(openclaw.token_file), "OpenClaw's configuration"),
        (Some("openclaw"), "react", json!(openclaw.react), ""),
        (Some("openclaw"), "interval_ms", json!(openclaw.interval_ms), ""),
        (Some("openclaw"), "lines_max", json!(openclaw.lines_max), ""),
    ];
    let in_file = |table: Option<&str>, key: &str| match table {
        None => given.contains_key(key),
        Some(table) => {
            let table = given.get(table).and_then(toml::Value::as_table);
            table.is_some_and(|table| table.contains_key(key))
        }
    };
    let setting = |(table, key, value, unset)| {
        let from_file = in_file(table, key);
        Setting { table, key, value, unset, from_file }
    };
    values.into_iter().map(setting).collect()
}

fn source(from_file: bool) -> &'static str {
    if from_file { "file" } else { "default" }
}

fn as_json(settings: &[Setting], config: &Config, paths: &Paths) -> serde_json::Value {
    let values = settings.iter().map(|setting| {
        let name = match setting.table {
            Some(table) => format!("{table}.{}", setting.key),
            None => setting.key.to_owned(),
        };
        (name, json!({"value": setting.value, "source": source(setting.from_file)}))
    });
    let profiles = config.profiles.iter().map(|(name, profile)| {
        let entries = profile_entries(profile);
        (name.clone(), serde_json::Value::Object(entries.into_iter().collect()))
    });
    json!({
        "paths": {
            "config_file": paths.config_file,
            "state": paths.state,
            "socket": paths.socket,
            "database": paths.database(),
            "log": paths.log(),
            "key": paths.key(),
        },
        "settings": values.collect::<serde_json::Map<_, _>>(),
        "profiles": profiles.collect::<serde_json::Map<_, _>>(),
        "groups": config.groups,
    })
}

/// What a profile says. Of its environment only the names: values may be secret.
fn profile_entries(profile: &Profile) -> Vec<(String, serde_json::Value)> {
    let names: Vec<&String> = profile.env.keys().collect();
    let entries = [
        ("runtime", json!(profile.runtime)),
        ("command", json!(profile.command)),
        ("env", json!(names)),
        ("task", json!(profile.task)),
        ("model", json!(profile.model)),
        ("stdin", json!(profile.stdin)),
        ("timeout_ms", json!(profile.timeout_ms)),
        ("keys", json!(profile.keys)),
        ("memory_mb", json!(profile.memory_mb)),
        ("description", json!(profile.description)),
        ("permissions", json!(profile.permissions)),
        ("ask_timeout_ms", json!(profile.ask_timeout_ms)),
        ("idle_timeout_ms", json!(profile.idle_timeout_ms)),
        ("start_timeout_ms", json!(profile.start_timeout_ms)),
        ("once", json!(profile.once)),
        ("mode", json!(profile.mode)),
        ("max_turns", json!(profile.max_turns)),
        ("max_tokens", json!(profile.max_tokens)),
        ("max_cost", json!(profile.max_cost)),
        ("children", json!(profile.children)),
        ("children_in_all", json!(profile.children_in_all)),
        ("depth", json!(profile.depth)),
        ("login", json!(profile.login)),
    ];
    let is_said = |value: &serde_json::Value| match value {
        serde_json::Value::Null | serde_json::Value::Bool(false) => false,
        serde_json::Value::Array(values) => !values.is_empty(),
        _ => true,
    };
    let said = entries.into_iter().filter(|(_, value)| is_said(value));
    said.map(|(key, value)| (key.to_owned(), value)).collect()
}

/// Text in the form of the file. A JSON string, number, boolean or array of these is also TOML.
fn as_text(settings: &[Setting], config: &Config, paths: &Paths, exists: bool) -> String {
    let mut text = String::new();
    let mut line = |content: &str| {
        text.push_str(&clean(content));
        text.push('\n');
    };
    let missing = if exists { "" } else { " (not there)" };
    line(&format!("# configuration: {}{missing}", paths.config_file.display()));
    line(&format!("# state:         {}", paths.state.display()));
    line(&format!("# socket:        {}", paths.socket.display()));
    let mut table = None;
    for setting in settings {
        if setting.table != table {
            table = setting.table;
            line("");
            line(&format!("[{}]", table.unwrap_or_default()));
        }
        line(&setting_line(setting));
    }
    for (name, profile) in &config.profiles {
        line("");
        line(&format!("[profiles.{}]  # file", key(name)));
        for (key, value) in profile_entries(profile) {
            if key == "env" {
                line(&format!("# env sets {}", names(&value)));
            } else {
                line(&format!("{key} = {value}"));
            }
        }
    }
    for (name, limits) in &config.groups {
        line("");
        line(&format!("[groups.{}]  # file", key(name)));
        for (key, value) in json!(limits).as_object().into_iter().flatten() {
            line(&format!("{key} = {value}"));
        }
    }
    text
}

fn setting_line(setting: &Setting) -> String {
    let Setting { key, value, unset, from_file, .. } = setting;
    if value.is_null() {
        format!("# {key} is not set: {unset}")
    } else {
        format!("{key} = {value}  # {}", source(*from_file))
    }
}

fn names(value: &serde_json::Value) -> String {
    let names = value.as_array().into_iter().flatten().filter_map(serde_json::Value::as_str);
    names.collect::<Vec<_>>().join(", ")
}

/// A key as TOML wants it: bare when it may be.
fn key(name: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if !name.is_empty() && name.chars().all(bare) {
        name.to_owned()
    } else {
        json!(name).to_string()
    }
}

fn init(context: &Context) -> Result<(), Failure> {
    let file = &context.paths.config_file;
    write_first(file).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => Failure::new(
            exit::FAILED,
            "exists",
            format!("there is a configuration already: {}", file.display()),
        )
        .hinted("`dash config show` prints what is in force"),
        _ => Failure::new(
            exit::FAILED,
            "not_written",
            format!("cannot write {}: {error}", file.display()),
        ),
    })?;
    if context.show.json {
        context.show.json_line(&json!({"config_file": file}))?;
    } else {
        context.show.line(&clean(&format!("wrote {}", file.display())))?;
    }
    Ok(())
}

/// Writes the file, for its owner only, unless there is one.
fn write_first(file: &Path) -> std::io::Result<()> {
    if let Some(directory) = file.parent() {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    }
    let mut options = std::fs::OpenOptions::new();
    let mut written = options.write(true).create_new(true).mode(0o600).open(file)?;
    written.write_all(FIRST.as_bytes())?;
    written.sync_all()
}

#[cfg(test)]
#[path = "config_test.rs"]
mod tests;
