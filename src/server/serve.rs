//! Connections: accepted, served, and ended in good order.

use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use futures::future::{BoxFuture, join_all};
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use super::door::Peer;
use super::places::{Place, Places, Spare};
use super::unix::{self, Held, SocketFile};
use crate::supervisor::Whose;

/// Bytes in a request's line and headers. They hold selectors, of which there may be hundreds.
const HEADER_MAX: usize = 64 * 1024;
/// Bytes that are read ahead of a request, and that wait to be written, of each connection: what a
/// reader that has stopped to read holds.
const BUFFER_MAX: usize = HEADER_MAX + 8 * 1024;
/// TCP connections at once, so that callers without a key cannot take every descriptor.
const TCP_CONNECTIONS_MAX: usize = 4096;
/// How long to wait when the system has no descriptor for a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long others are waited for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// For the headers of a request, also of the next one on a connection, and for the TLS
    /// handshake.
    pub(super) headers: Duration,
    /// For the same on a connection that takes a spare place.
    pub(super) spare_headers: Duration,
    /// For requests that are being answered when the daemon ends.
    pub(super) end: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            headers: Duration::from_secs(10),
            spare_headers: Duration::from_secs(1),
            end: Duration::from_secs(5),
        }
    }
}

/// Where connections come from.
pub(super) enum Listener {
    /// The file goes when the listener does.
    Unix {
        listener: UnixListener,
        whose: AskWhose,
        _file: SocketFile,
    },
    Tcp(TcpListener, Option<TlsAcceptor>, Arc<Semaphore>),
}

impl Listener {
    pub(super) fn tcp(listener: TcpListener, tls: Option<TlsAcceptor>) -> Self {
        Self::Tcp(listener, tls, Arc::new(Semaphore::new(TCP_CONNECTIONS_MAX)))
    }

    async fn accept(&self) -> io::Result<Accepted> {
        match self {
            Self::Unix { listener, whose, .. } => {
                Ok(Accepted::Unix(listener.accept().await?.0, Arc::clone(whose)))
            }
            Self::Tcp(listener, tls, places) => {
                let place = Arc::clone(places).acquire_owned().await.map_err(io::Error::other)?;
                let (stream, _) = listener.accept().await?;
                Ok(Accepted::Tcp(stream, tls.clone(), place))
            }
        }
    }
}

/// A connection of which nothing is known yet.
enum Accepted {
    Unix(UnixStream, AskWhose),
    Tcp(TcpStream, Option<TlsAcceptor>, OwnedSemaphorePermit),
}

/// Says whose process is at the other end of the Unix socket: by its id, and a handle on it.
pub(super) type AskWhose =
    Arc<dyn Fn(Option<i32>, Option<OwnedFd>) -> BoxFuture<'static, Whose> + Send + Sync>;

/// What every connection is served with.
struct Serving {
    router: Router,
    http: http1::Builder,
    /// For one request a connection.
    spare_http: http1::Builder,
    places: Arc<Places>,
    limits: Limits,
    /// Ends idle connections and streams.
    stop: CancellationToken,
    /// Ends every connection.
    cut: CancellationToken,
    connections: TaskTracker,
}

/// Serves until `shutdown` resolves or `stop` is cancelled; returns when every connection has ended.
pub(super) async fn serve(
    listeners: Vec<Listener>,
    router: Router,
    stop: CancellationToken,
    shutdown: impl Future<Output = ()>,
    (limits, places): (Limits, Arc<Places>),
) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(limits.headers)
        .max_header_size(HEADER_MAX)
        .max_buf_size(BUFFER_MAX);
    let mut spare_http = http.clone();
    spare_http.keep_alive(false).header_read_timeout(limits.spare_headers);
    let (cut, connections) = (CancellationToken::new(), TaskTracker::new());
    let serving =
        Arc::new(Serving { router, http, spare_http, places, limits, stop, cut, connections });

    let accepting = listeners.into_iter().map(|listener| accept_all(listener, &serving));
    let told = async {
        tokio::select! {
            () = shutdown => serving.stop.cancel(),
            () = serving.stop.cancelled() => {}
        }
    };
    tokio::join!(join_all(accepting), told);

    serving.connections.close();
    if timeout(limits.end, serving.connections.wait()).await.is_err() {
        tracing::warn!(connections = serving.connections.len(), "cut off at the daemon's end");
        serving.cut.cancel();
        serving.connections.wait().await;
    }
}

