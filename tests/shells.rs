//! Completion in shells as people use them.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::env::terminal::Terminal;
use crate::env::{Output, TestEnv, eventually, signal, skipped};

/// Asks the program as the scripts do: what follows these words, of which the last is unfinished?
fn complete(env: &TestEnv, words: &[&str]) -> Output {
    let mut command = env.command(["--"].iter().chain(words));
    command
        .env("DASH_COMPLETE", "bash")
        .env("_CLAP_COMPLETE_INDEX", (words.len() - 1).to_string())
        .env("_CLAP_COMPLETE_COMP_TYPE", "9")
        .env("_CLAP_COMPLETE_SPACE", "false")
        .env("_CLAP_IFS", "\n");
    let output = command.output().unwrap();
    Output {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

#[track_caller]
fn offers(env: &TestEnv, words: &[&str]) -> Vec<String> {
    let output = complete(env, words).success();
    assert_eq!(output.stderr, "");
    output.stdout.lines().map(str::to_owned).collect()
}

#[test]
fn every_command_is_offered() {
    let env = TestEnv::new();
    let offered = offers(&env, &["dash", ""]);
    for command in ["spawn", "status", "send", "kill", "watch", "logs", "wait", "doctor"] {
        assert!(offered.iter().any(|word| word == command), "{command}: {offered:?}");
    }
    assert_eq!(offers(&env, &["dash", "sta"]), ["status"]);
    assert_eq!(offers(&env, &["dash", "li"]), ["list"]);
    assert!(!offered.iter().any(|word| word == "keeper"), "{offered:?}");
}

#[test]
fn without_a_daemon_nothing_is_offered_said_or_started() {
    let env = TestEnv::new();
    let agents = |command: &str| -> Vec<String> {
        // Where no agent is known, options are all that can follow.
        let offered = offers(&env, &["dash", command, ""]);
        offered.into_iter().filter(|word| !word.starts_with("--")).collect()
    };
    for command in ["kill", "logs", "watch", "send", "wait", "status"] {
        assert_eq!(agents(command), [""; 0], "{command}");
    }
    assert!(!env.dash_home().exists());

    env.run(["spawn", "-l", "gone", "--", "sleep", "600"]).success();
    eventually("agents are offered", || {
        let offered = agents("kill");
        if offered.contains(&"gone".to_owned()) { Ok(()) } else { Err(offered) }
    });
    env.kill_daemon();
    assert_eq!(agents("kill"), [""; 0]);
    assert_eq!(env.daemon_pid(), None);
    env.run(["status"]).success();
}

#[test]
fn heavy_completion_is_quick_with_a_hundred_agents_and_a_daemon_that_hangs() {
    let env = TestEnv::new();
    env.run(["spawn", "-q", "-n", "100", "-l", "many", "--", "sleep", "600"]).success();
    let mut took = Vec::new();
    // A machine that is busy elsewhere may miss the time, and then nothing is offered.
    eventually("all agents are offered within the time", || {
        let begin = Instant::now();
        let offered = offers(&env, &["dash", "kill", ""]);
        took.push(begin.elapsed());
        let complete = offered.len() > 100 && offered.contains(&"many".to_owned());
        if complete && took.len() >= 20 { Ok(()) } else { Err(offered) }
    });
    took.sort();
    let median = took[took.len() / 2];
    println!("completion with 100 agents: median {median:?}, slowest {:?}", took[took.len() - 1]);
    assert!(median < Duration::from_millis(500), "{took:?}");

    let daemon = env.daemon_pid().unwrap();
    signal(daemon, Signal::STOP);
    let begin = Instant::now();
    let hung = complete(&env, &["dash", "kill", ""]);
    let waited = begin.elapsed();
    signal(daemon, Signal::CONT);
    println!("completion with a daemon that hangs: {waited:?}");
    assert_eq!((hung.code, hung.stderr.as_str()), (Some(0), ""));
    assert!(!hung.stdout.contains("many"), "{}", hung.stdout);
    assert!(waited < Duration::from_secs(1), "{waited:?}");
}

#[test]
fn tab_completes_ids_and_labels_in_real_shells() {
    let env = TestEnv::new();
    let id = env.spawn(["-l", "fix-login-page", "--", "sleep", "600"]);
    env.run(["spawn", "-l", "$(touch pwned)", "--", "sleep", "600"]).success();
    let mut covered = Vec::new();
    for (shell, start, setup) in [
        ("bash", "bash --norc --noprofile", "source <(dash completions bash)"),
        ("zsh", "zsh -f", "autoload -U compinit; compinit -u -D; source <(dash completions zsh)"),
        ("fish", "fish --no-config", "dash completions fish | source"),
    ] {
        let there = Command::new(shell).arg("--version").stdout(Stdio::null()).status();
        if !there.is_ok_and(|status| status.success()) {
            skipped(&format!("{shell} is not installed"));
            continue;
        }
        let Some(terminal) = Terminal::open(&env, 120, start) else { return };
        terminal.enter(&format!("{setup}; echo set''up"));
        terminal.shows("setup");
        terminal.types("dash kill fix-lo");
        terminal.tab_until("dash kill fix-login-page");
        terminal.key("C-u");
        terminal.types(&format!("dash logs {}", &id[..id.len() - 6]));
        terminal.tab_until(&format!("dash logs {id}"));
        terminal.key("C-u");
        terminal.types("dash stat");
        terminal.tab_until("dash status ");
        terminal.types("--he");
        terminal.tab_until("dash status --help");
        terminal.key("C-u");
        terminal.types("dash kill '$(to");
        terminal.key("Tab");
        terminal.key("C-u");
        terminal.enter("echo end''ed");
        terminal.shows("ended");
        covered.push(shell);
    }
    println!("covered: {}", covered.join(", "));
    assert!(covered.contains(&"bash"));
    assert!(!env.work().join("pwned").exists());
}
