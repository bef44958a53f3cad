//! What the daemon does for one agent from its spawn to its end, and for one line of output with a follower. Each is
//! the difference between many and few, so that start and shutdown do not count.

use std::io::Write;
use std::process::Command;

use super::{dhat, summed, under};
use crate::env::live::Live;
use crate::env::{TestEnv, eventually, fifo, signal};

/// How many count as few; a line takes so little that what else happens would show.
const AGENTS: u64 = 5;
const LINES: u64 = 50;
/// How many times as many are many.
const TIMES: u64 = 5;

/// A daemon that is counted.
struct Daemon<'a> {
    env: &'a TestEnv,
    process: Live,
}

impl<'a> Daemon<'a> {
    /// Starts it, by this command, and waits until it answers.
    fn start(env: &'a TestEnv, command: Command) -> Self {
        let process = Live::start(command);
        eventually("the daemon answers", || match env.daemon_pid() {
            Some(_) if env.socket().exists() => Ok(()),
            _ => Err(process.stderr()),
        });
        env.run(["status"]).success();
        Self { env, process }
    }

    /// Ends it, and the agents with it.
    fn stop(self) {
        self.env.run(["shutdown", "--kill-agents", "--grace", "0s"]).success();
        let ended = self.process.end();
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    }
}

/// Work in a home with a daemon: so many times.
type Work = fn(&TestEnv, u64);

/// Agents, one after another, each to its end.
fn agents(env: &TestEnv, count: u64) {
    for _ in 0..count {
        env.run(["spawn", "-q", "--wait", "--", "true"]).success();
    }
}

/// Lines of one agent, each written when a follower has the one before.
fn lines(env: &TestEnv, count: u64) {
    let gate = env.home().join(format!("gate-{count}"));
    fifo(&gate);
    let script = format!("while read -r line; do echo $line; done < {}", gate.display());
    let agent = env.spawn(["--", "/bin/sh", "-c", &script]);
    let follower = Live::start(env.command(["watch", "--since", "beginning", &agent]));
    let mut gate = std::fs::OpenOptions::new().write(true).open(&gate).unwrap();
    for number in 0..count {
        let line = format!("line-{number}-of-many");
        writeln!(gate, "{line}").unwrap();
        eventually("the follower has it", || {
            let said = follower.stdout();
            if said.contains(&line) { Ok(()) } else { Err(said) }
        });
    }
    drop(gate);
    env.run(["wait", &agent]).success();
    follower.end();
}

/// Instructions and allocations of the daemon, with start and shutdown.
fn work(of: Work, count: u64) -> (u64, u64) {
    let env = TestEnv::new();
    let file = env.home().join("dhat.json");
    let tool = ["--tool=dhat".to_owned(), format!("--dhat-out-file={}", file.display())];
    let daemon = Daemon::start(&env, under("valgrind", &tool, &env.command(["serve"])));
    of(&env, 2 + count);
    let pid = daemon.process.pid();
    assert_eq!(env.daemon_pid(), Some(pid), "valgrind is the daemon's process");
    let said = daemon.process.stderr();
    signal(pid, rustix::process::Signal::TERM);
    let ended = daemon.process.end();
    dhat(&(said + &ended.stderr), &file)
}

/// System calls of the daemon, from when strace has come until it goes.
fn calls(of: Work, count: u64) -> u64 {
    let env = TestEnv::new();
    let daemon = Daemon::start(&env, env.command(["serve"]));
    of(&env, 2);
    let pid = env.daemon_pid().unwrap();
    let file = env.home().join("calls");
    let mut strace = Command::new("strace");
    strace.args(["-f", "-c", "-o", file.to_str().unwrap(), "-p", &pid.to_string()]);
    let strace = Live::start(strace);
    eventually("strace has come", || {
        let said = strace.stderr();
        if said.contains("attached") { Ok(()) } else { Err(said) }
    });
    of(&env, count);
    strace.interrupt();
    daemon.stop();
    summed(&std::fs::read_to_string(&file).unwrap())
}

/// What one of them takes: instructions, allocations, system calls.
fn each(of: Work, few: u64) -> [u64; 3] {
    let many = TIMES * few;
    let per = |less: u64, more: u64| more.saturating_sub(less) / (many - few);
    let (less, more) = (work(of, few), work(of, many));
    [per(less.0, more.0), per(less.1, more.1), calls(of, many) / many]
}

/// The figures of the daemon, by what they are of.
pub(super) fn measure() -> [(&'static str, [u64; 3]); 2] {
    [("the daemon, an agent", each(agents, AGENTS)), ("the daemon, a line", each(lines, LINES))]
}
