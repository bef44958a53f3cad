//! Places that cannot be used, files that make no sense, and outputs that are gone.

use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::Path;
use std::process::{Command, Stdio};

use super::{for_people, for_programs, nothing_is_left, refused, run};
use crate::env::{Output, TestEnv, skipped};

#[test]
fn a_broken_configuration_is_shown_with_its_place() {
    for (text, about) in [
        ("[daemon]\nmax_runing = 3\n", "line 2, column 1"),
        ("[daemon]\n\n  grace_ms = \"x\"\n", "line 3, column 14"),
        ("default_profile = ", "line 1, column 19"),
        ("[profiles.a]\nruntime = \"magic\"\n", "line 2, column 11"),
        ("[profiles.a]\nruntime = \"command\"\n", "has no command"),
        ("default_profile = \"nobody\"\n", "nobody"),
        ("\u{feff}x = [[", "line 1"),
    ] {
        let env = TestEnv::with_config(text);
        for args in [&["status"][..], &["serve"], &["config", "show"]] {
            refused(&env, args, 78, about);
            refused(&env, args, 78, "config.toml");
        }
        assert_eq!(env.daemon_pid(), None);
    }
    let env = TestEnv::with_config("");
    std::fs::write(env.dash_home().join("config.toml"), b"x = \"\xff\"").unwrap();
    refused(&env, &["config", "show"], 78, "config.toml");
    let env = TestEnv::new();
    std::fs::create_dir_all(env.dash_home().join("config.toml")).unwrap();
    refused(&env, &["status"], 78, "config.toml");
}

#[test]
fn a_running_daemon_does_not_mind_a_file_that_broke_later() {
    let env = TestEnv::new();
    let _ = env.run(["status"]).success();
    std::fs::write(env.dash_home().join("config.toml"), "nonsense").unwrap();
    let _ = env.run(["status"]).success();
    refused(&env, &["config", "show"], 78, "line 1");
}

#[test]
fn a_socket_path_that_is_too_long() {
    let env = TestEnv::new();
    let long = env.work().join("x".repeat(120));
    let command = |args: &[&str]| {
        let mut command = env.command(args);
        command.env("DASH_HOME", &long);
        run(command)
    };
    for_people(&command(&["status"]), 78, "too long");
    for_programs(&command(&["status", "--json"]), 78, "DASH_HOME");
    assert!(!long.exists());
}

#[test]
fn a_home_that_is_a_file() {
    let env = TestEnv::new();
    std::fs::write(env.dash_home(), "").unwrap();
    refused(&env, &["status"], 1, "state");
}

/// Nobody in particular: what is closed to this user stays closed.
const NOBODY: u32 = 65534;

/// The binary for a user who may not do everything: for root, another one.
struct Commoner {
    env: TestEnv,
    program: std::path::PathBuf,
    is_root: bool,
}

impl Commoner {
    /// None where root cannot become anybody else.
    fn new() -> Option<Self> {
        let env = TestEnv::new();
        let is_root = rustix::process::geteuid().is_root();
        let program = env.work().join("dash");
        std::fs::copy(env!("CARGO_BIN_EXE_dash"), &program).unwrap();
        let home = env.work().parent().unwrap().to_owned();
        std::fs::set_permissions(&home, std::fs::Permissions::from_mode(0o755)).unwrap();
        if is_root
            && !Command::new("setpriv")
                .arg("--version")
                .output()
                .is_ok_and(|it| it.status.success())
        {
            skipped("root may do everything, and there is no setpriv here");
            return None;
        }
        std::fs::create_dir(env.dash_home()).unwrap();
        if is_root {
            chown(env.dash_home(), Some(NOBODY), Some(NOBODY)).unwrap();
        }
        Some(Self { env, program, is_root })
    }

    fn run(&self, args: &[&str]) -> Output {
        let mut command = if self.is_root {
            let mut command = Command::new("setpriv");
            let id = NOBODY.to_string();
            command.args(["--reuid", &id, "--regid", &id, "--clear-groups", "--"]);
            command.arg(&self.program);
            command
        } else {
            Command::new(&self.program)
        };
        let like = self.env.command(args);
        command.args(args).env_clear().current_dir("/").stdin(Stdio::null());
        command.envs(like.get_envs().filter_map(|(name, value)| Some((name, value?))));
        run(command)
    }
}

fn close(path: &Path) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o000)).unwrap();
}

#[test]
fn a_state_directory_that_may_not_be_used() {
    let Some(user) = Commoner::new() else { return };
    let home = user.env.dash_home();
    let mode =
        |mode| std::fs::set_permissions(&home, std::fs::Permissions::from_mode(mode)).unwrap();
    mode(0o500);
    for_people(&user.run(&["status"]), 1, "Permission denied");
    for_programs(&user.run(&["spawn", "--json", "--", "true"]), 1, "DASH_HOME");
    for_people(&user.run(&["serve"]), 1, "Permission denied");
    mode(0o700);
    let _ = user.run(&["status"]).success();
    let _ = user.run(&["shutdown"]).success();
}

#[test]
fn a_working_directory_that_may_not_be_entered() {
    let Some(user) = Commoner::new() else { return };
    let closed = user.env.work().join("closed");
    std::fs::create_dir(&closed).unwrap();
    close(&closed);
    let closed = closed.to_str().unwrap();
    let _ = user.run(&["status"]).success();
    for_people(&user.run(&["spawn", "-C", closed, "--", "true"]), 2, closed);
    for_programs(&user.run(&["spawn", "--json", "-C", closed, "--", "true"]), 2, closed);
    assert_eq!(user.run(&["status", "--all", "--json"]).success().stdout, "");
    let _ = user.run(&["shutdown", "--kill-agents"]).success();
}

