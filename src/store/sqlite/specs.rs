//! The specs of agents whose events are being read, so that no event parses its agent's again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, OptionalExtension};
use serde::Deserialize;

use crate::model::{AgentId, Spec};

/// Specs that are kept here at most.
const SPECS_MAX: usize = 4_096;
/// Bytes of their JSON, about.
const BYTES_MAX: usize = 4 * 1024 * 1024;

/// By the agent's place in the order of spawning; places are never used again.
#[derive(Debug, Default)]
pub(super) struct Specs {
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    specs: HashMap<i64, (AgentId, Arc<Spec>)>,
    bytes: usize,
}

/// The part of an agent's state that its events need.
#[derive(Deserialize)]
struct Identity {
    id: AgentId,
    spec: Arc<Spec>,
}

impl Specs {
    /// The agent at place `n`, unless its row is gone or cannot be understood.
    pub(super) fn of(
        &self,
        connection: &Connection,
        n: i64,
    ) -> rusqlite::Result<Option<(AgentId, Arc<Spec>)>> {
        if let Some((id, spec)) = self.known().specs.get(&n) {
            return Ok(Some((*id, Arc::clone(spec))));
        }
        let mut statement = connection.prepare_cached("SELECT state FROM agents WHERE n = ?1")?;
        let state: Option<String> = statement.query_row([n], |row| row.get(0)).optional()?;
        let Some(state) = state else { return Ok(None) };
        match serde_json::from_str::<Identity>(&state) {
            Ok(Identity { id, spec }) => {
                self.known().put(n, id, Arc::clone(&spec), state.len());
                Ok(Some((id, spec)))
            }
            Err(error) => {
                tracing::error!(n, %error, "the state of an agent cannot be read");
                Ok(None)
            }
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn put(&mut self, n: i64, id: AgentId, spec: Arc<Spec>, bytes: usize) {
        if self.specs.len() >= SPECS_MAX || self.bytes + bytes > BYTES_MAX {
            // Whatever is still in use is read again: once for each agent, not for each event.
            *self = Self::default();
        }
        self.bytes += bytes;
        self.specs.insert(n, (id, spec));
    }
}
