//! What a page in a browser can send to a daemon on this machine, with and without a rebound name.

use super::wire::{KEY, Listening, over_unix};
use crate::env::TestEnv;

const SPAWN: &str = r#"{"command":["touch","/tmp/never"]}"#;

fn nothing_was_spawned(env: &TestEnv) {
    assert_eq!(env.run(["status", "--all", "--json"]).success().stdout, "");
}

#[test]
fn a_page_can_spawn_nothing_and_read_nothing() {
    let env = TestEnv::new();
    let daemon = Listening::start(&env);
    let evil = ("origin", "https://evil.example");
    for (line, headers) in [
        // fetch(…, {mode: "no-cors"}), a form, a form with a file, an image, a WebSocket, EventSource.
        ("POST /api/v1/agents", vec![("content-type", "text/plain"), evil]),
        ("POST /api/v1/agents", vec![("content-type", "application/x-www-form-urlencoded"), evil]),
        ("POST /api/v1/agents", vec![("content-type", "multipart/form-data; boundary=x"), evil]),
        ("POST /api/v1/agents", vec![("content-type", "text/plain"), ("origin", "null")]),
        ("POST /api/v1/agents", vec![("content-type", "text/plain")]),
        ("GET /api/v1/agents", vec![("sec-fetch-site", "cross-site"), ("accept", "image/*")]),
        ("GET /api/v1/events", vec![("upgrade", "websocket"), evil]),
        ("GET /api/v1/events", vec![("accept", "text/event-stream"), evil]),
        ("OPTIONS /api/v1/agents", vec![("access-control-request-method", "POST"), evil]),
    ] {
        let body = if line.starts_with("POST") { SPAWN } else { "" };
        let answer = daemon.ask(line, &headers, body);
        assert!([401, 403, 415].contains(&answer.status), "{line} {headers:?}: {answer:?}");
        assert!(!answer.text.to_lowercase().contains("access-control-allow"), "{answer:?}");
    }
    nothing_was_spawned(&env);
}

#[test]
fn a_page_that_knows_the_key_is_refused_all_the_same() {
    let env = TestEnv::new();
    let daemon = Listening::start(&env);
    let bearer = format!("Bearer {KEY}");
    let key = ("authorization", bearer.as_str());
    let json = ("content-type", "application/json");
    for origin in ["https://evil.example", "null", "http://localhost.evil.example"] {
        let answer = daemon.ask("POST /api/v1/agents", &[key, json, ("origin", origin)], SPAWN);
        assert_eq!(answer.status, 403, "{origin}: {answer:?}");
    }
    let plain = daemon.ask("POST /api/v1/agents", &[key, ("content-type", "text/plain")], SPAWN);
    assert_eq!(plain.status, 415, "{plain:?}");
    // The socket takes no page's request either, should something carry one there.
    let local = over_unix(
        &env.socket(),
        "POST /api/v1/agents",
        &[json, ("origin", "https://evil.example")],
        SPAWN,
    );
    assert_eq!(local.status, 403, "{local:?}");
    nothing_was_spawned(&env);
}

#[test]
fn a_rebound_name_is_refused_everywhere() {
    let env = TestEnv::new();
    let daemon = Listening::start(&env);
    let bearer = format!("Bearer {KEY}");
    let port = daemon.address.port();
    let strange = [
        format!("evil.example:{port}"),
        format!("localhost.evil.example:{port}"),
        format!("127.0.0.1.nip.example:{port}"),
        format!("[::ffff:7f00:1]:{port}"),
        format!("127.1:{port}"),
        format!("2130706433:{port}"),
        format!("localhost.:{port}"),
        format!("user@localhost:{port}"),
        "localhost".to_owned(),
        String::new(),
    ];
    for host in &strange {
        for path in ["/api/v1/agents", "/api/v1/events", "/metrics", "/healthz", "/readyz"] {
            let headers = [("host", host.as_str()), ("authorization", bearer.as_str())];
            let answer = daemon.send(&super::wire::request(&format!("GET {path}"), &headers, ""));
            assert!([400, 403].contains(&answer.status), "{host} {path}: {answer:?}");
            assert!(!answer.text.contains("\"pid\""), "{answer:?}");
        }
    }
    let none =
        format!("GET /metrics HTTP/1.1\r\nauthorization: {bearer}\r\nconnection: close\r\n\r\n");
    assert!([400, 403].contains(&daemon.send(none.as_bytes()).status));
    for host in [format!("localhost:{port}"), format!("127.0.0.1:{port}"), format!("[::1]:{port}")]
    {
        let headers = [("host", host.as_str()), ("authorization", bearer.as_str())];
        let answer = daemon.send(&super::wire::request("GET /metrics", &headers, ""));
        assert_eq!(answer.status, 200, "{host}: {answer:?}");
    }
}
