//! What ends for want of memory says so, and takes nobody with it (F11).

use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use rustix::process::Signal;

use crate::env::{TestEnv, eventually, signal, skipped};

/// A group that may have so much memory, removed when it is dropped.
struct Group(PathBuf);

impl Group {
    /// `None` where nobody may make one: only version 1 lets a group with processes have others in it.
    fn make(bytes: u64) -> Option<Self> {
        let own = std::fs::read_to_string("/proc/self/cgroup").unwrap();
        let path = own.lines().find_map(|line| line.split_once(":memory:"))?.1;
        let home = Path::new("/sys/fs/cgroup/memory").join(path.trim_start_matches('/'));
        let group = home.join(format!("dash-test-{}", std::process::id()));
        std::fs::create_dir(&group).ok()?;
        let group = Self(group);
        std::fs::write(group.0.join("memory.limit_in_bytes"), bytes.to_string()).ok()?;
        Some(group)
    }

    /// A daemon in it; what it starts is in it too.
    fn serve(&self, env: &TestEnv) -> Child {
        let command = env.command(["serve"]);
        let mut shell = std::process::Command::new("/bin/sh");
        let script = format!("echo $$ >{}/cgroup.procs && exec \"$0\" serve", self.0.display());
        shell.args(["-c", &script, env!("CARGO_BIN_EXE_dash")]);
        shell.env_clear().envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        shell.current_dir(env.work()).stdin(Stdio::null());
        shell.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        eventually("the group is empty", || std::fs::remove_dir(&self.0));
    }
}

#[test]
fn whoever_ends_for_want_of_memory_says_so_and_hurts_nobody() {
    let Some(group) = Group::make(256 * 1024 * 1024) else {
        skipped("no memory group can be made here");
        return;
    };
    let env = TestEnv::new();
    let mut daemon = group.serve(&env);
    // No command before: it would start another daemon, outside of the group.
    eventually("it listens", || if env.socket().exists() { Ok(()) } else { Err(()) });
    let pid = env.daemon_pid().unwrap();
    let inside = std::fs::read_to_string(group.0.join("cgroup.procs")).unwrap();
    assert!(inside.lines().any(|line| line == pid.to_string()), "{inside}");
    let neighbour = env.spawn(["--", "sleep", "1000"]);
    // `tail` keeps what may be its last line, which never ends.
    for (script, code) in [("exec tail /dev/zero", 137), ("tail /dev/zero; exit 7", 7)] {
        let ended = env.run(["spawn", "--wait", "--json", "--", "sh", "-c", script]).code(code);
        let ended = ended.json().pop().unwrap();
        assert_eq!(ended["status"], "failed", "{ended}");
        let reason = ended["reason"].as_str().unwrap_or_default();
        assert!(reason.contains("memory ran out, and the kernel"), "{script}: {ended}");
    }
    let plain = env.run(["spawn", "--wait", "--json", "--", "sh", "-c", "exit 7"]).code(7);
    assert_eq!(plain.json().pop().unwrap()["reason"], serde_json::Value::Null, "told once");
    assert_eq!(env.daemon_pid(), Some(pid));
    assert_eq!(env.agent(&neighbour)["status"], "running");
    let _ = env.run(["shutdown", "--kill-agents", "--grace", "0s"]).success();
    daemon.wait().unwrap();
}

#[test]
fn whoever_is_killed_by_somebody_else_says_so() {
    let env = TestEnv::new();
    let victim = env.spawn(["--", "sleep", "1000"]);
    let agent = env.until(&victim, "it runs", |agent| agent["status"] == "running");
    signal(i32::try_from(agent["pid"].as_i64().unwrap()).unwrap(), Signal::KILL);
    let ended = env.until(&victim, "it has ended", |agent| !agent["ended_at"].is_null());
    assert_eq!((&ended["status"], &ended["signal"]), (&"failed".into(), &"SIGKILL".into()));
    assert!(ended["reason"].as_str().unwrap().contains("not by Dash"), "{ended}");
    let other = env.spawn(["--", "sleep", "1000"]);
    let killed = env.run(["kill", "--json", "--grace", "0s", &other]).success().one();
    assert_eq!(killed["reason"], serde_json::Value::Null, "{killed}");
}
