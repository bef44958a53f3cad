//! New agents, and those that the log says are alive.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::actor::Actor;
use super::admission::{QueueFull, Ticket};
use super::budget;
use super::capacity::AGENT_MEMORY_MB;
use super::family::{self, Parent};
use super::request::{self, Checked};
use super::{Capacity, Inner, SpawnRequest, SupervisorError};
use crate::model::{
    Actor as By, Agent, AgentId, Fact, McpServer, Resume, Runtime, Spawned, Spec, Status,
};
use crate::runtime::{self, Environment, Unsynced};
use crate::store::{Answer, Batch, StoreError};

/// Records new agents and begins their actors.
pub(super) async fn spawn(
    inner: &Arc<Inner>,
    mut request: SpawnRequest,
    earlier: Option<Arc<Agent>>,
    parent: Option<&Parent>,
    by: By,
    key: Option<(String, [u8; 32])>,
) -> Result<Vec<Arc<Agent>>, SupervisorError> {
    let resume = earlier.map(|earlier| resume(&mut request, &earlier)).transpose()?;
    let asked = request.children.is_some();
    let own = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let Checked { mut spec, count, environment, mcp_servers } =
        request::check(request, resume, &inner.config, own)?;
    if let Some(parent) = parent {
        parent.adopt(&mut spec, asked)?;
        budget::keep_together(&inner.config, parent.spec(), &mut spec);
    }
    budget::check(inner, &spec).await?;
    if count > 1 && spec.group.is_none() {
        let random = AgentId::from_bits(Inner::random());
        spec.group = Some(format!("g-{}", random.short()));
    }
    let variables = (count == 1).then(|| environment.clone());
    let (environment, unsynced) = keep_environment(inner, &spec, environment, mcp_servers)?.unzip();
    let tickets = reserve(inner, count, memory(&spec))?;
    let spec = Arc::new(spec);
    let ids: Vec<AgentId> = tickets.iter().map(|_| AgentId::from_bits(Inner::random())).collect();
    let facts = (1..).zip(ids.iter().zip(&tickets)).map(|(index, (id, ticket))| {
        let queued = match ticket {
            Ticket::Now(_) => None,
            Ticket::Later(_) => Some(reason(inner, &spec)),
        };
        let environment = environment.as_ref().map(|kept| kept.name().into());
        let (spec, by) = (Arc::clone(&spec), by.clone());
        (*id, Fact::Spawned(Box::new(Spawned { spec, by, index, queued, environment })))
    });
    let facts: Vec<(AgentId, Fact)> = facts.collect();
    let answer = key.map(|(key, fingerprint)| {
        let body = ids.iter().map(AgentId::to_string).collect::<Vec<_>>().join(" ");
        Answer { key, fingerprint, body }
    });
    let prepared = variables.and_then(|variables| prepare(inner, &facts, &tickets, &variables));
    let batch = Batch { facts: facts.clone(), answer, time: inner.clock.now(), audit: Vec::new() };
    // What is ready needs the file no longer than the disk would take to have it. For all others both wait for the
    // disk: together, they wait once.
    let unsynced = unsynced.filter(|_| prepared.is_none());
    let (events, ()) = tokio::join!(inner.store.append(batch), sync(unsynced));
    let events = match (events, prepared) {
        (Err(error), Some(id)) => {
            inner.runtimes.get(spec.runtime).forget(id).await;
            return Err(error.into());
        }
        (events, _) => events?,
    };
    let agents = events
        .iter()
        .zip(&facts)
        .filter_map(|(event, (_, fact))| Agent::spawned(event, fact).map(Arc::new));
    let agents: Vec<Arc<Agent>> = agents.collect();
    for (agent, ticket) in agents.iter().zip(tickets) {
        Actor::begin(inner, agent, ticket, environment.clone());
    }
    // They begin before the answer is written: whoever gets that takes a processor.
    tokio::task::yield_now().await;
    Ok(agents)
}

/// Has the runtime make ready what a single agent will need as soon as it is recorded: that takes about as long as the
/// disk does. Answers with the agent when that is done. Of many, the first ones keep the processors busy enough.
fn prepare(
    inner: &Inner,
    facts: &[(AgentId, Fact)],
    tickets: &[Ticket],
    environment: &BTreeMap<String, String>,
) -> Option<AgentId> {
    let [(id, Fact::Spawned(spawned))] = facts else { return None };
    let [Ticket::Now(_)] = tickets else { return None };
    let runtime = inner.runtimes.get(spawned.spec.runtime);
    runtime.prepare(*id, spawned, environment).then_some(*id)
}

/// The session that is to go on, in the earlier agent's place and with its profile.
fn resume(request: &mut SpawnRequest, earlier: &Agent) -> Result<Resume, SupervisorError> {
    let refused = |reason: String| SupervisorError::Refused { agent: earlier.id, reason };
    let id = earlier.id.short();
    if !earlier.status.is_end() {
        return Err(refused(format!("agent {id} has not ended: send it a message instead")));
    }
    if request.command.is_some() || request.count > 1 {
        let message = "a session goes on in one agent, and not in a command".to_owned();
        return Err(SupervisorError::Invalid { message, hint: None });
    }
    let session_id = earlier.talk.as_ref().filter(|talk| talk.resumable);
    let Some(session_id) = session_id.and_then(|talk| talk.session_id.clone()) else {
        return Err(refused(format!("agent {id} has no session that could be taken up again")));
    };
    request.profile = request.profile.take().or_else(|| earlier.spec.profile.clone());
    // Harnesses find a session by the directory that it was in.
    request.cwd = Some(earlier.spec.cwd.clone());
    Ok(Resume { agent: earlier.id, session_id })
}

