//! How mistakes are worded.

use axum::Router;
use axum::routing::post;

use super::super::testing::{ask, behind_the_door, over_unix, request};
use super::*;
use crate::api::{AgentsQuery, EventsQuery, MessageBody, SpawnBody};

fn json_mistake<T: DeserializeOwned>(body: &str) -> String {
    match parse::<T>(body.as_bytes()) {
        Ok(_) => panic!("{body} was taken"),
        Err(failure) => {
            assert_eq!(failure.status(), StatusCode::BAD_REQUEST);
            failure.problem().message.clone()
        }
    }
}

fn query_mistake<T: DeserializeOwned>(query: &str) -> String {
    match parse_query::<T>(query) {
        Ok(_) => panic!("{query} was taken"),
        Err(failure) => failure.problem().message.clone(),
    }
}

#[test]
fn a_wrong_body_names_the_field() {
    for (body, part) in [
        (r#"{"labell":"x"}"#, "unknown field `labell`, expected one of `command`"),
        (r#"{"count":"x"}"#, "field `count`: invalid type: string \"x\""),
        (r#"{"command":["a",3]}"#, "field `command[1]`: invalid type: integer `3`"),
        (r#"{"env":{"K":5}}"#, "field `env.K`: invalid type"),
        (r#"{"task":"#, "the body is not JSON: EOF"),
        ("{} {}", "the body is not JSON: trailing characters"),
        ("[]", "the body is not a JSON object"),
        ("command=true", "the body is not a JSON object"),
    ] {
        let message = json_mistake::<SpawnBody>(body);
        assert!(message.starts_with(part), "{message}");
    }
    assert!(json_mistake::<MessageBody>("{}").starts_with("missing field `text`"));
}

#[test]
fn a_wrong_query_names_the_parameter() {
    for (query, part) in [
        ("lable=x", "unknown parameter `lable`"),
        ("limit=many", "parameter `limit`: "),
        ("ended_within_ms=-1", "parameter `ended_within_ms`: "),
        ("group=a&group=b", "parameter `group`: "),
    ] {
        let message = query_mistake::<AgentsQuery>(query);
        assert!(message.starts_with(part), "{message}");
    }
}

#[test]
fn queries_are_read_as_they_are_written() {
    let query: AgentsQuery =
        parse_query("select=a,b&select=c%20d&status=running,waiting&meta=k%3Dv").unwrap();
    assert_eq!(query.select, ["a,b", "c d"]);
    assert_eq!(query.status, ["running,waiting"]);
    assert_eq!(query.meta, ["k=v"]);
    let query: EventsQuery = parse_query("since=beginning&type=output&limit=5").unwrap();
    assert_eq!((query.since.as_deref(), query.limit), (Some("beginning"), Some(5)));
    assert_eq!(parse_query::<EventsQuery>("").unwrap(), EventsQuery::default());
}

#[test]
fn idempotency_keys_are_checked() {
    let key = |values: &[&str]| {
        let mut headers = HeaderMap::new();
        for value in values {
            headers
                .append(IDEMPOTENCY_KEY, http::HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        idempotency_key(&headers)
    };
    assert_eq!(key(&[]).unwrap(), None);
    assert_eq!(key(&["ключ 1"]).unwrap().as_deref(), Some("ключ 1"));
    for wrong in [&["a", "b"][..], &[""], &["x".repeat(257).as_str()]] {
        assert!(key(wrong).is_err(), "{wrong:?}");
    }
}

fn taker() -> Router {
    let take = |JsonBody(body): JsonBody<MessageBody>| async move { body.text.len().to_string() };
    behind_the_door(Router::new().route("/take", post(take)))
}

const JSON: (&str, &str) = ("content-type", "application/json");

#[tokio::test]
async fn a_body_that_is_too_large_is_refused() {
    let body = |size: usize| format!("{{\"text\":\"{}\"}}", "x".repeat(size - 11));
    let most = ask(&taker(), request(over_unix(), "POST /take", &[JSON], body(BODY_MAX))).await;
    assert_eq!((most.status, most.body), (StatusCode::OK, (BODY_MAX - 11).to_string()));
    let more = ask(&taker(), request(over_unix(), "POST /take", &[JSON], body(BODY_MAX + 1))).await;
    assert_eq!(more.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(more.problem().code, Code::TooLarge);
}

#[tokio::test]
async fn an_endless_body_is_not_read_for_ever() {
    let endless = futures::stream::repeat_with(|| Ok::<_, std::io::Error>(vec![b'x'; 1 << 20]));
    let body = Body::from_stream(endless);
    let answer = ask(&taker(), request(over_unix(), "POST /take", &[JSON], body)).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let body = Body::from_stream(futures::stream::pending::<Result<&str, std::io::Error>>());
    let answer = ask(&taker(), request(over_unix(), "POST /take", &[JSON], body)).await;
    assert_eq!(answer.status, StatusCode::REQUEST_TIMEOUT);
}
