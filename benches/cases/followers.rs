//! A thousand agents with a follower each, and what it costs to do nothing.

use std::time::Duration;

use dash::api::EventsQuery;
use futures::StreamExt;
use tokio::time::timeout;

use super::{PATIENCE, end, ready, words};
use crate::fifo::Fifo;
use crate::home::Home;
use crate::numbers::{DASH, Table};
use crate::peers::sandbox::Sandbox;
use crate::peers::{self, Peer};

pub(super) async fn measure(table: &mut Table) {
    let what = "memory at 1,000 agents with 1,000 followers";
    let mut fifo = Fifo::new();
    let agent = ready(300, &fifo);
    let home = Home::new();
    let agents = home.spawn(&Home::body(&words(&agent[2..]), 1000)).await;
    fifo.all(1000, PATIENCE);
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
    let keeper = format!("and the keeper {:.1}", home.keeper_memory());
    table.figure(what, DASH, home.memory(), "MB", keeper);
    idle(table, &home, "with 1,000 followers").await;
    drop(followers);
    tokio::time::sleep(Duration::from_secs(1)).await;
    idle(table, &home, "without followers").await;
    home.kill_all().await;
    drop(home);

    if let Some(sandbox) = Sandbox::start(&peers::place()) {
        let mut streams = Vec::new();
        for _ in 0..1000 {
            let id = sandbox.start_one(&agent).await;
            streams.push(sandbox.follow(&id).await);
        }
        let running = fifo.all(1000, PATIENCE);
        table.figure(what, sandbox.name(), sandbox.memory(), "MB", "");
        end(&running);
    }
}

pub(super) async fn idle(table: &mut Table, home: &Home, how: &str) {
    let (begin, wakeups) = (home.cpu(), home.wakeups());
    tokio::time::sleep(Duration::from_secs(5)).await;
    // A thread that has ended takes its count with it.
    let wakeups = format!("{} wakeups in 5 s", home.wakeups().saturating_sub(wakeups));
    let what = format!("idle CPU at 1,000 agents, {how}");
    table.figure(&what, DASH, (home.cpu() - begin) / 5.0 * 100.0, "%", wakeups);
}
