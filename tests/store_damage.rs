//! A daemon whose log was damaged while it was away: what runs is taken back, what is lost is named.

use std::fs;
use std::path::PathBuf;

use rusqlite::Connection;
use serde_json::Value;

use crate::env::{TestEnv, eventually};

/// Agents that run.
const RUNNING: usize = 12;

fn database(env: &TestEnv) -> PathBuf {
    env.state().join("dash.db")
}

/// A home with agents that run and agents that have ended, and no daemon: it was killed. Answers with
/// the agents that ran.
fn left() -> (TestEnv, Vec<Value>) {
    let env = TestEnv::new();
    let _ = env.run(["spawn", "-q", "-n", "40", "--wait", "--", "echo", "done"]).success();
    // Slowly: the write-ahead log is to hold all of it, and not to begin anew.
    let talk = "n=0; while :; do n=$((n+1)); echo \"line $n\"; sleep 1; done";
    for n in 0..RUNNING {
        let label = format!("agent-{n}");
        env.spawn(["--label", &label, "--meta", "at=work", "--", "sh", "-c", talk]);
    }
    let running = (0..RUNNING).map(|n| {
        env.until(&format!("agent-{n}"), "it has spoken", |agent| {
            agent["status"] == "running" && agent["last_seq"].as_u64().unwrap() > 200
        })
    });
    let running = running.collect();
    // What the log's end is compared with.
    eventually("a checkpoint", || {
        let text = fs::read_to_string(env.state().join("audit.checkpoints")).unwrap();
        let last: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
        if last["position"].as_u64().unwrap() > 90 { Ok(()) } else { Err(last) }
    });
    env.kill_daemon();
    (env, running)
}

/// All in one file, so that damage to it is not made up for by the write-ahead log.
fn checkpoint(env: &TestEnv) -> Connection {
    let connection = Connection::open(database(env)).unwrap();
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |_| Ok(())).unwrap();
    connection
}

/// Every agent that ran is the same process under the same name, and speaks; and the daemon works.
#[track_caller]
fn check(env: &TestEnv, running: &[Value], what: &str) {
    for before in running {
        let id = before["id"].as_str().unwrap();
        let after = env.agent(id);
        for field in ["id", "label", "metadata", "pid", "command", "cwd", "status"] {
            assert_eq!(before[field], after[field], "{what}: {field} of {after}");
        }
        let seen = after["last_seq"].as_u64().unwrap();
        env.until(id, "it is followed", |agent| agent["last_seq"].as_u64().unwrap() > seen);
    }
    let _ = env.run(["spawn", "-q", "--wait", "--", "true"]).success();
    let first = running[0]["id"].as_str().unwrap();
    let killed = env.run(["kill", "--json", "--grace", "1s", first]).success().one();
    assert_eq!(killed["status"], "killed", "{what}");
}

fn records(env: &TestEnv, action: &str) -> Vec<Value> {
    let trail = env.run(["audit", "--json"]).success().json();
    trail.into_iter().filter(|record| record["action"] == action).collect()
}

/// How long the audit trail is when the write-ahead log is this.
fn records_in(env: &TestEnv, wal: &[u8]) -> i64 {
    let dir = tempfile::tempdir().unwrap();
    let copy = dir.path().join("dash.db");
    fs::copy(database(env), &copy).unwrap();
    fs::write(dir.path().join("dash.db-wal"), wal).unwrap();
    let connection = Connection::open(copy).unwrap();
    connection.query_row("SELECT count(*) FROM audit", (), |row| row.get(0)).unwrap_or(0)
}

fn damage(env: &TestEnv, page: usize) {
    let mut bytes = fs::read(database(env)).unwrap();
    bytes[(page - 1) * 4096..page * 4096].fill(0xa5);
    fs::write(database(env), bytes).unwrap();
}

#[test]
fn whichever_table_is_damaged_all_that_runs_is_taken_back() {
    for table in ["agents", "events", "audit"] {
        let (env, running) = left();
        let connection = checkpoint(&env);
        let sql = "SELECT rootpage FROM sqlite_schema WHERE name = ?1";
        let root: i64 = connection.query_row(sql, [table], |row| row.get(0)).unwrap();
        drop(connection);
        damage(&env, usize::try_from(root).unwrap());
        check(&env, &running, table);
        let noted = records(&env, "store.quarantine");
        let noted = &noted[0]["detail"];
        let kept = env.state().join(noted["kept"].as_str().unwrap());
        assert!(kept.exists(), "{noted}");
        if table == "events" {
            assert!(!noted["events"].as_array().unwrap().is_empty(), "{noted}");
            let args = ["watch", "--json", "--since", "1", running[1]["id"].as_str().unwrap()];
            let watch = crate::env::live::Live::start(env.command(args));
            eventually("the gap is told", || {
                let text = watch.stdout();
                if text.contains("\"type\":\"reset\"") { Ok(()) } else { Err(text) }
            });
        }
    }
}

#[test]
fn of_a_log_that_was_cut_all_that_runs_is_taken_back() {
    for tenths in [8, 4] {
        let (env, running) = left();
        drop(checkpoint(&env));
        let file = fs::OpenOptions::new().write(true).open(database(&env)).unwrap();
        file.set_len(file.metadata().unwrap().len() / 10 * tenths).unwrap();
        check(&env, &running, "a file that was cut");
        assert_eq!(records(&env, "store.quarantine").len(), 1);
    }
}

#[test]
fn of_a_write_ahead_log_that_was_torn_all_that_runs_is_taken_back() {
    let (env, running) = left();
    let wal = env.state().join("dash.db-wal");
    let whole = fs::read(&wal).unwrap();
    // In the middle of a frame, before some of the agents that run were recorded.
    let torn = (1..=40).rev().map(|part| whole.len() / 40 * part + 17);
    let torn = torn
        .map(|length| &whole[..length.min(whole.len())])
        .find(|torn| records_in(&env, torn) < 88);
    fs::write(&wal, torn.unwrap()).unwrap();
    check(&env, &running, "a torn log");
    assert_eq!(records(&env, "audit.mismatch").len(), 1);
    assert!(!records(&env, "store.found").is_empty(), "agents that the log had lost");
    let verdict = env.run(["audit", "verify", "--json"]).code(1).one();
    assert!(verdict["bad"]["position"].is_u64(), "{verdict}");
}
