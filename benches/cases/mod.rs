//! What is measured, a file for each question.

mod acp;
mod audit;
mod commands;
mod crash;
mod flood;
mod followers;
mod growth;
mod harness;
mod history;
mod latency;
mod load;
mod spawn;
mod thousand;

use std::future::Future;
use std::pin::Pin;
use std::process::{Command, Stdio};
use std::time::Duration;

use dash::api::EventsQuery;

use crate::agent::{FLAG, now};
use crate::fifo::{Fifo, Running};
use crate::home::own_path;
use crate::numbers::{Samples, Table};

type Case = for<'a> fn(&'a mut Table, bool) -> Pin<Box<dyn Future<Output = ()> + 'a>>;

/// Every section, in the order of the table.
pub(crate) const ALL: [(&str, Case); 16] = [
    ("spawn", |table, quick| Box::pin(spawn::measure(table, quick))),
    ("thousand", |table, quick| Box::pin(thousand::measure(table, quick))),
    ("latency", |table, quick| Box::pin(latency::measure(table, quick))),
    ("harness latency", |table, quick| Box::pin(harness::measure(table, quick))),
    ("harness memory", |table, _| Box::pin(harness::measure_idle(table))),
    ("harness flood", |table, quick| Box::pin(harness::measure_flood(table, quick))),
    ("flood", |table, quick| Box::pin(flood::measure(table, quick))),
    ("followers", |table, _| Box::pin(followers::measure(table))),
    ("crash", |table, _| Box::pin(async move { crash::measure(table) })),
    ("tree", |table, _| Box::pin(async move { crash::measure_trees(table) })),
    ("audit", |table, quick| Box::pin(audit::measure(table, quick))),
    ("commands", |table, quick| Box::pin(async move { commands::measure(table, quick) })),
    ("acp", |table, quick| Box::pin(async move { acp::measure(table, quick) })),
    ("growth", |table, quick| Box::pin(growth::measure(table, quick))),
    ("history", |table, quick| Box::pin(history::measure(table, quick))),
    ("load", |table, quick| Box::pin(load::measure(table, quick))),
];

#[allow(clippy::cast_precision_loss)]
fn ms(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e6
}

/// Since then, in milliseconds; 0 when the other clock reading was taken a moment later.
fn since(begin: u64, end: u64) -> f64 {
    ms(end.saturating_sub(begin))
}

fn output_only() -> EventsQuery {
    EventsQuery { r#type: vec!["output".to_owned()], ..EventsQuery::default() }
}

/// An agent that tells through the pipe that it runs, and lives so many seconds.
fn ready(seconds: u32, fifo: &Fifo) -> Vec<String> {
    let words = [FLAG.to_owned(), "ready".to_owned(), seconds.to_string()];
    let path = |path: std::path::PathBuf| path.to_str().expect("a path in UTF-8").to_owned();
    std::iter::once(path(own_path())).chain(words).chain([path(fifo.path())]).collect()
}

fn words(agent: &[String]) -> Vec<&str> {
    agent.iter().map(String::as_str).collect()
}

/// A process, started as directly as there is.
fn raw(agent: &[String]) -> std::process::Child {
    let mut command = Command::new(&agent[0]);
    command.args(&agent[1..]).stdin(Stdio::null()).stdout(Stdio::piped());
    command.spawn().expect("a process")
}

/// Ends agents, whoever supervises them.
fn end(agents: &[Running]) {
    for agent in agents {
        let pid = i32::try_from(agent.pid).ok().and_then(rustix::process::Pid::from_raw);
        let _ = rustix::process::kill_process(pid.expect("a pid"), rustix::process::Signal::KILL);
    }
}

fn timed(rounds: usize, mut run: impl FnMut()) -> Samples {
    let one = || {
        let begin = now();
        run();
        ms(now() - begin)
    };
    Samples(std::iter::repeat_with(one).take(rounds).collect())
}

/// Longer than any agent here pauses: a peer of which nothing comes for so long has lost the rest.
const SILENCE: Duration = Duration::from_secs(10);

/// Longer than a thing takes that works.
const PATIENCE: Duration = Duration::from_mins(2);
