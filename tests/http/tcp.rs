//! Over TCP: the key, the Host and the Origin.

use serde_json::json;

use super::AGENTS;
use super::wire::At;
use crate::env::{Output, TestEnv};

/// A daemon on a free port of this machine, its address and its key.
fn listening() -> (TestEnv, String, String) {
    let env = TestEnv::with_config("[daemon]\nlisten = \"127.0.0.1:0\"\n");
    let _ = env.run(["status"]).success();
    let lock = std::fs::read(env.state().join("daemon.lock")).unwrap();
    let lock: serde_json::Value = serde_json::from_slice(&lock).unwrap();
    let address = lock["listen"].as_str().unwrap().to_owned();
    let key = std::fs::read_to_string(env.dash_home().join("key")).unwrap();
    (env, address, key)
}

fn dash(env: &TestEnv, address: &str, key: Option<&str>, args: &[&str]) -> Output {
    let mut command = env.command(args);
    command.env("DASH_API_URL", format!("http://{address}"));
    if let Some(key) = key {
        command.env("DASH_API_KEY", key);
    }
    let output = command.output().unwrap();
    Output {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

#[test]
fn every_verb_works_with_the_key() {
    let (env, address, key) = listening();
    // Another home, which has neither the socket nor the key.
    let away = TestEnv::new();
    let run = |args: &[&str]| dash(&away, &address, Some(&key), args);
    let _ = run(&["spawn", "-l", "far", "--stdin", "--", "cat"]).success();
    env.until("far", "it runs", |agent| agent["status"] == "running");
    let _ = run(&["send", "--wait", "far", "hello"]).success();
    assert_eq!(run(&["status", "--json"]).success().one()["label"], "far");
    assert_eq!(run(&["kill", "--json", "far"]).success().one()["status"], "killed");
    assert_eq!(run(&["logs", "far"]).success().stdout, "hello\n");
    let events = run(&["watch", "--json", "--since", "beginning", "far"]).success().json();
    assert_eq!(events.last().unwrap()["type"], "agent.killed");
    let records = run(&["audit", "--json", "--agent", "far"]).success().json();
    assert!(
        records[..records.len() - 1].iter().all(|it| it["actor"] == "key:default"),
        "{records:?}"
    );
    let mode = std::fs::metadata(env.dash_home().join("key")).unwrap().permissions();
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&mode) & 0o777, 0o600);
    assert!(!away.state().exists());
}

#[test]
fn without_the_key_nobody_gets_in() {
    let (_env, address, key) = listening();
    let away = TestEnv::new();
    for wrong in [None, Some("wrong"), Some(&key[1..])] {
        for args in
            [&["status", "--json"][..], &["spawn", "--json", "--", "true"], &["watch", "--json"]]
        {
            let error = dash(&away, &address, wrong, args).code(77).error();
            assert_eq!(error["code"], "unauthenticated", "{wrong:?} {args:?}");
            assert!(error["hint"].is_string(), "{error}");
        }
    }
    let human = dash(&away, &address, None, &["status"]).code(77);
    assert!(human.stderr.contains("hint: "), "{human:?}");
    let at = At::Tcp(address.clone());
    assert_eq!(at.get(AGENTS).problem(401), "unauthenticated");
    assert_eq!(at.get("/healthz").status, 401);
    assert!(at.get("/healthz").body.is_empty(), "a probe learns nothing");
    assert!(at.get(AGENTS).header("www-authenticate").is_some());
    assert_eq!(
        dash(&away, &address, Some(&key), &["status", "--all", "--json"]).success().stdout,
        ""
    );
}

#[test]
fn guessing_is_slowed_down() {
    let (_env, address, key) = listening();
    let at = At::Tcp(address);
    let statuses: Vec<_> = (0..40)
        .map(|n| {
            let guess = format!("Bearer guess-{n}");
            at.call("GET", AGENTS, &[("authorization", &guess)], b"").status
        })
        .collect();
    assert_eq!((statuses[0], statuses[39]), (401, 429), "{statuses:?}");
    let right = format!("Bearer {key}");
    let late = at.call("GET", AGENTS, &[("authorization", &right)], b"");
    assert_eq!(late.status, 429);
    assert!(late.header("retry-after").is_some());
}

#[test]
fn strange_hosts_and_pages_are_refused() {
    let (env, address, key) = listening();
    let at = At::Tcp(address.clone());
    let key = format!("Bearer {key}");
    let get = |name: &str, value: &str| {
        at.call("GET", AGENTS, &[("authorization", &key), (name, value)], b"")
    };
    let port = address.rsplit(':').next().unwrap();
    for host in ["evil.example", &format!("evil.example:{port}"), "127.0.0.1:1", ""] {
        assert_eq!(get("host", host).problem(403), "forbidden", "{host}");
    }
    assert_eq!(get("host", &format!("localhost:{port}")).status, 200);
    for origin in ["http://evil.example", "null", &format!("http://127.0.0.1:{port}.evil.example")]
    {
        assert_eq!(get("origin", origin).problem(403), "forbidden", "{origin}");
    }
    let page = [("authorization", &key[..]), ("content-type", "text/plain")];
    let body = json!({"command": ["true"]}).to_string();
    assert_eq!(at.call("POST", AGENTS, &page, body.as_bytes()).status, 415);
    let unix = At::socket_of(&env);
    let answer = unix.call("GET", AGENTS, &[("origin", "http://evil.example")], b"");
    assert_eq!(answer.problem(403), "forbidden");
}
