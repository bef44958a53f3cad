//! Agents that spawn agents, with scripted ones; what processes tell of their agents is in the tests
//! of the real binary.

use super::super::tests::{House, house, me, open, script};
use super::*;
use crate::model::{Fact, Runtime, Signal, Status};
use crate::store::Batch;

/// An agent that may have so many children at once, and in all, in so many generations.
async fn parent(house: &House, at_once: u32, in_all: u32, depth: u32) -> AgentId {
    let (children, in_all, depth) = (Some(at_once), Some(in_all), Some(depth));
    let request =
        SpawnRequest { children, children_in_all: in_all, depth, ..script(1, "sleep 1000s") };
    house.spawn(request).await[0].id
}

async fn child(
    house: &House,
    of: AgentId,
    request: SpawnRequest,
) -> Result<Arc<Agent>, SupervisorError> {
    house.supervisor.spawn_child(of, request, None).await.map(|agents| Arc::clone(&agents[0]))
}

fn lives() -> SpawnRequest {
    script(1, "sleep 1000s")
}

async fn kill(house: &House, id: AgentId) -> Vec<AgentId> {
    let killed = house.supervisor.kill(Which::Agents(vec![id]), Kill::default(), me()).await;
    killed.unwrap().iter().map(|agent| agent.id).collect()
}

