//! `terminal/*`: commands that a harness has run, by the policy, in the agent's own process tree.

use std::os::unix::fs::MetadataExt;

use serde_json::{Value, json};

use super::{agent, events, home, home_with, said, waits};
use crate::env::{TestEnv, eventually, skipped};

/// A script in the working directory, which a terminal runs with `terminal sh t.sh`.
fn script(env: &TestEnv, text: &str) {
    std::fs::write(env.work().join("t.sh"), text).unwrap();
}

/// Whether a process with this in its command line is there.
fn runs(text: &str) -> bool {
    std::fs::read_dir("/proc").unwrap().flatten().any(|entry| {
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).replace('\0', " ").contains(text)
    })
}

#[test]
fn a_terminal_runs_a_command_and_its_output_and_end_are_told() {
    let env = home(&[]);
    script(&env, "printf 'out[%s%s]' \"$SOME_API_KEY\" \"$PLAIN\"; printf err >&2; exit 3");
    let talk = "capable;terminal sh t.sh;wait;output;release;output;terminal none x";
    let _ = env.spawn([
        "-l",
        "a",
        "--permissions",
        "all",
        "-e",
        "SOME_API_KEY=secret",
        "-e",
        "PLAIN=plain",
        talk,
    ]);
    env.until("a", "its turn is over", waits);
    let told = said(&events(&env, "a"), "message");
    let (before, after) = told.split_once("there is no terminal").unwrap();
    assert_eq!(before, "capable made 3out[plain]errnull", "both streams, and no secret: {told}");
    assert!(after.contains("no program"), "{told}");
}

#[test]
fn a_terminal_gets_no_key_of_any_profile_whatever_its_name() {
    let profile = |name: &str, key: &str| {
        let program = agent().display().to_string();
        format!("[profiles.{name}]\nruntime = \"acp\"\ncommand = [{program:?}]\nkeys = [{key:?}]\n")
    };
    let tables = profile("keyed", "OWN_ACCESS_ID") + &profile("other", "OTHER_ACCESS_ID");
    let env = home_with(&[], &tables);
    script(&env, "printf '[%s%s%s]' \"$OWN_ACCESS_ID\" \"$OTHER_ACCESS_ID\" \"$PLAIN\"");
    let own = ["-e", "OWN_ACCESS_ID=secret", "-e", "OTHER_ACCESS_ID=secret", "-e", "PLAIN=plain"];
    let args = ["-l", "a", "-a", "keyed", "--permissions", "all"].into_iter().chain(own);
    let _ = env.spawn(args.chain(["terminal sh t.sh;wait;output"]));
    env.until("a", "its turn is over", waits);
    let told = said(&events(&env, "a"), "message");
    assert_eq!(told, "made 0[plain]", "the keys are for the harness alone");
}

#[test]
fn the_output_is_the_last_bytes_and_a_command_is_ended_when_asked() {
    let env = home(&[]);
    script(&env, "printf 0123456789; touch said; exec sleep 600017");
    let _ = env.spawn(["-l", "a", "--permissions", "all", "limit 4;terminal sh t.sh"]);
    env.until("a", "its turn is over", waits);
    eventually("it has written", || env.work().join("said").metadata().map(drop));
    let reply = env.run(["send", "--wait", "a", "output;end;wait;output"]).success();
    assert!(reply.stdout.ends_with("6789nullSIGKILL6789\n"), "{reply:?}");
    assert!(!runs("sleep 600017"));
}

#[test]
fn a_command_that_writes_without_end_takes_little_of_the_disk() {
    let env = home(&[]);
    script(
        &env,
        "head -c 40000000 /dev/zero | tr '\\0' x; printf end; touch said; exec sleep 600020",
    );
    let agent = env.spawn(["-l", "a", "--permissions", "all", "limit 8;terminal sh t.sh"]);
    let terminals = env.state().join("agents").join(&agent).join("terminals");
    let size = eventually("it is cut", || {
        let terminal = std::fs::read_dir(&terminals).map_err(|error| error.to_string())?.next();
        let path = terminal.ok_or("no terminal")?.map_err(|error| error.to_string())?.path();
        let found = path.join("stdout").metadata().map_err(|error| error.to_string())?;
        // What is given at most, what is not worth a cut, and the file system's own.
        let done = env.work().join("said").exists() && found.blocks() * 512 < 3 * 1024 * 1024;
        if done { Ok(found.len()) } else { Err(format!("{} blocks", found.blocks())) }
    });
    assert_eq!(size, 40_000_003, "what the command sees is as it was");
    let reply = env.run(["send", "--wait", "a", "output"]).success();
    assert!(reply.stdout.ends_with("xxxxxend\n"), "{reply:?}");
    let _ = env.run(["kill", "a"]).success();
}

