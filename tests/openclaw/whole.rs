//! `dash openclaw install`, `status` and `uninstall` from one end to the other, on a real OpenClaw 2026.9.6 and through
//! its own command line. Only the language model is scripted, and `acp-backend/` stands in for the plugin
//! @openclaw/acpx.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use super::child::{agents_of, session, spawn, until_task, until_told, within};
use super::client::Client;
use super::lab::{Lab, MAIN, Setup, finish, free_port};
use crate::env::{Output, eventually};

/// What the user has in Dash's own configuration, to the letter.
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

/// The verdict on a piece, and what is said about it.
#[track_caller]
fn verdict(checks: &BTreeMap<String, Value>, piece: &str) -> (String, String) {
    let check = checks.get(piece).unwrap_or_else(|| panic!("no check {piece}: {checks:#?}"));
    let next = check["next"].as_str().unwrap_or_default();
    (check["verdict"].as_str().unwrap().to_owned(), format!("{} {next}", check["found"]))
}

/// OpenClaw's configuration, but for the stamp that any write of its command line leaves.
fn config(lab: &Lab) -> Value {
    let mut config: Value = serde_json::from_slice(&std::fs::read(lab.config()).unwrap()).unwrap();
    config.as_object_mut().unwrap().remove("meta");
    config
}

fn rules(lab: &Lab) -> Value {
    lab.client().ok("exec.approvals.get", &json!({}))["file"].clone()
}

/// What OpenClaw's own `skills check` says of the skill: whether it is eligible, and what is missing.
fn skill(lab: &Lab) -> (bool, Vec<String>) {
    let checked = lab.openclaw(["skills", "check", "--json"]).success().stdout;
    let checked: Value = serde_json::from_str(&checked).unwrap();
    let names = |key: &str| checked[key].as_array().unwrap().iter();
    let eligible = names("eligible").any(|name| *name == "dash");
    let missing = names("missingRequirements").filter(|row| row["name"] == "dash");
    let bins = missing.flat_map(|row| row["missing"]["bins"].as_array().unwrap().clone());
    (eligible, bins.map(|bin| bin.as_str().unwrap().to_owned()).collect())
}

/// Every path in the home that is called after Dash, but for Dash's own, and for what OpenClaw keeps of what has been:
/// the deleted agent in the bin, the ACP backend's sessions, and its own pages, of which some are dashboards.
fn traces(lab: &Lab) -> BTreeSet<PathBuf> {
    let kept = [".Trash", ".openclaw/cache", ".openclaw/acpx/sessions", "acp-backend/node_modules"];
    let kept = kept.map(|path| lab.dash.home().join(path));
    let mut found = BTreeSet::new();
    walk(lab.dash.home(), &mut |path| {
        if path == lab.dash.dash_home() || kept.iter().any(|kept| path == kept) {
            return false;
        }
        let name = path.file_name().unwrap().to_string_lossy();
        if name.contains("dash") {
            found.insert(path.to_owned());
        }
        true
    });
    found
}

/// Dash's own configuration, to the letter.
fn own_config(lab: &Lab) -> String {
    std::fs::read_to_string(lab.dash.dash_home().join("config.toml")).unwrap()
}

/// The files in the home, Dash's own among them, that have this text in them.
fn files_with(lab: &Lab, text: &str) -> Vec<PathBuf> {
    let found = finish(lab.command("grep", ["-rlF", text, "."]));
    found.stdout.lines().map(PathBuf::from).collect()
}

fn walk(dir: &Path, visit: &mut impl FnMut(&Path) -> bool) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        if visit(&entry.path()) && entry.file_type().unwrap().is_dir() {
            walk(&entry.path(), visit);
        }
    }
}

#[test]
fn heavy_dash_is_put_into_openclaw_used_and_taken_out_again() {
    // One agent, of which nothing is said: OpenClaw writes down who it is when it gets a second one.
    let nameless =
        json!({"agents": {"entries": null, "defaults": {"heartbeat": null, "systemAgent": null}}});
    let setup = Setup::default().dash_config(CONFIG).exec_mode("allowlist").config(nameless);
    let mut lab = setup.acp_backend().dashctl().start();
    let bin = lab.dash.home().join("bin");
    std::fs::remove_file(bin.join("dashctl")).unwrap();
    let before = (config(&lab), rules(&lab), traces(&lab));
    let dash_before = own_config(&lab);

    let link = bin.to_str().unwrap();
    nothing_is_there(&lab, link);
    without_dashctl_the_skill_is_hidden(&lab);
    let listen = format!("127.0.0.1:{}", free_port());
    let install = ["install", "--link", link, "--listen", &listen];
    printed_nothing_is_touched(&lab, &install);

    let applied = dash(&lab, &[&install[..], &["--apply"]].concat()).success();
    all_is_well(&lab);
    let again = dash(&lab, &["install", "--apply", "--json"]).success().json();
    assert!(again.iter().all(|line| line["changed"] == false), "{again:#?}");
    lab.restart();
    all_is_well(&lab);
    let client = lab.client();
    client.subscribe(MAIN);
    each_way_to_spawn_works(&lab, &client);

    let key = std::fs::read_to_string(lab.dash.dash_home().join("openclaw.key")).unwrap();
    assert_eq!(files_with(&lab, key.trim()), [PathBuf::from("./d/openclaw.key")]);
    let removed = dash(&lab, &["uninstall", "--apply"]).success();
    let after = (config(&lab), rules(&lab), traces(&lab));
    assert_eq!(after, before);
    assert_eq!(own_config(&lab), dash_before);
    assert!(!lab.dash.state().join("openclaw-install.json").exists());
    assert!(!lab.dash.home().join("elsewhere").exists());
    let keys = lab.dash.run(["keys", "list", "--json"]).success().stdout;
    assert!(!keys.contains("\"openclaw\""), "{keys}");
    assert_eq!(files_with(&lab, key.trim()), Vec::<PathBuf>::new());
    let said = format!("{applied:?}{removed:?}");
    assert!(!said.contains(key.trim()) && !said.contains(&lab.token), "{said}");

    assert_eq!(client.turn(MAIN, "SAY still here").text, "still here");
    let again = dash(&lab, &["uninstall", "--json", "--link", link]).success().json();
    assert!(again.iter().all(|line| line["changed"] == false), "{again:#?}");
}

