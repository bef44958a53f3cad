//! From an agent's line to a subscriber.

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Read};

use futures::StreamExt;
use futures::stream::BoxStream;
use serde_json::Value;
use tokio::time::timeout;

use super::{PATIENCE, SILENCE, ms, output_only, raw};
use crate::agent::{FLAG, now};
use crate::home::{Home, own_path, stamps};
use crate::numbers::{DASH, RAW, Samples, Table};
use crate::peers::pueue::Pueue;
use crate::peers::sandbox::Sandbox;
use crate::peers::tmux::Tmux;
use crate::peers::{self, Peer};

fn stamping(count: u64, pause: u64) -> Vec<String> {
    let program = own_path().to_str().expect("a path in UTF-8").to_owned();
    vec![program, FLAG.to_owned(), "stamp".to_owned(), count.to_string(), pause.to_string()]
}

pub(super) async fn measure(table: &mut Table, quick: bool) {
    let lines: u64 = if quick { 100 } else { 500 };
    let name = |agents: u32| match agents {
        1 => "line to subscriber, 1 agent".to_owned(),
        _ => format!("line to subscriber, {agents} agents, 1 line/s each"),
    };
    // What a subscriber could get at best: the pipe of a child, read directly.
    let mut child = raw(&stamping(lines, 5));
    let pipe = read_stamps(child.stdout.take().expect("a pipe"), lines);
    child.wait().expect("an exit");
    table.samples(&name(1), RAW, &pipe);
    for agents in [1, 100, 1000] {
        let (count, pause) = match (agents, quick) {
            (1, _) => (lines, 5),
            (_, true) => (8, 1000),
            (_, false) => (15, 1000),
        };
        table.samples(&name(agents), DASH, &of_dash(agents, count, pause).await);
        if let Some(sandbox) = Sandbox::start(&peers::place()) {
            table.samples(
                &name(agents),
                sandbox.name(),
                &of_sandbox(&sandbox, agents, count, pause).await,
            );
        }
    }
    if let Some(tmux) = Tmux::start() {
        let mut control = tmux.control();
        tmux.spawn(&stamping(lines, 5));
        let samples = read_stamps(control.stdout.take().expect("a pipe"), lines);
        let _ = control.kill();
        let _ = control.wait();
        table.samples(&name(1), tmux.name(), &samples);
    }
    if let Some(pueue) = Pueue::start(&peers::place()) {
        let mut follow = pueue.follow(&stamping(lines, 5));
        // What was written before the follower came is no latency of its.
        let samples = read_stamps(follow.stdout.take().expect("a pipe"), lines / 2);
        let _ = follow.kill();
        let _ = follow.wait();
        table.samples(&name(1), pueue.name(), &samples);
    }
}

/// How old the stamps are that come down a pipe, whatever stands around them.
fn read_stamps(pipe: impl Read, count: u64) -> Samples {
    let mut seen = Samples::default();
    let begin = now();
    for line in BufReader::new(pipe).lines() {
        let (line, arrived) = (line.expect("a line"), now());
        let words = line.split(|c: char| !c.is_ascii_digit()).filter(|word| word.len() > 9);
        let stamps = words.filter_map(|word| word.parse::<u64>().ok());
        let later = stamps.filter(|stamp| *stamp > begin);
        seen.0.extend(later.map(|stamp| ms(arrived.saturating_sub(stamp))));
        // tmux says when the agent's window has closed.
        if seen.0.len() as u64 >= count || line.contains("window-close") {
            break;
        }
    }
    seen
}

/// Of lines that were written once every agent ran: their start has a measure of its own.
struct Steady {
    agents: usize,
    heard: HashSet<String>,
    all_run: u64,
    seen: Samples,
}

impl Steady {
    fn new(agents: u32) -> Self {
        let agents = agents as usize;
        Self { agents, heard: HashSet::new(), all_run: u64::MAX, seen: Samples::default() }
    }

    fn take(&mut self, agent: &str, arrived: u64, stamps: &[u64]) {
        let later = stamps.iter().filter(|stamp| **stamp > self.all_run);
        self.seen.0.extend(later.map(|stamp| ms(arrived.saturating_sub(*stamp))));
        if self.all_run == u64::MAX {
            self.heard.insert(agent.to_owned());
            self.all_run = if self.heard.len() == self.agents { arrived } else { u64::MAX };
        }
    }
}

/// How old the stamps of Dash's agents are in its events: of so many agents, so many each.
pub(super) async fn heard(
    mut events: BoxStream<'static, Value>,
    agents: u32,
    count: u64,
) -> Samples {
    let mut left = u64::from(agents) * count;
    let mut steady = Steady::new(agents);
    while left > 0 {
        let event = timeout(PATIENCE, events.next()).await.expect("in time").expect("an event");
        let (arrived, stamps) = (now(), stamps(&event));
        left -= stamps.len() as u64;
        steady.take(event["agent_id"].as_str().unwrap_or_default(), arrived, &stamps);
    }
    steady.seen
}

async fn of_dash(agents: u32, count: u64, pause: u64) -> Samples {
    let home = Home::new();
    let events = home.events(output_only()).await;
    home.spawn(&Home::body(&["stamp", &count.to_string(), &pause.to_string()], agents)).await;
    heard(events, agents, count).await
}

async fn of_sandbox(sandbox: &Sandbox, agents: u32, count: u64, pause: u64) -> Samples {
    let agent = stamping(count, pause);
    let (sender, mut pieces) = tokio::sync::mpsc::channel(65536);
    for _ in 0..agents {
        let id = sandbox.start_one(&agent).await;
        let mut stream = sandbox.follow(&id).await;
        let sender = sender.clone();
        tokio::spawn(async move {
            while let Some(piece) = stream.next().await {
                let _ = sender.send((id.clone(), now(), piece)).await;
            }
        });
    }
    drop(sender);
    let mut steady = Steady::new(agents);
    // It may lose lines, and leave streams open: its end is that nothing comes any more.
    while let Ok(Some((id, arrived, piece))) = timeout(SILENCE, pieces.recv()).await {
        let text = String::from_utf8_lossy(&piece.bytes).into_owned();
        let stamps: Vec<u64> = text.lines().filter_map(|line| line.parse().ok()).collect();
        steady.take(&id, arrived, &stamps);
    }
    steady.seen
}
