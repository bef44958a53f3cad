//! `dash status`.

use insta::assert_snapshot;
use serde_json::json;

use super::{fields, redacted, started, told};
use crate::env::TestEnv;

/// Three agents: one that runs, one that completed, one that failed.
fn three() -> TestEnv {
    let env = started();
    let _ = env.spawn([
        "-l",
        "lives",
        "-g",
        "g",
        "-m",
        "t=1",
        "--session",
        "s 1",
        "--",
        "sleep",
        "600",
    ]);
    let _ = env.run(["spawn", "--wait", "-l", "done", "-m", "t=1", "-m", "u=2", "--", "true"]);
    let _ = env.run(["spawn", "--wait", "-l", "broke", "-g", "g", "--", "sh", "-c", "exit 9"]);
    env.until("lives", "it runs", |agent| agent["status"] == "running");
    env
}

#[test]
fn nothing_is_said_kindly() {
    let env = TestEnv::new();
    let _redacted = redacted();
    assert_snapshot!(told(&env.run(["status"])), @r#"
    -- stderr
    dash: started the daemon (pid [pid]); stop it with "dash shutdown"
    there are no agents; `dash spawn -- COMMAND` starts one
    -- exit 0
    "#);
    assert_snapshot!(told(&env.run(["status"])), @r#"
    -- stderr
    there are no agents; `dash spawn -- COMMAND` starts one
    -- exit 0
    "#);
    assert_snapshot!(told(&env.run(["status", "--group", "none"])), @r#"
    -- stderr
    no agent matches; `dash status --all` lists every one
    -- exit 0
    "#);
    assert_snapshot!(told(&env.run(["status", "--json"])), @"-- exit 0");
}

#[test]
fn several_are_a_table() {
    let env = three();
    let _redacted = redacted();
    assert_snapshot!(told(&env.run(["status"])), @r#"
    ID  LABEL  STATUS  AGE  RUNTIME  COMMAND/TASK  GROUP
    [short]  lives  running  [span]  [span]  sleep 600       g
    [short]  done  completed  [span]  [span]  true
    [short]  broke  failed: exit code 9  [span]  [span]  sh -c 'exit 9'  g
    3 agents: 1 running, 1 completed, 1 failed
    -- exit 0
    "#);
    assert_eq!(env.run(["list"]).success().stdout.lines().count(), 5);
}

#[test]
fn one_is_shown_in_full() {
    let env = three();
    let _redacted = redacted();
    assert_snapshot!(told(&env.run(["status", "lives"])), @r#"
    id:          [id]
    label:       lives
    status:      running
    command:     sleep 600
    runtime:     command
    cwd:         [home]/work
    group:       g
    index:       1
    session:     s 1
    metadata:    t=1
    environment: HOME PATH
    pid:         [pid]
    spawned by:  user:[me]
    created:     [time] ([ago])
    started:     [time] ([ago])
    last seq:    [seq]
    -- exit 0
    "#);
    assert_snapshot!(told(&env.run(["status", "broke"])), @r#"
    id:          [id]
    label:       broke
    status:      failed, exit code 9, after [span]
    command:     sh -c 'exit 9'
    runtime:     command
    cwd:         [home]/work
    group:       g
    index:       1
    environment: HOME PATH
    pid:         [pid]
    spawned by:  user:[me]
    created:     [time] ([ago])
    started:     [time] ([ago])
    ended:       [time] ([ago])
    last seq:    [seq]
    -- exit 0
    "#);
    let agent = env.agent("broke");
    assert_eq!((&agent["status"], &agent["exit_code"]), (&json!("failed"), &json!(9)));
    assert_snapshot!(fields(&agent).join(" "), @"id label metadata group session runtime profile status command task cwd created_at started_at ended_at exit_code signal reason result last_seq index spawned_by pid timeout_ms model stdin env messages_queued");
}

#[test]
fn an_agent_is_named_by_id_prefix_or_label() {
    let env = three();
    let id = env.agent("lives")["id"].as_str().unwrap().to_owned();
    for selector in [&id[..], &id[..10], "lives"] {
        assert_eq!(env.agent(selector)["label"], "lives", "{selector}");
    }
    let two = env.run(["status", "--json", "broke", &id]).success().json();
    let labels: Vec<_> = two.iter().map(|agent| agent["label"].clone()).collect();
    assert_eq!(labels, ["lives", "broke"]);
}

#[test]
fn filters_narrow_the_list_down() {
    let env = three();
    let labels = |args: &[&str]| {
        let all = ["status", "--json"].iter().chain(args);
        let agents = env.run(all).success().json();
        agents.iter().map(|agent| agent["label"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(labels(&["--group", "g"]), ["lives", "broke"]);
    assert_eq!(labels(&["--session", "s 1"]), ["lives"]);
    assert_eq!(labels(&["--status", "running"]), ["lives"]);
    assert_eq!(labels(&["--status", "completed,failed"]), ["done", "broke"]);
    assert_eq!(labels(&["--meta", "t=1"]), ["lives", "done"]);
    assert_eq!(labels(&["--meta", "t=1", "--meta", "u=2"]), ["done"]);
    assert_eq!(labels(&["--meta", "t=2"]), [""; 0]);
    assert_eq!(labels(&["--all"]), ["lives", "done", "broke"]);
    assert_eq!(labels(&["--group", "g", "--status", "failed"]), ["broke"]);
}

#[test]
fn quiet_prints_ids() {
    let env = three();
    let ids: Vec<_> = env.run(["status", "-q"]).success().stdout.lines().map(str::len).collect();
    assert_eq!(ids, [16, 16, 16]);
}