async fn accept_all(listener: Listener, serving: &Arc<Serving>) {
    let mut complained = false;
    while let Some(accepted) = serving.stop.run_until_cancelled(listener.accept()).await {
        match accepted {
            Ok(accepted) => {
                complained = false;
                // Whoever comes while all places are taken waits here, and so do those after it.
                let taken = serving.stop.run_until_cancelled(serving.places.take());
                let Some(place) = taken.await else { return };
                serving.connections.spawn(accepted.serve(Arc::clone(serving), place));
            }
            Err(error) if is_callers_own(&error) => {}
            // No descriptor or memory is left (accept(2)): the caller stays in the backlog, and
            // accept would fail at once again.
            Err(error) => {
                if !complained {
                    tracing::error!(%error, "cannot accept connections");
                }
                complained = true;
                serving.places.note();
                let pause = tokio::time::sleep(ACCEPT_PAUSE);
                serving.stop.run_until_cancelled(pause).await;
            }
        }
    }
}

/// Whether the connection failed before it was accepted, which concerns no other.
fn is_callers_own(error: &io::Error) -> bool {
    use ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

impl Accepted {
    async fn serve(self, serving: Arc<Serving>, place: Place) {
        match self {
            Self::Unix(stream, whose) => {
                let (uid, pid, held) = unix::peer(&stream);
                let whose = match held {
                    Held::Gone => Whose::Gone,
                    Held::Unknown => whose(pid, None).await,
                    Held::Process(held) => whose(pid, Some(held)).await,
                };
                serving.converse(stream, Peer::Unix { uid, whose }, place).await;
            }
            Self::Tcp(stream, tls, _place) => {
                let (Ok(remote), Ok(local)) = (stream.peer_addr(), stream.local_addr()) else {
                    return;
                };
                // Single events are small, and are not to wait for each other.
                let _ = stream.set_nodelay(true);
                let peer = Peer::Tcp { remote, local, tls: tls.is_some() };
                let Some(tls) = tls else { return serving.converse(stream, peer, place).await };
                let handshake = timeout(serving.limits.headers, tls.accept(stream));
                match serving.stop.run_until_cancelled(handshake).await {
                    Some(Ok(Ok(stream))) => serving.converse(stream, peer, place).await,
                    Some(Ok(Err(error))) => tracing::debug!(%error, "no TLS came about"),
                    Some(Err(_)) | None => {}
                }
            }
        }
    }
}

impl Serving {
    async fn converse<S>(&self, stream: S, peer: Peer, place: Place)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let service = service_fn(|mut request: Request<Incoming>| {
            request.extensions_mut().insert(peer);
            if place.is_spare {
                request.extensions_mut().insert(Spare);
            }
            self.router.clone().oneshot(request)
        });
        let http = if place.is_spare { &self.spare_http } else { &self.http };
        let connection = http.serve_connection(TokioIo::new(stream), service);
        let mut connection = pin!(connection);
        tokio::select! {
            ended = connection.as_mut() => return note(ended),
            () = self.stop.cancelled() => connection.as_mut().graceful_shutdown(),
        }
        if let Some(ended) = self.cut.run_until_cancelled(connection).await {
            note(ended);
        }
    }
}

/// A connection that breaks off is its caller's affair.
fn note(ended: hyper::Result<()>) {
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection broke off");
    }
}

#[cfg(test)]
#[path = "serve_test.rs"]
mod tests;
