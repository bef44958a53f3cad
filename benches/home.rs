//! A daemon in a home of its own.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use dash::api::{AgentBody, AgentsQuery, EventsQuery, KillManyBody, SpawnBody};
use dash::client::{Client, Frame, Target};
use futures::StreamExt;
use futures::stream::BoxStream;
use serde_json::Value;

use crate::agent::FLAG;
use crate::numbers;
use crate::peers::{Peer, Way, block};

pub(crate) const DASH: &str = env!("CARGO_BIN_EXE_dash");

pub(crate) struct Home {
    dir: tempfile::TempDir,
    daemon: u64,
    pub(crate) client: Client,
}

impl Home {
    /// A daemon in an empty home, ready.
    pub(crate) fn new() -> Self {
        Self::start(Self::directory(""))
    }

    /// An empty home with a configuration, in which no daemon runs yet.
    pub(crate) fn directory(configuration: &str) -> tempfile::TempDir {
        let dir = tempfile::Builder::new().prefix("dash-bench-").tempdir().expect("a directory");
        let home = dir.path().join("d");
        let mut make = std::fs::DirBuilder::new();
        std::os::unix::fs::DirBuilderExt::mode(&mut make, 0o700);
        make.create(&home).expect("a home");
        std::fs::write(home.join("config.toml"), configuration).expect("a configuration");
        dir
    }

    /// A daemon in this home, ready.
    pub(crate) fn start(dir: tempfile::TempDir) -> Self {
        let started = dash(dir.path()).arg("status").status().expect("dash runs");
        assert!(started.success(), "the daemon starts");
        let client = Client::new(&Target::Unix(dir.path().join("d/dash.sock"))).expect("a client");
        let daemon = daemon(dir.path());
        Self { dir, daemon, client }
    }

    /// A command of the binary in this home.
    pub(crate) fn dash(&self) -> Command {
        dash(self.dir.path())
    }

    /// `dash status`.
    pub(crate) fn status(&self) {
        assert!(self.dash().arg("status").status().expect("dash runs").success());
    }

    /// This program as an agent.
    pub(crate) fn body(arguments: &[&str], count: u32) -> SpawnBody {
        let program = own_path();
        let words = [program.to_str().expect("a path in UTF-8"), FLAG].into_iter();
        SpawnBody {
            command: Some(words.chain(arguments.iter().copied()).map(str::to_owned).collect()),
            count,
            cwd: Some("/".to_owned()),
            ..SpawnBody::default()
        }
    }

    pub(crate) async fn spawn(&self, body: &SpawnBody) -> Vec<AgentBody> {
        let key = format!("{}-{}", std::process::id(), crate::agent::now());
        self.client.spawn(body, &key).await.expect("a spawn")
    }

    /// Events from now on; the stream is open when this returns.
    pub(crate) async fn events(&self, query: EventsQuery) -> BoxStream<'static, Value> {
        let mut last = dash::model::Seq::START;
        loop {
            let since = Some(last.to_string());
            let page = EventsQuery { since, limit: Some(10_000), ..EventsQuery::default() };
            let page = self.client.events_page(&page).await.expect("a page");
            if page.events.is_empty() {
                break;
            }
            last = page.next;
        }
        let query = EventsQuery { since: Some(last.to_string()), ..query };
        self.client
            .events(query)
            .filter_map(|frame| async move {
                match frame {
                    Ok(Frame::Event { json, .. }) => serde_json::from_str(&json).ok(),
                    _ => None,
                }
            })
            .boxed()
    }

    pub(crate) async fn kill_all(&self) {
        let body = KillManyBody { all: true, grace_ms: Some(0), ..KillManyBody::default() };
        self.client.kill_many(&body).await.expect("a kill");
    }

    /// Kills the daemon with SIGKILL. The next command starts another.
    pub(crate) fn kill_daemon(&self) {
        let pid = i32::try_from(self.daemon).ok().and_then(rustix::process::Pid::from_raw);
        let pid = pid.expect("a pid");
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("a kill");
    }

    /// The daemon is another one now.
    pub(crate) fn renewed(&mut self) {
        self.daemon = daemon(self.dir.path());
    }

    /// Resident memory of the keeper, in MB.
    pub(crate) fn keeper_memory(&self) -> f64 {
        let state = self.dir.path().join("d/state");
        let keeper = pids().find(|pid| {
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line).into_owned();
            line.contains("keeper") && line.contains(state.to_str().unwrap_or("?"))
        });
        keeper.map_or(f64::NAN, resident)
    }

    /// CPU seconds that the daemon has used.
    pub(crate) fn cpu(&self) -> f64 {
        let stat =
            std::fs::read_to_string(format!("/proc/{}/stat", self.daemon)).unwrap_or_default();
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or("").split(' ').collect();
        let ticks = |at: usize| fields.get(at).and_then(|n| n.parse::<f64>().ok()).unwrap_or(0.0);
        (ticks(11) + ticks(12)) / 100.0
    }

    /// How often the daemon's threads have gone to sleep of their own accord: each wakeup is one.
    pub(crate) fn wakeups(&self) -> u64 {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.daemon));
        let switches = |task: std::fs::DirEntry| {
            let status = std::fs::read_to_string(task.path().join("status")).unwrap_or_default();
            let line = status.lines().find(|line| line.starts_with("voluntary_ctxt_switches:"));
            line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok()).unwrap_or(0)
        };
        tasks.into_iter().flatten().flatten().map(switches).sum()
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let mut command = self.dash();
        let _ = command.args(["shutdown", "--kill-agents", "--grace", "0s", "-q"]).status();
    }
}

