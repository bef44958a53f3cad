use super::*;
use crate::api::AgentBody;
use crate::cli::status::sample::{agent, now};

/// What a row has stands in the whole agent under the same names.
fn row(agent: &AgentBody) -> AgentRow<'static> {
    serde_json::from_value(serde_json::to_value(agent).unwrap()).unwrap()
}

#[test]
fn a_table_says_who_does_what() {
    let mut queued = agent(2);
    queued.status = Status::Queued;
    queued.reason = Some("waits for a place: 8 run".to_owned());
    queued.started_at = None;
    queued.index = 2;
    let mut failed = agent(3);
    failed.status = Status::Failed;
    failed.exit_code = Some(2);
    failed.label = None;
    failed.task = Some("Fix\nthe \u{1b}[31mbug".to_owned());
    failed.ended_at = failed.started_at;
    let agents = [agent(1), queued, failed];
    let rows: Vec<_> = agents.iter().map(row).collect();
    let table = table(&rows, now());
    insta::assert_snapshot!(table.render(120, false), @r"
    ID        LABEL       STATUS                            AGE    RUNTIME  COMMAND/TASK       GROUP
    kkkkkkkl  fix-bug #1  running                           2m 5s  2m 4s    sh -c 'make test'  nightly
    kkkkkkkm  fix-bug #2  queued: waits for a place: 8 run  2m 5s  -        sh -c 'make test'  nightly
    kkkkkkkn              failed: exit code 2               2m 5s  0ms      Fix the bug        nightly
    ");
}

#[test]
fn the_last_line_counts() {
    let mut ended = agent(2);
    ended.status = Status::TimedOut;
    let agents = [agent(1), ended, agent(3)];
    let rows: Vec<_> = agents.iter().map(row).collect();
    assert_eq!(summary(&rows[..1], false), "1 agent: 1 running");
    assert_eq!(
        summary(&rows, true),
        "3 agents: 2 running, 1 timed out; those that ended more than an hour ago: `dash status --all`"
    );
}
