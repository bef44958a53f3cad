//! An isolated OpenClaw gateway beside a private Dash home: an own HOME, a free loopback port, an own token, a
//! scripted model, no network. Nothing of it is left when it is dropped.

use std::ffi::OsStr;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::client::Client;
use super::model::Model;
use crate::env::{Output, TestEnv, alive, eventually, signal};

/// The version that `tests/openclaw/install` pins.
pub const OPENCLAW: &str = "2026.9.6";
/// The main session of the default agent.
pub const MAIN: &str = "agent:main:main";
/// A gateway gets ready within 12 seconds on an idle machine.
const READY_WITHIN: Duration = Duration::from_mins(3);

/// The runtime that serves the scripted model and carries the clients' frames, one a process.
pub fn runtime() -> &'static tokio::runtime::Runtime {
    static RUNTIME: OnceLock<tokio::runtime::Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
    })
}

/// What a gateway is to have, besides a scripted model and an agent `main`.
#[derive(Default)]
pub struct Setup {
    dash_config: String,
    skills: Vec<PathBuf>,
    path: Vec<PathBuf>,
    dashctl: bool,
    config: Vec<Value>,
    acp: bool,
    /// The port and the key of the daemon.
    provider: Option<(u16, String)>,
}

impl Setup {
    /// The skill of this repository in the gateway's workspace, and `dashctl` on its PATH.
    #[must_use]
    pub fn with_skill(self) -> Self {
        self.skill(Path::new(env!("CARGO_MANIFEST_DIR")).join("skill/dash")).dashctl()
    }

    /// Copies a skill's directory into the workspace.
    #[must_use]
    pub fn skill(mut self, dir: impl Into<PathBuf>) -> Self {
        self.skills.push(dir.into());
        self
    }

    /// `dashctl`, a link to the binary under test, on the PATH of the gateway and of its exec.
    #[must_use]
    pub fn dashctl(mut self) -> Self {
        self.dashctl = true;
        self
    }

    /// A directory, put first on the PATH of the gateway and of its exec.
    #[must_use]
    pub fn path(mut self, dir: impl Into<PathBuf>) -> Self {
        self.path.push(dir.into());
        self
    }

    /// More of `openclaw.json`, merged into what is there; the last one wins.
    #[must_use]
    pub fn config(mut self, config: Value) -> Self {
        self.config.push(config);
        self
    }

    /// What exec may run: `full` (the default), `allowlist`, `ask`, `deny`.
    #[must_use]
    pub fn exec_mode(self, mode: &str) -> Self {
        self.config(json!({"tools": {"exec": {"mode": mode}}}))
    }

    /// The configuration of the Dash daemon in this lab.
    #[must_use]
    pub fn dash_config(mut self, toml: &str) -> Self {
        toml.clone_into(&mut self.dash_config);
        self
    }

    /// The ACP agent `dash`: `sessions_spawn({runtime: "acp", agentId: "dash", …})` starts this command, which has
    /// the environment of the gateway (`DASH_HOME` of the lab, too). `acp-backend/` stands in for OpenClaw's plugin.
    #[must_use]
    pub fn acp(mut self, command: &[&str]) -> Self {
        self.acp = true;
        let (program, arguments) = command.split_first().expect("a program");
        self.config(json!({
            "acp": {"enabled": true, "dispatch": {"enabled": true}, "backend": "acpx", "defaultAgent": "dash",
                    "allowedAgents": ["dash"], "stream": {"deliveryMode": "live"}},
            "agents": {
                "entries": {"dash": {"runtime": {"type": "acp", "acp": {"agent": "dash", "backend": "acpx", "mode": "oneshot"}}}},
                "defaults": {"maxConcurrent": 20, "subagents": {"maxConcurrent": 150}},
            },
            "plugins": {"allow": ["acpx"], "slots": {"memory": "none"}, "entries": {"acpx": {
                "enabled": true, "config": {"agents": {"dash": {"command": program, "args": arguments}}}}}},
        }))
    }

