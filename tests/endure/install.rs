//! `cargo install` of a newer build over the one that runs.
//!
//! It is cargo itself that puts the program in its place, beside the old one and then over its name. Only
//! what it installs is not built anew, which would take minutes: it builds a package `dash` of another
//! version whose linker hands out the binary of these tests, with that version written over its own.

use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::Signal;
use serde_json::Value;

use super::agent_program;
use crate::env::{Output, TestEnv, alive, eventually, signal};

const OURS: &str = env!("CARGO_PKG_VERSION");
/// As long as ours.
const NEWER: &str = "9.9.9";

/// Hands out the binary as what is linked: whatever comes after `-o` is the file to make.
const LINKER: &str = r#"#!/bin/sh
while [ "$1" != -o ]; do shift; done
exec cp "$DASH_BINARY" "$2"
"#;

/// Where `cargo install` puts programs in this home.
struct Root<'a> {
    env: &'a TestEnv,
    dir: PathBuf,
}

impl<'a> Root<'a> {
    fn new(env: &'a TestEnv) -> Self {
        Self { env, dir: env.home().join("root") }
    }

    /// Installs a build of this version, as a user does.
    fn install(&self, version: &str) {
        let build = self.env.home().join(format!("build-{version}"));
        let file = std::fs::File::create(&build).unwrap();
        let written_over = format!("s/{}/{version}/g", OURS.replace('.', "[.]"));
        let mut sed = Command::new("sed");
        sed.arg(written_over).arg(env!("CARGO_BIN_EXE_dash")).env("LC_ALL", "C").stdout(file);
        assert!(sed.status().unwrap().success());
        executable(&build);
        let source = self.env.home().join("source");
        std::fs::create_dir_all(source.join("src")).unwrap();
        let manifest = format!(
            "[package]\nname = \"dash\"\nversion = \"{version}\"\nedition = \"2024\"\n[workspace]\n"
        );
        std::fs::write(source.join("Cargo.toml"), manifest).unwrap();
        std::fs::write(source.join("src/main.rs"), "fn main() {}\n").unwrap();
        let linker = self.env.program("cc", LINKER);
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
        cargo.args(["install", "--offline", "--debug", "--path"]).arg(&source);
        cargo.arg("--root").arg(&self.dir).current_dir(&source);
        cargo.env("CARGO_TARGET_DIR", self.env.home().join("target"));
        cargo.env("RUSTFLAGS", format!("-C linker={}", linker.display()));
        cargo.env_remove("CARGO_ENCODED_RUSTFLAGS").env("DASH_BINARY", &build);
        let done = cargo.output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }

    fn dash(&self) -> PathBuf {
        self.dir.join("bin/dash")
    }

    /// Runs the installed program.
    fn run(&self, args: &[&str]) -> Output {
        let mut command = Command::new(self.dash());
        command.args(args).env_clear().env("PATH", "/usr/bin:/bin").current_dir(self.env.work());
        command.env("HOME", self.env.home()).env("DASH_HOME", self.env.dash_home());
        let output = command.output().unwrap();
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        Output { code: output.status.code(), stdout, stderr }.success()
    }

    /// The version of the daemon that runs, by its own word.
    fn daemon(&self) -> String {
        let audit = self.run(&["audit", "--json"]).json();
        let started = audit.iter().rfind(|record| record["action"] == "daemon.start").unwrap();
        started["detail"]["version"].as_str().unwrap().to_owned()
    }
}

fn executable(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_newer_build_that_is_installed_leaves_the_agents_alone() {
    let env = TestEnv::new();
    let root = Root::new(&env);
    root.install(OURS);
    let script = "while read line; do echo got $line; [ $line = end ] && exit 7; done";
    let listener = root.run(&["spawn", "-q", "--stdin", "--", "sh", "-c", script]).stdout;
    let program = agent_program(&env);
    let writer = root.run(&["spawn", "-q", "--", &program, "write", "0"]).stdout;
    let (listener, writer) = (listener.trim(), writer.trim());
    let _ = root.run(&["send", listener, "one"]);
    let pid = |agent: &str| {
        let record = env.state().join("agents").join(agent).join("process");
        let record = std::fs::read_to_string(record).unwrap();
        let lines = record.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let pids: Vec<Value> = lines.map(|line| line["pid"].clone()).collect();
        pids.into_iter().find(Value::is_i64).unwrap()
    };
    let before = [pid(listener), pid(writer)];
    let (daemon, keeper) = (env.daemon_pid().unwrap(), env.keeper_pid().unwrap());

    root.install(NEWER);
    assert!(root.run(&["--version"]).stdout.contains(NEWER));
    // The next command: daemon, keeper and agents run on, from a file that is not there any more.
    let said = root.run(&["send", listener, "two"]);
    let skew = format!("the daemon is Dash {OURS}, this is Dash {NEWER}");
    assert!(said.stderr.contains(&skew), "{said:?}");
    assert_eq!((env.daemon_pid(), env.keeper_pid()), (Some(daemon), Some(keeper)));
    assert_eq!(root.daemon(), OURS);

    // The daemon may go in any way; the next one is the newer, and the keeper stays.
    let _ = root.run(&["shutdown"]);
    let _ = root.run(&["send", listener, "three"]);
    assert_eq!((root.daemon(), env.keeper_pid()), (NEWER.to_owned(), Some(keeper)));
    env.kill_daemon();
    assert_eq!(root.run(&["status", "--json", "--status", "running"]).json().len(), 2);
    assert_eq!([pid(listener), pid(writer)], before);
    let runs = |pid: &Value| alive(i32::try_from(pid.as_i64().unwrap()).unwrap());
    assert!(before.iter().all(runs));

    env.write("work/stop", "");
    let _ = root.run(&["send", listener, "end"]);
    let ended = env.until(listener, "it ends", |agent| agent["status"] == "failed");
    assert_eq!(ended["exit_code"], 7);
    env.until(writer, "it ends", |agent| agent["status"] == "completed");
    assert_eq!(root.run(&["logs", listener]).stdout, "got one\ngot two\ngot three\ngot end\n");
    let written = root.run(&["logs", writer]).stdout;
    let (last, lines) =
        written.lines().collect::<Vec<_>>().split_last().map(|(l, r)| (*l, r.len())).unwrap();
    assert_eq!(last, format!("lines: {lines}"));

    // The newer daemon starts a newer keeper when the old one is gone.
    signal(keeper, Signal::KILL);
    let next = eventually("there is another keeper", || match env.keeper_pid() {
        Some(next) if next != keeper => Ok(next),
        other => Err(other),
    });
    assert_eq!(std::fs::read_link(format!("/proc/{next}/exe")).unwrap(), root.dash());
}
