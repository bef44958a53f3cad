//! Counters in the `OpenMetrics` text format. Every label has few values, whatever callers send.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use http::StatusCode;
use jiff::Timestamp;
use prometheus_client::encoding::{EncodeLabelSet, text::encode};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use crate::api::{BridgeBody, BridgeState};
use crate::model::{Seq, Status};

/// The format that [`Metrics::render`] writes.
pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    /// The route's pattern, never the path.
    route: String,
    /// `2xx`, `4xx` and so on.
    status: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StatusLabels {
    status: &'static str,
}

/// What is counted.
#[derive(Debug)]
pub(super) struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    streams: Gauge,
    agents: Family<StatusLabels, Gauge>,
    events: Counter,
    bridge: Bridge,
}

/// What the bridge to OpenClaw counts; all zero when there is none.
#[derive(Debug, Default)]
struct Bridge {
    connected: Gauge,
    owed: Gauge,
    told: Counter,
    dead: Counter,
}

impl Bridge {
    fn register(registry: &mut Registry) -> Self {
        let Self { connected, owed, told, dead } = Self::default();
        registry.register(
            "openclaw_connected",
            "Whether OpenClaw's gateway is reached",
            connected.clone(),
        );
        registry.register("openclaw_owed", "Ends that sessions are to be told", owed.clone());
        registry.register("openclaw_told", "Ends that sessions were told", told.clone());
        registry.register(
            "openclaw_dead_letters",
            "Ends that could be told to nobody",
            dead.clone(),
        );
        Self { connected, owed, told, dead }
    }

    fn set(&self, body: &BridgeBody) {
        self.connected.set(i64::from(body.state == BridgeState::Connected));
        self.owed.set(i64::try_from(body.owed).unwrap_or(i64::MAX));
        self.told.inner().store(body.told, Ordering::Relaxed);
        self.dead.inner().store(body.dead, Ordering::Relaxed);
    }
}

impl Metrics {
    /// Everything at zero; `started` is when the daemon began.
    pub(super) fn new(started: Timestamp) -> Self {
        let mut registry = Registry::with_prefix("dash");
        let (requests, streams) = (Family::default(), Gauge::default());
        let (agents, events) = (Family::default(), Counter::default());
        registry.register("http_requests", "Requests answered", requests.clone());
        registry.register("sse_streams", "Event streams that are open", streams.clone());
        registry.register("agents", "Agents that are kept, by status", agents.clone());
        registry.register("events", "Events recorded since the log began", events.clone());
        let start: Gauge = Gauge::default();
        start.set(started.as_second());
        registry.register("start_time_seconds", "When the daemon began, in Unix time", start);
        let build = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The version of Dash", build);
        let bridge = Bridge::register(&mut registry);
        Self { registry, requests, streams, agents, events, bridge }
    }

    pub(super) fn answered(&self, route: &str, status: StatusCode) {
        let status = format!("{}xx", status.as_u16() / 100);
        self.requests.get_or_create(&RequestLabels { route: route.to_owned(), status }).inc();
    }

    /// Counts a stream as open for as long as the answer is kept.
    pub(super) fn stream_opened(self: &Arc<Self>) -> OpenStream {
        self.streams.inc();
        OpenStream(Arc::clone(self))
    }

    /// How the bridge to OpenClaw is.
    pub(super) fn bridge(&self, body: &BridgeBody) {
        self.bridge.set(body);
    }

    /// Everything as text, with the agents and events as they stand.
    pub(super) fn render(&self, counts: &[(Status, u64)], newest: Seq) -> String {
        for status in Status::ALL {
            let count: u64 =
                counts.iter().filter(|(other, _)| *other == status).map(|(_, count)| count).sum();
            let labels = StatusLabels { status: status.as_str() };
            self.agents.get_or_create(&labels).set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        self.events.inner().store(newest.0, Ordering::Relaxed);
        let mut text = String::new();
        // Writing to memory cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

/// One open stream.
#[derive(Debug)]
pub(super) struct OpenStream(Arc<Metrics>);

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.streams.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_is_shown() {
        let metrics = Arc::new(Metrics::new(Timestamp::from_second(7).unwrap()));
        metrics.answered("/api/v1/agents/{agent}", StatusCode::OK);
        metrics.answered("/api/v1/agents/{agent}", StatusCode::CREATED);
        let stream = metrics.stream_opened();
        metrics.bridge(&BridgeBody { dead: 2, ..BridgeBody::default() });
        let text = metrics.render(&[(Status::Running, 3)], Seq(42));
        for line in [
            "dash_http_requests_total{route=\"/api/v1/agents/{agent}\",status=\"2xx\"} 2",
            "dash_sse_streams 1",
            "dash_agents{status=\"running\"} 3",
            "dash_agents{status=\"lost\"} 0",
            "dash_events_total 42",
            "dash_start_time_seconds 7",
            "dash_openclaw_connected 0",
            "dash_openclaw_dead_letters_total 2",
            concat!("dash_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1"),
            "# EOF",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
        drop(stream);
        let text = metrics.render(&[], Seq(43));
        assert!(text.contains("dash_sse_streams 0"));
        assert!(text.contains("dash_agents{status=\"running\"} 0"), "a count that is gone is zero");
    }
}
