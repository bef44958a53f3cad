//! `dash logs`.

use insta::assert_snapshot;

use super::{redacted, started, told};
use crate::env::TestEnv;

fn said(script: &str) -> TestEnv {
    let env = started();
    let _ = env.run(["spawn", "--wait", "-q", "-l", "a", "--", "sh", "-c", script]);
    env
}

#[test]
fn everything_it_said_and_nothing_else() {
    let env = said("printf 'one\\ntwo\\n'; printf 'no line end'");
    let output = env.run(["logs", "a"]).success();
    assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("one\ntwo\nno line end\n", ""));
    let events = env.run(["logs", "--json", "a"]).success().json();
    assert!(events.iter().all(|event| event["type"] == "agent.output"), "{events:?}");
    let text: String = events.iter().map(|event| event["data"]["text"].as_str().unwrap()).collect();
    assert_eq!(text, "one\ntwo\nno line end");
}

#[test]
fn the_end_of_it() {
    let env = said("seq 1000");
    let tail = |count: &str| env.run(["logs", "--tail", count, "a"]).success().stdout;
    assert_eq!(tail("3"), "998\n999\n1000\n");
    assert_eq!(tail("0"), "");
    assert_eq!(tail("5000").lines().count(), 1000);
    let _ = env.run(["logs", "--tail", "-1", "a"]).code(2);
}

#[test]
fn one_of_its_two_outputs() {
    let env = said("echo out; echo err >&2");
    let stream = |name: &str| env.run(["logs", "--stream", name, "a"]).success().stdout;
    assert_eq!(stream("stdout"), "out\n");
    assert_eq!(stream("stderr"), "err\n");
    let _ = env.run(["logs", "--stream", "both", "a"]).code(2);
}

#[test]
fn escape_sequences_only_when_asked_for() {
    let env = said(r"printf 'a\033[31mred\033]0;title\007\r\tz\n'");
    let clean = env.run(["logs", "a"]).success().stdout;
    assert!(!clean.contains(['\u{1b}', '\u{7}', '\r']), "{clean:?}");
    assert!(clean.contains("red"), "{clean:?}");
    let raw = env.run(["logs", "--raw", "a"]).success().stdout;
    assert_eq!(raw, "a\u{1b}[31mred\u{1b}]0;title\u{7}\r\tz\n");
    let _ = env.run(["logs", "--raw", "--json", "a"]).code(2);
}

#[test]
fn following_ends_with_the_agent() {
    let env = started();
    let script = "echo first; until [ -e go ]; do sleep 0.02; done; echo last";
    let _ = env.spawn(["-l", "a", "--", "sh", "-c", script]);
    let mut child = env.command(["logs", "-f", "a"]).spawn().unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
    assert_eq!(lines.next().unwrap().unwrap(), "first");
    std::fs::write(env.work().join("go"), "").unwrap();
    assert_eq!(lines.next().unwrap().unwrap(), "last");
    assert!(lines.next().is_none());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_scripted_agents_messages_are_its_log() {
    let env = started();
    let _ = env.run([
        "spawn",
        "--wait",
        "-q",
        "-l",
        "s",
        "-a",
        "scripted",
        "think x; say one; say two",
    ]);
    assert_eq!(env.run(["logs", "s"]).success().stdout, "one\ntwo\n");
}

#[test]
fn nobody_by_that_name() {
    let env = said("true");
    let _redacted = redacted();
    assert_snapshot!(told(&env.run(["logs", "b"])), @r#"
    -- stderr
    error: no agent is called "b"
      hint: `dash status --all` lists every agent
    -- exit 4
    "#);
    assert_snapshot!(told(&env.run(["logs", "a"])), @"-- exit 0");
}
