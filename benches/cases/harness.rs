//! A hundred harnesses in their turns, and a thousand that wait for a message.

use std::collections::HashSet;
use std::time::Duration;

use dash::api::{EventsQuery, SpawnBody};
use futures::StreamExt;
use tokio::time::timeout;

use super::flood::rate;
use super::{PATIENCE, SILENCE, followers, latency, since};
use crate::agent::{FLAG, now};
use crate::home::{Home, own_path};
use crate::numbers::{DASH, Samples, Table};
use crate::peers::Peer;

/// What `sandbox-agent` 0.4.2 took with 1,000 ACP sessions and a subscriber of each, in MB: measured once, on two
/// cores with 23 GB, and not in this run.
const SANDBOX_MB: f64 = 419.0;

/// What it brought to a subscriber of 100,000 updates, measured in the same way at the same time.
const SANDBOX_FLOOD: &str = "sandbox-agent 0.4.2, on record: 55000/s, 7 % lost";

/// A daemon whose profile `acp` is this program.
fn home() -> Home {
    let program = own_path();
    let config = format!(
        "[profiles.acp]\nruntime = \"acp\"\nmemory_mb = 1\ncommand = [{:?}, {FLAG:?}, \"acp\"]\n",
        program.to_str().expect("a path in UTF-8")
    );
    Home::start(Home::directory(&config))
}

fn body(task: Option<String>, count: u32) -> SpawnBody {
    let (profile, cwd) = (Some("acp".to_owned()), Some("/".to_owned()));
    SpawnBody { profile, task, count, cwd, ..SpawnBody::default() }
}

fn only(kind: &str) -> EventsQuery {
    EventsQuery { r#type: vec![kind.to_owned()], ..EventsQuery::default() }
}

/// From a harness's `session/update` to a subscriber of its events.
pub(super) async fn measure(table: &mut Table, quick: bool) {
    let (agents, count) = (100, if quick { 8 } else { 15 });
    let home = home();
    let events = home.events(only("message")).await;
    home.spawn(&body(Some(format!("{count} 1000")), agents)).await;
    let seen = latency::heard(events, agents, count).await;
    let what = "ACP update to subscriber, 100 agents, 1 update/s each";
    table.samples(what, DASH, &seen);
    home.kill_all().await;
}

/// One harness that sends updates as fast as it can, without a pause.
pub(super) async fn measure_flood(table: &mut Table, quick: bool) {
    let (count, runs): (u64, u32) = if quick { (20_000, 1) } else { (100_000, 3) };
    let (mut rates, mut missing) = (Samples::default(), 0);
    for _ in 0..runs {
        let home = home();
        let mut events = home.events(only("message")).await;
        home.spawn(&body(Some(format!("{count} 0")), 1)).await;
        let (mut came, mut first) = (0, 0);
        while came < count {
            let Ok(Some(event)) = timeout(SILENCE, events.next()).await else { break };
            let stamp = event["data"]["text"].as_str().and_then(|text| text.parse().ok());
            first = if came == 0 { stamp.unwrap_or(first) } else { first };
            came += 1;
        }
        rates.0.push(rate(came, since(first, now()) / 1e3));
        missing += count - came;
        home.kill_all().await;
    }
    let what = "ACP updates at a subscriber, one harness at its fastest";
    table.figure(
        what,
        DASH,
        rates.median(),
        "updates/s",
        format!("{missing} lost; {SANDBOX_FLOOD}"),
    );
}

/// What a thousand harnesses cost that wait for their first message.
pub(super) async fn measure_idle(table: &mut Table) {
    let home = home();
    let before = home.memory();
    let agents = home.spawn(&body(None, 1000)).await;
    let mut waiting = HashSet::new();
    let filter = EventsQuery { since: Some("beginning".to_owned()), ..only("waiting") };
    let mut events = home.client.events(filter);
    while waiting.len() < agents.len() {
        let next = timeout(PATIENCE, events.next()).await.expect("in time");
        if let Some(Ok(dash::client::Frame::Event { seq, .. })) = next {
            waiting.insert(seq);
        }
    }
    drop(events);
    let after = home.memory();
    let peer = format!("sandbox-agent 0.4.2, on record: {SANDBOX_MB} MB");
    table.figure("memory at 1,000 ACP agents", DASH, after, "MB", peer);
    let each = (after - before) * 1024.0 / 1000.0;
    table.figure("memory that an idle ACP agent adds", DASH, each, "KB", "of the daemon's");
    tokio::time::sleep(Duration::from_secs(1)).await;
    followers::idle(table, &home, "of which all are ACP").await;
    home.kill_all().await;
}