    /// The plugin that runs ACP agents (`acp-backend/`), with no agent configured for it yet.
    #[must_use]
    pub fn acp_backend(mut self) -> Self {
        self.acp = true;
        self.config(json!({"plugins": {"allow": ["acpx"], "slots": {"memory": "none"},
                                       "entries": {"acpx": {"enabled": true}}}}))
    }

    /// Dash as a model provider, with one model a profile, and an OpenClaw agent for each: `dash` for the first of
    /// them, the others under their names. A plain `sessions_spawn({agentId: "dash", …})` is then a turn of a Dash
    /// agent. The daemon listens on a port of loopback, and the gateway starts it when it needs it.
    #[must_use]
    pub fn provider(mut self, profiles: &[&str]) -> Self {
        let (port, key) = (free_port(), uuid::Uuid::new_v4().simple().to_string());
        let models: Vec<Value> = profiles.iter().map(|profile| model_entry(profile)).collect();
        let names = std::iter::once(&"dash").chain(&profiles[1..]);
        let agents: serde_json::Map<_, _> = names
            .zip(profiles)
            .map(|(name, profile)| {
                ((*name).to_owned(), json!({"model": {"primary": format!("dash/{profile}")}}))
            })
            .collect();
        let provider = json!({
            "baseUrl": format!("http://127.0.0.1:{port}/v1"), "apiKey": key, "api": "openai-completions",
            "models": models,
            "localService": {"command": env!("CARGO_BIN_EXE_dash"), "args": ["serve", "--background"]},
        });
        self.provider = Some((port, key));
        self.config(
            json!({"models": {"providers": {"dash": provider}}, "agents": {"entries": agents}}),
        )
    }

    /// Starts it and waits until it is ready.
    #[must_use]
    #[track_caller]
    pub fn start(self) -> Lab {
        let programs = installed();
        let dash = self.dash_home();
        let mut lab = Lab {
            dash,
            model: Model::start(),
            port: free_port(),
            token: uuid::Uuid::new_v4().simple().to_string(),
            path: Vec::new(),
            gateway: None,
        };
        self.lay_out(&mut lab, &programs);
        lab.run_gateway();
        lab
    }

    fn dash_home(&self) -> TestEnv {
        let Some((port, key)) = &self.provider else {
            return match self.dash_config.as_str() {
                "" => TestEnv::new(),
                config => TestEnv::with_config(config),
            };
        };
        let listen = format!("[daemon]\nlisten = \"127.0.0.1:{port}\"\n");
        let dash = TestEnv::with_config(&format!("{}\n{listen}", self.dash_config));
        std::fs::write(dash.dash_home().join("key"), key).unwrap();
        dash
    }

    fn lay_out(self, lab: &mut Lab, programs: &Path) {
        let home = lab.dash.home().to_owned();
        std::fs::create_dir_all(home.join("tmp")).unwrap();
        std::fs::create_dir_all(lab.workspace().join("skills")).unwrap();
        for skill in &self.skills {
            copy(skill, &lab.workspace().join("skills").join(skill.file_name().unwrap()));
        }
        lab.path = self.path;
        if self.dashctl {
            let bin = home.join("bin");
            std::fs::create_dir(&bin).unwrap();
            std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_dash"), bin.join("dashctl")).unwrap();
            lab.path.push(bin);
        }
        let first = lab.path.clone();
        // A skill's `requires.bins` are looked up on the gateway's own PATH, exec has `pathPrepend` first.
        lab.path.extend([
            programs.to_owned(),
            "/usr/local/bin".into(),
            "/usr/bin".into(),
            "/bin".into(),
        ]);
        let mut config = lab.base_config(&first);
        if self.acp {
            // A copy, beside a link to the packages that it imports.
            let backend = home.join("acp-backend");
            copy(
                &Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/openclaw/acp-backend"),
                &backend,
            );
            std::os::unix::fs::symlink(programs.parent().unwrap(), backend.join("node_modules"))
                .unwrap();
            merge(&mut config, &json!({"plugins": {"load": {"paths": [backend]}}}));
        }
        for more in &self.config {
            merge(&mut config, more);
        }
        std::fs::write(lab.config(), format!("{config:#}")).unwrap();
    }
}

