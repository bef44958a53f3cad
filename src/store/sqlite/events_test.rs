use super::*;
use crate::model::{Spec, openclaw};
use crate::store::sqlite::tail::EVENTS_MAX;
use crate::store::testing::{
    Place, append, batch, end, id, output, said, shown, spawned_as, spec, started,
};
use crate::store::{Sqlite, Store};

/// Twenty agents in two groups take turns, until the first of it is no longer in memory.
async fn populated(place: &Place) -> (Sqlite, Vec<Arc<Event>>) {
    let store = place.open();
    let mut told = Vec::new();
    for n in 0..20 {
        let spec = Spec {
            group: Some(format!("group {}", n % 2)),
            session: (n < 5).then(|| "session".to_owned()),
            label: Some(format!("label {n}")),
            metadata: [(openclaw::SESSION.to_owned(), format!("child {n}"))].into(),
            ..spec()
        };
        told.extend(append(&store, id(n), spawned_as(spec)).await.unwrap());
    }
    for round in 0..60 {
        let mut facts = Vec::new();
        for n in 0..20 {
            let outputs = (0..4).map(|part| (id(n), output(round * 4 + part, "x")));
            facts.extend(outputs);
            facts.push((id(n), said("hm")));
        }
        told.extend(store.append(batch(facts)).await.unwrap());
    }
    for n in 0..10 {
        told.extend(append(&store, id(n), end(EventType::Completed)).await.unwrap());
    }
    assert!(told.len() > EVENTS_MAX + 1_000);
    (store, told)
}

fn filters() -> Vec<EventFilter> {
    let all = EventFilter::default();
    vec![
        all.clone(),
        EventFilter { agents: Some(vec![id(3)]), ..all.clone() },
        EventFilter { agents: Some(vec![id(3), id(999), id(12), id(3)]), ..all.clone() },
        EventFilter { agents: Some(Vec::new()), ..all.clone() },
        EventFilter { group: Some("group 1".into()), ..all.clone() },
        EventFilter { session: Some("session".into()), ..all.clone() },
        EventFilter { session: Some("child 7".into()), ..all.clone() },
        EventFilter { owned: true, ..all.clone() },
        EventFilter { label: Some("label 7".into()), ..all.clone() },
        EventFilter { label: Some("no such".into()), ..all.clone() },
        EventFilter { types: Some(vec![EventType::Message]), ..all.clone() },
        EventFilter { types: Some(vec![EventType::Completed]), ..all.clone() },
        EventFilter {
            agents: Some(vec![id(2), id(3)]),
            group: Some("group 0".into()),
            types: Some(vec![EventType::Spawned, EventType::Message]),
            ..all
        },
    ]
}

