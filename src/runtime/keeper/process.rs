//! The keeper's own process.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FlockOperation, Mode, OFlags, flock};
use rustix::io::Errno;
use rustix::process::{Pid, Signal as RawSignal, kill_process, kill_process_group};
use tokio::net::{UnixListener, UnixStream};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::Instant;

use super::KeeperError;
use super::child::{self, Descriptors, Prepared};
use super::link::Link;
use super::memory::Memory;
use super::protocol::{Ended, Owned, Report, Request, Start, VERSION};
use super::reap;
use super::record::Record;
use super::stdin::{Input, Outcome, Outcomes, Through};
use crate::model::{AgentId, MessageId, Process};
use crate::runtime::bound::Cuts;
use crate::runtime::cgroup::{self, Groups};
use crate::runtime::proc;

/// How long a keeper waits for its first daemon.
const FIRST_DAEMON: Duration = Duration::from_mins(1);

/// How often the agents' files are looked at while no daemon is there, and those of terminals always: what
/// an agent can write meanwhile is what they may take beyond their bounds. A daemon that only connects
/// again is back before the first time.
const LOOK: Duration = Duration::from_secs(2);

/// Agents that are held ready at once: each has some descriptors open.
const PREPARED_MAX: usize = 64;

/// Runs the keeper of this state directory until no daemon is connected and no child lives. Returns at
/// once when there is one already.
///
/// # Errors
/// When the directory cannot be used, or the system refuses what a keeper needs.
pub fn keep(state: &Path) -> Result<(), KeeperError> {
    let Some(_lock) = lock(&super::lock(state))? else { return Ok(()) };
    // It fails for a process group leader, which has been detached by whoever made it one.
    let _ = rustix::process::setsid();
    let system = |error: rustix::io::Errno| KeeperError::System(error.into());
    rustix::process::set_child_subreaper(Some(rustix::process::getpid())).map_err(system)?;
    cgroup::leave();
    let descriptors = Descriptors::raise();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(KeeperError::System)?;
    runtime.block_on(async {
        let socket = super::socket(state);
        let mut keeping = Keeping::set_up(&socket, descriptors)?;
        keeping.run().await;
        // Before the lock goes: the next keeper makes its own.
        let _ = std::fs::remove_file(&socket);
        Ok(())
    })
}

fn lock(path: &Path) -> Result<Option<File>, KeeperError> {
    let mut open = OpenOptions::new();
    let nofollow = i32::try_from(OFlags::NOFOLLOW.bits()).unwrap_or_default();
    open.write(true).create(true).mode(0o600).custom_flags(nofollow);
    let file = open.open(path).map_err(KeeperError::at(path))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(file)),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
        Err(error) => Err(KeeperError::at(path)(error.into())),
    }
}

/// Where connections come from. Only the holder of the lock is here, so that a socket which is there
/// already is nobody's.
fn listen(socket: &Path) -> io::Result<UnixListener> {
    match std::fs::remove_file(socket) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let before = rustix::process::umask(Mode::RWXG | Mode::RWXO | Mode::XUSR);
    let listener = UnixListener::bind(socket);
    rustix::process::umask(before);
    listener
}

/// An agent that was to be started.
struct Kept {
    dir: PathBuf,
    state: State,
    input: Input,
    /// Bytes of standard output and standard error that may stay while no daemon is there; of a terminal,
    /// always.
    output_max: [Option<u64>; 2],
    cuts: Cuts,
    is_terminal: bool,
}

enum State {
    Failed(String),
    Lives(Process),
    Ended(Process, Ended),
    /// A keeper that is dead started it; we only write its messages.
    Adopted,
}

