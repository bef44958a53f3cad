//! Connecting to a keeper, and starting one when there is none.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use futures::StreamExt;
use rustix::fs::OFlags;
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::process::{Child, Command};
use tokio::time::Instant;
use tokio_util::codec::{FramedRead, LinesCodec};

use super::KeeperError;
use super::protocol::{LINE_MAX, Owned, Report, VERSION};

/// How long a keeper may take to start.
const STARTING: Duration = Duration::from_secs(10);

/// How long a keeper may take to say hello; it is busy for a moment when it starts many agents.
const HELLO: Duration = Duration::from_secs(5);

/// A connection over which the keeper has said hello.
pub(super) struct Connection {
    pub(super) pid: i32,
    pub(super) owned: Vec<Owned>,
    /// Whether it can make an agent's things ready before its start.
    pub(super) prepares: bool,
    pub(super) reports: FramedRead<OwnedReadHalf, LinesCodec>,
    pub(super) writer: OwnedWriteHalf,
}

/// Connects; starts `program keeper STATE` as often as needed, for at most [`STARTING`].
///
/// # Errors
/// When no keeper answers in that time, or it speaks a newer protocol.
pub(super) async fn connect(state: &Path, program: &Path) -> Result<Connection, KeeperError> {
    let deadline = Instant::now() + STARTING;
    let mut pause = Duration::from_millis(1);
    let mut keeper: Option<Child> = None;
    loop {
        if let Some(connection) = attempt(state).await? {
            // Dropped, a child is reaped in the background when it ends.
            return Ok(connection);
        }
        // It exits at once when another one has the lock, and that one may be just about to go.
        let running = keeper.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None)));
        if !running {
            keeper = Some(start(state, program)?);
        }
        if Instant::now() >= deadline {
            return Err(KeeperError::Silent { path: super::socket(state) });
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

/// One attempt. `None` when nobody is there, or it went away while we came.
async fn attempt(state: &Path) -> Result<Option<Connection>, KeeperError> {
    let path = super::socket(state);
    let Ok(stream) = UnixStream::connect(&path).await else { return Ok(None) };
    let peer = stream.peer_cred().map_err(KeeperError::at(&path))?;
    if peer.uid() != rustix::process::geteuid().as_raw() {
        let error = std::io::Error::other("another user listens there");
        return Err(KeeperError::at(&path)(error));
    }
    let (read, writer) = stream.into_split();
    let mut reports = FramedRead::new(read, LinesCodec::new_with_max_length(LINE_MAX));
    let Ok(Some(Ok(hello))) = tokio::time::timeout(HELLO, reports.next()).await else {
        return Ok(None);
    };
    match serde_json::from_str(&hello) {
        Ok(Report::Hello { version, .. }) if version > VERSION => {
            Err(KeeperError::Newer { found: version, known: VERSION })
        }
        Ok(Report::Hello { pid, agents, prepares, .. }) => {
            Ok(Some(Connection { pid, owned: agents, prepares, reports, writer }))
        }
        _ => Ok(None),
    }
}

fn start(state: &Path, program: &Path) -> Result<Child, KeeperError> {
    let log = state.join("keeper.log");
    let mut open = OpenOptions::new();
    let nofollow = i32::try_from(OFlags::NOFOLLOW.bits()).unwrap_or_default();
    open.append(true).create(true).mode(0o600).custom_flags(nofollow);
    let log_file = open.open(&log).map_err(KeeperError::at(&log))?;
    let mut command = Command::new(program);
    command.arg("keeper").arg(state).current_dir("/").env_clear();
    for name in ["PATH", "HOME"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log_file)
        .spawn()
        .map_err(KeeperError::at(program))
}
