//! A log that an earlier daemon left.

use std::os::unix::fs::DirBuilderExt;
use std::sync::Arc;

use dash::model::{Actor, AgentId, End, EventType, Fact, Output, Spawned, Spec, Stream};
use dash::store::{Batch, Options, Sqlite, Store};
use jiff::Timestamp;

use super::TestEnv;

/// One agent that has said something so often, with so many bytes each time, and ended. Answers with
/// the newest position.
pub fn leave(env: &TestEnv, events: u64, bytes: u64, time: Timestamp) -> u64 {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(env.state()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let store = Sqlite::open(&env.state().join("dash.db"), Options::default()).unwrap();
    let agent = AgentId::from_bits(7);
    let spec = serde_json::json!({"runtime": "command", "command": ["true"], "cwd": "/",
        "metadata": {}, "env": [], "stdin": false});
    let spec: Arc<Spec> = Arc::new(serde_json::from_value(spec).unwrap());
    let spawned = Spawned { spec, by: Actor::daemon(), index: 1, queued: None, environment: None };
    let said = |n: u64| {
        let text = "x".repeat(usize::try_from(bytes).unwrap());
        let (stream, offset) = (Stream::Stdout, n * bytes);
        Fact::Output(Output { stream, text, offset, bytes, partial: false, truncated: 0 })
    };
    let first = std::iter::once(Fact::Spawned(Box::new(spawned)));
    let last = std::iter::once(Fact::End(EventType::Completed, End::default()));
    let facts: Vec<(AgentId, Fact)> =
        first.chain((0..events).map(said)).chain(last).map(|fact| (agent, fact)).collect();
    let mut newest = 0;
    for facts in facts.chunks(500) {
        let batch = Batch { facts: facts.to_vec(), time, ..Batch::default() };
        newest = runtime.block_on(store.append(batch)).unwrap().last().unwrap().seq.0;
    }
    newest
}
