//! Where OpenClaw's gateway is, and what opens it: read from OpenClaw's own configuration file.
//!
//! That file is JSON5 (`openclaw.json`); its place, the default port 18789 and the fields
//! `gateway.port`, `gateway.tls.enabled` and `gateway.auth.{mode,token,password}` are those of
//! OpenClaw 2026.9 (`gateway/configuration-reference` of its documents).

use std::ffi::OsString;
use std::fmt;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// The gateway's port when its configuration names none.
const PORT: u16 = 18789;
/// Bytes of a token file or configuration that are read.
const FILE_MAX: u64 = 8 * 1024 * 1024;

/// Where to look. What is not given is looked for where OpenClaw itself does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Places {
    /// `ws://127.0.0.1:PORT`.
    pub url: Option<String>,
    /// OpenClaw's configuration file.
    pub config: Option<PathBuf>,
    /// A file with nothing but the token in it, mode 0600.
    pub token_file: Option<PathBuf>,
}

/// The gateway's address and secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// `HOST:PORT` on this machine.
    pub address: String,
    pub secret: Secret,
}

/// What opens the gateway. It is never shown.
#[derive(Clone, PartialEq, Eq)]
pub enum Secret {
    Token(String),
    Password(String),
    /// The gateway asks for none (`gateway.auth.mode: "none"`).
    None,
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Token(_) => "Token(…)",
            Self::Password(_) => "Password(…)",
            Self::None => "None",
        })
    }
}

/// Why the gateway cannot even be tried. Never repeats what is in a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct AccessError {
    pub message: String,
    /// The next step.
    pub hint: String,
}

fn wrong(message: impl Into<String>, hint: impl Into<String>) -> AccessError {
    AccessError { message: message.into(), hint: hint.into() }
}

