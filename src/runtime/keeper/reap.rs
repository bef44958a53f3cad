//! Taking note of children that have ended.

use nix::errno::Errno;
use nix::sys::wait::{Id, WaitPidFlag, waitid as nix_waitid};
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

use super::protocol::Ended;
use crate::model::Signal;
use crate::runtime::proc;

/// A child that has ended and is still a zombie: it keeps its pid, and its group's id, until it is
/// [`reap`]ed. `None` when there is no such child now.
pub(super) fn next_ended() -> Option<i32> {
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT | WaitPidFlag::WNOHANG;
    loop {
        match nix_waitid(Id::All, flags) {
            Ok(status) => return status.pid().map(nix::unistd::Pid::as_raw),
            Err(Errno::EINTR) => {}
            // nix cannot name a real-time signal, and so keeps the pid of its victim to itself.
            Err(Errno::EINVAL) => return search(),
            Err(_) => return None,
        }
    }
}

fn search() -> Option<i32> {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
    proc::children_of(std::process::id())?.into_iter().find(|pid| {
        Pid::from_raw(*pid)
            .is_some_and(|pid| matches!(waitid(WaitId::Pid(pid), options), Ok(Some(_))))
    })
}

/// Lets the zombie go, and says how it ended.
pub(super) fn reap(pid: i32) -> Ended {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
    let status =
        Pid::from_raw(pid).and_then(|pid| waitid(WaitId::Pid(pid), options).ok().flatten());
    let Some(status) = status else { return Ended::default() };
    let signal = status.terminating_signal().and_then(Signal::from_number);
    Ended { code: status.exit_status(), signal, ..Ended::default() }
}

/// Whether this process has children at all, zombies among them.
pub(super) fn has_children() -> bool {
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT | WaitPidFlag::WNOHANG;
    nix_waitid(Id::All, flags) != Err(Errno::ECHILD)
}
