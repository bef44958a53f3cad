//! Out of a request, into the contract's types; mistakes are worded for whoever made them.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use bytes::BytesMut;
use http::header::EXPECT;
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use http_body_util::BodyExt;
use serde::de::DeserializeOwned;
use serde_path_to_error::Error as PathError;

use super::problem::Failure;
use super::scope::Caller;
use crate::api::{Code, IDEMPOTENCY_KEY, OPENAPI};
use crate::model::{Actor, check_key};

/// Bytes in a request's body.
pub(super) const BODY_MAX: usize = 4 * 1024 * 1024;
/// Bytes beyond [`BODY_MAX`] that are read and thrown away, so that a client that sends first and
/// listens then hears what was wrong.
const DRAIN_MAX: usize = 4 * BODY_MAX;
/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// A JSON body; none at all counts as `{}`.
pub(super) struct JsonBody<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for JsonBody<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Failure> {
        let waits = request.headers().contains_key(EXPECT);
        let body = tokio::time::timeout(BODY_TIMEOUT, read(request.into_body(), waits));
        let body = body.await.map_err(|_| {
            let message = "the body did not arrive in time";
            Failure::new(StatusCode::REQUEST_TIMEOUT, Code::InvalidRequest, message)
        })??;
        parse(if body.is_empty() { b"{}" } else { &body }).map(Self)
    }
}

/// The whole body. With `waits` the client sends nothing before it is asked to (`Expect:
/// 100-continue`), and a body that is too large is not asked for.
async fn read(mut body: Body, waits: bool) -> Result<BytesMut, Failure> {
    use axum::body::HttpBody;

    let announced = body.size_hint().lower();
    let too_large = || {
        let message = format!("the body is larger than {BODY_MAX} bytes");
        Failure::new(StatusCode::PAYLOAD_TOO_LARGE, Code::TooLarge, message)
            .hinted("put long text into a file, and name that file to the agent")
    };
    if waits && announced > BODY_MAX as u64 {
        return Err(too_large());
    }
    let (mut bytes, mut total) = (BytesMut::new(), 0);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Failure::invalid("the body broke off"))?;
        let Some(data) = frame.data_ref() else { continue };
        total += data.len();
        if total <= BODY_MAX {
            bytes.extend_from_slice(data);
        } else if total > BODY_MAX + DRAIN_MAX {
            break;
        }
    }
    if total > BODY_MAX { Err(too_large()) } else { Ok(bytes) }
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Failure> {
    // serde would take an array for the fields in their order.
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err(Failure::invalid("the body is not a JSON object"));
    }
    let mut json = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| word_json(&error))?;
    json.end().map_err(|error| not_json(&error))?;
    Ok(value)
}

fn word_json(error: &PathError<serde_json::Error>) -> Failure {
    if !error.inner().is_data() {
        return not_json(error.inner());
    }
    let (path, text) = (error.path().to_string(), error.inner().to_string());
    Failure::invalid(word(&path, "field", &text))
        .hinted(format!("GET {OPENAPI} describes what is taken"))
}

fn not_json(error: &serde_json::Error) -> Failure {
    Failure::invalid(format!("the body is not JSON: {error}"))
}

/// `FIELD: what is wrong`, unless the text names it already.
fn word(path: &str, what: &str, text: &str) -> String {
    let text = text.replacen("unknown field", &format!("unknown {what}"), 1);
    let last = path.rsplit('.').next().unwrap_or(path);
    if path == "." || text.contains(&format!("`{last}`")) {
        text
    } else {
        format!("{what} `{path}`: {text}")
    }
}

/// A query string. Unknown parameters and values that make no sense are named.
pub(super) struct Parameters<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Parameters<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Failure> {
        parse_query(parts.uri.query().unwrap_or_default()).map(Self)
    }
}

pub(super) fn parse_query<T: DeserializeOwned>(query: &str) -> Result<T, Failure> {
    let pairs = serde_html_form::Deserializer::from_bytes(query.as_bytes());
    serde_path_to_error::deserialize(pairs).map_err(|error| {
        let (path, text) = (error.path().to_string(), error.inner().to_string());
        Failure::invalid(word(&path, "parameter", &text))
            .hinted(format!("GET {OPENAPI} describes what is taken"))
    })
}

/// The `{agent}` of a path: an id, a prefix of one, or a label.
pub(super) struct Selector(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for Selector {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        let Path(selector) =
            path.map_err(|_| Failure::invalid("the agent in the path is not UTF-8"))?;
        Ok(Self(selector))
    }
}

/// Who asks, as the door found out.
pub(super) struct By(pub(super) Actor);

impl<S: Send + Sync> FromRequestParts<S> for By {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Failure> {
        caller(parts).map(|caller| Self(caller.actor))
    }
}

fn caller(parts: &Parts) -> Result<Caller, Failure> {
    parts.extensions.get().cloned().ok_or_else(Failure::internal)
}

/// The same with all that the door knows.
pub(super) struct CalledBy(pub(super) Caller);

impl<S: Send + Sync> FromRequestParts<S> for CalledBy {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Failure> {
        caller(parts).map(Self)
    }
}

/// The idempotency key, if there is one.
pub(super) struct Key(pub(super) Option<String>);

impl<S: Send + Sync> FromRequestParts<S> for Key {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Failure> {
        idempotency_key(&parts.headers).map(Self)
    }
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Failure> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).into_iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Failure::invalid("there are several idempotency keys"));
    }
    let key = std::str::from_utf8(value.as_bytes())
        .map_err(|_| Failure::invalid("the idempotency key is not UTF-8"))?;
    check_key(key)?;
    Ok(Some(key.to_owned()))
}

#[cfg(test)]
#[path = "extract_test.rs"]
mod tests;
