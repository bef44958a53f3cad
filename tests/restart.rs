//! Followers outlive the daemon, and an answer that was lost is asked for again.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::env::live::Live;
use crate::env::{TestEnv, eventually, fifo};

/// Writes numbered lines until there is a file `stop`, and ends with 7. Waiting for a FIFO that
/// nobody writes to is a pause that costs no process.
const WRITER: &str = r#"
    exec 3<>pace
    i=0
    until [ -e stop ]; do i=$((i+1)); echo "line $i"; read -t 0.01 -u 3; done
    echo "last $i"
    exit 7
"#;

fn writer(env: &TestEnv) -> String {
    fifo(&env.work().join("pace"));
    env.spawn(["-l", "writer", "--", "bash", "-c", WRITER])
}

#[track_caller]
fn grows(live: &Live) {
    let before = live.stdout().len();
    eventually("more is printed", || {
        if live.stdout().len() > before { Ok(()) } else { Err(live.stderr()) }
    });
}

/// That something holds for as long as this.
#[track_caller]
fn stays(what: &str, long: Duration, mut holds: impl FnMut() -> bool) {
    let begin = Instant::now();
    while begin.elapsed() < long {
        assert!(holds(), "no longer: {what}");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

/// Every line of the writer once, in order.
#[track_caller]
fn assert_complete(text: &str) {
    let lines: Vec<&str> = text.lines().collect();
    let (last, numbered) = lines.split_last().expect("there are lines");
    for (index, line) in numbered.iter().enumerate() {
        assert_eq!(*line, format!("line {}", index + 1));
    }
    assert_eq!(*last, format!("last {}", numbered.len()));
}

fn text_of(events: &[Value]) -> String {
    let output = events.iter().filter(|event| event["type"] == "agent.output");
    output.map(|event| event["data"]["text"].as_str().unwrap()).collect()
}

#[test]
fn followers_go_on_over_crashes_and_a_shutdown() {
    let env = TestEnv::new();
    let id = writer(&env);
    let watch = Live::start(env.command(["watch", "--json", "--since", "beginning"]));
    let one = Live::start(env.command(["watch", "--json", "--since", "beginning", "writer"]));
    let logs = Live::start(env.command(["logs", "-f", "writer"]));
    let wait = Live::start(env.command(["wait", "writer"]));
    let followers = [&watch, &one, &logs];
    followers.into_iter().for_each(grows);

    let first = env.daemon_pid();
    env.kill_daemon();
    let second = eventually("a follower starts the daemon again", || env.daemon_pid().ok_or(()));
    assert_ne!(Some(second), first);
    followers.into_iter().for_each(grows);
    eventually("the one who waits is told", || {
        if wait.stderr().contains("went away") { Ok(()) } else { Err(wait.stderr()) }
    });

    env.kill_daemon();
    let agent = env.agent(&id);
    assert_eq!(agent["status"], "running", "{agent}");
    followers.into_iter().for_each(grows);

    env.run(["shutdown"]).success();
    for follower in followers {
        eventually("the loss is said", || {
            let said = follower.stderr();
            if said.matches("went away").count() == 3 { Ok(()) } else { Err(said) }
        });
    }
    // Longer than a follower takes to look whether the daemon crashed.
    stays("shut down", Duration::from_millis(1500), || env.daemon_pid().is_none());
    assert_eq!(env.agent(&id)["status"], "running");
    followers.into_iter().for_each(grows);

    env.write("work/stop", "");
    let waited = wait.end().code(7);
    assert_eq!(waited.stderr.matches("went away").count(), 1, "{waited:#?}");
    let logs = logs.end().success();
    assert_complete(&logs.stdout);
    let one = one.end().success();
    assert_complete(&text_of(&one.json()));
    eventually("the end is seen", || {
        if watch.stdout().contains("agent.failed") { Ok(()) } else { Err(()) }
    });
    let watch = watch.interrupt().code(130);
    let events = watch.json();
    for (index, event) in events.iter().enumerate() {
        assert_eq!(event["seq"], index + 1, "neither gaps nor repeats");
    }
    assert_complete(&text_of(&events));
    let end = &events.last().unwrap()["data"];
    assert_eq!(end["exit_code"], 7, "{end}");
    assert_complete(&text_of(&env.events("writer")));
    for output in [&watch, &one, &logs] {
        assert_eq!(output.stderr.matches("went away").count(), 3, "{}", output.stderr);
        assert_eq!(output.stderr.matches("is back").count(), 3, "{}", output.stderr);
    }
}

/// A daemon whose first answer to a POST of some path gets lost on the way.
struct Lossy {
    posts: Arc<AtomicUsize>,
}

impl Lossy {
    fn between(proxy: &Path, daemon: &Path, path: &'static str) -> Self {
        let listener = UnixListener::bind(proxy).unwrap();
        let posts = Arc::new(AtomicUsize::new(0));
        let (daemon, counted) = (daemon.to_owned(), Arc::clone(&posts));
        // Ends with the test's process: nothing waits for it.
        std::thread::spawn(move || {
            for caller in listener.incoming() {
                let (caller, posts) = (caller.unwrap(), Arc::clone(&counted));
                let daemon = UnixStream::connect(&daemon).unwrap();
                std::thread::spawn(move || carry(&caller, &daemon, path, &posts));
            }
        });
        Self { posts }
    }
}

/// Carries bytes both ways, and cuts the connection when the answer to the first POST comes.
fn carry(caller: &UnixStream, daemon: &UnixStream, path: &str, posts: &AtomicUsize) {
    let lose = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mark = format!("POST {path}");
            let mut to = daemon;
            pump(caller, |bytes| {
                if String::from_utf8_lossy(bytes).contains(&mark)
                    && posts.fetch_add(1, Ordering::SeqCst) == 0
                {
                    lose.store(1, Ordering::SeqCst);
                }
                to.write_all(bytes).is_ok()
            });
            let _ = daemon.shutdown(Shutdown::Write);
        });
        let mut to = caller;
        pump(daemon, |bytes| lose.load(Ordering::SeqCst) == 0 && to.write_all(bytes).is_ok());
        let _ = caller.shutdown(Shutdown::Both);
    });
}

