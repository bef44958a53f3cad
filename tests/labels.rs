//! Labels and metadata come back byte for byte, are refused beyond their limits, and are shown
//! safely.

use std::collections::BTreeMap;

use serde_json::json;

use crate::env::TestEnv;
use crate::http::wire::At;

fn hostile() -> Vec<String> {
    let mut labels: Vec<String> = [
        "--help",
        "-rf",
        "-",
        "--",
        "$(id)",
        "`id`",
        "; rm -rf /",
        "../../x",
        "a/b?c#d%20e+f&g=h",
        "🦊",
        "👩‍👩‍👧",
        "שלום",
        "\u{202e}evil",
        "e\u{301}",
        "é",
        "\u{feff}bom",
        "%s%n",
        "{i}",
        "{task}",
        "null",
        "\"quoted\" \\ 'both'",
        " ",
        "  padded  ",
        "a,b",
        "<b>&amp;",
        "\u{fffd}",
        "\u{10ffff}",
        "*",
    ]
    .map(str::to_owned)
    .to_vec();
    labels.push("é".repeat(512));
    labels
}

fn escaped(text: &str) -> String {
    use std::fmt::Write as _;
    let mut escaped = String::new();
    for byte in text.bytes() {
        write!(escaped, "%{byte:02X}").unwrap();
    }
    escaped
}

#[test]
fn labels_come_back_byte_for_byte() {
    let env = TestEnv::new();
    let _ = env.run(["status"]).success();
    let at = At::socket_of(&env);
    for label in hostile() {
        let given = format!("--label={label}");
        let id = env.spawn([&given, "--", "true"]);
        let _ = env.run(["wait", &id]).success();
        assert_eq!(env.agent(&id)["label"], label);
        let by_label = env.run(["status", "--json", "--", &label]).success().one();
        assert_eq!(by_label["id"], id, "{label:?}");
        for event in env.events(&id) {
            assert_eq!(event["label"], label);
        }
        let records = env.run(["audit", "--json", "--agent", &id]).success().json();
        assert!(records.len() >= 2 && records.iter().all(|it| it["label"] == label), "{records:?}");
        if label != "-" && !label.starts_with("..") {
            let one = at.get(&format!("/api/v1/agents/{}", escaped(&label))).expect(200);
            assert_eq!(one["id"], id, "{label:?}");
        }
        let list = at.get(&format!("/api/v1/agents?label={}", escaped(&label))).expect(200);
        assert_eq!(list["agents"][0]["label"], label);
        let events = at.get(&format!("/api/v1/events?label={}", escaped(&label))).expect(200);
        assert!(events["events"].as_array().unwrap().iter().all(|it| it["label"] == label));
    }
    // After a restart they are read from the disk.
    let before = env.run(["status", "--all", "--json"]).success().stdout;
    let _ = env.run(["shutdown"]).success();
    assert_eq!(env.run(["status", "--all", "--json"]).success().stdout, before);
}

#[test]
fn labels_are_shown_without_what_steers_or_hides() {
    let env = TestEnv::new();
    let body = |label: &str| json!({"command": ["true"], "label": label, "metadata": {"k": "a\u{1b}[2Jb\nc"}});
    let _ = env.run(["status"]).success();
    let at = At::socket_of(&env);
    for label in hostile() {
        at.post("/api/v1/agents", &body(&label)).expect(201);
    }
    let all = at.get("/api/v1/agents").expect(200);
    let rows = all["agents"].as_array().unwrap().len();
    let table = env.run(["status"]).success().stdout;
    for shown in [
        table.clone(),
        env.run(["audit"]).success().stdout,
        env.run(["status", "--", "\u{202e}evil"]).success().stdout,
        env.run(["kill", "--", "\u{202e}evil"]).success().stdout,
    ] {
        let bad = shown.chars().find(|c| {
            (c.is_control() && *c != '\n') || matches!(c, '\u{202a}'..='\u{202e}' | '\u{feff}')
        });
        assert_eq!(bad, None, "{shown:?}");
    }
    assert_eq!(table.lines().count(), rows + 2, "a row for each:\n{table}");
    assert!(table.lines().all(|line| line.chars().count() <= 100), "{table}");
}

#[test]
fn metadata_comes_back_byte_for_byte() {
    let env = TestEnv::new();
    let metadata: BTreeMap<&str, String> = BTreeMap::from([
        ("lines", "one\ntwo\r\n\tthree\n".to_owned()),
        ("escape", "\u{1b}[31m\u{7}".to_owned()),
        ("empty", String::new()),
        ("equals", "a=b=c".to_owned()),
        ("--flag", "$(id)".to_owned()),
        ("ключ 🦊", "שלום".to_owned()),
        ("long", "x".repeat(8 * 1024)),
    ]);
    let given: Vec<String> =
        metadata.iter().map(|(key, value)| format!("--meta={key}={value}")).collect();
    let mut args: Vec<&str> = given.iter().map(String::as_str).collect();
    args.extend(["--", "true"]);
    let id = env.spawn(args);
    let _ = env.run(["wait", &id]).success();
    assert_eq!(env.agent(&id)["metadata"], json!(metadata));
    let spawned = env.events(&id)[0].clone();
    assert_eq!(spawned["data"]["spec"]["metadata"], json!(metadata), "{spawned}");
    let at = At::socket_of(&env);
    assert_eq!(at.get(&format!("/api/v1/agents/{id}")).expect(200)["metadata"], json!(metadata));
    let found = env.run(["status", "-q", "--meta", "lines=one\ntwo\r\n\tthree\n"]).success().stdout;
    assert_eq!(found.trim(), id);
    let shown = env.run(["status", &id]).success().stdout;
    assert!(!shown.contains(['\u{1b}', '\u{7}', '\r']), "{shown:?}");
}

#[test]
fn beyond_the_limits_they_are_refused() {
    let env = TestEnv::new();
    let _ = env.run(["status"]).success();
    let at = At::socket_of(&env);
    let text = |bytes: usize| "x".repeat(bytes);
    let many: BTreeMap<String, String> = (0..65).map(|n| (n.to_string(), String::new())).collect();
    for (field, value, limit) in [
        ("label", json!(text(1025)), "1024"),
        ("label", json!("é".repeat(513)), "1024"),
        ("label", json!(text(1024 * 1024)), "1024"),
        ("group", json!(text(257)), "256"),
        ("session", json!(text(1025)), "1024"),
        ("metadata", json!({ text(257): "v" }), "256"),
        ("metadata", json!({"k": text(8 * 1024 + 1)}), "8192"),
        ("metadata", json!({"k": "\u{0}"}), "NUL"),
        ("metadata", json!(many), "64"),
    ] {
        let answer = at.post("/api/v1/agents", &json!({"command": ["true"], field: value}));
        assert_eq!(answer.problem(400), "invalid_request", "{field}");
        let message = answer.json()["error"]["message"].as_str().unwrap().to_owned();
        assert!(message.contains(limit), "{message}");
        assert!(message.len() < 1000, "what is refused is not repeated: {}", message.len());
    }
    let long = format!("--label={}", text(100_000));
    let refused = env.run(["spawn", "--json", &long, "--", "true"]).code(2);
    assert!(refused.error()["message"].as_str().unwrap().contains("1024"), "{refused:?}");
    assert_eq!(env.run(["status", "--all", "--json"]).success().stdout, "");
}
