//! A real keeper with real processes.

use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use super::*;
use crate::model::{AgentId, MessageId, Signal, Stream};
use crate::runtime::bound::Cuts;
use crate::runtime::testing::{LIMIT, Lab, alive, id, kill, pid_in, until};

pub(super) fn start(lab: &Lab, agent: AgentId, script: &str) -> Start {
    Start {
        agent,
        program: "/bin/sh".into(),
        argv: ["a name", "-c", script].map(str::to_owned).to_vec(),
        env: BTreeMap::from([
            ("DASH_AGENT_ID".to_owned(), agent.to_string()),
            ("PLACE".to_owned(), lab.path("").display().to_string()),
            ("PATH".to_owned(), "/usr/bin:/bin".to_owned()),
        ]),
        cwd: lab.path(""),
        dir: lab.dir(agent),
        stdin: true,
        processes_max: None,
        terminal_of: None,
        spawned: None,
        stdout_max: None,
        stderr_max: None,
    }
}

pub(super) async fn end(keeper: &Keeper, agent: AgentId) -> Ended {
    match tokio::time::timeout(LIMIT, keeper.exited(agent)).await.expect("it ends") {
        Ending::Ended(ended) => ended,
        Ending::Unkept => panic!("the keeper does not know {agent}"),
    }
}

pub(super) fn stdout(lab: &Lab, agent: AgentId) -> String {
    std::fs::read_to_string(lab.dir(agent).join("stdout")).unwrap()
}

