//! Who comes in.

use axum::Router;
use axum::routing::{get, post};

use super::super::extract::{By, JsonBody};
use super::super::layers::layered;
use super::super::testing::{
    SECRET, Told, UID, a_door, ask, behind_the_door, metrics, over_tcp, over_unix, request,
};
use super::*;
use crate::model::AgentId;
use crate::supervisor::SupervisorError;

fn router() -> Router {
    let who = get(|By(by): By| async move { by.to_string() });
    let take = post(|JsonBody(body): JsonBody<serde_json::Value>| async move { body.to_string() });
    let alive = get(|| async { "alive" });
    let routes = Router::new().route("/who", who).route("/take", take);
    behind_the_door(routes.route(HEALTHZ, alive.clone()).route(READYZ, alive))
}

const HERE: (&str, &str) = ("host", "localhost:7373");

fn bearer_of(secret: &str) -> String {
    format!("Bearer {secret}")
}

async fn over_tcp_with(router: &Router, path: &str, headers: &[(&str, &str)]) -> Told {
    ask(router, request(over_tcp(), path, headers, "")).await
}

#[tokio::test]
async fn the_socket_is_its_owners() {
    let mine = ask(&router(), request(over_unix(), "GET /who", &[], "")).await;
    assert_eq!((mine.status, mine.body.as_str()), (StatusCode::OK, "user:me"));
    for uid in [Some(0), Some(UID + 1), None] {
        let other =
            ask(&router(), request(Peer::Unix { uid, whose: Whose::Users }, "GET /who", &[], ""))
                .await;
        assert_eq!(other.status, StatusCode::FORBIDDEN, "{uid:?}");
        assert_eq!(other.problem().code, Code::Forbidden);
        assert_eq!(other.header(VERSION), None);
    }
}

