//! MCP servers that the client names: a harness is told of them, and nobody else of more than their names.

use std::path::Path;

use serde_json::{Value, json};

use super::client::{Client, opening};
use crate::acp::agent as scripted_agent;
use crate::env::{TestEnv, eventually};

const SECRET: &str = "s3cret-of-a-server";

/// A home whose default profile is the scripted ACP agent, started when somebody makes the file `go`.
fn home() -> TestEnv {
    let agent = scripted_agent().display().to_string();
    TestEnv::with_config(&format!(
        "default_profile = \"held\"\n[profiles.held]\nruntime = \"acp\"\ncommand = [\"sh\", \"-c\", \
         \"until [ -e \\\"$HOME/go\\\" ]; do sleep 0.05; done; exec {agent} resume\"]\n"
    ))
}

fn servers() -> Value {
    let secret = json!([{ "name": "TOKEN", "value": SECRET }]);
    json!([
        { "name": "tools", "command": "/bin/tools", "args": ["--key", SECRET], "env": secret },
        { "type": "http", "name": "far", "url": format!("https://{SECRET}/"), "headers": secret },
    ])
}

/// A client with a session that has these servers.
fn opened(env: &TestEnv) -> (Client, String) {
    let mut client = Client::start(env, &[]);
    client.initialize();
    let mut params = opening(env, None);
    params["mcpServers"] = servers();
    let session = client.call("session/new", &params)["sessionId"].as_str().unwrap().to_owned();
    (client, session)
}

/// How the harness was asked to open its session, which it writes down itself.
fn asked(client: &mut Client, session: &str, env: &TestEnv, file: &str) -> Value {
    let file = env.work().join(file);
    assert_eq!(client.turn(session, &format!("opened {}", file.display())), "end_turn");
    serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap()
}

/// The files below a directory that have the secret in them.
fn files_with_secret(dir: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(dir).unwrap().flatten() {
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            files_with_secret(&entry.path(), found);
        } else if kind.is_file() {
            let text = std::fs::read(entry.path()).unwrap_or_default();
            if String::from_utf8_lossy(&text).contains(SECRET) {
                found.push(entry.path().display().to_string());
            }
        }
    }
}

fn kept(env: &TestEnv) -> Vec<String> {
    let mut found = Vec::new();
    files_with_secret(&env.dash_home(), &mut found);
    found
}

fn none_is_kept(env: &TestEnv) {
    eventually("no secret is kept", || {
        let found = kept(env);
        if found.is_empty() { Ok(()) } else { Err(found) }
    });
}

#[test]
fn a_harness_is_told_of_the_clients_servers_and_nobody_else_of_their_secrets() {
    let env = home();
    std::fs::write(env.home().join("go"), "").unwrap();
    let (mut client, session) = opened(&env);
    let first = asked(&mut client, &session, &env, "first");
    assert_eq!(first["method"], "session/new");
    // This one takes no servers at an address, and says so.
    assert_eq!(first["params"]["mcpServers"], json!([servers()[0]]));
    none_is_kept(&env);
    let agent = env.run(["status", "--json"]).success().one();
    let id = agent["id"].as_str().unwrap();
    let _ = env.run(["kill", id]).success();
    let events = env.events(id);
    let spawned = &events[0]["data"]["spec"]["conversation"];
    assert_eq!(spawned["mcp_servers"], json!(["tools", "far"]), "{spawned}");
    let left_out = |event: &&Value| event["data"]["mcp_servers"] == json!(["far"]);
    let warnings: Vec<_> = events.iter().filter(left_out).collect();
    assert_eq!(warnings.len(), 1, "{events:#?}");
    let audit = env.run(["audit", "--json"]).success().stdout;
    assert!(audit.contains(r#""mcp_servers":["tools","far"]"#), "{audit}");

    // The agent that takes its session up again is told of them as well.
    let second = asked(&mut client, &session, &env, "second");
    assert_eq!(second["method"], "session/resume");
    assert_eq!(second["params"]["mcpServers"], json!([servers()[0]]));
    none_is_kept(&env);
    assert!(!client.stderr().contains(SECRET), "{}", client.stderr());
}

#[test]
fn servers_outlive_a_daemon_that_is_killed_before_the_harness_was_told() {
    let env = home();
    let (mut client, session) = opened(&env);
    let file = env.work().join("asked");
    let prompt = client.prompt(&session, &format!("opened {}", file.display()));
    let agent = eventually("it has started", || {
        let agents = env.run(["status", "--json"]).success().json();
        let started = agents.iter().find(|agent| agent["started_at"].is_string());
        started.map(|agent| agent["id"].as_str().unwrap().to_owned()).ok_or(agents)
    });
    let spool: Vec<_> = kept(&env);
    assert!(spool.len() == 1 && spool[0].contains("/spool/"), "one file has them: {spool:?}");
    env.kill_daemon();
    std::fs::write(env.home().join("go"), "").unwrap();
    assert_eq!(client.stop_reason(prompt), "end_turn");
    let asked: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    assert_eq!(asked["params"]["mcpServers"], json!([servers()[0]]));
    none_is_kept(&env);
    assert_eq!(env.run(["status", "--json", &agent]).success().one()["status"], "waiting");
}

#[test]
fn a_command_has_no_use_for_them() {
    let env = super::home();
    let mut client = Client::start(&env, &["--agent", "lines"]);
    client.initialize();
    let mut params = opening(&env, None);
    params["mcpServers"] = servers();
    let session = client.call("session/new", &params)["sessionId"].as_str().unwrap().to_owned();
    assert_eq!(client.turn(&session, "one"), "end_turn");
    none_is_kept(&env);
    let id = env.run(["status", "--json", "--all"]).success().one()["id"].clone();
    let spawned = env.events(id.as_str().unwrap())[0].to_string();
    assert!(!spawned.contains("mcp_servers"), "{spawned}");
}
