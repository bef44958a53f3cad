//! Keys: found, added, revoked, kept.

use std::os::unix::fs::PermissionsExt;

use super::*;

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

fn keys() -> Keys {
    let pairs = [("ci", "first-secret"), ("laptop", "second-secret")];
    Keys::new(pairs.map(|(name, secret)| (name.to_owned(), secret.to_owned()))).unwrap()
}

fn name_of(keys: &Keys, secret: &[u8]) -> Option<String> {
    keys.find(secret, NOW).map(|found| found.name)
}

#[test]
fn a_key_is_known_by_its_name_and_shown_by_nothing_else() {
    assert_eq!(name_of(&keys(), b"first-secret").as_deref(), Some("ci"));
    assert_eq!(name_of(&keys(), b"second-secret").as_deref(), Some("laptop"));
    for wrong in [&b"first-secre"[..], b"first-secret ", b"", b"FIRST-SECRET", b"\xff"] {
        assert_eq!(name_of(&keys(), wrong), None);
    }
    assert_eq!(format!("{:?}", keys()), r#"{"ci", "laptop"}"#);
    assert_eq!(name_of(&Keys::default(), b""), None);
}

#[test]
fn a_key_that_no_header_can_carry_is_refused() {
    for secret in ["", " ", "two words", "line\n", "ключ"] {
        assert!(Keys::new([("k".to_owned(), secret.to_owned())]).is_err(), "{secret:?}");
    }
}

#[test]
fn an_added_key_opens_until_it_is_revoked_also_after_a_restart() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("keys.json");
    let keys = Keys::open(&file, []).unwrap();
    let (body, secret) = keys.add("ci", Scope::Operate, None, NOW).unwrap();
    assert_eq!((body.name.as_str(), body.scope), ("ci", Scope::Operate));
    assert!(secret.len() == 69 && secret.starts_with("dash_"), "{secret}");
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!std::fs::read_to_string(&file).unwrap().contains(&secret));

    let again = Keys::open(&file, []).unwrap();
    let found = again.find(secret.as_bytes(), NOW).unwrap();
    assert_eq!((found.name.as_str(), found.scope), ("ci", Scope::Operate));
    again.revoke("ci").unwrap();
    assert!(found.revoked.is_cancelled(), "what it opened ends");
    assert!(again.find(secret.as_bytes(), NOW).is_none());
    assert!(Keys::open(&file, []).unwrap().is_empty());
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 1, "nothing is left beside it");
}

#[test]
fn a_key_is_over_when_its_time_is() {
    let keys = Keys::default();
    let day = Duration::from_hours(24);
    let (_, secret) = keys.add("ci", Scope::Read, Some(day), NOW).unwrap();
    assert!(keys.find(secret.as_bytes(), NOW).is_some());
    assert!(keys.find(secret.as_bytes(), NOW + day).is_none());
    assert!(keys.add("ci", Scope::Read, None, NOW + day).is_ok(), "the name is free again");
    assert!(matches!(keys.add("x", Scope::Read, Some(Duration::ZERO), NOW), Err(KeyError::Over)));
}

#[test]
fn what_makes_no_sense_is_refused() {
    let keys = keys();
    for name in ["", "A", "a b", "../x", "a/b", "\u{202e}", &"x".repeat(65)] {
        let refused = keys.add(name, Scope::Read, None, NOW);
        assert!(matches!(refused, Err(KeyError::Name(_))), "{name:?}");
    }
    assert!(matches!(keys.add("ci", Scope::Read, None, NOW), Err(KeyError::Exists(_))));
    assert!(matches!(keys.revoke("ci"), Err(KeyError::Given(_))));
    assert!(matches!(keys.revoke("nobody"), Err(KeyError::Unknown(_))));
}

#[test]
fn a_damaged_file_or_a_link_is_no_empty_ring() {
    let home = tempfile::tempdir().unwrap();
    let (file, link) = (home.path().join("keys.json"), home.path().join("link"));
    std::fs::write(&file, "{").unwrap();
    assert!(matches!(Keys::open(&file, []), Err(ServerError::KeyFile { .. })));
    std::fs::write(&file, r#"{"version":1,"keys":[]}"#).unwrap();
    std::os::unix::fs::symlink(&file, &link).unwrap();
    assert!(matches!(Keys::open(&link, []), Err(ServerError::KeyFile { .. })));
}
