//! The HTTP API of the real daemon, over its Unix socket and over TCP.

mod contract;
mod events;
mod tcp;
pub(crate) mod wire;

use serde_json::{Value, json};

use crate::env::TestEnv;
use wire::At;

const AGENTS: &str = "/api/v1/agents";

fn started() -> (TestEnv, At) {
    started_with("")
}

fn started_with(config: &str) -> (TestEnv, At) {
    let env = TestEnv::with_config(config);
    let _ = env.run(["status"]).success();
    let at = At::socket_of(&env);
    (env, at)
}

fn spawn(at: &At, body: &Value) -> Vec<Value> {
    at.post(AGENTS, body).expect(201)["agents"].as_array().unwrap().clone()
}

fn id(agent: &Value) -> &str {
    agent["id"].as_str().unwrap()
}

#[test]
fn a_life_over_http() {
    let (env, at) = started();
    let agents = spawn(&at, &json!({"command": ["cat"], "label": "c", "stdin": true}));
    let path = format!("{AGENTS}/{}", id(&agents[0]));
    env.until("c", "it runs", |agent| agent["status"] == "running");
    let sent = at.post(&format!("{path}/messages"), &json!({"text": "hello"})).expect(202);
    assert_eq!(sent["agent_id"], agents[0]["id"]);
    let got = at.get(&path).expect(200);
    assert_eq!((&got["label"], &got["pid"].is_i64()), (&json!("c"), &true));
    let killed = at.post(&format!("{path}/kill"), &json!({"grace_ms": 0})).expect(200);
    assert_eq!(killed["status"], "killed");
    let refused = at.post(&format!("{path}/messages"), &json!({"text": "late"}));
    assert_eq!(refused.problem(409), "refused");
    assert_eq!(at.get(&format!("{AGENTS}/c")).expect(200)["id"], agents[0]["id"]);
}

#[test]
fn a_brief_list_has_what_a_line_needs_and_no_more() {
    let (env, at) = started();
    let long = "x".repeat(5000);
    spawn(&at, &json!({"command": ["true", long], "label": "done", "metadata": {"a": "b"}}));
    env.until("done", "it is over", |agent| agent["status"] == "completed");
    let full = at.get(&format!("{AGENTS}?label=done")).expect(200);
    let brief = at.get(&format!("{AGENTS}?label=done&brief=true")).expect(200);
    assert_eq!(brief["next"], full["next"]);
    let (row, agent) = (&brief["agents"][0], &full["agents"][0]);
    for (name, value) in row.as_object().unwrap().iter().filter(|(name, _)| *name != "command") {
        assert_eq!(value, &agent[name], "{name} means the same");
    }
    let names: Vec<_> = row.as_object().unwrap().keys().map(String::as_str).collect();
    let expected = "id label index status command created_at started_at ended_at exit_code";
    assert_eq!(names.join(" "), expected);
    let words: Vec<_> =
        row["command"].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
    assert_eq!((words[0], words.len()), ("true", 2));
    assert!(words[1].len() < 500 && words[1].ends_with('…'), "a line cannot show all of it");
}

#[test]
fn what_makes_no_sense_is_400() {
    let (env, at) = started();
    let post = |body: Value| at.post(AGENTS, &body).problem(400);
    for body in [
        json!({}),
        json!({"command": ["true"], "task": "x"}),
        json!({"command": ["true"], "count": 0}),
        json!({"command": ["true"], "count": 1_000_000_000}),
        json!({"command": ["true"], "count": -1}),
        json!({"command": ["true"], "timeout_ms": 0}),
        json!({"command": ["true"], "label": "a\nb"}),
        json!({"command": ["true"], "label": "x".repeat(1024 * 1024)}),
        json!({"command": ["true"], "label": ""}),
        json!({"command": ["true"], "lable": "typo"}),
        json!({"command": ["true"], "env": {"A=B": "x"}}),
        json!({"command": "true"}),
        json!([]),
        json!(null),
    ] {
        assert_eq!(post(body.clone()), "invalid_request", "{body}");
    }
    assert_eq!(post(json!({"command": []})), "invalid_command");
    assert_eq!(post(json!({"command": ["true", "a\u{0}b"]})), "invalid_command");
    assert_eq!(post(json!({"command": ["no-such-program"]})), "invalid_command");
    assert_eq!(post(json!({"command": ["true"], "cwd": "/nope"})), "invalid_cwd");
    assert_eq!(post(json!({"task": "x", "profile": "nope"})), "invalid_profile");
    assert_eq!(post(json!({"task": "dance", "profile": "scripted"})), "invalid_request");
    for body in ["", "{", "\u{feff}{}", "{\"command\":[\"true\"]}x"] {
        assert_eq!(at.call("POST", AGENTS, &[], body.as_bytes()).status, 400, "{body:?}");
    }
    assert_eq!(
        at.call("POST", AGENTS, &[], b"{\"label\":\"\xff\"}").problem(400),
        "invalid_request"
    );
    for query in ["limit=0", "limit=x", "status=asleep", "nope=1", "after=x", "meta=x"] {
        let answer = at.get(&format!("{AGENTS}?{query}"));
        assert_eq!(answer.problem(400), "invalid_request", "{query}");
    }
    for query in ["since=soon", "limit=10001", "type=dance", "since=-1"] {
        let answer = at.get(&format!("/api/v1/events?{query}"));
        assert_eq!(answer.problem(400), "invalid_request", "{query}");
    }
    assert_eq!(env.run(["status", "--all", "--json"]).success().stdout, "");
}

