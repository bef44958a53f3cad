use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::model::{AgentId, Fact, Seq};
use crate::store::testing::{PATIENCE, Place, batch, id, output, spawned};
use crate::store::{Batch, Options, Sqlite, Store};

fn open(place: &Place, options: Options) -> Sqlite {
    Sqlite::open(&place.file, options).unwrap()
}

/// Many lines at some time.
async fn say(store: &Sqlite, count: u64, text: &str, time: Timestamp) {
    for _ in 0..count / 100 {
        let facts: Vec<(AgentId, Fact)> = (0..100).map(|at| (id(1), output(at, text))).collect();
        store.append(Batch { time, ..batch(facts) }).await.unwrap();
    }
}

async fn until(store: &Sqlite, holds: impl Fn(Seq, Seq) -> bool) -> (Seq, Seq) {
    let reached = async {
        loop {
            let (oldest, newest) = store.bounds();
            if holds(oldest, newest) {
                return (oldest, newest);
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(PATIENCE, reached)
        .await
        .unwrap_or_else(|_| panic!("it stays at {:?}", store.bounds()))
}

#[tokio::test]
async fn what_is_too_old_goes() {
    let place = Place::new();
    let store = open(&place, Options { days_kept: Some(2), ..Options::default() });
    let start = batch(Vec::new()).time;
    let day = |n: i64| start + SignedDuration::from_hours(24 * n);
    store.append(batch(vec![(id(1), spawned())])).await.unwrap();
    say(&store, 1_500, "day 0", start).await;
    say(&store, 1_000, "day 1", day(1)).await;
    say(&store, 1_000, "day 2", day(2)).await;
    assert_eq!(store.bounds().0, Seq(1), "nothing is older than two days");
    say(&store, 1_000, "day 3", day(3)).await;
    until(&store, |oldest, _| oldest == Seq(1_502)).await;
    // Whoever comes back after a long time finds what is new, and an agent that is alive.
    say(&store, 1_000, "day 99", day(99)).await;
    until(&store, |oldest, _| oldest == Seq(4_502)).await;
    assert_eq!(store.alive().len(), 1);
}

#[tokio::test]
async fn a_file_that_is_too_large_lets_the_oldest_go() {
    const MAX: u64 = 8 * 1024 * 1024;
    let place = Place::new();
    let store = open(&place, Options { bytes_max: Some(MAX), ..Options::default() });
    store.append(batch(vec![(id(1), spawned())])).await.unwrap();
    let text = "x".repeat(1_000);
    say(&store, 40_000, &text, batch(Vec::new()).time).await;
    until(&store, |oldest, newest| newest.0 - oldest.0 < 9_000).await;
    let (oldest, newest) = store.bounds();
    assert!(newest.0 - oldest.0 > 4_000, "no more than must: {oldest}..{newest}");
    drop(store);
    let size = std::fs::metadata(&place.file).unwrap().len();
    assert!(size < 2 * MAX, "{size} bytes for 40 MB of output");
    let kept = place.number("SELECT count(*) FROM events");
    assert_eq!(kept.unsigned_abs(), newest.0 + 1 - oldest.0);
}

#[tokio::test]
async fn the_trail_outlives_the_events() {
    let place = Place::new();
    let store = open(&place, Options { events_kept: 1_000, ..Options::default() });
    store.append(batch(vec![(id(1), spawned())])).await.unwrap();
    say(&store, 5_000, "x", batch(Vec::new()).time).await;
    until(&store, |oldest, _| oldest > Seq(3_000)).await;
    let verified = store.verify().await.unwrap();
    assert_eq!((verified.bad, verified.records), (None, 1));
}
