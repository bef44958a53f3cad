//! Commands as agents: a real keeper, real processes, and a daemon that dies when it is told to.

use std::collections::BTreeMap;

use super::super::testing::{
    Attended, Heard, Lab, alive, attend, id, kill, pid_in, shell, spec, until,
};
use super::super::{Environment, Runtimes, Stop, testing};
use super::*;
use crate::model::{Agent, Fact, Runtime as Kind, Signal, Spawned, Spec, Stream};

/// A runtime over a lab's keeper.
async fn lab() -> (Lab, Runtimes) {
    let lab = Lab::new();
    let runtimes = lab.runtimes().await;
    (lab, runtimes)
}

fn run(runtimes: &Runtimes, script: &str) -> Attended {
    attend(&runtimes.get(Kind::Command), &shell(script))
}

#[tokio::test]
async fn output_code_and_result_are_reported() {
    let (lab, runtimes) = lab().await;
    let mut it = run(&runtimes, "echo one; echo two >&2; printf three; exit 3");
    let exit = it.exit().await;
    let expected = Exit { code: Some(3), result: Some("one\nthree".into()), ..Exit::default() };
    assert_eq!(exit, expected);
    assert_eq!(it.text(Stream::Stdout), "one\nthree");
    assert_eq!(it.text(Stream::Stderr), "two\n");
    let agent = it.agent();
    assert!(agent.process.is_some());
    assert_eq!((agent.stdout, agent.stderr), (9, 4));
    // Until the end is recorded, everything is kept for a daemon that comes after a crash.
    assert!(lab.dir(agent.id).exists());
    runtimes.command.forget(agent.id).await;
    assert!(!lab.dir(agent.id).exists());
}

#[tokio::test]
async fn an_agent_starts_with_what_was_made_ready() {
    let (lab, runtimes) = lab().await;
    let (before, after) = (lab.path("before"), lab.path("after"));
    std::fs::create_dir(&before).unwrap();
    let mut agent = shell("pwd -P");
    Arc::make_mut(&mut agent.spec).cwd = before.display().to_string();
    let (spec, by) = (Arc::clone(&agent.spec), agent.by.clone());
    let spawned = Spawned { spec, by, index: 1, queued: None, environment: None };
    runtimes.command.prepare(agent.id, &spawned, &BTreeMap::new());
    until("it is ready", || lab.dir(agent.id).join("stderr").exists()).await;
    // Only what was made ready before still leads there.
    std::fs::rename(&before, &after).unwrap();
    let mut it = attend(&runtimes.get(Kind::Command), &agent);
    assert_eq!(it.exit().await.code, Some(0));
    assert_eq!(it.text(Stream::Stdout).trim(), after.canonicalize().unwrap().to_str().unwrap());
}

#[tokio::test]
async fn output_is_told_while_it_runs() {
    let (_lab, runtimes) = lab().await;
    let mut it = run(&runtimes, "echo one; read line; echo \"got $line\"; exit 0");
    it.says("one\n").await;
    let message = it.send(1, "a word").await;
    it.says("got a word\n").await;
    assert_eq!(it.exit().await.code, Some(0));
    assert!(it.heard().contains(&Heard::Delivered(message)));
}

#[tokio::test]
async fn a_flood_comes_through_whole() {
    let (_lab, runtimes) = lab().await;
    let mut it = run(&runtimes, "seq 1 300000; seq 1 1000 >&2");
    assert_eq!(it.exit().await.code, Some(0));
    let expected: String =
        (1..=300_000).flat_map(|number| [number.to_string(), "\n".into()]).collect();
    assert!(it.text(Stream::Stdout) == expected, "not the same lines");
    assert_eq!(it.text(Stream::Stderr).lines().count(), 1000);
}

