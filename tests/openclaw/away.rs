//! What the bridge does when the gateway fails: answers that are lost, other tokens, sessions that are not there.

use std::time::Duration;

use serde_json::Value;

use super::scripted::{Fate, SESSION, Scripted};
use crate::acp_face::client::{Client as AcpClient, timed};
use crate::env::{TestEnv, eventually};

const SECRET: &str = "a-gateway-token-that-nobody-may-see";

/// How the daemon says its bridge is.
fn bridge(env: &TestEnv) -> Value {
    let client = dash::client::Client::new(&dash::client::Target::Unix(env.socket())).unwrap();
    let body = super::lab::runtime().block_on(client.bridge()).unwrap();
    serde_json::to_value(body).unwrap()
}

#[track_caller]
fn until_told(env: &TestEnv, count: u64) {
    eventually("all is told", || {
        let state = bridge(env);
        if state["owed"] == 0 && state["told"] == count { Ok(()) } else { Err(state) }
    });
}

/// Spawns an agent that the session owns, and ends at once.
fn end(env: &TestEnv) -> String {
    env.spawn(["--session", SESSION, "--label", "brief", "--", "true"])
}

#[test]
fn an_end_is_told_once_whatever_became_of_the_answers() {
    let gateway = Scripted::start(SECRET);
    let env = gateway.dash("lines_max = 0");
    let _ = env.run(["status"]).success();
    gateway.until_connected(1);
    for (told, fates) in [
        &[Fate::KeptAnswerLost][..],
        &[Fate::Lost],
        &[Fate::Busy, Fate::Lost, Fate::Lost, Fate::KeptAnswerLost],
        &[Fate::Kept],
    ]
    .into_iter()
    .enumerate()
    {
        gateway.fates(fates.iter().copied());
        let id = end(&env);
        until_told(&env, u64::try_from(told).unwrap() + 1);
        assert_eq!(gateway.count(&id[..8]), 1, "{fates:?}: {:#?}", gateway.texts());
        assert_eq!(gateway.fates_left(), 0, "{fates:?}");
    }
    assert!(gateway.calls("chat.history") >= 4, "it looked before it repeated anything");
}

#[test]
fn a_turn_is_begun_once_whatever_became_of_the_answers() {
    let gateway = Scripted::start(SECRET);
    let env = gateway.dash("react = \"turn\"");
    let _ = env.run(["status"]).success();
    gateway.until_connected(1);
    for (told, fates) in
        [&[Fate::KeptAnswerLost][..], &[Fate::Lost, Fate::KeptAnswerLost]].into_iter().enumerate()
    {
        gateway.fates(fates.iter().copied());
        let id = end(&env);
        until_told(&env, u64::try_from(told).unwrap() + 1);
        assert_eq!(gateway.count(&id[..8]), 1, "{fates:?}: {:#?}", gateway.texts());
    }
    assert!(
        gateway.texts().iter().all(|text| text.starts_with("This is a report of the program dash"))
    );
}

#[test]
fn a_gateway_that_cannot_say_yet_what_it_has_is_given_nothing_again() {
    let gateway = Scripted::start(SECRET);
    for (way, more) in ["lines_max = 0", "react = \"turn\""].into_iter().enumerate() {
        let env = gateway.dash(more);
        let _ = env.run(["status"]).success();
        gateway.until_connected(2 * way + 1);
        gateway.refuse_looks(1);
        gateway.fates([Fate::KeptAnswerLost]);
        let id = end(&env);
        until_told(&env, 1);
        assert_eq!(gateway.count(&id[..8]), 1, "{more}: {:#?}", gateway.texts());
    }
    assert_eq!(gateway.calls("chat.history"), 4, "it asked until it was told");
}

