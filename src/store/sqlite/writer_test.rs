use super::*;
use crate::model::EventType;
use crate::store::sqlite::{file, recover};
use crate::store::testing::{Place, batch, end, id, output, spawned};

fn writer(place: &Place) -> Writer {
    let connection = file::open_writer(&place.file).unwrap();
    let log = recover::log(&connection).unwrap();
    let published = Arc::new(Published::new(&log));
    Writer::new(connection, place.file.clone(), log, published, Options::default(), None)
}

fn one(writer: &mut Writer, batch: Batch) -> Appended {
    writer.append(vec![batch]).remove(0)
}

#[test]
fn a_full_disk_acknowledges_nobody_and_passes() {
    let place = Place::new();
    let mut writer = writer(&place);
    one(&mut writer, batch(vec![(id(1), spawned())])).unwrap();
    let pages: i64 =
        writer.connection().pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
    writer.connection().pragma_update(None, "max_page_count", pages).unwrap();
    let large = "x".repeat(100_000);
    let answers = writer.append(vec![
        batch(vec![(id(1), output(0, &large))]),
        batch(vec![(id(2), spawned())]),
        batch(vec![(id(3), output(0, "nobody"))]),
    ]);
    assert!(matches!(answers[0], Err(StoreError::Full { .. })), "{answers:?}");
    assert!(matches!(answers[1], Err(StoreError::Full { .. })), "{answers:?}");
    assert!(matches!(answers[2], Err(StoreError::UnknownAgent(_))), "{answers:?}");
    assert_eq!(writer.published.bounds().1, Seq(1));
    assert_eq!(writer.published.agent(id(1)).unwrap().stdout, 0);
    assert_eq!(writer.published.agent(id(2)), None);

    writer.connection().pragma_update(None, "max_page_count", 1_000_000).unwrap();
    let events = one(&mut writer, batch(vec![(id(1), output(0, &large))])).unwrap();
    assert_eq!(events[0].seq, Seq(2));
    assert_eq!(writer.published.agent(id(1)).unwrap().stdout, 100_000);
    drop(writer);
    assert_eq!(place.number("SELECT count(*) FROM events"), 2);
}

#[test]
fn after_damage_nothing_is_acknowledged_any_more() {
    let place = Place::new();
    let mut first = writer(&place);
    one(&mut first, batch(vec![(id(1), spawned())])).unwrap();
    first.close();
    let mut writer = writer(&place);
    writer.connection().pragma_update(None, "cache_size", 0).unwrap();
    writer.connection().execute_batch("PRAGMA shrink_memory").unwrap();
    let pages = std::fs::metadata(&place.file).unwrap().len() / 4_096;
    let mut damaged = std::fs::read(&place.file).unwrap();
    for page in 1..usize::try_from(pages).unwrap() {
        damaged[page * 4_096..(page + 1) * 4_096].fill(0xff);
    }
    std::fs::write(&place.file, &damaged).unwrap();

    let answer = one(&mut writer, batch(vec![(id(1), output(0, "lost"))]));
    assert!(matches!(answer, Err(StoreError::Damaged { .. })), "{answer:?}");
    // Whole again, but what it would have to be told is not known.
    writer.connection().execute_batch("PRAGMA shrink_memory").unwrap();
    let answer = one(&mut writer, batch(vec![(id(1), output(0, "lost"))]));
    assert!(matches!(answer, Err(StoreError::Io { .. })), "{answer:?}");
    assert!(writer.broken.is_some());
    assert_eq!(writer.published.bounds().1, Seq(1));
}

#[test]
fn batches_of_one_group_see_each_other() {
    let place = Place::new();
    let mut writer = writer(&place);
    let answers = writer.append(vec![
        batch(vec![(id(1), spawned()), (id(2), spawned())]),
        batch(vec![(id(1), output(0, "a")), (id(1), end(EventType::Completed))]),
        batch(vec![(id(2), output(0, "b")), (id(1), output(1, "too late"))]),
        batch(vec![(id(2), output(0, "c")), (id(3), spawned())]),
    ]);
    let seqs: Vec<Vec<u64>> = answers
        .iter()
        .map(|answer| answer.iter().flatten().map(|event| event.seq.0).collect())
        .collect();
    assert_eq!(seqs, [vec![1, 2], vec![3, 4], vec![], vec![5, 6]]);
    let alive: Vec<_> = writer.published.alive().iter().map(|agent| agent.id).collect();
    assert_eq!(alive, [id(2), id(3)]);
}

#[test]
fn only_what_must_waits_for_the_disk() {
    let place = Place::new();
    let mut writer = writer(&place);
    one(&mut writer, batch(vec![(id(1), spawned())])).unwrap();
    let level = |writer: &Writer| -> i64 {
        writer.connection().pragma_query_value(None, "synchronous", |row| row.get(0)).unwrap()
    };
    assert_eq!(level(&writer), 2, "full");
    one(&mut writer, batch(vec![(id(1), output(0, "x"))])).unwrap();
    assert_eq!(level(&writer), 1, "normal");
    let both =
        vec![batch(vec![(id(1), output(1, "x"))]), batch(vec![(id(1), end(EventType::Completed))])];
    writer.append(both);
    assert_eq!(level(&writer), 2, "full");
}

#[test]
fn output_alone_writes_a_row_now_and_then() {
    let place = Place::new();
    let mut writer = writer(&place);
    one(&mut writer, batch(vec![(id(1), spawned())])).unwrap();
    let as_of = |writer: &Writer| -> i64 {
        writer.connection().query_row("SELECT as_of FROM agents", (), |row| row.get(0)).unwrap()
    };
    for n in 0..9 {
        let ten = (0..10).map(|m| (id(1), output(n * 10 + m, "x"))).collect();
        one(&mut writer, batch(ten)).unwrap();
    }
    assert_eq!(as_of(&writer), 1);
    let ten = (0..10).map(|m| (id(1), output(90 + m, "x"))).collect();
    one(&mut writer, batch(ten)).unwrap();
    assert_eq!(as_of(&writer), 101, "a hundred events");
    let long = "x".repeat(250_000);
    one(&mut writer, batch(vec![(id(1), output(100, &long))])).unwrap();
    assert_eq!(as_of(&writer), 101);
    one(&mut writer, batch(vec![(id(1), output(101, &long))])).unwrap();
    assert_eq!(as_of(&writer), 103, "or half a megabyte");
    let alive = writer.published.alive();
    drop(writer);
    assert_eq!(place.open().published.alive(), alive);
}
