//! Who belongs to an agent, and how to reach all of them.
//!
//! Nothing here has a clock: the caller knows how much time an agent gets between a signal and
//! [`Tree::kill_all`]. Signals go through pidfds whose process was checked again after opening, never
//! to a bare pid: that may belong to somebody else by now.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use rustix::process::{Pid, PidfdFlags, pidfd_open, pidfd_send_signal};

use super::cgroup;
use super::keeper::Record;
use super::proc::{Seen, Table};
use super::readable::readable;
use crate::model::{AgentId, Process, Signal};

/// How often [`Tree::kill_all`] looks again. A tree that forks is beaten long before: each round
/// kills everything that was seen.
const ROUNDS: usize = 64;

/// How many deaths of a round are waited for, so that a large tree does not need as many
/// descriptors. The next round sees whoever is left.
const AWAITED: usize = 64;

/// The processes of one agent.
#[derive(Debug, Clone)]
pub(super) struct Tree {
    pub(super) agent: AgentId,
    /// The process that was started, when it is known.
    pub(super) leader: Option<Process>,
    /// Processes that are never part of it: the keeper, above all.
    pub(super) spared: Vec<i32>,
    /// The agent's own directory, where the record of its process names its control group.
    pub(super) dir: PathBuf,
    pub(super) scanner: Scanner,
}

impl Tree {
    /// Those that live now, the oldest first.
    ///
    /// # Errors
    /// When `/proc` cannot be read.
    pub(super) async fn survivors(&self) -> io::Result<Vec<Seen>> {
        let table = self.scanner.table().await?;
        let group = self.group();
        let inside = group.as_deref().map(cgroup::members).unwrap_or_default();
        let mut members = table.members(self.agent, self.leader, &self.spared, &inside);
        members.extend(self.newcomers(group.as_deref(), &table, &inside));
        // The leader first, and children after their parents: otherwise a shell could see its child
        // die of the signal, and end by itself before it hears it.
        let leader = self.leader.map(|leader| leader.pid);
        members.sort_by_key(|seen| (Some(seen.process.pid) != leader, seen.process.start));
        Ok(members)
    }

    fn group(&self) -> Option<PathBuf> {
        cgroup::of(self.agent, Record::read(&self.dir).group)
    }

    /// Whether somebody lives in the group after all. One who forks and exits while `/proc` and the
    /// group are read can leave a child that is in neither list (version 1 counts a group before it
    /// lists it), so nobody may fork from now on: then whoever lives is listed.
    fn somebody_hides(&self) -> bool {
        let Some(group) = self.group() else { return false };
        cgroup::stop_forking(&group);
        let mut inside = cgroup::members(&group).into_iter();
        let lives = |pid: i32| Seen::look(pid).is_some_and(|seen| seen.lives());
        inside.any(|pid| !self.spared.contains(&pid) && lives(pid))
    }

    /// Those in the group who were not in the table yet. They are looked at, and then have to be in
    /// the group still: otherwise the pid may have become somebody else's in between.
    fn newcomers(&self, group: Option<&Path>, table: &Table, inside: &[i32]) -> Vec<Seen> {
        let new = |pid: &&i32| !table.has(**pid) && !self.spared.contains(*pid);
        let looked = inside.iter().filter(new).filter_map(|pid| Seen::look_at_leader(*pid));
        let looked: Vec<Seen> = looked.filter(Seen::lives).collect();
        let still = match group {
            Some(group) if !looked.is_empty() => cgroup::members(group),
            _ => return Vec::new(),
        };
        looked.into_iter().filter(|seen| still.contains(&seen.process.pid)).collect()
    }

    /// Sends a signal to all of them, and wakes those that are stopped so that they can hear it.
    /// Says how many it reached.
    ///
    /// # Errors
    /// When `/proc` cannot be read, or the signal is a real-time one, which cannot be sent.
    pub(super) async fn signal(&self, signal: Signal) -> io::Result<usize> {
        let raw = raw(signal)?;
        let mut reached = 0;
        for seen in self.survivors().await? {
            let Some(held) = hold(seen.process) else { continue };
            if pidfd_send_signal(&held, raw).is_ok() {
                reached += 1;
                if seen.is_stopped() && raw != rustix::process::Signal::STOP {
                    let _ = pidfd_send_signal(&held, rustix::process::Signal::CONT);
                }
            }
        }
        Ok(reached)
    }

    /// Kills until none is left, at most [`ROUNDS`] times, each time waiting for those that were
    /// killed. Gives back who could not be killed.
    ///
    /// # Errors
    /// When `/proc` cannot be read.
    pub(super) async fn kill_all(&self) -> io::Result<Vec<Seen>> {
        for round in 0..ROUNDS {
            if round == 1 {
                // Not before: one that cannot fork may end by itself before it is killed.
                self.group().as_deref().into_iter().for_each(cgroup::stop_forking);
            }
            let members = self.survivors().await?;
            if members.is_empty() && !self.somebody_hides() {
                return Ok(members);
            }
            let mut dying = Vec::new();
            for seen in &members {
                let Some(held) = hold(seen.process) else { continue };
                let sent = pidfd_send_signal(&held, rustix::process::Signal::KILL);
                if sent.is_ok() && dying.len() < AWAITED {
                    dying.push(held);
                }
            }
            for held in dying {
                ended(held).await?;
            }
        }
        self.survivors().await
    }
}

