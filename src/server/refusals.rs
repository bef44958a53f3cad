//! Who was turned away, for the audit trail: counted, and written down together, so that ten thousand
//! guesses are a handful of records.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;

use crate::model::Actor;
use crate::store::{Batch, Operation, Store};

/// How long refusals are gathered before the first record. While more come it doubles, up to
/// [`LONGEST`].
const FIRST: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_mins(10);
/// Different refusals that are told apart at once; the rest are counted together.
const KINDS_MAX: usize = 64;

/// A refusal, as far as the trail tells them apart.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Refusal {
    /// A named caller, or `unknown`.
    pub(super) actor: String,
    /// `auth.failed` or `auth.denied`.
    pub(super) action: &'static str,
    /// Where it came from, or what was asked for.
    pub(super) what: String,
}

/// What has been refused since the last record. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Refusals(Arc<Gathered>);

#[derive(Default)]
struct Gathered {
    counts: Mutex<Counts>,
    store: OnceLock<Arc<dyn Store>>,
}

impl std::fmt::Debug for Gathered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gathered").finish_non_exhaustive()
    }
}

#[derive(Default)]
struct Counts {
    counts: BTreeMap<Refusal, u64>,
    /// Whether a task waits to write them down.
    awaited: bool,
}

impl Refusals {
    /// Where they are recorded. Before this they are only counted.
    pub(super) fn record_into(&self, store: Arc<dyn Store>) {
        let _ = self.0.store.set(store);
    }

    /// Counts one. Must be called in a tokio runtime.
    pub(super) fn count(&self, refusal: Refusal) {
        let mut counts = self.lock();
        let known = counts.counts.len() < KINDS_MAX || counts.counts.contains_key(&refusal);
        let kind = if known {
            refusal
        } else {
            Refusal { actor: "unknown".to_owned(), what: "others".to_owned(), ..refusal }
        };
        *counts.counts.entry(kind).or_default() += 1;
        if !std::mem::replace(&mut counts.awaited, true) {
            tokio::spawn(self.clone().gather());
        }
    }

    async fn gather(self) {
        let mut pause = FIRST;
        loop {
            tokio::time::sleep(pause).await;
            if !self.flush().await {
                let mut counts = self.lock();
                if counts.counts.is_empty() {
                    counts.awaited = false;
                    return;
                }
            }
            pause = (pause * 2).min(LONGEST);
        }
    }

    /// Writes down what there is. False when that is nothing.
    pub(super) async fn flush(&self) -> bool {
        let counts = std::mem::take(&mut self.lock().counts);
        if counts.is_empty() {
            return false;
        }
        let Some(store) = self.0.store.get() else { return true };
        let operation = |(refusal, times): (Refusal, u64)| Operation {
            actor: Actor(refusal.actor.into()),
            action: refusal.action.to_owned(),
            outcome: "refused".to_owned(),
            detail: json!({ "what": refusal.what, "times": times }),
        };
        let audit = counts.into_iter().map(operation).collect();
        let batch = Batch { audit, time: Timestamp::now(), ..Batch::default() };
        if let Err(error) = store.append(batch).await {
            tracing::error!(%error, "cannot record who was turned away");
        }
        true
    }

    /// What waits to be written down, and how often each.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> Vec<(Refusal, u64)> {
        self.lock().counts.clone().into_iter().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.0.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
