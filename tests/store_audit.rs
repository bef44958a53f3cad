//! The audit trail of a real daemon, and what becomes of it in other hands.

use std::path::Path;

use rusqlite::Connection;
use serde_json::Value;

use crate::env::{TestEnv, skipped};

/// Some operations, with a daemon that has stopped.
fn lived() -> TestEnv {
    let env = TestEnv::new();
    for label in ["one", "two", "three"] {
        let _ = env.run(["spawn", "-q", "--label", label, "--wait", "--", "true"]).success();
    }
    let _ = env.run(["shutdown"]).success();
    env
}

/// The verdict, with the exit code that belongs to it.
#[track_caller]
fn verdict(env: &TestEnv) -> Value {
    let output = env.run(["audit", "verify", "--json"]);
    let verdict = output.one();
    let expected = i32::from(verdict["ok"] != true);
    assert_eq!(output.code, Some(expected), "{output:#?}");
    verdict
}

fn database(env: &TestEnv) -> Connection {
    Connection::open(env.state().join("dash.db")).unwrap()
}

#[test]
fn a_trail_is_verified_with_a_daemon_and_without() {
    let env = TestEnv::new();
    let _ = env.run(["spawn", "-q", "--session", "s1", "--wait", "--", "true"]).success();
    let asked = verdict(&env);
    assert_eq!((&asked["ok"], &asked["records"]), (&true.into(), &3.into()), "{asked}");
    let _ = env.run(["shutdown"]).success();
    let read = verdict(&env);
    assert_eq!((&read["ok"], &read["anchored"]), (&true.into(), &4.into()), "{read}");
    assert_eq!(env.daemon_pid(), None, "no daemon is started for it");
    let said = env.run(["audit", "verify"]).success();
    assert!(said.stdout.starts_with("the trail is whole: 4 records"), "{said:?}");
    // Of a daemon that was killed, too.
    let _ = env.run(["spawn", "-q", "--wait", "--", "true"]).success();
    env.kill_daemon();
    assert_eq!(verdict(&env)["ok"], true);
    let trail = env.run(["audit", "--json"]).success().json();
    let sessions: Vec<_> = trail.iter().map(|record| &record["detail"]["session"]).collect();
    assert_eq!(sessions[1..3], ["s1", "s1"], "its spawning and its end");
}

#[test]
fn tampering_is_found_and_named() {
    for (sql, position) in [
        ("UPDATE audit SET actor = 'user:x' WHERE position = 3", 3),
        ("DELETE FROM audit WHERE position = 4", 4),
        (
            "UPDATE audit SET position = -1 WHERE position = 5;
             UPDATE audit SET position = 5 WHERE position = 6;
             UPDATE audit SET position = 6 WHERE position = -1",
            5,
        ),
        ("DELETE FROM audit WHERE position > 6", 7_u64),
    ] {
        let env = lived();
        database(&env).execute_batch(sql).unwrap();
        let found = verdict(&env);
        assert_eq!(found["bad"]["position"], position, "{sql}: {found}");
        // A daemon that goes on with it does not hide it.
        let _ = env.run(["status"]).success();
        let found = verdict(&env);
        assert!(found["bad"]["position"].as_u64().unwrap() >= position, "{sql}: {found}");
    }
}

#[test]
fn one_flipped_byte_is_found() {
    let env = lived();
    let path = env.state().join("dash.db");
    let mut bytes = std::fs::read(&path).unwrap();
    let needle = b"daemon.start";
    let at = bytes.windows(needle.len()).position(|window| window == needle).unwrap();
    bytes[at] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    assert_eq!(verdict(&env)["bad"]["position"], 1);
}

#[test]
fn another_trail_in_its_place_is_found() {
    let (env, other) = (lived(), lived());
    copy(&other, &env);
    let found = verdict(&env);
    assert_eq!(found["bad"]["position"], 1, "{found}");
    let reason = found["bad"]["reason"].as_str().unwrap();
    assert!(reason.contains("written anew"), "{reason}");
}

fn copy(from: &TestEnv, to: &TestEnv) {
    let file = |env: &TestEnv| env.state().join("dash.db");
    std::fs::copy(file(from), file(to)).unwrap();
}

/// What `ARCHITECTURE.md` tells an auditor to do, done.
#[test]
fn the_recipe_for_auditors_works() {
    let env = lived();
    let text =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("ARCHITECTURE.md"))
            .unwrap();
    let recipe = text.split("```python\n").nth(1).unwrap().split("```").next().unwrap();
    let run = || {
        let mut python = std::process::Command::new("python3");
        python.args(["-c", recipe]).current_dir(env.state()).output()
    };
    let Ok(output) = run() else {
        skipped("there is no python3 here");
        return;
    };
    assert!(output.status.success(), "{output:?}");
    let head = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    assert_eq!(verdict(&env)["head"], head.as_str());
    database(&env).execute_batch("UPDATE audit SET label = 'x' WHERE position = 2").unwrap();
    assert!(!run().unwrap().status.success());
}
