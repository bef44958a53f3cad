//! What is asked for makes no sense.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;

use super::{nothing_is_left, refused};
use crate::env::TestEnv;

fn started() -> TestEnv {
    let env = TestEnv::new();
    let _ = env.run(["status"]).success();
    env
}

#[test]
fn agents_that_are_not_there() {
    let env = started();
    for verb in ["status", "kill", "watch", "logs", "wait"] {
        refused(&env, &[verb, "nobody"], 4, "nobody");
        refused(&env, &[verb, ""], 2, "empty");
    }
    refused(&env, &["send", "nobody", "hello"], 4, "nobody");
    refused(&env, &["audit", "--agent", "nobody"], 4, "nobody");
    refused(&env, &["status", "zzzzzzzzzzzzzzzz"], 4, "zzzzzzzzzzzzzzzz");
    let id = env.spawn(["-l", "reviewer", "--", "sleep", "600"]);
    refused(&env, &["logs", "reviwer"], 4, "did you mean \"reviewer\"");
    refused(&env, &["logs", &id.to_uppercase()], 4, "no agent");
}

#[test]
fn a_name_of_several() {
    let env = started();
    // Of 17 ids over 16 letters, two begin alike.
    let ids = env.run(["spawn", "-q", "-n", "17", "--", "true"]).success().stdout;
    let mut ids: Vec<&str> = ids.lines().collect();
    ids.sort_unstable();
    let pair = ids.windows(2).find(|pair| pair[0][..1] == pair[1][..1]).unwrap();
    for verb in ["logs", "kill", "status", "watch", "wait"] {
        refused(&env, &[verb, &pair[0][..1]], 2, pair[1]);
    }
    refused(&env, &["send", &pair[0][..1], "hello"], 2, pair[0]);
}

#[test]
fn nothing_to_do() {
    let env = started();
    refused(&env, &["spawn"], 2, "neither a task nor a command");
    refused(&env, &["spawn", ""], 2, "empty");
    refused(&env, &["spawn", " \n\t"], 2, "empty");
    refused(&env, &["spawn", "--", ""], 2, "empty");
    refused(&env, &["spawn", "a task"], 2, "profile");
    refused(&env, &["spawn", "-a", "scripted"], 2, "task");
    refused(&env, &["spawn", "-a", "no-such-profile", "x"], 2, "no-such-profile");
    refused(&env, &["spawn", "-a", "scripted", "dance"], 2, "dance");
    refused(&env, &["spawn", "--prompt-file", "/no/such/file"], 2, "/no/such/file");
    refused(&env, &["spawn", "--prompt-file", "/"], 2, "cannot read /");
    nothing_is_left(&env);
}

#[test]
fn programs_that_cannot_be_run() {
    let env = started();
    let file = env.write("notes.txt", "no program");
    refused(&env, &["spawn", "--", "no-such-program"], 2, "no-such-program");
    refused(&env, &["spawn", "--", "/no/such/program"], 2, "/no/such/program");
    refused(&env, &["spawn", "--", file.to_str().unwrap()], 2, "notes.txt");
    refused(&env, &["spawn", "--", "/"], 2, "/");
    refused(&env, &["spawn", "-e", "PATH=/nowhere", "--", "true"], 2, "true");
    nothing_is_left(&env);
}

#[test]
fn directories_that_are_none() {
    let env = started();
    let file = env.write("file", "");
    refused(&env, &["spawn", "-C", "/no/such/directory", "--", "true"], 2, "/no/such/directory");
    refused(&env, &["spawn", "-C", file.to_str().unwrap(), "--", "true"], 2, "file");
    refused(&env, &["spawn", "-C", "", "--", "true"], 2, "--cwd is empty");
    nothing_is_left(&env);
}

