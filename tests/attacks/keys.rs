//! Keys: what each lets through, at once and no longer.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::os::unix::fs::MetadataExt;

use serde_json::Value;

use super::wire::{KEY, Listening, request};
use crate::env::{PATIENCE, TestEnv, eventually};

fn add(env: &TestEnv, name: &str, scope: &str) -> String {
    let added = env.run(["keys", "add", name, "--scope", scope, "--json"]).success().one();
    assert_eq!((&added["name"], &added["scope"]), (&name.into(), &scope.into()));
    added["secret"].as_str().unwrap().to_owned()
}

const SPAWN: &str = r#"{"command":["sleep","1000"],"label":"one"}"#;

#[test]
fn a_key_lets_through_what_its_scope_says_and_nothing_else_does() {
    let env = TestEnv::new();
    let daemon = Listening::start(&env);
    let keys = ["read", "operate", "admin"].map(|scope| add(&env, scope, scope));
    env.spawn(["-l", "one", "--", "sleep", "1000"]);
    // What each may: read, operate, admin.
    for (line, body, expected) in [
        ("GET /api/v1/agents", "", [200, 200, 200]),
        ("GET /api/v1/agents/one", "", [200, 200, 200]),
        ("GET /api/v1/events", "", [200, 200, 200]),
        ("GET /metrics", "", [200, 200, 200]),
        ("POST /api/v1/agents", SPAWN, [403, 201, 201]),
        ("POST /api/v1/agents/none/messages", r#"{"text":"x"}"#, [403, 404, 404]),
        ("POST /api/v1/agents/none/kill", "{}", [403, 404, 404]),
        ("POST /api/v1/kill", r#"{"group":"none"}"#, [403, 200, 200]),
        ("GET /api/v1/audit", "", [403, 403, 200]),
        ("GET /api/v1/audit/verify", "", [403, 403, 200]),
        ("GET /api/v1/keys", "", [403, 403, 200]),
        ("POST /api/v1/keys", r#"{"name":"more","scope":"admin"}"#, [403, 403, 201]),
        ("DELETE /api/v1/keys/more", "", [403, 403, 200]),
    ] {
        let statuses = [0, 1, 2].map(|n: usize| daemon.ask_as(&keys[n], line, body).status);
        assert_eq!(statuses, expected, "{line}");
    }
    // S06: a caller does not say how far it reaches.
    let bearer = format!("Bearer {}", keys[0]);
    for name in ["x-scope", "dash-scope", "x-dash-admin", "x-forwarded-user", "x-remote-user"] {
        let headers = [
            ("authorization", bearer.as_str()),
            (name, "admin"),
            ("content-type", "application/json"),
        ];
        let answer = daemon.ask("POST /api/v1/agents?scope=admin", &headers, SPAWN);
        assert_eq!(answer.status, 403, "{name}");
        assert_eq!(answer.json()["error"]["code"], "forbidden");
    }
    assert_eq!(daemon.ask_as(&keys[0], "POST /api/v1/shutdown", "{}").status, 403);
    // Who it was is in the events and in the trail, and no secret is.
    let agent = daemon.ask_as(&keys[0], "GET /api/v1/agents?limit=10000", "").json();
    let by: Vec<&Value> =
        agent["agents"].as_array().unwrap().iter().map(|agent| &agent["spawned_by"]).collect();
    assert!(by.contains(&&Value::from("key:operate")), "{by:?}");
    let trail = eventually("the refusals are in the trail", || {
        let trail = env.run(["audit", "--json"]).success().stdout;
        let denied = r#""actor":"key:read","action":"auth.denied""#;
        if trail.contains(denied) { Ok(trail) } else { Err(trail) }
    });
    assert!(trail.contains(r#""action":"key.add""#) && trail.contains(r#""action":"key.revoke""#));
    let kept = std::fs::read_to_string(env.state().join("keys.json")).unwrap();
    for secret in &keys {
        assert!(!trail.contains(secret) && !kept.contains(secret));
    }
    assert_eq!(env.state().join("keys.json").metadata().unwrap().mode() & 0o777, 0o600);
}

#[test]
fn a_revoked_key_opens_nothing_and_what_it_opened_ends() {
    let env = TestEnv::new();
    let daemon = Listening::start(&env);
    let secret = add(&env, "ci", "read");
    let bearer = format!("Bearer {secret}");
    let host = daemon.address.to_string();
    let headers = [
        ("host", host.as_str()),
        ("authorization", bearer.as_str()),
        ("accept", "text/event-stream"),
    ];
    let mut stream = TcpStream::connect(daemon.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(&request("GET /api/v1/events", &headers, "")).unwrap();
    let mut lines = BufReader::new(stream).lines();
    assert!(lines.any(|line| line.unwrap() == ": dash"), "the stream is open");

    env.run(["keys", "revoke", "ci"]).success();
    assert_eq!(daemon.ask_as(&secret, "GET /api/v1/agents", "").status, 401);
    // Reading comes to an end, which it would not as long as the stream is open.
    let rest: Vec<String> = lines.map_while(Result::ok).collect();
    assert!(rest.len() < 1000, "{rest:?}");
    env.run(["keys", "revoke", "ci", "--json"]).code(4);
    env.run(["keys", "revoke", "default", "--json"]).code(5);
    env.run(["keys", "add", "../x", "--scope", "read", "--json"]).code(2);
}

#[test]
fn keys_outlive_the_daemon() {
    let env = TestEnv::new();
    let daemon = Listening::start(&env);
    let (kept, revoked) = (add(&env, "kept", "read"), add(&env, "gone", "read"));
    env.run(["keys", "revoke", "gone"]).success();
    env.kill_daemon();
    daemon.ended();
    let daemon = Listening::start(&env);
    assert_eq!(daemon.ask_as(&kept, "GET /api/v1/agents", "").status, 200);
    assert_eq!(daemon.ask_as(&revoked, "GET /api/v1/agents", "").status, 401);
    assert_eq!(daemon.ask_as(KEY, "GET /api/v1/keys", "").status, 200);
    let names: Vec<Value> = env
        .run(["keys", "list", "--json"])
        .success()
        .json()
        .iter()
        .map(|k| k["name"].clone())
        .collect();
    assert_eq!(names, ["default", "kept"]);
}

#[test]
fn ten_thousand_guesses_are_a_few_records() {
    let env = TestEnv::new();
    let daemon = Listening::start(&env);
    for n in 0..500 {
        daemon.ask_as(&format!("guess-{n}"), "GET /api/v1/agents", "");
    }
    let failures = || -> Vec<Value> {
        let trail = env.run(["audit", "--json"]).success().json();
        trail.into_iter().filter(|record| record["action"] == "auth.failed").collect()
    };
    let counted = |records: &[Value]| -> u64 {
        records.iter().map(|record| record["detail"]["times"].as_u64().unwrap()).sum()
    };
    let records = eventually("all are counted", || {
        let records = failures();
        if counted(&records) == 500 { Ok(records) } else { Err(format!("{records:?}")) }
    });
    assert!(records.len() <= 20, "{} records", records.len());
    assert!(!format!("{records:?}").contains("guess-"), "what was tried may be nearly right");
}
