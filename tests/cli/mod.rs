//! The command line as people and scripts meet it: the real binary in a private home, one file a
//! command.

mod elsewhere;
mod kill;
mod lifecycle;
mod logs;
mod reports;
mod send;
mod spawn;
mod status;
mod turns;
mod wait;
mod watch;

use insta::internals::SettingsBindDropGuard;

use crate::env::{Output, TestEnv};

/// A home in which a daemon runs, so that no command has to say that it started one.
fn started() -> TestEnv {
    let env = TestEnv::new();
    let _ = env.run(["status"]).success();
    env
}

/// The same, with this configuration file.
fn started_with(config: &str) -> TestEnv {
    let env = TestEnv::with_config(config);
    let _ = env.run(["status"]).success();
    env
}

/// For as long as the guard lives, snapshots have no ids, times, positions, process ids and places
/// that differ from run to run.
fn redacted() -> SettingsBindDropGuard {
    let mut settings = insta::Settings::clone_current();
    for (pattern, instead) in [
        (r"\bm-[k-z]{16}\b", "[message]"),
        (r"\b[k-z]{16}\b", "[id]"),
        (r"\b[k-z]{8}\b", "[short]"),
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "[time]"),
        (r"\b\d\d:\d\d:\d\d(\.\d+)?\b", "[time]"),
        (r"/\S*/dash-[A-Za-z0-9]{6}", "[home]"),
        (r"\(just now\)|\(\d+m?s ago\)", "([ago])"),
        (r"\bpid \d+", "pid [pid]"),
        (r"(?m)^(pid: +)\d+", "$1[pid]"),
        (r"(?m)^(last seq: +)\d+", "$1[seq]"),
        (r"user:\S+", "user:[me]"),
        (r"after \d+(\.\d+)?m?s", "after [span]"),
        (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ", "[time]"),
        // How long an agent has been there, and the padding that depends on it.
        (r"  \d+(\.\d+)?m?s\b", "  [span]"),
        (r"(\[span\]|\[time\]|[a-zA-Z]) {2,}", "$1  "),
    ] {
        settings.add_filter(pattern, instead);
    }
    settings.bind_to_scope()
}

/// What a command printed, and its exit code.
fn told(output: &Output) -> String {
    let Output { code, stdout, stderr } = output;
    let code = code.map_or("a signal".to_owned(), |code| code.to_string());
    let stderr = if stderr.is_empty() { String::new() } else { format!("-- stderr\n{stderr}") };
    format!("{stdout}{stderr}-- exit {code}")
}

/// The names of a JSON object's fields.
fn fields(value: &serde_json::Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}
