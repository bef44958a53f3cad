//! One agent: until the spawn is answered, and until the agent runs.

use std::os::unix::fs::FileExt;

use super::{PATIENCE, raw, ready, since, words};
use crate::agent::now;
use crate::fifo::Fifo;
use crate::home::Home;
use crate::numbers::{RAW, Samples, Table};
use crate::peers::{self, Peer};

/// What the raw limit is for whoever writes down first what it will start, and waits for the disk.
const DURABLE: &str = "raw limit + one fsync";

#[derive(Default)]
struct Both {
    answered: Samples,
    running: Samples,
}

impl Both {
    fn take(&mut self, fifo: &mut Fifo, start: impl FnOnce()) {
        let begin = now();
        start();
        self.answered.0.push(since(begin, now()));
        let running = fifo.next(PATIENCE).expect("the agent runs");
        self.running.0.push(since(begin, running.at));
    }
}

pub(super) async fn measure(table: &mut Table, quick: bool) {
    let mut fifo = Fifo::new();
    let agent = ready(0, &fifo);
    let home = Home::new();
    let body = Home::body(&words(&agent[2..]), 1);
    let peers = peers::all(&peers::place());
    let log = tempfile::NamedTempFile::new().expect("a file");
    let (mut limit, mut durable) = (Both::default(), Both::default());
    let (mut api, mut cli) = (Both::default(), Both::default());
    let mut others: Vec<Both> = peers.iter().map(|_| Both::default()).collect();
    for _ in 0..if quick { 20 } else { 100 } {
        // In turns, so that all see the same machine.
        let mut child = None;
        limit.take(&mut fifo, || child = Some(raw(&agent)));
        child.expect("a process").wait().expect("an exit");

        let mut child = None;
        durable.take(&mut fifo, || {
            // In place, as a write-ahead log that is used again.
            log.as_file().write_all_at(&[0; 4096], 0).expect("a page");
            log.as_file().sync_data().expect("a disk");
            child = Some(raw(&agent));
        });
        child.expect("a process").wait().expect("an exit");

        let begin = now();
        home.spawn(&body).await;
        api.answered.0.push(since(begin, now()));
        api.running.0.push(since(begin, fifo.next(PATIENCE).expect("the agent runs").at));

        cli.take(&mut fifo, || Peer::spawn(&home, &agent));
        for (peer, both) in peers.iter().zip(&mut others) {
            both.take(&mut fifo, || peer.spawn(&agent));
        }
    }
    let names = peers.iter().map(|peer| peer.name());
    let all = [(RAW, &limit), (DURABLE, &durable), ("Dash, API", &api), ("`dash spawn`", &cli)];
    let all: Vec<(&str, &Both)> = all.into_iter().chain(names.zip(&others)).collect();
    for (name, both) in &all {
        table.samples("one spawn, until it runs", name, &both.running);
    }
    for (name, both) in &all {
        table.samples("one spawn, until it is answered", name, &both.answered);
    }
}
