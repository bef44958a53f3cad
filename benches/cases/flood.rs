//! One agent that writes as fast as it can.

use std::io::Read;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use futures::StreamExt;
use tokio::time::timeout;

use super::{PATIENCE, SILENCE, ms, output_only};
use crate::agent::FLAG;
use crate::home::{Home, own_path};
use crate::numbers::{DASH, RAW, Samples, Table};
use crate::peers::sandbox::Sandbox;
use crate::peers::{self, Peer};

pub(super) async fn measure(table: &mut Table, quick: bool) {
    let lines: u64 = if quick { 300_000 } else { 1_000_000 };
    let count = lines.to_string();
    let (mut to_file, mut own) = (Samples::default(), Samples::default());
    let (mut arriving, mut added, mut wrong) = (Samples::default(), Samples::default(), 0);
    let (mut peer_own, mut peer_arriving, mut peer_lost) =
        (Samples::default(), Samples::default(), 0);
    let mut peer = None;
    for _ in 0..if quick { 1 } else { 3 } {
        let file = tempfile::tempfile().expect("a file");
        to_file.0.push(rate(lines, alone(&count, Stdio::from(file))));
        let one = of_dash(lines, &count).await;
        own.0.push(rate(lines, one.took));
        arriving.0.push(rate(lines - one.wrong, one.arrived));
        added.0.push(one.added);
        wrong += one.wrong;
        if let Some(sandbox) = Sandbox::start(&peers::place()) {
            let one = of_sandbox(&sandbox, lines, &count).await;
            peer_own.0.push(rate(lines, one.took));
            peer_arriving.0.push(rate(lines - one.wrong, one.arrived));
            peer_lost += one.wrong;
            peer = Some(sandbox.name().to_owned());
        }
    }
    let what = "flood: the agent's own speed";
    table.figure(what, RAW, to_file.median(), "lines/s", "to a file, nobody reads");
    table.figure(what, DASH, own.median(), "lines/s", "");
    if let Some(peer) = &peer {
        table.figure(what, peer, peer_own.median(), "lines/s", "");
    }
    let what = "flood: at a subscriber";
    let lost = |wrong: u64| format!("{wrong} lost or doubled");
    table.figure(what, RAW, to_file.median(), "lines/s", "as above");
    table.figure(what, DASH, arriving.median(), "lines/s", lost(wrong));
    if let Some(peer) = &peer {
        table.figure(what, peer, peer_arriving.median(), "lines/s", lost(peer_lost));
    }
    table.figure("flood: memory it adds", DASH, added.percentile(100.0), "MB", "at most");
}

#[allow(clippy::cast_precision_loss)]
pub(super) fn rate(lines: u64, seconds: f64) -> f64 {
    lines as f64 / seconds
}

/// How a flood went: seconds by the agent's own account and at the subscriber, megabytes.
struct Flood {
    took: f64,
    arrived: f64,
    wrong: u64,
    added: f64,
}

/// The lines that came, by their numbers.
#[derive(Default)]
struct Lines {
    next: u64,
    wrong: u64,
}

impl Lines {
    fn take(&mut self, line: &str) {
        let Some(number) = line.get(..12).and_then(|number| number.parse::<u64>().ok()) else {
            return;
        };
        self.wrong += number.abs_diff(self.next);
        self.next = number + 1;
    }
}

fn own_account(text: &str) -> Option<u64> {
    text.trim().strip_prefix("took ").and_then(|n| n.parse().ok())
}

async fn of_dash(lines: u64, count: &str) -> Flood {
    let home = Home::new();
    let mut events = home.events(output_only()).await;
    let before = home.memory();
    let (begin, mut looked) = (Instant::now(), Instant::now());
    home.spawn(&Home::body(&["flood", count], 1)).await;
    let (mut came, mut took, mut peak) = (Lines::default(), None, before);
    let mut arrived = 0.0;
    while came.next < lines || took.is_none() {
        let event = timeout(PATIENCE, events.next()).await.expect("in time").expect("an event");
        let text = event["data"]["text"].as_str().unwrap_or_default();
        if event["data"]["stream"] == "stderr" {
            took = own_account(text);
            continue;
        }
        text.lines().for_each(|line| came.take(line));
        arrived = begin.elapsed().as_secs_f64();
        if looked.elapsed() > Duration::from_millis(100) {
            looked = Instant::now();
            peak = peak.max(home.memory());
        }
    }
    Flood { took: ms(took.unwrap_or(1)) / 1e3, arrived, wrong: came.wrong, added: peak - before }
}

async fn of_sandbox(sandbox: &Sandbox, lines: u64, count: &str) -> Flood {
    let program = own_path().to_str().expect("a path in UTF-8").to_owned();
    let begin = Instant::now();
    let agent = [program, FLAG.to_owned(), "flood".to_owned(), count.to_owned()];
    let id = sandbox.start_one(&agent).await;
    let mut stream = sandbox.follow(&id).await;
    let (mut came, mut took, mut arrived) = (Lines::default(), None, 0.0);
    let mut rest = String::new();
    let mut last = 0;
    while let Ok(Some(piece)) = timeout(SILENCE, stream.next()).await {
        let after_a_gap = piece.sequence != last + 1;
        last = piece.sequence;
        let text = String::from_utf8_lossy(&piece.bytes).into_owned();
        if !piece.stdout {
            took = own_account(&text).or(took);
            continue;
        }
        // A lost piece may begin or end in the middle of a line.
        if after_a_gap {
            rest.clear();
        }
        rest.push_str(&text);
        while let Some(at) = rest.find('\n') {
            came.take(&rest[..at]);
            rest.drain(..=at);
        }
        arrived = begin.elapsed().as_secs_f64();
    }
    let wrong = came.wrong + lines.saturating_sub(came.next);
    Flood { took: ms(took.unwrap_or(1)) / 1e3, arrived, wrong, added: f64::NAN }
}

/// How long a flood alone takes by its own account, in seconds.
fn alone(count: &str, stdout: Stdio) -> f64 {
    let mut command = Command::new(own_path());
    command.args([FLAG, "flood", count]).stdout(stdout).stderr(Stdio::piped());
    let mut child = command.spawn().expect("a process");
    let mut said = String::new();
    child.stderr.take().expect("a pipe").read_to_string(&mut said).expect("its time");
    child.wait().expect("an exit");
    ms(own_account(&said).unwrap_or(1)) / 1e3
}
