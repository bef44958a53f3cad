//! The daemon dies in the middle of turns.

use serde_json::Value;

use super::{events, home, said, waits};
use crate::env::TestEnv;

fn expected(chunks: usize, turn: usize) -> String {
    (0..chunks).map(|i| format!("<{turn}.{i}>")).collect::<Vec<_>>().concat()
}

fn ends(events: &[Value]) -> usize {
    events.iter().filter(|event| event["type"] == "agent.waiting").count()
}

#[test]
fn a_turn_goes_on_while_the_daemon_is_dead() {
    let env = home(&["resume"]);
    let _ = env.spawn(["-l", "a", "-a", "resume", "stream 40 20;read /etc/passwd;say end"]);
    env.until("a", "it streams", |agent| agent["turn"] == 1 && agent["status"] == "running");
    env.kill_daemon();
    let _ = env.run(["status"]).success();
    env.until("a", "its turn is over", waits);
    let reply = env.run(["send", "--wait", "a", "say again"]).success();
    assert!(reply.stdout.ends_with("again\n"), "{reply:?}");
    let agent = env.agent("a");
    let told = events(&env, "a");
    assert_eq!(ends(&told), 2, "each turn ends once");
    let text = said(&told, "message");
    assert!(text.starts_with(&expected(40, 1)), "nothing lost or doubled: {text}");
    assert!(text.ends_with("endagain"), "{text}");

    let refused = env.run(["send", "a", "hello"]).code(5);
    assert!(refused.stderr.contains("dash spawn --resume"), "{refused:?}");
    let id = agent["id"].as_str().unwrap();
    let _ = env.run(["spawn", "-l", "b", "--resume", id, "say resumed"]).success();
    let again = env.until("b", "its turn is over", waits);
    assert_eq!((&again["harness_session"], &again["result"]), (&"s-1".into(), &"resumed".into()));
}

#[test]
fn a_question_that_was_open_is_still_answered() {
    let env = home(&[]);
    let _ = env.spawn(["-l", "a", "--permissions", "ask", "say a;permission execute x;say b"]);
    env.until("a", "it asks", |agent| agent["asks"].is_object());
    env.kill_daemon();
    let _ = env.run(["status"]).success();
    let agent = env.until("a", "it still asks", |agent| agent["asks"].is_object());
    assert_eq!(agent["status"], "waiting");
    let _ = env.run(["allow", "a"]).success();
    env.until("a", "its turn is over", |agent| waits(agent) && agent["result"] == "ayesb");
    let asked = events(&env, "a").iter().filter(|it| it["data"]["state"] == "asked").count();
    assert_eq!(asked, 1);
}

#[test]
fn a_turn_goes_on_when_the_keeper_is_killed() {
    let env = home(&[]);
    let _ =
        env.spawn(["-l", "a", "--permissions", "ask", "stream 40 50;permission execute x;say end"]);
    env.until("a", "it streams", |agent| agent["turn"] == 1 && agent["status"] == "running");
    let keeper = env.keeper_pid().unwrap();
    crate::env::signal(keeper, rustix::process::Signal::KILL);
    crate::env::eventually("the keeper is gone", || {
        if crate::env::alive(keeper) { Err(keeper) } else { Ok(()) }
    });
    // A daemon that comes back says the prompt again, to a keeper that cannot know how it went.
    env.kill_daemon();
    let _ = env.run(["status"]).success();
    env.until("a", "it asks", |agent| agent["asks"].is_object());
    let _ = env.run(["allow", "a"]).success();
    env.until("a", "its turn is over", waits);
    // Neither what was said before nor what is said now is said twice.
    let reply = env.run(["send", "--wait", "a", "say again"]).success();
    assert!(reply.stdout.ends_with("again\n"), "{reply:?}");
    env.kill_daemon();
    let reply = env.run(["send", "--wait", "a", "say more"]).success();
    assert!(reply.stdout.ends_with("more\n"), "{reply:?}");
    let told = events(&env, "a");
    assert_eq!(said(&told, "message"), format!("{}yesendagainmore", expected(40, 1)));
    assert_eq!(ends(&told), 3);
}

#[test]
fn a_harness_that_ends_when_nobody_watches_is_lost() {
    let env = home(&[]);
    let _ = env.spawn(["-l", "a", "say a;sleep 600000"]);
    let agent = env.until("a", "it is at it", |it| it["turn"] == 1 && it["status"] == "running");
    let kill = |pid| crate::env::signal(pid, rustix::process::Signal::KILL);
    let keeper = env.keeper_pid().unwrap();
    kill(keeper);
    crate::env::eventually("the keeper is gone", || {
        if crate::env::alive(keeper) { Err(keeper) } else { Ok(()) }
    });
    kill(i32::try_from(agent["pid"].as_i64().unwrap()).unwrap());
    let lost = env.until("a", "it has ended", |agent| !agent["ended_at"].is_null());
    assert_eq!((&lost["status"], &lost["exit_code"]), (&"lost".into(), &Value::Null), "{lost}");
    assert!(lost["reason"].as_str().unwrap().contains("no keeper watched it"), "{lost}");
}