async fn status(house: &House, id: AgentId) -> Status {
    house.agent(id).await.status
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_nobody_allowed_children_has_none() {
    let house = house(10, 10);
    let plain = house.spawn(lives()).await[0].id;
    let other = house.spawn(lives()).await[0].id;
    let refused = child(&house, plain, lives()).await.unwrap_err();
    let SupervisorError::Denied { hint, .. } = &refused else { panic!("{refused:?}") };
    assert!(hint.contains("--children"), "{hint}");
    let all = house.supervisor.kill_below(plain, Which::All, Kill::default()).await;
    assert!(matches!(all, Err(SupervisorError::Denied { .. })), "{all:?}");
    let within = Reach::Within(plain);
    assert_eq!(house.supervisor.resolve_within(plain.as_str(), within).await.unwrap().id, plain);
    for reach in [within, Reach::Below(plain)] {
        let named = house.supervisor.resolve_within(other.as_str(), reach).await;
        assert!(matches!(named, Err(SupervisorError::Denied { .. })), "{named:?}");
    }
    assert!(!status(&house, other).await.is_end());
}

#[tokio::test(start_paused = true)]
async fn children_are_counted_over_all_generations() {
    let house = house(100, 100);
    let top = parent(&house, 3, 5, 2).await;
    let first = child(&house, top, SpawnRequest { children: Some(3), ..lives() }).await.unwrap();
    assert_eq!(
        (first.spec.ancestors.as_slice(), first.by.to_string()),
        ([top].as_slice(), format!("agent:{top}"))
    );
    assert_eq!(first.spec.children, Some(Children { at_once: 3, in_all: 5, depth: 1 }));
    let second = child(&house, first.id, lives()).await.unwrap();
    assert_eq!(second.spec.ancestors, [top, first.id]);
    // As many as may be below the first of them, which is the narrowest.
    let many = child(&house, first.id, SpawnRequest { count: 2, ..lives() }).await.unwrap_err();
    assert!(
        matches!(many, SupervisorError::TooManyChildren { agent, living: 2, most: 3 } if agent == top),
        "{many:?}"
    );
    let third = child(&house, top, lives()).await.unwrap();
    let fourth = child(&house, top, lives()).await.unwrap_err();
    assert!(matches!(fourth, SupervisorError::TooManyChildren { .. }), "{fourth:?}");
    // One that has ended makes room, and counts for ever.
    for id in [third.id, second.id] {
        kill(&house, id).await;
        child(&house, top, lives()).await.unwrap();
    }
    kill(&house, first.id).await;
    let sixth = child(&house, top, lives()).await.unwrap_err();
    assert!(
        matches!(sixth, SupervisorError::ChildrenUsedUp { agent, spawned: 5, most: 5 } if agent == top),
        "{sixth:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn what_was_spawned_is_counted_again_by_another_daemon() {
    let first = house(10, 10);
    let top = parent(&first, 5, 2, 1).await;
    for _ in 0..2 {
        let one = child(&first, top, lives()).await.unwrap();
        kill(&first, one.id).await;
    }
    first.supervisor.let_go().await;
    let House { dir, supervisor, .. } = first;
    drop(supervisor);
    let second = open(dir, 10, 10);
    let third = child(&second, top, lives()).await.unwrap_err();
    assert!(matches!(third, SupervisorError::ChildrenUsedUp { spawned: 2, .. }), "{third:?}");
}

#[tokio::test(start_paused = true)]
async fn a_child_gets_at_most_what_is_left() {
    let house = house(100, 100);
    let top = parent(&house, 3, 50, 2).await;
    let wish = |children, depth| SpawnRequest { children, depth, ..lives() };
    assert_eq!(child(&house, top, wish(None, None)).await.unwrap().spec.children, None);
    let deep = child(&house, top, wish(Some(1), Some(2))).await.unwrap_err();
    assert!(matches!(deep, SupervisorError::TooDeep { depth: 2, .. }), "{deep:?}");
    let broad = child(&house, top, wish(Some(4), None)).await.unwrap_err();
    assert!(matches!(broad, SupervisorError::Denied { .. }), "{broad:?}");
    let middle = child(&house, top, wish(Some(1), None)).await.unwrap();
    // Its children have none, however they ask.
    let deep = child(&house, middle.id, wish(Some(1), None)).await.unwrap_err();
    assert!(matches!(deep, SupervisorError::TooDeep { depth: 1, .. }), "{deep:?}");
    let last = child(&house, middle.id, lives()).await.unwrap();
    let refused = child(&house, last.id, lives()).await.unwrap_err();
    assert!(matches!(refused, SupervisorError::Denied { .. }), "{refused:?}");
}

#[tokio::test(start_paused = true)]
async fn whoever_is_stopped_takes_along_what_is_below() {
    let house = house(100, 100);
    let top = parent(&house, 9, 9, 3).await;
    let more = || SpawnRequest { children: Some(9), depth: Some(1), ..lives() };
    let middle = child(&house, top, more()).await.unwrap().id;
    let last = child(&house, middle, lives()).await.unwrap().id;
    let bystander = house.spawn(lives()).await[0].id;
    assert_eq!(kill(&house, top).await, [top, middle, last]);
    for id in [top, middle, last] {
        assert_eq!(status(&house, id).await, Status::Killed);
    }
    assert!(!status(&house, bystander).await.is_end());

    // A timeout too, which nobody waits for.
    let request = SpawnRequest { children: Some(2), timeout_ms: Some(5_000), ..lives() };
    let top = house.spawn(request).await[0].id;
    house.until_status(top, Status::Running).await;
    let below = child(&house, top, lives()).await.unwrap().id;
    house.all_ended(5).await;
    assert_eq!(status(&house, top).await, Status::TimedOut);
    assert_eq!(status(&house, below).await, Status::Killed);
}

#[tokio::test(start_paused = true)]
async fn whoever_ends_by_itself_leaves_its_children_and_a_kill_still_finds_them() {
    let house = house(100, 100);
    let request = SpawnRequest { children: Some(2), ..script(1, "sleep 5s; say done") };
    let top = house.spawn(request).await[0].id;
    let below = child(&house, top, lives()).await.unwrap().id;
    house.all_ended(1).await;
    assert_eq!(status(&house, top).await, Status::Completed);
    assert!(!status(&house, below).await.is_end());
    let late = child(&house, top, lives()).await.unwrap_err();
    assert!(matches!(late, SupervisorError::Denied { .. }), "{late:?}");
    assert_eq!(kill(&house, top).await, [top, below]);
    assert_eq!(status(&house, below).await, Status::Killed);
}

#[tokio::test(start_paused = true)]
async fn an_agent_kills_only_below_itself() {
    let house = house(100, 100);
    let (top, other) = (parent(&house, 5, 5, 1).await, parent(&house, 5, 5, 1).await);
    let own = child(&house, top, lives()).await.unwrap().id;
    let theirs = child(&house, other, lives()).await.unwrap().id;
    for id in [top, other, theirs] {
        let named = Which::Agents(vec![own, id]);
        let refused = house.supervisor.kill_below(top, named, Kill::default()).await;
        assert!(matches!(refused, Err(SupervisorError::Denied { .. })), "{id}: {refused:?}");
    }
    let killed = house.supervisor.kill_below(top, Which::All, Kill::default()).await.unwrap();
    assert_eq!(killed.iter().map(|agent| agent.id).collect::<Vec<_>>(), [own]);
    for id in [top, other, theirs] {
        assert!(!status(&house, id).await.is_end());
    }
}

#[tokio::test(start_paused = true)]
async fn a_daemon_that_comes_back_stops_what_the_last_one_had_come_to_only_half() {
    // The child waits for its parent's place: one that runs inside a daemon would be lost with it.
    let first = house(1, 10);
    let top = parent(&first, 5, 5, 1).await;
    let below = child(&first, top, lives()).await.unwrap().id;
    first.supervisor.let_go().await;
    let (by, signal) = (me(), Signal::TERM);
    let stopping = Stopping { cause: StopCause::Kill, by, signal, grace_ms: 0, reason: None };
    let facts = vec![(top, Fact::Stopping(stopping))];
    let batch = Batch { facts, time: first.supervisor.now(), ..Batch::default() };
    first.supervisor.store().append(batch).await.unwrap();
    let House { dir, supervisor, .. } = first;
    drop(supervisor);
    let second = open(dir, 1, 10);
    second.all_ended(2).await;
    assert_eq!(status(&second, below).await, Status::Killed);
}

#[tokio::test(start_paused = true)]
async fn a_child_belongs_where_its_parent_does() {
    let house = house(10, 10);
    let request = SpawnRequest { children: Some(5), session: Some("mine".into()), ..lives() };
    let top = house.spawn(request).await[0].id;
    let session = |name: &str| SpawnRequest { session: Some(name.into()), ..lives() };
    assert!(child(&house, top, session("mine")).await.is_ok());
    let refused = child(&house, top, session("another")).await.unwrap_err();
    assert!(matches!(refused, SupervisorError::Denied { .. }), "{refused:?}");
    let metadata = [("openclaw.session".to_owned(), "another".to_owned())].into();
    let refused = child(&house, top, SpawnRequest { metadata, ..lives() }).await.unwrap_err();
    assert!(matches!(refused, SupervisorError::Denied { .. }), "{refused:?}");
    // The parent is one with the policy `read`.
    for permissions in [Permissions::All, Permissions::Edit, Permissions::Ask] {
        let more = SpawnRequest { permissions: Some(permissions), ..lives() };
        let refused = child(&house, top, more).await.unwrap_err();
        assert!(refused.to_string().contains("no more than its parent"), "{refused}");
    }
    let (command, cwd) = (Some(vec!["true".into()]), Some("/".into()));
    let command = SpawnRequest { command, cwd, count: 1, ..SpawnRequest::default() };
    let refused = child(&house, top, command).await.unwrap_err();
    assert!(refused.to_string().contains("no more than its parent"), "{refused}");
    let mode = SpawnRequest { mode: Some("free".into()), ..lives() };
    assert!(child(&house, top, mode).await.is_err());
    let servers = vec![crate::model::McpServer(serde_json::json!({ "name": "x" }))];
    let servers = SpawnRequest { mcp_servers: servers, ..lives() };
    let refused = child(&house, top, servers).await.unwrap_err();
    assert!(refused.to_string().contains("gets no MCP servers"), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn an_agents_keys_are_its_own() {
    let house = house(10, 10);
    let top = parent(&house, 5, 5, 1).await;
    let key = || Some("the key".to_owned());
    let theirs = house.supervisor.spawn(lives(), me(), key()).await.unwrap()[0].id;
    let own = house.supervisor.spawn_child(top, lives(), key()).await.unwrap()[0].id;
    let again = house.supervisor.spawn_child(top, lives(), key()).await.unwrap()[0].id;
    assert!(own != theirs && own == again);
}

#[tokio::test(start_paused = true)]
async fn marks_are_judged_by_who_is_known() {
    let house = house(10, 10);
    let known = house.spawn(lives()).await[0].id;
    let unknown = AgentId::from_bits(1);
    let whose = |agents: &[AgentId], kept| {
        let marks = Marks { agents: agents.to_vec(), kept, ..Marks::default() };
        let supervisor = house.supervisor.clone();
        async move { supervisor.judge(&marks).await }
    };
    assert_eq!(whose(&[], false).await, Whose::Users);
    assert_eq!(whose(&[], true).await, Whose::SomeAgents);
    assert_eq!(whose(&[unknown], false).await, Whose::Users, "another daemon's");
    assert_eq!(whose(&[unknown], true).await, Whose::SomeAgents);
    assert_eq!(whose(&[unknown, known], true).await, Whose::Agents(known));
    assert_eq!(house.supervisor.whose(None, None).await, Whose::Users);
    let own = i32::try_from(std::process::id()).unwrap();
    assert_eq!(house.supervisor.whose(Some(own), None).await, Whose::Users, "the bridge");
    assert!(house.agent(known).await.spec.runtime == Runtime::Scripted);
}
