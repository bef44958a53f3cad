//! tmux: a window for each agent, which is how several agent runners supervise.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::{Peer, Way, command, home, on_path, quiet, said, until, version};
use crate::home::resident;

pub(crate) struct Tmux {
    name: String,
    program: PathBuf,
    home: tempfile::TempDir,
}

impl Tmux {
    pub(crate) fn start() -> Option<Self> {
        let program = on_path("tmux")?;
        let home = home("tmux");
        let name = format!("tmux {}", version(command(&program, home.path()).arg("-V")));
        let tmux = Self { name, program, home };
        tmux.serve();
        Some(tmux)
    }

    fn client(&self) -> Command {
        let mut client = command(&self.program, self.home.path());
        client.arg("-S").arg(self.home.path().join("socket"));
        client.args(["-f", "/dev/null"]);
        client
    }

    /// A session whose first window holds it open.
    fn serve(&self) {
        until("tmux answers", || {
            quiet(self.client().args(["new-session", "-d", "-s", "bench", "sleep 100000"]));
            self.pid().is_some()
        });
    }

    fn pid(&self) -> Option<u64> {
        said(self.client().args(["display-message", "-p", "#{pid}"])).trim().parse().ok()
    }

    /// A client in control mode, which is told what every window prints.
    pub(crate) fn control(&self) -> Child {
        let mut client = self.client();
        client.args(["-C", "attach", "-t", "bench"]);
        client
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("tmux -C")
    }
}

impl Peer for Tmux {
    fn name(&self) -> &str {
        &self.name
    }

    fn spawn(&self, agent: &[String]) {
        quiet(self.client().args(["new-window", "-d", "-t", "bench:"]).args(agent));
    }

    /// One client that reads a thousand commands.
    fn spawn_many(&self, agent: &[String], count: usize) {
        let file = self.home.path().join("commands");
        let mut commands = std::fs::File::create(&file).expect("a file");
        for _ in 0..count {
            writeln!(commands, "new-window -d -t bench: {}", agent.join(" ")).expect("a line");
        }
        quiet(self.client().arg("source-file").arg(file));
    }

    fn running(&self) -> usize {
        let windows = said(self.client().args(["list-windows", "-t", "bench", "-F", "window"]));
        windows.lines().filter(|line| *line == "window").count().saturating_sub(1)
    }

    fn list(&self, _: Way) {
        quiet(self.client().args(["list-windows", "-t", "bench"]));
    }

    fn memory(&self) -> f64 {
        self.pid().map_or(f64::NAN, resident)
    }

    fn crash(&mut self) {
        if let Some(pid) = self.pid() {
            quiet(Command::new("kill").args(["-KILL", &pid.to_string()]));
            // A client that finds the dying server's socket ends with it.
            until("tmux is gone", || !Path::new(&format!("/proc/{pid}")).exists());
        }
        self.serve();
    }

    fn kill_first(&self) {
        quiet(self.client().args(["kill-window", "-t", "bench:1"]));
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        quiet(self.client().arg("kill-server"));
    }
}
