//! A daemon that takes care of itself: started on demand, alone, detached, and out of the way.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use rustix::process::Signal;

use crate::env::live::Live;
use crate::env::{Output, TestEnv, alive, eventually, signal, skipped};

/// What `/proc/PID/stat` says after the name: state, parent, group, session, terminal (proc(5)).
fn stat(pid: i32) -> Vec<String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let (_, rest) = stat.rsplit_once(") ").unwrap();
    rest.split(' ').map(str::to_owned).collect()
}

fn link(pid: i32, name: &str) -> String {
    let link = std::fs::read_link(format!("/proc/{pid}/{name}")).unwrap();
    link.to_str().unwrap().to_owned()
}

/// A shell script in this home that knows the program as `$DASH`.
fn shell(env: &TestEnv, script: &str) -> Command {
    let like = env.command(["--version"]);
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", script]).env_clear().current_dir(env.work());
    for (name, value) in like.get_envs() {
        shell.env(name, value.unwrap());
    }
    shell.env("DASH", like.get_program());
    shell.stdin(std::process::Stdio::null());
    shell
}

/// An agent that writes its process id into a file.
fn agent_with_pid(env: &TestEnv, label: &str) -> i32 {
    let script = format!("echo $$ > {label}.new && mv {label}.new {label}.pid; exec sleep 600");
    env.spawn(["-l", label, "--", "sh", "-c", &script]);
    let file = env.work().join(format!("{label}.pid"));
    let pid = eventually("the agent runs", || std::fs::read_to_string(&file));
    pid.trim().parse().unwrap()
}

#[test]
fn a_daemon_in_the_background_is_seen_to_and_its_caller_may_be_killed() {
    let env = TestEnv::with_config("[daemon]\nlisten = \"127.0.0.1:0\"\n");
    let mut caller = env.command(["serve", "--background", "--json"]);
    caller.process_group(0);
    let caller = Live::start(caller);
    let pid = eventually("the daemon runs", || env.daemon_pid().ok_or("no daemon"));
    assert_eq!(stat(pid)[2], pid.to_string(), "in a group of its own");
    eventually("it is said to", || caller.json().pop().ok_or("nothing"));
    let said = caller.json().pop().unwrap();
    assert_eq!(said["pid"], pid);
    assert!(said["listen"].as_str().unwrap().starts_with("127.0.0.1:"), "{said}");
    let group = rustix::process::Pid::from_raw(caller.pid()).unwrap();
    let _ = rustix::process::kill_process_group(group, Signal::KILL);
    assert!(alive(pid));
    // It is there already, and listens.
    let _ = env.run(["serve", "--background"]).success();
    assert_eq!(env.daemon_pid(), Some(pid));

    let elsewhere = "[daemon]\nlisten = \"127.0.0.1:1\"\n";
    std::fs::write(env.dash_home().join("config.toml"), elsewhere).unwrap();
    let refused = env.run(["serve", "--background", "--json"]).code(1).error();
    assert_eq!(refused["code"], "cannot_listen");
    assert!(refused["hint"].as_str().unwrap().contains("dash shutdown"), "{refused}");
}

#[test]
fn a_daemon_on_demand_is_detached_from_whoever_started_it() {
    let env = TestEnv::new();
    let started = env.run(["spawn", "--", "sleep", "600"]).success();
    assert!(started.stderr.contains("started the daemon (pid "), "{started:#?}");
    let pid = env.daemon_pid().unwrap();
    let stat = stat(pid);
    let [group, session, terminal] = [2, 3, 4].map(|at| stat[at].parse::<i32>().unwrap());
    assert_eq!((group, session, terminal), (pid, pid, 0), "{stat:?}");
    assert_eq!(link(pid, "cwd"), "/");
    assert_eq!(link(pid, "fd/0"), "/dev/null");
    assert_eq!(link(pid, "fd/2"), env.state().join("daemon.log").to_str().unwrap());

    let keeper = env.keeper_pid().unwrap();
    assert_eq!(link(keeper, "cwd"), "/");
    let of_keeper = self::stat(keeper);
    assert_eq!(of_keeper[4], "0", "no terminal: {of_keeper:?}");
    assert_ne!(of_keeper[2], group.to_string(), "what ends the daemon's group spares the keeper");

    let second = env.run(["spawn", "--", "sleep", "600"]).success();
    assert!(!second.stderr.contains("started the daemon"), "{second:#?}");
    assert_eq!(env.daemon_pid(), Some(pid));
}

/// A pipe ends when nobody has it open any more: neither the daemon, nor the keeper, nor an agent.
#[test]
fn nobody_keeps_a_callers_pipes_open() {
    for script in [
        r#""$DASH" spawn -q -- sleep 600 | cat"#,
        r#""$DASH" spawn -q -- sleep 600 2>&1 | cat"#,
        // What test runners and build tools leave open.
        r#"{ "$DASH" spawn -q -- sleep 600 3>&1 7>&1 >/dev/null; echo done; } | cat"#,
    ] {
        let env = TestEnv::new();
        let output = Live::start(shell(&env, script)).end().success();
        assert!(!output.stdout.is_empty(), "{script}");
        assert!(env.daemon_pid().is_some());
    }
}

