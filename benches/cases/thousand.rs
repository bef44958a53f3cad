//! A thousand at once: until all run, what they cost, and how long it takes to list them.

use std::time::Duration;

use super::{PATIENCE, end, ms, raw, ready, since, timed, words};
use crate::agent::now;
use crate::fifo::{Fifo, Running};
use crate::home::Home;
use crate::numbers::{DASH, RAW, Samples, Table};
use crate::peers::{self, Peer, Way};

const COUNT: usize = 1000;

pub(super) async fn measure(table: &mut Table, quick: bool) {
    let mut fifo = Fifo::new();
    let agent = ready(300, &fifo);
    let (mut limit, mut answered, mut running) =
        (Samples::default(), Samples::default(), Samples::default());
    for _ in 0..if quick { 1 } else { 3 } {
        limit.0.push(raw_thousand(&agent, &mut fifo));
        let home = Home::new();
        let begin = now();
        home.spawn(&Home::body(&words(&agent[2..]), 1000)).await;
        answered.0.push(since(begin, now()));
        running.0.push(since(begin, last(&fifo.all(COUNT, PATIENCE))));
        home.kill_all().await;
    }
    let name = "1,000 at once, until all run";
    table.samples(name, RAW, &limit);
    table.samples(name, DASH, &running);
    let dash: Box<dyn Peer> = Box::new(Home::new());
    // task-spooler's server did not come through a thousand.
    let others = peers::all(&peers::place()).into_iter();
    let others = others.filter(|peer| !peer.name().starts_with("task-spooler"));
    let mut costs = Vec::new();
    for peer in std::iter::once(dash).chain(others) {
        let cost = cost(peer.as_ref(), &agent, &mut fifo);
        if peer.name() != DASH {
            table.samples(name, peer.name(), &cost.running);
        }
        costs.push((peer.name().to_owned(), cost));
    }
    table.samples("1,000 in one request, until it is answered", DASH, &answered);
    for (name, cost) in &costs {
        table.figure("memory at 1,000 agents", name, cost.memory, "MB", cost.note.clone());
    }
    for (name, cost) in &costs {
        for (way, list) in &cost.lists {
            table.samples(&format!("list of 1,000, {}", way.name()), name, list);
        }
    }
}

fn last(agents: &[Running]) -> u64 {
    assert_eq!(agents.len(), COUNT, "all run");
    agents.iter().map(|agent| agent.at).max().expect("an agent")
}

/// Milliseconds until a thousand processes run that are started one after another.
fn raw_thousand(agent: &[String], fifo: &mut Fifo) -> f64 {
    let begin = now();
    let mut children: Vec<_> = (0..COUNT).map(|_| raw(agent)).collect();
    let last = last(&fifo.all(COUNT, PATIENCE));
    for child in &mut children {
        child.kill().expect("a kill");
        child.wait().expect("an exit");
    }
    ms(last - begin)
}

struct Cost {
    running: Samples,
    memory: f64,
    lists: Vec<(Way, Samples)>,
    note: String,
}

fn cost(peer: &dyn Peer, agent: &[String], fifo: &mut Fifo) -> Cost {
    let before = peer.memory();
    let begin = now();
    peer.spawn_many(agent, COUNT);
    let agents = fifo.all(COUNT, PATIENCE);
    let running = since(begin, agents.iter().map(|agent| agent.at).max().unwrap_or(begin));
    // What was handed on while they started has been worked off.
    crate::agent::idle(Duration::from_secs(2));
    let memory = peer.memory();
    let lists = peer.ways().iter().map(|way| (*way, timed(20, || peer.list(*way)))).collect();
    let mut note = format!("{before:.1} without agents");
    if agents.len() < COUNT {
        note = format!("{note}; only {} ran", agents.len());
    }
    end(&agents);
    Cost { running: Samples(vec![running]), memory, lists, note }
}
