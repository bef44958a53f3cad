//! SIGKILL for what supervises, and a kill of a whole tree.

use std::time::{Duration, Instant};

use super::{PATIENCE, end, ready, since};
use crate::agent::now;
use crate::fifo::{Fifo, Running, alive};
use crate::home::Home;
use crate::numbers::{DASH, Table};
use crate::peers::{self, Peer};

const COUNT: usize = 50;

fn everybody() -> Vec<Box<dyn Peer>> {
    let dash: Box<dyn Peer> = Box::new(Home::new());
    std::iter::once(dash).chain(peers::all(&peers::place())).collect()
}

#[allow(clippy::cast_precision_loss)]
pub(super) fn measure(table: &mut Table) {
    let mut fifo = Fifo::new();
    let agent = ready(60, &fifo);
    for mut peer in everybody() {
        peer.spawn_many(&agent, COUNT);
        let agents = fifo.all(COUNT, PATIENCE);
        let begin = now();
        peer.crash();
        let known = peer.running();
        let back = since(begin, now());
        let living = agents.iter().filter(|agent| alive(agent.pid)).count();
        // Only what lives and is known has been taken back.
        let taken_back = known.min(living);
        let note =
            format!("{living} alive, {known} listed as running, {back:.0} ms until it said so");
        table.figure(
            "SIGKILL and restart: of 50 taken back",
            peer.name(),
            taken_back as f64,
            "agents",
            note,
        );
        end(&agents);
    }
    thousand(&agent, &mut fifo, table);
}

/// A thousand idle agents: from the kill until a new daemon has them all.
fn thousand(agent: &[String], fifo: &mut Fifo, table: &mut Table) {
    let mut home = Home::new();
    home.spawn_many(agent, 1000);
    let agents = fifo.all(1000, PATIENCE);
    let begin = now();
    home.crash();
    let known = home.running();
    let back = since(begin, now());
    let note = format!("{known} known as running");
    table.figure("SIGKILL and restart with 1,000 agents", DASH, back, "ms", note);
    end(&agents);
}

#[allow(clippy::cast_precision_loss)]
pub(super) fn measure_trees(table: &mut Table) {
    let mut fifo = Fifo::new();
    let one = ready(30, &fifo).join(" ");
    let script = format!("{one} & setsid {one} & (setsid {one} &) ; exec {one}");
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), script).expect("a script");
    let tree = ["/bin/sh".to_owned(), file.path().to_str().expect("UTF-8").to_owned()];
    for peer in everybody() {
        peer.spawn(&tree);
        let agents: Vec<Running> = fifo.all(4, PATIENCE);
        peer.kill_first();
        let begin = Instant::now();
        let left = || agents.iter().filter(|agent| alive(agent.pid)).count();
        while left() > 0 && begin.elapsed() < Duration::from_secs(3) {
            crate::agent::idle(Duration::from_millis(10));
        }
        table.figure(
            "kill of a tree of 4: left after 3 s",
            peer.name(),
            left() as f64,
            "processes",
            "",
        );
        end(&agents);
    }
}