#[tokio::test]
async fn who_writes_without_a_pause_is_read_now_and_then() {
    let (_lab, runtimes) = lab().await;
    let begun = std::time::Instant::now();
    let script =
        "n=0; while [ $n -lt 20000 ]; do echo $n; n=$((n + 1)); done; echo done >&2; read x";
    let mut it = run(&runtimes, script);
    it.hears("its last words", |it| it.text(Stream::Stderr) == "done\n").await;
    it.says("\n19999\n").await;
    let reads = begun.elapsed().as_millis() / 2;
    let heard = it.heard();
    let outputs = heard.iter().filter(|heard| matches!(heard, Heard::Fact(Fact::Output(_))));
    // Of each read there may be one of each stream, and of the first there was none before.
    let (outputs, most) = (outputs.count(), reads + 4);
    assert!(outputs as u128 <= most, "{outputs} for at most {most} reads");
    it.send(1, "go").await;
    assert_eq!(it.exit().await.code, Some(0));
    assert_eq!(it.text(Stream::Stdout).lines().count(), 20_000);
}

#[tokio::test]
async fn a_start_that_fails_is_an_end_with_a_reason() {
    let (_lab, runtimes) = lab().await;
    let command = Some(vec!["no-such-program".to_owned()]);
    let agent = testing::agent(Spec { command, ..spec(Kind::Command) }, None);
    let mut it = attend(&runtimes.command, &agent);
    let exit = it.exit().await;
    assert_eq!((exit.code, exit.signal, exit.unseen), (None, None, false));
    assert!(exit.reason.unwrap().contains("no-such-program"));
    assert_eq!(it.heard(), []);
}

#[tokio::test]
async fn the_environment_is_used_and_then_gone() {
    let (lab, runtimes) = lab().await;
    let spool = Runtimes::spool(&lab.state());
    let variables = BTreeMap::from([("KEY".to_owned(), "s3cret".to_owned())]);
    let (environment, _) = Environment::write(&spool, variables, Vec::new()).unwrap();
    let file = spool.join(environment.name());
    let command = ["/bin/sh", "-c", "echo $KEY $DASH_AGENT_ID"].map(str::to_owned).to_vec();
    let spec = Spec { command: Some(command), env: vec!["KEY".into()], ..spec(Kind::Command) };
    let agents: Vec<Agent> =
        (0..2).map(|_| testing::agent(spec.clone(), Some(environment.name()))).collect();
    let mut first = attend(&runtimes.command, &agents[0]);
    first.exit().await;
    assert!(file.exists(), "the second has not started");
    let mut second = attend(&runtimes.command, &agents[1]);
    second.started().await;
    drop(environment);
    second.exit().await;
    assert!(!file.exists());
    for (it, agent) in [(first, &agents[0]), (second, &agents[1])] {
        assert_eq!(it.text(Stream::Stdout), format!("s3cret {}\n", agent.id));
    }
}

#[tokio::test]
async fn a_process_that_ignores_term_is_killed_at_once_when_told() {
    let (_lab, runtimes) = lab().await;
    let mut it = run(&runtimes, "trap 'echo heard' TERM; echo ready; while :; do sleep 0.05; done");
    it.says("ready").await;
    it.stop.send(Stop::Ask(Signal::TERM)).unwrap();
    it.says("heard").await;
    it.stop.send(Stop::Now).unwrap();
    assert_eq!(it.exit().await.signal, Some(Signal::KILL));
}

#[tokio::test]
async fn a_stopped_process_hears_that_it_is_to_end() {
    let (_lab, runtimes) = lab().await;
    let mut it = run(&runtimes, "echo ready; kill -STOP $$");
    it.says("ready").await;
    let pid = it.agent().process.unwrap().pid;
    let state = || super::super::proc::Seen::look(pid).map(|seen| seen.state);
    until("it is stopped", || state() == Some(b'T')).await;
    it.stop.send(Stop::Ask(Signal::TERM)).unwrap();
    assert_eq!(it.exit().await.signal, Some(Signal::TERM));
}

/// Runs a grandchild that has left group, session and parent behind.
fn escape(lab: &Lab) -> String {
    let place = lab.path("escaped").display().to_string();
    format!(
        "setsid sh -c '(trap \"\" TERM HUP; echo $$ > {place}.sh; \
         sh -c \"echo \\$\\$ > {place}; exec sleep 99\" >&- 2>&- <&- & )' & \
         while [ ! -s {place} ]; do sleep 0.01; done; echo ready; "
    )
}

