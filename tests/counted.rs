//! Counted work of commands and of the daemon: instructions, allocations and system calls, which do not depend on how
//! busy the machine is. Each figure has a ceiling in `tests/counted/ceilings.toml`; `tests/count` says what they are, and
//! `tests/count --renew` records them.

#[path = "counted/daemon.rs"]
mod daemon;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::env::TestEnv;

/// How much more than recorded is too much, in percent. What is counted varies by one or two.
const SLACK: u64 = 8;
/// What may be more of small figures, of which a percentage is less than one.
const SLACK_LEAST: u64 = 3;
/// Calls that depend on which thread is awake, or on the allocator, and not on the work.
const NOT_COUNTED: [&str; 9] = [
    "futex",
    "epoll_wait",
    "epoll_pwait",
    "epoll_pwait2",
    "sched_yield",
    "madvise",
    "mmap",
    "munmap",
    "brk",
];

type Figures = BTreeMap<String, BTreeMap<String, u64>>;

fn ceilings() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/counted/ceilings.toml")
}

/// The command, run by this tool.
fn under(tool: &str, arguments: &[String], command: &Command) -> Command {
    let mut outer = Command::new(tool);
    outer.args(arguments).arg(command.get_program()).args(command.get_args());
    outer.env_clear().envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    outer.current_dir(command.get_current_dir().unwrap());
    outer.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    outer
}

/// Instructions and allocations, by what DHAT says and has written.
fn dhat(said: &str, file: &Path) -> (u64, u64) {
    // "Total: 318,861 bytes in 744 blocks"
    let total = said.lines().find_map(|line| line.split("Total:").nth(1)).expect("a total");
    let blocks = total.split(" in ").nth(1).unwrap().split(' ').next().unwrap();
    let report: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    (report["te"].as_u64().unwrap(), blocks.replace(',', "").parse().unwrap())
}

/// All calls that count in a table of `strace -c`.
fn summed(table: &str) -> u64 {
    // "% time, seconds, usecs/call, calls, errors, syscall", where errors may be absent.
    let rows = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let rows = rows.filter(|row| row.len() >= 5 && row.last() != Some(&"total"));
    let counted = rows.filter(|row| !NOT_COUNTED.contains(row.last().unwrap()));
    counted.filter_map(|row| row[3].parse::<u64>().ok()).sum()
}

/// Counts what a command does until it has ended.
struct Count<'a> {
    env: &'a TestEnv,
}

impl Count<'_> {
    /// Instructions and allocations, by valgrind's DHAT.
    fn work(&self, args: &[&str]) -> (u64, u64) {
        let file = self.env.home().join("dhat.json");
        let tool = ["--tool=dhat".to_owned(), format!("--dhat-out-file={}", file.display())];
        let mut child = under("valgrind", &tool, &self.env.command(args)).spawn().unwrap();
        let mut said = child.stderr.take().unwrap();
        let reader = std::thread::spawn(move || {
            let mut text = String::new();
            let _ = said.read_to_string(&mut text);
            text
        });
        assert!(child.wait().unwrap().success());
        let said = reader.join().unwrap();
        dhat(&said, &file)
    }

    /// System calls, by strace.
    fn calls(&self, args: &[&str]) -> u64 {
        let file = self.env.home().join("calls");
        let tool = ["-f", "-c", "-o", file.to_str().unwrap()].map(str::to_owned);
        let mut child = under("strace", &tool, &self.env.command(args)).spawn().unwrap();
        assert!(child.wait().unwrap().success());
        summed(&std::fs::read_to_string(&file).unwrap())
    }
}

fn measure() -> Figures {
    let mut figures = Figures::new();
    let mut put = |name: &str, (instructions, allocations): (u64, u64), calls: u64| {
        let of = [("instructions", instructions), ("allocations", allocations), ("calls", calls)];
        figures.insert(name.to_owned(), of.map(|(what, figure)| (what.to_owned(), figure)).into());
    };
    let env = TestEnv::new();
    let count = Count { env: &env };
    env.run(["spawn", "-q", "-n", "3", "--", "sleep", "1000"]).success();
    for (name, args) in [
        ("dash --version", &["--version"][..]),
        ("dash status", &["status"]),
        ("dash spawn", &["spawn", "-q", "--", "true"]),
    ] {
        put(name, count.work(args), count.calls(args));
    }
    let status = || (count.work(&["status"]), count.calls(&["status"]));
    let ((instructions, allocations), calls) = status();
    env.run(["spawn", "-q", "-n", "100", "--", "sleep", "1000"]).success();
    let more = status();
    let work = (more.0.0.saturating_sub(instructions), more.0.1.saturating_sub(allocations));
    put("dash status, of a hundred agents more", work, more.1.saturating_sub(calls));
    for (name, [instructions, allocations, calls]) in daemon::measure() {
        put(name, (instructions, allocations), calls);
    }
    figures
}

fn renew(figures: &Figures) {
    let mut text = "# What a piece of work may cost, in a debug build: `tests/counted.rs` counts it, and fails when it is\n\
        # more than 8 % above. `tests/count --renew` records what it costs now: say why when it has risen.\n".to_owned();
    for (name, of) in figures {
        let _ = writeln!(text, "\n[\"{name}\"]");
        for (what, figure) in of {
            let _ = writeln!(text, "{what} = {figure}");
        }
    }
    std::fs::write(ceilings(), text).unwrap();
}

#[test]
fn no_command_does_more_than_it_did() {
    let figures = measure();
    if std::env::var("DASH_COUNTED").is_ok_and(|what| what == "renew") {
        renew(&figures);
    }
    let recorded: Figures = toml::from_str(&std::fs::read_to_string(ceilings()).unwrap()).unwrap();
    let mut grown = Vec::new();
    for (name, of) in &figures {
        for (what, figure) in of {
            let ceiling = recorded.get(name).and_then(|of| of.get(what)).copied().unwrap_or(0);
            println!("{name}: {figure} {what}, recorded {ceiling}");
            if *figure > ceiling + (ceiling * SLACK / 100).max(SLACK_LEAST) {
                grown.push(format!("{name} takes {figure} {what}, and {ceiling} are recorded"));
            }
        }
    }
    assert!(
        grown.is_empty(),
        "{}\n`tests/count --renew` records it, if it must be",
        grown.join("\n")
    );
}

/// They take a quarter of an hour: nobody wants to find out by that.
#[test]
fn the_benchmarks_run_for_nobody_who_mistypes() {
    let run = |arguments: &[&str]| {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/run");
        Command::new(script).args(arguments).stdin(Stdio::null()).output().unwrap()
    };
    for wrong in [&["--halp"][..], &["--only"], &["--quick", "spawn"]] {
        let refused = run(wrong);
        assert_eq!(refused.status.code(), Some(2), "{wrong:?}");
        let said = String::from_utf8(refused.stderr).unwrap();
        assert!(said.contains("benches/run --help"), "{said}");
    }
    let help = run(&["--help"]);
    assert!(
        help.status.success() && String::from_utf8(help.stdout).unwrap().contains("--only WORD")
    );
}
