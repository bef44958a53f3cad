//! What every request meets on its way in, and every answer on its way out.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use futures::FutureExt;
use http::header::{CONTENT_LENGTH, HeaderValue};
use http::{HeaderMap, StatusCode};
use tracing::Instrument;

use super::door::{Door, door};
use super::metrics::Metrics;
use super::problem::Failure;
use crate::api::{Code, ErrorBody, OPENAPI, Problem, REQUEST_ID};
use crate::openai as openai_api;

/// Characters in a caller's own request id; a longer one is replaced.
const REQUEST_ID_MAX: usize = 64;

/// The routes with everything around them. From the outside in: an id and a span, the door, a net
/// for panics, the route.
pub(super) fn layered(routes: Router, door_state: Arc<Door>, metrics: Arc<Metrics>) -> Router {
    routes
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_method)
        .layer(from_fn(catch_panics))
        .layer(from_fn_with_state(door_state, door))
        .layer(from_fn_with_state(metrics, identify))
}

async fn no_such_path(request: Request) -> Failure {
    let message = format!("there is nothing at {}", request.uri().path());
    Failure::new(StatusCode::NOT_FOUND, Code::NotFound, message)
        .hinted(format!("GET {OPENAPI} describes every path"))
}

async fn no_such_method(request: Request) -> Failure {
    let message = format!("{} takes no {}", request.uri().path(), request.method());
    Failure::new(StatusCode::METHOD_NOT_ALLOWED, Code::InvalidRequest, message)
        .hinted(format!("GET {OPENAPI} describes every path"))
}

/// Names the request, counts it, and writes that name into the answer. The query is in no span or
/// log line: it may hold labels and session keys.
async fn identify(State(metrics): State<Arc<Metrics>>, request: Request, next: Next) -> Response {
    let id = request_id(request.headers());
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map_or("other", MatchedPath::as_str);
    let span = tracing::info_span!("request", id, method = %request.method(), route);
    let openai = request.uri().path().starts_with(openai_api::PREFIX);
    let begun = Instant::now();
    let mut response = next.run(request).instrument(span.clone()).await;

    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        span.in_scope(|| log_failure(response.status(), &problem));
        write_problem(&mut response, Problem { request_id: Some(id.clone()), ..problem }, openai);
    }
    let status = response.status();
    metrics.answered(route, status);
    tracing::debug!(parent: &span, status = status.as_u16(), taken = ?begun.elapsed(), "answered");
    if let Ok(id) = HeaderValue::try_from(id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

/// A caller's mistake may hold what the caller sent, so that its message is in no log.
fn log_failure(status: StatusCode, problem: &Problem) {
    if status.is_server_error() {
        tracing::error!(code = ?problem.code, message = problem.message, "failed");
    } else {
        tracing::debug!(code = ?problem.code, "refused");
    }
}

fn write_problem(response: &mut Response, problem: Problem, openai: bool) {
    let told = if openai {
        Json(super::openai::shaped(&problem)).into_response()
    } else {
        Json(ErrorBody { error: problem }).into_response()
    };
    let (parts, body) = told.into_parts();
    // Counted for the body that this one replaces.
    response.headers_mut().remove(CONTENT_LENGTH);
    response.headers_mut().extend(parts.headers);
    *response.body_mut() = body;
}

/// The caller's id when it is short and printable, and a new one otherwise.
fn request_id(headers: &HeaderMap) -> String {
    headers
        .get(REQUEST_ID)
        .and_then(|value| value.to_str().ok())
        .filter(|id| (1..=REQUEST_ID_MAX).contains(&id.len()))
        .filter(|id| id.bytes().all(|byte| byte.is_ascii_graphic()))
        .map_or_else(|| uuid::Uuid::new_v4().simple().to_string(), str::to_owned)
}

/// A panic is a defect: it ends its own request and no other.
async fn catch_panics(request: Request<Body>, next: Next) -> Response {
    // What the panicking request held is dropped here, and shared state is behind locks that a
    // panic does not leave half-changed.
    let answer = AssertUnwindSafe(next.run(request)).catch_unwind().await;
    answer.unwrap_or_else(|_| Failure::internal().into_response())
}

#[cfg(test)]
#[path = "layers_test.rs"]
mod tests;