#[tokio::test]
async fn tcp_needs_a_key_on_loopback_too() {
    let (router, right) = (router(), bearer_of(SECRET));
    for given in [right.as_str(), &right.replace("Bearer", "bearer")] {
        let answer = over_tcp_with(&router, "GET /who", &[HERE, ("authorization", given)]).await;
        assert_eq!((answer.status, answer.body.as_str()), (StatusCode::OK, "key:ci"));
    }
    for wrong in ["Bearer", "Bearer wrong", "Basic abc", SECRET, "Bearer a-secret-that"] {
        let answer = over_tcp_with(&router, "GET /who", &[HERE, ("authorization", wrong)]).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{wrong}");
        assert_eq!(answer.problem().code, Code::Unauthenticated);
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
    }
    let twice = [HERE, ("authorization", &right), ("authorization", "Bearer other")];
    assert_eq!(over_tcp_with(&router, "GET /who", &twice).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_probe_without_a_key_is_told_nothing() {
    for path in ["GET /healthz", "GET /readyz"] {
        let bare = over_tcp_with(&router(), path, &[HERE]).await;
        assert_eq!((bare.status, bare.body.as_str()), (StatusCode::UNAUTHORIZED, ""));
        assert_eq!(bare.header(VERSION), None);
        assert_eq!(bare.header("www-authenticate"), Some("Bearer"));
    }
}

#[tokio::test]
async fn guessing_ends_after_ten_keys_and_not_having_one_is_no_guess() {
    let router = router();
    for _ in 0..20 {
        let answer = over_tcp_with(&router, "GET /who", &[HERE]).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    }
    let guess = [HERE, ("authorization", "Bearer guess")];
    for _ in 0..10 {
        let answer = over_tcp_with(&router, "GET /who", &guess).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    }
    let right = bearer_of(SECRET);
    for given in ["Bearer guess", &right] {
        let answer = over_tcp_with(&router, "GET /who", &[HERE, ("authorization", given)]).await;
        assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS, "the right key is no oracle");
        assert!(answer.header("retry-after").is_some());
    }
    let local = ask(&router, request(over_unix(), "GET /who", &[], "")).await;
    assert_eq!(local.status, StatusCode::OK);
}

#[tokio::test]
async fn a_strange_host_is_refused_before_the_key_is_looked_at() {
    let (router, right) = (router(), bearer_of(SECRET));
    let ours = ["localhost:7373", "LOCALHOST:7373", "127.0.0.1:7373", "[::1]:7373"];
    for host in ours.into_iter().chain(["dash.example", "dash.example:443"]) {
        let headers = [("host", host), ("authorization", right.as_str())];
        let answer = over_tcp_with(&router, "GET /who", &headers).await;
        assert_eq!(answer.status, StatusCode::OK, "{host}");
    }
    let strange = [
        "evil.example:7373",
        "localhost",
        "localhost:7374",
        "localhost:",
        "",
        "[::1",
        "x@localhost:7373",
        "localhost:7373.evil.example",
    ];
    for host in strange {
        let headers = [("host", host), ("authorization", right.as_str())];
        let answer = over_tcp_with(&router, "GET /who", &headers).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{host}");
    }
    let none = over_tcp_with(&router, "GET /who", &[("authorization", &right)]).await;
    assert_eq!(none.status, StatusCode::FORBIDDEN);
    let two = [HERE, ("host", "evil.example"), ("authorization", right.as_str())];
    assert_eq!(over_tcp_with(&router, "GET /who", &two).await.status, StatusCode::FORBIDDEN);
    let line = "GET http://evil.example/who";
    let absolute = over_tcp_with(&router, line, &[HERE, ("authorization", &right)]).await;
    assert_eq!(absolute.status, StatusCode::FORBIDDEN);
}

#[test]
fn the_address_that_was_called_is_ours_whatever_was_bound() {
    let door = a_door();
    let mapped = "[::ffff:10.0.0.5]:80".parse().unwrap();
    assert!(door.is_ours("10.0.0.5", mapped, false), "the port of plain HTTP goes without saying");
    assert!(!door.is_ours("10.0.0.5", mapped, true));
    assert!(!door.is_ours("10.0.0.6", mapped, false));
    let v6 = "[2001:db8::1]:7373".parse().unwrap();
    assert!(door.is_ours("[2001:db8::1]:7373", v6, false));
}

#[tokio::test]
async fn pages_of_others_are_refused() {
    let router = router();
    for (host, origin, status) in [
        ("localhost:7373", "http://localhost:7373", 200),
        ("localhost:7373", "http://localhost:7374", 403),
        ("localhost:7373", "https://evil.example", 403),
        ("localhost:7373", "null", 403),
        ("localhost:7373", "", 403),
        ("localhost:7373", "http://localhost:7373.evil.example", 403),
    ] {
        let headers = [("host", host), ("origin", origin)];
        for line in ["GET /who", "POST /who", "OPTIONS /who"] {
            let answer = ask(&router, request(over_unix(), line, &headers, "")).await;
            assert_eq!(answer.status.as_u16() == 403, status == 403, "{line} {origin}");
        }
    }
}

#[tokio::test]
async fn a_body_says_that_it_is_json_before_it_is_read() {
    let router = router();
    for (kind, status) in [
        (Some("application/json"), 200),
        (Some("application/json; charset=utf-8"), 200),
        (Some("text/plain"), 415),
        (Some("application/x-www-form-urlencoded"), 415),
        (None, 415),
    ] {
        let headers: Vec<_> = kind.map(|kind| ("content-type", kind)).into_iter().collect();
        let answer = ask(&router, request(over_unix(), "POST /take", &headers, "{}")).await;
        assert_eq!(answer.status.as_u16(), status, "{kind:?}: {}", answer.body);
    }
    // This body never ends: an answer shows that it was not waited for.
    let endless = Body::from_stream(futures::stream::pending::<Result<&str, std::io::Error>>());
    let answer = ask(&router, request(over_unix(), "POST /take", &[], endless)).await;
    assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_eq!(answer.problem().code, Code::InvalidRequest);
    let none = ask(&router, request(over_unix(), "POST /take", &[], "")).await;
    assert_eq!((none.status, none.body.as_str()), (StatusCode::OK, "{}"), "no body, no type");
}

#[tokio::test]
async fn only_what_an_agent_may_not_is_a_denial() {
    use SupervisorError as E;
    let agent = AgentId::from_bits(1);
    let (message, hint) = (String::new(), String::new());
    let limit = "sessions.max_turns".to_owned();
    for (error, status, denied) in [
        (E::Denied { message: message.clone(), hint }, 403, true),
        (E::TooManyChildren { agent, living: 1, most: 1 }, 429, true),
        (E::ChildrenUsedUp { agent, spawned: 1, most: 1 }, 403, true),
        (E::TooDeep { agent, depth: 1 }, 403, true),
        (E::QueueFull { queued: 9 }, 429, false),
        (E::LimitReached { message, limit }, 403, false),
        (E::Refused { agent, reason: "it has ended".to_owned() }, 409, false),
        (E::ShuttingDown, 503, false),
    ] {
        let door = Arc::new(a_door());
        let failure = std::sync::Mutex::new(Some(Failure::from(error)));
        let answer = move || {
            let failure = failure.lock().unwrap().take();
            std::future::ready(failure.map_or(Ok(()), Err))
        };
        let answer = Arc::new(answer);
        let route = Router::new().route(crate::api::AGENTS, post(move || answer()));
        let router = layered(route, Arc::clone(&door), metrics());
        let peer = Peer::Unix { uid: Some(UID), whose: Whose::Agents(agent) };
        let line = format!("POST {}", crate::api::AGENTS);
        let told = ask(&router, request(peer, &line, &[], "")).await;
        let counted = door.refusals.waiting();
        assert_eq!((told.status.as_u16(), !counted.is_empty()), (status, denied), "{}", told.body);
        let by =
            |(refusal, times): &(Refused, u64)| (refusal.actor.clone(), refusal.action, *times);
        let expected = (Actor::agent(agent).to_string(), "auth.denied", 1);
        assert!(counted.iter().map(by).all(|found| found == expected), "{counted:?}");
    }
}
