//! A private home with a real daemon in it.

pub mod history;
pub mod live;
pub mod terminal;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Longer than anything takes that works.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// A private home. What was started in it ends with it.
pub struct TestEnv {
    dir: tempfile::TempDir,
}

/// What a command printed, and how it ended.
#[derive(Debug)]
pub struct Output {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Output {
    /// The output of a command that must succeed.
    #[track_caller]
    pub fn success(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:#?}");
        self
    }

    /// The output of a command that must fail with this exit code.
    #[track_caller]
    pub fn code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }

    /// Standard output as lines of JSON, and nothing else.
    #[track_caller]
    pub fn json(&self) -> Vec<Value> {
        let parse = |line: &str| {
            serde_json::from_str(line)
                .unwrap_or_else(|error| panic!("{error}: {line:?}\n{self:#?}"))
        };
        self.stdout.lines().map(parse).collect()
    }

    /// The one JSON object on standard output.
    #[track_caller]
    pub fn one(&self) -> Value {
        let mut lines = self.json();
        assert_eq!(lines.len(), 1, "{self:#?}");
        lines.remove(0)
    }

    /// The `error` object on standard error.
    #[track_caller]
    pub fn error(&self) -> Value {
        let last = self.stderr.lines().last().unwrap_or_else(|| panic!("no error: {self:#?}"));
        let error: Value =
            serde_json::from_str(last).unwrap_or_else(|error| panic!("{error}: {self:#?}"));
        error["error"].clone()
    }
}

impl TestEnv {
    /// An empty home. The first command that needs a daemon starts one.
    #[must_use]
    pub fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("dash-").tempdir().unwrap();
        std::fs::create_dir(dir.path().join("work")).unwrap();
        Self { dir }
    }

    /// The same, with this configuration file.
    #[must_use]
    pub fn with_config(config: &str) -> Self {
        let env = Self::new();
        std::fs::create_dir_all(env.dash_home()).unwrap();
        std::fs::write(env.dash_home().join("config.toml"), config).unwrap();
        env
    }

    /// The home itself: `$HOME` of every command.
    #[must_use]
    pub fn home(&self) -> &Path {
        self.dir.path()
    }

    #[must_use]
    pub fn dash_home(&self) -> PathBuf {
        self.dir.path().join("d")
    }

    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.dash_home().join("state")
    }

    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.dash_home().join("dash.sock")
    }

    /// The directory that commands run in.
    #[must_use]
    pub fn work(&self) -> PathBuf {
        self.dir.path().join("work")
    }

    /// A command of the real binary, in this home, with an otherwise empty environment.
    pub fn command<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dash"));
        command
            .args(args)
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("HOME", self.dir.path())
            .env("DASH_HOME", self.dash_home())
            .env("TERM", "dumb")
            .env("COLUMNS", "100")
            .current_dir(self.work())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs it to its end.
    #[must_use = "either look at the output or assert success"]
    pub fn run<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Output {
        finish(self.command(args).spawn().unwrap())
    }

    /// Runs it to its end with something on its standard input.
    #[must_use = "either look at the output or assert success"]
    pub fn run_with_input<S: AsRef<OsStr>>(
        &self,
        args: impl IntoIterator<Item = S>,
        input: &[u8],
    ) -> Output {
        use std::io::Write;
        let mut child = self.command(args).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        finish(child)
    }

    /// Spawns one agent and gives its id.
    #[track_caller]
    pub fn spawn<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> String {
        let args: Vec<std::ffi::OsString> = ["spawn", "--json"]
            .map(Into::into)
            .into_iter()
            .chain(args.into_iter().map(|a| a.as_ref().into()))
            .collect();
        let agent = self.run(args).success().one();
        agent["id"].as_str().unwrap().to_owned()
    }

    /// The agent as `dash status --json` shows it.
    #[track_caller]
    pub fn agent(&self, selector: &str) -> Value {
        self.run(["status", "--json", selector]).success().one()
    }

    /// Waits until a condition on an agent holds.
    #[track_caller]
    pub fn until(&self, selector: &str, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        eventually(what, || {
            let agent = self.agent(selector);
            if holds(&agent) { Ok(agent) } else { Err(agent.to_string()) }
        })
    }

    /// All events of an agent, oldest first.
    #[track_caller]
    pub fn events(&self, selector: &str) -> Vec<Value> {
        self.run(["watch", "--json", "--since", "beginning", selector]).success().json()
    }

    /// A daemon, and with it a keeper, that can make no control groups, because it sees none. `None` where
    /// nobody may hide them.
    #[must_use]
    pub fn serve_without_groups(&self) -> Option<Child> {
        use std::io::{BufRead, BufReader};
        let script = "mount -t tmpfs none /sys/fs/cgroup && exec \"$DASH\" serve --json";
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--mount", "--", "sh", "-c", script]);
        let model = self.command(["serve"]);
        command.env_clear().envs(model.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.env("DASH", env!("CARGO_BIN_EXE_dash")).stdin(Stdio::null());
        let mut daemon = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(daemon.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        line.contains("ready").then_some(daemon)
    }

    /// The process id of the daemon that runs here.
    #[must_use]
    pub fn daemon_pid(&self) -> Option<i32> {
        let lock = std::fs::read_to_string(self.state().join("daemon.lock")).ok()?;
        let pid = serde_json::from_str::<Value>(&lock).ok()?["pid"].as_i64()?;
        let pid = i32::try_from(pid).ok()?;
        alive(pid).then_some(pid)
    }

    /// Kills the daemon with SIGKILL and waits until it is gone.
    #[track_caller]
    pub fn kill_daemon(&self) {
        let pid = self.daemon_pid().expect("a daemon runs");
        signal(pid, rustix::process::Signal::KILL);
        eventually("the daemon is gone", || if alive(pid) { Err(pid) } else { Ok(()) });
    }

    /// The keeper that runs here.
    #[must_use]
    pub fn keeper_pid(&self) -> Option<i32> {
        self.processes().into_iter().find(|(_, line)| line.contains("keeper")).map(|(pid, _)| pid)
    }

    /// Our own binary's processes that belong to this home: their ids and command lines.
    #[must_use]
    pub fn processes(&self) -> Vec<(i32, String)> {
        let marks = [self.dash_home()];
        let mut found = Vec::new();
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            let Ok(pid) = entry.file_name().to_string_lossy().parse::<i32>() else { continue };
            let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            let environ = std::fs::read(entry.path().join("environ")).unwrap_or_default();
            let environ = String::from_utf8_lossy(&environ).into_owned();
            let ours = |mark: &PathBuf| {
                let mark = mark.to_str().unwrap();
                line.contains(mark) || environ.contains(mark)
            };
            if line.contains("dash") && marks.iter().any(ours) {
                found.push((pid, line));
            }
        }
        found
    }

    /// A file in the home.
    pub fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// A program in the home.
    pub fn program(&self, name: &str, content: &str) -> PathBuf {
        use std::os::unix::fs::PermissionsExt;
        let path = self.write(name, content);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path
    }
}

