//! The programs that Dash is measured beside, each driven as its documentation says.
//!
//! An agent is the same program for all of them, and tells by the same named pipe that it runs.

pub(crate) mod pueue;
pub(crate) mod sandbox;
pub(crate) mod spooler;
pub(crate) mod tmux;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tokio::runtime::Handle;

/// How a list is had.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// By a command, as a user would: a whole process.
    Process,
    /// Over HTTP, on a connection that is open.
    Api,
}

impl Way {
    /// What a row about such a list is called after what is listed.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Process => "whole process",
            Self::Api => "API",
        }
    }
}

/// One that starts agents by a command.
pub(crate) trait Peer {
    fn name(&self) -> &str;

    /// Starts an agent; returns when the peer has answered.
    fn spawn(&self, agent: &[String]);

    /// Starts many in the fastest way that it has.
    fn spawn_many(&self, agent: &[String], count: usize) {
        for _ in 0..count {
            self.spawn(agent);
        }
    }

    /// Lists all agents, and says how many of them it takes for running.
    fn running(&self) -> usize;

    /// How they can be listed.
    fn ways(&self) -> &'static [Way] {
        &[Way::Process]
    }

    /// Lists them in one of these ways, for the time it takes.
    fn list(&self, way: Way);

    /// Resident memory of what supervises, in MB.
    fn memory(&self) -> f64;

    /// Kills what supervises with SIGKILL and starts it again.
    fn crash(&mut self);

    /// Ends the one agent that it has, in the way that a user would.
    fn kill_first(&self);
}

/// Those that are installed, in `place` or on the PATH, each with an empty home of its own.
pub(crate) fn all(place: &Path) -> Vec<Box<dyn Peer>> {
    let mut peers: Vec<Box<dyn Peer>> = Vec::new();
    if let Some(peer) = sandbox::Sandbox::start(place) {
        peers.push(Box::new(peer));
    }
    if let Some(peer) = pueue::Pueue::start(place) {
        peers.push(Box::new(peer));
    }
    if let Some(peer) = spooler::Spooler::start() {
        peers.push(Box::new(peer));
    }
    if let Some(peer) = tmux::Tmux::start() {
        peers.push(Box::new(peer));
    }
    peers
}

/// Where `benches/run` has put the peers.
pub(crate) fn place() -> PathBuf {
    std::env::var_os("DASH_BENCH_PEERS")
        .map_or_else(|| PathBuf::from("/nonexistent"), PathBuf::from)
}

/// A directory of a peer's own.
fn home(name: &str) -> tempfile::TempDir {
    let prefix = format!("dash-bench-{name}-");
    tempfile::Builder::new().prefix(&prefix).tempdir().expect("a directory")
}

/// A command with an environment that holds nothing but the home.
fn command(program: &Path, home: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("HOME", home)
        .env("XDG_RUNTIME_DIR", home)
        .env("TMPDIR", home)
        .current_dir(home)
        .stdin(Stdio::null());
    command
}

/// From the benchmark's own thread, which is inside the runtime.
pub(crate) fn block<T>(future: impl Future<Output = T>) -> T {
    tokio::task::block_in_place(|| Handle::current().block_on(future))
}

fn said(command: &mut Command) -> String {
    let Output { stdout, stderr, .. } = command.output().expect("the peer runs");
    String::from_utf8_lossy(&stdout).into_owned() + &String::from_utf8_lossy(&stderr)
}

fn quiet(command: &mut Command) {
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().expect("the peer runs");
}

/// The version by which a peer is named in the table: the last word of what it says that begins with a digit.
fn version(command: &mut Command) -> String {
    let said = said(command);
    let words = said.lines().next().unwrap_or_default().split_whitespace();
    let version = words
        .map(|word| word.trim_start_matches('v'))
        .find(|word| word.starts_with(|c: char| c.is_ascii_digit()));
    version.unwrap_or("?").to_owned()
}

fn on_path(program: &str) -> Option<PathBuf> {
    ["/usr/local/bin", "/usr/bin", "/bin"]
        .iter()
        .map(|dir| Path::new(dir).join(program))
        .find(|path| path.exists())
}

/// A process that a test has started and that ends with it.
struct Server(std::process::Child);

impl Server {
    fn pid(&self) -> u32 {
        self.0.id()
    }

    fn kill(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Tries until it is so, for ten seconds.
fn until(what: &str, mut probe: impl FnMut() -> bool) {
    let begin = std::time::Instant::now();
    while !probe() {
        assert!(begin.elapsed().as_secs() < 10, "{what} within 10 s");
        crate::agent::idle(std::time::Duration::from_millis(5));
    }
}
