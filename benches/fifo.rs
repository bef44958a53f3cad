//! How agents tell that they run, whoever started them: a named pipe, in which each writes a line.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};

pub(crate) struct Fifo {
    dir: tempfile::TempDir,
    file: File,
    rest: Vec<u8>,
}

/// An agent's first instruction, in nanoseconds of the monotonic clock, and its pid.
#[derive(Clone, Copy)]
pub(crate) struct Running {
    pub(crate) at: u64,
    pub(crate) pid: u32,
}

impl Fifo {
    pub(crate) fn new() -> Self {
        let dir =
            tempfile::Builder::new().prefix("dash-bench-fifo-").tempdir().expect("a directory");
        let path = dir.path().join("fifo");
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, mode).expect("a named pipe");
        // Open for writing as well: it has no end between two agents.
        let file = File::options().read(true).write(true).open(&path).expect("a named pipe");
        Self { dir, file, rest: Vec::new() }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.dir.path().join("fifo")
    }

    /// The next agent that runs, or none within the time.
    pub(crate) fn next(&mut self, patience: Duration) -> Option<Running> {
        let end = Instant::now() + patience;
        loop {
            if let Some(at) = self.rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.rest.drain(..=at).collect();
                let line = String::from_utf8_lossy(&line).into_owned();
                let mut words = line.split_whitespace();
                let at = words.next()?.parse().ok()?;
                return Some(Running { at, pid: words.next()?.parse().ok()? });
            }
            let left = end.checked_duration_since(Instant::now())?;
            let mut fds = [PollFd::new(&self.file, PollFlags::IN)];
            let left = rustix::time::Timespec::try_from(left).ok()?;
            if poll(&mut fds, Some(&left)).expect("a poll") > 0 {
                let mut bytes = [0; 4096];
                let read = self.file.read(&mut bytes).expect("a line");
                self.rest.extend_from_slice(&bytes[..read]);
            }
        }
    }

    /// As many as run within the time, in the order in which they told.
    pub(crate) fn all(&mut self, count: usize, patience: Duration) -> Vec<Running> {
        let end = Instant::now() + patience;
        let mut heard = Vec::new();
        while heard.len() < count {
            let left = end.saturating_duration_since(Instant::now());
            match self.next(left) {
                Some(one) => heard.push(one),
                None => break,
            }
        }
        heard
    }
}

/// Whether a process is there and not a zombie.
pub(crate) fn alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat"));
    stat.is_ok_and(|stat| !stat.rsplit(") ").next().unwrap_or("Z").starts_with('Z'))
}
