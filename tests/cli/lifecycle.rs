//! `dash shutdown`, and what agents make of it.

use insta::assert_snapshot;

use super::{redacted, started, told};
use crate::env::{TestEnv, alive};

#[test]
fn agents_outlive_the_daemon() {
    let env = started();
    let _redacted = redacted();
    let _ = env.spawn(["-l", "a", "--stdin", "--", "cat"]);
    let agent = env.until("a", "it runs", |agent| agent["status"] == "running");
    let process = i32::try_from(agent["pid"].as_i64().unwrap()).unwrap();
    let daemon = env.daemon_pid().unwrap();
    assert_snapshot!(told(&env.run(["shutdown"])), @r#"
    stopped the daemon (pid [pid]); agents run on
    -- exit 0
    "#);
    assert!(!alive(daemon) && alive(process));
    let again = env.until("a", "the new daemon has it", |agent| agent["status"] == "running");
    assert_eq!(again["pid"], agent["pid"]);
    assert_ne!(env.daemon_pid(), Some(daemon));
    let _ = env.run(["send", "--wait", "a", "still here"]).success();
    crate::env::eventually("it wrote it", || {
        let logs = env.run(["logs", "a"]).success().stdout;
        if logs == "still here\n" { Ok(()) } else { Err(logs) }
    });
    let _ = env.run(["kill", "a"]).success();
    assert!(!alive(process));
}

#[test]
fn or_end_with_it() {
    let env = started();
    let _redacted = redacted();
    let _ = env.spawn(["-l", "a", "--", "sleep", "600"]);
    let agent = env.until("a", "it runs", |agent| agent["status"] == "running");
    assert_snapshot!(told(&env.run(["shutdown", "--kill-agents"])), @r#"
    a [id] killed, SIGTERM, the daemon ended its agents, after [span]
    stopped the daemon (pid [pid]); 1 agent ended with it
    -- exit 0
    "#);
    assert!(!alive(i32::try_from(agent["pid"].as_i64().unwrap()).unwrap()));
    assert_eq!(env.agent("a")["status"], "killed");
    let outcome = env.run(["shutdown", "--kill-agents", "--json"]).success().one();
    assert_eq!(
        (outcome["stopped"].as_bool(), outcome["agents"].as_array().map(Vec::len)),
        (Some(true), Some(0))
    );
}

#[test]
fn no_daemon_is_no_failure() {
    let env = TestEnv::new();
    let _redacted = redacted();
    assert_snapshot!(told(&env.run(["shutdown"])), @r#"
    no daemon is running
    -- exit 0
    "#);
    assert_eq!(env.run(["shutdown", "--json"]).success().one()["stopped"], false);
    let _ = env.run(["shutdown", "--grace", "1s"]).code(2);
}
