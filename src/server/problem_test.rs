//! What callers are told.

use std::path::PathBuf;

use super::*;

fn told(error: SupervisorError) -> (u16, Code, String, String) {
    let failure = Failure::from(error);
    let problem = failure.problem().clone();
    let hint = problem.hint.unwrap_or_default();
    (failure.status().as_u16(), problem.code, problem.message, hint)
}

#[test]
fn every_error_has_its_status_and_code() {
    use SupervisorError as E;
    let text = || "it is wrong".to_owned();
    let agent = AgentId::from_bits(1);
    let path = || PathBuf::from("/state/dash.db");
    let cases = [
        (E::Invalid { message: text(), hint: None }, 400, Code::InvalidRequest),
        (E::Command { message: text(), hint: None }, 400, Code::InvalidCommand),
        (E::Cwd { message: text() }, 400, Code::InvalidCwd),
        (E::Profile { message: text(), hint: None }, 400, Code::InvalidProfile),
        (E::NotFound { selector: text(), similar: Vec::new() }, 404, Code::NotFound),
        (E::Ambiguous { selector: text(), matches: Vec::new() }, 409, Code::Ambiguous),
        (E::Refused { agent, reason: text() }, 409, Code::Refused),
        (E::KeyReused, 422, Code::KeyReused),
        (E::QueueFull { queued: 3 }, 429, Code::QueueFull),
        (E::NoDescriptors, 503, Code::Busy),
        (E::ShuttingDown, 503, Code::ShuttingDown),
        (E::Store(StoreError::Full { path: path() }), 507, Code::StorageFull),
        (E::Store(StoreError::Io { path: path(), message: text() }), 500, Code::Storage),
        (E::Store(StoreError::Newer { path: path(), found: 2, known: 1 }), 500, Code::Storage),
        (E::Store(StoreError::UnknownAgent(agent)), 404, Code::NotFound),
        (E::Store(StoreError::Closed), 503, Code::ShuttingDown),
    ];
    for (error, status, code) in cases {
        let shown = format!("{error:?}");
        let (found, found_code, message, _) = told(error);
        assert_eq!((found, found_code), (status, code), "{shown}");
        assert!(!message.is_empty() && !message.ends_with('.'), "{shown}: {message}");
    }
}

#[test]
fn hints_are_the_next_thing_to_type() {
    let not_found = |similar: &[&str]| SupervisorError::NotFound {
        selector: "tets".to_owned(),
        similar: similar.iter().map(ToString::to_string).collect(),
    };
    assert_eq!(told(not_found(&["tests", "text"])).3, r#"did you mean "tests" or "text"?"#);
    assert!(told(not_found(&[])).3.contains("dash status --all"));
    let given = SupervisorError::Invalid { message: "m".into(), hint: Some("own".into()) };
    assert_eq!(told(given).3, "own");
    assert!(told(SupervisorError::NoDescriptors).3.contains("ulimit -n"));
    let full = StoreError::Full { path: "/state".into() };
    assert!(told(full.into()).3.contains("df -h /state"));
}

#[test]
fn an_ambiguous_selector_lists_what_it_could_be() {
    let (one, two) = (AgentId::from_bits(1), AgentId::from_bits(2));
    let matches = vec![(one, Some("tests".to_owned())), (two, None)];
    let error = SupervisorError::Ambiguous { selector: "k".to_owned(), matches };
    let (_, _, message, _) = told(error);
    assert_eq!(message, format!("\"k\" could be 2 agents: {one} (\"tests\"), {two}"));

    let matches = (0..13).map(|bits| (AgentId::from_bits(bits), None)).collect();
    let (_, _, message, _) = told(SupervisorError::Ambiguous { selector: "k".into(), matches });
    assert!(message.ends_with("and 3 more"), "{message}");
}

#[test]
fn who_is_to_wait_is_told_how_long() {
    let response = Failure::from(SupervisorError::QueueFull { queued: 1 }).into_response();
    assert_eq!(response.headers()[RETRY_AFTER], "1");
    let response = Failure::unauthenticated("no key").into_response();
    assert_eq!(response.headers()[WWW_AUTHENTICATE], "Bearer");
}
