use std::fs;

use rusqlite::Connection;

use crate::model::EventType;
use crate::store::testing::{Place, append, batch, end, id, spawned, stopping};
use crate::store::{Bad, Batch, Operation, Store, Verified, checkpoints, verify_file};

/// A closed store with thirty records.
async fn place() -> Place {
    let place = Place::new();
    let store = place.open();
    for n in 0..10 {
        append(&store, id(n), spawned()).await.unwrap();
        append(&store, id(n), stopping(crate::model::StopCause::Kill)).await.unwrap();
        append(&store, id(n), end(EventType::Killed)).await.unwrap();
    }
    place
}

fn verify(place: &Place) -> Verified {
    verify_file(&place.file).unwrap()
}

/// Changes the trail, and gives the position that is named.
fn named(place: &Place, sql: &str) -> Option<u64> {
    place.look().execute_batch(sql).unwrap();
    verify(place).bad.expect("it must be found").position
}

#[tokio::test]
async fn a_trail_that_nobody_touched_holds() {
    let place = place().await;
    let verified = verify(&place);
    assert_eq!((verified.bad, verified.records, verified.anchored), (None, 30, 30));
    let store = place.open();
    assert_eq!(store.verify().await.unwrap().records, 30);
    append(&store, id(10), spawned()).await.unwrap();
    let verified = store.verify().await.unwrap();
    assert_eq!((verified.bad, verified.records), (None, 31));
}

#[tokio::test]
async fn each_kind_of_tampering_is_found_and_named() {
    for (sql, position) in [
        ("UPDATE audit SET actor = 'user:mf' WHERE position = 7", 7),
        ("UPDATE audit SET detail = detail || ' ' WHERE position = 30", 30),
        ("UPDATE audit SET label = NULL WHERE position = 1", 1),
        ("UPDATE audit SET hash = zeroblob(32) WHERE position = 7", 7),
        ("UPDATE audit SET hash = x'' WHERE position = 7", 7),
        ("DELETE FROM audit WHERE position = 12", 12),
        ("DELETE FROM audit WHERE position = 1", 1),
        ("DELETE FROM audit WHERE position > 20", 21),
        ("DELETE FROM audit", 1),
        (
            "UPDATE audit SET position = -1 WHERE position = 12;
             UPDATE audit SET position = 12 WHERE position = 13;
             UPDATE audit SET position = 13 WHERE position = -1",
            12,
        ),
        ("UPDATE audit SET position = 0 WHERE position = 1", 1),
        (
            "INSERT INTO audit SELECT 0, seq, time, actor, action, agent, label, outcome, detail, \
             hash FROM audit WHERE position = 1",
            1,
        ),
    ] {
        assert_eq!(named(&place().await, sql), Some(position), "{sql}");
    }
}

#[tokio::test]
async fn another_file_in_its_place_is_found() {
    let (one, other) = (place().await, place().await);
    fs::copy(&other.file, &one.file).unwrap();
    assert_eq!(verify(&one).bad, None, "the same operations at the same times");
    let store = other.open();
    store.append(batch(vec![(id(99), spawned())])).await.unwrap();
    drop(store);
    fs::copy(&one.file, &other.file).unwrap();
    assert_eq!(verify(&other).bad.unwrap().position, Some(31), "an older one");
    other.look().execute_batch("DELETE FROM audit").unwrap();
    let renewed = other.open();
    for n in 0..20 {
        renewed.append(batch(vec![(id(200 + n), spawned())])).await.unwrap();
    }
    let verified = renewed.verify().await.unwrap();
    assert!(verified.bad.is_some(), "{verified:?}");
    let first = renewed.audit(0, None, 1).await.unwrap().remove(0);
    assert_eq!((first.action.as_str(), first.outcome.as_str()), ("audit.mismatch", "failed"));
}