#[test]
fn a_daemon_that_was_killed_with_a_message_under_way_finds_out_what_became_of_it() {
    let gateway = Scripted::start(SECRET);
    let env = gateway.dash("lines_max = 0");
    let _ = env.run(["status"]).success();
    gateway.until_connected(1);
    for fate in [Fate::KeptAnswerLost, Fate::Lost] {
        gateway.fates([fate]);
        let id = end(&env);
        eventually("the message was given to the gateway", || {
            let left = gateway.fates_left();
            if left == 0 { Ok(()) } else { Err(left) }
        });
        env.kill_daemon();
        let _ = env.run(["status"]).success();
        eventually("it stands in the session", || {
            let owed = bridge(&env)["owed"].clone();
            if owed == 0 && gateway.count(&id[..8]) > 0 { Ok(()) } else { Err(owed) }
        });
        // What comes after it shows that nothing is repeated.
        let next = end(&env);
        eventually("the next one too", || {
            let count = gateway.count(&next[..8]);
            if count == 1 { Ok(()) } else { Err(count) }
        });
        assert_eq!(gateway.count(&id[..8]), 1, "{fate:?}: {:#?}", gateway.texts());
    }
}

#[test]
fn another_token_is_found_and_none_is_ever_shown() {
    let gateway = Scripted::start(SECRET);
    let env = gateway.dash("lines_max = 0");
    let _ = env.run(["status"]).success();
    gateway.until_connected(1);
    gateway.restart_with("another-gateway-token-that-nobody-may-see");
    eventually("the old token is refused", || if gateway.refused() > 0 { Ok(()) } else { Err(()) });
    let id = end(&env);
    eventually("it says what is wrong", || {
        let state = bridge(&env);
        let said = state["last_error"].as_str().unwrap_or_default().contains("refuses the token");
        if said && state["owed"] == 1 { Ok(()) } else { Err(state) }
    });
    let doctor = env.run(["doctor"]);
    assert!(doctor.stdout.contains("refuses the token"), "{doctor:?}");
    gateway.write_config(&env);
    until_told(&env, 1);
    assert_eq!(gateway.count(&id[..8]), 1);

    let shown = [
        bridge(&env).to_string(),
        doctor.stdout,
        env.run(["watch", "--json", "--since", "beginning", &id]).stdout,
        env.run(["audit", "--json"]).stdout,
        env.run(["config", "show", "--json"]).stdout,
    ];
    assert!(shown.iter().all(|text| !text.contains("nobody-may-see")), "{shown:#?}");
    for file in files(&env.state()) {
        let text = String::from_utf8_lossy(&std::fs::read(&file).unwrap_or_default()).into_owned();
        assert!(!text.contains("nobody-may-see"), "{}", file.display());
    }
}

#[test]
fn a_prompt_over_acp_waits_for_no_gateway_that_refuses_the_token() {
    let gateway = Scripted::start(SECRET);
    let talk = "[profiles.talk]\nruntime = \"scripted\"\ntask = \"say you said {task}; wait\"";
    let env = gateway.dash(talk);
    gateway.restart_with("another token");
    let _ = env.run(["status"]).success();
    eventually("it says what is wrong", || {
        let state = bridge(&env);
        if state["last_error"].is_string() { Ok(()) } else { Err(state) }
    });
    let mut client = AcpClient::start(&env, &["--agent", "talk"]);
    client.initialize();
    let session = client.session(&env, Some(SESSION));
    let agents = || env.run(["status", "--all", "--json"]).success().json();

    // A prompt that is taken back while the bridge is waited for makes no agent.
    let prompt = client.prompt(&session, "hello");
    client.notify("session/cancel", &serde_json::json!({"sessionId": session}));
    let (reason, took) = timed(|| client.stop_reason(prompt));
    assert_eq!(reason, "cancelled");
    assert!(took < Duration::from_secs(3), "{took:?}");
    assert_eq!(agents(), Vec::<Value>::new());

    let (reason, took) = timed(|| client.turn(&session, "hello"));
    assert_eq!(reason, "end_turn");
    assert!(took < Duration::from_secs(15), "{took:?}");
    assert_eq!(client.text(&session), "you said hello");
    let agents = agents();
    assert_eq!((agents.len(), &agents[0]["metadata"]["openclaw.session"]), (1, &SESSION.into()));
}

