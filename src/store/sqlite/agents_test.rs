use std::collections::BTreeMap;

use jiff::Timestamp;

use super::*;
use crate::model::{EventType, Spec, openclaw};
use crate::store::testing::{Place, batch, end, id, spawned_as, spec, started, waiting};
use crate::store::{Batch, Sqlite, Store};

const COUNT: u64 = 200;

fn at(second: u64) -> Timestamp {
    Timestamp::from_second(i64::try_from(second).unwrap()).unwrap()
}

/// Agent `n` is spawned at second `n`; of each ten, one waits, three run, and the others end, 100
/// seconds later and each in its own way.
async fn populated(place: &Place) -> Sqlite {
    let store = place.open();
    let spec = |n: u64| Spec {
        group: Some(format!("group {}", n % 3)),
        session: n.is_multiple_of(2).then(|| "session".to_owned()),
        label: Some(format!("label {}", n % 5)),
        metadata: BTreeMap::from([
            ("tens".to_owned(), (n / 10).to_string()),
            (openclaw::SESSION.to_owned(), format!("child {}", n % 50)),
        ]),
        ..spec()
    };
    for n in 1..=COUNT {
        let time = at(n);
        let facts = vec![(id(n), spawned_as(spec(n))), (id(n), started())];
        store.append(Batch { time, ..batch(facts) }).await.unwrap();
    }
    for n in 1..=COUNT {
        let fact = match n % 10 {
            0 => waiting(),
            1..4 => continue,
            4 => end(EventType::Failed),
            5 => end(EventType::Killed),
            _ => end(EventType::Completed),
        };
        let time = at(n + COUNT);
        store.append(Batch { time, ..batch(vec![(id(n), fact)]) }).await.unwrap();
    }
    store
}

async fn pages(store: &Sqlite, filter: &AgentFilter, limit: usize, now: Timestamp) -> Vec<AgentId> {
    let mut found = Vec::new();
    let mut after = None;
    loop {
        let page = store.agents(filter.clone(), after, limit, now).await.unwrap();
        assert!(page.agents.len() <= limit);
        found.extend(page.agents.iter().map(|agent| agent.id));
        match page.next {
            Some(next) => after = Some(next),
            None => return found,
        }
    }
}

fn filters() -> Vec<AgentFilter> {
    let all = AgentFilter::default();
    vec![
        all.clone(),
        AgentFilter { group: Some("group 1".into()), ..all.clone() },
        AgentFilter { session: Some("session".into()), ..all.clone() },
        AgentFilter { session: Some("child 16".into()), ..all.clone() },
        AgentFilter { label: Some("label 4".into()), ..all.clone() },
        AgentFilter { label: Some("no such".into()), ..all.clone() },
        AgentFilter { agents: Some(vec![id(17), id(4), id(1), id(999), id(4)]), ..all.clone() },
        AgentFilter { agents: Some(Vec::new()), ..all.clone() },
        AgentFilter { agents: Some((1..150).map(id).collect()), ..all.clone() },
        AgentFilter { statuses: Some(vec![Status::Running, Status::Failed]), ..all.clone() },
        AgentFilter { statuses: Some(vec![Status::Waiting]), ..all.clone() },
        AgentFilter { metadata: [("tens".into(), "3".into())].into(), ..all.clone() },
        AgentFilter {
            group: Some("group 2".into()),
            session: Some("session".into()),
            statuses: Some(vec![Status::Completed, Status::Killed]),
            ..all
        },
    ]
}

#[tokio::test]
async fn pages_of_any_size_hold_what_matches_in_the_order_of_spawning() {
    let place = Place::new();
    let store = populated(&place).await;
    for filter in filters() {
        let mut expected = Vec::new();
        for n in 1..=COUNT {
            let agent = store.agent(id(n)).await.unwrap().unwrap();
            if filter.matches(&agent) {
                expected.push(agent.id);
            }
        }
        for limit in [1, 7, 1_000] {
            assert_eq!(pages(&store, &filter, limit, at(0)).await, expected, "{filter:?}");
        }
    }
}

#[tokio::test]
async fn agents_are_found_by_the_session_that_was_made_for_them_too() {
    let place = Place::new();
    let store = populated(&place).await;
    let filter = AgentFilter { session: Some("child 16".into()), ..AgentFilter::default() };
    let found = pages(&store, &filter, 1_000, at(0)).await;
    assert_eq!(found, [16, 66, 116, 166].map(id), "all of them have ended, and one owner");
    let owner = AgentFilter { session: Some("session".into()), ..AgentFilter::default() };
    assert_eq!(pages(&store, &owner, 1_000, at(0)).await.len(), 100);
}

#[tokio::test]
async fn agents_that_ended_long_ago_are_left_out_when_asked() {
    let place = Place::new();
    let store = populated(&place).await;
    let filter = AgentFilter { ended_within_ms: Some(10_000), ..AgentFilter::default() };
    let found = pages(&store, &filter, 3, at(2 * COUNT)).await;
    let expected: Vec<_> = (1..=COUNT).filter(|n| n % 10 < 4 || *n >= COUNT - 10).map(id).collect();
    assert_eq!(found, expected);
    let now = AgentFilter { ended_within_ms: Some(0), ..AgentFilter::default() };
    let expected: Vec<_> = (1..=COUNT).filter(|n| n % 10 < 4).map(id).collect();
    assert_eq!(pages(&store, &now, 1_000, at(2 * COUNT)).await, expected);
    let ever = AgentFilter { ended_within_ms: Some(u64::MAX), ..AgentFilter::default() };
    assert_eq!(pages(&store, &ever, 1_000, at(2 * COUNT)).await.len(), 200);
}

