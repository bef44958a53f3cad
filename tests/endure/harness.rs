//! Agents whose output is not what anybody would want.

use std::os::unix::fs::MetadataExt;

use crate::env::{Output, TestEnv, eventually};

fn shell(env: &TestEnv, script: &str) -> String {
    env.spawn(["--", "sh", "-c", script])
}

fn ended(env: &TestEnv, agent: &str) -> Output {
    env.run(["wait", agent, "--timeout", "50s"]).success()
}

#[test]
fn heavy_a_line_of_a_hundred_megabytes_is_passed_on_in_bounded_memory() {
    let env = TestEnv::new();
    let line = "head -c 100000000 /dev/zero | tr '\\0' x; echo; echo after";
    let agent = shell(&env, line);
    let _ = ended(&env, &agent);
    let logs = env.run(["logs", "--tail", "1", &agent]).success();
    assert_eq!(logs.stdout, "after\n");
    let status = format!("/proc/{}/status", env.daemon_pid().unwrap());
    let status = std::fs::read_to_string(status).unwrap();
    let most = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let most: u64 = most.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(most < 200_000, "the daemon took {most} kB");
}

#[test]
fn a_flood_is_whole_and_in_order() {
    let env = TestEnv::new();
    let agent = shell(&env, "seq 1 100000");
    let other = env.spawn(["--", "echo", "beside it"]);
    let _ = ended(&env, &other);
    let _ = ended(&env, &agent);
    let logs = env.run(["logs", &agent]).success().stdout;
    assert!(logs.lines().eq((1..=100_000).map(|n| n.to_string())));
}

#[test]
fn what_is_written_while_no_daemon_runs_is_bounded_and_said_to_be_cut() {
    let env = TestEnv::with_config("[daemon]\nbacklog_max_mb = 4\n");
    let script = "echo first; while [ ! -e flood ]; do sleep 0.05; done; seq 1 3000000; \
                  while [ ! -e go ]; do sleep 0.05; done; echo last";
    let agent = shell(&env, script);
    env.until(&agent, "its first line is taken over", |agent| agent["last_seq"].as_u64() > Some(2));
    env.kill_daemon();
    env.write("work/flood", "");
    let file = env.state().join("agents").join(&agent).join("stdout");
    let size = 6 + (1..=3_000_000_u64).map(|n| n.to_string().len() as u64 + 1).sum::<u64>();
    eventually("it has written", || match file.metadata().unwrap().len() {
        found if found == size => Ok(()),
        found => Err(found),
    });
    eventually("its file takes little space", || match file.metadata().unwrap().blocks() * 512 {
        found if found < 6 * 1024 * 1024 => Ok(()),
        found => Err(found),
    });
    env.write("work/go", "");
    let _ = ended(&env, &agent);
    let logs = env.run(["logs", &agent]).success().stdout;
    let lines: Vec<&str> = logs.lines().collect();
    assert_eq!((lines[0], lines[lines.len() - 1]), ("first", "last"));
    let kept = &lines[1..lines.len() - 1];
    let oldest: u64 = kept[0].parse().unwrap();
    assert!(kept.iter().zip(oldest..).all(|(line, n)| *line == n.to_string()), "from {oldest} on");
    assert_eq!(kept.last(), Some(&"3000000"));
    // What is not there is counted, to the byte.
    let events = env.events(&agent);
    let count = |name: &str| {
        let outputs = events.iter().filter(|event| event["type"] == "agent.output");
        outputs.filter_map(|event| event["data"][name].as_u64()).sum::<u64>()
    };
    assert!(count("truncated") > 16_000_000, "{}", count("truncated"));
    assert_eq!(count("truncated") + count("bytes"), size + 5);
}

#[test]
fn bytes_that_are_no_text_are_shown_as_such() {
    let env = TestEnv::new();
    let agent = shell(&env, "printf 'a\\377\\376b\\nc\\n'");
    let _ = ended(&env, &agent);
    assert_eq!(env.run(["logs", &agent]).success().stdout, "a\u{fffd}\u{fffd}b\nc\n");
}

#[test]
fn an_agent_that_closed_its_output_is_alive_until_it_ends() {
    let env = TestEnv::new();
    let agent = shell(&env, "exec >&- 2>&- <&-; while [ ! -e go ]; do sleep 0.05; done; exit 5");
    env.until(&agent, "it runs", |agent| agent["status"] == "running");
    env.kill_daemon();
    assert_eq!(env.agent(&agent)["status"], "running");
    std::fs::write(env.work().join("go"), "").unwrap();
    let ended = env.until(&agent, "it ends", |agent| agent["status"] == "failed");
    assert_eq!(ended["exit_code"], 5);
}