struct Keeping {
    listener: UnixListener,
    signals: Signals,
    descriptors: Descriptors,
    /// Where agents get control groups; `None` when they get none.
    groups: Option<Groups>,
    memory: Memory,
    /// Where each agent has its directory.
    agents_dir: PathBuf,
    agents: HashMap<AgentId, Kept>,
    /// Agents that the daemon is about to have started.
    prepared: HashMap<AgentId, Prepared>,
    /// The agents whose process lives, by its pid.
    leaders: HashMap<i32, AgentId>,
    link: Link,
    /// How many of them are terminals.
    terminals: usize,
    /// Outcomes of messages, from the tasks that write them.
    through: Outcomes,
    /// Whether a daemon has ever been here.
    met: bool,
    stopping: bool,
    /// Whether the file system takes no cuts.
    uncut: bool,
}

/// Signals that have a listener are not inherited as ignored by agents.
struct Signals {
    child: Signal,
    hangup: Signal,
    interrupt: Signal,
}

impl Keeping {
    fn set_up(socket: &Path, descriptors: Descriptors) -> Result<Self, KeeperError> {
        let signals = || {
            Ok(Signals {
                child: signal(SignalKind::child())?,
                hangup: signal(SignalKind::hangup())?,
                interrupt: signal(SignalKind::interrupt())?,
            })
        };
        Ok(Self {
            signals: signals().map_err(KeeperError::System)?,
            listener: listen(socket).map_err(KeeperError::at(socket))?,
            descriptors,
            groups: Groups::find(),
            memory: Memory::watch(),
            agents_dir: socket.with_file_name("agents"),
            agents: HashMap::new(),
            prepared: HashMap::new(),
            leaders: HashMap::new(),
            link: Link::default(),
            terminals: 0,
            through: Outcomes::default(),
            met: false,
            stopping: false,
            uncut: false,
        })
    }

    async fn run(&mut self) {
        let patience = tokio::time::sleep(FIRST_DAEMON);
        tokio::pin!(patience);
        let look = tokio::time::sleep(LOOK);
        tokio::pin!(look);
        while !self.is_done() {
            tokio::select! {
                biased;
                _ = self.signals.child.recv() => self.reap(),
                Ok((stream, _)) = self.listener.accept() => self.welcome(stream),
                through = self.through.next() => self.settle(through),
                request = self.link.next() => if let Some(request) = request {
                    self.answer(request);
                } else {
                    self.link = Link::default();
                    self.discard();
                    look.as_mut().reset(Instant::now() + LOOK);
                },
                _ = self.signals.hangup.recv() => {}
                _ = self.signals.interrupt.recv() => {}
                () = &mut patience, if !self.met => self.met = true,
                () = &mut look, if !self.uncut && (self.terminals > 0 || !self.link.is_up()) => {
                    self.cut();
                    look.as_mut().reset(Instant::now() + LOOK);
                }
            }
        }
        self.discard();
    }

    /// Cuts what no daemon would take over: nobody else bounds the files while there is none. A daemon
    /// reads no more of a terminal than its end, and only when it is asked to.
    fn cut(&mut self) {
        let all = !self.link.is_up();
        for agent in self.leaders.values() {
            let Some(kept) = self.agents.get_mut(agent) else { continue };
            if !all && !kept.is_terminal {
                continue;
            }
            let Err(error) = kept.cuts.advance(&kept.dir, kept.output_max) else { continue };
            tracing::error!(%agent, %error, "cannot bound the output");
            if Errno::from_io_error(&error) == Some(Errno::OPNOTSUPP) {
                self.uncut = true;
                return;
            }
        }
    }

    fn is_done(&self) -> bool {
        self.leaders.is_empty()
            && (self.stopping || (self.met && !self.link.is_up()))
            && !reap::has_children()
    }

    /// Takes a connection of our own user's, in place of the one before.
    fn welcome(&mut self, stream: UnixStream) {
        let peer = stream.peer_cred().map(|peer| peer.uid());
        if !matches!(peer, Ok(uid) if uid == rustix::process::geteuid().as_raw()) {
            return;
        }
        self.met = true;
        self.link = Link::new(stream);
        self.discard();
        let owned = |(agent, kept): (&AgentId, &Kept)| {
            let (process, ended) = match kept.state {
                State::Failed(_) | State::Adopted => return None,
                State::Lives(process) => (process, None),
                State::Ended(process, ended) => (process, Some(ended)),
            };
            Some(Owned { agent: *agent, process, ended })
        };
        let agents = self.agents.iter().filter_map(owned).collect();
        let pid = i32::try_from(std::process::id()).unwrap_or_default();
        self.link.send(&Report::Hello { version: VERSION, pid, agents, prepares: true });
    }

