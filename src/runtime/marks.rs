//! What tells whose process one is: the same marks that [`super::tree`] finds an agent's processes by,
//! read the other way round.

use super::cgroup;
use super::proc::{self, Seen};
use crate::model::{AgentId, Process};

/// Generations of ancestors that are looked at. Whoever has more is nobody's that we know.
const GENERATIONS: usize = 256;

/// What the system tells of a process that may be an agent's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Marks {
    /// Agents whose control group it is in, or whose id is in its environment. An agent of another
    /// daemon may be among them.
    pub agents: Vec<AgentId>,
    /// The process itself, its ancestors, and the leaders of its process group and session: where one
    /// of them is the first process of an agent, the agent is the process'.
    pub kin: Vec<Process>,
    /// Whether it descends from the keeper, as every process of an agent does that has not been moved
    /// by somebody else; those that lost their parents too.
    pub kept: bool,
}

impl Marks {
    /// Reads them. `None` when there is no such process any more, or another one by now.
    pub(super) fn of(pid: i32, keeper: Option<i32>) -> Option<Self> {
        let seen = Seen::look(pid).filter(Seen::lives)?;
        let mut marks = Self { agents: cgroup::agents_of(pid), ..Self::default() };
        if marks.agents.is_empty() {
            // Only then: who reads the environment of a process may have to wait for that process.
            marks.agents.extend(proc::agent_of(pid));
        }
        let leaders = [seen.group, seen.session].into_iter().filter_map(Seen::look);
        marks.kin.extend(leaders.map(|leader| leader.process));
        let mut line = Some(seen);
        while let Some(one) = line.filter(|_| marks.kin.len() < GENERATIONS) {
            marks.kin.push(one.process);
            marks.kept |= Some(one.parent) == keeper;
            line = if marks.kept || one.parent <= 0 { None } else { Seen::look(one.parent) };
        }
        // Whatever was read was read of the same process.
        proc::lives(seen.process).then_some(marks)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::CommandExt;
    use std::process::{Child, Command};

    use super::*;

    fn own() -> i32 {
        i32::try_from(std::process::id()).unwrap()
    }

    fn ended(mut child: Child) -> i32 {
        child.kill().unwrap();
        child.wait().unwrap();
        i32::try_from(child.id()).unwrap()
    }

    #[test]
    fn a_process_is_known_by_its_environment_its_parents_and_its_keeper() {
        let agent = AgentId::from_bits(7);
        let mut command = Command::new("/bin/sleep");
        command.arg("60").env_clear().env(proc::AGENT_VARIABLE, agent.to_string()).process_group(0);
        let child = command.spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        // For a moment after its start it has no environment yet.
        while proc::agent_of(pid).is_none() {
            std::thread::yield_now();
        }
        let us = Process { pid: own(), start: proc::start_of(own()).unwrap() };
        let marks = Marks::of(pid, None).unwrap();
        // Where the tests themselves run in an agent of somebody's, its group says so.
        assert!(marks.agents.contains(&agent) || !cgroup::agents_of(pid).is_empty(), "{marks:?}");
        assert!(marks.kin.contains(&us) && !marks.kept, "{marks:?}");
        assert!(Marks::of(pid, Some(own())).unwrap().kept);
        assert_eq!(Marks::of(ended(child), None), None);
    }
}
