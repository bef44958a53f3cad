//! Events over any number of connections: backlog, then tail, no gap, no repeat.
//!
//! One connection is one stream of `eventsource-client`. Going on after a loss is done here and not
//! by that crate, which forgets the cursor after an event without an id, retries for ever on an
//! answer that will never change, and says nothing while it cannot connect.

use std::time::Duration;

use bytes::Bytes;
use eventsource_client::{Client as _, ClientBuilder, ReconnectOptions, SSE};
use futures::stream::{BoxStream, StreamExt as _, TryStreamExt as _};
use launchdarkly_sdk_transport::{ByteStream, HttpTransport, ResponseFuture, TransportError};
use reqwest::StatusCode;
use sync_wrapper::{SyncFuture, SyncStream};
use tokio::time::{Instant, sleep, timeout};

use super::link::{Link, root_cause};
use super::{ClientError, Frame, query_string};
use crate::api::{self, EventsQuery, ResetBody};
use crate::model::Seq;

/// Bytes of a failure's body that are read.
const PROBLEM_MAX: usize = 64 * 1024;

/// How long to wait for what.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// Without a byte, not even a keep-alive: the peer is dead.
    pub(super) silence: Duration,
    /// Before the first attempt to connect again; doubled up to `pause_max`.
    pub(super) pause_min: Duration,
    pub(super) pause_max: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            silence: Duration::from_secs(45),
            pause_min: Duration::from_millis(50),
            pause_max: Duration::from_secs(1),
        }
    }
}

/// See [`super::Client::events`].
pub(super) fn follow(
    link: Link,
    query: EventsQuery,
    patience: Patience,
) -> BoxStream<'static, Result<Frame, ClientError>> {
    let seen = match query.since.as_deref() {
        Some("beginning") => Some(Seq::START),
        Some(since) => since.parse().ok().map(Seq),
        None => None,
    };
    let pause = patience.pause_min;
    let follower =
        Follower { link, query, patience, seen, pause, lost: false, line: Line::Down { at: None } };
    futures::stream::unfold(follower, |mut follower| async move {
        follower.next().await.map(|frame| (frame, follower))
    })
    .boxed()
}

struct Follower {
    link: Link,
    query: EventsQuery,
    patience: Patience,
    /// Everything up to here has been yielded, or was not asked for. Unknown for a stream that
    /// starts now and has not yet been told where that is.
    seen: Option<Seq>,
    /// Before the next attempt to connect.
    pause: Duration,
    /// Whether the loss has been said and the return has not.
    lost: bool,
    line: Line,
}

enum Line {
    /// Not connected; the next attempt is due at this time, or at once.
    Down {
        at: Option<Instant>,
    },
    Up(eventsource_client::BoxStream<Result<SSE, eventsource_client::Error>>),
    Ended,
}

/// What one thing that came over the line means.
enum Step {
    Yield(Frame),
    Skip,
    Lost,
    End(ClientError),
}

impl Follower {
    async fn next(&mut self) -> Option<Result<Frame, ClientError>> {
        loop {
            let step = match &mut self.line {
                Line::Ended => return None,
                Line::Down { at } => {
                    if let Some(at) = *at {
                        tokio::time::sleep_until(at).await;
                    }
                    self.connect()
                }
                Line::Up(stream) => match stream.next().await {
                    Some(Ok(item)) => self.take(item),
                    Some(Err(error)) => self.failed(error).await,
                    None => Step::Lost,
                },
            };
            match step {
                Step::Skip => {}
                Step::Yield(frame) => return Some(Ok(frame)),
                Step::End(error) => {
                    self.line = Line::Ended;
                    return Some(Err(error));
                }
                Step::Lost => {
                    self.line = Line::Down { at: Some(Instant::now() + self.pause) };
                    self.pause = (self.pause * 2).min(self.patience.pause_max);
                    if !std::mem::replace(&mut self.lost, true) {
                        return Some(Ok(Frame::Lost));
                    }
                }
            }
        }
    }

    /// Sets up a connection; it opens when it is first read.
    fn connect(&mut self) -> Step {
        let mut query = self.query.clone();
        // `since` says where to begin for the first time, the id where to go on: both the same, so
        // that it does not matter which of them counts. `beginning` stays until something was seen.
        let resume = self.seen.filter(|seen| *seen > Seq::START);
        if let Some(seen) = resume {
            query.since = Some(seen.to_string());
        }
        let query = match query_string(&query) {
            Ok(query) => query,
            Err(error) => return Step::End(error),
        };
        let url = self.link.url(api::EVENTS, &query);
        let builder = match ClientBuilder::for_url(url.as_str()) {
            Ok(builder) => builder,
            Err(error) => return Step::End(ClientError::Target(error.to_string())),
        };
        let builder = match resume {
            Some(seen) => builder.last_event_id(seen.to_string()),
            None => builder,
        };
        let transport = Transport { link: self.link.clone(), silence: self.patience.silence };
        let client = builder
            .reconnect(ReconnectOptions::reconnect(false).retry_initial(false).build())
            .redirect_limit(0)
            .build_with_transport(transport);
        self.line = Line::Up(client.stream());
        Step::Skip
    }

