//! Failures that explain themselves.

use super::{events, home, waits};

#[test]
fn a_harness_that_cannot_begin_says_why() {
    let env = home(&["crash", "auth", "version", "garbage", "silence"]);
    for (kind, expected) in [
        (
            "crash",
            "exit code 4 before the conversation began; its last errors: no configuration was found; `dash agents` says what it needs",
        ),
        (
            "auth",
            "nobody is logged in to the harness (Authentication required); log in with it in a terminal: Log in with a browser",
        ),
        ("version", "speaks version 7 of the Agent Client Protocol"),
        ("garbage", "it wrote \"Welcome to the scripted agent! >\", which is no ACP"),
        ("silence", "did not begin a conversation within 3 s"),
    ] {
        let agent = env.run(["spawn", "--wait", "--json", "-a", kind, "say x"]);
        let agent = agent.json().remove(0);
        assert_eq!(agent["status"], "failed", "{kind}: {agent}");
        let reason = agent["reason"].as_str().unwrap();
        assert!(reason.contains(expected), "{kind}: {reason}");
    }
}

#[test]
fn a_harness_is_logged_in_with_its_key_where_that_can_be() {
    let program = crate::acp::agent();
    let env = crate::env::TestEnv::with_config(&format!(
        "default_profile = \"login\"\n[profiles.login]\nruntime = \"acp\"\ncommand = [{:?}, \"login\"]\n\
         login = \"set SOME_API_KEY\"\n",
        program.display().to_string()
    ));
    let with = |key: &str| {
        let key = format!("SOME_API_KEY={key}");
        env.run(["spawn", "--wait", "--json", "-e", &key, "say hello"]).json().remove(0)
    };
    let right = with("right");
    assert_eq!((&right["status"], &right["result"]), (&"waiting".into(), &"hello".into()));
    let wrong = with("wrong");
    let reason = wrong["reason"].as_str().unwrap();
    assert!(reason.contains("(The key is wrong); to log in: set SOME_API_KEY"), "{reason}");
    let none = env.run(["spawn", "--wait", "--json", "say hello"]).json().remove(0);
    let reason = none["reason"].as_str().unwrap();
    assert!(reason.contains("(Authentication required); to log in: set SOME_API_KEY"), "{reason}");
    let _ = env.run(["kill", "--all", "--yes"]).success();
}

#[test]
fn a_harness_that_fails_in_a_turn_says_why() {
    let env = home(&[]);
    for (script, expected) in [
        (
            "say a;crash",
            "exit code 3 in the middle of turn 1; its last errors: the scripted agent crashes",
        ),
        ("auth", "nobody is logged in"),
    ] {
        let agent = env.run(["spawn", "--wait", "--json", script]);
        let agent = agent.json().remove(0);
        assert_eq!(agent["status"], "failed", "{script}: {agent}");
        assert!(agent["reason"].as_str().unwrap().contains(expected), "{agent}");
    }
    // A harness that ends between two turns says why as well.
    let _ = env.spawn(["-l", "between", "say a"]);
    let agent = env.until("between", "its turn is over", waits);
    let pid = i32::try_from(agent["pid"].as_i64().unwrap()).unwrap();
    crate::env::signal(pid, rustix::process::Signal::ABORT);
    let agent = env.until("between", "it has ended", |agent| !agent["ended_at"].is_null());
    assert!(agent["reason"].as_str().unwrap().contains("by SIGABRT between two turns"), "{agent}");
    // An error is the turn's end, and not the agent's.
    let _ = env.spawn(["-l", "a", "fail"]);
    let agent = env.until("a", "its turn is over", waits);
    let _ = env.run(["send", "--wait", "a", "say b"]).success();
    assert!(agent["ended_at"].is_null());
    let told = events(&env, "a");
    let failed = told.iter().find(|event| event["data"]["stop_reason"] == "error").unwrap();
    assert!(failed["data"]["reason"].as_str().unwrap().contains("told to fail"));
}

#[test]
fn lines_that_are_no_messages_harm_nobody() {
    let env = home(&[]);
    let _ = env.spawn(["-l", "a", "garbage;huge 100;say after"]);
    env.until("a", "its turn is over", waits);
    let pid = env.daemon_pid().unwrap();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(peak < 150_000, "a line of 100 MB took {peak} kB");
    let told = events(&env, "a");
    let errors: Vec<_> =
        told.iter().filter_map(|event| event["data"]["protocol_error"].as_str()).collect();
    assert_eq!(errors.len(), 2, "{errors:?}");
    assert!(errors[1].contains("longer than is taken"));
    assert!(told.iter().any(|event| event["data"]["text"] == "after"));
}

#[test]
fn a_harness_that_closes_its_input_is_ended() {
    let env = home(&[]);
    let _ = env.spawn(["-l", "a", "say a"]);
    env.until("a", "its turn is over", waits);
    let _ = env.run(["send", "a", "close"]).success();
    env.until("a", "its turn runs", |agent| agent["turn"] == 2 && agent["status"] == "running");
    let _ = env.run(["kill", "--turn", "a"]);
    let agent = env.until("a", "it has ended", |agent| !agent["ended_at"].is_null());
    assert_eq!(agent["status"], "failed", "{agent}");
    assert!(agent["reason"].as_str().unwrap().contains("input"), "{agent}");
}
