//! A control group for each agent, where the system lets us have one (cgroups(7)): whoever is in it
//! belongs to the agent, whatever it did to its parents, its session and its environment.
//!
//! The keeper's only thread goes into the group, starts the agent, and comes back, so that the agent is
//! born inside and no child of it can be missed. Only the thread is moved (`tasks` of version 1,
//! `cgroup.threads` of a threaded group of version 2): moving a whole process waits for every
//! processor, some milliseconds a start, and this does not.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::model::AgentId;

/// What the name of an agent's group begins with.
const PREFIX: &str = "dash-agent-";

/// How deep groups within an agent's group are looked for: an agent may make some of its own.
const DEPTH: usize = 16;

/// Where groups can be made.
#[derive(Debug)]
pub(super) struct Groups {
    home: PathBuf,
    version: Version,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

impl Version {
    /// The file that a thread's id is written to.
    fn threads(self) -> &'static str {
        match self {
            Self::One => "tasks",
            Self::Two => "cgroup.threads",
        }
    }
}

impl Groups {
    /// The best hierarchy that this process may make groups in, tried out: one that can limit the
    /// number of processes, if there is one. `None` when there is none at all.
    pub(super) fn find() -> Option<Self> {
        hierarchies().into_iter().find(|groups| match groups.try_out() {
            Ok(()) => true,
            Err(error) => {
                tracing::debug!(home = %groups.home.display(), %error, "no groups here");
                false
            }
        })
    }

    fn try_out(&self) -> io::Result<()> {
        if self.version == Version::Two {
            // It is refused where other groups stand in the way; then there is no limit.
            let _ = write(&self.home.join("cgroup.subtree_control"), "+pids");
        }
        let dir = self.home.join(format!("{PREFIX}try-{}", std::process::id()));
        let tried = self.make_at(&dir, None).and_then(|()| {
            let entered = self.enter(&dir);
            let left = self.enter(&self.home);
            entered.and(left)
        });
        let removed = fs::remove_dir(&dir);
        tried.and(removed)
    }

    /// Makes an agent's group, in which at most so many processes and threads may live.
    ///
    /// # Errors
    /// When the system refuses it.
    pub(super) fn make(&self, agent: AgentId, limit: Option<u32>) -> io::Result<PathBuf> {
        let dir = self.dir(agent);
        self.make_at(&dir, limit).inspect_err(|_| remove(&dir))?;
        Ok(dir)
    }

    /// Where an agent's group is, when it has one.
    pub(super) fn dir(&self, agent: AgentId) -> PathBuf {
        self.home.join(format!("{PREFIX}{agent}"))
    }

    fn make_at(&self, dir: &Path, limit: Option<u32>) -> io::Result<()> {
        match fs::create_dir(dir) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        if self.version == Version::Two {
            write(&dir.join("cgroup.type"), "threaded")?;
        }
        if let Some(limit) = limit {
            match write(&dir.join("pids.max"), &limit.to_string()) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                other => other?,
            }
        }
        Ok(())
    }

    fn enter(&self, dir: &Path) -> io::Result<()> {
        write(&dir.join(self.version.threads()), "0")
    }

    /// Does something while the calling thread is in the group, so that what it starts is born there.
    pub(super) fn within<T>(&self, dir: &Path, act: impl FnOnce() -> T) -> T {
        let entered = self.enter(dir);
        let result = act();
        if let Err(error) = entered.and_then(|()| self.enter(&self.home)) {
            tracing::error!(group = %dir.display(), %error, "cannot go into a group and back");
        }
        result
    }
}

/// Writes without creating: in these file systems a file is there or it is not.
fn write(path: &Path, text: &str) -> io::Result<()> {
    use std::io::Write;
    fs::OpenOptions::new().write(true).open(path)?.write_all(text.as_bytes())
}

/// The group that was written down for an agent, if it can be its own: an agent may write to the file.
pub(super) fn of(agent: AgentId, recorded: Option<PathBuf>) -> Option<PathBuf> {
    recorded.filter(|dir| dir.ends_with(format!("{PREFIX}{agent}")))
}

/// The agents whose groups a process is in, the outermost first (`/proc/PID/cgroup`, a line
/// `ID:CONTROLLERS:PATH` for each hierarchy).
pub(super) fn agents_of(pid: i32) -> Vec<AgentId> {
    agents_in(&fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default())
}

