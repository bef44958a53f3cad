//! What is measured.

use std::collections::HashSet;
use std::fs::File;
use std::future::Future;
use std::io::{BufRead, BufReader, Read};
use std::pin::Pin;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use dash::api::EventsQuery;
use futures::StreamExt;
use tokio::time::timeout;

use crate::agent::{FLAG, now};
use crate::home::{DASH, Home, PATIENCE, own_path, stamps};
use crate::numbers::{Samples, Table};

type Case = for<'a> fn(&'a mut Table, bool) -> Pin<Box<dyn Future<Output = ()> + 'a>>;

/// Every section, in the order of the table.
pub(crate) const ALL: [(&str, Case); 7] = [
    ("spawn", |table, quick| Box::pin(spawn(table, quick))),
    ("thousand", |table, quick| Box::pin(thousand(table, quick))),
    ("latency", |table, quick| Box::pin(latency(table, quick))),
    ("flood", |table, quick| Box::pin(flood(table, quick))),
    ("memory", |table, _| Box::pin(memory(table))),
    ("audit", |table, quick| Box::pin(crate::audit::audit(table, quick))),
    ("commands", |table, quick| Box::pin(async move { commands(table, quick) })),
];

#[allow(clippy::cast_precision_loss)]
fn ms(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e6
}

