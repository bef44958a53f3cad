//! What `/proc` tells about processes (proc(5)).

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::LazyLock;

use crate::model::{AgentId, Process};

/// The variable that every process of an agent inherits.
pub(crate) const AGENT_VARIABLE: &str = "DASH_AGENT_ID";

/// One process, as it was when it was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) process: Process,
    pub(super) parent: i32,
    pub(super) group: i32,
    pub(super) session: i32,
    pub(super) state: u8,
    /// The agent that its environment names.
    pub(super) agent: Option<AgentId>,
}

impl Seen {
    /// Looks at one process, but not at its environment. `None` when there is none.
    pub(super) fn look(pid: i32) -> Option<Self> {
        let stat = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
        Self::parse(pid, &stat)
    }

    /// The same for an id that may be a thread's: a thread that does not lead its process is none.
    pub(super) fn look_at_leader(id: i32) -> Option<Self> {
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
        let leader = status.lines().find_map(|line| line.strip_prefix("Tgid:"))?;
        if leader.trim().parse() == Ok(id) { Self::look(id) } else { None }
    }

    /// Reads `/proc/PID/stat`. The second field is the program's name in parentheses; it may contain
    /// spaces and parentheses itself, so that only the last `)` ends it.
    fn parse(pid: i32, stat: &[u8]) -> Option<Self> {
        let name_end = stat.iter().rposition(|byte| *byte == b')')?;
        let rest = std::str::from_utf8(&stat[name_end + 1..]).ok()?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        // `fields[0]` is field 3, the state.
        let field = |number: usize| fields.get(number - 3).copied();
        Some(Self {
            process: Process { pid, start: field(22)?.parse().ok()? },
            parent: field(4)?.parse().ok()?,
            group: field(5)?.parse().ok()?,
            session: field(6)?.parse().ok()?,
            state: *field(3)?.as_bytes().first()?,
            agent: None,
        })
    }

    /// Whether it still runs, or may again: neither a zombie nor gone.
    pub(super) fn lives(&self) -> bool {
        !matches!(self.state, b'Z' | b'X' | b'x')
    }

    /// Whether it was stopped by a signal, and hears no other before it goes on.
    pub(super) fn is_stopped(&self) -> bool {
        self.state == b'T'
    }
}

/// Whether this very process still lives: a pid that was used again is another process.
pub(super) fn lives(process: Process) -> bool {
    Seen::look(process.pid).is_some_and(|seen| seen.process == process && seen.lives())
}

/// When the process that has this pid now was started.
///
/// # Errors
/// When there is no such process.
pub(super) fn start_of(pid: i32) -> io::Result<u64> {
    Seen::look(pid)
        .map(|seen| seen.process.start)
        .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("no process {pid}")))
}

/// The agent that a process' environment names. Nobody may read the environment of other users'
/// processes: for those it is `None`.
pub(super) fn agent_of(pid: i32) -> Option<AgentId> {
    agent_in(&std::fs::read(format!("/proc/{pid}/environ")).ok()?)
}

fn agent_in(environ: &[u8]) -> Option<AgentId> {
    environ.split(|byte| *byte == 0).find_map(|entry| {
        let value = entry.strip_prefix(AGENT_VARIABLE.as_bytes())?.strip_prefix(b"=")?;
        std::str::from_utf8(value).ok()?.parse().ok()
    })
}

/// The children of a process, those that it inherited as a subreaper among them. `None` where the
/// kernel does not tell (`CONFIG_PROC_CHILDREN`).
pub(super) fn children_of(pid: u32) -> Option<Vec<i32>> {
    let mut children = Vec::new();
    for thread in std::fs::read_dir(format!("/proc/{pid}/task")).ok()? {
        let text = std::fs::read_to_string(thread.ok()?.path().join("children")).ok()?;
        children.extend(text.split_ascii_whitespace().filter_map(|pid| pid.parse::<i32>().ok()));
    }
    Some(children)
}

/// Tells one boot of the machine from another: start times count from zero again.
pub(super) fn boot_id() -> &'static str {
    static ID: LazyLock<String> = LazyLock::new(|| {
        std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
            .map(|id| id.trim().to_owned())
            .unwrap_or_default()
    });
    &ID
}

/// Every process there is, at about one moment, found by what makes it part of an agent: a table is
/// shared by many that ask, and each pays only for its own processes.
#[derive(Debug, Default)]
pub(super) struct Table {
    processes: HashMap<i32, Seen>,
    children: HashMap<i32, Vec<i32>>,
    groups: HashMap<i32, Vec<i32>>,
    agents: HashMap<AgentId, Vec<i32>>,
}

impl Table {
    /// Reads all of `/proc`: some ten microseconds a process.
    ///
    /// # Errors
    /// When `/proc` cannot be listed; processes that end meanwhile are only left out.
    pub(super) fn read() -> io::Result<Self> {
        let mut table = Self::default();
        for entry in std::fs::read_dir(Path::new("/proc"))? {
            let Ok(pid) = entry?.file_name().to_string_lossy().parse::<i32>() else { continue };
            if let Some(mut seen) = Seen::look(pid) {
                // A zombie has no environment any more.
                seen.agent = if seen.lives() { agent_of(pid) } else { None };
                table.add(seen);
            }
        }
        Ok(table)
    }

