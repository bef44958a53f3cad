//! What grows with the number of agents.

use std::time::Duration;

use futures::StreamExt;
use tokio::time::timeout;

use super::{PATIENCE, end, output_only, ready, since, timed, words};
use crate::agent::now;
use crate::fifo::Fifo;
use crate::home::{Home, stamps};
use crate::numbers::{DASH, Samples, Table};
use crate::peers::Peer;

/// What the configuration must say for ten thousand: the machine's memory would queue them by default.
const CONFIGURATION: &str = "[daemon]\nmax_running = 20000\nmemory_mb = 1000000\n";

pub(super) async fn measure(table: &mut Table, quick: bool) {
    let sizes: &[u32] = if quick { &[100, 1000] } else { &[100, 1000, 10_000] };
    for size in sizes {
        of(table, *size).await;
    }
}

async fn of(table: &mut Table, size: u32) {
    let mut fifo = Fifo::new();
    let agent = ready(600, &fifo);
    let home = Home::start(Home::directory(CONFIGURATION));
    let mut events = home.events(output_only()).await;
    let begin = now();
    for _ in 0..size.div_ceil(1000) {
        home.spawn(&Home::body(&words(&agent[2..]), size.min(1000))).await;
    }
    let agents = fifo.all(size as usize, PATIENCE);
    let last = agents.iter().map(|agent| agent.at).max().unwrap_or(begin);
    let note = format!("{} run", agents.len());
    table.figure(&format!("{size} agents: until all run"), DASH, since(begin, last), "ms", note);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let keeper = format!("and the keeper {:.1}", home.keeper_memory());
    table.figure(&format!("{size} agents: memory"), DASH, home.memory(), "MB", keeper);
    let (cpu, wakeups) = (home.cpu(), home.wakeups());
    tokio::time::sleep(Duration::from_secs(5)).await;
    // A thread that has ended takes its count with it.
    let wakeups = format!("{} wakeups in 5 s", home.wakeups().saturating_sub(wakeups));
    let cpu = (home.cpu() - cpu) / 5.0 * 100.0;
    table.figure(&format!("{size} agents: idle CPU"), DASH, cpu, "%", wakeups);
    table.samples(&format!("{size} agents: `dash status`"), DASH, &timed(10, || home.status()));
    let mut latency = Samples::default();
    home.spawn(&Home::body(&["stamp", "50", "20"], 1)).await;
    while latency.0.len() < 50 {
        let event = timeout(PATIENCE, events.next()).await.expect("in time").expect("an event");
        let arrived = now();
        latency.0.extend(stamps(&event).iter().map(|stamp| since(*stamp, arrived)));
    }
    table.samples(&format!("{size} agents: a line to a subscriber"), DASH, &latency);
    end(&agents);
    home.kill_all().await;
}
