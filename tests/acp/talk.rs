//! The whole conversation as events, turns, permissions, options and limits.

use serde_json::{Value, json};

use super::{events, home, home_with, said, waits};

#[test]
fn the_conversation_is_told_in_the_protocols_own_words() {
    let env = home(&[]);
    let script = "think hm;say one ;say two;tool;say three;plan;usage 7 0.25;mode;novelty;unknown";
    let _ = env.spawn(["-l", "a", script]);
    let agent = env.until("a", "its turn is over", waits);
    assert_eq!(agent["usage"]["tokens"], Value::Null, "all that is unknown is unknown");
    assert_eq!(agent["usage"]["context"], 7);
    assert_eq!(
        (&agent["usage"]["cost"], &agent["usage"]["currency"]),
        (&json!(0.25), &json!("USD"))
    );
    assert!(agent["result"].as_str().unwrap().starts_with("three"), "{agent}");
    let events = events(&env, "a");
    assert!(said(&events, "message").starts_with("one twothree"), "{events:?}");
    assert_eq!(said(&events, "thought"), "hm");
    let data = |kind: &str| {
        let found = events.iter().filter(|event| event["type"] == format!("agent.{kind}"));
        found.map(|event| event["data"].clone()).collect::<Vec<_>>()
    };
    let tools = data("tool_call");
    assert_eq!(tools[0]["locations"][0], json!({"path": "a.txt", "line": 3}));
    assert_eq!(tools[1]["content"][0]["newText"], "y");
    assert_eq!(data("plan")[0]["entries"][0]["status"], "pending");
    assert_eq!(data("usage")[0]["size"], 1000);
    let updates = data("update");
    assert_eq!(updates[0]["agentInfo"]["name"], "scripted");
    assert_eq!(updates[0]["modes"]["currentModeId"], "code");
    assert!(updates.iter().any(|it| it["currentModeId"] == "plan"));
    assert!(
        updates.iter().any(|it| it["deep"]["new"] == json!([1, 2])),
        "what is new is passed on"
    );
    assert!(updates.iter().any(|it| it["method"] == "of_tomorrow/do"));
    assert_eq!(data("waiting")[0]["stop_reason"], "end_turn");
}

#[test]
fn messages_queue_behind_the_turn_that_runs() {
    let env = home(&[]);
    let _ = env.spawn(["-l", "a", "say a;sleep 700;say b"]);
    env.until("a", "it runs", |agent| agent["status"] == "running");
    let queued = env.run(["send", "--json", "a", "say c"]).success().one();
    assert!(matches!(queued["state"].as_str(), Some("queued" | "delivered")));
    let reply = env.run(["send", "--wait", "a", "say d"]).success();
    assert!(reply.stdout.ends_with("d\n"), "{reply:?}");
    let events = events(&env, "a");
    assert_eq!(said(&events, "message"), "abcd");
    let turns: Vec<_> = events
        .iter()
        .filter(|event| event["type"] == "agent.waiting")
        .map(|event| event["data"]["turn"].clone())
        .collect();
    assert_eq!(turns, [1, 2, 3]);
}

#[test]
fn a_turn_is_ended_and_the_agent_goes_on() {
    let env = home(&[]);
    let _ = env.spawn(["-l", "a", "say a;sleep 600000;say never"]);
    env.until("a", "it is at it", |agent| agent["turn"] == 1 && agent["status"] == "running");
    let agent = env.run(["kill", "--turn", "--json", "a"]).success().one();
    assert_eq!(agent["status"], "waiting", "{agent}");
    let reply = env.run(["send", "--wait", "a", "say b"]).success();
    assert!(reply.stdout.ends_with("b\n"));
    let events = events(&env, "a");
    assert!(!said(&events, "message").contains("never"));
    assert!(events.iter().any(|event| event["data"]["stop_reason"] == "cancelled"));
}

#[test]
fn a_turn_that_is_ended_asks_nobody_any_more() {
    let env = home(&[]);
    let _ = env.spawn(["-l", "a", "--permissions", "ask", "permission execute x;say never"]);
    env.until("a", "it asks", |agent| agent["asks"].is_object());
    let agent = env.run(["kill", "--turn", "--json", "a"]).success().one();
    assert_eq!((&agent["status"], &agent["asks"]), (&json!("waiting"), &Value::Null), "{agent}");
    let late = env.run(["allow", "a"]).code(5);
    assert!(late.stderr.contains("does not ask"), "{late:?}");
    let reply = env.run(["send", "--wait", "a", "say b"]).success();
    assert!(reply.stdout.ends_with("b\n"), "{reply:?}");
    assert_eq!(said(&events(&env, "a"), "message"), "cancelledb");
}

