//! pueue: a daemon with a queue; each task's output goes to a file.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{Peer, Server, Way, command, home, quiet, said, until, version};
use crate::home::resident;

pub(crate) struct Pueue {
    name: String,
    bin: PathBuf,
    home: tempfile::TempDir,
    server: Server,
}

impl Pueue {
    pub(crate) fn start(place: &Path) -> Option<Self> {
        let bin = place.to_owned();
        if !bin.join("pueued").exists() {
            return None;
        }
        let home = home("pueue");
        let name =
            format!("pueue {}", version(command(&bin.join("pueue"), home.path()).arg("--version")));
        let server = serve(&bin, home.path());
        let pueue = Self { name, bin, home, server };
        pueue.ready();
        quiet(pueue.client().args(["parallel", "2000"]));
        Some(pueue)
    }

    fn client(&self) -> Command {
        command(&self.bin.join("pueue"), self.home.path())
    }

    fn ready(&self) {
        until("pueued answers", || {
            let mut status = self.client();
            let status = status.arg("status").stdout(Stdio::null()).stderr(Stdio::null()).status();
            status.is_ok_and(|status| status.success())
        });
    }

    /// `pueue follow` of the task that was added last.
    pub(crate) fn follow(&self, agent: &[String]) -> std::process::Child {
        let id = said(self.client().args(["add", "--print-task-id", "--escape", "--"]).args(agent));
        let id = id.trim().to_owned();
        until("the task runs", || {
            said(self.client().args(["status", "--json"])).contains("Running")
        });
        self.client()
            .args(["follow", &id])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("pueue follow")
    }
}

fn serve(bin: &Path, home: &Path) -> Server {
    let mut daemon = command(&bin.join("pueued"), home);
    Server(daemon.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("pueued runs"))
}

impl Peer for Pueue {
    fn name(&self) -> &str {
        &self.name
    }

    fn spawn(&self, agent: &[String]) {
        quiet(self.client().args(["add", "--escape", "--"]).args(agent));
    }

    fn running(&self) -> usize {
        let status = said(self.client().args(["status", "--json"]));
        let status: serde_json::Value = serde_json::from_str(&status).unwrap_or_default();
        let tasks = status["tasks"].as_object().map(|tasks| tasks.values().collect::<Vec<_>>());
        tasks
            .unwrap_or_default()
            .iter()
            .filter(|task| task["status"].get("Running").is_some())
            .count()
    }

    fn list(&self, _: Way) {
        quiet(self.client().arg("status"));
    }

    fn memory(&self) -> f64 {
        resident(self.server.pid().into())
    }

    fn crash(&mut self) {
        self.server.kill();
        self.server = serve(&self.bin, self.home.path());
        self.ready();
    }

    fn kill_first(&self) {
        quiet(self.client().args(["kill", "--all"]));
    }
}

impl Drop for Pueue {
    fn drop(&mut self) {
        quiet(self.client().args(["reset", "--force"]));
        quiet(self.client().arg("shutdown"));
    }
}
