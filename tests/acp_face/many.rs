//! A hundred at once, and what one costs.

use std::time::Duration;

use serde_json::json;

use super::client::{Client, timed};
use super::home;

/// Processes beside one gateway.
const MANY: usize = 100;
/// KiB that one may use. What the processes share is counted in parts.
const MEMORY_MAX: u64 = 8 * 1024;
/// The first answer of one process, in a build with optimisation: 20 ms is the limit. Builds for
/// tests and a busy machine are slower, so that the best of a few counts.
const FIRST_ANSWER: Duration = Duration::from_millis(if cfg!(debug_assertions) { 80 } else { 20 });

/// A line of `/proc/PID/status` or `/proc/PID/smaps_rollup`, in KiB.
pub fn kilobytes(pid: i32, name: &str) -> u64 {
    let of =
        |file: &str| std::fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
    let both = of("status") + &of("smaps_rollup");
    let line = both.lines().find(|line| line.starts_with(&format!("{name}:")));
    let number = line.and_then(|line| line.split_whitespace().nth(1)).and_then(|n| n.parse().ok());
    number.unwrap_or_else(|| panic!("{name} of {pid}: {both}"))
}

/// KiB that one may use alone; a build for tests is several times as large.
const ALONE_MAX: u64 = if cfg!(debug_assertions) { 24 * 1024 } else { MEMORY_MAX };

#[test]
fn one_alone_is_small_after_a_turn() {
    let env = home();
    let mut client = Client::start(&env, &[]);
    client.initialize();
    let session = client.session(&env, None);
    assert_eq!(client.turn(&session, "hello"), "end_turn");
    let of = |name| kilobytes(client.pid(), name);
    let (memory, own) = (of("Pss"), of("RssAnon"));
    assert!(memory <= ALONE_MAX && own <= MEMORY_MAX / 2, "{memory} KiB, {own} of its own");
}

#[test]
fn heavy_a_hundred_at_once() {
    let env = home();
    let mut clients: Vec<_> = (0..MANY).map(|_| Client::start(&env, &[])).collect();
    let sessions: Vec<_> = clients
        .iter_mut()
        .map(|client| {
            client.initialize();
            client.session(&env, None)
        })
        .collect();
    let prompts: Vec<_> = clients
        .iter_mut()
        .zip(&sessions)
        .enumerate()
        .map(|(n, (client, session))| client.prompt(session, &format!("number {n}")))
        .collect();
    for (n, ((client, session), prompt)) in clients.iter().zip(&sessions).zip(prompts).enumerate() {
        assert_eq!(client.stop_reason(prompt), "end_turn");
        assert_eq!(client.text(session), format!("you said number {n}"));
    }
    assert_eq!(env.run(["status", "--json"]).success().json().len(), MANY);
    let mut shared: Vec<_> = clients.iter().map(|client| kilobytes(client.pid(), "Pss")).collect();
    let mut own: Vec<_> = clients.iter().map(|client| kilobytes(client.pid(), "RssAnon")).collect();
    shared.sort_unstable();
    own.sort_unstable();
    let (most, most_own) = (shared[MANY - 1], own[MANY - 1]);
    println!(
        "{MANY} of `dash acp` after a turn each: {} KiB (Pss, median), {most} KiB at most; \
         {} KiB of its own (anonymous), {most_own} KiB at most",
        shared[MANY / 2],
        own[MANY / 2],
    );
    assert!(most <= MEMORY_MAX, "{most} KiB");
    assert!(most_own <= MEMORY_MAX / 2, "{most_own} KiB of its own");
}

#[test]
fn heavy_the_first_answer_comes_at_once() {
    let env = home();
    let answer = || {
        let (mut client, _) = timed(|| Client::start(&env, &[]));
        let id = client.ask("initialize", &json!({ "protocolVersion": 1 }));
        while client.answered(id).is_none() {
            std::thread::yield_now();
        }
    };
    let mut times: Vec<_> = (0..20).map(|_| timed(answer).1).collect();
    times.sort_unstable();
    println!(
        "the first answer: {:?} at best, {:?} in the middle, {:?} at worst",
        times[0], times[10], times[19]
    );
    assert!(times[0] <= FIRST_ANSWER, "{times:?}");
}