#[test]
fn one_turn_is_enough_when_it_was_asked_for() {
    let env = home(&[]);
    let agent = env.run(["spawn", "--once", "--wait", "--json", "say done"]).success().one();
    assert_eq!((&agent["status"], &agent["result"]), (&json!("completed"), &json!("done")));
    let failed = env.run(["spawn", "--once", "--wait", "--json", "fail"]).code(1).one();
    assert_eq!(failed["status"], "failed");
    assert!(failed["reason"].as_str().unwrap().contains("it was told to fail"), "{failed}");
}

#[test]
fn an_agent_whose_last_turn_was_cut_short_has_not_completed() {
    let env = home(&[]);
    for (end, said) in [
        ("stop max_tokens", "max_tokens"),
        ("stop max_turn_requests", "max_turn_requests"),
        ("stop refusal", "refusal"),
        ("stop cancelled", "cancelled"),
        ("stop of_tomorrow", "of_tomorrow"),
        ("fail", "it was told to fail"),
    ] {
        let script = format!("say half;{end}");
        for limit in [&["--once"][..], &["--max-turns", "1"]] {
            let spawn = ["spawn", "--wait", "--json", &script].into_iter();
            let agent = env.run(spawn.chain(limit.iter().copied())).code(1).one();
            assert_eq!((&agent["status"], &agent["result"]), (&json!("failed"), &json!("half")));
            assert_eq!(agent["exit_code"], Value::Null, "{agent}");
            let reason = agent["reason"].as_str().unwrap();
            assert!(reason.contains(said), "{agent}");
            assert_eq!(reason.contains("(max_turns)"), limit.len() == 2, "{agent}");
        }
    }
    // Earlier turns do not count.
    let _ = env.run(["spawn", "--wait", "-l", "again", "--max-turns", "2", "fail"]).code(1);
    let _ = env.run(["send", "--wait", "again", "say b"]).success();
    let agent = env.until("again", "it has ended", |agent| !agent["ended_at"].is_null());
    assert_eq!(
        (&agent["status"], &agent["exit_code"]),
        (&json!("completed"), &json!(0)),
        "{agent}"
    );
}

#[test]
fn one_turn_that_is_ended_is_no_success() {
    let env = home(&[]);
    let _ = env.spawn(["-l", "a", "--once", "say a;sleep 600000"]);
    env.until("a", "it is at it", |agent| agent["turn"] == 1 && agent["status"] == "running");
    let _ = env.run(["kill", "--turn", "a"]).success();
    let _ = env.run(["wait", "a"]).code(1);
    let agent = env.agent("a");
    assert_eq!((&agent["status"], &agent["exit_code"]), (&json!("failed"), &Value::Null));
    assert_eq!(agent["reason"], "its turn ended with cancelled", "{agent}");
}

#[test]
fn mode_and_model_are_set_at_the_start_and_later() {
    let env = home(&[]);
    let _ = env.spawn(["-l", "a", "--mode", "plan", "--model", "big", "say a"]);
    env.until("a", "its turn is over", waits);
    let _ = env.run(["set", "a", "--mode", "code", "--option", "model=small"]).success();
    let refused = env.run(["set", "a", "--mode", "impossible"]).code(5);
    assert!(refused.stderr.contains("there is no such choice"), "{refused:?}");
    let events = events(&env, "a");
    assert!(events.iter().any(|event| event["data"]["currentModeId"] == "plan"), "{events:?}");
    let failed =
        env.run(["spawn", "--wait", "--json", "--model", "impossible", "say a"]).code(1).one();
    assert!(failed["reason"].as_str().unwrap().contains("does not take an option"), "{failed}");
}

#[test]
fn the_policy_decides_and_each_decision_is_audited() {
    let env = home(&[]);
    std::fs::write(env.work().join("a.txt"), "content of a").unwrap();
    std::os::unix::fs::symlink("/etc/passwd", env.work().join("link")).unwrap();
    let a = env.work().join("a.txt").display().to_string();
    let b = env.work().join("b.txt").display().to_string();
    let script = format!(
        "read {a};permission read {a};permission read link;permission execute x;read /etc/passwd;\
         write {b} text"
    );
    let _ = env.spawn(["-l", "b", &script]);
    env.until("b", "its turn is over", waits);
    assert!(!env.work().join("b.txt").exists(), "reading changes nothing");
    let told = events(&env, "b");
    assert!(
        said(&told, "message").starts_with("content of ayesnono"),
        "{}",
        said(&told, "message")
    );
    let _ = env.spawn(["-l", "e", "--permissions", "edit", &script]);
    env.until("e", "its turn is over", waits);
    assert_eq!(std::fs::read_to_string(env.work().join("b.txt")).unwrap(), "text");
    let audit = env.run(["audit", "--json"]).success().json();
    let decisions = audit.iter().filter(|record| record["action"] == "permission");
    assert_eq!(decisions.count(), 12, "six for each");
}