fn agents_in(cgroups: &str) -> Vec<AgentId> {
    let paths = cgroups.lines().filter_map(|line| line.splitn(3, ':').nth(2));
    let names = paths.flat_map(|path| path.split('/'));
    names.filter_map(|name| name.strip_prefix(PREFIX)?.parse().ok()).collect()
}

/// The processes in the group, and in groups within it. In a group of threads these are threads; one
/// that does not lead its process is left out when its leader is there.
pub(super) fn members(dir: &Path) -> Vec<i32> {
    let mut found = Vec::new();
    each(dir, 0, &mut |dir| {
        let text = fs::read_to_string(dir.join("cgroup.threads"))
            .or_else(|_| fs::read_to_string(dir.join("cgroup.procs")))
            .unwrap_or_default();
        found.extend(text.lines().filter_map(|line| line.trim().parse::<i32>().ok()));
    });
    found
}

/// Keeps whoever is in the group from forking, where it has a limit at all.
pub(super) fn stop_forking(dir: &Path) {
    let _ = write(&dir.join("pids.max"), "0");
}

/// How often the group's limit has kept somebody from forking.
pub(super) fn refusals(dir: &Path) -> u64 {
    let events = fs::read_to_string(dir.join("pids.events")).unwrap_or_default();
    let count = events.lines().find_map(|line| line.strip_prefix("max "));
    count.and_then(|count| count.trim().parse().ok()).unwrap_or(0)
}

/// Removes a group that nobody is in any more.
pub(super) fn remove(dir: &Path) {
    let mut all = Vec::new();
    each(dir, 0, &mut |dir| all.push(dir.to_owned()));
    for dir in all.iter().rev() {
        if let Err(error) = fs::remove_dir(dir)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::debug!(group = %dir.display(), %error, "a group stays");
        }
    }
}

/// A group, and those within it after it.
fn each(dir: &Path, depth: usize, see: &mut impl FnMut(&Path)) {
    see(dir);
    if depth < DEPTH {
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                each(&entry.path(), depth + 1, see);
            }
        }
    }
}

/// Leaves the group of an agent that started this process: it is not to be ended with that agent,
/// whose command was only the first that needed a daemon.
pub(super) fn leave() {
    let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    if own.contains(PREFIX) {
        for groups in hierarchies() {
            let _ = write(&groups.home.join("cgroup.procs"), &std::process::id().to_string());
        }
    }
}

fn hierarchies() -> Vec<Groups> {
    let Some((own, mounts)) = own_and_mounts() else { return Vec::new() };
    let mut found: Vec<(u8, Groups)> =
        mounts.lines().filter_map(|mount| hierarchy(&own, mount)).collect();
    found.sort_by_key(|(rank, _)| *rank);
    found.into_iter().map(|(_, groups)| groups).collect()
}

/// The file that counts the processes of this one's memory group that the kernel ended because memory ran
/// out: `memory.events` of version 2, which counts for the groups within it too, `memory.oom_control` of
/// version 1 (Linux, Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/memory.rst). The topmost group
/// of version 2 has none.
pub(super) fn memory_counter() -> Option<PathBuf> {
    let (own, mounts) = own_and_mounts()?;
    let counters = mounts.lines().filter_map(|mount| memory_counter_at(&own, mount));
    counters.into_iter().find(|file| file.is_file())
}

fn memory_counter_at(own: &str, mount: &str) -> Option<PathBuf> {
    let (_, version, home) = place(own, mount, &["memory"])?;
    Some(home.join(match version {
        Version::One => "memory.oom_control",
        Version::Two => "memory.events",
    }))
}

fn own_and_mounts() -> Option<(String, String)> {
    let read = |name: &str| fs::read_to_string(Path::new("/proc/self").join(name)).ok();
    Some((read("cgroup")?, read("mountinfo")?))
}

