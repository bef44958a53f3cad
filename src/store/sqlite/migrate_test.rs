use super::super::file::FORMAT;
use crate::model::{AgentFilter, EventQuery, Seq, Status};
use crate::store::testing::Place;
use crate::store::{Options, Sqlite, Store, StoreError, verify_file};

/// A file that format 1 wrote: five agents, all of them ended.
fn place() -> Place {
    let place = Place::new();
    let fixture = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/format-1.db");
    std::fs::copy(fixture, &place.file).unwrap();
    place
}

#[tokio::test]
async fn format_1_opens_with_all_that_is_in_it() {
    let place = place();
    assert_eq!(place.number("PRAGMA user_version"), 1);
    let before: Vec<String> = contents(&place);
    let store = place.open();
    assert_eq!(store.bounds(), (Seq(1), Seq(22)));
    let query = EventQuery { since: Seq(0), limit: 100, ..EventQuery::default() };
    let events = store.read(query).await.unwrap().events;
    assert_eq!(events.len(), 22);
    assert!(events.iter().all(|event| event.fact().is_ok()));
    let now = jiff::Timestamp::now();
    let agents = store.agents(AgentFilter::default(), None, 100, now).await.unwrap().agents;
    let ends: Vec<_> = agents
        .iter()
        .map(|agent| (agent.spec.label.as_deref().unwrap(), agent.status, agent.end.exit_code))
        .collect();
    assert_eq!(
        ends,
        [
            ("one", Status::Completed, Some(0)),
            ("two", Status::Failed, Some(3)),
            ("three", Status::Killed, None),
            ("queued", Status::Completed, Some(0)),
            ("queued", Status::Completed, Some(0)),
        ]
    );
    let trail = store.audit(0, None, 100).await.unwrap();
    assert_eq!(trail.len(), 16);
    assert_eq!(trail[15].action, "store.migrate");
    assert_eq!(trail[15].detail["records"], 15);
    let verified = store.verify().await.unwrap();
    assert_eq!((verified.bad, verified.records), (None, 16));
    drop(store);
    assert_eq!(contents(&place), before, "but for the trail's hashes nothing has changed");
    assert_eq!(place.number("PRAGMA user_version"), i64::from(FORMAT));
}

/// What a format from 2 on wrote, with its checkpoints: the same five agents. Every format has one, the
/// newest too: it is what the next one has to open.
fn written_by(format: u32) -> Place {
    let place = Place::new();
    let fixture = format!("{}/tests/fixtures/format-{format}", env!("CARGO_MANIFEST_DIR"));
    let checkpoints = place.file.with_file_name("audit.checkpoints");
    for (kind, to) in [("db", &place.file), ("checkpoints", &checkpoints)] {
        std::fs::copy(format!("{fixture}.{kind}"), to).unwrap_or_else(|error| {
            panic!("format {format} has no fixture ({error}); `tests/fixtures/make` makes it")
        });
    }
    assert_eq!(place.number("PRAGMA user_version"), i64::from(format));
    place
}

#[tokio::test]
async fn each_format_since_the_chain_opens_with_all_that_is_in_it() {
    for format in 2..=FORMAT {
        let place = written_by(format);
        let store = place.open();
        let query = EventQuery { since: Seq(0), limit: 100, ..EventQuery::default() };
        let events = store.read(query).await.unwrap().events;
        assert_eq!(events.len(), 21, "format {format}");
        assert!(events.iter().all(|event| event.fact().is_ok()), "format {format}");
        let now = jiff::Timestamp::now();
        let agents = store.agents(AgentFilter::default(), None, 100, now).await.unwrap().agents;
        let ends: Vec<_> = agents
            .iter()
            .map(|agent| (agent.spec.label.as_deref().unwrap(), agent.status, agent.end.exit_code))
            .collect();
        let expected = [
            ("one", Status::Completed, Some(0)),
            ("two", Status::Failed, Some(3)),
            ("three", Status::Killed, None),
            ("queued", Status::Completed, Some(0)),
            ("queued", Status::Completed, Some(0)),
        ];
        assert_eq!(ends, expected, "format {format}");
        assert_eq!(agents[0].spec.metadata["a"], "b", "format {format}");
        let verified = store.verify().await.unwrap();
        assert_eq!((verified.bad, verified.records), (None, 15), "format {format}");
        drop(store);
        assert_eq!(place.number("PRAGMA user_version"), i64::from(FORMAT));
    }
}

#[tokio::test]
async fn agents_of_older_formats_are_found_by_the_session_that_was_made_for_them() {
    let place = place();
    drop(place.open());
    // As format 2 left it, with an agent that has such a session.
    place
        .look()
        .execute_batch(
            "DROP TABLE holes; DROP INDEX agents_by_child; ALTER TABLE agents DROP COLUMN child; \
             PRAGMA user_version = 2; \
             UPDATE agents SET state = json_set(state, '$.spec.metadata', \
             json('{\"openclaw.session\":\"agent:dash:subagent:1\"}')) WHERE n = 2;",
        )
        .unwrap();
    let store = place.open();
    let session = Some("agent:dash:subagent:1".to_owned());
    let filter = AgentFilter { session, ..AgentFilter::default() };
    let now = jiff::Timestamp::now();
    let found = store.agents(filter, None, 100, now).await.unwrap().agents;
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].spec.label.as_deref(), Some("two"));
}

/// Every record of the trail that format 1 wrote, as text.
fn contents(place: &Place) -> Vec<String> {
    let connection = place.look();
    let sql = "SELECT concat_ws('|', position, seq, time, actor, action, agent, label, outcome, \
               detail) FROM audit WHERE position <= 15 ORDER BY position";
    let mut statement = connection.prepare(sql).unwrap();
    let rows = statement.query_map((), |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

/// A table that changes makes another format: the newest one's fixture is like a new file as it is.
#[test]
fn a_migrated_file_and_one_of_the_newest_format_are_like_a_new_one() {
    let (old, current, new) = (place(), written_by(FORMAT), Place::new());
    drop(old.open());
    drop(new.open());
    let tables = |place: &Place| -> Vec<(String, String)> {
        let connection = place.look();
        let mut statement = connection
            .prepare("SELECT name, coalesce(sql, '') FROM sqlite_schema ORDER BY name")
            .unwrap();
        let plain = |sql: String| {
            let code = sql.lines().map(|line| line.split("--").next().unwrap());
            code.flat_map(str::split_whitespace)
                .collect::<Vec<_>>()
                .join(" ")
                .replace('"', "")
                .replace(" ,", ",")
                .replace(" )", ")")
        };
        let rows = statement.query_map((), |row| Ok((row.get(0)?, plain(row.get(1)?)))).unwrap();
        rows.map(Result::unwrap).collect()
    };
    assert_eq!(tables(&old), tables(&new));
    assert_eq!(tables(&current), tables(&new), "another format needs another number");
}

#[test]
fn a_migration_that_fails_leaves_the_file_as_it_was() {
    let place = place();
    place.look().execute_batch("CREATE TABLE audit_1 (x)").unwrap();
    let error = Sqlite::open(&place.file, Options::default()).unwrap_err();
    assert!(matches!(error, StoreError::Io { .. }), "{error}");
    assert_eq!(place.number("PRAGMA user_version"), 1);
    assert_eq!(contents(&place).len(), 15);
}

#[test]
fn what_has_no_chain_is_not_verified() {
    let error = verify_file(&place().file).unwrap_err();
    assert!(error.to_string().contains("without a hash chain"), "{error}");
}
