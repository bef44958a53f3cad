//! `dash wait`.

use insta::assert_snapshot;

use super::{redacted, started, told};
use crate::env::alive;

#[test]
fn the_exit_code_is_the_agents() {
    let env = started();
    let _redacted = redacted();
    let _ = env.spawn(["-l", "a", "--", "sh", "-c", "sleep 0.1; exit 7"]);
    assert_snapshot!(told(&env.run(["wait", "a"])), @r#"
    a [id] failed, exit code 7, after [span]
    -- exit 7
    "#);
    assert_eq!(env.run(["wait", "--json", "a"]).code(7).one()["exit_code"], 7);
    let _ = env.spawn(["-l", "b", "--", "sleep", "600"]);
    env.until("b", "it runs", |agent| agent["status"] == "running");
    let _ = env.run(["kill", "b"]).success();
    let _ = env.run(["wait", "b"]).code(143);
}

#[test]
fn a_wait_that_runs_out_is_no_end() {
    let env = started();
    let _redacted = redacted();
    let _ = env.spawn(["-l", "a", "--", "sleep", "600"]);
    let agent = env.until("a", "it runs", |agent| agent["status"] == "running");
    assert_snapshot!(told(&env.run(["wait", "a", "--timeout", "100ms"])), @r#"
    -- stderr
    error: the wait ran out after [span]; agents that have not ended run on
      hint: `dash status [short]` shows what it does
    -- exit 3
    "#);
    let output = env.run(["wait", "--json", "a", "--timeout", "100ms"]).code(3);
    assert_eq!(
        (output.error()["code"].as_str(), output.stdout.as_str()),
        (Some("wait_expired"), "")
    );
    assert!(alive(i32::try_from(agent["pid"].as_i64().unwrap()).unwrap()));
    assert_eq!(env.agent("a")["status"], "running");
}

#[test]
fn of_several_all_or_any() {
    let env = started();
    let _ = env.spawn(["-l", "slow", "-g", "g", "--", "sleep", "600"]);
    let _ = env.spawn(["-l", "quick", "-g", "g", "--", "sh", "-c", "exit 4"]);
    let _ = env.run(["wait", "slow", "quick", "--any"]).code(4);
    let _ = env.run(["wait", "--group", "g", "--any"]).code(4);
    let both = env.run(["wait", "--group", "g", "--timeout", "100ms"]).code(3);
    assert!(both.stdout.contains("quick") && !both.stdout.contains("slow"), "{both:?}");
    let _ = env.spawn(["-l", "fine", "--", "true"]);
    let _ = env.run(["wait", "fine", "quick"]).code(4);
    let _ = env.run(["wait", "fine"]).success();
}

#[test]
fn there_must_be_something_to_wait_for() {
    let env = started();
    let _redacted = redacted();
    assert_snapshot!(told(&env.run(["wait"])), @r#"
    -- stderr
    error: there is nothing to wait for
      hint: name agents, or --group or --session: dash wait LABEL
    -- exit 2
    "#);
    assert_snapshot!(told(&env.run(["wait", "nobody"])), @r#"
    -- stderr
    error: no agent is called "nobody"
      hint: `dash status --all` lists every agent
    -- exit 4
    "#);
}