#[test]
fn a_program_that_may_not_be_run() {
    let Some(user) = Commoner::new() else { return };
    let program = user.env.program("secret", "#!/bin/sh\n");
    close(&program);
    let program = program.to_str().unwrap();
    let _ = user.run(&["status"]).success();
    for_people(&user.run(&["spawn", "--", program]), 2, program);
    for_programs(&user.run(&["spawn", "--json", "--", program]), 2, program);
    let _ = user.run(&["shutdown", "--kill-agents"]).success();
}

/// Runs in a mount namespace of its own, in which the home is a disk of three megabytes.
const FULL_DISK: &str = r#"
    mount -t tmpfs -o size=3m tmpfs "$DASH_HOME" || { echo no-mount; exit 0; }
    say() { echo "== $*"; "$DASH" "$@" 2>&1; echo "-- exit $?"; }
    say spawn -q -l before -- sleep 600
    tries=0
    until [ -n "$("$DASH" status -q --status running)" ] || [ $tries = 1000 ]; do tries=$((tries+1)); done
    cat /dev/zero > "$DASH_HOME/filler" 2>/dev/null
    say spawn --json -n 200 -m "k=$(printf %8000d 0)" -- true
    say spawn -n 200 -m "k=$(printf %8000d 0)" -- true
    say status --status running --json
    say status --all -q
    rm "$DASH_HOME/filler"
    say spawn --wait -q -- true
    say kill before
    say shutdown --kill-agents
"#;

#[test]
fn a_disk_that_is_full() {
    let env = TestEnv::new();
    std::fs::create_dir(env.dash_home()).unwrap();
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "--", "sh", "-c", FULL_DISK]);
    let like = env.command(["status"]);
    command.env_clear().envs(like.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.env("DASH", env!("CARGO_BIN_EXE_dash")).current_dir("/").stdin(Stdio::null());
    let output = run(command);
    if output.code != Some(0) || output.stdout.contains("no-mount") {
        skipped(&format!("no mount namespace can be made here: {output:?}"));
        return;
    }
    let answers: Vec<&str> = output.stdout.split("== ").skip(1).collect();
    let before = answers[0].lines().nth(1).unwrap();
    let json = answers[1].lines().nth(1).unwrap();
    let error: serde_json::Value = serde_json::from_str(json).unwrap();
    assert_eq!(error["error"]["code"], "storage_full", "{output:#?}");
    assert!(error["error"]["hint"].as_str().unwrap().contains("df -h"), "{error}");
    assert!(answers[1].contains("-- exit 1\n"), "{}", answers[1]);
    assert!(answers[2].contains("error: ") && answers[2].contains("hint: "), "{}", answers[2]);
    assert!(answers[3].contains(before), "it still answers: {}", answers[3]);
    assert_eq!(answers[4].lines().count(), 3, "nothing half done: {}", answers[4]);
    for answer in &answers[5..] {
        assert!(answer.contains("-- exit 0\n"), "{answer}");
    }
}

#[test]
fn a_reader_that_goes_away() {
    let env = TestEnv::new();
    let _ = env.run(["spawn", "-q", "-n", "300", "-l", "x", "--", "true"]).success();
    let script = "i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); done";
    let _ = env.run(["spawn", "-q", "--wait", "-l", "talks", "--", "sh", "-c", script]).success();
    for args in [
        &["status", "--all"][..],
        &["status", "--all", "--json"],
        &["logs", "talks"],
        &["logs", "--json", "talks"],
        &["watch", "--since", "beginning", "talks"],
        &["watch", "--since", "beginning", "--json", "talks"],
        &["audit"],
        &["audit", "--json"],
        &["--help"],
        &["completions", "bash"],
        &["man"],
        &["config", "show"],
    ] {
        let mut child = env.command(args).env("RUST_BACKTRACE", "1").spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), &*stderr), (Some(0), ""), "{args:?}");
    }
    let mut pipe = Command::new("sh");
    let dash = env!("CARGO_BIN_EXE_dash");
    pipe.args(["-c", &format!("'{dash}' status --all | head -1")]);
    let like = env.command(["status"]);
    pipe.env_clear().envs(like.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let output = run(pipe);
    assert_eq!((output.stdout.lines().count(), output.stderr.as_str()), (1, ""), "{output:?}");
}

#[test]
fn a_reader_that_goes_away_while_nothing_happens() {
    let env = TestEnv::new();
    let agent = env.spawn(["-l", "quiet", "--", "sleep", "1000"]);
    env.until(&agent, "it runs", |agent| agent["status"] == "running");
    for args in [&["watch", "--json"][..], &["watch", "quiet"], &["logs", "-f", "quiet"]] {
        let mut child = env.command(args).spawn().unwrap();
        // It waits for events by now, or will see at once that nobody reads them.
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), &*stderr), (Some(0), ""), "{args:?}");
    }
    assert_eq!(env.agent(&agent)["status"], "running");
}

#[test]
fn an_output_that_cannot_be_written() {
    let env = TestEnv::new();
    let _ = env.run(["status"]).success();
    let full = || std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut command = env.command(["config", "show"]);
    let output = command.env("RUST_BACKTRACE", "1").stdout(full()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("No space left"), "{stderr}");
    nothing_is_left(&env);
}
