//! The layers, around routes that misbehave.

use axum::routing::get;

use super::super::testing::{ask, behind_the_door, over_unix, request};
use super::*;
use crate::api::VERSION;

fn router() -> Router {
    #[allow(clippy::unused_async)]
    async fn defect() -> &'static str {
        panic!("with a secret")
    }
    behind_the_door(
        Router::new().route("/fine", get(|| async { "fine" })).route("/defect", get(defect)),
    )
}

#[tokio::test]
async fn every_answer_says_which_request_it_belongs_to() {
    let fine = ask(&router(), request(over_unix(), "GET /fine", &[], "")).await;
    assert_eq!((fine.status.as_u16(), fine.body.as_str()), (200, "fine"));
    assert_eq!(fine.header(REQUEST_ID).unwrap().len(), 32);
    assert_eq!(fine.header(VERSION), Some(env!("CARGO_PKG_VERSION")));

    let own = [(REQUEST_ID, "mine-1")];
    let missing = ask(&router(), request(over_unix(), "GET /nowhere", &own, "")).await;
    assert_eq!(missing.status, StatusCode::NOT_FOUND);
    assert_eq!(missing.header(REQUEST_ID), Some("mine-1"));
    let problem = missing.problem();
    assert_eq!((problem.code, problem.request_id.as_deref()), (Code::NotFound, Some("mine-1")));
    assert!(problem.hint.unwrap().contains(OPENAPI));
    assert_eq!(missing.header("content-type"), Some("application/json"));
    let length = missing.header("content-length");
    assert!(length.is_none_or(|length| length == missing.body.len().to_string()), "{length:?}");
}

#[tokio::test]
async fn a_request_id_that_is_long_or_strange_is_replaced() {
    let long = "x".repeat(65);
    for given in ["", "two words", "tab\there", long.as_str()] {
        let answer =
            ask(&router(), request(over_unix(), "GET /fine", &[(REQUEST_ID, given)], "")).await;
        assert_ne!(answer.header(REQUEST_ID), Some(given));
        assert_eq!(answer.header(REQUEST_ID).unwrap().len(), 32);
    }
}

#[tokio::test]
async fn a_method_that_is_not_taken_is_a_problem_too() {
    let answer = ask(&router(), request(over_unix(), "DELETE /fine", &[], "")).await;
    assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(answer.header("allow"), Some("GET,HEAD"));
    assert_eq!(answer.problem().code, Code::InvalidRequest);
}

#[tokio::test]
async fn a_panic_ends_one_request_and_tells_nothing() {
    let router = router();
    let answer = ask(&router, request(over_unix(), "GET /defect", &[], "")).await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(answer.problem().code, Code::Internal);
    assert!(!answer.body.contains("secret"));
    let fine = ask(&router, request(over_unix(), "GET /fine", &[], "")).await;
    assert_eq!(fine.status, StatusCode::OK);
}

#[tokio::test]
async fn metrics_know_routes_and_no_paths() {
    let (door, metrics) = (super::super::testing::a_door(), super::super::testing::metrics());
    let routes = Router::new().route("/agents/{agent}", get(|| async { "" }));
    let layered = layered(routes, Arc::new(door), Arc::clone(&metrics));
    for path in ["GET /agents/a", "GET /agents/b", "GET /other/c", "PUT /agents/d"] {
        ask(&layered, request(over_unix(), path, &[], "")).await;
    }
    let text = metrics.render(&[], crate::model::Seq::START);
    for line in [
        "dash_http_requests_total{route=\"/agents/{agent}\",status=\"2xx\"} 2",
        "dash_http_requests_total{route=\"/agents/{agent}\",status=\"4xx\"} 1",
        "dash_http_requests_total{route=\"other\",status=\"4xx\"} 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
}