fn output_only() -> EventsQuery {
    EventsQuery { r#type: vec!["output".to_owned()], ..EventsQuery::default() }
}

/// A process of this program, started as directly as there is.
fn raw(arguments: &[&str]) -> std::process::Child {
    let mut command = Command::new(own_path());
    command.arg(FLAG).args(arguments).stdin(Stdio::null()).stdout(Stdio::piped());
    command.spawn().expect("a process")
}

fn first_stamp(child: &mut std::process::Child) -> u64 {
    let mut line = String::new();
    let out = child.stdout.take().expect("a pipe");
    BufReader::new(out).read_line(&mut line).expect("a line");
    line.trim().parse().expect("a stamp")
}

async fn spawn(table: &mut Table, quick: bool) {
    let home = Home::new();
    let rounds = if quick { 30 } else { 200 };
    let mut events = home.events(output_only()).await;
    let (mut raw_running, mut answers, mut running) =
        (Samples::default(), Samples::default(), Samples::default());
    let (mut cli, mut cli_running) = (Samples::default(), Samples::default());
    let program = own_path();
    for _ in 0..rounds {
        // In turns, so that all see the same machine.
        let begin = now();
        let mut child = raw(&["ready", "0"]);
        raw_running.0.push(ms(first_stamp(&mut child) - begin));
        child.wait().expect("an exit");

        let begin = now();
        home.spawn(&Home::body(&["ready", "0"], 1)).await;
        answers.0.push(ms(now() - begin));
        running.0.push(ms(next_stamp(&mut events).await - begin));

        let begin = now();
        let mut spawn = home.dash();
        spawn.args(["spawn", "-q", "--"]).arg(&program).args([FLAG, "ready", "0"]);
        assert!(spawn.status().expect("dash runs").success());
        cli.0.push(ms(now() - begin));
        cli_running.0.push(ms(next_stamp(&mut events).await - begin));
    }
    let raw = raw_running.percentile(50.0);
    table.samples("raw: posix_spawn until it runs", &raw_running, None);
    table.samples("API: spawn answered (durable)", &answers, Some(raw));
    table.samples("API: spawn until the agent runs", &running, Some(raw));
    table.samples("`dash spawn`, whole process", &cli, Some(raw));
    table.samples("`dash spawn` until the agent runs", &cli_running, Some(raw));
}

async fn next_stamp(events: &mut (impl StreamExt<Item = serde_json::Value> + Unpin)) -> u64 {
    loop {
        let event = timeout(PATIENCE, events.next()).await.expect("in time").expect("an event");
        if let Some(stamp) = stamps(&event).first() {
            return *stamp;
        }
    }
}

async fn thousand(table: &mut Table, quick: bool) {
    let (mut raw, mut answered, mut running) =
        (Samples::default(), Samples::default(), Samples::default());
    for _ in 0..if quick { 1 } else { 3 } {
        raw.0.push(raw_thousand());
        let home = Home::new();
        let mut events = home.events(output_only()).await;
        let begin = now();
        home.spawn(&Home::body(&["ready", "60"], 1000)).await;
        answered.0.push(ms(now() - begin));
        let mut last = begin;
        for _ in 0..1000 {
            last = last.max(next_stamp(&mut events).await);
        }
        running.0.push(ms(last - begin));
        home.kill_all().await;
    }
    let limit = raw.percentile(50.0);
    table.samples("raw: 1,000 processes until all run", &raw, None);
    table.samples("1,000 agents: answered (durable)", &answered, Some(limit));
    table.samples("1,000 agents until all run", &running, Some(limit));
}

/// Milliseconds until a thousand processes run that are started one after another.
fn raw_thousand() -> f64 {
    let begin = now();
    let mut children: Vec<_> = (0..1000).map(|_| raw(&["ready", "60"])).collect();
    let last = children.iter_mut().map(first_stamp).max().unwrap_or(begin);
    for child in &mut children {
        child.kill().expect("a kill");
        child.wait().expect("an exit");
    }
    ms(last - begin)
}

async fn latency(table: &mut Table, quick: bool) {
    // The pipe of a child, read directly: what a subscriber could get at best.
    let lines: u64 = if quick { 100 } else { 500 };
    let mut child = raw(&["stamp", &lines.to_string(), "5"]);
    let mut pipe = Samples::default();
    for line in BufReader::new(child.stdout.take().expect("a pipe")).lines() {
        let stamp: u64 = line.expect("a line").parse().expect("a stamp");
        pipe.0.push(ms(now().saturating_sub(stamp)));
    }
    child.wait().expect("an exit");
    let raw = pipe.percentile(50.0);
    table.samples("raw: line on a pipe", &pipe, None);
    for agents in [1, 100, 1000] {
        let (count, pause) = match (agents, quick) {
            (1, _) => (lines, 5),
            (_, true) => (8, 1000),
            (_, false) => (15, 1000),
        };
        let seen = latency_of(agents, count, pause).await;
        let name = format!("line written to line at a subscriber, {agents} agents");
        table.samples(&name, &seen, Some(raw));
    }
}

/// Of lines that were written once every agent ran: their start has a number of its own.
async fn latency_of(agents: u32, count: u64, pause: u64) -> Samples {
    let home = Home::new();
    let mut events = home.events(output_only()).await;
    home.spawn(&Home::body(&["stamp", &count.to_string(), &pause.to_string()], agents)).await;
    let mut left = u64::from(agents) * count;
    let mut heard = HashSet::new();
    let (mut all_run, mut seen) = (u64::MAX, Samples::default());
    while left > 0 {
        let event = timeout(PATIENCE, events.next()).await.expect("in time").expect("an event");
        let arrived = now();
        let stamps = stamps(&event);
        left -= stamps.len() as u64;
        let later = stamps.iter().filter(|stamp| **stamp > all_run);
        seen.0.extend(later.map(|stamp| ms(arrived.saturating_sub(*stamp))));
        if all_run == u64::MAX {
            heard.insert(event["agent_id"].as_str().unwrap_or_default().to_owned());
            all_run = if heard.len() == agents as usize { arrived } else { u64::MAX };
        }
    }
    seen
}

async fn flood(table: &mut Table, quick: bool) {
    let lines: u64 = if quick { 300_000 } else { 1_000_000 };
    let count = lines.to_string();
    let (mut to_file, mut own) = (Samples::default(), Samples::default());
    let (mut arriving, mut added, mut wrong) = (Samples::default(), Samples::default(), 0);
    for _ in 0..if quick { 1 } else { 3 } {
        let file = tempfile::tempfile().expect("a file");
        to_file.0.push(rate(lines, alone(&count, Stdio::from(file))));
        let one = one_flood(lines, &count).await;
        own.0.push(rate(lines, one.took));
        arriving.0.push(rate(lines, one.arrived));
        added.0.push(one.added);
        wrong += one.wrong;
    }
    let raw = to_file.percentile(50.0);
    let wrong = format!("{wrong} lost or doubled");
    table.figure("raw: flood to a file", raw, "lines/s", None, "");
    table.figure("flooding agent's own speed", own.percentile(50.0), "lines/s", Some(raw), "");
    let arriving = arriving.percentile(50.0);
    table.figure("flood at the subscriber", arriving, "lines/s", Some(raw), wrong);
    table.figure("memory that a flood adds", added.percentile(100.0), "MB", None, "at most");
}

#[allow(clippy::cast_precision_loss)]
fn rate(lines: u64, seconds: f64) -> f64 {
    lines as f64 / seconds
}

/// How a flood went: seconds by the agent's own account and at the subscriber, megabytes.
struct Flood {
    took: f64,
    arrived: f64,
    wrong: u64,
    added: f64,
}

async fn one_flood(lines: u64, count: &str) -> Flood {
    let home = Home::new();
    let mut events = home.events(output_only()).await;
    let before = home.memory();
    let (begin, mut looked) = (Instant::now(), Instant::now());
    home.spawn(&Home::body(&["flood", count], 1)).await;
    let (mut next, mut took, mut wrong, mut peak) = (0_u64, None, 0_u64, before);
    let mut arrived = 0.0;
    while next < lines || took.is_none() {
        let event = timeout(PATIENCE, events.next()).await.expect("in time").expect("an event");
        let text = event["data"]["text"].as_str().unwrap_or_default();
        if event["data"]["stream"] == "stderr" {
            took = text.trim().strip_prefix("took ").and_then(|n| n.parse::<u64>().ok());
            continue;
        }
        for line in text.lines() {
            let number: u64 = line[..12].parse().expect("a numbered line");
            wrong += u64::from(number != next);
            next = number + 1;
        }
        arrived = begin.elapsed().as_secs_f64();
        if looked.elapsed() > Duration::from_millis(100) {
            looked = Instant::now();
            peak = peak.max(home.memory());
        }
    }
    Flood { took: ms(took.unwrap_or(1)) / 1e3, arrived, wrong, added: peak - before }
}

/// How long a flood alone takes by its own account, in seconds.
fn alone(count: &str, stdout: Stdio) -> f64 {
    let mut command = Command::new(own_path());
    command.args([FLAG, "flood", count]).stdout(stdout).stderr(Stdio::piped());
    let mut child = command.spawn().expect("a process");
    let mut said = String::new();
    child.stderr.take().expect("a pipe").read_to_string(&mut said).expect("its time");
    child.wait().expect("an exit");
    let took = said.trim().strip_prefix("took ").and_then(|n| n.parse().ok()).unwrap_or(1);
    ms(took) / 1e3
}

async fn memory(table: &mut Table) {
    let home = Home::new();
    let (daemon, keeper) = (home.memory(), home.keeper_memory());
    table.figure("memory, no agents", daemon, "MB", None, format!("and the keeper {keeper:.1}"));
    let agents = home.spawn(&Home::body(&["ready", "300"], 1000)).await;
    let mut started = HashSet::new();
    let filter = EventsQuery {
        r#type: vec!["started".to_owned()],
        since: Some("beginning".to_owned()),
        ..EventsQuery::default()
    };
    let mut events = home.client.events(filter);
    while started.len() < agents.len() {
        if let Some(Ok(dash::client::Frame::Event { seq, .. })) = events.next().await {
            started.insert(seq);
        }
    }
    let (daemon, keeper) = (home.memory(), home.keeper_memory());
    table.figure("memory, 1,000 agents", daemon, "MB", None, format!("and the keeper {keeper:.1}"));
    let mut followers = Vec::new();
    for agent in &agents {
        let query = EventsQuery {
            agent: vec![agent.id.to_string()],
            since: Some("beginning".into()),
            ..EventsQuery::default()
        };
        let mut stream = home.client.events(query);
        let first = timeout(PATIENCE, stream.next()).await.expect("in time");
        assert!(matches!(first, Some(Ok(_))), "a follower hears");
        followers.push(stream);
    }
    let followed = "memory, 1,000 agents and 1,000 followers";
    table.figure(followed, home.memory(), "MB", None, "");
    drop(followers);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (begin, wakeups) = (home.cpu(), home.wakeups());
    tokio::time::sleep(Duration::from_secs(5)).await;
    let wakeups = format!("{} wakeups in 5 s", home.wakeups() - wakeups);
    table.figure("idle CPU, 1,000 agents", (home.cpu() - begin) / 5.0 * 100.0, "%", None, wakeups);
    let rounds = 30;
    let status = timed(rounds, || home.dash().arg("status").status());
    table.samples("`dash status`, 1,000 agents, whole process", &status, None);
    home.kill_all().await;
}

fn commands(table: &mut Table, quick: bool) {
    let rounds = if quick { 30 } else { 100 };
    let home = Home::new();
    let nothing = timed(rounds, || Command::new("/bin/true").status());
    let raw = nothing.percentile(50.0);
    table.samples("raw: /bin/true", &nothing, None);
    let version =
        timed(rounds, || Command::new(DASH).arg("--version").stdout(Stdio::null()).status());
    table.samples("`dash --version`", &version, Some(raw));
    let status = timed(rounds, || home.dash().arg("status").status());
    table.samples("`dash status`, no agents", &status, Some(raw));
    let size = File::open(DASH).and_then(|file| file.metadata()).map_or(0, |meta| meta.len());
    #[allow(clippy::cast_precision_loss)]
    table.figure("size of the binary", size as f64 / 1e6, "MB", None, "");
}

fn timed(
    rounds: usize,
    mut run: impl FnMut() -> std::io::Result<std::process::ExitStatus>,
) -> Samples {
    let one = || {
        let begin = now();
        assert!(run().expect("it runs").success());
        ms(now() - begin)
    };
    Samples(std::iter::repeat_with(one).take(rounds).collect())
}
