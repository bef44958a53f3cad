//! Keys: add, list, revoke.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde_json::{Value, json};

use super::extract::{By, JsonBody, Selector};
use super::problem::Failure;
use super::ring::KeyError;
use super::{App, carried_out};
use crate::api::{self, Code, ErrorBody, KeyBody, KeysPage, NewKeyAnswer, NewKeyBody};
use crate::model::Actor;
use crate::store::{Batch, Operation};
use crate::supervisor::SupervisorError;

/// Add a key.
///
/// It opens at once. Its secret is in this answer, and nowhere else.
#[utoipa::path(post, path = api::KEYS, tag = "keys", request_body = NewKeyBody,
    responses((status = 201, description = "The key with its secret.", body = NewKeyAnswer), (status = "default", description = "What went wrong.", body = ErrorBody)))]
pub(super) async fn add(
    State(app): State<Arc<App>>,
    By(by): By,
    JsonBody(body): JsonBody<NewKeyBody>,
) -> Result<(StatusCode, Json<NewKeyAnswer>), Failure> {
    let expires_in = body.expires_in_ms.map(Duration::from_millis);
    let keys = app.keys.clone();
    let added = keys.add(&body.name, body.scope, expires_in, app.supervisor.now());
    let (key, secret) = added?;
    let detail = json!({ "name": key.name, "scope": key.scope, "expires_at": key.expires_at });
    // A key that the trail does not know of does not stay.
    let recorded = record(&app, by, "key.add", detail).await;
    if recorded.is_err() {
        keys.revoke(&key.name)?;
    }
    recorded?;
    Ok((StatusCode::CREATED, Json(NewKeyAnswer { key, secret })))
}

/// List the keys, without their secrets.
#[utoipa::path(get, path = api::KEYS, tag = "keys",
    responses((status = 200, description = "The keys.", body = KeysPage), (status = "default", description = "What went wrong.", body = ErrorBody)))]
pub(super) async fn list(State(app): State<Arc<App>>) -> Json<KeysPage> {
    Json(KeysPage { keys: app.keys.list() })
}

/// Revoke a key.
///
/// It opens nothing from now on, and event streams that it opened end.
#[utoipa::path(delete, path = api::KEY, tag = "keys",
    params(("name" = String, Path, description = "The key's name.")),
    responses((status = 200, description = "The key.", body = KeyBody), (status = "default", description = "What went wrong.", body = ErrorBody)))]
pub(super) async fn revoke(
    State(app): State<Arc<App>>,
    By(by): By,
    Selector(name): Selector,
) -> Result<Json<KeyBody>, Failure> {
    let key = app.keys.revoke(&name)?;
    record(&app, by, "key.revoke", json!({ "name": key.name })).await?;
    Ok(Json(key))
}

async fn record(app: &Arc<App>, actor: Actor, action: &str, detail: Value) -> Result<(), Failure> {
    let (action, outcome) = (action.to_owned(), "accepted".to_owned());
    let audit = vec![Operation { actor, action, outcome, detail }];
    let batch = Batch { audit, time: app.supervisor.now(), ..Batch::default() };
    let store = app.supervisor.store();
    let appended = async move { store.append(batch).await.map_err(SupervisorError::from) };
    carried_out(appended).await.map(|_| ())
}

impl From<KeyError> for Failure {
    fn from(error: KeyError) -> Self {
        use KeyError as E;
        let message = error.to_string();
        match error {
            E::Name(_) | E::Over => Self::invalid(message),
            E::Exists(_) => Self::new(StatusCode::CONFLICT, Code::InvalidRequest, message)
                .hinted("`dash keys revoke NAME` takes it away; or choose another name"),
            E::Unknown(_) => Self::new(StatusCode::NOT_FOUND, Code::NotFound, message)
                .hinted("`dash keys list` shows the keys"),
            E::Given(_) => Self::new(StatusCode::CONFLICT, Code::Refused, message)
                .hinted("change DASH_API_KEY or the key file, and start the daemon again"),
            E::TooMany => Self::new(StatusCode::CONFLICT, Code::Refused, message)
                .hinted("`dash keys list` shows them; revoke those that nobody uses"),
            E::File { .. } => Self::new(StatusCode::INTERNAL_SERVER_ERROR, Code::Storage, message)
                .hinted("`dash doctor` looks at what may be wrong with it"),
        }
    }
}