/// Resolves when this very process has ended; at once when it has already.
///
/// # Errors
/// When it cannot be watched, for want of descriptors.
pub(super) async fn end_of(process: Process) -> io::Result<()> {
    let pid = Pid::from_raw(process.pid).ok_or(io::ErrorKind::InvalidInput)?;
    match pidfd_open(pid, PidfdFlags::NONBLOCK) {
        Ok(held) if super::proc::lives(process) => ended(held).await,
        Ok(_) | Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// A pidfd turns readable when its process ends (`pidfd_open(2)`).
async fn ended(held: OwnedFd) -> io::Result<()> {
    readable(held)?.readable().await?.retain_ready();
    Ok(())
}

/// A handle on this very process: opened by pid, and then checked to be the one that was meant.
fn hold(process: Process) -> Option<OwnedFd> {
    let held = pidfd_open(Pid::from_raw(process.pid)?, PidfdFlags::NONBLOCK).ok()?;
    super::proc::lives(process).then_some(held)
}

fn raw(signal: Signal) -> io::Result<rustix::process::Signal> {
    rustix::process::Signal::from_named_raw(signal.number()).ok_or_else(|| {
        let text = format!("{signal} is a real-time signal, which cannot be sent to a whole tree");
        io::Error::new(io::ErrorKind::InvalidInput, text)
    })
}

type Scan = Shared<BoxFuture<'static, Result<Arc<Table>, String>>>;

/// Reads `/proc` for whoever asks, one scan at a time. All who ask while a scan runs share the next
/// one, so that a thousand agents that end at once cost two scans.
#[derive(Clone, Default)]
pub(super) struct Scanner {
    inner: Arc<Turns>,
}

#[derive(Default)]
struct Turns {
    /// The scan that has not begun: whoever asks may join it.
    next: Mutex<Option<Scan>>,
    running: tokio::sync::Mutex<()>,
}

impl std::fmt::Debug for Scanner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scanner").finish_non_exhaustive()
    }
}

impl Scanner {
    /// A table whose reading began after this call.
    ///
    /// # Errors
    /// When `/proc` cannot be read.
    pub(super) async fn table(&self) -> io::Result<Arc<Table>> {
        let scan = {
            let mut next = self.inner.next.lock().unwrap_or_else(PoisonError::into_inner);
            next.get_or_insert_with(|| {
                // A task of its own: whoever waits for it may stop doing so at any moment, and must
                // not keep the others from their turn.
                let scan = tokio::spawn(Self::scan(Arc::clone(&self.inner)));
                let table = scan.map(|done| done.unwrap_or_else(|error| Err(error.to_string())));
                table.boxed().shared()
            })
            .clone()
        };
        scan.await.map_err(io::Error::other)
    }

    async fn scan(turns: Arc<Turns>) -> Result<Arc<Table>, String> {
        let _running = turns.running.lock().await;
        *turns.next.lock().unwrap_or_else(PoisonError::into_inner) = None;
        match tokio::task::spawn_blocking(Table::read).await {
            Ok(Ok(table)) => Ok(Arc::new(table)),
            Ok(Err(error)) => Err(format!("cannot read /proc: {error}")),
            Err(error) => Err(format!("cannot read /proc: {error}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn many_who_ask_at_once_share_a_scan() {
        let scanner = Scanner::default();
        let tables =
            futures::future::try_join_all((0..100).map(|_| scanner.table())).await.unwrap();
        let distinct: std::collections::HashSet<_> = tables.iter().map(Arc::as_ptr).collect();
        assert!(distinct.len() <= 2, "{} scans", distinct.len());
        let later = scanner.table().await.unwrap();
        assert!(!distinct.contains(&Arc::as_ptr(&later)), "a later one is new");
        drop(tables);
    }

    #[tokio::test]
    async fn one_who_stops_waiting_holds_nobody_up() {
        let scanner = Scanner::default();
        let mut first = scanner.table().boxed();
        assert!(futures::poll!(&mut first).is_pending());
        tokio::task::yield_now().await;
        let mut second = scanner.table().boxed();
        assert!(futures::poll!(&mut second).is_pending());
        // Neither is dropped, and neither is polled again.
        let limit = crate::runtime::testing::LIMIT;
        tokio::time::timeout(limit, scanner.table()).await.expect("its turn comes").unwrap();
    }

    #[tokio::test]
    async fn the_end_of_a_process_that_is_gone_is_now() {
        let pid = i32::try_from(std::process::id()).unwrap();
        end_of(Process { pid, start: 1 }).await.unwrap();
    }

    #[test]
    fn whoever_has_the_pid_by_now_is_not_held() {
        let mut child = std::process::Command::new("/bin/sleep").arg("60").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let process = Process { pid, start: crate::runtime::proc::start_of(pid).unwrap() };
        assert!(hold(process).is_some());
        assert!(hold(Process { start: process.start - 1, ..process }).is_none());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(hold(process).is_none());
    }

    #[test]
    fn a_signal_that_cannot_be_sent_says_so() {
        assert!(raw(Signal::TERM).is_ok());
        assert!(raw(Signal::from_number(40).unwrap()).is_err());
    }
}
