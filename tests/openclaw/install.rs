//! `dash openclaw install`, `status` and `uninstall` on a real OpenClaw 2026.9.6, through its own command line. Only
//! the language model is scripted, and `acp-backend/` stands in for the plugin @openclaw/acpx.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::bridge::until_connected;
use super::lab::{Lab, MAIN, Setup, finish, free_port, installed};
use crate::env::{Output, eventually};

const CONFIG: &str = "# mine\ndefault_profile = \"talk\"\n\n[openclaw]\nenabled = true\n\n[profiles.talk]\n\
                      runtime = \"scripted\"\ntask = \"say you said {task}; repeat 100 wait\"\n";

/// `dash openclaw …` with the environment of the gateway, as its user has it.
fn dash(lab: &Lab, args: &[&str]) -> Output {
    let all = ["openclaw"].iter().chain(args);
    finish(lab.command(env!("CARGO_BIN_EXE_dash"), all))
}

/// The checks of `status --json`, by name.
fn checks(output: &Output) -> BTreeMap<String, Value> {
    let named = |check: Value| (check["check"].as_str().unwrap().to_owned(), check);
    output.json().into_iter().map(named).collect()
}

fn verdict(checks: &BTreeMap<String, Value>, name: &str) -> (String, String) {
    let check = checks.get(name).unwrap_or_else(|| panic!("no check {name}: {checks:#?}"));
    let next = check["next"].as_str().unwrap_or_default();
    (check["verdict"].as_str().unwrap().to_owned(), format!("{} {next}", check["found"]))
}

fn config(lab: &Lab) -> Value {
    let mut config: Value = serde_json::from_slice(&std::fs::read(lab.config()).unwrap()).unwrap();
    // OpenClaw's own stamp, by any write of its command line.
    config.as_object_mut().unwrap().remove("meta");
    config
}

/// What is in OpenClaw's state directory and in the home, but for what a running gateway writes there by itself.
fn tree(lab: &Lab) -> BTreeSet<PathBuf> {
    let own = [
        "state",
        "cache",
        "tmp",
        "agents/main",
        "workspace",
        "media",
        "logs",
        "plugin-skills",
        "identity",
        "devices",
        "canvas",
        "cron",
        "tasks",
    ];
    let mut found = BTreeSet::new();
    let state = lab.state();
    walk(&state, &mut |path| {
        let name = path.strip_prefix(&state).unwrap();
        let first = name.to_str().unwrap();
        if own.iter().any(|own| name.starts_with(own)) || first.starts_with("openclaw.json.") {
            return false;
        }
        found.insert(path.to_owned());
        true
    });
    found.extend(
        std::fs::read_dir(lab.dash.home().join("bin")).unwrap().map(|it| it.unwrap().path()),
    );
    found
}

fn walk(dir: &Path, visit: &mut impl FnMut(&Path) -> bool) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        if visit(&entry.path()) && entry.file_type().unwrap().is_dir() {
            walk(&entry.path(), visit);
        }
    }
}

/// The skill as OpenClaw's own command line judges it.
fn skill(lab: &Lab) -> Value {
    let checked = lab.openclaw(["skills", "info", "dash", "--json"]).success();
    serde_json::from_str(&checked.stdout).unwrap()
}

fn approvals(lab: &Lab) -> Value {
    let answer = lab.client().ok("exec.approvals.get", &json!({}));
    answer["file"].clone()
}

