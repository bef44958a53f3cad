use std::fs;

use super::*;
use crate::store::testing::Place;
use crate::store::{Options, Sqlite};

fn refused(place: &Place) -> StoreError {
    Sqlite::open(&place.file, Options::default()).expect_err("it must not open")
}

#[test]
fn the_file_is_private_and_says_what_it_is() {
    let place = Place::new();
    drop(place.open());
    assert_eq!(fs::metadata(&place.file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(place.number("PRAGMA user_version"), i64::from(FORMAT));
    assert_eq!(place.number("PRAGMA application_id"), APPLICATION);
    let mode: String = place.look().query_row("PRAGMA journal_mode", (), |row| row.get(0)).unwrap();
    assert_eq!(mode, "wal");
}

#[test]
fn a_file_that_others_could_read_is_closed_to_them() {
    let place = Place::new();
    fs::write(&place.file, "").unwrap();
    fs::set_permissions(&place.file, Permissions::from_mode(0o644)).unwrap();
    let _store = place.open();
    for name in ["dash.db", "dash.db-wal", "dash.db-shm"] {
        let file = place.file.with_file_name(name);
        let mode = fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[test]
fn a_newer_format_is_refused_and_left_alone() {
    let place = Place::new();
    drop(place.open());
    place.look().pragma_update(None, "user_version", FORMAT + 1).unwrap();
    let before = fs::read(&place.file).unwrap();
    let error = refused(&place);
    assert!(
        matches!(error, StoreError::Newer { found, known, .. } if (found, known) == (FORMAT + 1, FORMAT)),
        "{error}"
    );
    assert_eq!(fs::read(&place.file).unwrap(), before);
}

#[test]
fn what_is_no_log_of_dash_is_refused_and_left_alone() {
    let garbage = Place::new();
    fs::write(&garbage.file, "not a database, ".repeat(1_000)).unwrap();
    let foreign = Place::new();
    foreign.look().execute_batch("CREATE TABLE t (x); INSERT INTO t VALUES (1);").unwrap();
    for (place, reason) in [(garbage, "not a database"), (foreign, "not one of Dash")] {
        let before = fs::read(&place.file).unwrap();
        let error = refused(&place);
        assert!(matches!(error, StoreError::Io { .. }), "{error}");
        let text = error.to_string();
        assert!(text.contains(reason) && text.contains("dash.db"), "{text}");
        assert_eq!(fs::read(&place.file).unwrap(), before);
    }
}

#[test]
fn a_directory_that_is_not_there_is_named() {
    let place = Place::new();
    let file = place.file.with_file_name("missing").join("dash.db");
    let error = Sqlite::open(&file, Options::default()).unwrap_err();
    assert!(error.to_string().contains("missing/dash.db"), "{error}");
}