#[tokio::test]
async fn pages_hold_what_matches_from_memory_and_from_the_file() {
    let place = Place::new();
    let (store, told) = populated(&place).await;
    for store in [store, place.open()] {
        for filter in filters() {
            for limit in [97, 5_000] {
                let mut found = Vec::new();
                let mut query =
                    EventQuery { since: Seq::START, filter: filter.clone(), limit, bytes: None };
                while query.since < store.bounds().1 {
                    let page = store.read(query.clone()).await.unwrap();
                    assert!(page.read_to > query.since, "a page makes progress");
                    assert!(page.events.len() <= limit);
                    assert!(page.events.iter().all(|event| event.seq <= page.read_to));
                    query.since = page.read_to;
                    found.extend(page.events.iter().map(|event| shown(event)));
                }
                let expected = told.iter().filter(|event| filter.matches(event));
                let expected: Vec<_> = expected.map(|event| shown(event)).collect();
                assert_eq!(found, expected, "{filter:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_rare_event_is_found_however_far_it_is() {
    let place = Place::new();
    let store = place.open();
    append(&store, id(1), spawned_as(spec())).await.unwrap();
    append(&store, id(2), spawned_as(spec())).await.unwrap();
    let noise = LOOK_MAX + LOOK_MAX / 2;
    for _ in 0..noise / 1_000 {
        let facts = (0..1_000).map(|at| (id(1), output(at, "x"))).collect();
        store.append(batch(facts)).await.unwrap();
    }
    let mut rare = append(&store, id(1), said("at last")).await.unwrap();
    append(&store, id(1), output(0, "x")).await.unwrap();
    rare.extend(append(&store, id(2), started()).await.unwrap());
    append(&store, id(1), output(0, "x")).await.unwrap();
    let expected: Vec<_> = rare.iter().map(|event| event.seq).collect();
    let types = Some(vec![EventType::Started, EventType::Message]);
    let by_type = EventFilter { types, ..EventFilter::default() };
    let of_all = EventFilter {
        agents: Some((1..3).chain(10..200).map(id).collect()),
        types: by_type.types.clone(),
        ..EventFilter::default()
    };
    let of_one = EventFilter {
        agents: Some(vec![id(1), id(2)]),
        types: by_type.types.clone(),
        ..EventFilter::default()
    };
    for filter in [by_type, of_all, of_one] {
        let mut query = EventQuery { since: Seq(2), filter, limit: 10, bytes: None };
        let mut found = Vec::new();
        loop {
            let page = store.read(query.clone()).await.unwrap();
            query.since = page.read_to;
            if page.events.is_empty() {
                break;
            }
            found.extend(page.events.iter().map(|event| event.seq));
        }
        assert_eq!(found, expected, "{:?}", query.filter);
        assert_eq!(query.since, store.bounds().1);
    }
}

#[tokio::test]
async fn a_page_ends_before_it_fills_the_memory() {
    let place = Place::new();
    let store = place.open();
    append(&store, id(1), spawned_as(spec())).await.unwrap();
    let text = "x".repeat(60_000);
    for at in 0..50 {
        append(&store, id(1), output(at * 60_000, &text)).await.unwrap();
    }
    for store in [store, place.open()] {
        for agents in [None, Some(vec![id(1)])] {
            let filter = EventFilter { agents, ..EventFilter::default() };
            let page = store
                .read(EventQuery { since: Seq(30), filter, limit: 1_000, bytes: None })
                .await
                .unwrap();
            assert!((10..=18).contains(&page.events.len()), "{}", page.events.len());
            assert_eq!(page.events.last().unwrap().seq, page.read_to);
        }
    }
}

#[tokio::test]
async fn events_of_an_agent_share_its_spec() {
    let place = Place::new();
    drop(populated(&place).await);
    let store = place.open();
    let filter = EventFilter { agents: Some(vec![id(3)]), ..EventFilter::default() };
    let page =
        store.read(EventQuery { since: Seq(0), filter, limit: 50, bytes: None }).await.unwrap();
    assert_eq!(page.events.len(), 50);
    assert!(page.events.iter().all(|event| Arc::ptr_eq(&event.spec, &page.events[0].spec)));
}

#[tokio::test]
async fn nothing_is_asked_for_and_nothing_is_given() {
    let place = Place::new();
    let (store, _) = populated(&place).await;
    let page = store.read(EventQuery { since: Seq(5), ..EventQuery::default() }).await.unwrap();
    assert!(page.events.is_empty());
    assert_eq!(page.read_to, Seq(5));
    let beyond = EventQuery { since: Seq(1 << 40), limit: 5, ..EventQuery::default() };
    assert!(store.read(beyond).await.unwrap().events.is_empty());
}

#[tokio::test]
async fn the_index_answers_for_one_agent() {
    let place = Place::new();
    drop(place.open());
    let plan: String = place
        .look()
        .query_row(
            "EXPLAIN QUERY PLAN SELECT seq FROM events WHERE agent = 1 AND seq > 2 AND seq <= 3 \
             ORDER BY seq LIMIT 4",
            (),
            |row| row.get(3),
        )
        .unwrap();
    assert_eq!(
        plan,
        "SEARCH events USING COVERING INDEX events_by_agent (agent=? AND rowid>? AND rowid<?)"
    );
}
