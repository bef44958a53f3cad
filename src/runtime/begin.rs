//! How an attempt gets hold of its process: it starts one, or takes one back.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::command::Parts;
use super::keeper::{Ended, Record, SpawnFailure, Start};
use super::proc::{self, AGENT_VARIABLE};
use super::{Environment, Exit, RunIo, Stop};
use crate::model::{Agent, AgentId, Process, Signal, Spawned};

/// How often a start is tried when keepers die under it.
const ATTEMPTS: usize = 5;

/// The process of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Held {
    /// The keeper owns it, and will tell how it ends, or has.
    Kept(Process),
    /// It runs, but the keeper that started it is dead.
    Unkept(Process),
    /// It has ended; how is not always known.
    Over(Option<Process>, Option<Ended>),
}

impl Held {
    pub(super) fn process(self) -> Option<Process> {
        match self {
            Self::Kept(process) | Self::Unkept(process) => Some(process),
            Self::Over(process, _) => process,
        }
    }
}

/// Takes back an agent whose start is in the log.
pub(super) async fn adopt(parts: &Parts, agent: &Agent) -> Held {
    if let Some(process) = parts.keeper.kept(agent.id).await {
        return Held::Kept(process);
    }
    let record = Record::read(&parts.dir(agent.id));
    // A start time counts from the boot, so pid and start alone could be a process of another.
    let leader = agent.process.or(record.process).filter(|process| {
        proc::lives(*process)
            && !record.rebooted
            && (record.process == Some(*process) || proc::agent_of(process.pid) == Some(agent.id))
    });
    match leader {
        _ if record.ended.is_some() => Held::Over(leader, record.ended),
        Some(process) => Held::Unkept(process),
        None => Held::Over(None, None),
    }
}

/// Starts the agent, unless it was started already by somebody who died before telling.
///
/// # Errors
/// How the attempt ends when it cannot be started, or is told to stop before.
pub(super) async fn start(parts: &Parts, io: &RunIo) -> Result<Held, Box<Exit>> {
    let agent = &io.agent;
    let environment = Unstarted::open(parts, agent);
    let mut prepared = parts.keeper.prepared(agent.id);
    for _ in 0..ATTEMPTS {
        if let Some(process) = parts.keeper.kept(agent.id).await {
            environment.done();
            return Ok(Held::Kept(process));
        }
        if prepared.is_none()
            && let Some(held) = earlier(parts, agent).await
        {
            environment.done();
            return Ok(held);
        }
        let stop = *io.stop.borrow();
        if stop != Stop::No {
            environment.done();
            return Err(Box::new(stopped(stop)));
        }
        let start = prepared.take().map_or_else(|| start_of(parts, agent, &environment), Ok);
        let started = match start {
            Ok(start) => parts.keeper.spawn(start).await,
            Err(reason) => Err(SpawnFailure::Refused(reason)),
        };
        match started {
            Ok(process) => {
                environment.done();
                return Ok(Held::Kept(process));
            }
            Err(SpawnFailure::Lost) => {}
            Err(failure) => {
                environment.done();
                return Err(Box::new(failed(failure.to_string())));
            }
        }
    }
    environment.done();
    let reason = "the keeper died each time it was to start the agent".to_owned();
    Err(Box::new(failed(reason)))
}

fn failed(reason: String) -> Exit {
    Exit { reason: Some(reason), ..Exit::default() }
}

fn stopped(stop: Stop) -> Exit {
    let signal = if let Stop::Ask(signal) = stop { signal } else { Signal::KILL };
    let reason = Some("it was stopped before it started".to_owned());
    Exit { signal: Some(signal), reason, ..Exit::default() }
}

