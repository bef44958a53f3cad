//! Starting an agent's process: the only place in Dash where one is started.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags, openat2};
use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::protocol::Start;
use super::record::Record;
use crate::model::Process;
use crate::runtime::cgroup::{self, Groups};
use crate::runtime::{no_descriptor_is_left, proc};

/// A process that was started.
pub(super) struct Child {
    pub(super) process: Process,
    /// The writing end of its standard input, when it takes messages.
    pub(super) input: Option<OwnedFd>,
}

/// How many descriptors an agent may open, and how many the keeper may: it has one for each agent
/// that takes messages, but agents get the limit that Dash was started with.
pub(super) struct Descriptors {
    agents: Rlimit,
    own: Rlimit,
}

impl Descriptors {
    /// Raises the keeper's own limit as far as it goes.
    pub(super) fn raise() -> Self {
        let agents = getrlimit(Resource::Nofile);
        let own = Rlimit { current: agents.maximum, maximum: agents.maximum };
        let _ = setrlimit(Resource::Nofile, own);
        Self { agents, own }
    }

    fn for_agents<T>(&self, start: impl FnOnce() -> T) -> T {
        let _ = setrlimit(Resource::Nofile, self.agents);
        let started = start();
        let _ = setrlimit(Resource::Nofile, self.own);
        started
    }
}

/// All that a start needs, but the process.
pub(super) struct Prepared {
    /// The agent's directory.
    dir: PathBuf,
    command: Command,
    input: Option<OwnedFd>,
    /// The command enters it by this descriptor.
    _cwd: OwnedFd,
    group: Option<PathBuf>,
    /// Whether the group is the agent's own. A terminal's is its agent's: it is neither written down for the
    /// terminal nor removed with it.
    owns_group: bool,
}

/// Makes the agent's directory, files and group.
///
/// # Errors
/// A sentence for people.
pub(super) fn prepare(start: &Start, groups: Option<&Groups>) -> Result<Prepared, String> {
    let files = |error: io::Error| cannot_prepare(&start.dir, &error);
    let (name, arguments) = start.argv.split_first().ok_or("the command is empty")?;
    make_dir(&start.dir).map_err(files)?;
    let input = if start.stdin { Some(Fifo::make(&start.dir).map_err(files)?) } else { None };
    let (stdin, input) = match input {
        Some(fifo) => (Stdio::from(fifo.child), Some(fifo.keeper)),
        None => (Stdio::null(), None),
    };
    let cwd = hold_directory(&start.cwd).map_err(|error| elsewhere(&start.cwd, &error))?;
    let errors = if start.terminal_of.is_some() { "stdout" } else { "stderr" };
    let mut command = Command::new(&start.program);
    command
        .arg0(name)
        .args(arguments)
        .env_clear()
        .envs(&start.env)
        .current_dir(format!("/proc/self/fd/{}", cwd.as_raw_fd()))
        .process_group(0)
        .stdin(stdin)
        .stdout(output(&start.dir, "stdout").map_err(files)?)
        .stderr(output(&start.dir, errors).map_err(files)?);
    // Nothing that needs `fork`, which is slower. It is reaped by pid, where all children are.
    let group = groups.and_then(|groups| group(groups, start));
    let owns_group = start.terminal_of.is_none();
    Ok(Prepared { dir: start.dir.clone(), command, input, _cwd: cwd, group, owns_group })
}

impl Prepared {
    fn own_group(&self) -> Option<&Path> {
        self.group.as_deref().filter(|_| self.owns_group)
    }

    /// It will not be started with this. Its directory stays, as after a keeper that died.
    pub(super) fn discard(self) {
        self.own_group().into_iter().for_each(cgroup::remove);
    }

    /// It will never be started.
    pub(super) fn remove(self) {
        let dir = self.dir.clone();
        self.discard();
        // The daemon removes it too.
        if let Err(error) = std::fs::remove_dir_all(&dir)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(dir = %dir.display(), %error, "cannot remove an agent's directory");
        }
    }
}

/// Starts it and writes its start down.
///
/// # Errors
/// A sentence for people.
pub(super) fn start(
    start: &Start,
    mut prepared: Prepared,
    descriptors: &Descriptors,
    groups: Option<&Groups>,
) -> Result<Child, String> {
    let written = Record::write_intent(&start.dir, prepared.own_group(), start.spawned.as_ref());
    if let Err(error) = written {
        prepared.discard();
        return Err(cannot_prepare(&start.dir, &error));
    }
    let mut spawn = || descriptors.for_agents(|| prepared.command.spawn());
    let child = match groups.zip(prepared.group.as_deref()) {
        Some((groups, dir)) => groups.within(dir, spawn),
        None => spawn(),
    };
    let child = match child {
        Ok(child) => child,
        Err(error) => {
            Record::take_back(&start.dir);
            prepared.discard();
            return Err(explain(&start.program, &error));
        }
    };
    let pid = i32::try_from(child.id()).map_err(|error| error.to_string())?;
    make_expendable(pid);
    // Nobody has reaped it, so that it is in /proc even when it has ended already.
    let start_time = proc::start_of(pid).map_err(|error| error.to_string())?;
    let process = Process { pid, start: start_time };
    if let Err(error) = Record::write_start(&start.dir, process) {
        tracing::error!(agent = %start.agent, %error, "cannot write down a start");
    }
    Ok(Child { process, input: prepared.input })
}

fn cannot_prepare(dir: &Path, error: &io::Error) -> String {
    format!("cannot prepare {}: {}", dir.display(), because(error))
}