impl Drop for TestEnv {
    fn drop(&mut self) {
        if self.daemon_pid().is_some() {
            let ended = self.run(["shutdown", "--kill-agents", "--grace", "0s"]);
            let fine = ended.code == Some(0) || std::thread::panicking();
            assert!(fine, "the daemon did not shut down: {ended:#?}");
        }
        for (pid, _) in self.processes() {
            signal(pid, rustix::process::Signal::KILL);
        }
    }
}

fn finish(child: Child) -> Output {
    let output = child.wait_with_output().unwrap();
    Output {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Waits until `probe` gives a value; a bounded wait on a level, with the last state in the failure.
#[track_caller]
pub fn eventually<T, E: std::fmt::Debug>(what: &str, mut probe: impl FnMut() -> Result<T, E>) -> T {
    let begin = Instant::now();
    loop {
        match probe() {
            Ok(value) => return value,
            Err(last) if begin.elapsed() > PATIENCE => panic!("never: {what}; last: {last:?}"),
            Err(_) => std::thread::park_timeout(Duration::from_millis(5)),
        }
    }
}

/// Says that a test, or a part of one, cannot be tried here, and why: `tests/run` tells it at its end, and fails
/// for it in CI.
pub fn skipped(why: &str) {
    use std::io::Write;
    eprintln!("skipped: {why}");
    let Some(file) = std::env::var_os("DASH_TESTS_SKIPPED") else { return };
    let thread = std::thread::current().name().unwrap_or("a test").to_owned();
    // Of cargo-nextest, which may run a test in the main thread.
    let test = std::env::var("NEXTEST_TEST_NAME").unwrap_or(thread);
    let line = format!("{test}: {}\n", why.split_whitespace().collect::<Vec<_>>().join(" "));
    let mut file = std::fs::OpenOptions::new().append(true).create(true).open(file).unwrap();
    file.write_all(line.as_bytes()).unwrap();
}

/// Whether a process is there and not a zombie.
#[must_use]
pub fn alive(pid: i32) -> bool {
    let Ok(stat) = std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat"))
    else {
        return false;
    };
    let state = stat.rsplit(") ").next().and_then(|rest| rest.chars().next());
    state.is_some_and(|state| state != 'Z' && state != 'X')
}

pub fn signal(pid: i32, signal: rustix::process::Signal) {
    if let Some(pid) = rustix::process::Pid::from_raw(pid) {
        let _ = rustix::process::kill_process(pid, signal);
    }
}

/// Makes a FIFO.
pub fn fifo(path: &Path) {
    use rustix::fs::{CWD, Mode, mkfifoat};
    mkfifoat(CWD, path, Mode::RUSR | Mode::WUSR).unwrap();
}