#[test]
fn heavy_dash_is_put_into_openclaw_used_looked_at_and_taken_out_again() {
    let lab =
        Setup::default().dash_config(CONFIG).exec_mode("allowlist").acp_backend().dashctl().start();
    let bin = lab.dash.home().join("bin");
    std::fs::remove_file(bin.join("dashctl")).unwrap();
    let client = lab.client();
    client.subscribe(MAIN);
    client.turn(MAIN, "SAY hello");
    let (config_before, tree_before, rules_before) = (config(&lab), tree(&lab), approvals(&lab));
    let dash_before = std::fs::read_to_string(lab.dash.dash_home().join("config.toml")).unwrap();
    let bytes_before = std::fs::read(lab.config()).unwrap();
    let link = bin.to_str().unwrap();
    let listen = format!("127.0.0.1:{}", free_port());
    let mut outputs = Vec::new();
    let mut run = |args: &[&str]| {
        let output = dash(&lab, args);
        outputs.push(format!("{output:?}"));
        output
    };

    // Nothing is there, and each piece says what to do.
    let found = checks(&run(&["status", "--json", "--link", link]).code(1));
    assert_eq!(verdict(&found, "gateway").0, "ok");
    for piece in ["skill", "dashctl", "skill in the gateway"] {
        assert_eq!(verdict(&found, piece).0, "fail", "{piece}");
    }
    let (exec, why) = verdict(&found, "exec");
    assert!(exec == "fail" && why.contains("openclaw approvals allowlist add"), "{why}");
    assert_eq!(verdict(&found, "acp agent").0, "off");
    assert_eq!(verdict(&found, "model provider").0, "off");

    // With dashctl where the gateway does not look, OpenClaw and Dash both say so.
    let elsewhere = lab.dash.home().join("elsewhere");
    let _ = run(&["install", "--part", "none", "--link", elsewhere.to_str().unwrap()]).success();
    let judged = skill(&lab);
    assert_eq!(
        (&judged["eligible"], &judged["missing"]["bins"]),
        (&json!(false), &json!(["dashctl"]))
    );
    let found = checks(&run(&["status", "--json"]).code(1));
    assert!(verdict(&found, "skill in the gateway").1.contains("not on the gateway's PATH"));

    // Printed, nothing of OpenClaw's is touched; twice is once.
    let install = ["install", "--link", link, "--listen", &listen];
    let printed = run(&install).success();
    assert!(!elsewhere.join("dashctl").exists(), "the link is in one place");
    for command in [
        "openclaw approvals allowlist add --agent '*' ",
        "openclaw config set --batch-json ",
        "dash keys add openclaw --scope operate --file ",
        "dash config set daemon.listen ",
    ] {
        assert!(printed.stdout.contains(command), "{printed:#?}");
    }
    assert_eq!(run(&install).success().stdout, printed.stdout);
    assert_eq!(std::fs::read(lab.config()).unwrap(), bytes_before);
    assert!(skill(&lab)["eligible"] == true, "{:#}", skill(&lab));
    let denied = client.turn(MAIN, "/dash status --json --all");
    assert!(denied.text.contains("denied") || denied.text.contains("allowlist"), "{}", denied.text);

    // Applied, all of it works; applied again, there is nothing to do.
    let _ = run(&["install", "--apply", "--listen", &listen]).success();
    let again = run(&["install", "--apply", "--json"]).success().json();
    assert!(again.iter().all(|line| line["changed"] == false), "{again:#?}");
    until_connected(&lab);
    let found = eventually("all is well", || {
        let output = dash(&lab, &["status", "--json"]);
        if output.code == Some(0) { Ok(checks(&output)) } else { Err(output) }
    });
    assert!(found.values().all(|check| check["verdict"] == "ok"), "{found:#?}");
    let turn = client.turn(MAIN, "/dash spawn --json --label typed -- sleep 600");
    assert!(turn.text.contains("\"label\":\"typed\""), "{}", turn.text);
    assert_eq!(lab.dash.agent("typed")["session"], MAIN);
    for (call, label) in [
        (json!({"agentId": "dash", "task": "plain", "label": "plain"}), "plain"),
        (
            json!({"agentId": "dash", "task": "acp", "label": "over-acp", "runtime": "acp"}),
            "over-acp",
        ),
    ] {
        let turn = client.turn(MAIN, &format!("CALL sessions_spawn {call}\nSAY spawned"));
        assert_eq!(turn.text, "spawned", "{turn:#?}");
        let said = eventually("a Dash agent of the profile answers", || {
            let all = lab.dash.run(["status", "--json", "--all"]).success().json();
            let task = |agent: &&Value| agent["profile"] == "talk" && agent["label"] == label;
            all.iter().find(task).cloned().ok_or(all)
        });
        assert_eq!(said["session"], MAIN, "{said:#}");
    }

    // No secret is anywhere but in its own file.
    let key = std::fs::read_to_string(lab.dash.dash_home().join("openclaw.key")).unwrap();
    let places = [
        lab.config(),
        lab.dash.state().join("openclaw-install.json"),
        lab.dash.state().join("daemon.log"),
        lab.dash.dash_home().join("config.toml"),
    ];
    for file in places {
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        assert!(!text.contains(key.trim()), "{}", file.display());
    }

    // Taken out: first printed, then done; what was there is there, and nothing else.
    assert!(run(&["uninstall", "--apply"]).success().stdout.contains("agents delete dash"));
    let secrets = [key.trim(), &lab.token];
    assert!(outputs.iter().all(|text| secrets.iter().all(|secret| !text.contains(secret))));
    assert_eq!(config(&lab), config_before);
    assert_eq!(approvals(&lab), rules_before);
    let left: Vec<_> = tree(&lab).symmetric_difference(&tree_before).cloned().collect();
    assert!(left.is_empty(), "{left:#?}");
    let dash_after = std::fs::read_to_string(lab.dash.dash_home().join("config.toml")).unwrap();
    assert_eq!(dash_after, dash_before);
    let keys = lab.dash.run(["keys", "list", "--json"]).success().stdout;
    assert!(!keys.contains("\"openclaw\""), "{keys}");
    assert!(!lab.dash.state().join("openclaw-install.json").exists());
    assert!(!lab.dash.dash_home().join("openclaw.key").exists());
    let again = dash(&lab, &["uninstall", "--json", "--link", link]).success().json();
    assert!(again.iter().all(|line| line["changed"] == false), "{again:#?}");
}