#[test]
fn the_policy_decides_about_commands_and_each_decision_is_audited() {
    let env = home(&[]);
    script(&env, "touch ran");
    let real = env.work().join("real");
    std::fs::create_dir(&real).unwrap();
    std::os::unix::fs::symlink(&real, env.work().join("link")).unwrap();
    let link = env.work().join("link").display().to_string();
    let talk = "capable;terminal sh t.sh";
    for policy in ["read", "edit"] {
        let _ = env.spawn(["-l", policy, "--permissions", policy, talk]);
        env.until(policy, "its turn is over", waits);
        let told = said(&events(&env, policy), "message");
        assert!(told.starts_with("incapable permission denied"), "{told}");
    }
    let talk = format!("capable;in {link};terminal touch one;terminal touch two;wait");
    let _ = env.spawn(["-l", "asks", "--permissions", "ask", &talk]);
    let title = |agent: &Value| agent["asks"]["toolCall"]["title"].clone();
    let agent = env.until("asks", "it asks", |agent| title(agent) == "run touch one");
    let place = json!([{"path": real.canonicalize().unwrap()}]);
    assert_eq!(agent["asks"]["toolCall"]["locations"], place, "{agent}");
    let _ = env.run(["deny", "asks"]).success();
    env.until("asks", "it asks again", |agent| title(agent) == "run touch two");
    let _ = env.run(["allow", "asks"]).success();
    env.until("asks", "its turn is over", waits);
    assert!(!real.join("one").exists() && real.join("two").exists());
    assert!(!env.work().join("ran").exists());
    let audit = env.run(["audit", "--json"]).success().json();
    let decisions = audit.iter().filter(|record| record["action"] == "permission");
    assert_eq!(decisions.count(), 6, "two by the policy, two questions and two answers: {audit:?}");
}

#[test]
fn terminals_die_with_their_agent() {
    die_with_their_agent(&home(&[]), 600_100);
}

#[test]
fn terminals_die_with_their_agent_where_there_are_no_control_groups_too() {
    let env = home(&[]);
    env.kill_daemon();
    eventually("the keeper goes, for nobody lives", || env.keeper_pid().map_or(Ok(()), Err));
    let Some(mut daemon) = env.serve_without_groups() else {
        skipped("no mount namespace can be made here");
        return;
    };
    die_with_their_agent(&env, 600_200);
    let _ = env.run(["shutdown", "--kill-agents", "--grace", "0s"]).success();
    daemon.wait().unwrap();
}

/// Whose commands sleep so many seconds, and one more, by which they are known.
fn die_with_their_agent(env: &TestEnv, seconds: u32) {
    let (leaves, stays) = (format!("sleep {seconds}"), format!("sleep {}", seconds + 1));
    // One leaves its process group and session.
    script(env, &format!("setsid {leaves} & exec {stays}"));
    for (label, end) in [("ended", "kill"), ("crashed", "crash")] {
        let _ = env.spawn(["-l", label, "--permissions", "all", "terminal sh t.sh"]);
        env.until(label, "its turn is over", waits);
        eventually(
            "both run",
            || {
                if runs(&leaves) && runs(&stays) { Ok(()) } else { Err("not yet") }
            },
        );
        if end == "kill" {
            let _ = env.run(["kill", label]).success();
        } else {
            let _ = env.run(["send", label, "crash"]).success();
            env.until(label, "it has ended", |agent| !agent["ended_at"].is_null());
        }
        assert!(!runs(&leaves) && !runs(&stays), "{end}");
    }
}

#[test]
fn a_terminal_outlives_the_daemon() {
    let env = home(&[]);
    script(&env, "printf before; while [ ! -e go ]; do sleep 0.05; done; printf after; exit 7");
    let _ =
        env.spawn(["-l", "a", "--permissions", "all", "terminal sh t.sh;say waits;wait;output"]);
    eventually("it waits for the end", || {
        let told = env.run(["logs", "a"]).success().stdout;
        if told.contains("waits") { Ok(()) } else { Err(told) }
    });
    env.kill_daemon();
    let _ = env.run(["status"]).success();
    std::fs::write(env.work().join("go"), "").unwrap();
    let agent = env.until("a", "its turn is over", waits);
    assert_eq!(agent["result"], "made waits7beforeafter");
    let left = env.run(["send", "--wait", "a", "release;output"]).success();
    assert!(left.stdout.contains("there is no terminal"), "{left:?}");
}