#[tokio::test]
async fn it_starts_reaps_and_writes_down() {
    let lab = Lab::new();
    let keeper = lab.keeper().await;
    let agent = id();
    let process = keeper
        .spawn(start(&lab, agent, "echo $0; echo bad >&2; pwd; env | sort; exit 3"))
        .await
        .unwrap();
    let ended = end(&keeper, agent).await;
    assert_eq!((ended.code, ended.signal), (Some(3), None));
    let text = stdout(&lab, agent);
    assert!(text.starts_with("a name\n"), "{text}");
    assert!(text.contains(&format!("DASH_AGENT_ID={agent}\n")), "{text}");
    assert!(!text.contains("DASH_TEST_KEEPER") && !text.contains("HOME="), "{text}");
    assert_eq!(std::fs::read_to_string(lab.dir(agent).join("stderr")).unwrap(), "bad\n");
    let record = Record::read(&lab.dir(agent));
    assert_eq!(record.process, Some(process));
    assert_eq!(record.ended.unwrap().code, Some(3));
    for (path, mode) in [("stdout", 0o600), ("stdin", 0o600), ("process", 0o600), ("", 0o700)] {
        let found = lab.dir(agent).join(path).metadata().unwrap().permissions().mode();
        assert_eq!(found & 0o777, mode, "{path:?}");
    }
    assert_eq!(socket(&lab.state()).metadata().unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn an_end_by_any_signal_is_seen() {
    let lab = Lab::new();
    let keeper = lab.keeper().await;
    for number in [9, 15, 40, 64] {
        let agent = id();
        keeper.spawn(start(&lab, agent, &format!("kill -{number} $$; sleep 99"))).await.unwrap();
        let ended = end(&keeper, agent).await;
        assert_eq!((ended.code, ended.signal), (None, Signal::from_number(number)));
    }
}

#[tokio::test]
async fn asked_twice_it_starts_one() {
    let lab = Lab::new();
    let keeper = lab.keeper().await;
    let agent = id();
    let script = "echo x; read line";
    let first = keeper.spawn(start(&lab, agent, script)).await.unwrap();
    drop(keeper);
    let other = lab.keeper().await;
    let again = other.spawn(start(&lab, agent, script)).await.unwrap();
    assert_eq!(first, again);
    assert_eq!(other.kept(agent).await, Some(first));
    other.write(agent, MessageId::from_bits(1), "go\n").await.unwrap();
    assert_eq!(end(&other, agent).await.code, Some(0));
    assert_eq!(other.spawn(start(&lab, agent, script)).await, Ok(first), "after its end as well");
    assert_eq!(stdout(&lab, agent), "x\n");
}

#[tokio::test]
async fn a_start_that_fails_is_told() {
    let lab = Lab::new();
    let keeper = lab.keeper().await;
    let agent = id();
    let mut wrong = start(&lab, agent, "");
    wrong.program = lab.path("nothing-here");
    let failure = keeper.spawn(wrong.clone()).await.unwrap_err();
    assert!(matches!(&failure, SpawnFailure::Refused(why) if why.contains("nothing-here")));
    assert_eq!(keeper.spawn(wrong).await, Err(failure), "asked again");
}

#[tokio::test]
async fn two_hundred_are_started_without_waiting_between() {
    let lab = Lab::new();
    let keeper = lab.keeper().await;
    let agents: Vec<AgentId> = (0..200).map(|_| id()).collect();
    let starts =
        agents.iter().map(|agent| keeper.spawn(start(&lab, *agent, "echo $DASH_AGENT_ID")));
    let started = futures::future::join_all(starts).await;
    assert!(started.iter().all(Result::is_ok));
    for agent in &agents {
        assert_eq!(end(&keeper, *agent).await.code, Some(0));
        assert_eq!(stdout(&lab, *agent), format!("{agent}\n"));
    }
    let children = || crate::runtime::proc::children_of(keeper.pid().unwrap().cast_unsigned());
    until("all are reaped", || children().unwrap().is_empty()).await;
}

#[tokio::test]
async fn what_a_leader_leaves_in_its_group_dies_with_it() {
    let lab = Lab::new();
    let keeper = lab.keeper().await;
    let agent = id();
    let script = "sh -c 'echo $$ > \"$PLACE/child\"; trap \"\" TERM; sleep 99' & \
                  while [ ! -s \"$PLACE/child\" ]; do sleep 0.01; done";
    keeper.spawn(start(&lab, agent, script)).await.unwrap();
    let child = pid_in(&lab.path("child")).await;
    assert_eq!(end(&keeper, agent).await.code, Some(0));
    until("the child is dead", || !alive(child)).await;
}

#[tokio::test]
async fn when_no_agent_lives_no_orphan_does() {
    let lab = Lab::new();
    let keeper = lab.keeper().await;
    let agent = id();
    // In a session of its own, its environment cleared, all descriptors closed.
    let hidden = "env -i PLACE=\"$PLACE\" setsid sh -c \
                  'echo $$ > \"$PLACE/hidden\"; unset PLACE; exec env -i sleep 99' \
                  >&- 2>&- <&- & \
                  while [ ! -s \"$PLACE/hidden\" ]; do sleep 0.01; done";
    keeper.spawn(start(&lab, agent, hidden)).await.unwrap();
    let hidden = pid_in(&lab.path("hidden")).await;
    assert!(end(&keeper, agent).await.orphans);
    until("the hidden one is dead", || !alive(hidden)).await;
}

#[tokio::test]
async fn messages_are_written_in_order_and_once() {
    let lab = Lab::new();
    let keeper = lab.keeper().await;
    let agent = id();
    keeper.spawn(start(&lab, agent, "head -n 101 >&2; cat > /dev/null")).await.unwrap();
    for number in 0..100 {
        let message = MessageId::from_bits(number);
        keeper.write(agent, message, &format!("{number}\n")).await.unwrap();
        keeper.write(agent, message, &format!("{number}\n")).await.unwrap();
    }
    keeper.write(agent, MessageId::from_bits(100), "last\n").await.unwrap();
    let read = || std::fs::read_to_string(lab.dir(agent).join("stderr")).unwrap();
    until("all is read", || read().ends_with("last\n")).await;
    let expected: String = (0..100).flat_map(|number| [number.to_string(), "\n".into()]).collect();
    assert_eq!(read(), expected + "last\n");
}

#[tokio::test]
async fn an_agent_begins_in_the_directory_that_was_meant_or_nowhere() {
    let lab = Lab::new();
    let keeper = lab.keeper().await;
    let (own, other) = (lab.path("own"), lab.path("other"));
    for dir in [&own, &other] {
        std::fs::create_dir(dir).unwrap();
    }
    let agent = id();
    let begin = |agent| Start { cwd: own.clone(), ..start(&lab, agent, "pwd") };
    keeper.spawn(begin(agent)).await.unwrap();
    end(&keeper, agent).await;
    assert_eq!(stdout(&lab, agent).trim(), own.canonicalize().unwrap().to_str().unwrap());
    let refused = async || match keeper.spawn(begin(id())).await {
        Err(SpawnFailure::Refused(why)) => why,
        other => panic!("{other:?}"),
    };
    std::fs::remove_dir(&own).unwrap();
    assert!(refused().await.ends_with("is not there any more"));
    std::os::unix::fs::symlink(&other, &own).unwrap();
    assert!(refused().await.ends_with("leads elsewhere by now"));
}

#[tokio::test]
async fn when_no_descriptor_is_left_a_start_says_so_and_what_runs_runs_on() {
    let lab = Lab::begun_with("ulimit -n 32");
    let keeper = lab.keeper().await;
    let first = keeper.spawn(start(&lab, id(), "read line")).await.unwrap();
    let mut refusal = None;
    for _ in 0..32 {
        if let Err(failure) = keeper.spawn(start(&lab, id(), "read line")).await {
            refusal = Some(failure);
            break;
        }
    }
    let Some(SpawnFailure::Refused(why)) = refusal else { panic!("{refusal:?}") };
    assert!(why.contains("fd limit") && why.contains("ulimit -n"), "{why}");
    assert!(alive(first.pid));
}

#[tokio::test]
async fn agents_are_ended_before_the_keeper_when_memory_runs_out() {
    let lab = Lab::new();
    let keeper = lab.keeper().await;
    let agent = keeper.spawn(start(&lab, id(), "sleep 99 & wait")).await.unwrap();
    let score = |pid: i32| -> i32 {
        let text = std::fs::read_to_string(format!("/proc/{pid}/oom_score_adj")).unwrap();
        text.trim().parse().unwrap()
    };
    let own = score(keeper.pid().unwrap());
    assert_eq!(score(agent.pid), (own + 200).min(1_000));
}

#[tokio::test]
async fn a_large_message_waits_for_a_slow_reader() {
    let lab = Lab::new();
    let keeper = lab.keeper().await;
    let agent = id();
    let script =
        "while [ ! -e \"$PLACE/go\" ]; do sleep 0.01; done; head -c 1048577 | tr -d x; exit 4";
    keeper.spawn(start(&lab, agent, script)).await.unwrap();
    let text = "x".repeat(1 << 20) + "\n";
    let writing = keeper.write(agent, MessageId::from_bits(1), &text);
    tokio::pin!(writing);
    // Others are served while it waits.
    let other = id();
    let served = async {
        keeper.spawn(start(&lab, other, "exit 5")).await.unwrap();
        end(&keeper, other).await.code
    };
    tokio::select! {
        code = served => assert_eq!(code, Some(5)),
        _ = &mut writing => panic!("nobody has read it"),
    }
    std::fs::write(lab.path("go"), "").unwrap();
    writing.await.unwrap();
    assert_eq!(end(&keeper, agent).await.code, Some(4));
}

#[tokio::test]
async fn what_cannot_be_written_says_so() {
    let lab = Lab::new();
    let keeper = lab.keeper().await;
    let agent = id();
    let message = MessageId::from_bits;
    keeper
        .spawn(start(&lab, agent, "while [ ! -e \"$PLACE/go\" ]; do sleep 0.01; done"))
        .await
        .unwrap();
    let large = "x".repeat(1 << 20);
    let writing = keeper.write(agent, message(1), &large);
    tokio::pin!(writing);
    // The keeper has the message once it has answered what was asked after it.
    let after = keeper.write(id(), message(2), "x");
    tokio::select! {
        unknown = after => assert!(matches!(unknown, Err(WriteFailure::Unwritable(_)))),
        _ = &mut writing => panic!("nobody has read it"),
    }
    std::fs::write(lab.path("go"), "").unwrap();
    // Which of its two ends the keeper sees first, that of the FIFO or that of the process, is open.
    assert!(matches!(writing.await, Err(WriteFailure::Unwritable(_))));
    end(&keeper, agent).await;
    let ended = WriteFailure::Unwritable("the agent has ended".to_owned());
    assert_eq!(keeper.write(agent, message(3), "x").await, Err(ended));
}

#[tokio::test]
async fn an_end_while_no_daemon_was_there_is_known() {
    let lab = Lab::new();
    let keeper = lab.keeper().await;
    let (agent, other) = (id(), id());
    let script = "while [ ! -e \"$PLACE/go\" ]; do sleep 0.01; done; exit 6";
    keeper.spawn(start(&lab, agent, script)).await.unwrap();
    keeper.spawn(start(&lab, other, "read line")).await.unwrap();
    let pid = keeper.pid();
    drop(keeper);
    std::fs::write(lab.path("go"), "").unwrap();
    until("its end is written down", || Record::read(&lab.dir(agent)).ended.is_some()).await;
    let keeper = lab.keeper().await;
    assert_eq!(keeper.pid(), pid, "it is the same keeper");
    assert_eq!(end(&keeper, agent).await.code, Some(6));
    keeper.forget(agent).await;
    assert_eq!(keeper.kept(agent).await, None);
    assert!(keeper.kept(other).await.is_some());
}

#[tokio::test]
async fn it_goes_when_nobody_needs_it() {
    let lab = Lab::new();
    let keeper = lab.keeper().await;
    let agent = id();
    keeper.spawn(start(&lab, agent, "read line")).await.unwrap();
    let pid = keeper.pid().unwrap();
    keep(&lab.state()).expect("a second keeper goes quietly");
    drop(keeper);
    let keeper = lab.keeper().await;
    assert_eq!(keeper.pid(), Some(pid), "an agent lives, so it is still there");
    keeper.write(agent, MessageId::from_bits(1), "\n").await.unwrap();
    end(&keeper, agent).await;
    drop(keeper);
    until("the keeper is gone", || !alive(pid)).await;
    assert!(!socket(&lab.state()).exists());
}

#[tokio::test]
async fn a_keeper_that_is_killed_is_replaced_and_its_agents_live() {
    let lab = Lab::new();
    let keeper = lab.keeper().await;
    let agent = id();
    let process = keeper.spawn(start(&lab, agent, "exec sleep 99")).await.unwrap();
    let first = keeper.pid().unwrap();
    let ending = keeper.exited(agent);
    tokio::pin!(ending);
    tokio::select! {
        biased;
        _ = &mut ending => panic!("it lives"),
        () = std::future::ready(()) => {}
    }
    kill(first);
    assert_eq!(tokio::time::timeout(LIMIT, ending).await.unwrap(), Ending::Unkept);
    assert!(alive(process.pid));
    assert_ne!(keeper.pid(), Some(first));
    assert_eq!(keeper.kept(agent).await, None);
    keeper.spawn(start(&lab, id(), "exit 0")).await.unwrap();
    kill(process.pid);
}

#[tokio::test]
async fn what_a_dead_keeper_had_begun_to_write_is_not_written_again() {
    let lab = Lab::new();
    let keeper = lab.keeper().await;
    let agent = id();
    let script = "while read line; do echo \"$line\"; done";
    let process = keeper.spawn(start(&lab, agent, script)).await.unwrap();
    let message = MessageId::from_bits;
    keeper.write(agent, message(1), "one\n").await.unwrap();
    kill(keeper.pid().unwrap());
    let again = loop {
        // Asked while the connection breaks, nobody knows; asked again, the next keeper does.
        match keeper.write(agent, message(1), "one\n").await {
            Err(WriteFailure::Lost) => {}
            other => break other,
        }
    };
    assert_eq!(again, Err(WriteFailure::Unknown));
    keeper.write(agent, message(2), "two\n").await.unwrap();
    until("it has heard both", || stdout(&lab, agent).contains("two")).await;
    assert_eq!(stdout(&lab, agent), "one\ntwo\n");
    kill(process.pid);
}

#[tokio::test]
async fn while_no_daemon_is_there_it_bounds_the_output() {
    let lab = Lab::new();
    let keeper = lab.keeper().await;
    let (small, large) = (id(), id());
    let script = "head -c 6000000 /dev/zero | tr '\\0' x; echo; sleep 99";
    let most = 1_000_000;
    let bounded = Start { stdout_max: Some(most), ..start(&lab, small, script) };
    keeper.spawn(bounded).await.unwrap();
    keeper.spawn(start(&lab, large, script)).await.unwrap();
    let found = |agent| lab.dir(agent).join("stdout").metadata().unwrap();
    until("both have written", || [small, large].map(|it| found(it).len()) == [6_000_001; 2]).await;
    assert_eq!(Cuts::read(&lab.dir(small)), Cuts::default(), "a daemon is there");
    drop(keeper);
    let cut = || Cuts::read(&lab.dir(small)).of(Stream::Stdout);
    until("one is cut", || cut() > 0).await;
    assert_eq!(cut(), 6_000_001 - most);
    until("its space is given back", || found(small).blocks() * 512 < most + 64 * 1024).await;
    assert!(found(large).blocks() * 512 >= 6_000_000, "the other may be as large as it likes");
    assert_eq!(found(small).len(), 6_000_001, "offsets stay as they are");
}

#[tokio::test]
async fn a_terminals_output_is_bounded_while_a_daemon_is_there_too() {
    let lab = Lab::new();
    let keeper = lab.keeper().await;
    let (agent, terminal) = (id(), id());
    let script = "head -c 6000000 /dev/zero | tr '\\0' x; echo; sleep 99";
    let most = Some(1_000_000);
    keeper.spawn(Start { stdout_max: most, ..start(&lab, agent, script) }).await.unwrap();
    let terminal_of = Some(agent);
    let start = Start { stdout_max: most, terminal_of, ..start(&lab, terminal, script) };
    keeper.spawn(start).await.unwrap();
    let found = |id| lab.dir(id).join("stdout").metadata().unwrap();
    until("its space is given back", || {
        found(terminal).len() == 6_000_001 && found(terminal).blocks() * 512 < 1_064 * 1024
    })
    .await;
    assert_eq!(Cuts::read(&lab.dir(agent)), Cuts::default(), "a daemon takes it over");
}
