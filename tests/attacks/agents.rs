//! What an agent itself may do at the daemon: nothing that its user could, whatever it does to be
//! taken for its user.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::env::{TestEnv, eventually, skipped};

/// A program that asks over the socket, built in this home.
fn asker(env: &TestEnv) -> String {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/attacks/asker.c");
    let program = env.work().join("asker");
    let built = Command::new("cc").arg("-O1").arg("-o").arg(&program).arg(source).status().unwrap();
    assert!(built.success());
    program.to_str().unwrap().to_owned()
}

/// Spawns `sh -c SCRIPT` with these options. It knows the home and the binary as `$DASH_HOME` and
/// `$DASH`.
fn shell(env: &TestEnv, options: &[&str], script: &str) -> Value {
    let dash = concat!("DASH=", env!("CARGO_BIN_EXE_dash"));
    let args = ["spawn", "--json", "-e", "DASH_HOME", "-e", dash];
    let command = ["--", "sh", "-c", script];
    env.run(args.iter().chain(options).chain(&command)).success().one()
}

fn id(agent: &Value) -> String {
    agent["id"].as_str().unwrap().to_owned()
}

/// A file in the work directory, once an agent has written it.
#[track_caller]
fn written(env: &TestEnv, file: &str) -> String {
    written_in(&env.work().join(file))
}

fn written_in(file: &Path) -> String {
    eventually("it is written", || std::fs::read_to_string(file))
}

/// The audit records of this actor, once there are some that match.
#[track_caller]
fn trail(env: &TestEnv, what: &str, matches: impl Fn(&Value) -> bool) -> Vec<Value> {
    eventually(what, || {
        let trail = env.run(["audit", "--json"]).success().json();
        let found: Vec<Value> = trail.iter().filter(|record| matches(record)).cloned().collect();
        if found.is_empty() { Err(format!("{trail:?}")) } else { Ok(found) }
    })
}

fn is_denied(record: &Value, actor: &str) -> bool {
    record["action"] == "auth.denied" && record["actor"] == actor && record["outcome"] == "refused"
}

/// S07: what a prompt could make an agent run.
#[test]
fn an_agent_may_look_at_itself_and_do_nothing_else() {
    let env =
        TestEnv::with_config("[profiles.demo]\nruntime = \"command\"\ncommand = [\"echo\"]\n");
    let bystander = env.spawn(["-l", "bystander", "--stdin", "--", "cat"]);
    let script = "try() { \"$DASH\" --json \"$@\" >out 2>&1; \
        printf '%s %s %s\\n' $? $1 \"$(tail -1 out)\" >>all; }
        try kill --all --yes; try kill bystander; try send bystander x; try spawn -- true
        try spawn -a demo x; try shutdown --kill-agents; try audit; try keys add me --scope admin
        try keys list; try logs bystander; try allow bystander; try status bystander
        try watch bystander; try wait bystander; try status; try status --all
        try kill $DASH_AGENT_ID; try send $DASH_AGENT_ID x
        mv all done; exec sleep 1000";
    let agent = id(&shell(&env, &["--stdin"], script));
    let all = written(&env, "done");
    let lines: Vec<&str> = all.lines().collect();
    assert_eq!(lines.len(), 18, "{all}");
    for line in &lines {
        let (code, rest) = line.split_once(' ').unwrap();
        let (what, output) = rest.split_once(' ').unwrap();
        if code == "0" {
            assert_eq!(what, "status", "{line}");
            let seen: Value = serde_json::from_str(output).unwrap();
            assert_eq!(seen["id"], agent.as_str(), "it sees itself: {line}");
        } else {
            assert_eq!(code, "5", "{line}");
            let error: Value = serde_json::from_str(output).unwrap();
            assert_eq!(error["error"]["code"], "forbidden", "{line}");
            assert!(error["error"]["hint"].is_string(), "{line}");
        }
    }
    assert_eq!(all.matches("\n0 status ").count() + usize::from(all.starts_with("0 ")), 2, "{all}");
    assert!(all.contains("--children"), "the next step is named: {all}");
    assert_eq!(env.agent(&bystander)["status"], "running");
    assert_eq!(env.run(["status", "--json", "--all"]).success().json().len(), 2);
    let actor = format!("agent:{agent}");
    trail(&env, "its refusals are in the trail", |record| {
        is_denied(record, &actor) && record["detail"]["what"] == "POST /api/v1/agents"
    });
    trail(&env, "others too", |record| {
        is_denied(record, &actor) && record["detail"]["what"] == "POST /api/v1/shutdown"
    });
}