#[tokio::test]
async fn without_the_checkpoints_nothing_is_vouched_for() {
    let place = place().await;
    let path = checkpoints::beside(&place.file);
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("\"position\":30", "\"position\":29")).unwrap();
    assert_eq!(verify(&place).bad.unwrap().position, Some(29));
    fs::remove_file(&path).unwrap();
    let Bad { position, reason } = verify(&place).bad.unwrap();
    assert_eq!(position, None);
    assert!(reason.contains("audit.checkpoints is not there"), "{reason}");
    let store = place.open();
    let last = store.audit(30, None, 10).await.unwrap();
    assert_eq!(last[0].action, "audit.mismatch", "a new file does not hide it");
}

/// Every byte of the pages that hold the trail: whatever a flip does, what is shown afterwards is
/// what was recorded, or it is found.
#[tokio::test]
async fn a_flipped_byte_anywhere_is_found_or_changes_nothing() {
    let place = place().await;
    let bytes = fs::read(&place.file).unwrap();
    let records = |connection: &Connection| -> Option<Vec<String>> {
        let sql = "SELECT concat_ws('|', position, coalesce(seq, '~'), time, actor, action, \
                   coalesce(agent, '~'), coalesce(label, '~'), outcome, detail) \
                   FROM audit NOT INDEXED ORDER BY position";
        let mut statement = connection.prepare(sql).ok()?;
        statement.query_map((), |row| row.get(0)).ok()?.collect::<Result<_, _>>().ok()
    };
    let whole = records(&place.look()).unwrap();
    let root =
        usize::try_from(place.number("SELECT rootpage FROM sqlite_schema WHERE name = 'audit'"));
    let first = (root.unwrap() - 1) * 4_096;
    let mut found = 0;
    // A prime step: every part of the pages, in a moment.
    for at in (first..bytes.len()).step_by(7) {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (at % 8);
        fs::write(&place.file, &flipped).unwrap();
        let holds = verify_file(&place.file).is_ok_and(|verified| verified.bad.is_none());
        if holds {
            assert_eq!(records(&place.look()).as_ref(), Some(&whole), "byte {at}");
        } else {
            found += 1;
        }
    }
    assert!(found > 100, "{found}");
}

#[tokio::test]
async fn what_the_chain_covers_is_what_is_shown() {
    let place = Place::new();
    let store = place.open();
    let operation = Operation {
        actor: crate::model::Actor::user("ü\u{202e}\0"),
        action: String::new(),
        outcome: "x".repeat(100_000),
        detail: serde_json::json!({"\u{0}": ["\u{1f600}", 1.5, null]}),
    };
    store.append(Batch { audit: vec![operation; 3], ..batch(Vec::new()) }).await.unwrap();
    assert_eq!(store.verify().await.unwrap().bad, None);
    assert_eq!(store.audit(0, None, 9).await.unwrap().len(), 3);
}

/// Half a million a second, in a release build; in others, only that it goes through.
#[tokio::test]
async fn heavy_half_a_million_records_are_verified_in_a_second() {
    let count: u32 = if cfg!(debug_assertions) { 20_000 } else { 1_000_000 };
    let place = Place::new();
    let store = place.open();
    let operation = Operation {
        actor: crate::model::Actor::user("ada"),
        action: "spawn".to_owned(),
        outcome: "accepted".to_owned(),
        detail: serde_json::json!({"command": ["cargo", "test", "--workspace"], "cwd": "/srv/ada/work",
            "env": ["HOME", "LANG", "PATH", "USER"], "index": 1, "group": "nightly"}),
    };
    for _ in 0..count / 10_000 {
        let audit = vec![operation.clone(); 10_000];
        store.append(Batch { audit, ..batch(Vec::new()) }).await.unwrap();
    }
    drop(store);
    let begin = std::time::Instant::now();
    let verified = verify(&place);
    let took = begin.elapsed();
    assert_eq!((verified.bad, verified.records), (None, u64::from(count)));
    let rate = f64::from(count) / took.as_secs_f64();
    eprintln!("{count} records verified in {took:?}: {rate:.0} a second");
    assert!(cfg!(debug_assertions) || rate >= 500_000.0, "{rate:.0} a second");
}
