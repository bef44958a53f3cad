//! `dash doctor` begins a conversation with each harness and says what is wrong with those that cannot.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::env::TestEnv;

/// Profiles of the scripted agent, each bad in its own way, with what `dash doctor` finds and says to do.
const KINDS: [(&str, &str, &str, &str); 7] = [
    ("good", "ok", "scripted 1 begins a conversation; it had SOME_API_KEY from here", ""),
    (
        "auth",
        "warn",
        "nobody is logged in to the harness (Authentication required)",
        "to log in: do log in",
    ),
    (
        "login",
        "warn",
        "nobody is logged in to the harness (The key is wrong)",
        "to log in: do log in",
    ),
    ("version", "warn", "speaks version 7 of the Agent Client Protocol", "a newer Dash"),
    (
        "garbage",
        "warn",
        "it wrote \"Welcome to the scripted agent! >\", which is no ACP",
        "ACP mode",
    ),
    ("silence", "warn", "did not begin a conversation within 3 s", "ACP mode"),
    (
        "crash",
        "warn",
        "ended with exit code 4 before the conversation began; its last errors: no configuration",
        "`dash agents`",
    ),
];

/// A home with these profiles; an argument tells their processes from those of other tests.
fn home(kinds: &[(&str, &str)]) -> TestEnv {
    let program = super::agent();
    let env = TestEnv::new();
    let profile = |(name, kind): &(&str, &str)| {
        format!(
            "[profiles.{name}]\nruntime = \"acp\"\ncommand = [{:?}, {kind:?}, {:?}]\n\
             login = \"do log in\"\nkeys = [\"SOME_API_KEY\"]\nstart_timeout_ms = 3000\n",
            program.display().to_string(),
            env.home().display().to_string(),
        )
    };
    let profiles: String = kinds.iter().map(profile).collect();
    let missing = "[profiles.missing]\nruntime = \"acp\"\ncommand = [\"no-such-harness\"]\n";
    std::fs::create_dir_all(env.dash_home()).unwrap();
    std::fs::write(env.dash_home().join("config.toml"), profiles + missing).unwrap();
    env
}

fn doctor(env: &TestEnv) -> Vec<Value> {
    let mut command = env.command(["doctor", "--json"]);
    let output = command.env("SOME_API_KEY", "wrong").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn each_harness_is_tried_and_what_is_wrong_is_said() {
    let env = home(&KINDS.map(|(kind, ..)| (kind, kind)));
    let checks = doctor(&env);
    let of = |name: &str| {
        let label = format!("harness {name}");
        checks.iter().find(|check| check["check"] == label).unwrap_or_else(|| panic!("{checks:?}"))
    };
    for (kind, verdict, found, next) in KINDS {
        let check = of(kind);
        assert_eq!(check["verdict"], verdict, "{check}");
        assert!(check["found"].as_str().unwrap().contains(found), "{check}");
        assert!(check["next"].as_str().unwrap_or_default().contains(next), "{check}");
    }
    let missing = of("missing");
    assert_eq!(missing["verdict"], "warn", "{missing}");
    assert!(missing["found"].as_str().unwrap().contains("\"no-such-harness\""), "{missing}");
    let others = checks.iter().find(|check| check["check"] == "harnesses").unwrap();
    assert!(others["found"].as_str().unwrap().contains("claude"), "{others}");

    // Neither processes nor directories nor a daemon are left.
    let mark = env.home().display().to_string();
    let left = std::fs::read_dir("/proc").unwrap().flatten().any(|entry| {
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).into_owned();
        line.contains("scripted-acp-agent") && line.contains(&mark)
    });
    assert!(!left && env.daemon_pid().is_none());
}

#[test]
fn harnesses_are_tried_at_the_same_time() {
    let env = home(&[("a", "silence"), ("b", "silence"), ("c", "silence"), ("d", "silence")]);
    let begin = Instant::now();
    let checks = doctor(&env);
    let took = begin.elapsed();
    let late = checks
        .iter()
        .filter(|check| check["found"].as_str().is_some_and(|found| found.contains("within 3 s")));
    assert_eq!(late.count(), 4, "{checks:?}");
    assert!(took < Duration::from_secs(10), "one after another they take 12 s: {took:?}");
}
