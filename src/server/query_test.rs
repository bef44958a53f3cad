//! Parameters become conditions.

use super::*;

fn message<T>(result: Result<T, Failure>) -> String {
    result.err().map(|failure| failure.problem().message.clone()).unwrap_or_default()
}

#[test]
fn lists_are_split_at_commas_and_selectors_are_not() {
    let query = AgentsQuery {
        status: vec!["running, waiting".into(), "failed".into()],
        meta: vec!["k=a,b=c".into(), "empty=".into()],
        ..AgentsQuery::default()
    };
    let filter = agent_filter(query, None, None).unwrap();
    assert_eq!(filter.statuses.unwrap(), [Status::Running, Status::Waiting, Status::Failed]);
    assert_eq!(filter.metadata["k"], "a,b=c");
    assert_eq!(filter.metadata["empty"], "");
    let query = EventsQuery { r#type: vec!["output,agent.lost".into()], ..EventsQuery::default() };
    let filter = event_filter(query, None, None).unwrap();
    assert_eq!(filter.types.unwrap(), [EventType::Output, EventType::Lost]);
    assert_eq!(agent_filter(AgentsQuery::default(), None, None).unwrap(), AgentFilter::default());
}

#[test]
fn what_makes_no_sense_is_named() {
    let status = AgentsQuery { status: vec!["done".into()], ..AgentsQuery::default() };
    let told = message(agent_filter(status, None, None));
    assert!(told.starts_with("parameter `status`: \"done\" is not a status; there are"), "{told}");
    let meta = AgentsQuery { meta: vec!["=v".into()], ..AgentsQuery::default() };
    assert_eq!(
        message(agent_filter(meta, None, None)),
        "parameter `meta`: \"=v\" is not KEY=VALUE"
    );
    let kind = EventsQuery { r#type: vec!["said".into()], ..EventsQuery::default() };
    assert!(message(event_filter(kind, None, None)).starts_with("parameter `type`: \"said\""));
    assert!(message(after(Some("x"))).starts_with("parameter `after`"));
    for (asked, taken) in [(0, false), (1, true), (LIMIT_MAX, true), (LIMIT_MAX + 1, false)] {
        assert_eq!(limit(Some(asked)).is_ok(), taken, "{asked}");
    }
    assert_eq!(limit(None).unwrap(), LIMIT);
}

#[test]
fn what_was_seen_last_is_stronger_than_where_to_begin() {
    let seen = |id: &'static str| {
        HeaderMap::from_iter([(
            http::HeaderName::from_static("last-event-id"),
            http::HeaderValue::from_static(id),
        )])
    };
    assert_eq!(cursor(&HeaderMap::new(), None).unwrap(), None);
    assert_eq!(cursor(&HeaderMap::new(), Some("beginning")).unwrap(), Some(Seq::START));
    assert_eq!(cursor(&HeaderMap::new(), Some("7")).unwrap(), Some(Seq(7)));
    assert_eq!(cursor(&seen("9"), Some("beginning")).unwrap(), Some(Seq(9)));
    assert_eq!(cursor(&seen(""), Some("7")).unwrap(), Some(Seq(7)));
    assert!(cursor(&seen("x"), Some("7")).is_err());
    for wrong in ["-1", "start", "1.5", "99999999999999999999"] {
        assert!(message(cursor(&HeaderMap::new(), Some(wrong))).contains("`since`"), "{wrong}");
    }
}
