//! How many agents this machine carries at once.

use std::fmt;

/// Memory that a small command agent and what Dash keeps of it take, in bytes.
const AGENT_MEMORY: u64 = 8 * 1024 * 1024;
/// Descriptors that the daemon and the keeper use beside one for each agent.
const OWN_DESCRIPTORS: u64 = 64;
/// Processes that an agent has.
const AGENT_PROCESSES: u64 = 4;
/// More are never admitted by default; the configuration may say more.
const MOST: u64 = 10_000;

/// How many agents run at once, and what sets the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capacity {
    pub agents: usize,
    pub set_by: SetBy,
}

/// What sets the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetBy {
    Configuration,
    Memory,
    Descriptors,
    Processes,
    Default,
}

impl fmt::Display for SetBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Configuration => "daemon.max_running",
            Self::Memory => "the memory of this machine",
            Self::Descriptors => "the limit on open files (fd limit)",
            Self::Processes => "the limit on processes",
            Self::Default => "the default",
        })
    }
}

/// What a machine has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Machine {
    /// Bytes of memory.
    pub memory: u64,
    /// Files that a process may have open.
    pub descriptors: u64,
    /// Processes that the user may have.
    pub processes: u64,
}

impl Machine {
    /// This machine. Raises the soft limit on open files to the hard one first.
    #[must_use]
    pub fn here() -> Self {
        use rustix::process::{Resource, getrlimit, setrlimit};

        let files = getrlimit(Resource::Nofile);
        let raised = rustix::process::Rlimit { current: files.maximum, maximum: files.maximum };
        let descriptors = match setrlimit(Resource::Nofile, raised) {
            Ok(()) => files.maximum,
            Err(_) => files.current,
        };
        let info = rustix::system::sysinfo();
        Self {
            memory: info.totalram.saturating_mul(u64::from(info.mem_unit)),
            descriptors: descriptors.unwrap_or(u64::MAX),
            processes: getrlimit(Resource::Nproc).current.unwrap_or(u64::MAX),
        }
    }
}

impl Capacity {
    /// The configured number, or what the machine carries. At least one.
    #[must_use]
    pub fn of(configured: Option<usize>, machine: Machine) -> Self {
        let descriptors = machine.descriptors.saturating_sub(OWN_DESCRIPTORS);
        // Half of the memory is for the agents' own work and everything else on the machine.
        let limits = [
            (machine.memory / 2 / AGENT_MEMORY, SetBy::Memory),
            (descriptors, SetBy::Descriptors),
            (machine.processes / AGENT_PROCESSES, SetBy::Processes),
            (MOST, SetBy::Default),
        ];
        let (carried, set_by) =
            limits.into_iter().min_by_key(|(agents, _)| *agents).unwrap_or((1, SetBy::Default));
        let carried = usize::try_from(carried).unwrap_or(usize::MAX);
        let descriptors = usize::try_from(descriptors).unwrap_or(usize::MAX);
        let (agents, set_by) = match configured {
            Some(wanted) if wanted > descriptors => (descriptors, SetBy::Descriptors),
            Some(wanted) => (wanted, SetBy::Configuration),
            None => (carried, set_by),
        };
        Self { agents: agents.max(1), set_by }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOMY: Machine = Machine { memory: 1 << 40, descriptors: 1 << 20, processes: 1 << 20 };

    #[test]
    fn the_scarcest_thing_sets_the_limit() {
        let cases = [
            (None, ROOMY, 10_000, SetBy::Default),
            (None, Machine { memory: 24 << 30, ..ROOMY }, 1536, SetBy::Memory),
            (None, Machine { descriptors: 256, ..ROOMY }, 192, SetBy::Descriptors),
            (None, Machine { processes: 400, ..ROOMY }, 100, SetBy::Processes),
            (Some(3), ROOMY, 3, SetBy::Configuration),
            (Some(5000), Machine { descriptors: 256, ..ROOMY }, 192, SetBy::Descriptors),
            (None, Machine { memory: 1, ..ROOMY }, 1, SetBy::Memory),
        ];
        for (configured, machine, agents, set_by) in cases {
            assert_eq!(Capacity::of(configured, machine), Capacity { agents, set_by });
        }
    }
}
