//! What is only looked at: `dash audit`, `agents`, `config`, `doctor`, `completions`, `man`.

use insta::assert_snapshot;
use serde_json::json;

use super::{fields, redacted, started, started_with, told};
use crate::env::TestEnv;

#[test]
fn the_audit_trail_tells_a_life() {
    let env = started();
    let _redacted = redacted();
    let _ = env.spawn(["-l", "life", "--stdin", "--", "cat"]);
    env.until("life", "it runs", |agent| agent["status"] == "running");
    let _ = env.run(["send", "--wait", "life", "secret words"]).success();
    let _ = env.run(["kill", "life"]).success();
    let records = env.run(["audit", "--json"]).success().json();
    let told_of: Vec<String> = records
        .iter()
        .map(|record| {
            let word = |name: &str| record[name].as_str().unwrap_or("-").to_owned();
            format!("{} {} {} {}", word("actor"), word("action"), word("label"), word("outcome"))
        })
        .collect();
    assert_snapshot!(told_of.join("\n"), @r#"
    daemon daemon.start - accepted
    user:[me] spawn life accepted
    user:[me] send life queued
    user:[me] send life delivered
    user:[me] kill life accepted
    daemon end life killed
    "#);
    assert_snapshot!(fields(&records[0]).join(" "), @"position seq time actor action agent_id label outcome detail");
    let positions: Vec<_> =
        records.iter().map(|record| record["position"].as_u64().unwrap()).collect();
    assert_eq!(positions, (1..=positions.len() as u64).collect::<Vec<_>>());
    assert!(records.iter().all(|record| record["time"].is_string()));
    let id = env.agent("life")["id"].clone();
    assert!(records[1..].iter().all(|record| record["agent_id"] == id), "{records:?}");
    assert!(!json!(records).to_string().contains("secret words"));
    // What the details have room for differs with the numbers in them.
    let table = env.run(["audit"]).success().stdout;
    let room = table.find("DETAIL").unwrap();
    let rows: Vec<_> = table.lines().map(|line| line[..room].trim_end()).collect();
    assert_snapshot!(rows.join("\n"), @r#"
    TIME  ACTOR  ACTION  AGENT  OUTCOME
    [time]  daemon  daemon.start  accepted
    [time]  user:[me]  spawn  [short] life  accepted
    [time]  user:[me]  send  [short] life  queued
    [time]  user:[me]  send  [short] life  delivered
    [time]  user:[me]  kill  [short] life  accepted
    [time]  daemon  end  [short] life  killed
    "#);
    let after = env.run(["audit", "--json", "--since", "2"]).success().json();
    assert_eq!(after[..], records[2..]);
    assert_eq!(
        env.run(["audit", "--json", "--limit", "1"]).success().json()[..],
        records[records.len() - 1..]
    );
    assert_eq!(env.run(["audit", "--json", "--agent", "life"]).success().json()[..], records[1..]);
    assert_eq!(env.run(["audit", "--json", "--agent", "no"]).code(4).error()["code"], "not_found");
}

#[test]
fn profiles_say_whether_they_run_here() {
    let env = started_with(
        "default_profile = \"shell\"\n\
         [profiles.shell]\nruntime = \"command\"\ncommand = [\"sh\", \"-c\"]\ndescription = \"a shell\"\n\
         [profiles.gone]\nruntime = \"command\"\ncommand = [\"no-such-program\"]\n",
    );
    let _redacted = redacted();
    // The built-in harnesses are there or not, as this machine has it.
    let told = told(&env.run(["agents"]));
    let ours = |line: &&str| {
        ["NAME", "gone", "shell", "scripted"].iter().any(|name| line.starts_with(name))
    };
    assert_snapshot!(told.lines().filter(ours).collect::<Vec<_>>().join("\n"), @r#"
    NAME  RUNTIME  CAN RUN  DESCRIPTION
    gone  command  no program "no-such-program" is in…
    scripted  scripted  yes  says what a script says: for tests…
    shell (default)  command  yes  a shell
    "#);
    let profiles = env.run(["agents", "--json"]).success().json();
    for (name, available) in [("gone", false), ("shell", true), ("scripted", true)] {
        let profile = profiles.iter().find(|it| it["name"] == name);
        assert_eq!(profile.map(|it| it["available"].clone()), Some(json!(available)), "{name}");
    }
    let output = env.run(["spawn", "--json", "-a", "gone", "x"]).code(2);
    assert!(output.error()["message"].as_str().unwrap().contains("no-such-program"), "{output:?}");
}

#[test]
fn the_configuration_is_shown_and_begun() {
    let env = TestEnv::new();
    let _redacted = redacted();
    assert_snapshot!(told(&env.run(["config", "show"])), @r#"
    # configuration: [home]/d/config.toml (not there)
    # state:         [home]/d/state
    # socket:        [home]/d/dash.sock
    # default_profile is not set: a task must name its profile

    [sessions]
    # max_turns is not set: no limit
    # max_tokens is not set: no limit
    # max_cost is not set: no limit

    [daemon]
    # max_running is not set: what the machine carries
    # memory_mb is not set: half of the machine's memory
    # keys_file is not set: the daemon's environment only
    max_queued = 10000  # default
    grace_ms = 10000  # default
    ask_timeout_ms = 600000  # default
    idle_timeout_ms = 3600000  # default
    agent_processes_max = 4096  # default
    events_kept = 5000000  # default
    events_kept_days = 30  # default
    database_max_mb = 2048  # default
    backlog_max_mb = 256  # default
    # listen is not set: the Unix socket only
    # tls_cert is not set: no TLS
    # tls_key is not set: no TLS
    hosts = []  # default

    [openclaw]
    enabled = false  # default
    # url is not set: what OpenClaw's configuration says
    # config is not set: where OpenClaw itself looks
    # token_file is not set: OpenClaw's configuration
    react = "none"  # default
    interval_ms = 200  # default
    lines_max = 100  # default
    -- exit 0
    "#);
    assert_snapshot!(told(&env.run(["config", "init"])), @r#"
    wrote [home]/d/config.toml
    -- exit 0
    "#);
    let file = env.dash_home().join("config.toml");
    let first = std::fs::read_to_string(&file).unwrap();
    assert_snapshot!(told(&env.run(["config", "init"])), @r#"
    -- stderr
    error: there is a configuration already: [home]/d/config.toml
      hint: `dash config show` prints what is in force
    -- exit 1
    "#);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), first);
    // What was begun changes nothing, and can be read.
    let shown = env.run(["config", "show", "--json"]).success().one();
    assert_snapshot!(fields(&shown).join(" "), @"paths settings profiles groups");
    assert_eq!(env.daemon_pid(), None, "no daemon is needed for that");
}

#[test]
fn the_doctor_finds_what_is_wrong() {
    let env = TestEnv::new();
    let well = env.run(["doctor", "--json"]);
    let lines = well.json();
    assert!(!lines.is_empty(), "{well:?}");
    let _ = env.run(["status"]).success();
    assert!(!env.run(["doctor"]).stdout.is_empty());
    let env = TestEnv::with_config("[daemon]\nmax_runing = 3\n");
    let ill = env.run(["doctor"]);
    assert_ne!(ill.code, Some(0), "{ill:?}");
    assert!(ill.stdout.contains("line 2, column 1"), "{ill:?}");
}

#[test]
fn completions_and_manuals_need_no_daemon() {
    let env = TestEnv::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(env.run(["completions", shell]).success().stdout.contains("dash"), "{shell}");
    }
    let _ = env.run(["completions", "tcsh"]).code(2);
    let manual = env.run(["man"]).success();
    assert!(manual.stdout.contains(".TH"), "{}", manual.stdout);
    assert_eq!(env.daemon_pid(), None);
}
