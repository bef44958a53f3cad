//! Measures a whole daemon in a home of its own beside the raw limits of the machine and beside its peers.
//!
//! "Running" is the agent's own first instruction: the agent is this program again, which takes the
//! monotonic clock before anything else. Latencies are from that stamp to the subscriber.

#![allow(unreachable_pub, reason = "nobody imports a benchmark")]

mod agent;
mod cases;
mod fifo;
mod home;
mod numbers;
mod peers;
mod picture;

use std::path::Path;
use std::process::ExitCode;

use numbers::Table;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == agent::FLAG) {
        return agent::run(&arguments[1..]);
    }
    let quick = arguments.iter().any(|argument| argument == "--quick");
    let only = arguments.iter().position(|a| a == "--only").and_then(|at| arguments.get(at + 1));
    // A thousand pipes and a thousand followers.
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let raised = rustix::process::Rlimit { current: limit.maximum, ..limit };
    let _ = rustix::process::setrlimit(rustix::process::Resource::Nofile, raised);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let mut table = Table::new();
    for (name, case) in cases::ALL {
        if only.is_none_or(|only| name.contains(only.as_str())) {
            eprintln!("measuring: {name}");
            runtime.block_on(case(&mut table, quick));
        }
    }
    table.print();
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("target");
    let files = [
        ("bench.json", table.json()),
        ("bench.md", table.markdown()),
        ("bench.svg", picture::draw(table.rows())),
    ];
    for (name, text) in files {
        let file = target.join(name);
        if let Err(error) = std::fs::write(&file, text) {
            eprintln!("cannot write {}: {error}", file.display());
            return ExitCode::FAILURE;
        }
        eprintln!("written: {}", file.display());
    }
    ExitCode::SUCCESS
}
