//! Facts and stores for the tests of this room.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tempfile::TempDir;

use super::{Batch, Options, Sqlite, Store, StoreError};
use crate::model::{
    Actor, Agent, AgentId, Delivery, End, Event, EventType, Fact, Input, MessageId, Output,
    Runtime, Said, Spawned, Spec, Started, StopCause, Stopping, Stream, Waiting,
};

/// How long a test waits for what must come.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// A directory for one test, and the file of its store.
pub(super) struct Place {
    _directory: TempDir,
    pub file: PathBuf,
}

impl Place {
    pub(super) fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let file = directory.path().join("dash.db");
        Self { _directory: directory, file }
    }

    pub(super) fn open(&self) -> Sqlite {
        self.open_keeping(1_000_000)
    }

    pub(super) fn open_keeping(&self, events_kept: u64) -> Sqlite {
        Sqlite::open(&self.file, Options { events_kept, ..Options::default() }).unwrap()
    }

    /// A plain connection to the file, for a look at what is really there.
    pub(super) fn look(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(Path::new(&self.file)).unwrap()
    }

    pub(super) fn number(&self, sql: &str) -> i64 {
        self.look().query_row(sql, (), |row| row.get(0)).unwrap()
    }
}

pub(super) fn id(n: u64) -> AgentId {
    // Ids that differ from the first letter on.
    AgentId::from_bits(n.reverse_bits())
}

pub(super) fn me() -> Actor {
    Actor::user("me")
}

pub(super) fn spec() -> Spec {
    Spec {
        runtime: Runtime::Command,
        profile: Some("echo".into()),
        label: Some("it".into()),
        metadata: BTreeMap::new(),
        group: None,
        session: None,
        command: Some(vec!["echo".into(), "hi".into()]),
        program: None,
        task: None,
        cwd: "/".into(),
        env: vec!["LEVEL".into()],
        timeout_ms: None,
        model: None,
        memory_mb: None,
        stdin: true,
        conversation: crate::model::Conversation::default(),
        ancestors: Vec::new(),
        children: None,
    }
}

pub(super) fn spawned_as(spec: Spec) -> Fact {
    let spec = Arc::new(spec);
    Fact::Spawned(Box::new(Spawned { spec, by: me(), index: 1, queued: None, environment: None }))
}

pub(super) fn spawned() -> Fact {
    spawned_as(spec())
}

pub(super) fn started() -> Fact {
    Fact::Started(Started { pid: Some(7), process_start: Some(8) })
}

pub(super) fn output(offset: u64, text: &str) -> Fact {
    let bytes = u64::try_from(text.len()).unwrap();
    let (stream, text) = (Stream::Stdout, text.to_owned());
    Fact::Output(Output { stream, text, offset, bytes, partial: false, truncated: 0 })
}

pub(super) fn said(text: &str) -> Fact {
    Fact::Message(Said::whole(text))
}

pub(super) fn waiting() -> Fact {
    Fact::Waiting(Waiting::default())
}

pub(super) fn input(message: u64, state: Delivery) -> Fact {
    Fact::Input(Input {
        message_id: MessageId::from_bits(message),
        state,
        text: Some("go on".into()),
        reason: (state == Delivery::Refused).then(|| "it has ended".into()),
        by: me(),
    })
}

pub(super) fn stopping(cause: StopCause) -> Fact {
    Fact::Stopping(Stopping {
        cause,
        by: me(),
        signal: crate::model::Signal::TERM,
        grace_ms: 10,
        reason: None,
    })
}

pub(super) fn end(kind: EventType) -> Fact {
    Fact::End(kind, End { exit_code: Some(0), ..End::default() })
}

/// Facts at a time that is finer than the store keeps.
pub(super) fn batch(facts: Vec<(AgentId, Fact)>) -> Batch {
    let time = Timestamp::new(1_700_000_000, 123_456_789).unwrap();
    Batch { facts, time, ..Batch::default() }
}

pub(super) async fn append(
    store: &dyn Store,
    agent: AgentId,
    fact: Fact,
) -> Result<Vec<Arc<Event>>, StoreError> {
    store.append(batch(vec![(agent, fact)])).await
}

/// What can be compared of an event.
pub(super) fn shown(event: &Event) -> (u64, Timestamp, EventType, AgentId, String, Arc<Spec>) {
    let data = event.data.get().to_owned();
    (event.seq.0, event.time, event.kind, event.agent, data, Arc::clone(&event.spec))
}

/// The agents that these events add up to.
pub(super) fn fold<'a>(
    events: impl IntoIterator<Item = &'a Arc<Event>>,
) -> BTreeMap<AgentId, Agent> {
    let mut agents = BTreeMap::new();
    for event in events {
        let fact = event.fact().unwrap();
        match agents.get_mut(&event.agent) {
            None => {
                agents.insert(event.agent, Agent::spawned(event, &fact).unwrap());
            }
            Some(agent) => agent.apply(event, &fact),
        }
    }
    agents
}