/// The part of OpenClaw's configuration that matters here.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct File {
    gateway: GatewayPart,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct GatewayPart {
    port: Option<u16>,
    auth: Auth,
    tls: Tls,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Auth {
    mode: Option<String>,
    /// Text, or an object that refers to a secret kept elsewhere.
    token: Option<serde_json::Value>,
    password: Option<serde_json::Value>,
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Auth").field("mode", &self.mode).finish_non_exhaustive()
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Tls {
    enabled: bool,
}

impl Places {
    /// OpenClaw's configuration file: the one that is named, or `$OPENCLAW_CONFIG_PATH`, or
    /// `openclaw.json` in `$OPENCLAW_STATE_DIR` or `~/.openclaw`.
    #[must_use]
    pub fn config_file(&self, variable: &impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let home = || set("HOME");
        let in_home = |path: PathBuf| match (path.strip_prefix("~"), home()) {
            (Ok(rest), Some(home)) => home.join(rest),
            _ => path,
        };
        self.config
            .clone()
            .or_else(|| set("OPENCLAW_CONFIG_PATH"))
            .or_else(|| set("OPENCLAW_STATE_DIR").map(|dir| dir.join("openclaw.json")))
            .or_else(|| home().map(|home| home.join(".openclaw/openclaw.json")))
            .map(in_home)
    }

    /// Reads what is needed, anew each time: a token may have been changed.
    ///
    /// # Errors
    /// Says what is missing or makes no sense, and what to do.
    pub fn find(&self, variable: impl Fn(&str) -> Option<OsString>) -> Result<Access, AccessError> {
        let config = self.config_file(&variable);
        let file = match &config {
            Some(path) => read_config(path, self.token_file.is_some() && self.url.is_some())?,
            None => File::default(),
        };
        let gateway = file.gateway;
        let address = match &self.url {
            Some(url) => address(url)?,
            None if gateway.tls.enabled => {
                return Err(wrong(
                    "the gateway speaks TLS (gateway.tls.enabled), which the bridge does not",
                    "name a plain address of this machine: `url` under [openclaw] in config.toml",
                ));
            }
            None => format!("127.0.0.1:{}", gateway.port.unwrap_or(PORT)),
        };
        let secret = match &self.token_file {
            Some(path) => Secret::Token(read_token(path)?),
            None => secret(&gateway.auth, config.as_deref(), &variable)?,
        };
        Ok(Access { address, secret })
    }
}

/// `HOST:PORT` of a `ws://` URL. Only this machine: the token goes over the line as it is, and the
/// gateway takes clients without a paired device only from here.
fn address(url: &str) -> Result<String, AccessError> {
    let hint = "write `url = \"ws://127.0.0.1:18789\"` under [openclaw] in config.toml";
    let rest = url
        .strip_prefix("ws://")
        .ok_or_else(|| wrong(format!("{url:?} does not begin with ws://"), hint))?;
    let authority = rest.trim_end_matches('/');
    let (host, port) = authority.rsplit_once(':').unwrap_or((authority, "18789"));
    let loopback = match host.trim_start_matches('[').trim_end_matches(']') {
        "localhost" => true,
        host => host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback()),
    };
    if !loopback {
        return Err(wrong(format!("{url:?} is not an address of this machine"), hint));
    }
    let port: u16 =
        port.parse().map_err(|_| wrong(format!("{url:?} has no port that makes sense"), hint))?;
    Ok(format!("{host}:{port}"))
}

fn read_config(path: &Path, dispensable: bool) -> Result<File, AccessError> {
    let text = match read(path) {
        Ok(text) => text,
        Err(_) if dispensable => return Ok(File::default()),
        Err(error) => {
            return Err(wrong(
                format!("cannot read OpenClaw's configuration {}: {error}", path.display()),
                "name it: `config` under [openclaw] in config.toml",
            ));
        }
    };
    // The parser's own words could repeat a part of the file.
    json5::from_str(&text).map_err(|error| {
        let place = error.position().map_or_else(String::new, |at| {
            format!(" (line {}, column {})", at.line + 1, at.column + 1)
        });
        wrong(
            format!("OpenClaw's configuration {} makes no sense{place}", path.display()),
            "`openclaw config validate` says more",
        )
    })
}

fn secret(
    auth: &Auth,
    config: Option<&Path>,
    variable: &impl Fn(&str) -> Option<OsString>,
) -> Result<Secret, AccessError> {
    let mode = auth.mode.as_deref();
    if mode == Some("none") {
        return Ok(Secret::None);
    }
    let by_password = mode == Some("password") || auth.token.is_none() && auth.password.is_some();
    let (value, name, environment) = if by_password {
        (&auth.password, "gateway.auth.password", "OPENCLAW_GATEWAY_PASSWORD")
    } else {
        (&auth.token, "gateway.auth.token", "OPENCLAW_GATEWAY_TOKEN")
    };
    let look_up = |name: &str| {
        let found = variable(name).and_then(|value| value.into_string().ok());
        found.filter(|value| !value.is_empty()).or_else(|| dot_env(config?, name))
    };
    let found = match value {
        Some(serde_json::Value::String(text)) => match reference(text) {
            Some(name) => look_up(name),
            None => Some(text.clone()).filter(|text| !text.is_empty()),
        },
        _ => look_up(environment),
    };
    let kept = if by_password { Secret::Password } else { Secret::Token };
    found.map(kept).ok_or_else(|| {
        let place = config.map_or_else(String::new, |path| format!(" in {}", path.display()));
        wrong(
            format!("{name}{place} is not there as text"),
            "put the gateway's token into a file of mode 0600, and name it: `token_file` under \
             [openclaw] in config.toml",
        )
    })
}

/// The variable's name in `${NAME}`, which OpenClaw replaces when it reads its configuration.
fn reference(text: &str) -> Option<&str> {
    text.strip_prefix("${")?.strip_suffix('}')
}

/// What the file `.env` beside OpenClaw's configuration sets a variable to.
fn dot_env(config: &Path, name: &str) -> Option<String> {
    let text = read(&config.with_file_name(".env")).ok()?;
    let value = text.lines().find_map(|line| {
        let line = line.trim().strip_prefix("export ").unwrap_or(line.trim());
        line.split_once('=').filter(|(key, _)| key.trim() == name).map(|(_, value)| value.trim())
    })?;
    let value = value.trim_matches(|quote| quote == '"' || quote == '\'');
    (!value.is_empty()).then(|| value.to_owned())
}

fn read_token(path: &Path) -> Result<String, AccessError> {
    let cannot = |why: &dyn fmt::Display| {
        wrong(
            format!("cannot use the token file {}: {why}", path.display()),
            "make it a file of yours with mode 0600 and nothing but the gateway's token in it",
        )
    };
    let found = std::fs::metadata(path).map_err(|error| cannot(&error))?;
    if found.mode() & 0o077 != 0 {
        return Err(cannot(&"others may read it"));
    }
    let text = read(path).map_err(|error| cannot(&error))?;
    match text.trim() {
        "" => Err(cannot(&"it is empty")),
        token if token.contains(char::is_whitespace) => Err(cannot(&"it is not one word")),
        token => Ok(token.to_owned()),
    }
}

fn read(path: &Path) -> std::io::Result<String> {
    use std::io::Read as _;
    let mut text = String::new();
    std::fs::File::open(path)?.take(FILE_MAX).read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
#[path = "access_test.rs"]
mod tests;