#[test]
fn what_is_not_there_or_not_meant_so() {
    let (env, at) = started();
    assert_eq!(at.get(&format!("{AGENTS}/nobody")).problem(404), "not_found");
    assert_eq!(at.get("/api/v1/nothing").problem(404), "not_found");
    assert_eq!(at.get("/").problem(404), "not_found");
    assert_eq!(at.call("DELETE", AGENTS, &[], b"").status, 405);
    let plain = at.call("POST", AGENTS, &[("content-type", "text/plain")], b"{}");
    assert_eq!(plain.problem(415), "invalid_request");
    let large = vec![b' '; 5 * 1024 * 1024];
    assert_eq!(at.call("POST", AGENTS, &[], &large).problem(413), "too_large");
    spawn(&at, &json!({"command": ["sleep", "600"], "label": "twin", "count": 2}));
    assert_eq!(at.get(&format!("{AGENTS}/twin")).problem(409), "ambiguous");
    let _ = env.run(["status"]).success();
}

#[test]
fn the_same_key_answers_with_the_same_agents() {
    let (_env, at) = started();
    let body = json!({"command": ["sleep", "600"], "count": 3}).to_string();
    let post = |key: &str, body: &str| {
        at.call("POST", AGENTS, &[("idempotency-key", key)], body.as_bytes())
    };
    let first = post("k", &body).expect(201);
    let ids = |page: &Value| {
        page["agents"].as_array().unwrap().iter().map(|it| id(it).to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(ids(&post("k", &body).expect(201)), ids(&first));
    assert_eq!(post("k", r#"{"command":["true"]}"#).problem(422), "key_reused");
    assert_eq!(post(&"k".repeat(257), &body).problem(400), "invalid_request");
    assert_eq!(ids(&at.get(AGENTS).expect(200)), ids(&first));
}

#[test]
fn a_full_queue_is_429_and_exit_code_75() {
    let (env, at) = started_with("[daemon]\nmax_running = 1\nmax_queued = 1\n");
    let body = json!({"command": ["sleep", "600"]});
    spawn(&at, &body);
    assert_eq!(spawn(&at, &body)[0]["status"], "queued");
    let full = at.post(AGENTS, &body);
    assert_eq!(full.problem(429), "queue_full");
    assert!(full.header("retry-after").is_some());
    assert_eq!(env.run(["spawn", "--json", "--", "true"]).code(75).error()["code"], "queue_full");
    // All or nothing.
    assert_eq!(at.post(AGENTS, &json!({"command": ["true"], "count": 2})).status, 429);
    assert_eq!(at.get(AGENTS).expect(200)["agents"].as_array().unwrap().len(), 2);
}

#[test]
fn agents_come_in_pages_and_by_filter() {
    let (_env, at) = started();
    spawn(&at, &json!({"command": ["true"], "count": 5, "group": "g", "metadata": {"k": "a,b=c"}}));
    spawn(&at, &json!({"command": ["true"], "label": "ü &?#/", "session": "s"}));
    let mut target = format!("{AGENTS}?limit=2");
    let mut sizes = Vec::new();
    loop {
        let page = at.get(&target).expect(200);
        sizes.push(page["agents"].as_array().unwrap().len());
        match page["next"].as_str() {
            Some(next) => target = format!("{AGENTS}?limit=2&after={next}"),
            None => break,
        }
    }
    assert_eq!(sizes.iter().sum::<usize>(), 6, "{sizes:?}");
    let count = |query: &str| {
        at.get(&format!("{AGENTS}?{query}")).expect(200)["agents"].as_array().unwrap().len()
    };
    assert_eq!(count("group=g"), 5);
    assert_eq!(count("session=s"), 1);
    assert_eq!(count("meta=k%3Da%2Cb%3Dc"), 5);
    assert_eq!(count("label=%C3%BC%20%26%3F%23%2F"), 1);
    assert_eq!(count("label=%C3%BC+%26%3F%23%2F"), 1);
    let one = at.get(&format!("{AGENTS}/%C3%BC%20%26%3F%23%2F")).expect(200);
    assert_eq!(one["label"], "ü &?#/");
}

#[test]
fn the_daemon_tells_how_it_is() {
    let (env, at) = started();
    let health = at.get("/healthz").expect(200);
    assert_eq!((&health["status"], &health["api"]), (&json!("ok"), &json!(1)));
    assert_eq!(health["pid"], env.daemon_pid().unwrap());
    assert_eq!(at.get("/readyz").expect(200)["status"], "ok");
    spawn(&at, &json!({"command": ["sleep", "600"], "count": 2}));
    let metrics = at.get("/metrics");
    assert!(metrics.header("content-type").unwrap().starts_with("application/openmetrics-text"));
    let text = String::from_utf8(metrics.body).unwrap();
    assert!(text.contains("dash_agents{") && text.ends_with("# EOF\n"), "{text}");
    assert!(at.get("/healthz").header("x-request-id").is_some());
    let named = at.call("GET", "/nothing", &[("x-request-id", "mine-1")], b"");
    assert_eq!(named.json()["error"]["request_id"], "mine-1");
}
