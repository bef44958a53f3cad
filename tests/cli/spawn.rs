//! `dash spawn`.

use insta::assert_snapshot;
use serde_json::json;

use super::{redacted, started, started_with, told};
use crate::env::{TestEnv, eventually};

#[test]
fn the_first_one_starts_the_daemon_and_says_so() {
    let env = TestEnv::new();
    let _redacted = redacted();
    assert_snapshot!(told(&env.run(["spawn", "-l", "first", "--", "sleep", "600"])), @r#"
    spawned first [id]
    -- stderr
    dash: started the daemon (pid [pid]); stop it with "dash shutdown"
      see it: dash watch [short]   end it: dash kill [short]
    -- exit 0
    "#);
    assert_snapshot!(told(&env.run(["spawn", "--", "sleep", "600"])), @r#"
    spawned [id]
    -- stderr
      see it: dash watch [short]   end it: dash kill [short]
    -- exit 0
    "#);
}

#[test]
fn several_are_one_group() {
    let env = started();
    let _redacted = redacted();
    let many = env.run(["spawn", "-n", "3", "-l", "w", "-g", "night shift", "--", "sleep", "600"]);
    assert_snapshot!(told(&many), @r#"
    spawned 3 agents in group night shift (w #1 to w #3)
    -- stderr
      see them: dash watch --group 'night shift'   end them: dash kill --group 'night shift'
    -- exit 0
    "#);
    let agents = env.run(["status", "--json", "--group", "night shift"]).success().json();
    let indices: Vec<_> = agents.iter().map(|agent| agent["index"].clone()).collect();
    assert_eq!(indices, [json!(1), json!(2), json!(3)]);
}

#[test]
fn quiet_prints_ids_and_nothing_else() {
    let env = TestEnv::new();
    let output = env.run(["spawn", "-q", "-n", "2", "--", "true"]).success();
    assert_eq!(output.stderr, "");
    let ids: Vec<_> = output.stdout.lines().collect();
    assert_eq!(ids.len(), 2);
    for id in ids {
        assert_eq!(env.agent(id)["id"], id);
    }
}

#[test]
fn json_prints_an_agent_a_line() {
    let env = TestEnv::new();
    let output = env.run(["spawn", "--json", "-n", "2", "-m", "a=b=c", "--", "true"]).success();
    assert_eq!(output.stderr, "");
    let agents = output.json();
    assert_eq!(agents.len(), 2);
    for name in [
        "id",
        "label",
        "metadata",
        "group",
        "session",
        "runtime",
        "profile",
        "status",
        "command",
        "task",
        "cwd",
        "created_at",
        "started_at",
        "ended_at",
        "exit_code",
        "signal",
        "reason",
        "result",
        "last_seq",
    ] {
        assert!(agents[0].get(name).is_some(), "{name} is missing in {}", agents[0]);
    }
    assert_eq!(agents[0]["metadata"], json!({"a": "b=c"}));
    assert_eq!(agents[0]["command"], json!(["true"]));
    assert_eq!(agents[0]["cwd"], json!(env.work()));
}

#[test]
fn wait_exits_as_the_agent_does() {
    let env = started();
    for (script, expected) in
        [("exit 0", 0), ("exit 7", 7), ("kill -INT $$", 130), ("kill -9 $$", 137)]
    {
        let _ = env.run(["spawn", "--wait", "--", "sh", "-c", script]).code(expected);
        let line = env.run(["spawn", "--wait", "--json", "--", "sh", "-c", script]).code(expected);
        let status = if expected == 0 { "completed" } else { "failed" };
        assert_eq!(line.one()["status"], status, "{script}");
    }
    let failed = env.run(["spawn", "--wait", "-n", "3", "--", "sh", "-c", "exit 5"]).code(5);
    assert_eq!(failed.stdout.matches("exit code 5").count(), 3, "{failed:?}");
}

#[test]
fn a_timeout_is_never_a_success() {
    let env = started();
    let _redacted = redacted();
    let trap = "trap 'exit 0' TERM; sleep 600 & wait";
    let args = ["spawn", "--wait", "-l", "slow", "-t", "100ms", "--", "sh", "-c", trap];
    assert_snapshot!(told(&env.run(args)), @r#"
    spawned slow [id]
    slow [id] timed out, exit code 0, it ran longer than its timeout of 100 ms, after [span]
    -- stderr
      see it: dash watch [short]   end it: dash kill [short]
    -- exit 1
    "#);
    assert_eq!(env.agent("slow")["status"], "timed_out");
}

#[test]
fn watch_shows_its_whole_life() {
    let env = started();
    let _redacted = redacted();
    let script = "echo one; exit 3";
    let output = env.run(["spawn", "--watch", "-l", "short", "--", "sh", "-c", script]);
    assert_snapshot!(told(&output), @r#"
    short * spawned: sh -c 'echo one; exit 3'
    short * started, pid [pid]
    short | one
    short * failed, exit code 3
    -- exit 3
    "#);
    let output = env.run(["spawn", "--watch", "--json", "--", "sh", "-c", script]).code(3);
    let types: Vec<_> = output.json().iter().map(|event| event["type"].clone()).collect();
    assert_eq!(types, ["agent.spawned", "agent.started", "agent.output", "agent.failed"]);
}

#[test]
fn a_task_comes_from_a_file_or_from_standard_input() {
    let env = started();
    let file = env.write("task.txt", "say from a file\n");
    let args = ["spawn", "--wait", "--json", "-a", "scripted", "--prompt-file"];
    let agent = env.run(args.iter().copied().chain([file.to_str().unwrap()])).success().one();
    assert_eq!(
        (&agent["task"], &agent["result"]),
        (&json!("say from a file\n"), &json!("from a file"))
    );
    let agent = env.run_with_input(args.iter().copied().chain(["-"]), b"say piped").success().one();
    assert_eq!((&agent["task"], &agent["result"]), (&json!("say piped"), &json!("piped")));
    for (input, expected) in [(&b""[..], "empty"), (b"\xff", "UTF-8")] {
        let output = env.run_with_input(args.iter().copied().chain(["-"]), input).code(2);
        assert!(output.error()["message"].as_str().unwrap().contains(expected), "{output:?}");
    }
}

#[test]
fn the_environment_is_what_was_asked_for() {
    let env = started();
    let print = |args: &[&str]| {
        let mut command = env
            .command(["spawn", "--wait", "-q"].iter().chain(args).chain(&["-l", "e", "--", "env"]));
        command.env("SECRET", "s3cret").env("LC_ALL", "C").env("DASH_AGENT_ID", "other");
        assert!(command.output().unwrap().status.success());
        let agent = env.run(["status", "--json", "--all"]).success().json().pop().unwrap();
        let id = agent["id"].as_str().unwrap().to_owned();
        (env.run(["logs", &id]).success().stdout, id)
    };
    let (base, id) = print(&[]);
    let mut names: Vec<_> = base.lines().map(|line| line.split('=').next().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, ["DASH_AGENT_ID", "HOME", "LC_ALL", "PATH"]);
    assert!(base.contains(&format!("DASH_AGENT_ID={id}\n")), "{base}");
    let (given, _) = print(&["-e", "SECRET", "-e", "A=b=c", "-e", "EMPTY="]);
    for line in ["SECRET=s3cret\n", "A=b=c\n", "EMPTY=\n"] {
        assert!(given.contains(line), "{line:?} in {given}");
    }
    let (all, id) = print(&["--env-all"]);
    assert!(all.contains("SECRET=s3cret\n") && all.contains("COLUMNS=100\n"), "{all}");
    assert!(all.contains(&format!("DASH_AGENT_ID={id}\n")), "{all}");
}

#[test]
fn values_of_variables_are_kept_nowhere() {
    let env = started();
    let value = "S3cretValue";
    let _ = env.run(["spawn", "--wait", "-e", &format!("K={value}"), "--", "true"]).success();
    let _ = env.run(["shutdown"]).success();
    let mut directories = vec![env.state()];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                directories.push(path);
            } else if let Ok(bytes) = std::fs::read(&path) {
                let found = bytes.windows(value.len()).any(|part| part == value.as_bytes());
                assert!(!found, "the value is in {}", path.display());
            }
        }
    }
}

#[test]
fn a_profile_has_its_own_variables_and_template() {
    let env = started_with(
        "default_profile = \"say\"\n[profiles.say]\nruntime = \"command\"\n\
         command = [\"sh\", \"-c\", \"echo $LEVEL $0\", \"{task}\"]\n\
         env = { LEVEL = \"high\" }\ntask = \"brief: {task}\"\n",
    );
    let logs = |args: &[&str]| {
        let all = ["spawn", "--wait", "--json"].iter().chain(args).chain(&["$(id) it"]);
        let agent = env.run(all).success().one();
        agent["result"].as_str().unwrap().trim_end().to_owned()
    };
    assert_eq!(logs(&[]), "high brief: $(id) it");
    assert_eq!(logs(&["-a", "say", "-e", "LEVEL=own"]), "own brief: $(id) it");
}

#[test]
fn the_working_directory_is_the_callers_or_the_one_named() {
    let env = started();
    std::fs::create_dir(env.work().join("sub")).unwrap();
    let pwd = |args: &[&str]| {
        let all = ["spawn", "--wait", "--json"].iter().chain(args).chain(&["--", "pwd"]);
        env.run(all).success().one()["result"].as_str().unwrap().trim_end().to_owned()
    };
    assert_eq!(pwd(&[]), env.work().to_str().unwrap());
    assert_eq!(pwd(&["-C", "sub"]), env.work().join("sub").to_str().unwrap());
    assert_eq!(pwd(&["--cwd", "/"]), "/");
}

#[test]
fn the_same_key_starts_nothing_new() {
    let env = started();
    let args = ["spawn", "-q", "--idempotency-key", "k1", "-n", "2", "--", "sleep", "600"];
    let first = env.run(args).success().stdout;
    assert_eq!(env.run(args).success().stdout, first);
    assert_eq!(env.run(["status", "-q"]).success().stdout, first);
    let other = env.run(["spawn", "--json", "--idempotency-key", "k1", "--", "true"]).code(2);
    assert_eq!(other.error()["code"], "key_reused");
    assert_eq!(env.run(["status", "-q"]).success().stdout, first);
    // The daemon's restart forgets nothing.
    let _ = env.run(["shutdown"]).success();
    assert_eq!(env.run(args).success().stdout, first);
}

#[test]
fn agents_is_another_name_for_count() {
    let env = started();
    assert_eq!(
        env.run(["spawn", "-q", "--agents", "5", "--", "true"]).success().stdout.lines().count(),
        5
    );
}

#[test]
fn standard_input_is_empty_unless_asked_for() {
    let env = started();
    let agent = env.run(["spawn", "--wait", "--json", "--", "cat"]).success().one();
    assert_eq!((&agent["stdin"], &agent["result"]), (&json!(false), &json!(null)));
    let id = env.spawn(["--stdin", "--", "cat"]);
    let agent = env.until(&id, "it runs", |agent| agent["status"] == "running");
    assert_eq!(agent["stdin"], true);
}

#[test]
fn a_full_house_queues_and_says_why() {
    let env = started_with("[daemon]\nmax_running = 1\n");
    let _redacted = redacted();
    let first = env.spawn(["-l", "first", "--", "sleep", "600"]);
    assert_snapshot!(told(&env.run(["spawn", "-l", "second", "--", "sleep", "600"])), @r#"
    spawned second [id]
    -- stderr
      queued: 1 agent runs already, the limit set by daemon.max_running
      see it: dash watch [short]   end it: dash kill [short]
    -- exit 0
    "#);
    assert_eq!(env.agent("second")["status"], "queued");
    let _ = env.run(["kill", "--grace", "0s", &first]).success();
    eventually("the second has its turn", || {
        let status = env.agent("second")["status"].clone();
        if status == "running" { Ok(()) } else { Err(status) }
    });
}