#[test]
fn a_childs_label_waits_for_a_bridge_that_waits_before_its_next_try() {
    let gateway = Scripted::start(SECRET);
    let talk = "[profiles.talk]\nruntime = \"scripted\"\ntask = \"say you said {task}; wait\"";
    let env = gateway.dash(talk);
    // Nobody listens there, for so long that the next try is far away.
    let config = gateway.write_config(&env);
    let nowhere = "{gateway: {port: 9, auth: {token: 'x'}}}";
    std::fs::write(&config, nowhere).unwrap();
    let _ = env.run(["status"]).success();
    eventually("it has failed for long", || {
        let state = bridge(&env);
        let since: jiff::Timestamp = state["since"].as_str().unwrap().parse().unwrap();
        let long = jiff::Timestamp::now().duration_since(since).as_secs() >= 14;
        if long && state["last_error"].is_string() { Ok(()) } else { Err(state) }
    });
    gateway.write_config(&env);
    let mut client = AcpClient::start(&env, &["--agent", "talk"]);
    client.initialize();
    let session = client.session(&env, Some(SESSION));
    let (reason, took) = timed(|| client.turn(&session, "hello"));
    assert_eq!(reason, "end_turn");
    assert!(took < Duration::from_secs(3), "{took:?}");
    let agent = env.run(["status", "--json"]).success().one();
    assert_eq!(agent["label"], super::scripted::LABEL);
}

#[test]
fn a_session_that_is_not_there_is_given_up_and_named() {
    let gateway = Scripted::start(SECRET);
    let env = gateway.dash("lines_max = 0");
    let _ = env.run(["status"]).success();
    gateway.until_connected(1);
    let gone = env.spawn(["--session", "agent:main:gone", "--", "true"]);
    let there = end(&env);
    eventually("the other session is told meanwhile", || {
        let count = gateway.count(&there[..8]);
        if count == 1 { Ok(()) } else { Err(count) }
    });
    let state = eventually("it is given up", || {
        let state = bridge(&env);
        if state["dead"] == 1 { Ok(state) } else { Err(state) }
    });
    let letter = &state["dead_letters"][0];
    assert_eq!(
        (&letter["agent_id"], &letter["session"]),
        (&gone.clone().into(), &"agent:main:gone".into())
    );
    let posted = gateway.calls("chat.inject");
    let doctor = env.run(["doctor"]).stdout;
    assert!(doctor.contains("agent:main:gone: session not found"), "{doctor}");
    assert!(env.run(["status"]).stderr.contains("could not be told of 1 end"));
    let log = std::fs::read_to_string(env.state().join("daemon.log")).unwrap();
    assert!(log.contains("OpenClaw cannot be told") && log.contains("agent:main:gone"), "{log}");
    let metrics = super::lab::runtime().block_on(metrics(&env));
    assert!(metrics.contains("dash_openclaw_dead_letters_total 1"), "{metrics}");

    env.kill_daemon();
    let _ = env.run(["status"]).success();
    gateway.until_connected(2);
    eventually("it is remembered", || {
        let state = bridge(&env);
        if state["dead"] == 1 { Ok(()) } else { Err(state) }
    });
    let next = end(&env);
    eventually("others are told", || {
        let count = gateway.count(&next[..8]);
        if count == 1 { Ok(()) } else { Err(count) }
    });
    assert_eq!(gateway.calls("chat.inject"), posted + 1, "and the dead one is not tried again");
}

fn files(dir: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => files.extend(self::files(&entry.path())),
            Ok(kind) if kind.is_file() => files.push(entry.path()),
            _ => {}
        }
    }
    files
}

async fn metrics(env: &TestEnv) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut stream = tokio::net::UnixStream::connect(env.socket()).await.unwrap();
    let request = b"GET /metrics HTTP/1.1\r\nhost: dash\r\nconnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text
}

#[test]
fn a_bridge_that_nobody_asked_for_connects_to_nothing() {
    let gateway = Scripted::start(SECRET);
    let env = gateway.dash("");
    let config = env.dash_home().join("config.toml");
    let on = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, on.replace("enabled = true", "enabled = false")).unwrap();
    let id = end(&env);
    env.until(&id, "it has ended", |agent| agent["status"] == "completed");
    assert_eq!(bridge(&env)["state"], "off");
    let daemon = dash::client::Client::new(&dash::client::Target::Unix(env.socket())).unwrap();
    let refused = super::lab::runtime().block_on(daemon.openclaw_session(SESSION)).unwrap_err();
    assert!(refused.to_string().contains("the bridge to OpenClaw is off"), "{refused}");
    assert!(!env.run(["doctor"]).stdout.contains("bridge to OpenClaw"), "nothing to say about it");
    assert_eq!((gateway.connections(), gateway.refused()), (0, 0));
    assert!(!env.state().join("openclaw-outbox.json").exists());
}
