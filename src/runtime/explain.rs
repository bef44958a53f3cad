//! Why an agent ended, beyond its code and its signal.

use super::Stop;
use super::keeper::{Ended, Record};
use crate::model::{Agent, Signal};

/// Why a process may have ended that nobody has asked us to end.
pub(super) fn unasked(ended: Ended, stop: Stop) -> Option<String> {
    let reason = match (stop, ended) {
        (Stop::No, Ended { memory_ran_out: true, .. }) => {
            "memory ran out, and the kernel ended a process, most likely this one or one that it \
             started (`dmesg` names it)"
        }
        (Stop::No, Ended { signal: Some(Signal::KILL), .. }) => {
            "it was killed, and not by Dash: by somebody, or because memory ran out"
        }
        _ => return None,
    };
    Some(reason.to_owned())
}

/// Why nobody knows how it ended.
pub(super) fn unseen_because(agent: &Agent, record: &Record) -> String {
    if record.rebooted {
        "the machine was started anew while it ran"
    } else if agent.started_at.is_some() || record.process.is_some() {
        "it ended while no keeper watched it"
    } else {
        "the keeper died when it was to start it, so that nobody knows whether it ran"
    }
    .to_owned()
}