/// A gateway, with its model and a Dash home. All of it ends when this is dropped.
pub struct Lab {
    /// The Dash home that exec's `dashctl`, ACP agents and tests share.
    pub dash: TestEnv,
    pub model: Model,
    pub port: u16,
    pub token: String,
    path: Vec<PathBuf>,
    gateway: Option<Child>,
}

impl Lab {
    /// A connection as an operator's.
    #[must_use]
    #[track_caller]
    pub fn client(&self) -> Client {
        Client::connect(self.port, &self.token).unwrap()
    }

    /// OpenClaw's state directory.
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.dash.home().join(".openclaw")
    }

    /// OpenClaw's configuration file.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.state().join("openclaw.json")
    }

    /// The working directory of the agent `main`.
    #[must_use]
    pub fn workspace(&self) -> PathBuf {
        self.state().join("workspace")
    }

    /// A program with the environment of the gateway.
    pub fn command<S: AsRef<OsStr>>(
        &self,
        program: &str,
        args: impl IntoIterator<Item = S>,
    ) -> Command {
        let home = self.dash.home();
        let path = std::env::join_paths(&self.path).unwrap();
        let found = self.path.iter().map(|dir| dir.join(program)).find(|file| file.exists());
        let mut command = Command::new(found.unwrap_or_else(|| program.into()));
        command
            .args(args)
            .env_clear()
            .env("PATH", path)
            .env("HOME", home)
            .env("TMPDIR", home.join("tmp"))
            .env("LANG", "C.UTF-8")
            .env("TERM", "dumb")
            .env("DASH_HOME", self.dash.dash_home())
            .env("OPENCLAW_NO_RESPAWN", "1")
            .env("OPENCLAW_DISABLE_BONJOUR", "1")
            // One cache of compiled code for all labs; the second makes OpenClaw take it as it is, without a
            // process in between.
            .env("NODE_COMPILE_CACHE", installed().join("../.compile-cache"))
            .env("OPENCLAW_PACKAGED_COMPILE_CACHE_RESPAWNED", "1")
            .current_dir(home)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// OpenClaw's own command line, on this gateway, to its end. One takes 3 seconds.
    #[must_use = "either look at the output or assert success"]
    pub fn openclaw<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Output {
        finish(self.command("openclaw", args))
    }

    /// The process id of the gateway that runs.
    #[must_use]
    pub fn gateway_pid(&self) -> Option<i32> {
        let child = self.gateway.as_ref()?;
        i32::try_from(child.id()).ok()
    }

    /// Kills the gateway with SIGKILL, alone, and waits until it is gone.
    pub fn kill(&mut self) {
        if let Some(mut gateway) = self.gateway.take() {
            gateway.kill().unwrap();
            gateway.wait().unwrap();
        }
    }

    /// Kills the gateway if it runs, and starts it with the same home and port.
    #[track_caller]
    pub fn restart(&mut self) {
        self.kill();
        self.run_gateway();
    }

    /// What the gateway printed so far.
    #[must_use]
    pub fn printed(&self) -> String {
        std::fs::read_to_string(self.dash.home().join("gateway.out")).unwrap_or_default()
    }

    /// The living processes that belong to this lab: everything that has its home in the environment.
    #[must_use]
    pub fn processes(&self) -> Vec<i32> {
        let mark = self.dash.home().to_str().unwrap().as_bytes().to_owned();
        let entries = std::fs::read_dir("/proc").unwrap().flatten();
        let marked = |pid: &i32| {
            let environ = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environ.windows(mark.len()).any(|part| part == mark)
        };
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
        pids.filter(marked).filter(|pid| alive(*pid)).collect()
    }

    fn base_config(&self, first_on_path: &[PathBuf]) -> Value {
        json!({
            "gateway": {"mode": "local", "port": self.port, "bind": "loopback",
                        "auth": {"mode": "token", "token": self.token}},
            "agents": {
                "defaults": {"model": {"primary": "scripted/scripted"}, "skipBootstrap": true,
                             "heartbeat": {"agentId": "main"}, "systemAgent": {"agentId": "main"}},
                "entries": {"main": {"default": true, "workspace": self.workspace(),
                                     "subagents": {"allowAgents": ["*"]}}},
            },
            "models": {"mode": "merge", "providers": {"scripted": {
                "baseUrl": self.model.url(), "apiKey": "scripted", "api": "openai-completions",
                "models": [model_entry("scripted")]}}},
            // By default most tools hide behind a search; the scripted model calls them directly.
            "tools": {"profile": "full", "toolSearch": false, "sessions": {"visibility": "all"},
                      "exec": {"pathPrepend": first_on_path}},
            "update": {"checkOnStart": false},
            "logging": {"file": self.dash.home().join("openclaw.log")},
        })
    }

    #[track_caller]
    fn run_gateway(&mut self) {
        let out = self.dash.home().join("gateway.out");
        let out = std::fs::OpenOptions::new().create(true).append(true).open(out).unwrap();
        let mut command = self.command("openclaw", ["gateway", "run"]);
        command.stdout(out.try_clone().unwrap()).stderr(out).process_group(0);
        self.gateway = Some(command.spawn().unwrap());
        let begin = Instant::now();
        while !self.is_ready() {
            let ended = self.gateway.as_mut().unwrap().try_wait().unwrap();
            let late = begin.elapsed() > READY_WITHIN;
            assert!(ended.is_none() && !late, "no gateway ({ended:?}):\n{}", self.printed());
            std::thread::park_timeout(Duration::from_millis(100));
        }
    }

    /// Whether it is ready, and ours: another program may have taken the port meanwhile.
    fn is_ready(&self) -> bool {
        answers_ready(self.port).unwrap_or(false) && Client::connect(self.port, &self.token).is_ok()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let printed = self.printed();
            let first = printed.lines().count().saturating_sub(40);
            let last: Vec<_> = printed.lines().skip(first).collect();
            eprintln!("the gateway's last words:\n{}", last.join("\n"));
        }
        // SIGTERM would let it drain for minutes.
        let group = self.gateway_pid().and_then(rustix::process::Pid::from_raw);
        if let Some(group) = group {
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
        self.kill();
        if self.dash.daemon_pid().is_some() {
            let _ = self.dash.run(["shutdown", "--kill-agents", "--grace", "0s"]);
        }
        eventually("nothing of the lab is left", || {
            let left = self.processes();
            for pid in &left {
                signal(*pid, rustix::process::Signal::KILL);
            }
            if left.is_empty() { Ok(()) } else { Err(left) }
        });
    }
}