fn nothing_is_there(lab: &Lab, link: &str) {
    let found = checks(&dash(lab, &["status", "--json", "--link", link]).code(1));
    assert_eq!(verdict(&found, "gateway").0, "ok");
    for piece in ["skill", "dashctl", "skill in the gateway"] {
        assert_eq!(verdict(&found, piece).0, "fail", "{piece}");
    }
    let (exec, why) = verdict(&found, "exec");
    assert!(exec == "fail" && why.contains("openclaw approvals allowlist add"), "{why}");
    assert_eq!(verdict(&found, "acp agent").0, "off");
    assert_eq!(verdict(&found, "model provider").0, "off");
}

fn without_dashctl_the_skill_is_hidden(lab: &Lab) {
    let elsewhere = lab.dash.home().join("elsewhere");
    let args = ["install", "--part", "none", "--link", elsewhere.to_str().unwrap()];
    let _ = dash(lab, &args).success();
    assert_eq!(skill(lab), (false, vec!["dashctl".to_owned()]));
    let found = checks(&dash(lab, &["status", "--json"]).code(1));
    let (said, why) = verdict(&found, "skill in the gateway");
    assert!(said == "fail" && why.contains("dashctl is not on the gateway's PATH"), "{why}");
}

fn printed_nothing_is_touched(lab: &Lab, install: &[&str]) {
    let (before, rules_before) = (std::fs::read(lab.config()).unwrap(), rules(lab));
    let printed = dash(lab, install).success();
    for command in [
        "openclaw approvals allowlist add --agent '*' ",
        "openclaw config set --batch-json ",
        "dash keys add openclaw --scope operate --file ",
        "dash config set daemon.listen ",
    ] {
        assert!(printed.stdout.contains(command), "{printed:#?}");
    }
    assert!(!lab.dash.home().join("elsewhere/dashctl").is_symlink(), "the link is in one place");
    assert_eq!(dash(lab, install).success().stdout, printed.stdout);
    assert_eq!((std::fs::read(lab.config()).unwrap(), rules(lab)), (before, rules_before));
    assert_eq!(skill(lab), (true, vec![]));
}

fn all_is_well(lab: &Lab) {
    within(Duration::from_mins(1), "all is well", || {
        let output = dash(lab, &["status", "--json"]);
        if output.code == Some(0) && checks(&output).values().all(|check| check["verdict"] == "ok")
        {
            Ok(())
        } else {
            Err(format!("{output:#?}"))
        }
    });
}

fn each_way_to_spawn_works(lab: &Lab, client: &Client) {
    let turn = client.turn(MAIN, "/dash spawn --json --label typed -- sleep 600");
    assert!(turn.text.contains("\"label\":\"typed\""), "{}", turn.text);
    assert_eq!(lab.dash.agent("typed")["session"], MAIN);
    // The gateway starts the daemon when none runs, as `install` has told it.
    let _ = lab.dash.run(["shutdown"]).success();
    eventually("no daemon runs", || lab.dash.daemon_pid().map_or(Ok(()), Err));
    for (label, runtime) in [("plain", None), ("over-acp", Some("acp"))] {
        let mut call =
            json!({"agentId": "dash", "task": format!("a task, {label}"), "label": label});
        if let Some(runtime) = runtime {
            call["runtime"] = runtime.into();
        }
        let child = spawn(client, &call);
        until_task(client, &child, "completed");
        until_told(lab, &child);
        let agents = agents_of(lab, &child);
        assert_eq!(agents.len(), 1, "{agents:#?}");
        let facts = ["label", "session", "profile", "result"].map(|key| agents[0][key].clone());
        let said = format!("you said a task, {label}");
        assert_eq!(facts, [label, MAIN, "talk", &said].map(Value::from));
        assert_eq!(session(client, label).unwrap()["key"], child);
    }
}
