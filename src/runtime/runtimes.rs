//! The runtimes that there are.

use std::collections::{BTreeSet, HashSet};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use super::Runtime;
use super::acp::Acp;
use super::command::{Command, Parts};
use super::keeper::{Keeper, KeeperError, Record};
use super::output::Outputs;
use super::proc;
use super::scripted::Scripted;
use super::tree::Scanner;
use crate::model::{Agent, AgentId, Process, Runtime as Kind, Spawned};

/// A runtime for each kind of agent. Cheap to clone.
#[derive(Clone)]
pub struct Runtimes {
    pub command: Arc<dyn Runtime>,
    pub acp: Arc<dyn Runtime>,
    pub scripted: Arc<dyn Runtime>,
}

/// An agent that runs, and of which the log has nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct Stray {
    pub agent: AgentId,
    pub process: Process,
    /// What the log had of it when it was started; none when an older keeper started it.
    pub spawned: Option<Spawned>,
}

/// Why agents cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(transparent)]
    Keeper(#[from] KeeperError),
    #[error("cannot use {}: {error}", path.display())]
    Io { path: PathBuf, error: io::Error },
    #[error("cannot follow files: {0}; `sysctl fs.inotify.max_user_instances` may be too low")]
    Inotify(io::Error),
}

impl Runtimes {
    /// The real ones, over the keeper of this state directory; `program keeper STATE` starts it. Where
    /// the system can limit it, an agent has at most `processes_max` processes and threads. Variables with
    /// names in `secrets` are for harnesses alone, and not for the commands that they have run.
    ///
    /// # Errors
    /// When the directory cannot be used, there is no keeper, or nothing to follow files with.
    pub async fn open(
        state: &Path,
        program: &Path,
        processes_max: Option<u32>,
        secrets: BTreeSet<String>,
    ) -> Result<Self, OpenError> {
        super::cgroup::leave();
        let agents = state.join("agents");
        for path in [state, &agents] {
            let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
            made.map_err(|error| OpenError::Io { path: path.to_owned(), error })?;
        }
        let parts = Parts {
            keeper: Keeper::connect(state, program).await?,
            outputs: Outputs::open().map_err(OpenError::Inotify)?,
            scanner: Scanner::default(),
            agents,
            spool: Self::spool(state),
            backlog_max: AtomicU64::new(u64::MAX),
            processes_max,
            secrets,
            rereading: Parts::rereaders(),
        };
        let command = Command::new(parts);
        let acp = Arc::new(Acp::new(&command));
        Ok(Self { command: Arc::new(command), acp, scripted: Arc::new(Scripted) })
    }

    /// Where [`super::Environment`]s are kept.
    #[must_use]
    pub fn spool(state: &Path) -> PathBuf {
        state.join("spool")
    }

    /// What an agent wrote while nobody followed is taken over up to so many bytes of each stream; the
    /// oldest beyond that are left out, and said to be.
    pub fn bound_backlog(&self, bytes: u64) {
        self.command.bound_backlog(bytes);
    }

    /// The runtime of this kind of agent.
    #[must_use]
    pub fn get(&self, kind: Kind) -> Arc<dyn Runtime> {
        Arc::clone(match kind {
            Kind::Command => &self.command,
            Kind::Acp => &self.acp,
            Kind::Scripted => &self.scripted,
        })
    }

    /// Agents that are not among the living and whose processes live: what was recorded of them is lost.
    /// To be called before [`Self::left_behind`].
    #[must_use]
    pub fn strays(&self, state: &Path, living: &[Arc<Agent>]) -> Vec<Stray> {
        let agents = state.join("agents");
        let unknown = unknown(&agents, living).into_iter();
        unknown.filter_map(|agent| stray(agent, &agents.join(agent.as_str()))).collect()
    }

    /// What agents that are not among the living have left behind when a daemon died. To be called when
    /// a daemon starts, before anything is spawned.
    #[must_use]
    pub fn left_behind(state: &Path, living: &[Arc<Agent>]) -> LeftBehind {
        let (spool, dir) = (Self::spool(state), state.join("agents"));
        let kept: HashSet<&str> =
            living.iter().filter_map(|agent| agent.environment.as_deref()).collect();
        let environments = names(&spool).into_iter().filter(|name| !kept.contains(name.as_str()));
        LeftBehind {
            agents: unknown(&dir, living),
            dir,
            environments: environments.map(|name| spool.join(name)).collect(),
        }
    }

    /// Removes it, one after another: agents that live come first, and nobody waits for this.
    pub async fn tidy(&self, left: LeftBehind) {
        for environment in left.environments {
            let _ = tokio::fs::remove_file(environment).await;
        }
        for agent in left.agents {
            match stray(agent, &left.dir.join(agent.as_str())) {
                None => self.command.forget(agent).await,
                Some(stray) => tracing::error!(%agent, process = ?stray.process,
                    "a process of an agent that nothing is known of lives"),
            }
        }
    }
}

/// See [`Runtimes::left_behind`].
#[derive(Debug)]
pub struct LeftBehind {
    /// Where agents have their directories.
    dir: PathBuf,
    agents: Vec<AgentId>,
    environments: Vec<PathBuf>,
}

/// The agents that have a directory and are not among the living.
fn unknown(agents: &Path, living: &[Arc<Agent>]) -> Vec<AgentId> {
    let known: HashSet<AgentId> = living.iter().map(|agent| agent.id).collect();
    let ids = names(agents).into_iter().filter_map(|name| name.parse().ok());
    ids.filter(|id| !known.contains(id)).collect()
}

fn stray(agent: AgentId, dir: &Path) -> Option<Stray> {
    let record = Record::read(dir);
    let process =
        record.process.filter(|process| record.ended.is_none() && proc::lives(*process))?;
    let spawned = record.spawned.and_then(|spawned| serde_json::from_value(spawned).ok());
    Some(Stray { agent, process, spawned })
}

fn names(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).into_iter().flatten();
    entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect()
}
