//! The `process` file of an agent: what the keeper wrote down of its process, for whoever finds
//! neither keeper nor process.

use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::protocol::Ended;
use crate::model::{Process, Signal};
use crate::runtime::proc;

/// The first line: the process that was started.
#[derive(Serialize, Deserialize)]
struct Begin {
    pid: i32,
    start: u64,
    /// Which boot of the machine the start time counts from.
    boot: String,
}

/// The second line: how it ended.
#[derive(Serialize, Deserialize)]
struct End {
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signal: Option<Signal>,
    at: Timestamp,
}

/// What is known of an agent's process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::runtime) struct Record {
    /// The process, when it was started in this boot of the machine.
    pub(in crate::runtime) process: Option<Process>,
    /// Its end. Whether there were orphans is not written down, so there may have been.
    pub(in crate::runtime) ended: Option<Ended>,
}

impl Record {
    /// Reads the file; what is missing or torn is not known.
    pub(in crate::runtime) fn read(dir: &Path) -> Self {
        let text = std::fs::read(dir.join("process")).unwrap_or_default();
        let mut record = Self::default();
        for line in text.split(|byte| *byte == b'\n') {
            if let Ok(begin) = serde_json::from_slice::<Begin>(line) {
                record.process = (begin.boot == proc::boot_id())
                    .then_some(Process { pid: begin.pid, start: begin.start });
            } else if let Ok(end) = serde_json::from_slice::<End>(line) {
                let ended = Ended { code: end.code, signal: end.signal, orphans: true };
                record.ended = Some(ended);
            }
        }
        record
    }

    /// Writes down that the process runs.
    pub(super) fn write_start(dir: &Path, process: Process) -> io::Result<()> {
        let Process { pid, start } = process;
        append(dir, &Begin { pid, start, boot: proc::boot_id().to_owned() })
    }

    /// Writes down how it ended.
    pub(super) fn write_end(dir: &Path, ended: Ended) -> io::Result<()> {
        append(dir, &End { code: ended.code, signal: ended.signal, at: Timestamp::now() })
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

        let process = Process { pid: 12, start: 34 };
        Record::write_start(home.path(), process).unwrap();
        let ended = Ended { signal: Some(Signal::KILL), code: None, orphans: true };
        Record::write_end(home.path(), ended).unwrap();
        let whole = Record { process: Some(process), ended: Some(ended) };
        assert_eq!(Record::read(home.path()), whole);

        let text = std::fs::read(&path).unwrap();
        std::fs::write(&path, &text[..text.len() - 3]).unwrap();
        assert_eq!(Record::read(home.path()), Record { ended: None, ..whole });
    }

    #[test]
    fn a_process_of_another_boot_is_nobody() {
        let home = tempfile::tempdir().unwrap();
        let text = "{\"pid\":1,\"start\":2,\"boot\":\"other\"}\n";
        std::fs::write(home.path().join("process"), text).unwrap();
        assert_eq!(Record::read(home.path()).process, None);
    }
}
