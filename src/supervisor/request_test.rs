//! What is wrong with a request is found before anything is recorded.

use super::*;
use crate::model::{LABEL_MAX, TEXT_MAX};

const PROFILES: &str = r#"
[profiles.plain]
runtime = "command"
command = ["echo", "-n"]

[profiles.placed]
runtime = "command"
command = ["echo", "<{task}>", "end"]
env = { LEVEL = "profile", ONLY = "profile" }
task = "Please: {task}"
timeout_ms = 9000
"#;

fn config() -> Config {
    toml::from_str(PROFILES).unwrap()
}

fn command(words: &[&str]) -> SpawnRequest {
    SpawnRequest {
        command: Some(words.iter().map(|word| (*word).to_owned()).collect()),
        cwd: Some("/".into()),
        count: 1,
        ..SpawnRequest::default()
    }
}

fn task(profile: Option<&str>, task: &str) -> SpawnRequest {
    SpawnRequest {
        task: Some(task.into()),
        profile: profile.map(str::to_owned),
        cwd: Some("/".into()),
        count: 1,
        ..SpawnRequest::default()
    }
}

/// An MCP server with a secret.
fn server(secret: &str) -> McpServer {
    let env = serde_json::json!([{ "name": "KEY", "value": secret }]);
    McpServer(serde_json::json!({ "name": "s", "command": "/s", "args": [], "env": env }))
}

fn own() -> impl Iterator<Item = (String, String)> {
    [("PATH", "/usr/bin:/bin"), ("LC_ALL", "C"), ("DASH_API_KEY", "secret"), ("HOME", "/")]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
}

fn checked(request: SpawnRequest) -> Checked {
    check(request, None, &config(), own()).unwrap()
}

fn refusal(request: SpawnRequest) -> String {
    check(request, None, &config(), own()).unwrap_err().to_string()
}

#[test]
fn a_command_is_found_in_the_agents_own_path() {
    let checked = checked(command(&["sh", "-c", "true"]));
    assert_eq!(checked.spec.command.unwrap(), ["sh", "-c", "true"]);
    assert!(checked.spec.program.unwrap().ends_with("/sh"));
    let mut elsewhere = command(&["sh"]);
    elsewhere.base_env = Some(BTreeMap::from([("PATH".into(), "/nonexistent".into())]));
    assert!(refusal(elsewhere).contains("sh"));
}

#[test]
fn only_the_base_of_the_daemons_environment_is_passed_on() {
    let checked = checked(command(&["true"]));
    let names: Vec<&str> = checked.environment.keys().map(String::as_str).collect();
    assert_eq!(names, ["HOME", "LC_ALL", "PATH"]);
    assert_eq!(checked.spec.env, names);
}

#[test]
fn a_task_goes_through_template_and_command_as_whole_arguments() {
    let spec = checked(task(Some("placed"), "$(id) {task}")).spec;
    assert_eq!(spec.command.unwrap(), ["echo", "<Please: $(id) {task}>", "end"]);
    assert_eq!((spec.runtime, spec.timeout_ms), (Runtime::Command, Some(9_000)));
    let spec = checked(task(Some("plain"), "--help")).spec;
    assert_eq!(spec.command.unwrap(), ["echo", "-n", "--help"]);
}

#[test]
fn the_request_is_stronger_than_the_profile_and_that_than_the_base() {
    let mut request = task(Some("placed"), "x");
    request.base_env = Some(BTreeMap::from([
        ("PATH".into(), "/usr/bin:/bin".into()),
        ("ONLY".into(), "base".into()),
    ]));
    request.env = BTreeMap::from([("LEVEL".into(), "request".into())]);
    let environment = checked(request).environment;
    assert_eq!((&*environment["LEVEL"], &*environment["ONLY"]), ("request", "profile"));
}

#[test]
fn what_makes_no_sense_is_refused_with_the_reason() {
    let with = |change: fn(&mut SpawnRequest)| {
        let mut request = command(&["true"]);
        change(&mut request);
        request
    };
    let cases: Vec<(SpawnRequest, &str)> = vec![
        (with(|r| r.command = None), "neither a task nor a command"),
        (with(|r| r.task = Some("x".into())), "both a task and a command"),
        (with(|r| r.profile = Some("plain".into())), "a command needs no profile"),
        (task(None, "x"), "needs a profile"),
        (task(Some("nope"), "x"), "no profile \"nope\""),
        (task(Some("plain"), "  "), "the task is empty"),
        (task(Some("plain"), &"x".repeat(TEXT_MAX + 1)), "bytes long"),
        (task(Some("scripted"), "dance"), "the script"),
        (with(|r| r.command = Some(vec![String::new()])), "the command is empty"),
        (with(|r| r.command = Some(vec!["true".into(), "\0".into()])), "NUL"),
        (with(|r| r.command = Some(vec!["true".into(), "x".repeat(200_000)])), "200000 bytes"),
        (with(|r| r.count = 0), "the count is 0"),
        (with(|r| r.count = 10_001), "the count is 10001"),
        (with(|r| r.timeout_ms = Some(0)), "the timeout is zero"),
        (with(|r| r.label = Some("a\nb".into())), "control character"),
        (with(|r| r.label = Some("x".repeat(LABEL_MAX + 1))), "1025 bytes"),
        (with(|r| drop(r.env.insert("A=B".into(), String::new()))), "\"A=B\""),
        (with(|r| drop(r.env.insert("A".into(), "\0".into()))), "variable A"),
        (with(|r| r.cwd = Some("/nonexistent".into())), "/nonexistent"),
        (command(&["no-such-program"]), "no-such-program"),
        (with(|r| r.mcp_servers = vec![server("x")]), "MCP servers are for a harness"),
        (with(|r| r.mcp_servers = vec![McpServer("x".into())]), "name of an MCP server is empty"),
    ];
    for (request, expected) in cases {
        let refused = refusal(request);
        assert!(refused.contains(expected), "{refused:?} does not say {expected:?}");
    }
}

#[test]
fn a_fingerprint_tells_requests_apart_and_holds_no_secret() {
    let mut first = command(&["true"]);
    first.env.insert("TOKEN".into(), "one".into());
    let mut second = first.clone();
    second.env.insert("TOKEN".into(), "two".into());
    first.mcp_servers = vec![server("one")];
    second.mcp_servers = vec![server("two")];
    assert_eq!(fingerprint(&first), fingerprint(&second));
    second.label = Some("x".into());
    assert_ne!(fingerprint(&first), fingerprint(&second));
    second.label = None;
    second.mcp_servers.clear();
    assert_ne!(fingerprint(&first), fingerprint(&second));
}

#[test]
fn of_mcp_servers_the_spec_has_the_names() {
    let mut config = config();
    let harness = toml::from_str("runtime = \"acp\"\ncommand = [\"true\"]").unwrap();
    config.profiles.insert("harness".into(), harness);
    let mut request = task(Some("harness"), "x");
    request.mcp_servers = vec![server("s3cret")];
    let checked = check(request, None, &config, own()).unwrap();
    assert_eq!(checked.spec.conversation.mcp_servers, ["s"]);
    assert_eq!(checked.mcp_servers, [server("s3cret")]);
    assert!(!serde_json::to_string(&checked.spec).unwrap().contains("s3cret"));
}
