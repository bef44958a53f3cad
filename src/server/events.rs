//! Events, as a stream or in pages.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use http::header::ACCEPT;
use http::{HeaderMap, StatusCode};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::extract::{CalledBy, Parameters, Selector};
use super::places::{self, Spare};
use super::problem::Failure;
use super::scope::Caller;
use super::{App, query, sse};
use crate::api::{self, Code, ErrorBody, EventView, EventsPage, EventsQuery, ResetBody};
use crate::model::{AgentId, Event, EventFilter, EventQuery, Seq};
use crate::store::{Store, StoreError, follow};

/// Read events.
///
/// With `Accept: text/event-stream`, a stream: one event object in each `data`, its `seq` as `id`.
/// `Last-Event-ID` resumes it and is stronger than `since`. An `event: reset` says that the cursor
/// was before the oldest event that is kept. Otherwise, a page.
#[utoipa::path(get, path = api::EVENTS, tag = "events",
    params(EventsQuery, ("Last-Event-ID" = Option<u64>, Header,
        description = "The last position that was seen.")),
    responses((status = 200, description = "The events, oldest first.", content((EventsPage = "application/json"),
        (String = "text/event-stream"))), (status = "default", description = "What went wrong.", body = ErrorBody)))]
pub(super) async fn events(
    State(app): State<Arc<App>>,
    CalledBy(caller): CalledBy,
    spare: Option<Extension<Spare>>,
    headers: HeaderMap,
    Parameters(query): Parameters<EventsQuery>,
) -> Result<Response, Failure> {
    check_place(&app, spare.is_some(), &headers)?;
    let agents = app.selected(&query.agent, &caller).await?;
    answer(&app, caller, &headers, query, agents).await
}

/// Read the events of one agent.
///
/// As the events of all, but for the parameter `agent`, which the path stands for.
#[utoipa::path(get, path = api::AGENT_EVENTS, tag = "events",
    params(("agent" = String, Path, description = "An id, an unambiguous prefix, or a label."),
        EventsQuery, ("Last-Event-ID" = Option<u64>, Header,
        description = "The last position that was seen.")),
    responses((status = 200, description = "The events, oldest first.", content((EventsPage = "application/json"),
        (String = "text/event-stream"))), (status = "default", description = "What went wrong.", body = ErrorBody)))]
pub(super) async fn agent_events(
    State(app): State<Arc<App>>,
    Selector(selector): Selector,
    CalledBy(caller): CalledBy,
    spare: Option<Extension<Spare>>,
    headers: HeaderMap,
    Parameters(query): Parameters<EventsQuery>,
) -> Result<Response, Failure> {
    check_place(&app, spare.is_some(), &headers)?;
    if !query.agent.is_empty() {
        return Err(Failure::invalid("parameter `agent`: the path names the agent already"));
    }
    let agent = app.supervisor.resolve_within(&selector, caller.sees()).await?;
    answer(&app, caller, &headers, query, Some(vec![agent.id])).await
}

async fn answer(
    app: &App,
    caller: Caller,
    headers: &HeaderMap,
    query: EventsQuery,
    agents: Option<Vec<AgentId>>,
) -> Result<Response, Failure> {
    let cursor = query::cursor(headers, query.since.as_deref())?;
    let limit = query::limit(query.limit)?;
    let filter = query::event_filter(query, agents, caller.agent)?;
    let store = app.supervisor.store();
    if wants_stream(headers) {
        let since = cursor.unwrap_or_else(|| store.bounds().1);
        let events = follow(store, since, filter);
        return Ok(sse::respond(events, since, ends(app.stop.clone(), caller), &app.metrics));
    }
    let page = Page::read(&*store, cursor, filter, limit).await?;
    Ok(Json(PageView::from(&page)).into_response())
}

/// A stream needs a connection of its own, and there may be none left.
fn check_place(app: &App, spare: bool, headers: &HeaderMap) -> Result<(), Failure> {
    if spare && wants_stream(headers) {
        return Err(Failure::new(
            StatusCode::SERVICE_UNAVAILABLE,
            Code::Busy,
            app.places.explanation(),
        )
        .hinted(places::HINT)
        .retry_after(1));
    }
    Ok(())
}

/// Resolves when the daemon ends, or what let the caller in is over.
async fn ends(stop: CancellationToken, caller: Caller) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = caller.over() => {}
    }
}

/// Whether the caller asks for a stream by name; `*/*` does not.
fn wants_stream(headers: &HeaderMap) -> bool {
    let values = headers.get_all(ACCEPT).into_iter().filter_map(|value| value.to_str().ok());
    values
        .flat_map(|value| value.split(','))
        .filter_map(|range| range.split(';').next())
        .any(|range| range.trim().eq_ignore_ascii_case("text/event-stream"))
}

/// A page of events, and whether some before it are gone.
struct Page {
    events: Vec<Arc<Event>>,
    next: Seq,
    reset: Option<ResetBody>,
}

impl Page {
    /// The events after `cursor`; without one, from the oldest that is kept.
    async fn read(
        store: &dyn Store,
        cursor: Option<Seq>,
        filter: EventFilter,
        limit: usize,
    ) -> Result<Self, StoreError> {
        let mut reset = None;
        let mut since = cursor.unwrap_or_else(|| before(store.bounds().0));
        loop {
            let query = EventQuery { since, filter: filter.clone(), limit, bytes: None };
            let page = store.read(query).await?;
            // Asked for after reading: what is trimmed before may be missing in the page, and what
            // is trimmed later is not.
            let (oldest, newest) = store.bounds();
            if since.next() >= oldest && since <= newest {
                let Some((first, last)) = store.lost(since, page.read_to) else {
                    return Ok(Self { events: page.events, next: page.read_to, reset });
                };
                if since.next() < first {
                    // Up to the gap; the next page says that there is one.
                    let next = before(first);
                    let events = page.events.into_iter().filter(|event| event.seq <= next);
                    return Ok(Self { events: events.collect(), next, reset });
                }
                reset = Some(reset_body(last.next(), since));
                since = last;
                continue;
            }
            let asked = cursor.map(|since| (oldest, since));
            reset = asked.map(|(oldest, since)| reset_body(oldest, since));
            since = before(oldest);
        }
    }
}

fn reset_body(oldest: Seq, since: Seq) -> ResetBody {
    ResetBody { r#type: "reset".to_owned(), oldest, since }
}

fn before(oldest: Seq) -> Seq {
    Seq(oldest.0.saturating_sub(1))
}

/// [`EventsPage`], borrowed from the log for writing.
#[derive(Serialize)]
struct PageView<'a> {
    events: Vec<EventView<'a>>,
    next: Seq,
    #[serde(skip_serializing_if = "Option::is_none")]
    reset: Option<&'a ResetBody>,
}

impl<'a> From<&'a Page> for PageView<'a> {
    fn from(page: &'a Page) -> Self {
        let events = page.events.iter().map(|event| EventView::from(&**event)).collect();
        Self { events, next: page.next, reset: page.reset.as_ref() }
    }
}

#[cfg(test)]
#[path = "events_test.rs"]
mod tests;