fn pump(mut from: &UnixStream, mut take: impl FnMut(&[u8]) -> bool) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        if !take(&buffer[..read]) {
            return;
        }
    }
}

#[test]
fn a_spawn_whose_answer_was_lost_is_one_spawn() {
    let env = TestEnv::new();
    env.run(["spawn", "-l", "other", "--wait", "--", "true"]).success();
    let proxy = env.work().join("proxy.sock");
    let lossy = Lossy::between(&proxy, &env.socket(), "/api/v1/agents");
    let mut spawn = env.command(["spawn", "--json", "-n", "3", "-l", "once", "--", "sleep", "60"]);
    spawn.env("DASH_API_URL", format!("unix://{}", proxy.display()));
    let spawned = Live::start(spawn).end().success();
    assert_eq!(lossy.posts.load(Ordering::SeqCst), 2, "it was asked for again");
    let answered: Vec<Value> = spawned.json().iter().map(|agent| agent["id"].clone()).collect();
    let there = env.run(["status", "--json", "--status", "running,starting,queued"]).success();
    let there: Vec<Value> = there.json().iter().map(|agent| agent["id"].clone()).collect();
    assert_eq!(there.len(), 3, "{there:?}");
    assert!(answered.iter().all(|id| there.contains(id)), "{answered:?} {there:?}");
}

#[test]
fn a_message_whose_answer_was_lost_is_one_message() {
    let env = TestEnv::new();
    let id = env.spawn(["-l", "cat", "--stdin", "--", "cat"]);
    env.until(&id, "it runs", |agent| agent["status"] == "running");
    let proxy = env.work().join("proxy.sock");
    let lossy = Lossy::between(&proxy, &env.socket(), "/api/v1/agents/");
    let mut send = env.command(["send", "cat", "said once", "--json"]);
    send.env("DASH_API_URL", format!("unix://{}", proxy.display()));
    Live::start(send).end().success();
    assert_eq!(lossy.posts.load(Ordering::SeqCst), 2, "it was asked for again");
    env.run_with_input(["send", "cat", "-"], b"and that is all").success();
    let logs = Live::start(env.command(["logs", "-f", "cat"]));
    eventually("both are there", || {
        if logs.stdout().contains("that is all") { Ok(()) } else { Err(logs.stdout()) }
    });
    assert_eq!(logs.stdout(), "said once\nand that is all\n");
}