/// The pid that the daemon of a home has written down.
fn daemon(dir: &Path) -> u64 {
    let lock = std::fs::read(dir.join("d/state/daemon.lock")).expect("a daemon's lock");
    let lock: Value = serde_json::from_slice(&lock).expect("JSON in the lock");
    lock["pid"].as_u64().expect("a pid in the lock")
}

fn dash(dir: &Path) -> Command {
    let mut command = Command::new(DASH);
    command
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("HOME", dir)
        .env("DASH_HOME", dir.join("d"))
        .current_dir(dir)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

pub(crate) fn own_path() -> PathBuf {
    std::env::current_exe().expect("this program has a path")
}

pub(crate) fn pids() -> impl Iterator<Item = u64> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

pub(crate) fn resident(pid: u64) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
    let kilobytes = line.split_whitespace().nth(1).and_then(|n| n.parse::<f64>().ok());
    kilobytes.map_or(f64::NAN, |kilobytes| kilobytes / 1024.0)
}

/// A line of a process's `smaps_rollup`, in MB.
pub(crate) fn memory(pid: u64, name: &str) -> f64 {
    let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let line = rollup.lines().find(|line| line.starts_with(&format!("{name}:")));
    let kilobytes = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok());
    kilobytes.map_or(f64::NAN, |kilobytes| kilobytes / 1024.0)
}

/// The stamps that an output event carries: the first word of each of its lines, in nanoseconds.
pub(crate) fn stamps(event: &Value) -> Vec<u64> {
    let text = event["data"]["text"].as_str().unwrap_or_default();
    text.lines().filter_map(|line| line.split(' ').next()?.parse().ok()).collect()
}

impl Peer for Home {
    fn name(&self) -> &str {
        numbers::DASH
    }

    fn spawn(&self, agent: &[String]) {
        let mut spawn = self.dash();
        assert!(
            spawn.args(["spawn", "-q", "--"]).args(agent).status().expect("dash runs").success()
        );
    }

    fn spawn_many(&self, agent: &[String], count: usize) {
        let mut spawn = self.dash();
        spawn.args(["spawn", "-q", "--count", &count.to_string(), "--"]).args(agent);
        assert!(spawn.status().expect("dash runs").success());
    }

    fn running(&self) -> usize {
        let said = self.dash().args(["status", "--json"]).stdout(Stdio::piped()).output();
        let said = String::from_utf8(said.expect("dash runs").stdout).expect("UTF-8");
        said.lines().filter(|line| line.contains("\"status\":\"running\"")).count()
    }

    fn ways(&self) -> &'static [Way] {
        &[Way::Process, Way::Api]
    }

    fn list(&self, way: Way) {
        match way {
            Way::Process => self.status(),
            Way::Api => {
                let all = AgentsQuery { limit: Some(10_000), ..AgentsQuery::default() };
                block(self.client.agents(&all)).expect("a list");
            }
        }
    }

    fn memory(&self) -> f64 {
        resident(self.daemon)
    }

    fn crash(&mut self) {
        self.kill_daemon();
        self.status();
        self.renewed();
    }

    fn kill_first(&self) {
        let mut kill = self.dash();
        assert!(kill.args(["kill", "--all", "--yes"]).status().expect("dash runs").success());
    }
}
