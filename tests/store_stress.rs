//! The log when the disk, the file or its readers fail it.

use std::io::{Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use rusqlite::Connection;
use serde_json::Value;

use crate::env::{TestEnv, eventually, skipped};

/// The body of `GET path` on the daemon's socket, and the answer's status.
fn get(env: &TestEnv, path: &str) -> std::io::Result<(u16, Value)> {
    let mut stream = UnixStream::connect(env.socket())?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let status = answer.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
    let body = answer.split("\r\n\r\n").nth(1).unwrap_or_default();
    Ok((status, serde_json::from_str(body).unwrap_or_default()))
}

/// Waits until the daemon says this of itself, in both places.
#[track_caller]
fn until_health(env: &TestEnv, status: &str, ready: u16) -> Value {
    eventually(status, || {
        let (code, health) = get(env, "/readyz").map_err(|error| error.to_string())?;
        let (_, alive) = get(env, "/healthz").map_err(|error| error.to_string())?;
        let both = health["status"] == status && alive["status"] == status && code == ready;
        if both { Ok(health) } else { Err(format!("{code} {health}")) }
    })
}

/// A small file system, until it is dropped.
struct Small(PathBuf);

impl Small {
    fn mount(path: PathBuf) -> Option<Self> {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&path).unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=16m,mode=700", "tmpfs"]).arg(&path);
        let mounted = mount.stderr(Stdio::null()).status().is_ok_and(|status| status.success());
        mounted.then_some(Self(path))
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_refuses_the_new_keeps_the_old_and_passes() {
    let env = TestEnv::new();
    let Some(disk) = Small::mount(env.state()) else {
        skipped("a file system cannot be mounted here");
        return;
    };
    let script = "while :; do echo on; sleep 0.02; done";
    let talker = env.spawn(["--label", "talker", "--", "/bin/sh", "-c", script]);
    let before = env.until(&talker, "it runs", |agent| agent["status"] == "running");
    let filler = disk.0.join("filler");
    let mut file = std::fs::File::create(&filler).unwrap();
    while file.write_all(&[0; 4096]).is_ok() {}
    let health = until_health(&env, "degraded", 503);
    assert!(health["reason"].as_str().unwrap().contains("no space"), "{health}");
    let refused = eventually("a spawn is refused", || {
        let output = env.run(["spawn", "--json", "--", "true"]);
        if output.code == Some(1) { Ok(output) } else { Err(output) }
    });
    let error = refused.error();
    assert_eq!(error["code"], "storage_full", "{error}");
    assert!(error["hint"].as_str().unwrap().contains("make room"), "{error}");
    let during = env.agent(&talker);
    assert_eq!((&during["status"], &during["pid"]), (&before["status"], &before["pid"]));

    drop(file);
    std::fs::remove_file(&filler).unwrap();
    until_health(&env, "ok", 200);
    let _ = env.run(["spawn", "--wait", "--", "true"]).success();
    let last = env.agent(&talker)["last_seq"].as_u64().unwrap();
    env.until(&talker, "it goes on", |agent| agent["last_seq"].as_u64().unwrap() > last + 5);
    assert_eq!(env.run(["audit", "verify", "--json"]).success().one()["ok"], true);
    let _ = env.run(["shutdown", "--kill-agents", "--grace", "0s"]).success();
}

/// Files may not grow: what the daemon writes fails as it would on a broken disk.
#[test]
fn a_disk_that_fails_ends_all_acknowledging_and_a_restart_has_what_was() {
    let env = TestEnv::new();
    let dash = env!("CARGO_BIN_EXE_dash");
    let mut serve = spawn_ignoring_file_size(&env.command(["serve"]), dash);
    until_health(&env, "ok", 200);
    let kept = env.spawn(["--label", "kept", "--", "sleep", "1000"]);
    env.until(&kept, "it runs", |agent| agent["status"] == "running");
    let pid = serve.id().to_string();
    let limited = Command::new("prlimit").args(["--pid", &pid, "--fsize=4096"]).status();
    if limited.is_ok_and(|status| status.success()) {
        let refused = env.run(["kill", "--json", "--grace", "1s", "kept"]);
        assert_eq!(refused.code, Some(1), "{refused:#?}");
        assert_eq!(refused.error()["code"], "storage");
        let health = until_health(&env, "failed", 503);
        assert!(health["reason"].as_str().unwrap().contains("dash.db"), "{health}");
        let again = env.run(["kill", "--json", "--grace", "1s", "kept"]);
        assert_eq!(again.code, Some(1), "nothing is tried again: {again:#?}");
        assert_eq!(env.agent(&kept)["status"], "running", "what was recorded can be read");
    } else {
        skipped("there is no prlimit here");
    }
    let _ = serve.kill();
    serve.wait().unwrap();
    // The next one has all that was answered for, and what has become of the agent: an order to stop
    // is carried out even when it cannot be recorded, and nobody was told that it was.
    let ended = env.until(&kept, "its end is known", |agent| agent["ended_at"].is_string());
    assert_eq!((&ended["status"], &ended["signal"]), (&"failed".into(), &"SIGTERM".into()));
    let verdict = env.run(["audit", "verify", "--json"]).success().one();
    assert_eq!(verdict["ok"], true);
}

/// Starts it so that a file that may not grow is an error, and no signal.
fn spawn_ignoring_file_size(command: &Command, program: &str) -> std::process::Child {
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\"", program]).args(command.get_args());
    shell.env_clear().envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    shell.current_dir(command.get_current_dir().unwrap());
    shell.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

#[test]
fn garbage_in_one_agents_row_harms_nobody() {
    let env = TestEnv::new();
    let ids: Vec<String> = ["one", "two", "three"]
        .iter()
        .map(|label| env.spawn(["--label", label, "--", "sleep", "1000"]))
        .collect();
    let running = |agent: &Value| agent["status"] == "running";
    for id in &ids {
        env.until(id, "it runs", running);
    }
    env.kill_daemon();
    let file = Connection::open(env.state().join("dash.db")).unwrap();
    file.execute("UPDATE agents SET state = 'garbage' WHERE id = ?1", [&ids[1]]).unwrap();
    drop(file);
    for id in &ids {
        env.until(id, "it is there again", running);
    }
    let _ = env.run(["kill", "--grace", "1s", "two"]).success();
}

#[test]
fn a_file_that_is_no_database_any_more_is_named_and_left_alone() {
    let env = TestEnv::new();
    let _ = env.run(["spawn", "-q", "--wait", "--", "true"]).success();
    let _ = env.run(["shutdown"]).success();
    let path = env.state().join("dash.db");
    let mut damaged = std::fs::read(&path).unwrap();
    damaged[..4096].fill(0xa5);
    std::fs::write(&path, &damaged).unwrap();
    let refused = env.run(["status"]);
    assert_ne!(refused.code, Some(0), "{refused:#?}");
    assert!(refused.stderr.contains("dash.db"), "{refused:#?}");
    assert_eq!(std::fs::read(&path).unwrap(), damaged, "nothing is made anew");
}
