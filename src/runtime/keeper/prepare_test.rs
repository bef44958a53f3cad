//! What a real keeper makes ready before a start.

use std::path::PathBuf;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

use super::tests::{end, start, stdout};
use super::*;
use crate::model::AgentId;
use crate::runtime::cgroup::Groups;
use crate::runtime::testing::{LIMIT, Lab, id, kill, until};

fn is_ready(lab: &Lab, agent: AgentId) -> bool {
    lab.dir(agent).join("stderr").exists()
}

/// Where the agent's control group is, if the system lets us have any.
fn group(agent: AgentId) -> Option<PathBuf> {
    Groups::find().map(|groups| groups.dir(agent))
}

async fn until_group(agent: AgentId, is_there: bool) {
    if let Some(group) = group(agent) {
        until("its group comes or goes", || group.exists() == is_there).await;
    }
}

#[tokio::test]
async fn a_start_takes_what_was_made_ready() {
    let lab = Lab::new();
    let keeper = lab.keeper().await;
    let agent = id();
    let (before, after) = (lab.path("before"), lab.path("after"));
    std::fs::create_dir(&before).unwrap();
    let script = "echo \"$PWD\"; pwd -P";
    keeper.prepare(Start { cwd: before.clone(), ..start(&lab, agent, script) });
    until("it is ready", || is_ready(&lab, agent)).await;
    until_group(agent, true).await;
    assert!(!Record::read(&lab.dir(agent)).begun && keeper.kept(agent).await.is_none());

    // Made ready now, it would be refused.
    std::fs::rename(&before, &after).unwrap();
    let prepared = keeper.prepared(agent).expect("it was made ready");
    assert!(keeper.prepared(agent).is_none(), "once");
    keeper.spawn(prepared).await.unwrap();
    assert_eq!(end(&keeper, agent).await.code, Some(0));
    let after = after.canonicalize().unwrap();
    assert!(stdout(&lab, agent).ends_with(&format!("{}\n", after.display())));
}

#[tokio::test]
async fn nothing_is_left_ready_that_nobody_will_start() {
    let lab = Lab::new();
    let keeper = lab.keeper().await;
    let (forgotten, abandoned) = (id(), id());
    for agent in [forgotten, abandoned] {
        keeper.prepare(start(&lab, agent, "exit 3"));
        until("it is ready", || is_ready(&lab, agent)).await;
    }
    keeper.forget(forgotten).await;
    assert!(keeper.prepared(forgotten).is_none());
    until_group(forgotten, false).await;
    until("its directory is gone", || !lab.dir(forgotten).exists()).await;
    until_group(abandoned, true).await;
    // A daemon that dies before the start.
    drop(keeper);
    until_group(abandoned, false).await;
    let keeper = lab.keeper().await;
    assert!(keeper.prepared(abandoned).is_none());
    keeper.spawn(start(&lab, abandoned, "exit 3")).await.unwrap();
    assert_eq!(end(&keeper, abandoned).await.code, Some(3), "the next may start it all the same");
}

#[tokio::test]
async fn with_a_keeper_that_dies_goes_what_it_had_made_ready() {
    let lab = Lab::new();
    let keeper = lab.keeper().await;
    let agent = id();
    keeper.prepare(start(&lab, agent, "exit 4"));
    until("it is ready", || is_ready(&lab, agent)).await;
    let first = keeper.pid().unwrap();
    kill(first);
    until("there is another", || keeper.pid().is_some_and(|pid| pid != first)).await;
    assert!(keeper.prepared(agent).is_none());
    keeper.spawn(start(&lab, agent, "exit 4")).await.unwrap();
    assert_eq!(end(&keeper, agent).await.code, Some(4));
}

#[tokio::test]
async fn what_cannot_be_made_ready_is_told_by_the_start() {
    let lab = Lab::new();
    let keeper = lab.keeper().await;
    let agent = id();
    let lost = Start { cwd: lab.path("nowhere"), ..start(&lab, agent, "exit 0") };
    assert!(keeper.prepare(lost));
    let failure = keeper.spawn(keeper.prepared(agent).unwrap()).await.unwrap_err();
    assert!(matches!(&failure, SpawnFailure::Refused(why) if why.contains("nowhere")), "{failure}");
}

/// A keeper of a Dash that could not do that yet: a fake.
#[tokio::test]
async fn an_older_keeper_is_only_asked_to_start() {
    let lab = Lab::new();
    let listener = tokio::net::UnixListener::bind(socket(&lab.state())).unwrap();
    let older = async {
        let (stream, _) = listener.accept().await.unwrap();
        let (read, mut write) = stream.into_split();
        let hello = b"{\"type\":\"hello\",\"version\":1,\"pid\":1,\"agents\":[]}\n";
        write.write_all(hello).await.unwrap();
        (BufReader::new(read).lines(), write)
    };
    let (keeper, (mut requests, _write)) = tokio::join!(lab.keeper(), older);
    let agent = id();
    assert!(!keeper.prepare(start(&lab, agent, "exit 0")));
    assert!(keeper.prepared(agent).is_none());
    let first = async {
        tokio::select! {
            line = requests.next_line() => line.unwrap().unwrap(),
            answer = keeper.spawn(start(&lab, agent, "exit 0")) => panic!("{answer:?}"),
        }
    };
    let first = tokio::time::timeout(LIMIT, first).await.unwrap();
    assert!(first.starts_with("{\"type\":\"spawn\""), "{first}");
}
