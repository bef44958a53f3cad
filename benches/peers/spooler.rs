//! task-spooler: a queue in a server that the first command starts.

use std::path::PathBuf;
use std::process::Command;

use super::{Peer, Way, command, home, on_path, quiet, said, version};
use crate::home::{pids, resident};

pub(crate) struct Spooler {
    name: String,
    program: PathBuf,
    home: tempfile::TempDir,
}

impl Spooler {
    pub(crate) fn start() -> Option<Self> {
        let program = on_path("tsp")?;
        let home = home("tsp");
        let version = version(command(&program, home.path()).arg("-V"));
        let spooler = Self { name: format!("task-spooler {version}"), program, home };
        quiet(spooler.client().args(["-S", "2000"]));
        Some(spooler)
    }

    fn client(&self) -> Command {
        let mut client = command(&self.program, self.home.path());
        client.env("TS_SOCKET", self.home.path().join("socket"));
        client.env("TS_MAXCONN", "2000");
        client
    }

    /// Its processes: the server, and one for each agent.
    fn processes(&self) -> Vec<u64> {
        let mark = format!("TS_SOCKET={}", self.home.path().join("socket").display());
        let ours = |pid: &u64| {
            let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            let program = std::fs::read_link(format!("/proc/{pid}/exe")).unwrap_or_default();
            program.ends_with("tsp") && String::from_utf8_lossy(&environment).contains(&mark)
        };
        pids().filter(ours).collect()
    }
}

impl Peer for Spooler {
    fn name(&self) -> &str {
        &self.name
    }

    fn spawn(&self, agent: &[String]) {
        quiet(self.client().arg("-n").args(agent));
    }

    fn running(&self) -> usize {
        said(&mut self.client()).lines().filter(|line| line.contains(" running ")).count()
    }

    fn list(&self, _: Way) {
        quiet(&mut self.client());
    }

    fn memory(&self) -> f64 {
        self.processes().into_iter().map(resident).sum()
    }

    fn crash(&mut self) {
        // The server is the oldest of its processes.
        if let Some(server) = self.processes().into_iter().min() {
            quiet(Command::new("kill").args(["-KILL", &server.to_string()]));
        }
        let _ = std::fs::remove_file(self.home.path().join("socket"));
        quiet(self.client().args(["-S", "2000"]));
    }

    fn kill_first(&self) {
        quiet(self.client().args(["-k", "0"]));
    }
}

impl Drop for Spooler {
    fn drop(&mut self) {
        quiet(self.client().arg("-K"));
    }
}