#[test]
fn numbers_and_durations() {
    let env = started();
    for count in ["0", "-1", "1e9", "10001", "99999999999999999999", "x", "", "1.5"] {
        refused(&env, &["spawn", "-n", count, "--", "true"], 2, "1 to 10");
    }
    for timeout in ["5", "soon", "0s", "1mo", ""] {
        refused(&env, &["spawn", "-t", timeout, "--", "true"], 2, "--timeout");
    }
    refused(&env, &["spawn", "--timeout=-5s", "--", "true"], 2, "negative");
    refused(&env, &["spawn", "-t", "-5s", "--", "true"], 2, "negative");
    for label in [".", ".."] {
        refused(&env, &["spawn", "-l", label, "--", "true"], 2, "means a directory");
    }
    refused(&env, &["kill", "x", "--grace", "5"], 2, "--grace");
    refused(&env, &["kill", "x", "--signal", "NOPE"], 2, "NOPE");
    refused(&env, &["kill", "x", "--signal", "0"], 2, "--signal");
    refused(&env, &["logs", "x", "--tail=-1"], 2, "--tail");
    refused(&env, &["watch", "--since", "yesterday"], 2, "beginning");
    refused(&env, &["watch", "--type", "dance"], 2, "dance");
    refused(&env, &["status", "--status", "asleep"], 2, "asleep");
    refused(&env, &["audit", "--limit", "0"], 2, "--limit");
    nothing_is_left(&env);
}

#[test]
fn metadata_variables_and_labels() {
    let env = started();
    let long = "x".repeat(100_000);
    for meta in ["novalue", "=value", "a\nb=c", &long, &format!("{long}=x"), &format!("k={long}")] {
        refused(&env, &["spawn", "-m", meta, "--", "true"], 2, "meta");
    }
    refused(&env, &["status", "--meta", "novalue"], 2, "KEY=VALUE");
    refused(&env, &["spawn", "-e", "=value", "--", "true"], 2, "--env");
    refused(&env, &["spawn", "-e", "NOT_SET_HERE", "--", "true"], 2, "NOT_SET_HERE");
    refused(&env, &["spawn", "-e", &long, "--", "true"], 2, "--env");
    for label in ["", "two\nlines", "\u{1b}[31mred", "\u{9b}31m", "bell\u{7}", &long] {
        refused(&env, &["spawn", "-l", label, "--", "true"], 2, "label");
    }
    refused(&env, &["spawn", "-g", "a\tb", "--", "true"], 2, "group");
    refused(&env, &["spawn", "--session", "a\tb", "--", "true"], 2, "session");
    refused(&env, &["spawn", "--idempotency-key", "", "--", "true"], 2, "idempotency key");
    nothing_is_left(&env);
}

#[test]
fn bytes_that_are_no_text() {
    let env = started();
    let bytes = OsStr::from_bytes(b"a\xffb");
    let of = |words: &[&str]| words.iter().map(OsString::from).collect::<Vec<_>>();
    for (before, after) in [
        (&["spawn"][..], &[][..]),
        (&["spawn", "--", "echo"], &[]),
        (&["spawn", "-l"], &["--", "true"]),
        (&["spawn", "-C"], &["--", "true"]),
        (&["status"], &[]),
    ] {
        let mut args = of(before);
        args.push(bytes.to_owned());
        args.extend(of(after));
        refused(&env, &args, 2, "UTF-8");
    }
    nothing_is_left(&env);
}

#[test]
fn words_that_are_no_commands() {
    let env = TestEnv::new();
    refused(&env, &["spwan"], 2, "spawn");
    refused(&env, &["status", "--stauts", "x"], 2, "--status");
    refused(&env, &["kill"], 2, "--all");
    refused(&env, &["wait"], 2, "dash wait");
    refused(&env, &["send", "x"], 2, "TEXT");
    refused(&env, &["spawn", "task", "--", "true"], 2, "cannot be used with");
    refused(&env, &["kill", "x", "--all"], 2, "cannot be used with");
    assert_eq!(env.daemon_pid(), None, "none is started for that");
}
