use std::time::Duration;

use futures::StreamExt;
use tokio::time::timeout;

use super::*;
use crate::model::{AgentId, EventType};
use crate::store::Sqlite;
use crate::store::testing::{PATIENCE, Place, append, batch, end, id, output, said, spawned};

type Events = BoxStream<'static, Result<Followed, StoreError>>;

async fn next(stream: &mut Events) -> Followed {
    timeout(PATIENCE, stream.next()).await.expect("something must come").unwrap().unwrap()
}

async fn next_seq(stream: &mut Events) -> u64 {
    match next(stream).await {
        Followed::Event(event) => event.seq.0,
        Followed::Reset { .. } => panic!("a reset, where nothing is missing: {stream:p}"),
    }
}

fn of(agents: &[AgentId]) -> EventFilter {
    EventFilter { agents: Some(agents.to_vec()), ..EventFilter::default() }
}

/// Whether nothing is to be had from the stream as things stand. Reads from the file go on in other
/// threads, so a stream is only asked for this when it can answer from memory.
async fn is_quiet(stream: &mut Events) -> bool {
    timeout(Duration::ZERO, stream.next()).await.is_err()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn followers_of_a_busy_log_miss_nothing_and_see_nothing_twice() {
    const WRITERS: u64 = 8;
    const ROUNDS: u64 = 200;
    const PER_ROUND: u64 = 5;
    let place = Place::new();
    let store: Arc<dyn Store> = Arc::new(place.open());
    for n in 0..WRITERS {
        append(&*store, id(n), spawned()).await.unwrap();
    }
    let write = |n: u64| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            for round in 0..ROUNDS {
                let mut facts: Vec<_> =
                    (1..PER_ROUND).map(|m| (id(n), output(round * 4 + m, "x"))).collect();
                facts.push((id(n), said("hm")));
                store.append(batch(facts)).await.unwrap();
            }
            append(&*store, id(n), end(EventType::Completed)).await.unwrap();
        })
    };
    let total = WRITERS * (ROUNDS * PER_ROUND + 2);
    let filters = [
        EventFilter::default(),
        of(&[id(3)]),
        of(&[id(1), id(2), id(6)]),
        EventFilter { types: Some(vec![EventType::Message]), ..EventFilter::default() },
        EventFilter { types: Some(EventType::ENDS.to_vec()), ..EventFilter::default() },
    ];
    let follow_to_the_end = |filter: &EventFilter| {
        let mut stream = follow(Arc::clone(&store), Seq::START, filter.clone());
        let filter = filter.clone();
        let expected = match (&filter.agents, &filter.types) {
            (Some(agents), _) => agents.len() as u64 * (ROUNDS * PER_ROUND + 2),
            (_, None) => total,
            (_, Some(types)) if types.len() == 1 => WRITERS * ROUNDS,
            _ => WRITERS,
        };
        tokio::spawn(async move {
            let mut seqs = Vec::new();
            while (seqs.len() as u64) < expected {
                match next(&mut stream).await {
                    Followed::Event(event) => {
                        assert!(filter.matches(&event));
                        seqs.push(event.seq.0);
                    }
                    Followed::Reset { .. } => panic!("nothing was trimmed"),
                }
            }
            (filter, seqs)
        })
    };
    let early: Vec<_> = filters.iter().map(follow_to_the_end).collect();
    for writer in (0..WRITERS).map(write).collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    // These begin on the disk and end in memory.
    let late: Vec<_> = filters.iter().map(follow_to_the_end).collect();
    for follower in early.into_iter().chain(late) {
        let (filter, seqs) = follower.await.unwrap();
        assert!(seqs.is_sorted_by(|a, b| a < b), "{filter:?}");
        if filter == EventFilter::default() {
            assert_eq!(seqs, (1..=total).collect::<Vec<_>>());
        }
    }
}

#[tokio::test]
async fn a_follower_begins_after_its_cursor_and_waits_at_the_end() {
    let place = Place::new();
    let store: Arc<dyn Store> = Arc::new(place.open());
    append(&*store, id(1), spawned()).await.unwrap();
    append(&*store, id(1), output(0, "a")).await.unwrap();
    let mut stream = follow(Arc::clone(&store), Seq(1), EventFilter::default());
    assert_eq!(next_seq(&mut stream).await, 2);
    assert!(is_quiet(&mut stream).await);
    append(&*store, id(1), output(1, "b")).await.unwrap();
    assert_eq!(next_seq(&mut stream).await, 3);
    assert!(is_quiet(&mut stream).await);
}

#[tokio::test]
async fn a_cursor_that_is_too_old_is_reset_once() {
    let place = Place::new();
    let store: Arc<dyn Store> = Arc::new(place.open());
    append(&*store, id(1), spawned()).await.unwrap();
    for at in 0..9 {
        append(&*store, id(1), output(at, "x")).await.unwrap();
    }
    store.trim(Seq(4)).await.unwrap();
    for (since, reset) in [(0, true), (3, true), (4, false), (10, false)] {
        let mut stream = follow(Arc::clone(&store), Seq(since), EventFilter::default());
        if reset {
            let first = next(&mut stream).await;
            assert!(
                matches!(first, Followed::Reset { oldest: Seq(5), since: given } if given.0 == since),
                "{first:?}"
            );
        }
        for seq in since.max(4) + 1..=10 {
            assert_eq!(next_seq(&mut stream).await, seq);
        }
        assert!(is_quiet(&mut stream).await);
    }
}

