//! Callers that take every descriptor the daemon may have.

use std::io::{BufRead, BufReader};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::env::TestEnv;

/// Clock ticks of processor time that a process has taken (`/proc/PID/stat`, fields 14 and 15).
fn ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    [fields[11], fields[12]].map(|field| field.parse::<u64>().unwrap()).iter().sum()
}

/// F15: more callers than descriptors. The daemon keeps some for itself, waits instead of trying without end, agents
/// run on, and whoever comes when the callers have gone is served.
#[test]
fn callers_that_take_every_descriptor_cost_no_more_than_time() {
    let env = TestEnv::new();
    let dash = env!("CARGO_BIN_EXE_dash");
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n 200; exec \"$0\" serve --json", dash]);
    let model = env.command(["serve"]);
    command.env_clear().envs(model.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut daemon = command.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(daemon.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert!(line.contains("ready"), "{line}");
    let agent = env.spawn(["--", "sleep", "1000"]);
    env.until(&agent, "it runs", |agent| agent["status"] == "running");

    let callers: Vec<UnixStream> =
        (0..500).map(|_| UnixStream::connect(env.socket()).unwrap()).collect();
    // A second of it, to see what waiting costs.
    let (before, begin) = (ticks(daemon.id()), Instant::now());
    while begin.elapsed() < Duration::from_secs(1) {
        std::thread::park_timeout(Duration::from_millis(100));
    }
    let used = ticks(daemon.id()) - before;
    assert!(used < 50, "{used} ticks of a hundred: it tries without end");
    let open = std::fs::read_dir(format!("/proc/{}/fd", daemon.id())).unwrap().count();
    assert!(open < 200, "{open} descriptors are open: none is kept for the daemon itself");
    drop(callers);
    env.until(&agent, "it runs on", |agent| agent["status"] == "running");
    let _ = env.run(["spawn", "--wait", "--", "true"]).success();
    let _ = env.run(["shutdown", "--kill-agents", "--grace", "0s"]).success();
    daemon.wait().unwrap();
}
