//! Chat completions over TCP: a turn of an agent, as any client of the API sees it.

use std::io::{BufRead as _, BufReader, Write as _};

use serde_json::{Value, json};

use crate::env::{TestEnv, eventually};
use crate::http::wire::{Answer, At};

const COMPLETIONS: &str = "/v1/chat/completions";
const CONFIG: &str = r#"
[daemon]
listen = "127.0.0.1:0"
[profiles.played]
runtime = "scripted"
[profiles.shell]
runtime = "command"
command = ["sh", "-c", "{task}"]
"#;

struct Endpoint {
    env: TestEnv,
    at: At,
    bearer: String,
}

impl Endpoint {
    fn new() -> Self {
        Self::with_config(CONFIG)
    }

    fn with_config(config: &str) -> Self {
        let env = TestEnv::with_config(config);
        let _ = env.run(["status"]).success();
        let (at, bearer) = Self::reached(&env);
        Self { env, at, bearer }
    }

    fn reached(env: &TestEnv) -> (At, String) {
        let lock = std::fs::read(env.state().join("daemon.lock")).unwrap();
        let lock: Value = serde_json::from_slice(&lock).unwrap();
        let key = std::fs::read_to_string(env.dash_home().join("key")).unwrap();
        (At::Tcp(lock["listen"].as_str().unwrap().to_owned()), format!("Bearer {}", key.trim()))
    }

    fn ask(&self, body: &Value, session: Option<&str>) -> Answer {
        let mut headers = vec![("authorization", self.bearer.as_str())];
        headers.extend(session.map(|session| ("x-dash-session", session)));
        self.at.call("POST", COMPLETIONS, &headers, body.to_string().as_bytes())
    }

    fn count(&self) -> usize {
        self.env.run(["status", "--all", "--json"]).success().json().len()
    }
}

fn one(model: &str, text: &str) -> Value {
    json!({"model": model, "messages": [{"role": "user", "content": text}]})
}

fn content(answer: &Answer) -> String {
    let body = answer.expect(200);
    body["choices"][0]["message"]["content"].as_str().unwrap().to_owned()
}

/// The `data` of a stream, but for the last `[DONE]`.
fn chunks(answer: &Answer) -> Vec<Value> {
    let text = String::from_utf8(answer.body.clone()).unwrap();
    let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
    data.filter(|data| *data != "[DONE]").map(|data| serde_json::from_str(data).unwrap()).collect()
}

#[test]
fn models_are_profiles_and_every_request_needs_the_key() {
    let end = Endpoint::new();
    let bare = end.at.get("/v1/models").expect(401);
    assert_eq!(bare["error"]["code"], "invalid_api_key", "{bare}");
    let key = [("authorization", end.bearer.as_str())];
    let listed = end.at.call("GET", "/v1/models", &key, b"").expect(200);
    let names: Vec<_> = listed["data"].as_array().unwrap().iter().map(|it| &it["id"]).collect();
    assert!(names.contains(&&json!("played")) && names.contains(&&json!("shell")), "{listed}");
    let strange = end.ask(&one("strange", "x"), None).expect(404);
    assert_eq!(strange["error"]["code"], "model_not_found", "{strange}");
    let empty = end.ask(&json!({"model": "played", "messages": []}), None).expect(400);
    assert_eq!(empty["error"]["type"], "invalid_request_error", "{empty}");
    assert_eq!(end.count(), 0);
}

#[test]
fn an_answer_comes_whole_or_in_chunks() {
    let end = Endpoint::new();
    assert_eq!(content(&end.ask(&one("shell", "echo hello"), None)), "hello\n");
    let mut streamed = one("played", "think hm; say one; say two");
    streamed["stream"] = json!(true);
    streamed["stream_options"] = json!({"include_usage": true});
    let told = chunks(&end.ask(&streamed, None));
    let text: String =
        told.iter().filter_map(|it| it["choices"][0]["delta"]["content"].as_str()).collect();
    assert_eq!(text, "one\n\ntwo");
    assert_eq!(told[0]["choices"][0]["delta"]["role"], "assistant");
    assert!(told.iter().any(|it| it["choices"][0]["delta"]["reasoning_content"] == "hm\n"));
    let last = &told[told.len() - 2..];
    assert_eq!(last[0]["choices"][0]["finish_reason"], "stop");
    assert!(last[1]["usage"]["total_tokens"].is_u64(), "{last:?}");
}