#[tokio::test]
async fn a_cursor_from_another_log_is_reset_once() {
    let place = Place::new();
    let store: Arc<dyn Store> = Arc::new(place.open());
    for (filter, newest) in [(EventFilter::default(), 0), (of(&[id(1)]), 1)] {
        let mut stream = follow(Arc::clone(&store), Seq(77), filter);
        let first = next(&mut stream).await;
        assert!(matches!(first, Followed::Reset { oldest: Seq(1), since: Seq(77) }), "{first:?}");
        if newest == 0 {
            assert!(is_quiet(&mut stream).await);
            append(&*store, id(1), spawned()).await.unwrap();
        }
        assert_eq!(next_seq(&mut stream).await, 1);
    }
}

#[tokio::test]
async fn a_follower_that_is_overtaken_by_trimming_is_told() {
    let place = Place::new();
    let store: Arc<dyn Store> = Arc::new(place.open());
    append(&*store, id(1), spawned()).await.unwrap();
    let mut stream = follow(Arc::clone(&store), Seq::START, EventFilter::default());
    assert_eq!(next_seq(&mut stream).await, 1);
    for at in 0..9 {
        append(&*store, id(1), output(at, "x")).await.unwrap();
    }
    store.trim(Seq(5)).await.unwrap();
    let first = next(&mut stream).await;
    assert!(matches!(first, Followed::Reset { oldest: Seq(6), since: Seq(1) }), "{first:?}");
    assert_eq!(next_seq(&mut stream).await, 6);
}

#[tokio::test]
async fn a_reader_that_never_polls_holds_nobody_up() {
    let place = Place::new();
    let store: Arc<dyn Store> = Arc::new(place.open());
    append(&*store, id(1), spawned()).await.unwrap();
    let mut stuck: Vec<Events> = Vec::new();
    for _ in 0..50 {
        let mut stream = follow(Arc::clone(&store), Seq::START, EventFilter::default());
        assert_eq!(next_seq(&mut stream).await, 1);
        stuck.push(stream);
        stuck.push(follow(Arc::clone(&store), Seq::START, of(&[id(1)])));
    }
    let mut live = follow(Arc::clone(&store), Seq(1), of(&[id(1)]));
    for at in 0..10_000 / 100 {
        let facts = (0..100).map(|m| (id(1), output(at * 100 + m, "x"))).collect();
        timeout(PATIENCE, store.append(batch(facts))).await.unwrap().unwrap();
        for m in 0..100 {
            assert_eq!(next_seq(&mut live).await, 2 + at * 100 + m);
        }
    }
    // And when they come back, all of it is there.
    for mut stream in stuck.into_iter().take(2) {
        let first = next_seq(&mut stream).await;
        for seq in first + 1..=10_001 {
            assert_eq!(next_seq(&mut stream).await, seq);
        }
    }
}

#[tokio::test]
async fn a_follower_of_a_quiet_agent_sleeps_while_others_are_busy() {
    let place = Place::new();
    let store = place.open();
    append(&store, id(1), spawned()).await.unwrap();
    append(&store, id(2), spawned()).await.unwrap();
    let head = store.head(&Scope::Agents(vec![id(1)]));
    let both = store.head(&Scope::Agents(vec![id(1), id(2)]));
    append(&store, id(2), output(0, "x")).await.unwrap();
    assert!(!head.has_changed().unwrap());
    assert!(both.has_changed().unwrap());
    append(&store, id(1), output(0, "x")).await.unwrap();
    assert!(head.has_changed().unwrap());
    assert_eq!((*head.borrow(), *both.borrow()), (Seq(4), Seq(4)));
    let nobody = store.head(&Scope::Agents(Vec::new()));
    append(&store, id(1), output(1, "x")).await.unwrap();
    assert!(nobody.has_changed().is_ok(), "it stays open");
}

#[tokio::test]
async fn heads_that_nobody_holds_are_dropped() {
    let place = Place::new();
    let store = place.open();
    append(&store, id(1), spawned()).await.unwrap();
    let held = store.head(&Scope::Agents(vec![id(1)]));
    for n in 0..10_000 {
        drop(store.head(&Scope::Agents(vec![id(n)])));
    }
    assert!(watched(&store) < 200, "{}", watched(&store));
    drop(held);
    drop(store.head(&Scope::Agents(vec![id(1)])));
    let before = watched(&store);
    append(&store, id(1), output(0, "x")).await.unwrap();
    assert_eq!(watched(&store), before - 1);
}

fn watched(store: &Sqlite) -> usize {
    store.watched_agents()
}

#[tokio::test]
async fn a_quiet_agents_follower_is_not_reset_by_others_noise() {
    let place = Place::new();
    let store: Arc<dyn Store> = Arc::new(place.open_keeping(400));
    append(&*store, id(1), spawned()).await.unwrap();
    append(&*store, id(2), spawned()).await.unwrap();
    let mut stream = follow(Arc::clone(&store), Seq::START, of(&[id(1)]));
    assert_eq!(next_seq(&mut stream).await, 1);
    let (done, mut noise_is_over) = tokio::sync::oneshot::channel();
    let log = Arc::clone(&store);
    let noise = async move {
        for at in 0..40 {
            let facts = (0..50).map(|m| (id(2), output(at * 50 + m, "x"))).collect();
            log.append(batch(facts)).await.unwrap();
        }
        done.send(()).unwrap();
    };
    let quiet = async {
        tokio::select! {
            biased;
            followed = stream.next() => panic!("nothing was said: {followed:?}"),
            over = &mut noise_is_over => over.unwrap(),
        }
    };
    timeout(PATIENCE, async { tokio::join!(quiet, noise) }).await.unwrap();
    assert!(store.bounds().0 > Seq(1_000), "{:?}", store.bounds());
    let last = append(&*store, id(1), end(EventType::Completed)).await.unwrap().remove(0);
    assert_eq!(next_seq(&mut stream).await, last.seq.0);
}