#[tokio::test]
async fn whoever_has_escaped_dies_with_the_agent() {
    let (lab, runtimes) = lab().await;
    // Another agent lives, so that nothing is killed only because nobody does.
    let other = run(&runtimes, "read line");
    other.started().await;
    for told in [false, true] {
        let _ = std::fs::remove_file(lab.path("escaped"));
        let script = escape(&lab) + if told { "sleep 99" } else { "exit 0" };
        let mut it = run(&runtimes, &script);
        let escaped = pid_in(&lab.path("escaped")).await;
        it.says("ready").await;
        if told {
            assert!(alive(escaped));
            it.stop.send(Stop::Now).unwrap();
        }
        let exit = it.exit().await;
        assert_eq!(exit.code.is_some(), !told, "{exit:?}");
        assert!(!alive(escaped), "when it has ended, nothing of it is alive");
    }
    assert!(alive(other.agent().process.unwrap().pid));
}

#[tokio::test]
async fn stopped_before_it_started_it_never_does() {
    let (lab, runtimes) = lab().await;
    let agent = shell("echo never");
    let environment = tokio::sync::mpsc::channel(1);
    let (report, _reports) = tokio::sync::mpsc::channel(1);
    let (_stop, stop) = tokio::sync::watch::channel(Stop::Ask(Signal::TERM));
    let (_control, control) = tokio::sync::mpsc::channel(1);
    let io = RunIo { agent: Arc::new(agent.clone()), inbox: environment.1, control, report, stop };
    let exit = runtimes.command.run(io).await;
    assert_eq!(exit.signal, Some(Signal::TERM));
    assert!(!lab.dir(agent.id).exists());
}

#[tokio::test]
async fn a_daemon_that_comes_back_goes_on_from_the_offset() {
    let (lab, runtimes) = lab().await;
    let go = lab.path("go").display().to_string();
    let wait = format!("while [ ! -e {go} ]; do sleep 0.01; done");
    let it = run(&runtimes, &format!("echo one; read a; {wait}; echo two; printf end; exit 9"));
    it.says("one").await;
    it.send(1, "x").await;
    it.hears("the delivery", |it| it.heard().iter().any(|it| matches!(it, Heard::Delivered(_))))
        .await;
    let agent = it.crash().await;
    drop(runtimes);
    std::fs::write(&go, "").unwrap();
    let process = agent.process.unwrap();
    until("it has ended", || !super::super::proc::lives(process)).await;

    let runtimes = lab.runtimes().await;
    let mut back = attend(&runtimes.command, &agent);
    let exit = back.exit().await;
    assert_eq!((exit.code, exit.unseen), (Some(9), false));
    assert_eq!(back.text(Stream::Stdout), "two\nend");
    assert!(
        !back.heard().iter().any(|it| matches!(it, Heard::Fact(crate::model::Fact::Started(_))))
    );
}

#[tokio::test]
async fn a_daemon_that_dies_before_the_start_was_recorded_starts_nothing_twice() {
    let (lab, runtimes) = lab().await;
    let agent = shell("echo once; read line");
    let it = attend(&runtimes.command, &agent);
    it.says("once").await;
    let begun = it.crash().await;
    drop(runtimes);

    // As the log has it when the daemon died in between: spawned, and no more.
    let runtimes = lab.runtimes().await;
    let mut back = attend(&runtimes.command, &agent);
    back.says("once").await;
    assert_eq!(back.agent().process, begun.process);
    back.send(1, "go").await;
    assert_eq!(back.exit().await.code, Some(0));
    assert_eq!(back.text(Stream::Stdout), "once\n");
}

#[tokio::test]
async fn an_agent_that_somebody_was_about_to_start_is_never_started_again() {
    let (lab, runtimes) = lab().await;
    let agent = shell("echo twice");
    std::fs::create_dir(lab.dir(agent.id)).unwrap();
    std::fs::write(lab.dir(agent.id).join("process"), "{\"starting\":true}\n").unwrap();
    assert!(runtimes.command.has_begun(agent.id));
    let mut it = attend(&runtimes.command, &agent);
    let exit = it.exit().await;
    assert!(exit.unseen && exit.code.is_none(), "{exit:?}");
    assert!(exit.reason.unwrap().contains("nobody knows whether it ran"));
    assert_eq!(it.text(Stream::Stdout), "");
}

