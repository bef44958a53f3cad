//! The `process` file of an agent: what the keeper wrote down of its process, for whoever finds
//! neither keeper nor process.

use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::protocol::Ended;
use crate::model::{Process, Signal};
use crate::runtime::proc;

/// The first line: a process is about to be started.
#[derive(Serialize, Deserialize)]
struct Intent {
    starting: bool,
    /// The agent's control group, when it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    group: Option<PathBuf>,
    /// What the log has of the agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    spawned: Option<Value>,
}

/// The second line: the process that was started.
#[derive(Serialize, Deserialize)]
struct Begin {
    pid: i32,
    start: u64,
    /// Which boot of the machine the start time counts from.
    boot: String,
}

/// The third line: how it ended.
#[derive(Serialize, Deserialize)]
struct End {
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signal: Option<Signal>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    memory_ran_out: bool,
    at: Timestamp,
}

/// What is known of an agent's process.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::runtime) struct Record {
    /// Somebody was about to start a process, and may have.
    pub(in crate::runtime) begun: bool,
    /// The agent's control group.
    pub(in crate::runtime) group: Option<PathBuf>,
    /// What the log had of the agent when it was started.
    pub(in crate::runtime) spawned: Option<Value>,
    /// The process, when it was started in this boot of the machine.
    pub(in crate::runtime) process: Option<Process>,
    /// The machine was started anew since, so that the process is gone.
    pub(in crate::runtime) rebooted: bool,
    /// Its end. Whether there were orphans is not written down, so there may have been.
    pub(in crate::runtime) ended: Option<Ended>,
}

impl Record {
    /// Reads the file; what is missing or torn is not known.
    pub(in crate::runtime) fn read(dir: &Path) -> Self {
        let text = std::fs::read(dir.join("process")).unwrap_or_default();
        let mut record = Self::default();
        for line in text.split(|byte| *byte == b'\n') {
            if let Ok(intent) = serde_json::from_slice::<Intent>(line) {
                (record.begun, record.group) = (intent.starting, intent.group);
                record.spawned = intent.spawned;
            } else if let Ok(begin) = serde_json::from_slice::<Begin>(line) {
                record.begun = true;
                record.rebooted = begin.boot != proc::boot_id();
                let process = Process { pid: begin.pid, start: begin.start };
                record.process = Some(process).filter(|_| !record.rebooted);
            } else if let Ok(end) = serde_json::from_slice::<End>(line) {
                let End { code, signal, memory_ran_out, .. } = end;
                record.ended = Some(Ended { code, signal, orphans: true, memory_ran_out });
            }
        }
        record
    }

    /// Writes down that a process is about to be started: from now on nobody may start another one.
    pub(super) fn write_intent(
        dir: &Path,
        group: Option<&Path>,
        spawned: Option<&Value>,
    ) -> io::Result<()> {
        let (group, spawned) = (group.map(Path::to_owned), spawned.cloned());
        append(dir, &Intent { starting: true, group, spawned })
    }

    /// Takes that back: there is no process.
    pub(super) fn take_back(dir: &Path) {
        if let Err(error) = std::fs::remove_file(dir.join("process")) {
            tracing::error!(dir = %dir.display(), %error, "cannot take back a start");
        }
    }

    /// Writes down that the process runs.
    pub(super) fn write_start(dir: &Path, process: Process) -> io::Result<()> {
        let Process { pid, start } = process;
        append(dir, &Begin { pid, start, boot: proc::boot_id().to_owned() })
    }

    /// Writes down how it ended.
    pub(super) fn write_end(dir: &Path, ended: Ended) -> io::Result<()> {
        let Ended { code, signal, memory_ran_out, .. } = ended;
        append(dir, &End { code, signal, memory_ran_out, at: Timestamp::now() })
    }
}

fn append<T: Serialize>(dir: &Path, entry: &T) -> io::Result<()> {
    let mut open = std::fs::OpenOptions::new();
    let flags = i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or_default();
    open.append(true).create(true).mode(0o600).custom_flags(flags);
    open.open(dir.join("process"))?.write_all(super::protocol::line(entry).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_and_a_torn_line_is_not() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("process");
        assert_eq!(Record::read(home.path()), Record::default());

        let group = Some(PathBuf::from("/a/group"));
        let spawned = Some(serde_json::json!({"index": 1}));
        Record::write_intent(home.path(), group.as_deref(), spawned.as_ref()).unwrap();
        let intended = Record { begun: true, group, spawned, ..Record::default() };
        assert_eq!(Record::read(home.path()), intended);

        let process = Process { pid: 12, start: 34 };
        Record::write_start(home.path(), process).unwrap();
        let (code, signal) = (None, Some(Signal::KILL));
        let ended = Ended { code, signal, orphans: true, memory_ran_out: true };
        Record::write_end(home.path(), ended).unwrap();
        let whole = Record { process: Some(process), ended: Some(ended), ..intended };
        assert_eq!(Record::read(home.path()), whole);

        let text = std::fs::read(&path).unwrap();
        std::fs::write(&path, &text[..text.len() - 3]).unwrap();
        assert_eq!(Record::read(home.path()), Record { ended: None, ..whole });

        Record::take_back(home.path());
        assert_eq!(Record::read(home.path()), Record::default());
    }

    #[test]
    fn a_process_of_another_boot_is_nobody() {
        let home = tempfile::tempdir().unwrap();
        let text = "{\"pid\":1,\"start\":2,\"boot\":\"other\"}\n";
        std::fs::write(home.path().join("process"), text).unwrap();
        let record = Record::read(home.path());
        assert_eq!((record.process, record.rebooted), (None, true));
    }
}