    fn answer(&mut self, request: Request) {
        match request {
            Request::Prepare(start) => self.prepare(&start),
            Request::Spawn(start) => self.spawn(&start),
            Request::Write { agent, message, text } => self.write(agent, message, text),
            Request::Forget { agent } => {
                let lives = |kept: &Kept| matches!(kept.state, State::Lives(_));
                if !self.agents.get(&agent).is_some_and(lives) {
                    self.agents.remove(&agent);
                }
                self.prepared.remove(&agent).into_iter().for_each(Prepared::remove);
            }
            Request::Stop => self.stopping = true,
        }
    }

    /// What cannot be made will be tried again, and told, when the agent is to be started.
    fn prepare(&mut self, start: &Start) {
        if self.agents.contains_key(&start.agent) || self.prepared.len() == PREPARED_MAX {
            return;
        }
        if let Ok(prepared) = child::prepare(start, self.groups.as_ref()) {
            self.prepared.insert(start.agent, prepared);
        }
    }

    /// No daemon is there any more that was about to have them started. The next one may want them all the same.
    fn discard(&mut self) {
        self.prepared.drain().for_each(|(_, prepared)| prepared.discard());
    }

    /// Starts a process, as far as that was not done before.
    fn start(&mut self, start: &Start) -> Result<child::Child, String> {
        let groups = self.groups.as_ref();
        let prepared = match self.prepared.remove(&start.agent) {
            Some(prepared) => prepared,
            None => child::prepare(start, groups)?,
        };
        child::start(start, prepared, &self.descriptors, groups)
    }

    fn spawn(&mut self, start: &Start) {
        let agent = start.agent;
        if !self.agents.contains_key(&agent) {
            let (state, fifo) = match self.start(start) {
                Ok(child) => (State::Lives(child.process), child.input),
                Err(error) => (State::Failed(error), None),
            };
            let is_terminal = start.terminal_of.is_some();
            if let State::Lives(process) = &state {
                self.leaders.insert(process.pid, agent);
                self.terminals += usize::from(is_terminal);
            }
            let input = Input::new(agent, &start.dir, fifo, self.through.clone());
            let output_max = [start.stdout_max, start.stderr_max];
            let (dir, cuts) = (start.dir.clone(), Cuts::default());
            let kept = Kept { dir, state, input, output_max, cuts, is_terminal };
            self.agents.insert(agent, kept);
        }
        match &self.agents[&agent].state {
            State::Failed(error) => {
                self.link.send(&Report::Failed { agent, error: error.clone() });
            }
            State::Adopted => {
                let error = "it was started already, by a keeper that is dead".to_owned();
                self.link.send(&Report::Failed { agent, error });
            }
            State::Lives(Process { pid, start }) => {
                self.link.send(&Report::Started { agent, pid: *pid, start: *start });
            }
            State::Ended(Process { pid, start }, ended) => {
                self.link.send(&Report::Started { agent, pid: *pid, start: *start });
                self.link.send(&Report::Exited { agent, ended: *ended });
            }
        }
    }

    fn write(&mut self, agent: AgentId, message: MessageId, text: String) {
        let outcome = match self.reach(agent) {
            Ok(kept) => kept.input.take(message, text),
            Err(error) => {
                Some(Outcome::Unwritable(format!("the agent has ended, or takes none: {error}")))
            }
        };
        if let Some(outcome) = outcome {
            self.tell(agent, message, outcome);
        }
    }

