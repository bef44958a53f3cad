//! What a measured agent does: it is this program, started with [`FLAG`].

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

pub(crate) const FLAG: &str = "--as-agent";

/// Nanoseconds of the monotonic clock, which all processes of a machine share.
pub(crate) fn now() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    u64::try_from(time.tv_sec).unwrap_or_default() * 1_000_000_000
        + u64::try_from(time.tv_nsec).unwrap_or_default()
}

/// `acp`: a harness that speaks the Agent Client Protocol; a prompt is the `COUNT MS` of `stamp`.
/// `ready SECONDS FIFO`: says when it began and who it is, then idles.
/// `stamp COUNT MS`: a stamp every so many milliseconds. `lines COUNT MS`: the same, numbered.
/// `flood COUNT`: numbered lines, a write each, then how long it took on standard error.
pub(crate) fn run(arguments: &[String]) -> ExitCode {
    let begin = now();
    let number = |at: usize| arguments.get(at).and_then(|n| n.parse::<u64>().ok()).unwrap_or(0);
    let mut out = std::io::stdout().lock();
    let done = match arguments.first().map(String::as_str) {
        Some("ready") => {
            let said = arguments.get(2).map_or(Ok(()), |fifo| tell(begin, fifo));
            idle(Duration::from_secs(number(1)));
            said
        }
        Some("stamp") => stamp(&mut out, number(1), number(2)),
        Some("lines") => lines(&mut out, number(1), number(2)),
        Some("flood") => flood(&mut out, number(1)),
        Some("acp") => acp(&mut out),
        _ => return ExitCode::FAILURE,
    };
    if done.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// A line that fits a pipe's atomic write, so that a thousand can tell at once.
fn tell(begin: u64, fifo: &str) -> std::io::Result<()> {
    let mut fifo = std::fs::OpenOptions::new().write(true).open(fifo)?;
    fifo.write_all(format!("{begin} {}\n", std::process::id()).as_bytes())
}

/// Does nothing for so long.
pub(crate) fn idle(time: Duration) {
    let end = std::time::Instant::now() + time;
    while let Some(left) = end.checked_duration_since(std::time::Instant::now()) {
        std::thread::park_timeout(left);
    }
}

/// Not all at the same moment: the pid spreads a thousand agents over the interval.
fn spread(milliseconds: u64) {
    idle(Duration::from_millis(u64::from(std::process::id()) * 7919 % milliseconds.max(1)));
}

/// As little of a harness as there can be: each stamp is a piece of a message.
fn acp(out: &mut impl Write) -> std::io::Result<()> {
    for line in std::io::stdin().lines() {
        let request: serde_json::Value = serde_json::from_str(&line?)?;
        let id = &request["id"];
        let result = match request["method"].as_str() {
            Some("initialize") => r#"{"protocolVersion":1}"#,
            Some("session/new") => r#"{"sessionId":"s"}"#,
            Some("session/prompt") => {
                turn(out, request["params"]["prompt"][0]["text"].as_str().unwrap_or_default())?;
                r#"{"stopReason":"end_turn"}"#
            }
            _ => continue,
        };
        writeln!(out, r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#)?;
    }
    Ok(())
}

fn turn(out: &mut impl Write, prompt: &str) -> std::io::Result<()> {
    let mut numbers = prompt.split(' ').filter_map(|n| n.parse::<u64>().ok());
    let (count, pause) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(1));
    spread(pause);
    for _ in 0..count {
        let update = serde_json::json!({
            "sessionUpdate": "agent_message_chunk",
            "content": { "type": "text", "text": now().to_string() },
        });
        let params = serde_json::json!({ "sessionId": "s", "update": update });
        let line = serde_json::json!({
            "jsonrpc": "2.0", "method": "session/update", "params": params,
        });
        writeln!(out, "{line}")?;
        idle(Duration::from_millis(pause));
    }
    Ok(())
}

fn stamp(out: &mut impl Write, count: u64, milliseconds: u64) -> std::io::Result<()> {
    spread(milliseconds);
    for _ in 0..count {
        writeln!(out, "{}", now())?;
        idle(Duration::from_millis(milliseconds));
    }
    Ok(())
}

fn lines(out: &mut impl Write, count: u64, milliseconds: u64) -> std::io::Result<()> {
    spread(milliseconds);
    for n in 0..count {
        writeln!(out, "{} {n}", now())?;
        idle(Duration::from_millis(milliseconds));
    }
    Ok(())
}

fn flood(out: &mut impl Write, count: u64) -> std::io::Result<()> {
    let begin = now();
    for n in 0..count {
        // Standard output is line buffered: a write a line.
        writeln!(out, "{n:012} the quick brown fox jumps")?;
    }
    eprintln!("took {}", now() - begin);
    Ok(())
}