#[test]
fn people_are_asked_and_their_answer_counts() {
    let env = home(&[]);
    let b = env.work().join("b.txt").display().to_string();
    let script = format!("permission execute x;permission execute y;write {b} text");
    let _ = env.spawn(["-l", "a", "--permissions", "ask", &script]);
    let title = |agent: &Value| agent["asks"]["toolCall"]["title"].clone();
    env.until("a", "it asks", |agent| title(agent) == "execute x");
    let _ = env.run(["allow", "a"]).success();
    env.until("a", "it asks again", |agent| title(agent) == "execute y");
    let _ = env.run(["deny", "a"]).success();
    let agent = env.until("a", "it asks to write", |agent| title(agent) == format!("write {b}"));
    assert!(agent["reason"].as_str().unwrap().contains("permission"), "{agent}");
    assert!(!env.work().join("b.txt").exists());
    let _ = env.run(["allow", "a"]).success();
    env.until("a", "its turn is over", |agent| waits(agent) && env.work().join("b.txt").exists());
    assert!(said(&events(&env, "a"), "message").starts_with("yesno"));
}

#[test]
fn what_nobody_answers_in_time_is_denied() {
    let env = home_with(&[], "[daemon]\nask_timeout_ms = 300\n");
    let b = env.work().join("b.txt").display().to_string();
    let script = format!("permission execute x;write {b} text");
    let _ = env.spawn(["-l", "a", "--permissions", "ask", &script]);
    env.until("a", "its turn is over", |agent| waits(agent) && agent["turn"] == 1);
    assert!(!env.work().join("b.txt").exists());
    let told = events(&env, "a");
    assert!(said(&told, "message").starts_with("nopermission denied"), "{told:?}");
    let states = told.iter().filter(|event| event["type"] == "agent.permission");
    let states: Vec<&str> = states.filter_map(|event| event["data"]["state"].as_str()).collect();
    assert_eq!(states, ["asked", "expired", "asked", "expired"]);
}

#[test]
fn an_id_that_is_used_twice_in_a_turn_gets_two_answers() {
    let env = home(&[]);
    let script = "permission execute x;again;permission execute y;again;read none.txt";
    let _ = env.spawn(["-l", "a", "--permissions", "ask", script]);
    let title = |agent: &Value| agent["asks"]["toolCall"]["title"].clone();
    env.until("a", "it asks", |agent| title(agent) == "execute x");
    let _ = env.run(["allow", "a"]).success();
    env.until("a", "it asks again", |agent| title(agent) == "execute y");
    // Also a daemon that comes back tells them apart.
    env.kill_daemon();
    let _ = env.run(["deny", "a"]).success();
    env.until("a", "its turn is over", waits);
    let told = said(&events(&env, "a"), "message");
    assert!(told.starts_with("yesno") && told.contains("none.txt"), "{told}");
}

#[test]
fn a_limit_warns_and_then_ends_it() {
    let env = home(&[]);
    let script = "usage 850;say a;usage 1000;sleep 600000";
    let agent = env.run(["spawn", "-l", "d", "--wait", "--json", "--max-tokens", "1000", script]);
    let agent = agent.code(1).one();
    assert!(agent["reason"].as_str().unwrap().contains("1000 of 1000 (max_tokens)"), "{agent}");
    let warned = env.events("d").iter().filter(|it| it["data"]["limit"] == "max_tokens").count();
    assert_eq!(warned, 1);
    let turns = env.run(["spawn", "--wait", "--json", "--max-turns", "1", "say a"]).success().one();
    assert_eq!(turns["status"], "completed");
    let cost =
        env.run(["spawn", "--wait", "--json", "--max-cost", "1", "usage 5 1.5;sleep 600000"]);
    assert!(cost.code(1).one()["reason"].as_str().unwrap().contains("max_cost"));
}

#[test]
fn a_spawn_that_waits_has_the_answer_and_leaves_the_agent_alive() {
    let env = home(&[]);
    let answer = env.run(["spawn", "--wait", "-l", "a", "say the;say  answer"]).success();
    assert!(answer.stdout.ends_with("waits for messages\nthe answer\n"), "{answer:?}");
    assert_eq!(env.agent("a")["status"], "waiting");
    let agents = env.run(["spawn", "--wait", "--json", "-n", "2", "say x"]).success().json();
    let last: Vec<_> = agents.iter().filter(|agent| agent["status"] == "waiting").collect();
    assert!(last.len() == 2 && last.iter().all(|agent| agent["result"] == "x"), "{agents:?}");
    // A turn that went wrong is no success, and neither is the same by `send`.
    let wrong = env.run(["spawn", "--wait", "fail"]).code(1);
    assert!(wrong.stderr.contains("the turn ended early"), "{wrong:?}");
    let wrong = env.run(["send", "--wait", "a", "fail"]).code(1);
    assert!(wrong.stderr.contains("the turn ended early"), "{wrong:?}");
}
