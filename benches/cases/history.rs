//! What grows with what has been recorded.

use std::sync::Arc;

use dash::api::EventsQuery;
use dash::model::{
    Actor, AgentId, End, EventType, Fact, Output, Runtime, Spawned, Spec, Started, Stream,
};
use dash::store::{Batch, Options, Sqlite, Store as _};
use jiff::{SignedDuration, Timestamp};

use super::{since, timed};
use crate::agent::now;
use crate::home::Home;
use crate::numbers::{DASH, Samples, Table};
use crate::peers::Peer;

/// Events of one agent: spawned, started, its output, and its end.
const OF_ONE: u64 = 100;

pub(super) async fn measure(table: &mut Table, quick: bool) {
    let large = if quick { 100_000 } else { 1_000_000 };
    for events in [1000, large] {
        of(table, events).await;
    }
}

async fn of(table: &mut Table, events: u64) {
    let dir = Home::directory("");
    let state = dir.path().join("d/state");
    let mut make = std::fs::DirBuilder::new();
    std::os::unix::fs::DirBuilderExt::mode(&mut make, 0o700);
    make.create(&state).expect("a state directory");
    write(&state.join("dash.db"), events).await;

    let begin = now();
    let mut home = Home::start(dir);
    let mut starts = Samples(vec![since(begin, now())]);
    for _ in 0..4 {
        home.kill_daemon();
        let begin = now();
        home.status();
        starts.0.push(since(begin, now()));
        home.renewed();
    }
    let name = |what: &str| format!("{events} events of history: {what}");
    table.samples(&name("a daemon starts and answers"), DASH, &starts);
    table.samples(&name("`dash status`"), DASH, &timed(20, || home.status()));
    let mut pages = Samples::default();
    for _ in 0..20 {
        let begin = now();
        let since_last =
            EventsQuery { since: Some((events - 100).to_string()), ..EventsQuery::default() };
        let page = home.client.events_page(&since_last).await.expect("a page");
        assert!(page.events.len() >= 100, "the newest events");
        pages.0.push(since(begin, now()));
    }
    table.samples(&name("the last 100 events"), DASH, &pages);
    table.figure(&name("memory"), DASH, home.memory(), "MB", "");
}

/// Writes ended agents into a database, as a daemon would have.
async fn write(file: &std::path::Path, events: u64) {
    let store = Sqlite::open(file, Options::default()).expect("a store");
    // Longer ago than what `dash status` lists by itself: the time it takes is that of the history.
    let time = Timestamp::now() - SignedDuration::from_hours(2);
    for agent in 0..events / OF_ONE {
        let id = AgentId::from_bits(agent.reverse_bits() | 1);
        let facts = facts().map(|fact| (id, fact)).collect();
        store.append(Batch { facts, time, ..Batch::default() }).await.expect("facts");
    }
}

fn facts() -> impl Iterator<Item = Fact> {
    let spec = Spec {
        runtime: Runtime::Command,
        profile: None,
        label: Some("history".into()),
        metadata: std::collections::BTreeMap::new(),
        group: None,
        session: None,
        command: Some(vec!["true".into()]),
        program: None,
        task: None,
        cwd: "/".into(),
        env: Vec::new(),
        timeout_ms: None,
        model: None,
        memory_mb: None,
        stdin: false,
        conversation: dash::model::Conversation::default(),
        children: None,
        ancestors: Vec::new(),
    };
    let by = Actor::user("bench");
    let spawned = Spawned { spec: Arc::new(spec), by, index: 1, queued: None, environment: None };
    let text = "the quick brown fox jumps over the lazy dog\n";
    let bytes = text.len() as u64;
    let output = move |n: u64| {
        Fact::Output(Output {
            stream: Stream::Stdout,
            text: text.to_owned(),
            offset: n * bytes,
            bytes,
            partial: false,
            truncated: 0,
        })
    };
    let end = Fact::End(EventType::Completed, End { exit_code: Some(0), ..End::default() });
    [
        Fact::Spawned(Box::new(spawned)),
        Fact::Started(Started { pid: Some(7), process_start: Some(8) }),
    ]
    .into_iter()
    .chain((0..OF_ONE - 3).map(output))
    .chain([end])
}