#[test]
fn there_is_nothing_to_install_into_without_openclaw() {
    let env = crate::env::TestEnv::new();
    for verb in ["install", "status", "uninstall"] {
        let error = env.run(["openclaw", verb, "--json"]).code(78).error();
        assert!(error["message"].as_str().unwrap().contains("no state directory"), "{error}");
        assert!(error["hint"].as_str().unwrap().contains("openclaw onboard"), "{error}");
    }
    assert!(!env.home().join(".local").exists() && env.daemon_pid().is_none());
}

#[test]
fn where_things_are_can_be_said_and_a_command_that_fails_is_named() {
    let env = crate::env::TestEnv::new();
    let state = env.home().join("state of mine");
    std::fs::create_dir_all(&state).unwrap();
    std::fs::write(state.join("openclaw.json"), "{ /* json5 */ agents: {} }").unwrap();
    let fails = env.program(
        "openclaw",
        "#!/bin/sh\necho \"$OPENCLAW_STATE_DIR\" >&2\necho not today >&2\nexit 1\n",
    );
    let (state, fails) = (state.to_str().unwrap(), fails.to_str().unwrap());
    let link = env.home().join("programs");
    let base = ["--state-dir", state, "--openclaw", fails, "--link", link.to_str().unwrap()];
    let part = ["--part", "allowlist"];
    let install = |more: &[&str]| {
        let all = ["openclaw", "install"].iter().chain(&base).chain(&part).chain(more);
        env.run(all)
    };
    let printed = install(&[]).success();
    let expected = format!(
        "OPENCLAW_STATE_DIR='{state}' openclaw approvals allowlist add --agent '*' {}",
        std::fs::canonicalize(env!("CARGO_BIN_EXE_dash")).unwrap().display()
    );
    assert!(printed.stdout.lines().any(|line| line == expected), "{printed:#?}\n{expected}");
    assert!(Path::new(state).join("skills/dash/SKILL.md").exists());
    let failed = install(&["--apply", "--json"]).code(1).error();
    let message = failed["message"].as_str().unwrap();
    assert!(message.contains("not today") && message.contains(state), "{failed}");
    let removed = env.run(["openclaw", "uninstall"].iter().chain(&base)).success();
    assert!(removed.stdout.contains("allowlist remove"), "{removed:#?}");
    assert!(!Path::new(state).join("skills").exists() && !link.exists());
    let json5 = std::fs::read_to_string(Path::new(state).join("openclaw.json")).unwrap();
    assert_eq!(json5, "{ /* json5 */ agents: {} }");
}

/// OpenClaw's own validator of skills, and the reference validator of agentskills.io (skills-ref 0.1.1).
#[test]
fn the_skill_passes_both_validators() {
    let skill = Path::new(env!("CARGO_MANIFEST_DIR")).join("skill/dash");
    let packages = installed().parent().unwrap().to_owned();
    let quick = packages.join("openclaw/skills/skill-creator/scripts/quick_validate.py");
    let mut command = Command::new("python3");
    command.arg(quick).arg(&skill);
    let said = finish(command).success().stdout;
    assert!(said.contains("Skill is valid!"), "{said}");
    let mut command = Command::new("python3");
    command.args(["-m", "skills_ref.cli", "validate"]).arg(&skill);
    let said = finish_with(command, &packages.parent().unwrap().join("python")).success().stdout;
    assert!(said.contains("Valid skill"), "{said}");
}

fn finish_with(mut command: Command, python: &Path) -> Output {
    command.env("PYTHONPATH", python);
    finish(command)
}
