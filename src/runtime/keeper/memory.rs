//! Whether the kernel has ended processes because memory ran out.

use std::path::PathBuf;

use crate::runtime::cgroup;

/// How many processes it has ended so, all over the machine (`proc_vmstat(5)`, since Linux 4.13).
const MACHINE: &str = "/proc/vmstat";

/// The kernel's count of that: for the memory group that we and the agents are in, or for the whole machine
/// where there is none.
pub(super) struct Memory {
    counter: PathBuf,
    seen: Option<u64>,
}

impl Memory {
    /// Begins to watch it.
    pub(super) fn watch() -> Self {
        Self::at(cgroup::memory_counter().unwrap_or_else(|| MACHINE.into()))
    }

    fn at(counter: PathBuf) -> Self {
        let mut memory = Self { counter, seen: None };
        memory.ran_out();
        memory
    }

    /// Whether it has ended one since this was asked last. The kernel counts before it kills, so that
    /// whoever has reaped the victim knows.
    pub(super) fn ran_out(&mut self) -> bool {
        let now = count(&std::fs::read_to_string(&self.counter).unwrap_or_default());
        let before = std::mem::replace(&mut self.seen, now);
        before.zip(now).is_some_and(|(before, now)| now > before)
    }
}

/// `oom_kill COUNT`, on a line of its own in all of these files.
fn count(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_is_read_from_each_kind_of_file() {
        assert_eq!(count("low 0\nhigh 3\nmax 9\noom 8\noom_kill 7\noom_group_kill 0\n"), Some(7));
        assert_eq!(count("oom_kill_disable 0\nunder_oom 1\noom_kill 2\n"), Some(2));
        assert_eq!(count("pgfault 5\noom_kill 0\n"), Some(0));
        assert_eq!(count("oom_kill_disable 0\n"), None);
        assert!(Memory::at(MACHINE.into()).seen.is_some(), "this kernel counts");
    }

    #[test]
    fn it_is_told_once_and_not_when_nothing_is_known() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("memory.events");
        let mut memory = Memory::at(file.clone());
        let mut then = |text: &str| {
            std::fs::write(&file, text).unwrap();
            memory.ran_out()
        };
        assert!(!then("oom_kill 4\n"), "what was before is nobody's");
        assert!(!then("oom_kill 4\n"));
        assert!(then("oom_kill 6\n"));
        assert!(!then("oom_kill 6\n"));
        assert!(!then(""));
        assert!(!then("oom_kill 9\n"));
    }
}
