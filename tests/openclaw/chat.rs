//! `/dash …` typed in chat, on a real OpenClaw 2026.9.6 gateway: OpenClaw names the skill to the model, the (scripted)
//! model calls exec as the skill says, and `dashctl` does it.

use serde_json::{Value, json};

use super::bridge::{ON, ends, ids, until_connected, until_told};
use super::client::Client;
use super::lab::{Lab, MAIN, Setup, finish};
use super::model::{INTERNAL, text_of};
use crate::env::{alive, eventually, fifo};

/// A gateway with what `dash openclaw install` brings, and its session.
fn lab(setup: Setup, parts: &str) -> (Lab, Client) {
    let lab = setup.dash_config(ON).dashctl().start();
    let bin = lab.dash.home().join("bin");
    let args = ["openclaw", "install", "--apply", "--part", parts, "--link", bin.to_str().unwrap()];
    let installed = finish(lab.command(env!("CARGO_BIN_EXE_dash"), args));
    assert_eq!(installed.code, Some(0), "{installed:#?}");
    let client = lab.client();
    client.subscribe(MAIN);
    client.turn(MAIN, "SAY hello");
    let _ = lab.dash.run(["status"]).success();
    until_connected(&lab);
    (lab, client)
}

/// Types it, and gives what the model was told by exec.
#[track_caller]
fn type_in(client: &Client, text: &str) -> String {
    let turn = client.turn(MAIN, text);
    assert_eq!(turn.state, "final", "{turn:#?}");
    turn.text
}

/// All that can be typed, each does it, once.
fn every_verb(lab: &Lab, client: &Client) {
    let talk = lab.dash.program(
        "talk",
        "#!/bin/sh\necho ready\nwhile read -r line; do echo \"heard $line\"; done\n",
    );
    let spawned = type_in(
        client,
        &format!("/dash spawn --json --label talker --meta ticket=7 --stdin -- {}", talk.display()),
    );
    let agent = lab.dash.agent("talker");
    let id = agent["id"].as_str().unwrap().to_owned();
    assert!(spawned.contains(&id), "the id is told at once: {spawned}");
    // What the model read: which skill, and where it is.
    let asked = lab.model.asked();
    let body = asked
        .iter()
        .rev()
        .find(|asked| asked.body.to_string().contains("--label talker"))
        .unwrap()
        .body
        .to_string();
    assert!(body.contains("explicitly referenced skills"), "{body}");
    let file = lab.state().join("skills/dash/SKILL.md");
    assert!(
        body.contains(file.to_str().unwrap()) || body.contains("~/.openclaw/skills/dash/SKILL.md"),
        "{body}"
    );

    lab.dash.until(&id, "it has said so", |agent| {
        agent["last_seq"].as_u64() > Some(2) && agent["status"] == "running"
    });
    let listed = type_in(client, &format!("/dash list --json --session '{MAIN}'"));
    assert!(listed.contains(&id) && listed.contains("\"status\":\"running\""), "{listed}");
    let status = type_in(client, "/dash status --json talker");
    assert!(status.contains(&id) && status.contains("\"ticket\":\"7\""), "{status}");
    let sent = type_in(client, "/dash send --json talker 'hello there'");
    assert!(sent.contains("\"delivered\"") || sent.contains("delivered"), "{sent}");
    eventually("it has heard", || {
        let logs = lab.dash.run(["logs", "talker"]).success().stdout;
        if logs.contains("heard hello there") { Ok(()) } else { Err(logs) }
    });
    let logs = type_in(client, "/dash logs talker --tail 40");
    assert!(logs.contains("ready") && logs.contains("heard hello there"), "{logs}");
    let watched = type_in(client, "/dash watch talker --since beginning --timeout 2s");
    assert!(watched.contains("talker | heard hello there"), "{watched}");
    let killed = type_in(client, "/dash kill --json talker");
    assert!(killed.contains("\"status\":\"killed\""), "{killed}");
    assert!(!alive(i32::try_from(agent["pid"].as_i64().unwrap_or(i64::from(i32::MAX))).unwrap()));
    eventually("its end is told", || {
        let told = ends(client, std::slice::from_ref(&id));
        if told[&id] == 1 { Ok(()) } else { Err(told) }
    });
    // The label, the owner and the metadata, on every event.
    for event in lab.dash.events(&id) {
        assert_eq!(
            (&event["label"], &event["session"]),
            (&json!("talker"), &json!(MAIN)),
            "{event}"
        );
    }
}