#[test]
fn what_fails_is_an_error_with_its_reason() {
    let end = Endpoint::new();
    let failed = end.ask(&one("shell", "echo why >&2; exit 3"), None).expect(422);
    let error = &failed["error"];
    assert_eq!(error["code"], "agent_failed");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("exit code 3") && message.contains("why"), "{message}");
}

#[test]
fn a_conversation_goes_on_with_the_same_agent_and_a_repeated_request_starts_nothing() {
    let end = Endpoint::new();
    let mut talk = one("played", "say hi; wait; wait");
    assert_eq!(content(&end.ask(&talk, Some("s"))), "hi");
    assert_eq!(content(&end.ask(&talk, Some("s"))), "hi", "asked again");
    let more =
        [json!({"role": "assistant", "content": "hi"}), json!({"role": "user", "content": "more"})];
    talk["messages"].as_array_mut().unwrap().extend(more);
    assert_eq!(content(&end.ask(&talk, Some("s"))), "heard: more");
    assert_eq!(content(&end.ask(&talk, Some("s"))), "heard: more", "asked again");
    assert_eq!(end.count(), 1);
    let found = end.env.run(["status", "--all", "--json", "--session", "s"]).success().one();
    assert_eq!(found["metadata"]["openclaw.session"], "s", "{found}");
}

#[test]
fn openclaws_child_keeps_its_label_and_is_found_from_both_sessions() {
    let end = Endpoint::new();
    let system = "OpenClaw\n## Session Context\n- Label: lbl-x\n- Requester session: agent:main:main.\n\
        - Requester channel: webchat.\n- Your session: agent:dash:subagent:1.\n## Runtime\n";
    let task = "[Wed 2026-11-25 05:13 UTC] [Subagent Context] x\n\n[Subagent Task]\n\nsay done\n\n\
        Begin. Execute the assigned task to completion.\n\n\
        Runtime: agent=dash | session=agent:dash:subagent:1 | host=vm";
    let own = "<<<BEGIN_OPENCLAW_INTERNAL_CONTEXT>>>\nnone";
    let body = json!({"model": "played", "tools": [{"type": "function"}], "messages": [
        {"role": "system", "content": system}, {"role": "user", "content": task},
        {"role": "user", "content": [{"type": "text", "text": own}]}]});
    assert_eq!(content(&end.ask(&body, None)), "done");
    for session in ["agent:main:main", "agent:dash:subagent:1"] {
        let agent =
            end.env.run(["status", "--all", "--json", "--session", session]).success().one();
        assert_eq!(agent["label"], "lbl-x");
        assert_eq!(agent["task"], "say done");
        assert_eq!(agent["session"], "agent:main:main");
        assert_eq!(agent["metadata"]["openclaw.parent_session"], "agent:main:main");
        assert_eq!(agent["metadata"]["openclaw.channel"], "webchat");
    }
}

#[test]
fn a_request_that_is_dropped_ends_what_it_asked_for() {
    let end = Endpoint::new();
    let At::Tcp(address) = &end.at else { unreachable!() };
    let mut body = one("shell", "exec sleep 600");
    body["stream"] = json!(true);
    let body = body.to_string();
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    write!(
        stream,
        "POST {COMPLETIONS} HTTP/1.1\r\nhost: {address}\r\nauthorization: {}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        end.bearer,
        body.len()
    )
    .unwrap();
    let status = || end.env.run(["status", "--all", "--json"]).success().json();
    let is = |wanted: &'static str| {
        move |agents: Vec<Value>| match agents.first() {
            Some(agent) if agent["status"] == wanted => Ok(()),
            other => Err(format!("{other:?}")),
        }
    };
    eventually("it runs", || is("running")(status()));
    drop(stream);
    eventually("it was killed", || is("killed")(status()));
}