/// The directory of the pinned programs (`openclaw`, `acpx`, `node`); installs them when they are not there.
#[must_use]
pub fn installed() -> PathBuf {
    static PROGRAMS: OnceLock<PathBuf> = OnceLock::new();
    let install = || {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/openclaw/install");
        let output = Command::new(script).stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        PathBuf::from(String::from_utf8(output.stdout).unwrap().trim())
    };
    PROGRAMS.get_or_init(install).clone()
}

/// Runs a command to its end.
#[must_use = "either look at the output or assert success"]
pub fn finish(mut command: Command) -> Output {
    let output = command.output().unwrap();
    Output {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// A port of loopback that nobody has at this moment.
#[must_use]
pub fn free_port() -> u16 {
    let probe = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    probe.local_addr().unwrap().port()
}

/// `GET /readyz`.
fn answers_ready(port: u16) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.write_all(b"GET /readyz HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer.lines().next().is_some_and(|line| line.contains(" 200 ")))
}

fn model_entry(id: &str) -> Value {
    json!({
        "id": id, "name": id, "reasoning": false, "input": ["text"], "contextWindow": 200_000, "maxTokens": 8192,
        "cost": {"input": 0, "output": 0, "cacheRead": 0, "cacheWrite": 0},
    })
}

/// Objects are merged, null removes, everything else is replaced.
fn merge(base: &mut Value, over: &Value) {
    match (base, over) {
        (Value::Object(base), Value::Object(over)) => {
            for (key, value) in over {
                merge(base.entry(key).or_insert(Value::Null), value);
            }
            base.retain(|key, _| over.get(key) != Some(&Value::Null));
        }
        (base, over) => *base = over.clone(),
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
