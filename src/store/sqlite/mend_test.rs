use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use super::*;
use crate::model::{AgentFilter, AgentId, EventQuery, EventType, Seq, Status};
use crate::store::testing::{Place, append, batch, end, id, output, said, spawned, started};
use crate::store::{AuditRecord, Batch, Operation, Sqlite, Store};

/// Bytes of a page of these files.
const PAGE: usize = 4_096;
const AGENTS: u64 = 40;

/// A closed store with agents that live and agents that have ended, over enough pages that every
/// table has inner ones.
async fn place() -> Place {
    let place = Place::new();
    let store = place.open();
    for n in 0..AGENTS {
        append(&store, id(n), spawned()).await.unwrap();
        append(&store, id(n), started()).await.unwrap();
    }
    for round in 0..30 {
        let facts = (0..AGENTS).map(|n| (id(n), output(round, &"x".repeat(200))));
        store.append(batch(facts.collect())).await.unwrap();
    }
    for n in 0..AGENTS / 2 {
        append(&store, id(n), said("done")).await.unwrap();
        append(&store, id(n), end(EventType::Completed)).await.unwrap();
    }
    let operation = Operation {
        actor: crate::model::Actor::daemon(),
        action: "test".to_owned(),
        outcome: "accepted".to_owned(),
        detail: json!({"text": "y".repeat(300)}),
    };
    let audit = vec![operation; 400];
    store.append(Batch { audit, ..batch(Vec::new()) }).await.unwrap();
    place
}

/// All that a store tells: its events by position, agents by id, and audit trail.
#[derive(Debug, PartialEq)]
struct Told {
    events: BTreeMap<u64, String>,
    agents: BTreeMap<AgentId, Status>,
    trail: Vec<AuditRecord>,
}

async fn told(store: &Sqlite) -> Result<Told, StoreError> {
    let mut events = BTreeMap::new();
    let mut query = EventQuery { since: Seq::START, limit: 500, ..EventQuery::default() };
    while query.since < store.bounds().1 {
        let page = store.read(query.clone()).await?;
        for event in &page.events {
            let text = format!("{} {} {}", event.agent, event.kind, event.data.get());
            events.insert(event.seq.0, text);
        }
        query.since = page.read_to;
    }
    let now = jiff::Timestamp::UNIX_EPOCH;
    let all = store.agents(AgentFilter::default(), None, 1_000, now).await?.agents;
    let agents = all.iter().map(|agent| (agent.id, agent.status)).collect();
    let mut trail = Vec::new();
    loop {
        let since = trail.last().map_or(0, |record: &AuditRecord| record.position);
        let page = store.audit(since, None, 500).await?;
        if page.is_empty() {
            return Ok(Told { events, agents, trail });
        }
        trail.extend(page);
    }
}

/// The files that were kept.
fn kept(place: &Place) -> Vec<PathBuf> {
    let entries = fs::read_dir(place.file.parent().unwrap()).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut kept: Vec<PathBuf> = paths
        .filter(|path| {
            let name = path.to_str().unwrap();
            name.contains(".damaged-") && !name.ends_with("-wal")
        })
        .collect();
    kept.sort();
    kept
}

/// Opens the damaged file, as often as a daemon would until nothing is wrong any more.
async fn opened(place: &Place) -> (Sqlite, Told) {
    for _ in 0..2 {
        let store = place.open();
        match told(&store).await {
            Ok(told) if !is_marked(&place.file) => return (store, told),
            Ok(_) | Err(StoreError::Damaged { .. }) => {
                assert!(is_marked(&place.file), "it is looked at again");
                assert!(matches!(store.health().await, crate::store::Health::Degraded(_)));
            }
            Err(error) => panic!("{error}"),
        }
    }
    panic!("it stays damaged")
}

