//! What the server's tests share: a door, a log, and requests.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use futures::future::BoxFuture;
use http::{HeaderMap, Request, Response, StatusCode};
use jiff::Timestamp;
use serde_json::value::RawValue;
use tokio::sync::watch;
use tower::ServiceExt;

use super::auth::Attempts;
use super::door::{Door, Peer};
use super::layers::layered;
use super::metrics::Metrics;
use super::refusals::Refusals;
use super::ring::Keys;
use crate::model::{
    Actor, Agent, AgentFilter, AgentId, Event, EventQuery, EventType, Runtime, Seq, Spec, Status,
};
use crate::store::{
    AgentPage, Answer, AuditRecord, Batch, EventPage, Head, Scope, Store, StoreError,
};

pub(super) const UID: u32 = 1000;
pub(super) const SECRET: &str = "a-secret-that-nobody-knows";

pub(super) fn keys() -> Keys {
    Keys::new([("ci".to_owned(), SECRET.to_owned())]).unwrap()
}

pub(super) fn a_door() -> Door {
    let attempts = Attempts::default();
    let hosts = vec!["dash.example".to_owned()];
    let refusals = Refusals::default();
    Door { uid: UID, user: Actor::user("me"), keys: keys(), attempts, hosts, refusals }
}

pub(super) fn metrics() -> Arc<Metrics> {
    Arc::new(Metrics::new(Timestamp::UNIX_EPOCH))
}

/// These routes, behind the real layers.
pub(super) fn behind_the_door(routes: Router) -> Router {
    layered(routes, Arc::new(a_door()), metrics())
}

pub(super) fn over_unix() -> Peer {
    Peer::Unix { uid: Some(UID), whose: crate::supervisor::Whose::Users }
}

pub(super) fn over_tcp() -> Peer {
    let address = |text: &str| text.parse::<SocketAddr>().unwrap();
    Peer::Tcp { remote: address("127.0.0.1:9"), local: address("127.0.0.1:7373"), tls: false }
}

/// `METHOD /path`, with headers as `name: value`, from this peer.
pub(super) fn request(
    peer: Peer,
    line: &str,
    headers: &[(&str, &str)],
    body: impl Into<Body>,
) -> Request<Body> {
    let (method, path) = line.split_once(' ').unwrap();
    let mut request = Request::builder().method(method).uri(path).extension(peer);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(body.into()).unwrap()
}

pub(super) async fn ask(router: &Router, request: Request<Body>) -> Told {
    Told::of(router.clone().oneshot(request).await.unwrap()).await
}

/// An answer, read to its end.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
}

impl Told {
    async fn of(response: Response<Body>) -> Self {
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap();
        let body = String::from_utf8(body.to_vec()).unwrap();
        Self { status: parts.status, headers: parts.headers, body }
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The problem that the body holds.
    pub(super) fn problem(&self) -> crate::api::Problem {
        let body: crate::api::ErrorBody = serde_json::from_str(&self.body)
            .unwrap_or_else(|error| panic!("{error} in {:?}", self.body));
        body.error
    }
}

fn spec() -> Spec {
    Spec {
        runtime: Runtime::Command,
        profile: None,
        label: Some("it \"quotes\"".to_owned()),
        metadata: std::collections::BTreeMap::default(),
        group: None,
        session: None,
        command: Some(vec!["true".to_owned()]),
        program: None,
        task: None,
        cwd: "/".to_owned(),
        env: Vec::new(),
        timeout_ms: None,
        model: None,
        memory_mb: None,
        stdin: false,
        conversation: crate::model::Conversation::default(),
        ancestors: Vec::new(),
        children: None,
    }
}

pub(super) fn event(seq: u64, data: &str) -> Arc<Event> {
    Arc::new(Event {
        seq: Seq(seq),
        time: Timestamp::UNIX_EPOCH,
        kind: EventType::Output,
        agent: AgentId::from_bits(seq % 2),
        spec: Arc::new(spec()),
        data: RawValue::from_string(data.to_owned()).unwrap(),
    })
}

/// A log that can be read, and nothing else.
pub(super) struct Log {
    pub(super) events: Vec<Arc<Event>>,
}

impl Log {
    /// Events with the positions `first` to `last`.
    pub(super) fn of(first: u64, last: u64) -> Self {
        Self { events: (first..=last).map(|seq| event(seq, r#"{"text":"x"}"#)).collect() }
    }
}

fn closed<T: Send + 'static>() -> BoxFuture<'static, Result<T, StoreError>> {
    Box::pin(async { Err(StoreError::Closed) })
}

impl Store for Log {
    fn append(&self, _: Batch) -> BoxFuture<'_, Result<Vec<Arc<Event>>, StoreError>> {
        closed()
    }

    fn read(&self, query: EventQuery) -> BoxFuture<'_, Result<EventPage, StoreError>> {
        let after = self.events.iter().filter(move |event| event.seq > query.since);
        let found = after.filter(|event| query.filter.matches(event)).take(query.limit);
        let events: Vec<_> = found.cloned().collect();
        let read_to = events.last().map_or(query.since, |event| event.seq);
        Box::pin(async move { Ok(EventPage { events, read_to }) })
    }

    fn bounds(&self) -> (Seq, Seq) {
        let newest = self.events.last().map_or(Seq::START, |event| event.seq);
        (self.events.first().map_or(newest.next(), |event| event.seq), newest)
    }

    fn head(&self, _: &Scope) -> Head {
        watch::channel(self.bounds().1).1
    }

    fn agent(&self, _: AgentId) -> BoxFuture<'_, Result<Option<Arc<Agent>>, StoreError>> {
        closed()
    }

    fn alive(&self) -> Vec<Arc<Agent>> {
        Vec::new()
    }

    fn agents(
        &self,
        _: AgentFilter,
        _: Option<u64>,
        _: usize,
        _: Timestamp,
    ) -> BoxFuture<'_, Result<AgentPage, StoreError>> {
        closed()
    }

    fn by_prefix(&self, _: String, _: usize) -> BoxFuture<'_, Result<Vec<AgentId>, StoreError>> {
        closed()
    }

    fn counts(&self) -> BoxFuture<'_, Result<Vec<(Status, u64)>, StoreError>> {
        closed()
    }

    fn audit(
        &self,
        _: u64,
        _: Option<AgentId>,
        _: usize,
    ) -> BoxFuture<'_, Result<Vec<AuditRecord>, StoreError>> {
        closed()
    }

    fn answer(&self, _: String) -> BoxFuture<'_, Result<Option<Answer>, StoreError>> {
        closed()
    }

    fn trim(&self, _: Seq) -> BoxFuture<'_, Result<(), StoreError>> {
        closed()
    }
}
