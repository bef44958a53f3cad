//! An agent for tests.

use jiff::Timestamp;

use crate::api::AgentBody;
use crate::model::{AgentId, Seq, Status};

pub(in crate::cli) fn now() -> Timestamp {
    "2026-03-01T12:00:00Z".parse().expect("a time")
}

/// One that runs. The number is its id.
pub(in crate::cli) fn agent(number: u64) -> AgentBody {
    AgentBody {
        id: AgentId::from_bits(number << 32),
        label: Some("fix-bug".to_owned()),
        metadata: [].into(),
        group: Some("nightly".to_owned()),
        session: None,
        runtime: "command".to_owned(),
        profile: None,
        status: Status::Running,
        command: Some(vec!["sh".to_owned(), "-c".to_owned(), "make test".to_owned()]),
        task: None,
        cwd: "/srv/project".to_owned(),
        created_at: "2026-03-01T11:57:55Z".parse().expect("a time"),
        started_at: "2026-03-01T11:57:56Z".parse().ok(),
        ended_at: None,
        exit_code: None,
        signal: None,
        reason: None,
        result: None,
        last_seq: Seq(number),
        index: 1,
        spawned_by: "user:ada".to_owned(),
        pid: Some(4711),
        timeout_ms: Some(600_000),
        model: None,
        stdin: true,
        env: vec!["LEVEL".to_owned()],
        messages_queued: 1,
        asks: None,
        permissions: None,
        turn: None,
        usage: None,
        limits: None,
        harness_session: None,
        resumable: false,
        unheard: false,
        parent: None,
        children: None,
    }
}