/// What is told after damage was told before, and whatever is not is named.
fn check(store: &Sqlite, before: &Told, after: &Told, what: &str) {
    for (seq, text) in &after.events {
        assert_eq!(before.events.get(seq), Some(text), "{what}: event {seq}");
    }
    let newest = before.events.keys().max().copied().unwrap();
    assert!(store.bounds().1 >= Seq(newest), "{what}: no position is given out again");
    let is_lost =
        |seq: u64| Seq(seq) < store.bounds().0 || store.lost(Seq(seq - 1), Seq(seq)).is_some();
    for seq in 1..=newest {
        let there = after.events.contains_key(&seq);
        assert_eq!(!there, is_lost(seq), "{what}: whether event {seq} is there");
    }
    let note = after.trail.iter().rfind(|record| record.action == "store.quarantine");
    let named: Vec<String> = match note {
        Some(note) => serde_json::from_value(note.detail["agents"].clone()).unwrap(),
        None => Vec::new(),
    };
    for (agent, status) in &before.agents {
        match after.agents.get(agent) {
            Some(found) => assert_eq!(found, status, "{what}: {agent}"),
            None => assert!(named.contains(&agent.to_string()), "{what}: {agent} is not named"),
        }
    }
}

#[tokio::test]
async fn whatever_page_is_damaged_the_rest_is_saved_and_what_is_lost_is_named() {
    let place = place().await;
    let before = told(&place.open()).await.unwrap();
    let whole = fs::read(&place.file).unwrap();
    let checkpoints = fs::read(checkpoints::beside(&place.file)).unwrap();
    let pages = whole.len() / PAGE;
    assert!(pages > 100, "{pages}");
    let (mut mended, mut events, mut agents) = (0, 0, 0);
    // The root of every table and index is among the first; of the others, some.
    for page in (1..24).chain((24..pages).step_by(11)) {
        let mut damaged = whole.clone();
        damaged[page * PAGE..(page + 1) * PAGE].fill(0xa5);
        fs::write(&place.file, &damaged).unwrap();
        fs::write(checkpoints::beside(&place.file), &checkpoints).unwrap();
        let (store, after) = opened(&place).await;
        check(&store, &before, &after, &format!("page {page}"));
        // And it goes on: at the latest when it was opened again, for an index may be damaged that
        // only writing looks at.
        let goes_on = append(&store, id(1_000), spawned()).await;
        drop(store);
        if goes_on.is_err() {
            let (store, after) = opened(&place).await;
            check(&store, &before, &after, &format!("page {page}, again"));
            append(&store, id(1_000), spawned()).await.unwrap();
        }
        events += before.events.len() - after.events.len();
        agents += before.agents.len() - after.agents.len();
        for path in kept(&place) {
            mended += 1;
            assert!(fs::read(&path).unwrap() == damaged, "page {page}: it is kept as it was");
            fs::remove_file(&path).unwrap();
            let _ = fs::remove_file(with(&path, "-wal"));
        }
    }
    println!("{pages} pages, {mended} times mended, {events} events and {agents} agents lost");
    assert!(mended > 20, "{mended}");
    assert!(events > 0, "an event is only there once");
}

#[tokio::test]
async fn of_a_file_that_is_cut_the_beginning_is_saved() {
    let place = place().await;
    let before = told(&place.open()).await.unwrap();
    let whole = fs::read(&place.file).unwrap();
    let checkpoints = fs::read(checkpoints::beside(&place.file)).unwrap();
    for part in [9, 7, 5, 3] {
        // Not at the end of a page.
        let length = whole.len() / 10 * part + 100;
        fs::write(&place.file, &whole[..length]).unwrap();
        fs::write(checkpoints::beside(&place.file), &checkpoints).unwrap();
        let (store, after) = opened(&place).await;
        check(&store, &before, &after, &format!("{part} tenths"));
        assert!(!after.events.is_empty(), "{part} tenths: never an empty reset");
        drop(store);
        for path in kept(&place) {
            assert_eq!(fs::metadata(&path).unwrap().len(), length as u64);
            fs::remove_file(&path).unwrap();
            let _ = fs::remove_file(with(&path, "-wal"));
        }
    }
}

