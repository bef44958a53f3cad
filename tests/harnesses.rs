//! Profiles of harnesses: the built-in ones, own ones, and the provider keys that each gets.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;

use crate::env::TestEnv;

const KEY: &str = "s3cret-of-the-file";
const OWN_KEY: &str = "s3cret-of-the-daemon";

/// Two profiles that write down their environment and live on; only one has keys.
const CONFIG: &str = r#"
[daemon]
keys_file = "KEYS"
[profiles.keyed]
runtime = "command"
command = ["sh", "-c", "env > \"$0.env\"; touch \"$0\"; sleep 300"]
keys = ["SOME_API_KEY", "OPENAI_API_KEY", "NOBODY_HAS_IT"]
[profiles.plain]
runtime = "command"
command = ["sh", "-c", "env > \"$0.env\"; touch \"$0\"; sleep 300"]
"#;

fn keyed_env(mode: u32) -> TestEnv {
    let env = TestEnv::new();
    let file = env.write("keys", &format!("# mine\nSOME_API_KEY={KEY}\nOTHER_API_KEY=x\n"));
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
    std::fs::create_dir_all(env.dash_home()).unwrap();
    let config = CONFIG.replace("KEYS", file.to_str().unwrap());
    std::fs::write(env.dash_home().join("config.toml"), config).unwrap();
    env
}

fn files(dir: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap().flatten() {
        match entry.path() {
            path if path.is_dir() => found.extend(files(&path)),
            path if path.is_file() => found.push(path),
            _ => {}
        }
    }
    found
}

#[test]
fn provider_keys_reach_their_profile_and_nothing_else() {
    let env = keyed_env(0o600);
    let mut serve = env.command(["serve"]);
    let serve = serve.env("OPENAI_API_KEY", OWN_KEY).stdout(Stdio::null()).stderr(Stdio::null());
    let mut daemon = serve.spawn().unwrap();
    crate::env::eventually("the daemon runs", || env.daemon_pid().ok_or("no daemon"));
    let keyed = env.spawn(["--agent", "keyed", "keyed"]);
    let plain = env.spawn(["--agent", "plain", "plain"]);
    for name in ["keyed", "plain"] {
        crate::env::eventually("it has written", || {
            let path = env.work().join(name);
            if path.exists() { Ok(()) } else { Err(path) }
        });
    }
    let environment = |name: &str| std::fs::read_to_string(env.work().join(name)).unwrap();
    let given = environment("keyed.env");
    for line in [format!("SOME_API_KEY={KEY}"), format!("OPENAI_API_KEY={OWN_KEY}")] {
        assert!(given.lines().any(|given| given == line), "{given}");
    }
    assert!(!given.contains("OTHER_API_KEY") && !given.contains("NOBODY_HAS_IT"), "{given}");
    assert!(!environment("plain.env").contains("API_KEY"), "{}", environment("plain.env"));

    let secret = |text: &str| text.contains(KEY) || text.contains(OWN_KEY);
    for id in [&keyed, &plain] {
        env.until(id, "it has started", |agent| agent["status"] == "running");
    }
    // Neither what is kept and logged, nor what is told, nor any command line has one.
    for path in files(&env.state()) {
        let content = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
        assert!(!secret(&content), "{} has a key", path.display());
    }
    for command in [
        &["status", "--json", "--all"][..],
        &["audit", "--json"],
        &["agents", "--json"],
        &["config", "show"],
        &["logs", &keyed],
    ] {
        let told = env.run(command.iter().copied()).success();
        assert!(!secret(&told.stdout) && !secret(&told.stderr), "{command:?}: {told:?}");
    }
    let agent = env.agent(&keyed);
    assert_eq!(agent["status"], "running", "{agent}");
    let processes = env.processes();
    assert!(!processes.is_empty());
    assert!(processes.iter().all(|(_, line)| !secret(line)), "{processes:?}");
    // The keeper, which starts every agent, has none either.
    let keeper = env.keeper_pid().unwrap();
    let environ = std::fs::read(format!("/proc/{keeper}/environ")).unwrap_or_default();
    assert!(!secret(&String::from_utf8_lossy(&environ)));
    env.run(["kill", &keyed, &plain, "--grace", "0s"]).success();
    let events = env.run(["watch", "--json", "--since", "beginning", &keyed]).success().stdout;
    assert!(events.contains("agent.killed") && !secret(&events), "{events}");
    env.run(["shutdown"]).success();
    daemon.wait().unwrap();
}

#[test]
fn a_file_of_keys_that_others_may_read_is_refused_with_its_cure() {
    let env = keyed_env(0o644);
    let served = env.run(["serve", "--json"]).code(78);
    let error = served.error();
    assert!(error["message"].as_str().unwrap().contains("mode 0644"), "{error}");
    assert!(error["hint"].as_str().unwrap().starts_with("chmod 600 "), "{error}");
    assert!(!served.stderr.contains(KEY));
    // It is looked at again for each start.
    let keys = env.work().parent().unwrap().join("keys");
    let open = |mode| {
        std::fs::set_permissions(&keys, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    open(0o600);
    env.run(["status"]).success();
    open(0o640);
    let refused = env.run(["spawn", "--json", "--agent", "keyed", "x"]);
    assert_ne!(refused.code, Some(0));
    assert!(refused.error()["hint"].as_str().unwrap().starts_with("chmod 600 "), "{refused:?}");
    assert!(env.run(["status", "--json", "--all"]).success().json().is_empty());
}

#[test]
fn harnesses_are_listed_with_what_they_need_and_an_own_profile_wins() {
    let env = TestEnv::with_config(
        "[profiles.codex]\nruntime = \"command\"\ncommand = [\"true\"]\ndescription = \"Mine\"\n",
    );
    let profiles = env.run(["agents", "--json"]).success().json();
    let of = |name: &str| profiles.iter().find(|profile| profile["name"] == name).unwrap().clone();
    for name in
        ["claude", "copilot", "cursor", "droid", "gemini", "goose", "kimi", "opencode", "pi"]
    {
        let profile = of(name);
        assert_eq!(profile["runtime"], "acp", "{profile}");
        assert_eq!(profile["available"], false, "{profile}");
    }
    let reason = of("opencode")["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains("opencode") && reason.contains("npm install -g"), "{reason}");
    assert_eq!(of("codex")["runtime"], "command");
    assert_eq!(of("codex")["available"], true);
    assert_eq!(of("codex")["description"], "Mine");

    let refused = env.run(["spawn", "--json", "--agent", "claude", "hello"]);
    assert_ne!(refused.code, Some(0));
    let hint = refused.error()["hint"].as_str().unwrap().to_owned();
    assert!(hint.contains("npm install -g @agentclientprotocol/claude-agent-acp"), "{hint}");
    let shown = env.run(["agents"]).success().stdout;
    assert!(shown.contains("Claude Code") && shown.contains("scripted"), "{shown}");
}
