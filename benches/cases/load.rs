//! Fairness: how long a quiet agent's line takes while others make noise, and whether any line is lost.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use dash::api::EventsQuery;
use futures::StreamExt;
use serde_json::Value;
use tokio::time::timeout;

use super::{PATIENCE, output_only, since};
use crate::agent::now;
use crate::home::{Home, stamps};
use crate::numbers::{DASH, Samples, Table};
use crate::peers::Peer;

/// What makes noise: agents that write ten lines a second, readers of one agent each, a flood.
#[derive(Clone, Copy)]
struct Noise {
    writers: u32,
    followers: usize,
    flood: bool,
}

pub(super) async fn measure(table: &mut Table, quick: bool) {
    let seconds = if quick { 5 } else { 15 };
    let writers = Noise { writers: 1000, followers: 100, flood: false };
    let flood = Noise { writers: 0, followers: 0, flood: true };
    let both = Noise { flood: true, ..writers };
    of(table, "nothing else", Noise { writers: 0, followers: 0, flood: false }, seconds).await;
    of(table, "1,000 agents x 10 lines/s, 100 followers", writers, seconds).await;
    of(table, "one agent that floods", flood, seconds).await;
    of(table, "both", both, seconds).await;
}

#[allow(clippy::cast_precision_loss)]
async fn of(table: &mut Table, name: &str, noise: Noise, seconds: u64) {
    let home = Home::new();
    let lines = seconds * 10;
    let mut all = home.events(output_only()).await;
    let before = home.memory();
    let (mut followers, mut expected_lines) = (Vec::new(), 0);
    if noise.writers > 0 {
        let body = Home::body(&["lines", &lines.to_string(), "100"], noise.writers);
        let agents = home.spawn(&body).await;
        expected_lines = u64::from(noise.writers) * lines;
        for agent in agents.iter().take(noise.followers) {
            let agent = agent.id.to_string();
            let query = EventsQuery {
                agent: vec![agent],
                since: Some("beginning".into()),
                ..output_only()
            };
            followers.push(tokio::spawn(follow(home.client.events(query).boxed(), lines)));
        }
    }
    let ended = Arc::new(AtomicBool::new(false));
    let flooding = noise.flood.then(|| Home::body(&["flood", "1000000000"], 1));
    let flooding = match flooding {
        Some(body) => home.spawn(&body).await.into_iter().next(),
        None => None,
    };
    // The quiet one writes a line every 50 ms.
    let quiet = home.spawn(&Home::body(&["stamp", &(seconds * 20).to_string(), "50"], 1)).await;
    let quiet = quiet[0].id.to_string();
    let query =
        EventsQuery { agent: vec![quiet], since: Some("beginning".into()), ..output_only() };
    let listening = tokio::spawn(listen(home.client.events(query).boxed(), seconds * 20));
    let counting = tokio::spawn({
        let ended = Arc::clone(&ended);
        async move {
            let (mut heard, mut wrong, mut next) = (0, 0, HashMap::new());
            while heard < expected_lines && !ended.load(Ordering::Relaxed) {
                let Ok(Some(event)) = timeout(PATIENCE, all.next()).await else { break };
                count(&event, &mut next, &mut heard, &mut wrong);
            }
            (heard, wrong)
        }
    });
    let begin = Instant::now();
    let mut peak = before;
    while begin.elapsed() < Duration::from_secs(seconds) {
        tokio::time::sleep(Duration::from_millis(200)).await;
        peak = peak.max(home.memory());
    }
    let latency = timeout(PATIENCE, listening).await.expect("in time").expect("its lines");
    table.samples(&format!("a quiet agent's line, beside {name}"), DASH, &latency);
    if let Some(flooding) = flooding {
        let id = flooding.id.to_string();
        assert!(
            home.dash().args(["kill", &id, "--grace", "0s"]).status().expect("dash runs").success()
        );
    }
    let (heard, wrong) = timeout(PATIENCE, counting).await.expect("in time").expect("a count");
    if noise.writers > 0 {
        let mut followed = 0;
        for follower in followers {
            followed += timeout(PATIENCE, follower).await.expect("in time").expect("a count");
        }
        let note =
            format!("of {expected_lines}; {wrong} out of order; {followed} more at the followers");
        table.figure(&format!("lines heard, beside {name}"), DASH, heard as f64, "lines", note);
    }
    table.figure(
        &format!("memory at most, beside {name}"),
        DASH,
        peak,
        "MB",
        format!("{before:.1} before"),
    );
    ended.store(true, Ordering::Relaxed);
}

/// Numbered lines of writers: how many came, and how many not in their order.
fn count(event: &Value, next: &mut HashMap<String, u64>, heard: &mut u64, wrong: &mut u64) {
    let text = event["data"]["text"].as_str().unwrap_or_default();
    for line in text.lines() {
        let Some((stamp, number)) = line.split_once(' ') else { continue };
        let (Ok(_), Ok(number)) = (stamp.parse::<u64>(), number.parse::<u64>()) else { continue };
        // A flood's lines begin with twelve digits, and go on with words.
        let agent = event["agent_id"].as_str().unwrap_or_default().to_owned();
        let turn = next.entry(agent).or_insert(0);
        *wrong += u64::from(number != *turn);
        *turn = number + 1;
        *heard += 1;
    }
}

async fn listen(mut events: futures::stream::BoxStream<'static, Heard>, lines: u64) -> Samples {
    let mut seen = Samples::default();
    while (seen.0.len() as u64) < lines {
        let Some(event) = heard(timeout(PATIENCE, events.next()).await.expect("in time")) else {
            continue;
        };
        let arrived = now();
        seen.0.extend(stamps(&event).iter().map(|stamp| since(*stamp, arrived)));
    }
    seen
}

async fn follow(mut events: futures::stream::BoxStream<'static, Heard>, lines: u64) -> u64 {
    let mut count = 0;
    while count < lines {
        let Some(event) = heard(timeout(PATIENCE, events.next()).await.expect("in time")) else {
            continue;
        };
        count += stamps(&event).len() as u64;
    }
    count
}

type Heard = Result<dash::client::Frame, dash::client::ClientError>;

fn heard(frame: Option<Heard>) -> Option<Value> {
    match frame.expect("a stream does not end") {
        Ok(dash::client::Frame::Event { json, .. }) => serde_json::from_str(&json).ok(),
        _ => None,
    }
}