/// What a line of `/proc/self/mountinfo` says, if it is about version 2, or about a hierarchy of version 1
/// with one of these controllers: `ID PARENT DEVICE ROOT POINT OPTIONS… - TYPE SOURCE OPTIONS` (proc(5));
/// and the place of this process in it by `/proc/self/cgroup`, a line `ID:CONTROLLERS:PATH` for each
/// hierarchy. Gives the controller too, which is none for version 2.
fn place(
    own: &str,
    mount: &str,
    wanted: &[&'static str],
) -> Option<(&'static str, Version, PathBuf)> {
    let (place, kind) = mount.split_once(" - ")?;
    let mut place = place.split(' ').skip(3);
    let (root, point) = (place.next()?, place.next()?);
    let mut kind = kind.split(' ');
    let (kind, options) = (kind.next()?, kind.nth(1)?);
    let names = |line: &str, name: &str| line.split(',').any(|other| other == name);
    let (version, name) = match kind {
        "cgroup2" => (Version::Two, ""),
        "cgroup" => (Version::One, *wanted.iter().find(|name| names(options, name))?),
        _ => return None,
    };
    let path = own.lines().find_map(|line| {
        let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
        (controllers == name || !name.is_empty() && names(controllers, name)).then_some(path)
    })?;
    let path = if root == "/" { path } else { path.strip_prefix(root)? };
    // The group of an agent is nobody's home.
    let path = path.split(&format!("/{PREFIX}")).next().unwrap_or_default();
    Some((name, version, Path::new(point).join(path.trim_matches('/'))))
}

fn hierarchy(own: &str, mount: &str) -> Option<(u8, Groups)> {
    let (name, version, home) = place(own, mount, &["pids", "name=systemd"])?;
    let limits = || {
        let controllers = fs::read_to_string(home.join("cgroup.controllers"));
        controllers.is_ok_and(|text| text.split_whitespace().any(|name| name == "pids"))
    };
    let rank = match name {
        "" if limits() => 0,
        "pids" => 1,
        "name=systemd" => 2,
        _ => 3,
    };
    Some((rank, Groups { home, version }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "9:name=systemd:/a\n8:cpu,pids:/b/dash-agent-1/x\n0::/user.slice/d.scope\n";

    fn home(mount: &str) -> Option<(PathBuf, Version)> {
        hierarchy(OWN, mount).map(|(_, groups)| (groups.home, groups.version))
    }

    #[test]
    fn a_hierarchy_is_known_by_its_mount() {
        let two = home("30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw");
        assert_eq!(two, Some(("/sys/fs/cgroup/user.slice/d.scope".into(), Version::Two)));
        let pids = home("31 23 0:27 / /c/pids rw - cgroup cgroup rw,cpu,pids");
        assert_eq!(pids, Some(("/c/pids/b".into(), Version::One)), "no agent's group is a home");
        let bound = home("32 23 0:28 /a /c/systemd rw - cgroup cgroup rw,name=systemd");
        assert_eq!(bound, Some(("/c/systemd".into(), Version::One)));
        assert_eq!(home("33 23 0:29 /z /c/systemd rw - cgroup cgroup rw,name=systemd"), None);
        assert_eq!(home("34 23 0:30 / /c/memory rw - cgroup cgroup rw,memory"), None);
        assert_eq!(home("35 23 0:31 / /proc rw - proc proc rw"), None);
    }

    #[test]
    fn the_memory_group_counts_who_was_ended_for_want_of_memory() {
        let own = "4:memory:/m/dash-agent-1\n0::/u/s\n";
        let counter = |mount: &str| memory_counter_at(own, mount);
        let two = counter("30 23 0:26 / /c rw - cgroup2 cgroup2 rw");
        assert_eq!(two, Some("/c/u/s/memory.events".into()));
        let one = counter("31 23 0:27 / /c/memory rw - cgroup cgroup rw,memory");
        assert_eq!(one, Some("/c/memory/m/memory.oom_control".into()));
        assert_eq!(counter("32 23 0:28 / /c/pids rw - cgroup cgroup rw,pids"), None);
    }

    #[test]
    fn the_agents_of_a_process_are_those_whose_groups_it_is_in() {
        let (one, two) = (AgentId::from_bits(1), AgentId::from_bits(2));
        let cgroups = format!(
            "5:pids:/a/{PREFIX}{one}/inner/{PREFIX}{two}\n4:cpu:/{PREFIX}try-7/x-{PREFIX}{one}\n0::/{PREFIX}{two}\n"
        );
        assert_eq!(agents_in(&cgroups), [one, two, two]);
        assert_eq!(agents_in(OWN), []);
    }

    #[test]
    fn what_is_started_within_a_group_is_in_it() {
        // Where nobody may make groups, there is nothing to see.
        let Some(groups) = Groups::find() else { return };
        let agent = AgentId::from_bits(u64::from(std::process::id()));
        let dir = groups.make(agent, Some(5)).unwrap();
        let start = || std::process::Command::new("/bin/sleep").arg("60").spawn().unwrap();
        let mut child = groups.within(&dir, start);
        assert_eq!(members(&dir), [i32::try_from(child.id()).unwrap()]);
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(members(&dir), [0; 0]);
        remove(&dir);
        assert!(!dir.exists());
    }
}
