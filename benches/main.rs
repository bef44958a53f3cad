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

use std::io;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use numbers::Table;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == agent::FLAG) {
        return agent::run(&arguments[1..]);
    }
    let quick = arguments.iter().any(|argument| argument == "--quick");
    let only = arguments.iter().position(|a| a == "--only").and_then(|at| arguments.get(at + 1));
    let wanted = |name: &str| only.is_none_or(|only| name.contains(only.as_str()));
    if !cases::ALL.iter().any(|(name, _)| wanted(name)) {
        let names: Vec<&str> = cases::ALL.iter().map(|(name, _)| *name).collect();
        eprintln!("no section has such a name; there are: {}", names.join(", "));
        return ExitCode::from(2);
    }
    // A thousand pipes and a thousand followers.
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let raised = rustix::process::Rlimit { current: limit.maximum, ..limit };
    let _ = rustix::process::setrlimit(rustix::process::Resource::Nofile, raised);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let (mut table, mut failed) = (Table::new(), Vec::new());
    for (name, case) in cases::ALL {
        if wanted(name) {
            eprintln!("measuring: {name}");
            // What one section could not do takes nothing from the others.
            let one = AssertUnwindSafe(|| runtime.block_on(case(&mut table, quick)));
            if std::panic::catch_unwind(one).is_err() {
                failed.push(name);
            }
        }
    }
    table.print();
    if let Err((file, error)) = write(&table) {
        eprintln!("cannot write {}: {error}", file.display());
        return ExitCode::FAILURE;
    }
    if !failed.is_empty() {
        eprintln!("could not be measured to their end: {}", failed.join(", "));
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// Writes the table into the target directory, in each of its forms.
fn write(table: &Table) -> Result<(), (PathBuf, io::Error)> {
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("target");
    let files = [
        ("bench.json", table.json()),
        ("bench.md", table.markdown()),
        ("bench.svg", picture::draw(table.rows())),
    ];
    for (name, text) in files {
        let file = target.join(name);
        std::fs::write(&file, text).map_err(|error| (file.clone(), error))?;
        eprintln!("written: {}", file.display());
    }
    Ok(())
}