/// What another daemon or keeper started before it died. The keeper makes an agent's directory before
/// anything else, so that without one there is nothing to look for.
async fn earlier(parts: &Parts, agent: &Agent) -> Option<Held> {
    let dir = parts.dir(agent.id);
    if !dir.exists() {
        return None;
    }
    let record = Record::read(&dir);
    if record.ended.is_some() {
        return Some(Held::Over(record.process, record.ended));
    }
    if let Some(process) = record.process {
        let lives = proc::lives(process);
        return Some(if lives { Held::Unkept(process) } else { Held::Over(Some(process), None) });
    }
    // It died when it was about to start the agent, or had done so and not yet written that down.
    let members = parts.tree(agent.id, None).survivors().await.unwrap_or_default();
    let leader = members.iter().find(|seen| seen.group == seen.process.pid);
    match leader {
        Some(seen) => Some(Held::Unkept(seen.process)),
        // Whether it ran is not known, so it is never started again.
        None if !members.is_empty() || record.begun => Some(Held::Over(None, None)),
        None => None,
    }
}

/// Has made ready what the agent will need, as far as that starts nothing. Whether the keeper could be asked.
pub(super) fn prepare(
    parts: &Parts,
    agent: AgentId,
    spawned: &Spawned,
    environment: &BTreeMap<String, String>,
) -> bool {
    let spawned = Spawned { environment: None, ..spawned.clone() };
    // Whatever is wrong is told when it is started.
    let start = request(parts, agent, &spawned, environment.clone());
    start.is_ok_and(|start| parts.keeper.prepare(start))
}

fn start_of(parts: &Parts, agent: &Agent, environment: &Unstarted) -> Result<Start, String> {
    let (spec, by, index) = (Arc::clone(&agent.spec), agent.by.clone(), agent.index);
    let spawned = Spawned { spec, by, index, queued: None, environment: None };
    request(parts, agent.id, &spawned, environment.read(agent)?)
}

fn request(
    parts: &Parts,
    agent: AgentId,
    spawned: &Spawned,
    mut env: BTreeMap<String, String>,
) -> Result<Start, String> {
    let spec = &spawned.spec;
    let argv = spec.command.clone().filter(|argv| !argv.is_empty());
    let argv = argv.ok_or("the agent has no command")?;
    env.insert(AGENT_VARIABLE.to_owned(), agent.to_string());
    let cwd = PathBuf::from(&spec.cwd);
    let program = match &spec.program {
        Some(program) => PathBuf::from(program),
        None => super::program::find(&argv[0], env.get("PATH").map(String::as_str), &cwd)
            .map_err(|missing| missing.to_string())?,
    };
    let dir = parts.dir(agent);
    let spawned = serde_json::to_value(spawned).ok();
    let acp = spec.runtime == crate::model::Runtime::Acp;
    let most = Some(parts.backlog_max.load(Ordering::Relaxed));
    Ok(Start {
        agent,
        program,
        argv,
        env,
        cwd,
        dir,
        stdin: spec.stdin || acp,
        processes_max: parts.processes_max,
        terminal_of: None,
        spawned,
        // A conversation of which a part is missing is none.
        stdout_max: most.filter(|_| !acp),
        stderr_max: most,
    })
}

/// The environment of an agent that has not started. Dropped before [`Unstarted::done`], it leaves the
/// file in place: a daemon that lets go of the agent leaves it to the next.
struct Unstarted {
    environment: Option<Result<Arc<Environment>, String>>,
    done: std::cell::Cell<bool>,
}

impl Unstarted {
    fn open(parts: &Parts, agent: &Agent) -> Self {
        let open = |name: &Arc<str>| {
            Environment::reopen(&parts.spool, name)
                .map_err(|error| format!("its environment is not there any more: {error}"))
        };
        let environment = agent.environment.as_ref().map(open);
        Self { environment, done: std::cell::Cell::new(false) }
    }

    fn read(&self, agent: &Agent) -> Result<BTreeMap<String, String>, String> {
        match &self.environment {
            Some(Ok(environment)) => environment
                .read()
                .map_err(|error| format!("its environment cannot be read: {error}")),
            Some(Err(reason)) => Err(reason.clone()),
            None if agent.spec.env.is_empty() => Ok(BTreeMap::new()),
            None => Err("its environment is not kept any more".to_owned()),
        }
    }

    fn done(&self) {
        self.done.set(true);
    }
}

impl Drop for Unstarted {
    fn drop(&mut self) {
        if let Some(Ok(environment)) = &self.environment
            && !self.done.get()
        {
            environment.keep();
        }
    }
}
