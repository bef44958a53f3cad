use futures::future::join_all;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::model::{Actor, Delivery, EventType, Fact, StopCause};
use crate::store::Operation;
use crate::store::testing::{
    Place, append, batch, end, fold, id, input, output, said, shown, spawned, started, stopping,
    waiting,
};

async fn all(store: &Sqlite) -> Vec<Arc<Event>> {
    let mut events = Vec::new();
    let mut since = Seq::START;
    loop {
        let query = EventQuery { since, limit: 100, ..EventQuery::default() };
        let page = store.read(query).await.unwrap();
        if page.events.is_empty() {
            return events;
        }
        since = page.read_to;
        events.extend(page.events);
    }
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_reopening_as_it_was_told() {
    let place = Place::new();
    let store = place.open();
    let mut told = Vec::new();
    for n in 1..=20 {
        told.extend(append(&store, id(n), spawned()).await.unwrap());
        told.extend(append(&store, id(n), output(0, "a\u{1b}\u{0}b\n")).await.unwrap());
    }
    told.extend(append(&store, id(3), end(EventType::Completed)).await.unwrap());
    let alive = store.alive();
    drop(store);
    let store = place.open();
    let read: Vec<_> = all(&store).await.iter().map(|event| shown(event)).collect();
    assert_eq!(read, told.iter().map(|event| shown(event)).collect::<Vec<_>>());
    assert_eq!(store.alive(), alive);
    assert_eq!(store.bounds(), (Seq(1), Seq(41)));
    let ended = store.agent(id(3)).await.unwrap().unwrap();
    assert_eq!(*ended, fold(&told)[&id(3)]);
    let next = append(&store, id(50), spawned()).await.unwrap();
    assert_eq!(next[0].seq, Seq(42));
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_kill() {
    let place = Place::new();
    let store = place.open();
    append(&store, id(1), spawned()).await.unwrap();
    append(&store, id(1), output(0, "said, and not yet synced\n")).await.unwrap();
    // What another process finds when this one is gone at once: the files as they are now.
    let after = Place::new();
    for name in ["dash.db", "dash.db-wal"] {
        std::fs::copy(place.file.with_file_name(name), after.file.with_file_name(name)).unwrap();
    }
    let found = after.open();
    assert_eq!(found.bounds(), store.bounds());
    assert_eq!(found.alive(), store.alive());
}

#[tokio::test]
async fn a_refused_batch_leaves_no_trace() {
    let place = Place::new();
    let store = place.open();
    append(&store, id(1), spawned()).await.unwrap();
    append(&store, id(2), spawned()).await.unwrap();
    append(&store, id(2), end(EventType::Killed)).await.unwrap();
    let before = (store.bounds(), store.alive());
    let answer = Answer { key: "k".into(), fingerprint: [1; 32], body: "b".into() };
    let facts = vec![
        (id(1), started()),
        (id(9), spawned()),
        (id(1), end(EventType::Failed)),
        (id(2), output(0, "after its end")),
    ];
    let error = store.append(Batch { answer: Some(answer), ..batch(facts) }).await.unwrap_err();
    assert!(matches!(&error, StoreError::Refused(refused) if refused.agent == id(2)), "{error}");
    assert_eq!((store.bounds(), store.alive()), before);
    assert_eq!(store.agent(id(9)).await.unwrap(), None);
    assert_eq!(store.answer("k".into()).await.unwrap(), None);
    drop(store);
    assert_eq!(place.number("SELECT count(*) FROM events"), 3);
    assert_eq!(place.number("SELECT count(*) FROM agents"), 2);
    assert_eq!(place.number("SELECT count(*) FROM audit"), 3);
}

#[tokio::test]
async fn facts_need_an_agent_and_no_agent_is_spawned_twice() {
    let place = Place::new();
    let store = place.open();
    let unknown = append(&store, id(1), started()).await.unwrap_err();
    assert!(matches!(unknown, StoreError::UnknownAgent(agent) if agent == id(1)), "{unknown}");
    append(&store, id(1), spawned()).await.unwrap();
    let again = append(&store, id(1), spawned()).await.unwrap_err();
    assert!(matches!(again, StoreError::Refused(_)), "{again}");
    append(&store, id(1), end(EventType::Lost)).await.unwrap();
    let again = append(&store, id(1), spawned()).await.unwrap_err();
    assert!(matches!(again, StoreError::Refused(_)), "{again}");
    assert_eq!(store.bounds().1, Seq(2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_agent_ends_once_whoever_says_so_first() {
    let place = Place::new();
    let store = place.open();
    append(&store, id(1), spawned()).await.unwrap();
    let ends = EventType::ENDS.map(|kind| append(&store, id(1), end(kind)));
    let results = join_all(ends).await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    assert!(store.alive().is_empty());
    drop(store);
    assert_eq!(place.number("SELECT count(*) FROM events"), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_appends_get_distinct_dense_positions() {
    let place = Place::new();
    let store = Arc::new(place.open());
    let tasks = (0..500).map(|n| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            let facts = vec![(id(n), spawned()), (id(n), output(0, "x"))];
            let events = store.append(batch(facts)).await.unwrap();
            assert_eq!(events[0].seq.next(), events[1].seq, "a batch stays together");
            assert!(store.agent(id(n)).await.unwrap().is_some(), "told, and so to be found");
            events
        })
    });
    let mut seqs: Vec<u64> = Vec::new();
    for events in join_all(tasks).await {
        seqs.extend(events.unwrap().iter().map(|event| event.seq.0));
    }
    seqs.sort_unstable();
    assert_eq!(seqs, (1..=1000).collect::<Vec<_>>());
}

#[tokio::test]
async fn times_never_run_backwards() {
    let place = Place::new();
    let store = place.open();
    let at = |second| Timestamp::from_second(second).unwrap();
    let spawn = |agent, time| Batch { time, ..batch(vec![(agent, spawned())]) };
    store.append(spawn(id(1), at(100))).await.unwrap();
    let second = store.append(spawn(id(2), at(50))).await.unwrap();
    assert_eq!(second[0].time, at(100));
    drop(store);
    let store = place.open();
    let third = store.append(spawn(id(3), at(60))).await.unwrap();
    assert_eq!(third[0].time, at(100));
}

#[tokio::test]
async fn answers_are_kept_for_a_week() {
    let place = Place::new();
    let store = place.open();
    let answer = |key: &str| Answer {
        key: key.to_owned(),
        fingerprint: [7; 32],
        body: format!("body of {key}"),
    };
    let at = |day: i64, key: &str| Batch {
        answer: Some(answer(key)),
        time: Timestamp::from_second(day * 86_400).unwrap(),
        ..Batch::default()
    };
    store.append(at(1, "a")).await.unwrap();
    store.append(at(7, "b")).await.unwrap();
    assert_eq!(store.answer("a".into()).await.unwrap(), Some(answer("a")));
    store.append(at(9, "c")).await.unwrap();
    drop(store);
    let store = place.open();
    assert_eq!(store.answer("a".into()).await.unwrap(), None);
    assert_eq!(store.answer("b".into()).await.unwrap(), Some(answer("b")));
    assert_eq!(store.answer("c".into()).await.unwrap(), Some(answer("c")));
}

#[tokio::test]
async fn the_audit_trail_tells_a_life() {
    let place = Place::new();
    let store = place.open();
    let started_up = Operation {
        actor: Actor::daemon(),
        action: "daemon.start".into(),
        outcome: "done".into(),
        detail: json!({"version": "1"}),
    };
    store.append(Batch { audit: vec![started_up], ..batch(Vec::new()) }).await.unwrap();
    append(&store, id(2), spawned()).await.unwrap();
    let life = [
        spawned(),
        started(),
        output(0, "x"),
        input(1, Delivery::Queued),
        input(1, Delivery::Delivered),
        input(2, Delivery::Refused),
        stopping(StopCause::Kill),
        end(EventType::Killed),
    ];
    for fact in life {
        append(&store, id(1), fact).await.unwrap();
    }
    drop(store);
    let store = place.open();
    let records = store.audit(0, None, 100).await.unwrap();
    let positions: Vec<_> = records.iter().map(|record| record.position).collect();
    assert_eq!(positions, (1..=8).collect::<Vec<_>>());
    assert_eq!(records[0].action, "daemon.start");
    assert_eq!((records[0].seq, records[0].agent), (None, None));
    let own = store.audit(0, Some(id(1)), 100).await.unwrap();
    let told: Vec<_> = own.iter().map(|one| (&*one.action, &*one.outcome, &*one.actor)).collect();
    let expected = [
        ("spawn", "accepted", "user:me"),
        ("send", "queued", "user:me"),
        ("send", "delivered", "user:me"),
        ("send", "refused", "user:me"),
        ("kill", "accepted", "user:me"),
        ("end", "killed", "daemon"),
    ];
    assert_eq!(told, expected);
    assert_eq!((own[0].seq, own[0].label.as_deref()), (Some(Seq(2)), Some("it")));
    let page = store.audit(own[1].position, Some(id(1)), 2).await.unwrap();
    assert_eq!(page, own[2..4]);
}

#[tokio::test]
async fn a_row_that_makes_no_sense_is_made_up_for_and_what_cannot_be_is_left_out() {
    let place = Place::new();
    let store = place.open();
    for n in 1..=4 {
        append(&store, id(n), spawned()).await.unwrap();
        append(&store, id(n), output(0, "x")).await.unwrap();
    }
    drop(store);
    let file = place.look();
    file.execute("UPDATE agents SET state = '{' WHERE id = ?1", [id(2).as_str()]).unwrap();
    file.execute("UPDATE events SET data = '{}' WHERE agent = 3 AND type = 'agent.output'", ())
        .unwrap();
    drop(file);
    let store = place.open();
    let alive: Vec<_> = store.alive().iter().map(|agent| agent.id).collect();
    assert_eq!(alive, [id(1), id(2), id(4)]);
    assert_eq!(store.alive()[1].stdout, 1);
    append(&store, id(4), started()).await.unwrap();
    append(&store, id(2), started()).await.unwrap();
    assert!(append(&store, id(3), started()).await.is_err());
    assert_eq!(store.agent(id(3)).await.unwrap(), None);
    let query = EventQuery { since: Seq(0), limit: 100, ..EventQuery::default() };
    let events = store.read(query).await.unwrap().events;
    assert_eq!(events.iter().filter(|event| event.agent == id(2)).count(), 3);
    drop(store);
    // It is named in the trail, once.
    let trail = place.open().audit(4, None, 100).await.unwrap();
    let named: Vec<_> =
        trail.iter().map(|found| (&*found.action, &found.detail["agent_id"])).collect();
    assert_eq!(named, [("store.quarantine", &json!(id(3)))]);
}

fn any_fact() -> impl Strategy<Value = Fact> {
    let state =
        prop_oneof![Just(Delivery::Queued), Just(Delivery::Delivered), Just(Delivery::Refused)];
    prop_oneof![
        1 => Just(spawned()),
        2 => Just(started()),
        8 => (0..99u64).prop_map(|offset| output(offset, "some\n")),
        2 => Just(said("said")),
        2 => Just(Fact::Update(EventType::Usage, json!({"tokens": 1.5}))),
        3 => (0..3u64, state).prop_map(|(id, state)| input(id, state)),
        2 => Just(waiting()),
        1 => Just(stopping(StopCause::Timeout)),
        1 => prop::sample::select(EventType::ENDS.to_vec()).prop_map(end),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Invariant 1: agents are what their events add up to, before and after reopening, however
    /// many of the facts were refused, and wherever the last rows of agents were written.
    #[test]
    fn agents_are_the_fold_of_their_events(
        facts in prop::collection::vec((0..4u64, any_fact()), 1..60),
        size in 1..4usize,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let place = Place::new();
            let store = place.open();
            for n in 0..4 {
                append(&store, id(n), spawned()).await.unwrap();
            }
            for facts in facts.chunks(size) {
                let facts = facts.iter().map(|(n, fact)| (id(*n), fact.clone())).collect();
                let _ = store.append(batch(facts)).await;
            }
            check_fold(&store).await;
            drop(store);
            check_fold(&place.open()).await;
        });
    }
}

async fn check_fold(store: &Sqlite) {
    let agents = fold(&all(store).await);
    let living: Vec<_> = agents.values().filter(|agent| !agent.status.is_end()).collect();
    assert_eq!(store.alive().len(), living.len());
    for agent in agents.values() {
        assert_eq!(*store.agent(agent.id).await.unwrap().unwrap(), *agent);
    }
    let listed = store.agents(AgentFilter::default(), None, 100, Timestamp::UNIX_EPOCH).await;
    let by_id: BTreeMap<_, _> =
        listed.unwrap().agents.iter().map(|agent| (agent.id, Agent::clone(agent))).collect();
    assert_eq!(by_id, agents);
    assert!(store.agents(AgentFilter::default(), None, 0, Timestamp::UNIX_EPOCH).await.is_ok());
}
