//! What a daemon keeps, by its configuration, and how readers learn of what it does not.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::env::history::leave;
use crate::env::{TestEnv, eventually};

/// The events after the first, as a page.
fn page(env: &TestEnv) -> Value {
    let mut stream = UnixStream::connect(env.socket()).unwrap();
    write!(stream, "GET /api/v1/events?since=1&limit=1 HTTP/1.0\r\nhost: localhost\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap()).unwrap()
}

/// Waits until the first events are gone, and readers are told. Answers with the oldest that is kept.
#[track_caller]
fn until_cut(env: &TestEnv, at_least: u64) -> u64 {
    let _ = env.run(["spawn", "-q", "--wait", "--", "echo", "new"]).success();
    let oldest = eventually("the oldest events are gone", || {
        let page = page(env);
        let oldest = page["reset"]["oldest"].as_u64().unwrap_or(0);
        if oldest > at_least { Ok(oldest) } else { Err(page) }
    });
    let watch = crate::env::live::Live::start(env.command(["watch", "--json", "--since", "1"]));
    eventually("a stream tells it too", || {
        let said = watch.json();
        let reset = said.iter().find(|line| line["type"] == "reset" && line["since"] == 1);
        if reset.is_some_and(|reset| reset["oldest"].as_u64() >= Some(at_least)) {
            Ok(())
        } else {
            Err(said.len())
        }
    });
    oldest
}

#[test]
fn what_is_older_than_it_may_be_goes_and_readers_are_told() {
    let env = TestEnv::with_config("[daemon]\nevents_kept_days = 2\n");
    let newest = leave(&env, 300, 10, Timestamp::now() - SignedDuration::from_hours(72));
    assert_eq!(until_cut(&env, newest), newest + 1, "all that is old, and no more");
    let trail = env.run(["audit", "verify", "--json"]).success().one();
    assert_eq!(trail["ok"], true, "the trail is not cut");
}

#[test]
fn what_is_larger_than_it_may_be_goes_and_readers_are_told() {
    let env = TestEnv::with_config("[daemon]\ndatabase_max_mb = 8\n");
    let newest = leave(&env, 12_000, 2_000, Timestamp::now());
    let oldest = until_cut(&env, 1_000);
    assert!(oldest < newest, "what fits stays");
}

#[test]
fn of_what_an_agent_wrote_while_no_daemon_ran_as_much_as_may_be_is_taken_over() {
    let env = TestEnv::with_config("[daemon]\nbacklog_max_mb = 1\n");
    env.write("work/flood", "");
    let script =
        "echo first; until [ -e go ]; do sleep 0.05; done; seq 1 600000; echo last; sleep 1000";
    let id = env.spawn(["--", "sh", "-c", script]);
    env.until(&id, "it is followed", |agent| agent["last_seq"].as_u64() >= Some(3));
    env.kill_daemon();
    env.write("work/go", "");
    let file = env.state().join("agents").join(&id).join("stdout");
    eventually("it has written", || {
        let size = std::fs::metadata(&file).map_or(0, |file| file.len());
        if size > 4_000_000 { Ok(()) } else { Err(size) }
    });
    std::thread::park_timeout(Duration::from_millis(200));
    let text = || env.run(["logs", "--json", &id]).success().stdout;
    let logs = eventually("the end is taken over", || {
        let logs = text();
        if logs.contains("last\\n") { Ok(logs) } else { Err(logs.len()) }
    });
    let first: Vec<Value> = logs.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let cut: Vec<u64> =
        first.iter().filter_map(|event| event["data"]["truncated"].as_u64()).collect();
    assert_eq!(cut.len(), 1, "one gap, and it is marked");
    assert!(cut[0] > 2_500_000, "{cut:?}");
    assert!(logs.len() < 3_000_000, "{}", logs.len());
    assert!(logs.contains("first\\n"), "what was recorded before stays");
}
