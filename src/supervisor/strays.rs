//! Agents that run although the log has nothing of them: it lost that with a part of the file.

use std::path::Path;

use jiff::Timestamp;

use crate::model::{Actor, Fact, Started};
use crate::runtime::{Runtimes, Stray};
use crate::store::{Batch, Operation, Store};

/// Records them anew, from what their starts were written down with. To be called before a
/// [`super::Supervisor`] starts, which takes them back like all others.
pub async fn take_in_strays(store: &dyn Store, runtimes: &Runtimes, state: &Path, now: Timestamp) {
    for Stray { agent, process, spawned } in runtimes.strays(state, &store.alive()) {
        let Some(spawned) = spawned else { continue };
        let operation = Operation {
            actor: Actor::daemon(),
            action: "store.found".to_owned(),
            outcome: "accepted".to_owned(),
            detail: serde_json::json!({"agent_id": agent, "pid": process.pid}),
        };
        let started = Started { pid: Some(process.pid), process_start: Some(process.start) };
        let facts =
            vec![(agent, Fact::Spawned(Box::new(spawned))), (agent, Fact::Started(started))];
        let batch = Batch { facts, audit: vec![operation], time: now, answer: None };
        match store.append(batch).await {
            Ok(_) => tracing::warn!(%agent, "found an agent that the log had lost"),
            Err(error) => tracing::error!(%agent, %error, "an agent that runs cannot be recorded"),
        }
    }
}