    /// The agent, which a keeper before this one may have started.
    fn reach(&mut self, agent: AgentId) -> io::Result<&mut Kept> {
        Ok(match self.agents.entry(agent) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => {
                let dir = self.agents_dir.join(agent.as_str());
                let input = Input::adopt(agent, &dir, self.through.clone())?;
                let (state, output_max, cuts) = (State::Adopted, [None; 2], Cuts::default());
                unknown.insert(Kept { dir, state, input, output_max, cuts, is_terminal: false })
            }
        })
    }

    fn settle(&mut self, through: Through) {
        let Through { agent, message, outcome } = through;
        if let Some(kept) = self.agents.get_mut(&agent) {
            kept.input.settle(message, outcome.clone());
            self.tell(agent, message, outcome);
        }
    }

    fn tell(&mut self, agent: AgentId, message: MessageId, outcome: Outcome) {
        self.link.send(&match outcome {
            Outcome::Written => Report::Written { agent, message },
            Outcome::Unwritable(reason) => {
                Report::Unwritable { agent, message, reason, unknown: false }
            }
            Outcome::Unknown => {
                let reason = super::handle::WriteFailure::Unknown.to_string();
                Report::Unwritable { agent, message, reason, unknown: true }
            }
        });
    }

    /// Reaps whoever has ended. For an agent's own process, first the rest of its group is killed,
    /// while the zombie still keeps the group's id from being given to anybody else.
    fn reap(&mut self) {
        // What was written before an agent ended was written.
        while let Some(through) = self.through.pop() {
            self.settle(through);
        }
        let mut ended = Vec::new();
        while let Some(pid) = reap::next_ended() {
            match self.leaders.remove(&pid) {
                Some(agent) => {
                    if let Some(group) = Pid::from_raw(pid) {
                        let _ = kill_process_group(group, RawSignal::KILL);
                    }
                    ended.push((agent, reap::reap(pid)));
                }
                // An orphan that came to us.
                None => drop(reap::reap(pid)),
            }
        }
        let failed = |(_, ended): &(AgentId, Ended)| ended.code != Some(0);
        let memory_ran_out = ended.iter().any(failed) && self.memory.ran_out();
        let orphans = (!ended.is_empty() || self.leaders.is_empty()) && self.look_after_orphans();
        for (agent, ended) in ended {
            // Asking the system for our children can miss one that is just being born; its group knows.
            let inside = |groups: &Groups| !cgroup::members(&groups.dir(agent)).is_empty();
            let orphans = orphans || self.groups.as_ref().is_some_and(inside);
            let memory_ran_out = memory_ran_out && ended.code != Some(0);
            self.end(agent, Ended { orphans, memory_ran_out, ..ended });
        }
    }

    /// Whether there are orphans. When no agent lives, they are all left over from agents that have
    /// ended, and are killed, whatever they did to hide; their own children come to us in turn.
    fn look_after_orphans(&self) -> bool {
        let Some(children) = proc::children_of(std::process::id()) else { return true };
        let mut orphans = children.into_iter().filter(|pid| !self.leaders.contains_key(pid));
        if !self.leaders.is_empty() {
            return orphans.next().is_some();
        }
        let mut any = false;
        for pid in orphans.filter_map(Pid::from_raw) {
            // Only this thread reaps our children, so the pid is still the orphan's.
            let _ = kill_process(pid, RawSignal::KILL);
            any = true;
        }
        any
    }

    fn end(&mut self, agent: AgentId, ended: Ended) {
        let Some(kept) = self.agents.get_mut(&agent) else { return };
        let State::Lives(process) = kept.state else { return };
        kept.state = State::Ended(process, ended);
        self.terminals -= usize::from(kept.is_terminal);
        if let Err(error) = Record::write_end(&kept.dir, ended) {
            tracing::error!(%agent, %error, "cannot write down an end");
        }
        let outcome = Outcome::Unwritable("the agent has ended".to_owned());
        let unwritten = kept.input.close();
        for message in unwritten {
            kept.input.settle(message, outcome.clone());
            self.link.send(&Report::Unwritable {
                agent,
                message,
                reason: "the agent has ended".to_owned(),
                unknown: false,
            });
        }
        self.link.send(&Report::Exited { agent, ended });
    }
}
