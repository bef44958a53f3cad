//! The keeper's side of a connection: it reads requests, and never waits for the daemon to read.

use futures::StreamExt;
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio_util::codec::{FramedRead, LinesCodec};

use super::protocol::{LINE_MAX, Report, Request, line};

/// A connection, or none.
#[derive(Default)]
pub(super) struct Link {
    up: Option<Up>,
}

struct Up {
    requests: FramedRead<OwnedReadHalf, LinesCodec>,
    reports: OwnedWriteHalf,
    /// What the daemon has not read yet. A few lines for each agent and message at most: it asks for
    /// nothing again before it has the answer.
    unsent: Vec<u8>,
}

impl Link {
    pub(super) fn new(stream: UnixStream) -> Self {
        let (read, reports) = stream.into_split();
        let requests = FramedRead::new(read, LinesCodec::new_with_max_length(LINE_MAX));
        Self { up: Some(Up { requests, reports, unsent: Vec::new() }) }
    }

    pub(super) fn is_up(&self) -> bool {
        self.up.is_some()
    }

    /// Says something to the daemon, if there is one; otherwise it will be in the next hello.
    pub(super) fn send(&mut self, report: &Report) {
        if let Some(up) = &mut self.up {
            up.unsent.extend_from_slice(line(report).as_bytes());
        }
    }

    /// The next request; `None` when the connection is over. Writes meanwhile. Never resolves while
    /// there is no connection. Safe to drop and call again.
    pub(super) async fn next(&mut self) -> Option<Request> {
        let Some(up) = &mut self.up else { return std::future::pending().await };
        loop {
            tokio::select! {
                sent = up.reports.write(&up.unsent), if !up.unsent.is_empty() => match sent {
                        Ok(count) => drop(up.unsent.drain(..count)),
                        Err(_) => return None,
                    },
                line = up.requests.next() => return match line? {
                    Ok(line) => match serde_json::from_str(&line) {
                        Ok(request) => Some(request),
                        Err(error) => {
                            // The error's text would quote what was sent, secrets and all.
                            tracing::error!(line = error.line(), "a request that makes no sense");
                            continue;
                        }
                    },
                    Err(_) => None,
                },
            }
        }
    }
}