#[test]
fn of_two_daemons_one_stays() {
    let env = TestEnv::new();
    let mut daemons: Vec<Live> =
        (0..2).map(|_| Live::start(env.command(["serve", "--json"]))).collect();
    let loser = eventually("one of them ends", || {
        daemons.iter().position(|daemon| !alive(daemon.pid())).ok_or(())
    });
    let ended = daemons.remove(loser).end().code(75);
    let winner = &daemons[0];
    let error = ended.error();
    assert_eq!(error["code"], "already_running");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains(&format!("pid {}", winner.pid())), "{message}");
    eventually("the other one is ready", || {
        if winner.stdout().contains("\"ready\":true") { Ok(()) } else { Err(winner.stderr()) }
    });
    assert_eq!(env.daemon_pid(), Some(winner.pid()));

    let third = env.run(["serve"]).code(75);
    assert!(third.stderr.contains(&format!("(pid {})", winner.pid())), "{third:#?}");
}

#[test]
fn what_a_crashed_daemon_left_is_no_obstacle() {
    let env = TestEnv::new();
    let pid = agent_with_pid(&env, "stays");
    env.kill_daemon();
    assert!(env.socket().exists() && env.state().join("daemon.lock").exists());
    let status = env.run(["status"]).success();
    assert!(status.stderr.contains("started the daemon"), "{status:#?}");
    assert!(status.stdout.contains("running"), "{status:#?}");
    assert!(alive(pid));

    // The lock file names a process that lives and is no daemon.
    env.kill_daemon();
    let lock = serde_json::json!({ "ready": true, "pid": std::process::id(), "socket": "/none" });
    std::fs::write(env.state().join("daemon.lock"), lock.to_string()).unwrap();
    env.run(["status"]).success();
    assert_ne!(env.daemon_pid(), i32::try_from(std::process::id()).ok());
}

#[test]
fn sigterm_drains_and_leaves_agents_alone() {
    let env = TestEnv::new();
    let agent = agent_with_pid(&env, "stays");
    // It ends when it is told to, but not before there is a file: the answer to `kill` is due
    // while the daemon ends.
    let slow = r"trap 'until [ -e go ]; do sleep 0.02; done; exit 0' TERM; echo > trapped
        while :; do sleep 0.02; done";
    env.spawn(["-l", "slow", "--", "sh", "-c", slow]);
    eventually("the trap is set", || std::fs::metadata(env.work().join("trapped")));
    let kill = Live::start(env.command(["kill", "slow", "--grace", "1m", "--json"]));
    env.until("slow", "it is told to stop", |agent| agent["status"] == "stopping");

    let daemon = env.daemon_pid().unwrap();
    signal(daemon, Signal::TERM);
    eventually("no new work is taken", || if env.socket().exists() { Err(()) } else { Ok(()) });
    env.write("work/go", "");
    let killed = kill.end().success().one();
    assert_eq!(killed["status"], "killed", "{killed}");
    eventually("the daemon is gone", || if alive(daemon) { Err(()) } else { Ok(()) });
    assert!(alive(agent));
    assert_eq!(env.daemon_pid(), None);

    assert_eq!(env.agent("stays")["status"], "running");
    assert_eq!(env.agent("slow")["status"], "killed");
}

#[test]
fn a_shutdown_that_is_told_to_ends_all_agents() {
    let env = TestEnv::new();
    let agents = ["one", "two", "three"].map(|label| agent_with_pid(&env, label));
    let daemon = env.daemon_pid().unwrap();
    env.run(["shutdown", "--kill-agents", "--grace", "5s"]).success();
    assert!(!agents.into_iter().any(alive));
    eventually("daemon and keeper are gone", || {
        let left = env.processes();
        if left.is_empty() && !alive(daemon) { Ok(()) } else { Err(left) }
    });
    let after = env.run(["status", "--all", "--json"]).success().json();
    assert!(after.iter().all(|agent| agent["status"] == "killed"), "{after:?}");
}

/// The same command as another user.
fn as_nobody(env: &TestEnv, program: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(program);
    command.args(args).env_clear().uid(65534).gid(65534).current_dir("/");
    command.env("DASH_API_URL", format!("unix://{}", env.socket().display()));
    command.env("HOME", "/nonexistent").env("DASH_HOME", "/nonexistent/dash");
    command.stdin(std::process::Stdio::null());
    Live::start(command).end()
}

#[test]
fn another_user_does_not_get_in() {
    if !rustix::process::geteuid().is_root() {
        skipped("only root can be somebody else");
        return;
    }
    let env = TestEnv::new();
    agent_with_pid(&env, "mine");
    // Somewhere that others can reach.
    let public = tempfile::tempdir().unwrap();
    let open = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    open(public.path(), 0o755);
    let program = public.path().join("dash");
    std::fs::copy(env.command(["x"]).get_program(), &program).unwrap();
    assert_eq!(as_nobody(&env, &program, &["--version"]).code, Some(0));

    // First the file's permissions keep others out …
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&env.dash_home()), mode(&env.socket())), (0o700, 0o600));
    let refused = as_nobody(&env, &program, &["status"]).code(69);
    assert!(refused.stderr.contains("ermission denied"), "{refused:#?}");

    // … and where those have been opened, the daemon asks the kernel who is calling.
    open(env.work().parent().unwrap(), 0o755);
    open(&env.dash_home(), 0o755);
    open(&env.socket(), 0o666);
    for args in [&["status"][..], &["spawn", "--", "true"], &["kill", "mine"], &["shutdown"]] {
        let refused = as_nobody(&env, &program, args);
        assert_eq!(refused.code, Some(5), "{args:?} {refused:#?}");
        assert!(refused.stderr.contains("only the user"), "{refused:#?}");
        assert!(refused.stderr.contains("DASH_API_URL"), "what to do instead: {refused:#?}");
        assert_eq!(refused.stdout, "");
    }
    let agents = env.run(["status", "--json"]).success().json();
    assert_eq!(agents.len(), 1, "{agents:?}");
}