/// Ways to be taken for the user. `$ASKER HOW` asks without a program of ours; what comes back is in
/// the file `answer`, or printed.
const EVASIONS: &[(&str, &str)] = &[
    ("its own environment", "\"$DASH\" kill --all --yes"),
    ("no environment", "env -i DASH_HOME=\"$DASH_HOME\" \"$DASH\" kill --all --yes"),
    (
        "a session of its own",
        "setsid -w env -i DASH_HOME=\"$DASH_HOME\" \"$DASH\" kill --all --yes",
    ),
    ("another agent's name", "DASH_AGENT_ID=kkkkkkkkkkkkkkkk \"$DASH\" kill --all --yes"),
    (
        "another program's name",
        "cp \"$DASH\" innocent; env -i DASH_HOME=\"$DASH_HOME\" ./innocent kill --all --yes",
    ),
    (
        "no parents",
        "(setsid env -i DASH_HOME=\"$DASH_HOME\" PATH=\"$PATH\" DASH=\"$DASH\" \
          sh -c 'sleep 0.1; \"$DASH\" kill --all --yes >part 2>&1; mv part answer' & ) & wait",
    ),
    (
        "closed descriptors",
        "(exec <&- >&- 2>&-; \"$ASKER\" plain \"$SOCKET\" answer \"POST /api/v1/kill\" '{\"all\":true}')",
    ),
    (
        "a program of its own",
        "\"$ASKER\" plain \"$SOCKET\" answer \"POST /api/v1/kill\" '{\"all\":true}'",
    ),
    (
        "nothing that tells",
        "\"$ASKER\" hidden \"$SOCKET\" answer \"POST /api/v1/kill\" '{\"all\":true}'",
    ),
    (
        "an unreadable process",
        "env -i \"$ASKER\" unreadable \"$SOCKET\" answer \"POST /api/v1/kill\" '{\"all\":true}'",
    ),
    (
        "a connection of the dead",
        "\"$ASKER\" heir \"$SOCKET\" answer \"POST /api/v1/kill\" '{\"all\":true}'",
    ),
    (
        "another user namespace",
        "unshare -U env -i DASH_HOME=\"$DASH_HOME\" \"$DASH\" kill --all --yes",
    ),
    (
        "another process namespace",
        "unshare -Urpf --mount-proc env -i DASH_HOME=\"$DASH_HOME\" \"$DASH\" kill --all --yes",
    ),
];

/// Tries all of them in this home.
fn evade(env: &TestEnv) {
    let program = asker(env);
    let bystander = env.spawn(["-l", "bystander", "--", "sleep", "1000"]);
    let socket = format!("SOCKET={}", env.socket().display());
    let program = format!("ASKER={program}");
    for (what, script) in EVASIONS {
        let _ = std::fs::remove_file(env.work().join("answer"));
        let script = format!(
            "{{ {script}; }} >said 2>&1; [ -e answer ] || case $(cat said) in ?*) mv said answer; esac; \
             exec sleep 1000"
        );
        let options = ["-e", socket.as_str(), "-e", program.as_str()];
        let agent = id(&shell(env, &options, &script));
        let answer = written(env, "answer");
        if answer.contains("unshare: ") {
            skipped(&format!("{what}: {answer}"));
        } else {
            assert!(answer.contains("forbidden") || answer.contains("error: "), "{what}: {answer}");
            assert!(!answer.contains("\"agents\":["), "{what}: {answer}");
        }
        assert_eq!(env.agent(&bystander)["status"], "running", "{what}: {answer}");
        // It may have been quicker than the record of its start.
        env.until(&agent, "it runs on", |agent| agent["status"] == "running");
        let _ = env.run(["kill", "--grace", "0s", &agent]).success();
    }
    trail(env, "refusals are in the trail", |record| {
        record["action"] == "auth.denied"
            && record["actor"].as_str().is_some_and(|actor| actor.starts_with("agent"))
    });
}

#[test]
fn an_agent_is_known_whatever_it_does_to_hide() {
    evade(&TestEnv::new());
}

#[test]
fn an_agent_is_known_where_there_are_no_control_groups_too() {
    let env = TestEnv::new();
    let Some(mut daemon) = env.serve_without_groups() else {
        skipped("no mount namespace can be made here");
        return;
    };
    evade(&env);
    let agent = env.spawn(["--", "sleep", "1000"]);
    let record = written_in(&env.state().join("agents").join(agent).join("process"));
    assert!(!record.contains("\"group\""), "the daemon found a group after all: {record}");
    let _ = env.run(["shutdown", "--kill-agents", "--grace", "0s"]).success();
    daemon.wait().unwrap();
}

