use clap::Parser as _;

use super::request::{cwd, metadata};
use super::*;
use crate::cli::show::Show;
use crate::cli::status::sample::agent;
use crate::cli::{Cli, Color, Command};
use crate::config::Paths;

fn parse(words: &[&str]) -> Result<SpawnArgs, clap::Error> {
    let words = ["dash", "spawn"].iter().chain(words);
    match Cli::try_parse_from(words)?.command {
        Command::Spawn(args) => Ok(*args),
        other => panic!("{other:?}"),
    }
}

fn context() -> Context {
    let paths = Paths::resolve(|name| (name == "DASH_HOME").then(|| "/nowhere".into())).unwrap();
    Context { paths, show: Show::detect(true, false, Color::Never, |_| None) }
}

async fn body(words: &[&str]) -> Result<crate::api::SpawnBody, Failure> {
    request::body(&parse(words).unwrap(), &context()).await
}

#[tokio::test]
async fn a_command_is_taken_word_for_word() {
    let body = body(&["-l", "x", "--", "tool", "--json", "-n", "5", "--", ""]).await.unwrap();
    let words = ["tool", "--json", "-n", "5", "--", ""].map(str::to_owned);
    assert_eq!(body.command.as_deref(), Some(&words[..]));
    assert_eq!((body.count, body.task, body.profile), (1, None, None));
    assert_eq!(body.cwd, std::env::current_dir().unwrap().to_str().map(str::to_owned));
    assert_eq!(body.base_env.unwrap().get("PATH").cloned(), std::env::var("PATH").ok());
}

#[tokio::test]
async fn every_option_reaches_the_request() {
    let body = body(&[
        "-a",
        "claude",
        "-l",
        "é x",
        "-m",
        "a=1",
        "-m",
        "b==",
        "--agents",
        "3",
        "-g",
        "g",
        "-C",
        "/tmp",
        "-e",
        "K=V",
        "-t",
        "1h30m",
        "--model",
        "m",
        "--session",
        "s",
        "--stdin",
        "do it",
    ])
    .await
    .unwrap();
    assert_eq!(body.profile.as_deref(), Some("claude"));
    assert_eq!(body.label.as_deref(), Some("é x"));
    assert_eq!(body.metadata, [("a", "1"), ("b", "=")].map(|(k, v)| (k.into(), v.into())).into());
    assert_eq!(
        (body.count, body.group.as_deref(), body.cwd.as_deref()),
        (3, Some("g"), Some("/tmp"))
    );
    assert_eq!(body.env, [("K".to_owned(), "V".to_owned())].into());
    assert_eq!((body.timeout_ms, body.stdin), (Some(5_400_000), true));
    assert_eq!((body.model.as_deref(), body.session.as_deref()), (Some("m"), Some("s")));
    assert_eq!((body.task.as_deref(), body.command), (Some("do it"), None));
}

#[tokio::test]
async fn a_task_can_be_a_file() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "from a file\n").unwrap();
    let path = file.path().to_str().unwrap();
    assert_eq!(
        body(&["--prompt-file", path]).await.unwrap().task.as_deref(),
        Some("from a file\n")
    );
    let failure = body(&["--prompt-file", "/nowhere/task.md"]).await.unwrap_err();
    assert_eq!(failure.exit, 2);
    assert!(failure.message.contains("/nowhere/task.md"), "{failure:?}");
}

#[test]
fn what_excludes_each_other_is_refused() {
    for words in [
        &["task", "--", "command"][..],
        &["task", "--prompt-file", "f"],
        &["--prompt-file", "f", "--", "command"],
        &["-a", "p", "--", "command"],
    ] {
        let error = parse(words).unwrap_err();
        assert_eq!(error.kind(), clap::error::ErrorKind::ArgumentConflict, "{words:?}: {error}");
    }
}

#[test]
fn counts_are_bounded() {
    for wrong in ["0", "-1", "10001", "1e9", "1000000000000", "x", ""] {
        let error = parse(&["--count", wrong, "t"]).unwrap_err().to_string();
        assert!(error.contains("a whole number from 1 to 10000"), "{wrong}: {error}");
    }
    assert_eq!(parse(&["-n", "10000", "t"]).unwrap().count, 10_000);
}

#[test]
fn timeouts_are_bounded_too() {
    for (wrong, expected) in [("0s", "longer than nothing"), ("30", "30s, 30m or 30h")] {
        let error = parse(&["-t", wrong, "t"]).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[tokio::test]
async fn nonsense_is_refused_before_anything_is_asked() {
    for (words, expected) in [
        (&["-l", ""][..], "the label is empty"),
        (&["-l", "a\nb", "t"], "control character"),
        (&["-m", "novalue", "t"], "no equals sign"),
        (&["-m", "=v", "t"], "key is empty"),
        (&["-e", "=v", "t"], "needs a name"),
        (&["-g", "", "t"], "group"),
        (&["-C", "", "t"], "--cwd is empty"),
        (&[" "], "the task is empty"),
        (&["--", ""], "name is empty"),
        (&[], "neither a task nor a command"),
    ] {
        let failure = body(words).await.unwrap_err();
        assert_eq!(failure.exit, 2, "{words:?}");
        assert!(failure.message.contains(expected), "{words:?}: {failure:?}");
    }
}

#[test]
fn a_working_directory_is_made_absolute() {
    let here = std::env::current_dir().unwrap();
    assert_eq!(cwd(Some("sub")).unwrap(), here.join("sub").to_str().unwrap());
    assert_eq!(cwd(Some("/tmp/../x")).unwrap(), "/tmp/../x", "links are the daemon's to resolve");
}

#[test]
fn of_metadata_with_one_key_the_last_counts() {
    let entries = ["a=1", "a=2"].map(str::to_owned);
    assert_eq!(metadata(&entries).unwrap(), [("a".to_owned(), "2".to_owned())].into());
}

#[test]
fn leaving_says_that_they_run_on_and_how_to_see_and_end_them() {
    let failure = let_go(&[agent(1)]);
    assert_eq!(failure.message, "detached; the agent runs on");
    let mut odd = agent(2);
    odd.group = Some("it's $(x)".to_owned());
    let failure = let_go(&[odd.clone(), odd]);
    assert_eq!(failure.message, "detached; 2 agents run on");
    assert!(failure.hint.unwrap().contains(r"dash kill --group 'it'\''s $(x)'"));
}