#[tokio::test]
async fn when_daemon_and_keeper_die_before_that_nothing_is_started_twice_either() {
    for record in [true, false] {
        let (lab, runtimes) = lab().await;
        let agent = shell("echo once; exec sleep 99");
        let it = attend(&runtimes.command, &agent);
        it.says("once").await;
        let begun = it.crash().await;
        drop(runtimes);
        kill(lab.keeper_pid().unwrap());
        if !record {
            std::fs::remove_file(lab.dir(agent.id).join("process")).unwrap();
        }

        let runtimes = lab.runtimes().await;
        let mut back = attend(&runtimes.command, &agent);
        back.says("once").await;
        assert_eq!(back.agent().process, begun.process);
        back.stop.send(Stop::Now).unwrap();
        let exit = back.exit().await;
        assert!(exit.unseen, "{exit:?}");
        assert_eq!(back.text(Stream::Stdout), "once\n");
    }
}

#[tokio::test]
async fn an_agent_whose_keeper_is_killed_lives_on_and_its_end_is_unseen() {
    let (lab, runtimes) = lab().await;
    let go = lab.path("go").display().to_string();
    let wait = format!("while [ ! -e {go} ]; do sleep 0.01; done");
    let script = format!("echo one; read line; echo $line; {wait}; echo two; exit 0");
    let mut it = run(&runtimes, &script);
    it.says("one").await;
    let process = it.agent().process.unwrap();
    kill(lab.keeper_pid().unwrap());
    it.send(1, "to the next keeper").await;
    it.says("to the next keeper").await;
    assert!(super::super::proc::lives(process));
    std::fs::write(&go, "").unwrap();
    let exit = it.exit().await;
    assert_eq!((exit.code, exit.signal, exit.unseen), (None, None, true));
    assert_eq!(exit.reason.as_deref(), Some("it ended while no keeper watched it"));
    assert_eq!(it.text(Stream::Stdout), "one\nto the next keeper\ntwo\n");
    assert_eq!(exit.result.as_deref(), Some("one\nto the next keeper\ntwo"));

    // The runtime works on with another keeper.
    assert_eq!(run(&runtimes, "exit 4").exit().await.code, Some(4));
}

#[tokio::test]
async fn a_daemon_that_comes_back_to_a_dead_keeper_finds_and_kills_the_tree() {
    let (lab, runtimes) = lab().await;
    let it = run(&runtimes, &(escape(&lab) + "sleep 99"));
    let escaped = pid_in(&lab.path("escaped")).await;
    it.says("ready").await;
    let agent = it.crash().await;
    drop(runtimes);
    kill(lab.keeper_pid().unwrap());
    let leader = agent.process.unwrap();
    assert!(super::super::proc::lives(leader));

    let runtimes = lab.runtimes().await;
    let mut back = attend(&runtimes.command, &agent);
    back.stop.send(Stop::Now).unwrap();
    let exit = back.exit().await;
    assert!(exit.unseen);
    assert!(!alive(escaped) && !super::super::proc::lives(leader));
}

#[tokio::test]
async fn an_agent_that_ended_while_nobody_was_there_is_unseen() {
    let (lab, runtimes) = lab().await;
    let it = run(&runtimes, "echo one; exec sleep 99");
    it.says("one").await;
    let agent = it.crash().await;
    drop(runtimes);
    let process = agent.process.unwrap();
    kill(lab.keeper_pid().unwrap());
    kill(process.pid);
    until("both are gone", || !super::super::proc::lives(process)).await;
    let runtimes = lab.runtimes().await;
    let exit = attend(&runtimes.command, &agent).exit().await;
    assert_eq!((exit.code, exit.signal, exit.unseen), (None, None, true));
    assert_eq!(exit.reason.as_deref(), Some("it ended while no keeper watched it"));
}