#[test]
fn a_daemon_that_was_killed_answers_once_when_it_is_asked_again() {
    let end = Endpoint::new();
    let work = "echo begun >> log; sleep 2; echo result";
    let body = one("shell", work);
    let (at, bearer) = (end.at.clone(), end.bearer.clone());
    let first = std::thread::spawn(move || {
        let headers = [("authorization", bearer.as_str()), ("x-dash-session", "s")];
        let body = body.to_string();
        std::panic::catch_unwind(move || {
            at.call("POST", COMPLETIONS, &headers, body.as_bytes()).status
        })
    });
    eventually("it runs", || match end.env.run(["status", "--json"]).success().json().first() {
        Some(agent) if agent["status"] == "running" => Ok(()),
        other => Err(format!("{other:?}")),
    });
    end.env.kill_daemon();
    assert!(first.join().unwrap().is_err(), "the first request broke off");
    let _ = end.env.run(["status"]).success();
    let (at, bearer) = Endpoint::reached(&end.env);
    let again = Endpoint { env: end.env, at, bearer };
    assert_eq!(content(&again.ask(&one("shell", work), Some("s"))), "result\n");
    assert_eq!(again.count(), 1);
}

/// A caller of its own, that can be killed: it asks, and says nothing more.
fn caller(end: &Endpoint, body: &Value, session: &str) -> std::process::Child {
    let At::Tcp(address) = &end.at else { unreachable!() };
    let (host, port) = address.rsplit_once(':').unwrap();
    let body = body.to_string();
    let script = format!(
        "exec 3<>/dev/tcp/{host}/{port}; printf '%s\\r\\n' 'POST {COMPLETIONS} HTTP/1.1' 'host: {address}' \
         'authorization: {}' 'x-dash-session: {session}' 'content-type: application/json' \
         'content-length: {}' '' >&3; printf '%s' \"$BODY\" >&3; exec cat <&3",
        end.bearer,
        body.len()
    );
    let mut bash = std::process::Command::new("bash");
    bash.args(["-c", &script])
        .env("BODY", body)
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap()
}

#[test]
fn a_caller_that_dies_cancels_nothing_and_what_it_missed_is_told_to_the_next() {
    let end = Endpoint::new();
    let go = end.env.work().join("go");
    let work = format!("while [ ! -e {} ]; do sleep 0.05; done; echo the result", go.display());
    let mut talk = one("shell", &work);
    talk["stream"] = json!(true);
    let mut caller = caller(&end, &talk, "s");
    let running = || end.env.run(["status", "--json", "--status", "running"]).success().json();
    let agent = eventually("it runs", || running().pop().ok_or("no agent"));
    // The answer begins when it is known who the caller is.
    std::io::Read::read_exact(&mut caller.stdout.take().unwrap(), &mut [0]).unwrap();
    caller.kill().unwrap();
    caller.wait().unwrap();
    let log = end.env.state().join("daemon.log");
    eventually("the turn goes on", || {
        let log = std::fs::read_to_string(&log).unwrap();
        if log.contains("whoever asked has died") { Ok(()) } else { Err(log) }
    });
    assert_eq!((&running()[0]["id"], &running()[0]["unheard"]), (&agent["id"], &json!(true)));

    // A command takes no messages: what is said meanwhile waits until it has ended.
    talk["stream"] = json!(false);
    talk["messages"].as_array_mut().unwrap().push(json!({"role": "user", "content": "echo more"}));
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| content(&end.ask(&talk, Some("s"))));
        let mut streamed = talk.clone();
        streamed["stream"] = json!(true);
        let mut second = self::caller(&end, &streamed, "s");
        let mut told = BufReader::new(second.stdout.take().unwrap()).lines();
        let opening = told.find(|line| line.as_ref().unwrap().starts_with("data: "));
        assert!(opening.unwrap().unwrap().contains("\"role\":\"assistant\""), "it is open");
        assert_eq!((end.count(), &running()[0]["id"]), (1, &agent["id"]));
        assert_eq!(running()[0]["unheard"], Value::Null, "it is heard again");
        std::fs::write(&go, "").unwrap();
        assert_eq!(waits.join().unwrap(), "the result\n\nmore\n");
        let rest: String =
            told.map_while(Result::ok).take_while(|line| !line.contains("DONE")).collect();
        assert!(rest.contains("the result") && rest.contains("more\\n"), "{rest}");
        second.kill().unwrap();
        second.wait().unwrap();
    });
    assert_eq!(end.count(), 2, "both requests were the same turn");
    assert_eq!(content(&end.ask(&talk, Some("s"))), "the result\n\nmore\n", "asked again");
    let more = [
        json!({"role": "assistant", "content": "x"}),
        json!({"role": "user", "content": "echo last"}),
    ];
    talk["messages"].as_array_mut().unwrap().extend(more);
    assert_eq!(content(&end.ask(&talk, Some("s"))), "last\n", "it was told already");
}