    fn add(&mut self, seen: Seen) {
        let pid = seen.process.pid;
        self.children.entry(seen.parent).or_default().push(pid);
        self.groups.entry(seen.group).or_default().push(pid);
        if let Some(agent) = seen.agent {
            self.agents.entry(agent).or_default().push(pid);
        }
        self.processes.insert(pid, seen);
    }

    /// Whether there was such a process.
    pub(super) fn has(&self, pid: i32) -> bool {
        self.processes.contains_key(&pid)
    }

    /// The living processes of an agent: its leader and the leader's process group (only while the
    /// leader is the very process that was started, so that the group's id means the same), whoever
    /// has the agent's id in its environment or is `inside` its control group, and the descendants of all of these. Those in `spared`
    /// are none of it, nor are their descendants.
    pub(super) fn members(
        &self,
        agent: AgentId,
        leader: Option<Process>,
        spared: &[i32],
        inside: &[i32],
    ) -> Vec<Seen> {
        let mut todo = self.agents.get(&agent).cloned().unwrap_or_default();
        todo.extend(inside);
        if let Some(leader) = leader
            && self.processes.get(&leader.pid).is_some_and(|seen| seen.process == leader)
        {
            todo.push(leader.pid);
            todo.extend(self.groups.get(&leader.pid).into_iter().flatten());
        }
        let mut found: HashMap<i32, Seen> = HashMap::new();
        while let Some(pid) = todo.pop() {
            let Some(seen) = self.processes.get(&pid) else { continue };
            if spared.contains(&pid) || found.insert(pid, *seen).is_some() {
                continue;
            }
            todo.extend(self.children.get(&pid).into_iter().flatten());
        }
        found.into_values().filter(Seen::lives).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_programs_name_may_look_like_the_rest_of_the_line() {
        let fields = "S 1 7 7 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 4242 100 200";
        for name in ["sleep", "a b", ") S 9 9 9 (", "((x))"] {
            let stat = format!("77 ({name}) {fields}");
            let seen = Seen::parse(77, stat.as_bytes()).unwrap();
            assert_eq!(seen.process, Process { pid: 77, start: 4242 }, "{name}");
            assert_eq!((seen.parent, seen.group, seen.state), (1, 7, b'S'), "{name}");
        }
        assert!(Seen::parse(1, b"1 (x").is_none());
        assert!(Seen::parse(1, b"1 (x) S 1").is_none());
    }

    #[test]
    fn this_process_lives_and_its_pid_with_another_start_does_not() {
        let pid = i32::try_from(std::process::id()).unwrap();
        let process = Process { pid, start: start_of(pid).unwrap() };
        assert!(lives(process));
        assert!(!lives(Process { start: process.start + 1, ..process }));
    }

    #[test]
    fn the_tag_is_a_whole_variable() {
        let id = AgentId::from_bits(5);
        let environ = |entry: String| agent_in(format!("A=b\0{entry}\0C=d\0").as_bytes());
        assert_eq!(environ(format!("DASH_AGENT_ID={id}")), Some(id));
        assert_eq!(environ(format!("XDASH_AGENT_ID={id}")), None);
        assert_eq!(environ(format!("DASH_AGENT_IDS={id}")), None);
        assert_eq!(environ(format!("DASH_AGENT_ID={id}k")), None);
    }

    fn seen(pid: i32, parent: i32, group: i32, agent: Option<AgentId>) -> Seen {
        Seen {
            process: Process { pid, start: 1 },
            parent,
            group,
            session: group,
            state: b'S',
            agent,
        }
    }

    fn members(all: &[Seen], leader: Process, spared: &[i32]) -> Vec<i32> {
        let mut table = Table::default();
        for seen in all {
            table.add(*seen);
        }
        let found = table.members(AgentId::from_bits(1), Some(leader), spared, &[]);
        let mut pids: Vec<i32> = found.iter().map(|seen| seen.process.pid).collect();
        pids.sort_unstable();
        pids
    }

    #[test]
    fn a_tree_is_the_group_the_tagged_and_their_descendants() {
        let (mine, other) = (Some(AgentId::from_bits(1)), Some(AgentId::from_bits(2)));
        let all = [
            seen(10, 2, 10, mine),
            seen(11, 10, 10, None), // in the group, its environment cleared
            seen(12, 11, 12, None), // a descendant in a session of its own
            seen(13, 2, 13, mine),  // escaped to the keeper
            seen(14, 13, 14, None), // a descendant of that one
            seen(20, 2, 20, other),
            seen(21, 20, 20, None),
        ];
        let leader = Process { pid: 10, start: 1 };
        assert_eq!(members(&all, leader, &[]), [10, 11, 12, 13, 14]);
        assert_eq!(members(&all, leader, &[13]), [10, 11, 12]);

        // The leader's pid belongs to somebody else now: neither it nor its group is ours.
        let recycled = [seen(10, 1, 10, None), seen(11, 1, 10, None), seen(13, 2, 13, mine)];
        assert_eq!(members(&recycled, Process { pid: 10, start: 9 }, &[]), [13]);
    }
}
