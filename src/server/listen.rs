//! Where the daemon listens.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::net::{TcpListener, UnixListener};
use tokio_rustls::TlsAcceptor;

use super::auth::Attempts;
use super::door::Door;
use super::layers::layered;
use super::refusals::Refusals;
use super::ring::Keys;
use super::serve::{AskWhose, Limits, Listener, serve};
use super::unix::{SocketFile, name_of};
use super::{App, routes, tls, unix};
use crate::model::Actor;

/// Where to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    /// The socket's path. It needs no key: only the user that the daemon runs as gets in.
    pub unix: PathBuf,
    pub tcp: Option<Tcp>,
}

/// A TCP listener. It always needs a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tcp {
    /// Port 0 takes any that is free.
    pub address: SocketAddr,
    /// Files with the certificate chain and the private key, in PEM; needed for an address that is
    /// not loopback.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// Host names, beside the address itself, that requests may name.
    pub hosts: Vec<String>,
}

/// Why the daemon cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    #[error("a daemon listens on {} already", path.display())]
    AlreadyListening { path: PathBuf },
    #[error("{} is there already, and it is no socket", path.display())]
    NotASocket { path: PathBuf },
    #[error("cannot listen on {}: {error}", path.display())]
    Socket { path: PathBuf, error: io::Error },
    #[error("everybody may change {}, and with it the socket in it", path.display())]
    OpenDirectory { path: PathBuf },
    #[error("cannot listen on {address}: {error}")]
    Address { address: SocketAddr, error: io::Error },
    #[error("{address} can be reached from other machines, and there is no certificate for it")]
    NeedsTls { address: SocketAddr },
    #[error("a TCP listener needs a key, and there is none")]
    NeedsKey,
    #[error("the key {name:?} is empty, or has characters that a header cannot carry")]
    Key { name: String },
    #[error("cannot use the keys in {}: {message}", path.display())]
    KeyFile { path: PathBuf, message: String },
    #[error("cannot use {} for TLS: {message}", path.display())]
    Tls { path: PathBuf, message: String },
}

impl ServerError {
    /// The next step, where there is one.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::AlreadyListening { .. } => "`dash shutdown` stops it".to_owned(),
            Self::NotASocket { path } => format!("move it away: `mv {0} {0}.old`", path.display()),
            Self::OpenDirectory { path } => format!("`chmod go-w {}`", path.display()),
            Self::Address { error, .. } if error.kind() == io::ErrorKind::AddrInUse => {
                "another program listens there; name another port with `--listen`".to_owned()
            }
            Self::NeedsTls { address } => format!(
                "set `tls_cert` and `tls_key` in config.toml, or `--listen 127.0.0.1:{}`",
                address.port()
            ),
            Self::Key { .. } => "write a key of letters, digits and signs".to_owned(),
            Self::KeyFile { path, .. } => {
                format!(
                    "move it away, and every key in it is revoked: `mv {0} {0}.old`",
                    path.display()
                )
            }
            Self::Socket { .. } | Self::Address { .. } | Self::NeedsKey | Self::Tls { .. } => {
                return None;
            }
        };
        Some(hint)
    }
}

/// Takes the addresses. Nothing is answered before [`Bound::run`]; callers wait.
///
/// # Errors
/// See [`ServerError`].
pub async fn bind(listen: Listen, keys: Keys) -> Result<Bound, ServerError> {
    let acceptor = listen.tcp.as_ref().map(|tcp| check_tcp(tcp, &keys)).transpose()?.flatten();
    let (unix, socket) = unix::bind(&listen.unix)?;
    let (tcp, hosts) = match listen.tcp {
        Some(tcp) => (Some(bind_tcp(tcp.address, acceptor).await?), tcp.hosts),
        None => (None, Vec::new()),
    };
    let uid = rustix::process::geteuid().as_raw();
    let user = Actor::user(&name_of(uid));
    let refusals = Refusals::default();
    let door = Door { uid, user, keys, attempts: Attempts::default(), hosts, refusals };
    Ok(Bound { unix, socket, tcp, door: Arc::new(door) })
}

fn check_tcp(tcp: &Tcp, keys: &Keys) -> Result<Option<TlsAcceptor>, ServerError> {
    if keys.is_empty() {
        return Err(ServerError::NeedsKey);
    }
    match &tcp.tls {
        Some((chain, key)) => Ok(Some(tls::acceptor(chain, key)?)),
        None if tcp.address.ip().to_canonical().is_loopback() => Ok(None),
        None => Err(ServerError::NeedsTls { address: tcp.address }),
    }
}

async fn bind_tcp(
    address: SocketAddr,
    tls: Option<TlsAcceptor>,
) -> Result<(TcpListener, Option<TlsAcceptor>), ServerError> {
    let listener = TcpListener::bind(address).await;
    listener
        .map(|listener| (listener, tls))
        .map_err(|error| ServerError::Address { address, error })
}

/// The addresses, taken.
pub struct Bound {
    unix: UnixListener,
    socket: SocketFile,
    tcp: Option<(TcpListener, Option<TlsAcceptor>)>,
    door: Arc<Door>,
}

impl std::fmt::Debug for Bound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (unix, tcp) = (self.socket(), self.tcp_address());
        f.debug_struct("Bound").field("unix", &unix).field("tcp", &tcp).finish_non_exhaustive()
    }
}

impl Bound {
    /// The socket's path.
    #[must_use]
    pub fn socket(&self) -> &Path {
        self.socket.path()
    }

    /// The TCP address, with the port that was taken.
    #[must_use]
    pub fn tcp_address(&self) -> Option<SocketAddr> {
        self.tcp.as_ref().and_then(|(listener, _)| listener.local_addr().ok())
    }

    /// Serves until `shutdown` resolves or a caller asks the daemon to end. Then nothing new is
    /// accepted, event streams end, and requests that are being answered have five seconds.
    pub async fn run(self, app: App, shutdown: impl Future<Output = ()>) {
        let (stop, metrics) = (app.stop.clone(), Arc::clone(&app.metrics));
        let places = Arc::clone(&app.places);
        self.door.refusals.record_into(app.supervisor.store());
        let door = Arc::clone(&self.door);
        let supervisor = app.supervisor.clone();
        let whose: AskWhose = Arc::new(move |pid, held| {
            let supervisor = supervisor.clone();
            Box::pin(async move { supervisor.whose(pid, held).await })
        });
        let router = layered(routes(Arc::new(app)), self.door, metrics);
        let mut listeners = vec![Listener::Unix { listener: self.unix, whose, _file: self.socket }];
        listeners.extend(self.tcp.map(|(listener, tls)| Listener::tcp(listener, tls)));
        serve(listeners, router, stop, shutdown, (Limits::default(), places)).await;
        door.refusals.flush().await;
    }
}

#[cfg(test)]
#[path = "listen_test.rs"]
mod tests;