#[tokio::test]
async fn an_end_that_a_keeper_wrote_down_before_it_went_is_known() {
    let (lab, runtimes) = lab().await;
    let go = lab.path("go").display().to_string();
    let it = run(&runtimes, &format!("while [ ! -e {go} ]; do sleep 0.01; done; exit 9"));
    it.started().await;
    let agent = it.crash().await;
    drop(runtimes);
    std::fs::write(&go, "").unwrap();
    until("the keeper has gone, for nobody lives", || lab.keeper_pid().is_none()).await;
    let runtimes = lab.runtimes().await;
    let exit = attend(&runtimes.command, &agent).exit().await;
    assert_eq!((exit.code, exit.reason, exit.unseen), (Some(9), None, false));
}

/// Somebody else has the pid of an agent by now.
#[tokio::test]
async fn a_stranger_is_neither_taken_for_an_agent_nor_killed_with_it() {
    let (lab, runtimes) = lab().await;
    let mut stranger = std::process::Command::new("/bin/sleep").arg("99").spawn().unwrap();
    let pid = i32::try_from(stranger.id()).unwrap();
    let start = super::super::proc::start_of(pid).unwrap();
    let boot = super::super::proc::boot_id();
    for (log, written, reason) in [
        // The pid was given to somebody else.
        (start - 1, Some((start - 1, boot)), "no keeper watched it"),
        // In another boot of the machine, somebody was started at the same time after it.
        (start, Some((start, "another")), "the machine was started anew"),
        // Nothing but the log is left, which does not say in which boot it was.
        (start, None, "no keeper watched it"),
    ] {
        let agent = testing::started(shell("sleep 99"), Process { pid, start: log });
        if let Some((start, boot)) = written {
            std::fs::create_dir(lab.dir(agent.id)).unwrap();
            let text = format!("{{\"pid\":{pid},\"start\":{start},\"boot\":{boot:?}}}\n");
            std::fs::write(lab.dir(agent.id).join("process"), text).unwrap();
        }
        let mut it = attend(&runtimes.command, &agent);
        let _ = it.stop.send(Stop::Now);
        let exit = it.exit().await;
        assert!(exit.unseen && exit.code.is_none(), "{exit:?}");
        assert!(exit.reason.as_ref().unwrap().contains(reason), "{exit:?}");
        assert!(alive(pid), "{reason}");
    }
    stranger.kill().unwrap();
    stranger.wait().unwrap();
}

#[tokio::test]
async fn a_hundred_that_are_killed_at_once_are_all_gone() {
    let (_lab, runtimes) = lab().await;
    let mut agents: Vec<_> =
        (0..100).map(|_| run(&runtimes, "sleep 99 & echo ready; wait")).collect();
    for it in &agents {
        it.says("ready").await;
    }
    for it in &agents {
        it.stop.send(Stop::Ask(Signal::TERM)).unwrap();
    }
    for it in &mut agents {
        assert_eq!(it.exit().await.signal, Some(Signal::TERM));
        assert!(!alive(it.agent().process.unwrap().pid));
    }
}

#[tokio::test]
async fn what_a_crash_left_behind_is_tidied_up() {
    let (lab, runtimes) = lab().await;
    let spool = Runtimes::spool(&lab.state());
    let (used, _) = Environment::write(&spool, BTreeMap::new(), Vec::new()).unwrap();
    let (unused, _) = Environment::write(&spool, BTreeMap::new(), Vec::new()).unwrap();
    let living = testing::agent(spec(Kind::Command), Some(used.name()));
    let dead = id();
    for agent in [living.id, dead] {
        std::fs::create_dir(lab.dir(agent)).unwrap();
    }
    let left = Runtimes::left_behind(&lab.state(), &[Arc::new(living.clone())]);
    let (later, _) = Environment::write(&spool, BTreeMap::new(), Vec::new()).unwrap();
    let begun = id();
    std::fs::create_dir(lab.dir(begun)).unwrap();
    runtimes.tidy(left).await;
    for agent in [living.id, begun] {
        assert!(lab.dir(agent).exists(), "it lives, or was begun meanwhile");
    }
    assert!(spool.join(used.name()).exists() && spool.join(later.name()).exists());
    assert!(!lab.dir(dead).exists() && !spool.join(unused.name()).exists());
}
