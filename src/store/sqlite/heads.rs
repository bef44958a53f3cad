//! Who is to be woken by what.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::model::{AgentId, Seq};
use crate::store::{Head, Scope};

/// Watched agents below which those that nobody watches any more are not looked for.
const SWEEP_MIN: usize = 64;

/// The newest positions, of all and of the agents that somebody follows.
#[derive(Debug)]
pub(super) struct Heads {
    all: watch::Sender<Seq>,
    watched: Mutex<Watched>,
}

#[derive(Debug, Default)]
struct Watched {
    agents: HashMap<AgentId, Vec<Arc<Watch>>>,
    /// How many agents there may be until the next sweep.
    sweep_at: usize,
}

#[derive(Debug)]
struct Watch {
    /// Whether it is of this one agent only, and so can be shared by all who ask for the same.
    single: bool,
    head: watch::Sender<Seq>,
}

impl Heads {
    pub(super) fn new(newest: Seq) -> Self {
        let watched = Mutex::new(Watched { agents: HashMap::new(), sweep_at: SWEEP_MIN });
        Self { all: watch::Sender::new(newest), watched }
    }

    /// A receiver for this scope that starts at `newest` or before.
    pub(super) fn head(&self, scope: &Scope, newest: impl Fn() -> Seq) -> Head {
        let agents = match scope {
            Scope::Agents(agents) if !agents.is_empty() => agents,
            _ => return self.all.subscribe(),
        };
        let mut watched = self.watched();
        watched.sweep();
        if let [agent] = agents[..]
            && let Some(watches) = watched.agents.get(&agent)
            && let Some(watch) = watches.iter().find(|watch| watch.single)
        {
            return watch.head.subscribe();
        }
        // Under the lock: a position that is raised later is raised for this receiver as well.
        let (head, receiver) = watch::channel(newest());
        let watch = Arc::new(Watch { single: agents.len() == 1, head });
        for agent in agents {
            watched.agents.entry(*agent).or_default().push(Arc::clone(&watch));
        }
        receiver
    }

    /// Raises the heads of these agents to these positions, and the one of all.
    pub(super) fn raise(&self, agents: impl Iterator<Item = (AgentId, Seq)>, newest: Seq) {
        let mut followed = self.watched();
        for (agent, seq) in agents {
            if followed.agents.is_empty() {
                break;
            }
            let Some(watches) = followed.agents.get_mut(&agent) else { continue };
            watches.retain(|watch| !watch.head.is_closed());
            for watch in &*watches {
                raise(&watch.head, seq);
            }
            if watches.is_empty() {
                followed.agents.remove(&agent);
            }
        }
        drop(followed);
        raise(&self.all, newest);
    }

    /// Raises every head to this position.
    pub(super) fn raise_all(&self, newest: Seq) {
        for watch in self.watched().agents.values().flatten() {
            raise(&watch.head, newest);
        }
        raise(&self.all, newest);
    }

    fn watched(&self) -> MutexGuard<'_, Watched> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(super) fn watched_agents(&self) -> usize {
        self.watched().agents.len()
    }
}

impl Watched {
    /// Forgets agents that nobody watches, now and then: their next event may never come.
    fn sweep(&mut self) {
        if self.agents.len() < self.sweep_at {
            return;
        }
        self.agents.retain(|_, watches| {
            watches.retain(|watch| !watch.head.is_closed());
            !watches.is_empty()
        });
        self.sweep_at = SWEEP_MIN.max(2 * self.agents.len());
    }
}

fn raise(head: &watch::Sender<Seq>, seq: Seq) {
    head.send_if_modified(|value| {
        let rises = seq > *value;
        *value = seq.max(*value);
        rises
    });
}
