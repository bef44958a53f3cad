//! What makes no sense, or cannot be: each has its exit code, says what happened and what to do
//! next, in both forms, and leaves nothing half done.

mod arguments;
mod daemons;
mod places;

use std::ffi::OsStr;
use std::process::Command;

use crate::env::{Output, TestEnv};

/// Runs it as it will be reported: with everything that makes a failure talkative.
fn run(mut command: Command) -> Output {
    let output = command.env("RUST_BACKTRACE", "1").output().unwrap();
    let output = Output {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    };
    for word in ["panicked", "backtrace", "internal error", "stack"] {
        assert!(!output.stderr.contains(word), "{output:#?}");
    }
    output
}

/// A refusal for people: what happened, and the next step.
#[track_caller]
fn for_people(output: &Output, code: i32, about: &str) {
    assert_eq!(output.code, Some(code), "{output:#?}");
    assert!(output.stderr.starts_with("error: "), "{output:#?}");
    assert!(output.stderr.contains(about), "{about:?} in {output:#?}");
    let next = ["  hint: ", "tip: ", "try '--help'", "Usage: "];
    assert!(next.iter().any(|next| output.stderr.contains(next)), "no next step: {output:#?}");
    assert!(output.stderr.len() < 2000, "{} bytes", output.stderr.len());
}

/// The same for programs: one line of JSON on standard error.
#[track_caller]
fn for_programs(output: &Output, code: i32, about: &str) {
    assert_eq!(output.code, Some(code), "{output:#?}");
    assert_eq!((output.stdout.as_str(), output.stderr.lines().count()), ("", 1), "{output:#?}");
    let error = output.error();
    for name in ["code", "message", "hint"] {
        let text = error[name].as_str().unwrap_or_default();
        assert!(!text.is_empty(), "{name} is missing: {error}");
    }
    let text = error.to_string();
    let quoted = serde_json::to_string(about).unwrap();
    assert!(text.contains(quoted.trim_matches('"')), "{about:?} in {error}");
}

/// The command line is refused, in both forms. The first argument is the verb.
#[track_caller]
fn refused<S: AsRef<OsStr>>(env: &TestEnv, args: &[S], code: i32, about: &str) {
    let args: Vec<&OsStr> = args.iter().map(AsRef::as_ref).collect();
    for_people(&run(env.command(&args)), code, about);
    let mut json = vec![args[0], OsStr::new("--json")];
    json.extend(&args[1..]);
    for_programs(&run(env.command(json)), code, about);
}

/// A daemon that has recorded nothing of any agent, and has no file of one.
#[track_caller]
fn nothing_is_left(env: &TestEnv) {
    assert_eq!(env.run(["status", "--all", "--json"]).success().stdout, "");
    for place in ["agents", "spool"] {
        let files = std::fs::read_dir(env.state().join(place)).into_iter().flatten().count();
        assert_eq!(files, 0, "{place}");
    }
}
