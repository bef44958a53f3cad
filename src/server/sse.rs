//! Events as server-sent events (HTML Living Standard, section 9.2).
//!
//! A stream is pulled: the log is read from the reader's cursor when the connection can take more,
//! so that nothing piles up for a reader that does not read.

use std::convert::Infallible;
use std::io::Write;
use std::pin::Pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::{BufMut, Bytes, BytesMut};
use futures::stream::{BoxStream, Stream, StreamExt};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use serde::Serialize;
use tokio::sync::Semaphore;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};
use tokio_util::sync::PollSemaphore;

use super::metrics::{Metrics, OpenStream};
use crate::api::{self, EventView, ResetBody};
use crate::model::{Event, Seq};
use crate::store::{Followed, StoreError};

/// How often a stream says that it is alive.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Bytes after which a chunk is full. Some wait in each connection of a reader that has stopped.
const CHUNK: usize = 32 * 1024;
/// Streams that put a chunk together at the same time. All others wait in line and not on the threads:
/// however many come back at once, whoever asks for something small is answered in between.
const TURNS: usize = 4;
/// The first bytes of a stream, which show that it is open.
const OPENING: &[u8] = b": dash\n\n";
const ALIVE: &[u8] = b": alive\n\n";

/// One line for all streams of the process, which share its threads.
static LINE: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(TURNS)));

/// Resolves when the stream is to end.
type Stop = Pin<Box<dyn Future<Output = ()> + Send>>;
type Events = BoxStream<'static, Result<Followed, StoreError>>;

/// A stream of these events, which come after `since`, that ends with them, or when `stop`
/// resolves. Its header says where it starts, so that a reader who hears nothing before the
/// connection breaks can go on from there.
pub(super) fn respond(
    events: Events,
    since: Seq,
    stop: impl Future<Output = ()> + Send + 'static,
    metrics: &Arc<Metrics>,
) -> Response {
    let chunks = Chunks::new(events, stop, Some(metrics.stream_opened()));
    let headers = [
        (CONTENT_TYPE.as_str(), "text/event-stream"),
        (CACHE_CONTROL.as_str(), "no-cache"),
        // Proxies that buffer would hold events back.
        ("x-accel-buffering", "no"),
    ];
    let position = [(api::POSITION, since.to_string())];
    (headers, position, Body::from_stream(chunks)).into_response()
}

/// The bytes of a stream: all events that are ready go out together, and none waits for another.
struct Chunks {
    events: Events,
    stop: Stop,
    ticks: Interval,
    line: PollSemaphore,
    opened: bool,
    ended: bool,
    /// The size of the last chunk: the next one will be much the same.
    last: usize,
    _open: Option<OpenStream>,
}

impl Chunks {
    fn new(
        events: Events,
        stop: impl Future<Output = ()> + Send + 'static,
        open: Option<OpenStream>,
    ) -> Self {
        let mut ticks = interval_at(Instant::now() + KEEP_ALIVE, KEEP_ALIVE);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            events,
            stop: Box::pin(stop),
            ticks,
            line: PollSemaphore::new(Arc::clone(&LINE)),
            opened: false,
            ended: false,
            last: 0,
            _open: open,
        }
    }

    /// Takes what is ready, up to a full chunk.
    fn fill(&mut self, cx: &mut Context<'_>, chunk: &mut BytesMut) {
        while chunk.len() < CHUNK {
            match self.events.poll_next_unpin(cx) {
                Poll::Ready(Some(Ok(followed))) => {
                    chunk.reserve(if chunk.is_empty() { self.last } else { 0 });
                    write(chunk, &followed);
                }
                Poll::Ready(Some(Err(error))) => {
                    // The reader comes back with its cursor, and is then told what is wrong.
                    tracing::error!(%error, "an event stream broke off");
                    self.ended = true;
                    return;
                }
                Poll::Ready(None) => {
                    self.ended = true;
                    return;
                }
                Poll::Pending => return,
            }
        }
    }
}

impl Stream for Chunks {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ended || self.stop.as_mut().poll(cx).is_ready() {
            return Poll::Ready(None);
        }
        // Given back when the chunk is there: a reader that has stopped holds up nobody.
        let _turn = ready!(self.line.poll_acquire(cx));
        // Not kept between chunks: a thousand idle streams hold no buffer.
        let mut chunk = BytesMut::new();
        if !std::mem::replace(&mut self.opened, true) {
            chunk.put_slice(OPENING);
        }
        self.fill(cx, &mut chunk);
        if self.ticks.poll_tick(cx).is_ready() {
            chunk.put_slice(ALIVE);
        }
        if chunk.is_empty() {
            return if self.ended { Poll::Ready(None) } else { Poll::Pending };
        }
        self.last = chunk.len();
        Poll::Ready(Some(Ok(chunk.freeze())))
    }
}

/// Every block has an `id`: clients keep the last one to come back with.
fn write(chunk: &mut BytesMut, followed: &Followed) {
    match followed {
        Followed::Event(event) => write_event(chunk, event),
        Followed::Reset { oldest, since } => {
            let id = Seq(oldest.0.saturating_sub(1));
            let reset = ResetBody { r#type: "reset".to_owned(), oldest: *oldest, since: *since };
            chunk.put_slice(b"event: reset\n");
            write_block(chunk, id, &reset);
        }
    }
}

fn write_event(chunk: &mut BytesMut, event: &Event) {
    write_block(chunk, event.seq, &EventView::from(event));
}

fn write_block(chunk: &mut BytesMut, id: Seq, data: &impl Serialize) {
    let mut out = chunk.writer();
    // Writing to memory cannot fail, and what is written has text keys only.
    let _ = write!(out, "id: {id}\ndata: ");
    let start = out.get_ref().len();
    let _ = serde_json::to_writer(&mut out, data);
    // An agent's data may be laid out over several lines. In JSON a line end is white space, and
    // here it would end the field.
    for byte in &mut chunk[start..] {
        *byte = if matches!(*byte, b'\n' | b'\r') { b' ' } else { *byte };
    }
    chunk.put_slice(b"\n\n");
}

#[cfg(test)]
#[path = "sse_test.rs"]
mod tests;