#[test]
fn whoever_hangs_up_while_their_words_wait_stops_what_they_wait_for() {
    let end = Endpoint::new();
    let talk = one("shell", "exec sleep 600");
    let asked = |body: &Value| {
        let At::Tcp(address) = &end.at else { unreachable!() };
        let body = body.to_string();
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        write!(
            stream,
            "POST {COMPLETIONS} HTTP/1.1\r\nhost: {address}\r\nauthorization: {}\r\nx-dash-session: s\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            end.bearer,
            body.len()
        )
        .unwrap();
        stream
    };
    let status = |wanted: &'static str| {
        eventually(wanted, || {
            let agents = end.env.run(["status", "--all", "--json"]).success().json();
            let is = agents.len() == 1 && agents[0]["status"] == wanted;
            if is { Ok(()) } else { Err(agents) }
        });
    };
    let first = asked(&talk);
    status("running");
    let mut more = talk.clone();
    more["stream"] = json!(true);
    more["messages"].as_array_mut().unwrap().push(json!({"role": "user", "content": "echo more"}));
    let mut second = BufReader::new(asked(&more)).lines();
    assert!(second.any(|line| line.unwrap().starts_with("data: ")), "its words wait");
    drop(first);
    drop(second);
    status("killed");
}

#[test]
fn an_agent_that_nobody_goes_on_with_is_ended_and_another_follows_it() {
    let limit = CONFIG.replace("[daemon]", "[daemon]\nidle_timeout_ms = 300");
    let end = Endpoint::with_config(&limit);
    let mut talk = one("played", "say hi; repeat 9 wait");
    assert_eq!(content(&end.ask(&talk, Some("s"))), "hi");
    let all = || end.env.run(["status", "--all", "--json"]).success().json();
    let first = eventually("it is ended", || match all().pop() {
        Some(agent) if agent["status"] == "killed" => Ok(agent),
        other => Err(other),
    });
    assert!(first["reason"].as_str().unwrap().contains("idle_timeout_ms"), "{first}");
    let more = [
        json!({"role": "assistant", "content": "hi"}),
        json!({"role": "user", "content": "say more; repeat 9 wait"}),
    ];
    talk["messages"].as_array_mut().unwrap().extend(more);
    assert_eq!(content(&end.ask(&talk, Some("s"))), "more");
    // Nobody else's agents are ended: they may wait.
    let waits = end.env.spawn(["--agent", "played", "say hi; repeat 9 wait"]);
    let mine = end.env.until(&waits, "it waits", |agent| agent["status"] == "waiting");
    eventually("the second is ended", || {
        match all().iter().filter(|agent| agent["status"] == "killed").count() {
            2 => Ok(()),
            count => Err(count),
        }
    });
    assert_eq!(end.env.agent(&waits)["status"], mine["status"]);
}