/// The agent's own group. Without one it is started all the same, and found by other marks.
fn group(groups: &Groups, start: &Start) -> Option<PathBuf> {
    if let Some(agent) = start.terminal_of {
        return Some(groups.dir(agent)).filter(|dir| dir.is_dir());
    }
    let made = groups.make(start.agent, start.processes_max);
    made.inspect_err(|error| {
        tracing::error!(agent = %start.agent, %error, "cannot make a control group");
    })
    .ok()
}

/// Why the system did not start it, and what to do about it (`execve(2)`).
fn explain(program: &Path, error: &io::Error) -> String {
    let program = program.display();
    match error.kind() {
        io::ErrorKind::NotFound if Path::new(&program.to_string()).exists() => {
            format!("cannot start {program}: the interpreter or loader that it names is not there")
        }
        io::ErrorKind::NotFound => format!("cannot start {program}: it is not there any more"),
        io::ErrorKind::ArgumentListTooLong => {
            format!("cannot start {program}: its arguments and environment are too large together")
        }
        _ if Errno::from_io_error(error) == Some(Errno::NOEXEC) => {
            format!("cannot start {program}: it is no program for this machine, or lacks a #! line")
        }
        _ => format!("cannot start {program}: {}", because(error)),
    }
}

/// The very directory that was looked at before: its path has had no links in it since then, and one that has
/// come is not followed.
fn hold_directory(cwd: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let held = match openat2(CWD, cwd, flags, Mode::empty(), ResolveFlags::NO_SYMLINKS) {
        // Linux before 5.6, or a sandbox that does not know it: at least the last name is no link.
        Err(Errno::NOSYS | Errno::PERM) => {
            rustix::fs::open(cwd, flags | OFlags::NOFOLLOW, Mode::empty())
        }
        other => other,
    };
    Ok(held?)
}

fn elsewhere(cwd: &Path, error: &io::Error) -> String {
    let cwd = cwd.display();
    match Errno::from_io_error(error) {
        Some(Errno::NOENT) => format!("the working directory {cwd} is not there any more"),
        Some(Errno::LOOP | Errno::NOTDIR) => {
            format!("the working directory {cwd} leads elsewhere by now")
        }
        _ => format!("cannot enter the working directory {cwd}: {}", because(error)),
    }
}

/// What the system says, and what to do where that is not plain.
fn because(error: &io::Error) -> String {
    if !no_descriptor_is_left(error) {
        return error.to_string();
    }
    "there are as many open files as there may be (fd limit): end some agents; or raise it (`ulimit -n`, or \
     `LimitNOFILE=` in the unit), and start Dash again after `dash shutdown --kill-agents`"
        .to_owned()
}

/// By how much an agent is rather ended than the daemon and the keeper are when memory runs out, in
/// thousandths of the memory there is (`proc_pid_oom_score_adj(5)`).
const EXPENDABLE: i32 = 200;

/// How often that is tried. A process that has just begun is not its user's for some microseconds, since it
/// comes of the keeper, which nobody may look into (`PR_SET_DUMPABLE`).
const TRIES: usize = 32;

/// Raises it for an agent that has just begun. What it starts has it from it.
fn make_expendable(pid: i32) {
    static ADJUSTED: LazyLock<String> = LazyLock::new(|| {
        let own = std::fs::read_to_string("/proc/self/oom_score_adj").unwrap_or_default();
        (own.trim().parse().unwrap_or(0_i32) + EXPENDABLE).min(1_000).to_string()
    });
    let path = format!("/proc/{pid}/oom_score_adj");
    for _ in 0..TRIES {
        match std::fs::write(&path, ADJUSTED.as_str()) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                std::thread::yield_now();
            }
            // One that has ended already is left as it is.
            _ => return,
        }
    }
}

fn make_dir(dir: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(dir) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

fn output(dir: &Path, name: &str) -> io::Result<File> {
    let flags = i32::try_from(OFlags::NOFOLLOW.bits()).unwrap_or_default();
    let mut open = OpenOptions::new();
    open.append(true).create(true).mode(0o600).custom_flags(flags).open(dir.join(name))
}

/// An agent's standard input. The agent holds both ends of it, so that it never sees an end of file,
/// even when keeper and daemon are gone.
struct Fifo {
    child: OwnedFd,
    keeper: OwnedFd,
}

impl Fifo {
    fn make(dir: &Path) -> io::Result<Self> {
        let path = dir.join("stdin");
        match rustix::fs::mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        let both = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let write = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        // In this order: a FIFO that nobody reads cannot be opened for writing without waiting.
        let child = rustix::fs::open(&path, both, Mode::empty())?;
        let keeper = rustix::fs::open(&path, write, Mode::empty())?;
        Ok(Self { child, keeper })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_that_fails_says_why() {
        let home = tempfile::tempdir().unwrap();
        let script = home.path().join("script");
        std::fs::write(&script, "#!/no/such/interpreter\n").unwrap();
        let gone = io::Error::from(io::ErrorKind::NotFound);
        assert!(explain(&script, &gone).contains("interpreter"));
        assert!(explain(&home.path().join("x"), &gone).contains("not there any more"));
        let format = io::Error::from_raw_os_error(8);
        assert!(explain(&script, &format).contains("#!"));
        for number in [23, 24] {
            let many = io::Error::from_raw_os_error(number);
            let why = explain(&script, &many);
            assert!(why.contains("fd limit") && why.contains("ulimit -n"), "{why}");
        }
    }
}
