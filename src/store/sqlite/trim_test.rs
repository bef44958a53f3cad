use std::sync::Arc;

use crate::model::{AgentFilter, Event, EventQuery, EventType, Seq};
use crate::store::testing::{
    PATIENCE, Place, append, batch, end, id, output, said, shown, spawned, started,
};
use crate::store::{Answer, Batch, Sqlite, Store, StoreError};

async fn from(store: &Sqlite, since: u64, limit: usize) -> Vec<Arc<Event>> {
    let query = EventQuery { since: Seq(since), limit, ..EventQuery::default() };
    store.read(query).await.unwrap().events
}

/// Appends outputs of one byte each, in batches, and continues at `offset`.
async fn flood(store: &Sqlite, agent: u64, offset: u64, count: u64) {
    for first in (offset..offset + count).step_by(100) {
        let last = (first + 100).min(offset + count);
        let facts = (first..last).map(|at| (id(agent), output(at, "x"))).collect();
        store.append(batch(facts)).await.unwrap();
    }
}

#[tokio::test]
async fn trimming_keeps_what_living_agents_are() {
    let place = Place::new();
    let store = place.open();
    append(&store, id(1), spawned()).await.unwrap();
    append(&store, id(2), spawned()).await.unwrap();
    append(&store, id(1), started()).await.unwrap();
    append(&store, id(2), said("a result so far")).await.unwrap();
    flood(&store, 1, 0, 800).await;
    flood(&store, 2, 0, 10).await;
    let alive = store.alive();
    assert_eq!((alive[0].stdout, alive[1].stdout), (800, 10));

    // All that the first has written, and what the second has said, goes.
    store.trim(Seq(808)).await.unwrap();
    assert_eq!(store.bounds(), (Seq(809), Seq(814)));
    assert_eq!(store.alive(), alive);
    assert_eq!(from(&store, 0, 1).await[0].seq, Seq(809));
    drop(store);
    assert_eq!(place.number("SELECT min(seq) FROM events"), 809);
    let store = place.open();
    assert_eq!(store.bounds(), (Seq(809), Seq(814)));
    assert_eq!(store.alive(), alive);
}

#[tokio::test]
async fn an_empty_log_goes_on_where_it_was() {
    let place = Place::new();
    let store = place.open();
    let first = append(&store, id(1), spawned()).await.unwrap();
    append(&store, id(2), spawned()).await.unwrap();
    append(&store, id(2), end(EventType::Completed)).await.unwrap();
    // Further than there is: all of it.
    store.trim(Seq(99)).await.unwrap();
    assert_eq!(store.bounds(), (Seq(4), Seq(3)));
    assert!(from(&store, 0, 10).await.is_empty());
    drop(store);
    let store = place.open();
    assert_eq!(store.bounds(), (Seq(4), Seq(3)));
    let early = Batch { time: jiff::Timestamp::UNIX_EPOCH, ..batch(vec![(id(3), spawned())]) };
    let next = store.append(early).await.unwrap();
    assert_eq!((next[0].seq, next[0].time), (Seq(4), first[0].time));
    assert_eq!(from(&store, 0, 10).await.len(), 1);
    drop(store);
    // The place of the agent that is gone is not given to another.
    assert_eq!(place.number("SELECT max(n) FROM agents"), 3);
}

#[tokio::test]
async fn ended_agents_go_with_their_last_event_and_answers_stay() {
    let place = Place::new();
    let store = place.open();
    let answer = Answer { key: "k".into(), fingerprint: [0; 32], body: "1".into() };
    let spawn = batch(vec![(id(1), spawned()), (id(2), spawned())]);
    store.append(Batch { answer: Some(answer.clone()), ..spawn }).await.unwrap();
    append(&store, id(1), end(EventType::Completed)).await.unwrap();
    append(&store, id(2), end(EventType::Failed)).await.unwrap();
    store.trim(Seq(2)).await.unwrap();
    assert!(store.agent(id(1)).await.unwrap().is_some());
    store.trim(Seq(3)).await.unwrap();
    assert_eq!(store.agent(id(1)).await.unwrap(), None);
    let left = store.agents(AgentFilter::default(), None, 10, jiff::Timestamp::UNIX_EPOCH);
    let left: Vec<_> = left.await.unwrap().agents.iter().map(|agent| agent.id).collect();
    assert_eq!(left, [id(2)]);
    assert_eq!(store.answer("k".into()).await.unwrap(), Some(answer));
    assert_eq!(store.audit(0, Some(id(1)), 10).await.unwrap().len(), 2);
    // Its event is still there, and still says whose it is.
    assert_eq!(from(&store, 3, 10).await[0].agent, id(2));
}

#[tokio::test]
async fn what_is_too_much_goes_by_itself() {
    let place = Place::new();
    let store = place.open_keeping(1_000);
    append(&store, id(1), spawned()).await.unwrap();
    flood(&store, 1, 0, 1_099).await;
    assert_eq!(store.bounds(), (Seq(1), Seq(1_100)));
    flood(&store, 1, 1_099, 2_000).await;
    // Asked after the others, and so answered after what they have set off.
    store.trim(Seq(1)).await.unwrap();
    let (oldest, newest) = tokio::time::timeout(PATIENCE, async {
        loop {
            let (oldest, newest) = store.bounds();
            if newest.0 - oldest.0 < 1_100 {
                return (oldest, newest);
            }
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    assert_eq!(newest, Seq(3_100));
    assert!(newest.0 - oldest.0 >= 999, "at least so many are kept: {oldest}..{newest}");
    let alive = store.alive();
    drop(store);
    assert_eq!(place.open().alive(), alive);
}

#[tokio::test]
async fn trimming_goes_on_between_commits() {
    let place = Place::new();
    let store = place.open();
    append(&store, id(1), spawned()).await.unwrap();
    flood(&store, 1, 0, 20 * super::CHUNK).await;
    let trimmed = store.trim(Seq(20 * super::CHUNK));
    let appended = append(&store, id(1), output(20 * super::CHUNK, "y"));
    let (trimmed, appended) = tokio::join!(trimmed, appended);
    trimmed.unwrap();
    let appended = appended.unwrap();
    let kept: Vec<_> = from(&store, 0, 10).await.iter().map(|event| shown(event)).collect();
    assert_eq!(kept[1..], [shown(&appended[0])]);
    assert_eq!(kept[0].0, 20 * super::CHUNK + 1);
}

#[tokio::test]
async fn trimming_what_is_gone_is_no_work() {
    let place = Place::new();
    let store = place.open();
    append(&store, id(1), spawned()).await.unwrap();
    append(&store, id(1), started()).await.unwrap();
    let done: Result<(), StoreError> = store.trim(Seq(1)).await;
    done.unwrap();
    store.trim(Seq(1)).await.unwrap();
    store.trim(Seq(0)).await.unwrap();
    assert_eq!(store.bounds(), (Seq(2), Seq(2)));
}