#[test]
fn options_are_set_the_harness_s_own_way_after_a_crash() {
    let env = home(&[]);
    let _ = env.spawn(["-l", "a", "say a"]);
    env.until("a", "its turn is over", waits);
    env.kill_daemon();
    let _ = env.run(["set", "a", "--model", "big", "--mode", "plan"]).success();
    assert!(events(&env, "a").iter().any(|event| event["data"]["currentModeId"] == "plan"));
}

#[test]
fn a_session_goes_on_after_its_harness_died() {
    let env = home(&["resume", "load"]);
    for kind in ["resume", "load"] {
        let _ = env.spawn(["-l", kind, "-a", kind, "say old;sleep 600000"]);
        let agent =
            env.until(kind, "it is at it", |it| it["turn"] == 1 && it["status"] == "running");
        let pid = i32::try_from(agent["pid"].as_i64().unwrap()).unwrap();
        crate::env::signal(pid, rustix::process::Signal::KILL);
        let agent = env.until(kind, "it has ended", |agent| !agent["ended_at"].is_null());
        assert_eq!(agent["status"], "failed", "{agent}");
        let reason = agent["reason"].as_str().unwrap();
        assert!(reason.contains("by SIGKILL in the middle of turn 1"), "{reason}");
        assert!(reason.contains("not by Dash"), "{reason}");
        let refused = env.run(["send", kind, "hello"]).code(5);
        assert!(refused.stderr.contains("dash spawn --resume"), "{refused:?}");

        let next = format!("{kind}-next");
        let id = agent["id"].as_str().unwrap();
        let _ = env.run(["spawn", "-l", &next, "--resume", id, "say new"]).success();
        let again = env.until(&next, "its turn is over", waits);
        assert_eq!((&again["harness_session"], &again["result"]), (&"s-1".into(), &"new".into()));
        // What a harness plays again of the old conversation is in the old agent's log already.
        assert_eq!(said(&events(&env, &next), "message"), "new");
    }
    // One that can do neither says so.
    let _ = env.spawn(["-l", "neither", "say a;crash"]);
    let agent = env.until("neither", "it has ended", |agent| !agent["ended_at"].is_null());
    let id = agent["id"].as_str().unwrap();
    let refused = env.run(["spawn", "--resume", id, "say new"]).code(5);
    assert!(refused.stderr.contains("no session that could be taken up again"), "{refused:?}");
}

fn all(env: &TestEnv, group: &str) -> Vec<Value> {
    env.run(["status", "--json", "--all", "--group", group]).success().json()
}

/// Waits until all of the group, so many, are in the middle of their first turn: they have said something of it,
/// and it is not over.
fn in_mid_turn(env: &TestEnv, group: &str, count: usize) {
    crate::env::eventually("all are in mid-turn", || {
        let agents = all(env, group);
        let is_in_it = |agent: &&Value| {
            let dir = env.state().join("agents").join(agent["id"].as_str().unwrap());
            let said = std::fs::read_to_string(dir.join("stdout")).unwrap_or_default();
            agent["turn"] == 1 && agent["status"] == "running" && said.contains("<1.0>")
        };
        let in_it = agents.iter().filter(is_in_it).count();
        if in_it == count { Ok(()) } else { Err(format!("{in_it} of {}", agents.len())) }
    });
}

#[test]
fn heavy_two_hundred_in_mid_turn_lose_nothing() {
    let env = home(&[]);
    // They stream until they are told to come to an end: no turn can be over before the daemon dies.
    let args = ["spawn", "-q", "-n", "200", "-g", "many", "flow go 100"];
    let _ = env.run(args).success();
    in_mid_turn(&env, "many", 200);
    env.kill_daemon();
    let _ = env.run(["status"]).success();
    in_mid_turn(&env, "many", 200);
    std::fs::write(env.work().join("go"), "").unwrap();
    crate::env::eventually("all turns are over", || {
        let over = all(&env, "many").iter().filter(|agent| agent["status"] == "waiting").count();
        if over == 200 { Ok(()) } else { Err(format!("{over}")) }
    });
    let _ = env.run(["kill", "--group", "many", "--grace", "5s"]).success();
    let agents = all(&env, "many");
    let ids = agents.iter().map(|agent| agent["id"].as_str().unwrap());
    let watch = ["watch", "--json", "--since", "beginning"].into_iter().chain(ids);
    let events = env.run(watch).success().json();
    for agent in &agents {
        let own: Vec<Value> =
            events.iter().filter(|event| event["agent_id"] == agent["id"]).cloned().collect();
        let told = said(&own, "message");
        let (streamed, count) = told.split_once('=').expect("it came to its end");
        let count: usize = count.parse().unwrap();
        assert!(count > 1, "it streamed before the daemon's death, and on: {told}");
        assert_eq!(streamed, expected(count, 1), "{}", agent["id"]);
        assert_eq!(ends(&own), 1, "the turn ends once");
    }
}
