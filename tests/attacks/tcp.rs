//! Guessing keys, and requests that are meant to hurt.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::wire::{KEY, Listening, over_unix};
use crate::env::{PATIENCE, TestEnv};

#[test]
fn guessing_is_slowed_down_in_whatever_form_the_address_comes() {
    let env = TestEnv::new();
    let daemon = Listening::start_on(&env, "127.0.0.1:0");
    let guess = |n: usize| daemon.ask_as(&format!("guess-{n}"), "GET /api/v1/agents", "").status;
    let answers: Vec<u16> = (0..30).map(guess).collect();
    assert_eq!(answers[..10], [401; 10]);
    assert_eq!(answers[10..], [429; 20]);
    // Not even the right key is looked at, and a second one beside it changes nothing.
    assert_eq!(daemon.ask_as(KEY, "GET /api/v1/agents", "").status, 429);
    let (right, wrong) = (format!("Bearer {KEY}"), "Bearer x");
    let both = [("authorization", wrong), ("authorization", right.as_str())];
    assert!([401, 429].contains(&daemon.ask("GET /api/v1/agents", &both, "").status));
    // The owner's socket is another door.
    assert_eq!(over_unix(&env.socket(), "GET /api/v1/agents", &[], "").status, 200);
}

#[test]
fn an_agent_in_a_path_is_looked_up_and_never_opened() {
    let env = TestEnv::new();
    let daemon = Listening::start(&env);
    for path in [
        "/api/v1/agents/../../etc/passwd",
        "/api/v1/agents/..%2f..%2fetc%2fpasswd",
        "/api/v1/agents/%2e%2e/%2e%2e/etc/passwd",
        "/api/v1/agents/%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "/api/v1/agents/..%252f..%252fetc%252fpasswd",
        "/api/v1/agents/%2fetc%2fpasswd",
        "/api/v1/agents/passwd%00",
        "/api/v1/agents/%ff%fe",
        "/api/v1/agents/..%5c..%5cetc%5cpasswd/events",
        "/api/v1/agents/../audit",
        "//api/v1/agents",
        "/api/v1/agents/%2e%2e/events",
    ] {
        let answer = daemon.ask_as(KEY, &format!("GET {path}"), "");
        assert!([400, 404].contains(&answer.status), "{path}: {answer:?}");
        assert!(!answer.text.contains("root:"), "{path}");
    }
}

#[test]
fn oversized_and_broken_requests_are_refused_and_cost_nobody_else() {
    let env = TestEnv::new();
    let daemon = Listening::start(&env);
    let huge = "x".repeat(200 * 1024);
    let header = daemon.ask("GET /api/v1/agents", &[("x-junk", &huge)], "");
    assert!([0, 400, 431].contains(&header.status), "{}", header.status);
    let line = daemon.ask(&format!("GET /{huge}"), &[], "");
    assert!([0, 400, 414, 431].contains(&line.status), "{}", line.status);
    let body = format!(r#"{{"command":["true"],"label":"{}"}}"#, "x".repeat(5 * 1024 * 1024));
    let body = daemon.ask_as(KEY, "POST /api/v1/agents", &body);
    assert_eq!(body.status, 413, "{body:?}");
    for broken in [
        &b"GET / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n"[..],
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/1.1\r\nhost: a\0b\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        let answer = daemon.send(broken);
        assert!([0, 400, 401, 403].contains(&answer.status), "{answer:?}");
    }
    let nested = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let body = format!(r#"{{"metadata":{nested}}}"#);
    assert_eq!(daemon.ask_as(KEY, "POST /api/v1/agents", &body).status, 400);
    assert_eq!(daemon.ask_as(KEY, "GET /api/v1/agents", "").status, 200);
}

#[test]
fn headers_that_never_end_are_not_waited_for() {
    let env = TestEnv::new();
    let daemon = Listening::start(&env);
    let mut slow: Vec<TcpStream> =
        (0..20).map(|_| TcpStream::connect(daemon.address).unwrap()).collect();
    for stream in &mut slow {
        stream.write_all(b"GET /api/v1/agents HTTP/1.1\r\nhost: loc").unwrap();
    }
    assert_eq!(daemon.ask_as(KEY, "GET /api/v1/agents", "").status, 200);
    for mut stream in slow {
        stream.set_read_timeout(Some(PATIENCE.max(Duration::from_secs(30)))).unwrap();
        // It ends: with an answer or without one, but not when the reader's patience does.
        stream.read_to_end(&mut Vec::new()).unwrap();
    }
}

#[test]
fn variables_that_load_code_are_refused_over_tcp() {
    let env = TestEnv::new();
    let daemon = Listening::start(&env);
    for name in [
        "LD_PRELOAD",
        "LD_AUDIT",
        "NODE_OPTIONS",
        "BASH_ENV",
        "ENV",
        "PYTHONSTARTUP",
        "PERL5OPT",
        "RUBYOPT",
        "GIT_SSH_COMMAND",
        "JAVA_TOOL_OPTIONS",
        "DASH_API_KEY",
    ] {
        for place in ["env", "base_env"] {
            let body = format!(r#"{{"command":["true"],"{place}":{{"{name}":"s3cr3t"}}}}"#);
            let answer = daemon.ask_as(KEY, "POST /api/v1/agents", &body);
            assert_eq!(answer.status, 403, "{name}: {answer:?}");
            assert!(answer.text.contains(name) && !answer.text.contains("s3cr3t"), "{answer:?}");
        }
    }
    let server =
        r#"{"name":"x","command":"/x","args":[],"env":[{"name":"LD_PRELOAD","value":"s3cr3t"}]}"#;
    let body = format!(r#"{{"task":"x","mcp_servers":[{server}]}}"#);
    let answer = daemon.ask_as(KEY, "POST /api/v1/agents", &body);
    assert!(answer.status == 403 && !answer.text.contains("s3cr3t"), "{answer:?}");
    let body = r#"{"command":["true"],"env":{"LEVEL":"high"}}"#;
    assert_eq!(daemon.ask_as(KEY, "POST /api/v1/agents", body).status, 201);
    // Who sits at the machine may.
    env.run(["spawn", "--wait", "-e", "BASH_ENV=/dev/null", "--", "true"]).success();
}
