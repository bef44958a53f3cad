//! A daemon that may have few descriptors, and callers who take them all.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::process::{Child, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::env::{Output, PATIENCE, TestEnv, eventually};

/// Descriptors that the daemon may have.
const LIMIT: usize = 256;

/// A daemon with that limit; what it starts has it too.
fn serve(env: &TestEnv) -> Child {
    let command = env.command(["serve"]);
    let mut shell = std::process::Command::new("/bin/sh");
    let script = format!("ulimit -n {LIMIT} && exec \"$0\" \"$@\"");
    shell.args(["-c", &script, env!("CARGO_BIN_EXE_dash")]).args(command.get_args());
    shell.env_clear().envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    shell.current_dir(command.get_current_dir().unwrap());
    shell.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

fn connect(env: &TestEnv, request: &str) -> UnixStream {
    let mut stream = UnixStream::connect(env.socket()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let _ = stream.write_all(request.as_bytes());
    stream
}

const STREAM: &str =
    "GET /api/v1/events HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\n\r\n";

/// What a daemon says of itself to a new connection.
fn health(env: &TestEnv) -> Value {
    let request = "GET /readyz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    let mut answer = String::new();
    let _ = connect(env, request).read_to_string(&mut answer);
    serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap_or_default()).unwrap_or_default()
}

/// A command that works, or says clearly that it cannot just now.
#[track_caller]
fn sooner_or_later(env: &TestEnv, args: &[&str]) -> Output {
    eventually("it works", || {
        let output = env.run(args);
        match output.code {
            Some(0) => Ok(output),
            Some(75) => Err(output),
            _ => panic!("{output:#?}"),
        }
    })
}

#[test]
fn heavy_when_all_descriptors_are_taken_control_works_and_it_passes() {
    let env = TestEnv::new();
    let mut daemon = serve(&env);
    eventually("it answers", || {
        if env.socket().exists() && health(&env)["status"] == "ok" { Ok(()) } else { Err(()) }
    });
    let script = "while :; do echo on; sleep 0.05; done";
    let talker = env.spawn(["--label", "talker", "--", "/bin/sh", "-c", script]);
    let before = env.until(&talker, "it runs", |agent| agent["status"] == "running");

    // Streams until one is refused, and then those who ask for nothing.
    let mut streams = Vec::new();
    let refused = loop {
        let mut stream = connect(&env, STREAM);
        let mut head = [0; 12];
        stream.read_exact(&mut head).unwrap();
        if &head != b"HTTP/1.1 200" {
            let mut rest = String::new();
            stream.read_to_string(&mut rest).unwrap();
            break rest;
        }
        streams.push(stream);
        assert!(streams.len() < LIMIT, "all of them were taken");
    };
    assert!(streams.len() > LIMIT / 3, "{} streams", streams.len());
    assert!(
        refused.contains("\"code\":\"busy\"") && refused.contains("retry-after: 1"),
        "{refused}"
    );
    let mut idle: Vec<UnixStream> = (0..100).map(|_| connect(&env, "")).collect();

    let said = eventually("it says so", || {
        let health = health(&env);
        if health["status"] == "degraded" { Ok(health) } else { Err(health) }
    });
    assert!(said["reason"].as_str().unwrap().contains("connections are open"), "{said}");
    let _ = sooner_or_later(&env, &["status"]);
    let _ = sooner_or_later(&env, &["spawn", "-q", "--", "true"]);
    let during = sooner_or_later(&env, &["status", "--json", "talker"]).one();
    assert_eq!((&during["pid"], &during["status"]), (&before["pid"], &before["status"]));
    let last = during["last_seq"].as_u64().unwrap();
    eventually("it is recorded", || {
        let now = sooner_or_later(&env, &["status", "--json", "talker"]).one();
        if now["last_seq"].as_u64().unwrap() > last { Ok(()) } else { Err(now) }
    });

    streams.clear();
    idle.clear();
    eventually("it passes", || {
        let health = health(&env);
        if health["status"] == "ok" { Ok(()) } else { Err(health) }
    });
    let mut stream = connect(&env, STREAM);
    let mut head = [0; 12];
    stream.read_exact(&mut head).unwrap();
    assert_eq!(&head, b"HTTP/1.1 200");

    // More agents than there are descriptors for: each runs, waits, or says why it cannot.
    let count = (LIMIT + 50).to_string();
    let many = ["spawn", "-q", "-n", &count, "-g", "many", "--stdin", "--", "sleep", "1000"];
    let _ = env.run(many).success();
    let states = eventually("all have begun", || {
        let agents = env.run(["status", "--json", "--group", "many"]).success().json();
        let begun = agents.iter().all(|agent| agent["status"] != "starting");
        if begun { Ok(agents) } else { Err(agents.len()) }
    });
    let of = |status: &str| states.iter().filter(|agent| agent["status"] == status).count();
    println!("{} run, {} wait, {} failed", of("running"), of("queued"), of("failed"));
    assert!(of("running") > LIMIT / 4);
    assert_eq!(of("running") + of("queued") + of("failed"), LIMIT + 50);
    for failed in states.iter().filter(|agent| agent["status"] == "failed") {
        let reason = failed["reason"].as_str().unwrap();
        assert!(reason.contains("open files"), "{reason}");
    }
    let after = env.agent(&talker);
    assert_eq!((&after["pid"], &after["status"]), (&before["pid"], &before["status"]));
    let _ = env.run(["shutdown", "--kill-agents", "--grace", "0s"]).success();
    eventually("it ends", || daemon.try_wait().unwrap().ok_or(Duration::ZERO));
}
