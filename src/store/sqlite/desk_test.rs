use std::panic::{AssertUnwindSafe, catch_unwind};

use futures::FutureExt as _;

use super::*;
use crate::model::{EventType, Fact};
use crate::store::testing::{Place, append, batch, end, id, output, said, spawned};
use crate::store::{Health, Sqlite, Store as _, StoreError};

async fn with_an_agent(place: &Place) -> Sqlite {
    let store = place.open();
    append(&store, id(1), spawned()).await.unwrap();
    store
}

#[tokio::test]
async fn what_an_agent_says_is_recorded_by_whoever_brings_it() {
    let place = Place::new();
    let store = with_an_agent(&place).await;
    let events = append(&store, id(1), said("here")).now_or_never();
    let events = events.expect("without waiting for another thread").unwrap();
    assert_eq!((events[0].seq, store.bounds().1), (Seq(2), Seq(2)));
    assert_eq!(place.number("SELECT count(*) FROM events"), 2);
    let refused = append(&store, id(7), said("nobody")).now_or_never();
    assert!(matches!(refused, Some(Err(StoreError::UnknownAgent(_)))), "{refused:?}");
}

#[tokio::test]
async fn what_takes_long_is_left_to_the_thread() {
    let place = Place::new();
    let store = with_an_agent(&place).await;
    let desk = &store.desk;
    let long = "x".repeat(100_000);
    let many = (0..100).map(|at| (id(1), output(at, "x"))).collect();
    let waits_for_the_disk = batch(vec![(id(1), end(EventType::Completed))]);
    // In the harness' own words: of any size.
    let update = Fact::Update(EventType::ToolCall, serde_json::json!({ "diff": long }));
    let long = batch(vec![(id(1), output(0, &long))]);
    for batch in [waits_for_the_disk, long, batch(many), batch(vec![(id(1), update)])] {
        assert!(desk.free_for(&batch).is_none(), "{batch:?}");
    }
    let short = batch(vec![(id(1), output(0, "x"))]);
    let writing = desk.0.lock().unwrap();
    assert!(desk.free_for(&short).is_none());
    drop(writing);
    assert!(desk.free_for(&short).is_some());
}

#[tokio::test]
async fn old_events_go_however_short_the_new_ones_are() {
    let place = Place::new();
    let store = place.open_keeping(100);
    append(&store, id(1), spawned()).await.unwrap();
    for at in 0..1_000 {
        append(&store, id(1), output(at, "x")).await.unwrap();
        let (oldest, newest) = store.bounds();
        assert!(newest.0 - oldest.0 < 130, "{oldest:?} to {newest:?}");
    }
}

#[tokio::test]
async fn nobody_but_the_thread_waits_for_who_has_the_file_locked() {
    let place = Place::new();
    let store = with_an_agent(&place).await;
    let short = || batch(vec![(id(1), said("x"))]);
    let other = place.look();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let begin = std::time::Instant::now();
    let refused = store.append(short()).await;
    assert!(matches!(refused, Err(StoreError::Io { .. })), "{refused:?}");
    assert!(begin.elapsed() < std::time::Duration::from_secs(2), "{:?}", begin.elapsed());
    assert!(store.desk.free_for(&short()).is_none(), "the next is left to the thread");
    let waiting = store.append(short());
    let unlock = async { other.execute_batch("ROLLBACK").unwrap() };
    let (recorded, ()) = tokio::join!(waiting, unlock);
    assert_eq!(recorded.unwrap()[0].seq, Seq(2));
    assert!(store.desk.free_for(&short()).is_some());
}

#[tokio::test]
async fn after_a_panic_nothing_more_is_written() {
    let place = Place::new();
    let store = with_an_agent(&place).await;
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _writing = store.desk.0.lock().unwrap();
        panic!("while it wrote");
    }));
    panicked.unwrap_err();
    for _ in 0..2 {
        let refused = append(&store, id(1), said("x")).await;
        assert!(matches!(refused, Err(StoreError::Closed)), "{refused:?}");
    }
    let health = store.health().await;
    assert!(matches!(&health, Health::Failed(why) if why.contains("daemon.log")), "{health:?}");
}
