//! Which process is at the other end of a TCP connection of this machine: a caller that hangs up means
//! something else than a caller that has died.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

/// Callers that are looked at first: a gateway asks a hundred times.
const KNOWN_MAX: usize = 8;

/// A process, recognised by its id and the time it was started at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Process {
    pid: u32,
    /// In the kernel's ticks since it booted (`proc_pid_stat(5)`, field 22).
    started: u64,
}

impl Process {
    fn with(pid: u32) -> Option<Self> {
        Some(Self { pid, started: started(pid)? })
    }

    /// Whether it is there. A process that has ended and was not waited for holds no connection.
    pub(super) fn lives(self) -> bool {
        started(self.pid) == Some(self.started)
    }

    /// Whether it holds this socket.
    fn holds(self, socket: &str) -> bool {
        let Ok(files) = fs::read_dir(format!("/proc/{}/fd", self.pid)) else { return false };
        let links = files.flatten().filter_map(|file| fs::read_link(file.path()).ok());
        links.into_iter().any(|link| link.as_os_str() == socket)
    }
}

/// The processes that have called.
#[derive(Debug, Default)]
pub(super) struct Callers(Mutex<Vec<Process>>);

impl Callers {
    /// Who holds the other end of the connection that came from `remote` to `local`. None when that is
    /// on another machine, or in a process that cannot be looked into. Reads `/proc`, which takes
    /// about a millisecond.
    pub(super) fn find(&self, remote: SocketAddr, local: SocketAddr) -> Option<Process> {
        let socket = format!("socket:[{}]", inode(remote, local)?);
        let known = self.known().clone();
        if let Some(found) = known.into_iter().find(|process| process.holds(&socket)) {
            return Some(found);
        }
        let pids = fs::read_dir("/proc").ok()?.flatten();
        let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let found = pids.filter_map(Process::with).find(|process| process.holds(&socket))?;
        let mut known = self.known();
        known.retain(|process| process.pid != found.pid);
        known.insert(0, found);
        known.truncate(KNOWN_MAX);
        Some(found)
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Vec<Process>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// When the process was started; none when it is not there, or is a zombie.
fn started(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(PathBuf::from(format!("/proc/{pid}/stat"))).ok()?;
    // The name is in parentheses and may have some of its own.
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    match fields.next()? {
        "Z" | "X" => None,
        _ => fields.nth(18)?.parse().ok(),
    }
}

/// The inode of the caller's socket: `/proc/net/tcp` has a line a socket with its own address, its
/// peer's, and the inode as the tenth field (`proc_net(5)`).
fn inode(remote: SocketAddr, local: SocketAddr) -> Option<u64> {
    let table = if remote.is_ipv4() { "/proc/net/tcp" } else { "/proc/net/tcp6" };
    let (theirs, ours) = (written(remote), written(local));
    fs::read_to_string(table).ok()?.lines().find_map(|line| {
        let mut fields = line.split_ascii_whitespace().skip(1);
        let same = fields.next()? == theirs && fields.next()? == ours;
        let inode = fields.nth(6)?.parse().ok()?;
        (same && inode != 0).then_some(inode)
    })
}

/// An address as the kernel writes it there: words of the machine's byte order, in hexadecimal.
fn written(address: SocketAddr) -> String {
    let words = |octets: &[u8]| {
        let word = |part: &[u8]| {
            let bytes = part.try_into().unwrap_or_default();
            format!("{:08X}", u32::from_ne_bytes(bytes))
        };
        octets.chunks(4).map(word).collect::<String>()
    };
    let ip = match address {
        SocketAddr::V4(address) => words(&address.ip().octets()),
        SocketAddr::V6(address) => words(&address.ip().octets()),
    };
    format!("{ip}:{:04X}", address.port())
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn the_caller_is_found_and_known_again() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            // A machine may have no IPv6.
            let Ok(listener) = TcpListener::bind(address) else { continue };
            let caller = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (accepted, remote) = listener.accept().unwrap();
            let callers = Callers::default();
            for _ in 0..2 {
                let found = callers.find(remote, accepted.local_addr().unwrap()).unwrap();
                assert_eq!(found.pid, std::process::id());
                assert!(found.lives());
            }
            assert_eq!(callers.known().len(), 1);
            drop(caller);
        }
    }

    #[test]
    fn nobody_is_found_where_nobody_calls() {
        let nowhere = "127.0.0.1:1".parse().unwrap();
        assert_eq!(Callers::default().find(nowhere, nowhere), None);
    }

    #[test]
    fn a_process_that_has_ended_does_not_live() {
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let process = Process::with(child.id()).unwrap();
        assert!(process.lives());
        assert!(!Process { started: process.started + 1, ..process }.lives(), "another one");
        drop(child.stdin.take());
        child.wait().unwrap();
        assert!(!process.lives());
    }
}
