//! How many agents this machine carries at once.

use std::fmt;
use std::path::Path;

/// Memory that a small command agent and what Dash keeps of it take, in mebibytes. An agent whose
/// profile names no memory is counted with so much.
pub(super) const AGENT_MEMORY_MB: u32 = 8;
/// Bytes.
const MEBIBYTE: u64 = 1024 * 1024;
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
    /// Mebibytes that the agents which run may be expected to take together.
    pub memory_mb: u64,
    pub memory_set_by: SetBy,
}

/// What sets the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetBy {
    Configuration,
    MemoryConfiguration,
    Memory,
    Descriptors,
    Processes,
    Default,
}

impl fmt::Display for SetBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Configuration => "daemon.max_running",
            Self::MemoryConfiguration => "daemon.memory_mb",
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
    /// Bytes of memory that this process may use: the machine's, or what a control group leaves of it.
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
            memory: info
                .totalram
                .saturating_mul(u64::from(info.mem_unit))
                .min(group_memory(Path::new("/")).unwrap_or(u64::MAX)),
            descriptors: descriptors.unwrap_or(u64::MAX),
            processes: getrlimit(Resource::Nproc).current.unwrap_or(u64::MAX),
        }
    }
}

/// The least memory that any control group around this process leaves it, in bytes: `memory.max` of
/// version 2, `memory.limit_in_bytes` of version 1 (Linux, Documentation/admin-guide/cgroup-v2.rst and
/// cgroup-v1/memory.rst). `root` is where `/proc` and `/sys` are.
fn group_memory(root: &Path) -> Option<u64> {
    let own = std::fs::read_to_string(root.join("proc/self/cgroup")).ok()?;
    let limits = own.lines().filter_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        let (controllers, path) = (fields.next()?, fields.next()?);
        let (hierarchy, file) = match controllers {
            "" => ("sys/fs/cgroup", "memory.max"),
            _ if controllers.split(',').any(|name| name == "memory") => {
                ("sys/fs/cgroup/memory", "memory.limit_in_bytes")
            }
            _ => return None,
        };
        let hierarchy = root.join(hierarchy);
        // In a container, the path may be the host's; the group itself is then mounted at the top.
        let group = hierarchy.join(path.trim_start_matches('/'));
        let groups = group.ancestors().take_while(|group| group.starts_with(&hierarchy));
        groups
            .filter_map(|group| std::fs::read_to_string(group.join(file)).ok())
            .filter_map(|limit| limit.trim().parse().ok())
            .min()
    });
    limits.min()
}

impl Capacity {
    /// The configured numbers, or what the machine carries: agents, and mebibytes for all of them. At
    /// least one.
    #[must_use]
    pub fn of(configured: Option<usize>, memory_mb: Option<u64>, machine: Machine) -> Self {
        let descriptors = machine.descriptors.saturating_sub(OWN_DESCRIPTORS);
        // Half of the memory is for everything else on the machine, and what agents use at times.
        let (memory_mb, memory_set_by) = match memory_mb {
            Some(wanted) => (wanted, SetBy::MemoryConfiguration),
            None => (machine.memory / 2 / MEBIBYTE, SetBy::Memory),
        };
        let limits = [
            (memory_mb / u64::from(AGENT_MEMORY_MB), memory_set_by),
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
        Self { agents: agents.max(1), set_by, memory_mb: memory_mb.max(1), memory_set_by }
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
            let capacity = Capacity::of(configured, None, machine);
            assert_eq!((capacity.agents, capacity.set_by), (agents, set_by));
        }
    }

    #[test]
    fn memory_is_half_of_the_machines_or_what_is_configured() {
        let small = Machine { memory: 8 << 30, ..ROOMY };
        let capacity = Capacity::of(None, None, small);
        assert_eq!((capacity.memory_mb, capacity.memory_set_by), (4096, SetBy::Memory));
        let capacity = Capacity::of(None, Some(800), small);
        let expected = Capacity {
            agents: 100,
            set_by: SetBy::MemoryConfiguration,
            memory_mb: 800,
            ..capacity
        };
        assert_eq!(capacity, expected);
        assert_eq!(capacity.memory_set_by, SetBy::MemoryConfiguration);
    }

    #[test]
    fn a_control_group_leaves_less_than_the_machine_has() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        assert_eq!(group_memory(root.path()), None);
        write("proc/self/cgroup", "0::/a/b\n");
        assert_eq!(group_memory(root.path()), None);
        write("sys/fs/cgroup/a/b/memory.max", "max\n");
        write("sys/fs/cgroup/a/memory.max", "1073741824\n");
        assert_eq!(group_memory(root.path()), Some(1 << 30));
        write("proc/self/cgroup", "4:cpu,memory:/docker/x\n1:name=systemd:/y\n");
        write("sys/fs/cgroup/memory/memory.limit_in_bytes", "4096\n");
        assert_eq!(group_memory(root.path()), Some(4096));
    }
}