#[test]
fn an_agent_with_children_reaches_them_and_nobody_else() {
    let env = TestEnv::new();
    let bystander = env.spawn(["-l", "bystander", "--", "sleep", "1000"]);
    let script = "\"$DASH\" spawn -q -l worker --stdin -- cat >worker
        \"$DASH\" send worker hello
        \"$DASH\" status --json --all >seen
        \"$DASH\" --json kill bystander >refused 2>&1; echo $? >>refused
        while ! \"$DASH\" logs worker | grep -q hello; do sleep 0.05; done
        \"$DASH\" kill --all --yes --json >killed
        \"$DASH\" spawn -q -l heir -- sleep 1000
        mv killed done; exec sleep 1000";
    let parent = shell(&env, &["--children", "2", "-l", "parent"], script);
    assert_eq!(parent["children"]["at_once"], 2);
    let killed: Value = serde_json::from_str(&written(&env, "done")).unwrap();
    let worker = written(&env, "worker").trim().to_owned();
    assert_eq!((&killed["id"], &killed["status"]), (&worker.as_str().into(), &"killed".into()));
    let seen = written(&env, "seen");
    let seen: Vec<Value> = seen.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(seen.iter().map(id).collect::<Vec<_>>(), [id(&parent), worker.clone()]);
    let refused = written(&env, "refused");
    assert!(refused.contains("forbidden") && refused.ends_with("\n5\n"), "{refused}");
    assert_eq!(env.agent(&bystander)["status"], "running");

    let actor = format!("agent:{}", id(&parent));
    let child = env.agent(&worker);
    assert_eq!((&child["parent"], &child["spawned_by"]), (&parent["id"], &actor.as_str().into()));
    for action in ["spawn", "send", "kill"] {
        trail(&env, action, |record| {
            record["action"] == action && record["actor"] == actor.as_str()
        });
    }
    // Whoever ends the parent ends what is below it.
    let ended = env.run(["kill", "--json", "parent", "--grace", "1s"]).success().one();
    assert_eq!(ended["status"], "killed");
    assert_eq!(env.agent("heir")["status"], "killed");
    assert_eq!(env.agent(&bystander)["status"], "running");
}

/// S08: each spawns more like itself, for ever, whatever it is told.
const BOMB: &str = "while :; do
        for more in '--children 12 --depth 2' '--children 12' ''; do
            \"$DASH\" --json spawn $more -e DASH_HOME -e DASH -e SELF -- sh -c \"$SELF\" \
                >/dev/null 2>>refusals || sleep 0.1
        done
    done";

#[test]
fn heavy_an_agent_that_spawns_itself_comes_to_an_end() {
    let env = TestEnv::new();
    let bystander = env.spawn(["-l", "bystander", "--", "sleep", "1000"]);
    let calm = slowest_look(&env);
    let itself = format!("SELF={BOMB}");
    let limits = ["--children", "12", "--children-in-all", "30", "--depth", "3", "-e", &itself];
    let bomb = id(&shell(&env, &limits, "eval \"$SELF\""));
    // Beside those below it there are itself and the bystander.
    eventually("as many are there as may be", || match living(&env).len() {
        14 => Ok(()),
        other => Err(other),
    });
    let under_it = slowest_look(&env);
    // Whoever is ended makes room for the next, until all that may ever be have been.
    let all = || env.run(["status", "--json", "--all"]).success().json();
    while all().len() < 30 + 2 {
        let agents = living(&env);
        assert!(agents.len() <= 12 + 2, "{}", agents.len());
        if let Some(one) = agents.iter().find(|agent| agent["parent"] == bomb.as_str()) {
            let _ = env.run(["kill", "--grace", "0s", &id(one)]).success();
        }
    }
    for code in ["too_deep", "too_many_children", "children_used_up"] {
        eventually(code, || {
            let refusals = std::fs::read_to_string(env.work().join("refusals")).unwrap();
            if refusals.contains(&format!("\"code\":\"{code}\"")) { Ok(()) } else { Err(()) }
        });
    }
    assert_eq!(all().len(), 30 + 2);
    assert_eq!(env.agent(&bystander)["status"], "running");
    eprintln!("slowest of {LOOKS} looks: calm {calm:?}, under the bomb {under_it:?}");
    assert!(under_it < calm * 20, "calm {calm:?}, under the bomb {under_it:?}");
    let _ = env.run(["kill", "--grace", "0s", &bomb]).success();
    assert_eq!(living(&env).len(), 1, "only the bystander");
}

/// How often the daemon is asked, and the slowest answer counts.
const LOOKS: usize = 30;

fn slowest_look(env: &TestEnv) -> Duration {
    let look = |_| {
        let begin = Instant::now();
        let _ = env.run(["status", "--json", "bystander"]).success();
        begin.elapsed()
    };
    (0..LOOKS).map(look).max().unwrap()
}

fn living(env: &TestEnv) -> Vec<Value> {
    let mut agents = env.run(["status", "--json", "--all"]).success().json();
    agents.retain(|agent| agent["ended_at"].is_null());
    agents
}

/// A daemon that an agent starts would be a part of it.
#[test]
fn an_agent_does_not_start_the_daemon_that_it_belongs_to() {
    let env = TestEnv::new();
    let script = "while [ ! -e gone ]; do sleep 0.05; done
        \"$DASH\" --json status >part 2>&1; echo $? >>part; mv part said; exec sleep 1000";
    let agent = id(&shell(&env, &[], script));
    env.until(&agent, "it runs", |agent| agent["status"] == "running");
    env.kill_daemon();
    std::fs::write(env.work().join("gone"), "").unwrap();
    let said = written(&env, "said");
    assert!(said.contains("outside of it") && said.ends_with("\n69\n"), "{said}");
    assert_eq!(env.daemon_pid(), None);
    assert_eq!(env.agent(&agent)["status"], "running", "a command of the user's starts it");
}