#[tokio::test]
async fn readers_are_told_of_the_gap_and_read_on_behind_it() {
    use crate::store::{Followed, follow};
    use futures::StreamExt;
    let place = place().await;
    let newest = place.number("SELECT max(seq) FROM events");
    place.look().execute_batch("DELETE FROM events WHERE seq BETWEEN 200 AND 299").unwrap();
    mend(&place.file, "a test").unwrap();
    let store: std::sync::Arc<dyn Store> = std::sync::Arc::new(place.open());
    let mut stream =
        follow(std::sync::Arc::clone(&store), Seq(150), crate::model::EventFilter::default());
    let (mut seqs, mut resets) = (Vec::new(), Vec::new());
    while seqs.last() != Some(&newest.unsigned_abs()) {
        match stream.next().await.unwrap().unwrap() {
            Followed::Event(event) => seqs.push(event.seq.0),
            Followed::Reset { oldest, since } => resets.push((since.0, oldest.0)),
        }
    }
    assert_eq!(resets, [(199, 300)]);
    let expected: Vec<u64> = (151..200).chain(300..=newest.unsigned_abs()).collect();
    assert_eq!(seqs, expected);
}

#[tokio::test]
async fn whoever_dies_while_the_new_file_takes_its_place_is_followed_by_another() {
    let place = place().await;
    let before = told(&place.open()).await.unwrap();
    let mended = beside(&place.file, "mended");
    fs::copy(&place.file, &mended).unwrap();
    fs::write(&place.file, "damaged").unwrap();
    fs::write(with(&place.file, "-wal"), "of the damaged one").unwrap();
    assert_eq!(told(&place.open()).await.unwrap(), before);
    assert!(!mended.exists());
}

#[tokio::test]
async fn a_mark_for_nothing_is_taken_back() {
    let place = place().await;
    mark(&place.file);
    let before = fs::read(&place.file).unwrap();
    drop(place.open());
    assert!(!is_marked(&place.file));
    assert!(fs::read(&place.file).unwrap() == before);
    assert_eq!(kept(&place), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn what_is_no_file_of_ours_stays_as_it_is() {
    let place = place().await;
    let mut bytes = fs::read(&place.file).unwrap();
    bytes[..PAGE].fill(0xa5);
    fs::write(&place.file, &bytes).unwrap();
    let error = Sqlite::open(&place.file, crate::store::Options::default()).unwrap_err();
    assert!(matches!(error, StoreError::Io { .. }), "{error}");
    assert!(fs::read(&place.file).unwrap() == bytes);
    assert_eq!(kept(&place), Vec::<PathBuf>::new());
}

/// An agent's end is a record of the audit trail too: when only the event is lost, it has ended all the same.
#[tokio::test]
async fn an_end_whose_event_is_lost_stays_an_end() {
    let place = place().await;
    let end = "UPDATE agents SET status = 'running', ended_at = NULL, as_of = 100, \
               state = json_set(state, '$.status', 'running', '$.ended_at', NULL) WHERE n = 3; \
               DELETE FROM events WHERE agent = 3 AND type = 'agent.completed';";
    place.look().execute_batch(end).unwrap();
    mend(&place.file, "a test").unwrap();
    let store = place.open();
    let agent = store.agent(id(2)).await.unwrap().unwrap();
    assert_eq!(agent.status, Status::Completed);
    assert!(store.alive().iter().all(|agent| agent.id != id(2)));
}

/// When the trail is shorter than its checkpoints say, so may be the events that came with it.
#[tokio::test]
async fn after_a_cut_no_position_is_given_out_twice() {
    let place = place().await;
    let newest = place.number("SELECT max(seq) FROM events").unsigned_abs();
    place
        .look()
        .execute_batch("DELETE FROM audit WHERE position > 50; DELETE FROM events WHERE seq > 1300")
        .unwrap();
    let store = place.open();
    assert!(store.bounds().1 > Seq(newest));
    assert_eq!(store.lost(Seq(0), Seq(newest)).map(|(first, _)| first), Some(Seq(1301)));
    let next = append(&store, id(1_000), spawned()).await.unwrap();
    assert!(next[0].seq > Seq(newest));
    assert_eq!(store.audit(50, None, 1).await.unwrap()[0].action, "audit.mismatch");
}