#[test]
fn heavy_every_verb_is_done_as_typed_and_twenty_agents_outlive_the_gateway() {
    let (mut lab, client) = lab(Setup::default(), "none");
    every_verb(&lab, &client);

    // A wish in plain words: OpenClaw lists the skill to the model without `/dash`.
    type_in(&client, "run five reviewers on this");
    let asked = lab.model.asked().last().unwrap().body.to_string();
    assert!(asked.contains("long-running agents that outlive this chat"), "{asked}");

    let go = lab.dash.home().join("go");
    fifo(&go);
    let script = lab.dash.program(
        "wait",
        &format!("#!/bin/sh\n: < '{}'\necho \"result of $DASH_AGENT_ID\"\n", go.display()),
    );
    let told = type_in(
        &client,
        &format!("/dash spawn --quiet --label twenty --count 20 -- {}", script.display()),
    );
    let found =
        lab.dash.run(["status", "--quiet", "--session", MAIN, "--status", "running"]).success();
    let ids = ids(&found.stdout);
    assert_eq!(ids.len(), 20);
    assert!(ids.iter().all(|id| told.contains(id.as_str())), "{told}");
    let pids: Vec<i32> = ids
        .iter()
        .map(|id| {
            let agent = lab.dash.until(id, "it runs", |agent| agent["pid"].is_i64());
            i32::try_from(agent["pid"].as_i64().unwrap()).unwrap()
        })
        .collect();
    lab.kill();
    client.until_closed();
    assert!(pids.iter().all(|pid| alive(*pid)), "all run on");
    // For reading too, so that opening it waits for nobody.
    let held = std::fs::OpenOptions::new().read(true).write(true).open(&go).unwrap();
    for id in &ids {
        lab.dash.until(id, "it has ended", |agent| agent["status"] == "completed");
    }
    lab.restart();
    let client = lab.client();
    eventually("every end is told", || {
        let told = ends(&client, &ids);
        if told.values().all(|count| *count == 1) { Ok(()) } else { Err(told) }
    });
    // Nothing more comes: what is told after it shows that.
    let last = lab.dash.spawn(["--session", MAIN, "--label", "last", "--", "true"]);
    eventually("the next end is told", || {
        let told = ends(&client, std::slice::from_ref(&last));
        if told[&last] == 1 { Ok(()) } else { Err(told) }
    });
    assert!(ends(&client, &ids).values().all(|count| *count == 1));
    let history =
        client.ok("chat.history", &json!({"sessionKey": MAIN, "limit": 1000})).to_string();
    for id in &ids {
        assert_eq!(history.matches(&format!("result of {id}")).count(), 1, "its result, once");
    }
    drop(held);
}

#[test]
fn heavy_every_verb_is_done_in_allowlist_mode_with_one_rule() {
    let (lab, client) = lab(Setup::default().exec_mode("allowlist"), "allowlist");
    every_verb(&lab, &client);
    // The rule is for dashctl alone.
    let other = type_in(&client, r#"CALL exec {"command": "touch /tmp/dash-not-allowed"}"#);
    assert!(other.contains("denied") || other.contains("allowlist"), "{other}");
    let rules = client.ok("exec.approvals.get", &json!({}));
    let rules = rules["file"]["agents"]["*"]["allowlist"].as_array().cloned().unwrap_or_default();
    assert_eq!(rules.len(), 1, "{rules:?}");
}

#[test]
fn heavy_a_thousand_agents_of_one_session_by_one_command_in_chat() {
    let (lab, client) = lab(Setup::default(), "none");
    let go = lab.dash.home().join("go");
    fifo(&go);
    let script = lab.dash.program("wait", &format!("#!/bin/sh\n: < '{}'\n", go.display()));
    let turns = |lab: &Lab| {
        let asked = lab.model.asked();
        let by_people =
            |message: &Value| message["role"] == "user" && !text_of(message).starts_with(INTERNAL);
        asked.last().map_or(0, |last| {
            last.body["messages"].as_array().unwrap().iter().filter(|it| by_people(it)).count()
        })
    };
    let before = turns(&lab);
    let begin = std::time::Instant::now();
    let told = type_in(
        &client,
        &format!("/dash spawn --quiet --label thousand --count 1000 -- {}", script.display()),
    );
    let typed = begin.elapsed();
    let running = ["status", "--quiet", "--session", MAIN, "--status", "running"];
    let ids = eventually("a thousand run at once", || {
        let found = ids(&lab.dash.run(running).success().stdout);
        if found.len() == 1000 { Ok(found) } else { Err(found.len()) }
    });
    let all = begin.elapsed();
    // The chat shows the beginning of a long answer.
    assert!(ids.iter().filter(|id| told.contains(id.as_str())).count() > 50, "{told}");
    let held = std::fs::OpenOptions::new().read(true).write(true).open(&go).unwrap();
    until_told(&lab, 1000);
    let every_end = begin.elapsed();
    let told = ends(&client, &ids);
    let wrong: Vec<_> = told.iter().filter(|(_, count)| **count != 1).collect();
    assert!(wrong.is_empty(), "{} of 1000: {wrong:?}", wrong.len());
    let ended = lab
        .dash
        .run(["status", "--quiet", "--all", "--session", MAIN, "--status", "completed"])
        .success();
    assert_eq!(super::bridge::ids(&ended.stdout).len(), 1000);
    println!(
        "/dash spawn --count 1000: answered in chat after {} ms, all running after {} ms, every end told after {} ms",
        typed.as_millis(),
        all.as_millis(),
        every_end.as_millis()
    );
    assert_eq!(turns(&lab), before + 1, "one turn of the model, for what was typed");
    drop(held);
}
