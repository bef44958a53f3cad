use super::super::SpawnRequest;
use super::super::tests::{Deaf, House, configured, house, me, script};
use super::*;
use crate::runtime::Scripted;
use crate::store::Batch;

fn part(seq: u64, turns: u64, tokens: Option<u64>, cost: Option<f64>) -> Part {
    Part { seq: Seq(seq), turns, tokens, cost: cost.and_then(Cost::of) }
}

fn id(bits: u64) -> AgentId {
    AgentId::from_bits(bits)
}

#[test]
fn a_sum_has_each_agent_once_as_it_was_last() {
    let mut sum = Sum::default();
    sum.set(id(1), part(3, 1, Some(100), None));
    sum.set(id(2), part(4, 2, None, None));
    let used = sum.used();
    assert_eq!((used.turns, used.tokens, used.cost), (3, Some(100), None), "unknown is not zero");
    sum.set(id(1), part(6, 2, Some(70), Some(0.5)));
    sum.set(id(1), part(5, 9, Some(999), None));
    sum.set(id(2), part(7, 2, Some(1), Some(0.25)));
    let used = sum.used();
    assert_eq!((used.turns, used.tokens, used.cost), (4, Some(71), Cost::of(0.75)));
    assert_eq!(Sum::default().used(), Usage::default());
}

#[test]
fn a_harness_may_report_what_it_likes() {
    let mut sum = Sum::default();
    for (seq, tokens) in [(1, u64::MAX), (2, 5)] {
        for agent in 1..3 {
            sum.set(id(agent), part(seq, 1, Some(tokens), None));
        }
    }
    assert_eq!(sum.used().tokens, Some(10));
}

#[test]
fn a_group_has_its_own_table_or_that_for_all() {
    let limits = |max| Limits { max_tokens: Some(max), ..Limits::default() };
    let groups = [("*".to_owned(), limits(1)), ("own".to_owned(), limits(2))];
    let mut config = Config { groups: groups.into(), ..Config::default() };
    assert_eq!(config.group_limits("own"), Some(("groups.own".to_owned(), limits(2))));
    assert_eq!(config.group_limits("other"), Some(("groups.*".to_owned(), limits(1))));
    config.groups.insert("free".to_owned(), Limits::default());
    assert_eq!(config.group_limits("free"), None, "an empty table takes the limits away");
}

#[tokio::test(start_paused = true)]
async fn what_is_below_an_agent_counts_with_it() {
    let house = house(10, 10);
    let mut parent = (*house.spawn(script(1, "sleep 1s")).await[0].spec).clone();
    let mut child = parent.clone();
    (parent.group, parent.session) = (Some("team".to_owned()), Some("key".to_owned()));
    child.group = Some("elsewhere".to_owned());
    let mut config = Config::default();
    keep_together(&config, &parent, &mut child);
    assert_eq!((child.group.as_deref(), &child.session), (Some("elsewhere"), &None));
    let limits = Limits { max_turns: Some(5), ..Limits::default() };
    config.groups.insert("team".to_owned(), limits);
    config.sessions = limits;
    keep_together(&config, &parent, &mut child);
    assert_eq!((&child.group, &child.session), (&parent.group, &parent.session));
}

fn limits_of_team(max_tokens: u64) -> Config {
    let limits = Limits { max_tokens: Some(max_tokens), ..Limits::default() };
    Config { groups: [("team".to_owned(), limits)].into(), ..Config::default() }
}

fn in_group(group: &str) -> SpawnRequest {
    SpawnRequest { group: Some(group.to_owned()), ..script(1, "wait") }
}

#[tokio::test(start_paused = true)]
async fn nobody_is_sent_a_message_when_the_limit_is_reached() {
    let first = house(10, 10);
    let busy = first.spawn(in_group("team")).await[0].id;
    let other = first.spawn(in_group("other")).await[0].id;
    let used = Fact::Update(EventType::Usage, json!({ "totalTokens": 1_000 }));
    let facts = vec![(busy, used)];
    let time = first.supervisor.now();
    first.supervisor.store().append(Batch { facts, time, ..Batch::default() }).await.unwrap();
    first.supervisor.let_go().await;
    let House { dir, supervisor, .. } = first;
    drop(supervisor);
    // The next daemon has a limit. These agents hear nothing, so that they live on when they are stopped.
    let second = configured(dir, 10, limits_of_team(1_000), std::sync::Arc::new(Deaf));
    let send = |id| second.supervisor.send(id, "more".to_owned(), me(), None);
    let refused = send(busy).await.unwrap_err();
    let SupervisorError::LimitReached { message, limit } = &refused else { panic!("{refused:?}") };
    assert_eq!(limit, "groups.team.max_tokens");
    assert!(message.contains("1000 of 1000"), "{message}");
    send(other).await.unwrap();
    let refused = second.supervisor.spawn(in_group("team"), me(), None).await.unwrap_err();
    assert!(matches!(refused, SupervisorError::LimitReached { .. }), "{refused:?}");
}

#[tokio::test(start_paused = true)]
async fn a_child_is_born_into_the_group_that_has_a_limit() {
    let dir = tempfile::tempdir().unwrap();
    let house = configured(dir, 10, limits_of_team(1_000), std::sync::Arc::new(Scripted));
    let spawn = async |parent, group: &str| {
        let born = house.supervisor.spawn_child(parent, in_group(group), None).await.unwrap();
        born[0].spec.group.clone()
    };
    for (group, expected) in [("team", "team"), ("free", "elsewhere")] {
        let parent = SpawnRequest { children: Some(2), ..in_group(group) };
        let parent = house.spawn(parent).await[0].id;
        assert_eq!(spawn(parent, "elsewhere").await.as_deref(), Some(expected));
    }
}