#[tokio::test]
async fn listing_does_not_read_history() {
    let place = Place::new();
    drop(populated(&place).await);
    let file = place.look();
    let plan = |filter: &AgentFilter, since: Option<i64>| -> String {
        let by = narrowest(filter, since);
        let sql = format!(
            "EXPLAIN QUERY PLAN SELECT n FROM agents {by} AND n > 5 AND ended_at >= 3 ORDER BY n"
        );
        let mut statement = file.prepare(&sql).unwrap();
        let count = statement.parameter_count();
        let parameters = rusqlite::params_from_iter(std::iter::repeat_n("x", count));
        let rows = statement.query_map(parameters, |row| row.get::<_, String>(3)).unwrap();
        rows.map(Result::unwrap).collect::<Vec<_>>().join("; ")
    };
    let all = AgentFilter::default();
    let recent = plan(&all, Some(3));
    assert!(recent.contains("INDEX agents_by_end (ended_at>?"), "{recent}");
    for filter in filters().iter().filter(|filter| wants_ended(filter)) {
        let plan = plan(filter, None);
        assert!(!plan.contains("SCAN"), "{filter:?}: {plan}");
    }
    assert!(!wants_ended(&AgentFilter { ended_within_ms: Some(0), ..all.clone() }));
    assert!(!wants_ended(&AgentFilter { statuses: Some(vec![Status::Running]), ..all.clone() }));
    assert!(wants_ended(&AgentFilter { statuses: Some(vec![Status::Lost]), ..all }));
}

#[tokio::test]
async fn a_prefix_finds_the_living_and_the_ended() {
    let place = Place::new();
    let store = populated(&place).await;
    for n in [1, 2, 4, 77] {
        let whole = id(n);
        let found = store.by_prefix(whole.as_str().to_owned(), 10).await.unwrap();
        assert_eq!(found, [whole]);
        let prefix = &whole.as_str()[..2];
        let found = store.by_prefix(prefix.to_owned(), 1_000).await.unwrap();
        let mut expected: Vec<_> =
            (1..=COUNT).map(id).filter(|id| id.as_str().starts_with(prefix)).collect();
        expected.sort_unstable();
        assert_eq!(found, expected);
        assert_eq!(store.by_prefix(prefix.to_owned(), 1).await.unwrap(), expected[..1]);
    }
    for none in ["a", "kz%", "_", "{", "é"] {
        assert!(store.by_prefix(none.to_owned(), 10).await.unwrap().is_empty(), "{none}");
    }
}

#[tokio::test]
async fn every_status_is_counted() {
    let place = Place::new();
    let store = populated(&place).await;
    let counts: BTreeMap<_, _> = store.counts().await.unwrap().into_iter().collect();
    assert_eq!(counts.len(), Status::ALL.len());
    let expected = [
        (Status::Running, 60),
        (Status::Waiting, 20),
        (Status::Failed, 20),
        (Status::Killed, 20),
        (Status::Completed, 80),
        (Status::Lost, 0),
    ];
    for (status, count) in expected {
        assert_eq!(counts[&status], count, "{status}");
    }
}

#[tokio::test]
async fn a_page_of_large_agents_ends_early_and_goes_on() {
    let place = Place::new();
    let store = place.open();
    let task = "x".repeat(1024 * 1024);
    for n in 1..=12 {
        let large = Spec { task: Some(task.clone()), ..spec() };
        let facts = vec![(id(n), spawned_as(large)), (id(n), end(EventType::Completed))];
        store.append(batch(facts)).await.unwrap();
    }
    store.append(batch(vec![(id(13), spawned_as(spec()))])).await.unwrap();
    let first = store.agents(AgentFilter::default(), None, 100, at(0)).await.unwrap();
    assert!((1..12).contains(&first.agents.len()), "{}", first.agents.len());
    let all = pages(&store, &AgentFilter::default(), 100, at(0)).await;
    assert_eq!(all, (1..=13).map(id).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_living_agent_is_found_by_its_first_process() {
    use crate::model::{Fact, Process, Started};
    let place = Place::new();
    let store = place.open();
    let process = |n: i32| Process { pid: n, start: 7 };
    let born = |n: i32| Fact::Started(Started { pid: Some(n), process_start: Some(7) });
    for n in [1, 2] {
        let facts = vec![(id(n), spawned_as(spec())), (id(n), born(i32::try_from(n).unwrap()))];
        store.append(batch(facts)).await.unwrap();
    }
    store.append(batch(vec![(id(2), waiting())])).await.unwrap();
    assert_eq!([1, 2, 3].map(|n| store.led_by(process(n))), [Some(id(1)), Some(id(2)), None]);
    assert_eq!(store.led_by(Process { start: 8, ..process(1) }), None);
    store.append(batch(vec![(id(1), end(EventType::Failed))])).await.unwrap();
    assert_eq!(store.led_by(process(1)), None);
    drop(store);
    let store = place.open();
    assert_eq!([1, 2].map(|n| store.led_by(process(n))), [None, Some(id(2))]);
}
