//! What makes no sense is answered, and the next line is read.

use serde_json::{Value, json};

use super::client::{Client, opening};
use super::home;
use crate::env::eventually;

/// The error that an answer without an id has.
#[track_caller]
fn complaint(client: &Client, nth: usize) -> Value {
    eventually("something is said about it", || {
        let heard = client.heard().into_iter();
        let mut complaints =
            heard.filter(|message| message["id"].is_null() && message.get("error").is_some());
        complaints.nth(nth).map(|message| message["error"].clone()).ok_or_else(|| client.heard())
    })
}

#[test]
fn garbage_is_complained_about_and_survived() {
    let env = home();
    let mut client = Client::start(&env, &[]);
    for (nth, (line, code)) in [
        (&b"hello"[..], -32700),
        (b"\xff\xfe\x00", -32700),
        (b"[]", -32600),
        (b"{}", -32600),
        (b"{\"id\":{},\"method\":\"initialize\"}", -32600),
    ]
    .into_iter()
    .enumerate()
    {
        client.write(line);
        assert_eq!(complaint(&client, nth)["code"], code);
    }
    client.write(b"");
    client.notify("nobody/knows", &json!({}));
    client.write(b"{\"id\":99,\"result\":{}}");
    assert_eq!(client.fail("nobody/knows", &json!({}))["code"], -32601);
    assert_eq!(client.fail("initialize", &json!({ "protocolVersion": [] }))["code"], -32602);
    client.initialize();
    for (method, params, code) in [
        ("session/new", json!({}), -32602),
        ("session/new", json!({ "cwd": "relative", "mcpServers": [] }), -32602),
        ("session/load", json!({ "sessionId": "no", "cwd": "/", "mcpServers": [] }), -32002),
        ("session/resume", json!({ "sessionId": "no", "cwd": "/", "mcpServers": [] }), -32002),
        ("session/prompt", json!({ "sessionId": "no", "prompt": [] }), -32002),
        ("session/close", json!({ "sessionId": "no" }), -32002),
        ("session/set_mode", json!({ "sessionId": "no", "modeId": "m" }), -32002),
    ] {
        let error = client.fail(method, &params);
        assert_eq!(error["code"], code, "{method}: {error}");
    }
    let session = client.session(&env, None);
    for prompt in [
        json!([]),
        json!([{ "type": "text", "text": " " }]),
        json!([{ "type": "image", "data": "", "mimeType": "image/png" }]),
    ] {
        let error =
            client.fail("session/prompt", &json!({ "sessionId": session, "prompt": prompt }));
        assert_eq!(error["code"], -32602, "{error}");
    }
    assert_eq!(env.daemon_pid(), None, "nothing of this reached a daemon");
    assert_eq!(client.turn(&session, "after all"), "end_turn");
    assert_eq!(client.stderr().matches("panicked").count(), 0, "{}", client.stderr());
}

#[test]
fn a_line_without_end_is_bounded_and_the_next_is_read() {
    let env = home();
    let mut client = Client::start(&env, &[]);
    client.initialize();
    client.write(&vec![b'x'; 40 * 1024 * 1024]);
    assert_eq!(complaint(&client, 0)["code"], -32600);
    let resident = super::many::kilobytes(client.pid(), "VmHWM");
    assert!(resident < 100 * 1024, "the line is not kept: {resident} KiB");
    let session = client.session(&env, None);
    // The longest that is a task passes; more is refused with the way out.
    let long = "x".repeat(900_000);
    assert_eq!(client.turn(&session, &long), "end_turn");
    let prompt = json!([{ "type": "text", "text": "x".repeat(2_000_000) }]);
    let error = client.fail("session/prompt", &json!({ "sessionId": session, "prompt": prompt }));
    assert!(error["message"].as_str().unwrap().contains("file"), "{error}");
}

#[test]
fn a_client_that_does_not_read_any_more_ends_it() {
    let env = home();
    let mut command = env.command(["acp"]);
    let mut child = command.stdin(std::process::Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let mut stdin = child.stdin.take().unwrap();
    let line = json!({ "id": 1, "method": "session/new", "params": opening(&env, None) });
    std::io::Write::write_all(&mut stdin, format!("{line}\n").as_bytes()).unwrap();
    let status = eventually("it ends", || child.try_wait().unwrap().ok_or(()));
    assert_eq!(status.code(), Some(0));
}

#[test]
fn arguments_that_are_not_openclaws_are_refused() {
    let env = home();
    for words in [&["acp", "--agnet", "x"][..], &["acp", "x"], &["acp", "--label", ""]] {
        env.run(words).code(2);
    }
}