/// Why an agent has to wait: for a place, or for the memory that it is expected to take.
fn reason(inner: &Inner, spec: &Spec) -> Arc<str> {
    let Capacity { agents, set_by, memory_mb, memory_set_by } = inner.capacity;
    let taken = inner.admission.taken();
    let many = if taken.places == 1 {
        "1 agent runs".into()
    } else {
        format!("{} agents run", taken.places)
    };
    if taken.places >= agents {
        let agents =
            if agents == 1 { "1 agent runs".into() } else { format!("{agents} agents run") };
        return format!("{agents} already, the limit set by {set_by}").into();
    }
    if taken.memory + memory(spec) > memory_mb {
        return format!(
            "it is expected to take {} MB, and {many} already with {} of the {memory_mb} MB that are for \
             agents, the limit set by {memory_set_by}",
            memory(spec),
            taken.memory
        )
        .into();
    }
    "agents that came before it wait for memory".into()
}

/// Mebibytes that an agent counts with. What runs inside the daemon takes none to speak of.
fn memory(spec: &Spec) -> u64 {
    match spec.runtime {
        Runtime::Scripted => 0,
        _ => u64::from(spec.memory_mb.unwrap_or(AGENT_MEMORY_MB)),
    }
}

fn reserve(inner: &Inner, count: u32, memory: u64) -> Result<Vec<Ticket>, SupervisorError> {
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    inner
        .admission
        .reserve(count, memory)
        .map_err(|QueueFull(queued)| SupervisorError::QueueFull { queued })
}

/// Writes variables and MCP servers where only the start will look for them. What runs inside the daemon gets
/// none.
fn keep_environment(
    inner: &Inner,
    spec: &Spec,
    environment: BTreeMap<String, String>,
    mcp_servers: Vec<McpServer>,
) -> Result<Option<(Arc<Environment>, Unsynced)>, SupervisorError> {
    if spec.runtime == Runtime::Scripted {
        return Ok(None);
    }
    let kept = Environment::write(&inner.spool, environment, mcp_servers);
    kept.map(Some).map_err(|error| cannot_keep(&inner.spool, &error))
}

fn cannot_keep(spool: &Path, error: &io::Error) -> SupervisorError {
    let path = spool.to_owned();
    if runtime::no_descriptor_is_left(error) {
        return SupervisorError::NoDescriptors;
    }
    SupervisorError::Store(if error.kind() == io::ErrorKind::StorageFull {
        StoreError::Full { path }
    } else {
        StoreError::Io { path, message: error.to_string() }
    })
}

/// The agents start from it all the same when the disk does not take it: only a machine that fails
/// before that would have lost it, and then they say so.
async fn sync(unsynced: Option<Unsynced>) {
    let Some(unsynced) = unsynced else { return };
    let synced = tokio::task::spawn_blocking(move || unsynced.sync()).await;
    if let Ok(Err(error)) = synced {
        tracing::warn!(%error, "the environment of new agents is not on the disk");
    }
}

/// Begins an actor for every agent that is alive by the log. Those that may have a process keep
/// their places, even when there are fewer places than before; the others queue in their old order.
pub(super) fn take_back(inner: &Arc<Inner>) {
    let alive = inner.store.alive();
    let has_begun = |agent: &Agent| inner.runtimes.get(agent.spec.runtime).has_begun(agent.id);
    let (hold, wait): (Vec<_>, Vec<_>) =
        alive.iter().partition(|agent| agent.holds_a_place() || has_begun(agent));
    for agent in hold {
        begin_again(inner, agent, Ticket::Now(inner.admission.occupy(memory(&agent.spec))));
    }
    for agent in wait {
        debug_assert_eq!(agent.status, Status::Queued);
        begin_again(inner, agent, inner.admission.requeue(memory(&agent.spec)));
    }
    family::finish_stopping(inner);
    // A limit may have been reached just when a daemon died, or be another one now.
    for agent in &alive {
        budget::count(inner, agent);
    }
}

fn begin_again(inner: &Arc<Inner>, agent: &Agent, ticket: Ticket) {
    let environment = agent.environment.as_ref().and_then(|name| {
        Environment::reopen(&inner.spool, name)
            .inspect_err(|error| {
                tracing::warn!(agent = %agent.id, %error, "its environment cannot be read");
            })
            .ok()
    });
    Actor::begin(inner, agent, ticket, environment);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_lacks_is_named() {
        let cannot =
            |number| cannot_keep(Path::new("/spool"), &io::Error::from_raw_os_error(number));
        for (number, expected) in
            [(23, "fd limit"), (24, "fd limit"), (28, "/spool"), (5, "/spool")]
        {
            let said = cannot(number).to_string();
            assert!(said.contains(expected), "{number}: {said}");
        }
        assert!(matches!(cannot(28), SupervisorError::Store(StoreError::Full { .. })));
    }
}