    fn take(&mut self, item: SSE) -> Step {
        match item {
            SSE::Connected(details) => self.connected(details.response()),
            SSE::Comment(_) => {
                self.pause = self.patience.pause_min;
                Step::Skip
            }
            SSE::Event(event) => {
                self.pause = self.patience.pause_min;
                if event.event_type == "reset" {
                    self.reset(&event.data)
                } else {
                    self.event(event)
                }
            }
        }
    }

    fn connected(&mut self, response: &eventsource_client::Response) -> Step {
        let header =
            |name: &str| response.get_header_value(name).ok().flatten().unwrap_or_default();
        if !header("content-type").starts_with("text/event-stream") {
            return Step::End(self.link.foreign("answered with something other than events"));
        }
        if self.seen.is_none() {
            self.seen = header(api::POSITION).parse().ok().map(Seq);
        }
        if std::mem::take(&mut self.lost) { Step::Yield(Frame::Back) } else { Step::Skip }
    }

    fn event(&mut self, event: eventsource_client::Event) -> Step {
        let Some(seq) = event.id.as_deref().and_then(|id| id.parse().ok()).map(Seq) else {
            return Step::End(self.link.foreign("sent an event without a position"));
        };
        if event.data.contains(['\n', '\r']) || !event.data.starts_with('{') {
            return Step::End(self.link.foreign("sent an event that is not one line of JSON"));
        }
        if self.seen.is_some_and(|seen| seq <= seen) {
            return Step::Skip;
        }
        self.seen = Some(seq);
        Step::Yield(Frame::Event { seq, json: event.data })
    }

    /// The stream goes on from the oldest event that is kept, which may be before the cursor when
    /// the log is another one.
    fn reset(&mut self, data: &str) -> Step {
        let Ok(reset) = serde_json::from_str::<ResetBody>(data) else {
            return Step::End(self.link.foreign("sent a reset that cannot be read"));
        };
        self.seen = Some(Seq(reset.oldest.0.saturating_sub(1)));
        Step::Yield(Frame::Reset(reset))
    }

    async fn failed(&self, error: eventsource_client::Error) -> Step {
        use eventsource_client::Error;
        match error {
            Error::UnexpectedResponse(response, body) => {
                let status =
                    StatusCode::from_u16(response.status()).unwrap_or(StatusCode::BAD_GATEWAY);
                if status.is_server_error() {
                    return Step::Lost;
                }
                let body = timeout(self.patience.silence, read_problem(body.into_stream())).await;
                Step::End(self.link.problem(status, &body.unwrap_or_default()))
            }
            Error::InvalidLine(_) | Error::InvalidEvent => {
                Step::End(self.link.foreign("sent something other than events"))
            }
            Error::MaxRedirectLimitReached(_) | Error::MalformedLocationHeader(_) => {
                Step::End(self.link.foreign("sent us elsewhere"))
            }
            Error::InvalidParameter(error) => Step::End(ClientError::Target(error.to_string())),
            Error::TimedOut
            | Error::HttpStream(_)
            | Error::Transport(_)
            | Error::Eof
            | Error::UnexpectedEof => Step::Lost,
        }
    }
}

async fn read_problem(mut body: ByteStream) -> Vec<u8> {
    let mut read = Vec::new();
    while let Some(Ok(part)) = body.next().await {
        read.extend_from_slice(&part);
        if read.len() > PROBLEM_MAX {
            break;
        }
    }
    read
}

/// One request of `eventsource-client` over the pool that every other call uses. It neither retries
/// nor follows redirects.
#[derive(Clone)]
struct Transport {
    link: Link,
    silence: Duration,
}

impl HttpTransport for Transport {
    fn request(&self, request: http::Request<Option<Bytes>>) -> ResponseFuture {
        let Self { link, silence } = self.clone();
        Box::pin(SyncFuture::new(async move {
            let (parts, body) = request.into_parts();
            let request =
                link.http.request(parts.method, parts.uri.to_string()).headers(parts.headers);
            let request = match body {
                Some(body) => request.body(body),
                None => request,
            };
            let response = timeout(silence, request.send())
                .await
                .map_err(|_| silent())?
                .map_err(|error| broken(&error))?;
            let (status, headers) = (response.status(), response.headers().clone());
            let bytes = response.bytes_stream().map_err(|error| broken(&error)).boxed();
            let body: ByteStream = Box::pin(SyncStream::new(attentive(bytes, silence)));
            let mut answer = http::Response::new(body);
            *answer.status_mut() = status;
            *answer.headers_mut() = headers;
            Ok(answer)
        }))
    }
}

/// The same bytes, with an error when none come for so long. Bytes that are there already always
/// win, so that a reader who was away for longer loses nothing.
fn attentive(
    bytes: BoxStream<'static, Result<Bytes, TransportError>>,
    silence: Duration,
) -> BoxStream<'static, Result<Bytes, TransportError>> {
    futures::stream::unfold(Some(bytes), move |bytes| async move {
        let mut bytes = bytes?;
        tokio::select! {
            biased;
            part = bytes.next() => Some((part?, Some(bytes))),
            () = sleep(silence) => Some((Err(silent()), None)),
        }
    })
    .boxed()
}

fn silent() -> TransportError {
    TransportError::new(std::io::Error::from(std::io::ErrorKind::TimedOut))
}

fn broken(error: &reqwest::Error) -> TransportError {
    TransportError::new(std::io::Error::other(root_cause(error)))
}

#[cfg(test)]
#[path = "sse_test.rs"]
mod tests;
