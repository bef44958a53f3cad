//! The Unix socket: who may reach it, and what becomes of an old one.

use std::fs::{self, DirBuilder, Permissions};
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener as StdListener, UnixStream as StdStream};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::socket::getsockopt;
use nix::sys::socket::sockopt::PeerPidfd;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind as bind_socket};
use rustix::net::{listen, socket_with};
use tokio::net::{UnixListener, UnixStream};

use super::ServerError;

/// Connections that wait to be accepted; the system's own limit (`net.core.somaxconn`) may be lower.
const BACKLOG: i32 = 4096;

/// The socket's file, removed when the daemon stops listening, unless another one is there by then.
pub(super) struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
}

impl SocketFile {
    fn of(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), identity: identity(path)? })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|found| found == self.identity) {
            // A file that stays is found stale by the next daemon.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Device and inode: which file it is, whatever its name.
fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let found = fs::symlink_metadata(path)?;
    Ok((found.dev(), found.ino()))
}

/// Listens on this path. The directory is made with mode 0700, and the socket has mode 0600 before
/// anyone can connect to it. The file of a daemon that is gone is replaced.
pub(super) fn bind(path: &Path) -> Result<(UnixListener, SocketFile), ServerError> {
    let cannot = |error| ServerError::Socket { path: path.to_owned(), error };
    if let Some(directory) = path.parent() {
        make_directory(directory)?;
    }
    remove_stale(path)?;
    let socket = bind_quietly(path).map_err(cannot)?;
    let file = SocketFile::of(path).map_err(cannot)?;
    fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(cannot)?;
    // Only from here on can anyone connect.
    listen(&socket, BACKLOG).map_err(|error| cannot(error.into()))?;
    let listener = UnixListener::from_std(StdListener::from(socket)).map_err(cannot)?;
    Ok((listener, file))
}

/// A socket that has its name and does not listen.
fn bind_quietly(path: &Path) -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    bind_socket(&socket, &SocketAddrUnix::new(path)?)?;
    Ok(socket)
}

fn make_directory(directory: &Path) -> Result<(), ServerError> {
    let cannot = |error| ServerError::Socket { path: directory.to_owned(), error };
    DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(cannot)?;
    let mode = fs::metadata(directory).map_err(cannot)?.mode();
    let (everybody_writes, sticky) = (mode & 0o002 != 0, mode & 0o1000 != 0);
    if everybody_writes && !sticky {
        return Err(ServerError::OpenDirectory { path: directory.to_owned() });
    }
    Ok(())
}

/// Removes the socket of a daemon that is gone: one that refuses connections. Whoever composes the
/// daemon holds a lock by now, so that no other daemon is between its bind and its listen.
fn remove_stale(path: &Path) -> Result<(), ServerError> {
    let cannot = |error| ServerError::Socket { path: path.to_owned(), error };
    match fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => {
            return Err(ServerError::NotASocket { path: path.to_owned() });
        }
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(cannot(error)),
    }
    match StdStream::connect(path) {
        Ok(_) => Err(ServerError::AlreadyListening { path: path.to_owned() }),
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(cannot)
        }
        Err(error) => Err(cannot(error)),
    }
}

/// A handle on the process that connected.
pub(super) enum Held {
    Process(OwnedFd),
    /// It has ended.
    Gone,
    /// The system has no such handles (before Linux 6.5).
    Unknown,
}

/// Who connected: the user, the process, and a handle on that very process (`SO_PEERCRED` and
/// `SO_PEERPIDFD`, unix(7)). All are of the moment of connecting.
pub(super) fn peer(stream: &UnixStream) -> (Option<u32>, Option<i32>, Held) {
    let credentials = stream.peer_cred().ok();
    let held = match getsockopt(stream, PeerPidfd) {
        Ok(held) => Held::Process(held),
        Err(Errno::ENOPROTOOPT) => Held::Unknown,
        Err(_) => Held::Gone,
    };
    let uid = credentials.as_ref().map(tokio::net::unix::UCred::uid);
    (uid, credentials.and_then(|peer| peer.pid()), held)
}

/// The user's name by `/etc/passwd` (passwd(5)), or the number.
pub(super) fn name_of(uid: u32) -> String {
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    find_name(&users, uid).map_or_else(|| uid.to_string(), str::to_owned)
}

fn find_name(users: &str, uid: u32) -> Option<&str> {
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next().filter(|name| !name.is_empty())?;
        (fields.nth(1)?.parse() == Ok(uid)).then_some(name)
    })
}

#[cfg(test)]
#[path = "unix_test.rs"]
mod tests;
