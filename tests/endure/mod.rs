//! What outlives what: agents the daemon, the daemon the keeper, and nobody a kill.

mod daemon;
mod harness;
mod install;
mod memory;
mod tree;

use std::collections::HashMap;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::env::TestEnv;

/// The program that stands for all kinds of agents, built in this home.
pub(crate) fn agent_program(env: &TestEnv) -> String {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/endure/agent.c");
    let program = env.work().join("agent");
    let built = Command::new("cc").arg("-O1").arg("-o").arg(&program).arg(source).status().unwrap();
    assert!(built.success());
    program.to_str().unwrap().to_owned()
}

/// The processes of that program that there are, zombies left out, and in what state.
pub(crate) fn processes_of(program: &str) -> Vec<(i32, String)> {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter_map(|pid| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        line.starts_with(program.as_bytes())
            .then(|| (pid, String::from_utf8_lossy(&line).replace('\0', " ")))
    })
    .collect()
}

/// The zombies among a process' children.
pub(crate) fn zombies_of(parent: i32) -> Vec<i32> {
    let children = std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children"));
    let children = children.unwrap_or_default();
    let pids = children.split_whitespace().map(|pid| pid.parse::<i32>().unwrap());
    pids.filter(|pid| !crate::env::alive(*pid)).collect()
}

/// Which process each agent has, by its events.
pub(crate) fn pids(env: &TestEnv) -> HashMap<String, i64> {
    let args = ["watch", "--json", "--since", "beginning", "--type", "agent.started"];
    let mut watching = env.command(args).spawn().unwrap();
    let all = env.run(["status", "--json", "--all"]).success().json().len();
    let output = std::io::BufReader::new(watching.stdout.take().unwrap());
    let lines = std::io::BufRead::lines(output).take(all);
    let found = lines.map(|line| {
        let event: Value = serde_json::from_str(&line.unwrap()).unwrap();
        (event["agent_id"].as_str().unwrap().to_owned(), event["data"]["pid"].as_i64().unwrap())
    });
    let found = found.collect();
    watching.kill().unwrap();
    watching.wait().unwrap();
    found
}

/// Asks the daemon whether it is there, all the time; when it is not, runs a command, as a user
/// would, which starts it again.
pub(crate) struct Probe {
    stop: Arc<AtomicBool>,
    asking: Option<JoinHandle<Availability>>,
}

/// What a [`Probe`] has seen.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Availability {
    pub(crate) longest: Duration,
    pub(crate) away: Duration,
    pub(crate) whole: Duration,
}

impl Availability {
    pub(crate) fn percent(&self) -> f64 {
        100.0 * (1.0 - self.away.as_secs_f64() / self.whole.as_secs_f64().max(0.001))
    }
}

impl Probe {
    pub(crate) fn begin(env: &TestEnv) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (socket, stopped) = (env.socket(), Arc::clone(&stop));
        let mut restart = env.command(["status", "--json"]);
        restart.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
        let asking = std::thread::spawn(move || {
            let mut seen = Availability::default();
            let begin = Instant::now();
            let mut last = Instant::now();
            while !stopped.load(Ordering::Relaxed) {
                if answers(&socket) {
                    std::thread::park_timeout(Duration::from_millis(10));
                    last = Instant::now();
                    continue;
                }
                while !answers(&socket) && !stopped.load(Ordering::Relaxed) {
                    let _ = restart.status();
                }
                seen.longest = seen.longest.max(last.elapsed());
                seen.away += last.elapsed();
                last = Instant::now();
            }
            seen.whole = begin.elapsed();
            seen
        });
        Self { stop, asking: Some(asking) }
    }

    pub(crate) fn end(mut self) -> Availability {
        self.stop.store(true, Ordering::Relaxed);
        self.asking.take().unwrap().join().unwrap()
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(asking) = self.asking.take() {
            let _ = asking.join();
        }
    }
}

/// Whether the daemon answers a request about its agents.
pub(crate) fn answers(socket: &Path) -> bool {
    let ask = || -> std::io::Result<bool> {
        let mut stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(
            b"GET /api/v1/agents?limit=1 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        )?;
        let mut answer = [0; 12];
        stream.read_exact(&mut answer)?;
        Ok(answer == *b"HTTP/1.1 200")
    };
    ask().unwrap_or(false)
}
