//! Readers of the event stream: those who lose their connection, and those who never read.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::env::history::leave;
use crate::env::live::Live;
use crate::env::{PATIENCE, TestEnv, eventually, fifo};

/// A stream of events over a plain socket. The older version of HTTP sends the body as it is.
fn stream(env: &TestEnv, query: &str, last: u64) -> UnixStream {
    let mut stream = UnixStream::connect(env.socket()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let resume = if last > 0 { format!("last-event-id: {last}\r\n") } else { String::new() };
    write!(
        stream,
        "GET /api/v1/events?{query} HTTP/1.0\r\nhost: localhost\r\n\
         accept: text/event-stream\r\n{resume}\r\n"
    )
    .unwrap();
    stream
}

/// A reader that remembers where it is when its connection breaks.
#[derive(Default)]
struct Reader {
    last: u64,
    events: Vec<Value>,
    unread: Vec<u8>,
}

impl Reader {
    /// Takes bytes, and keeps what is no whole block yet.
    fn take(&mut self, bytes: &[u8]) {
        self.unread.extend_from_slice(bytes);
        while let Some(end) = self.unread.windows(2).position(|pair| pair == b"\n\n") {
            let block: Vec<u8> = self.unread.drain(..end + 2).collect();
            let block = String::from_utf8(block).unwrap();
            // The head of the answer ends with CR LF CR LF, so that it is in the first block.
            let field = |name| block.lines().find_map(|line| line.strip_prefix(name));
            let (Some(id), Some(data)) = (field("id: "), field("data: ")) else { continue };
            self.last = id.parse().unwrap();
            self.events.push(serde_json::from_str(data).unwrap());
        }
    }

    /// The connection broke: what was not whole is lost.
    fn broke(&mut self) {
        self.unread.clear();
    }
}

/// The numbers of xorshift64 (Marsaglia 2003): the same every time.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit as u64).unwrap()
    }
}

const AGENTS: usize = 100;
const LINES: usize = 150;
const BREAKS: usize = 50;

/// Numbered lines, with a pause that costs no process.
const WRITER: &str = "exec 3<>pace; for ((i=1; i<=LINES; i++)); do echo \"line $i\"; read -t 0.02 -u 3; done; exit 0";

#[test]
fn heavy_a_reader_that_is_cut_off_fifty_times_gets_each_line_once() {
    let env = TestEnv::new();
    fifo(&env.work().join("pace"));
    env.run(["status"]).success();
    let script = WRITER.replace("LINES", &LINES.to_string());
    env.run(["spawn", "-q", "-n", &AGENTS.to_string(), "--", "bash", "-c", &script]).success();

    let mut random = Random(0x2545_f491_4f6c_dd1d);
    let mut reader = Reader::default();
    let (mut breaks, mut in_the_middle) = (0, 0);
    let mut buffer = vec![0; 64 * 1024];
    let ended = |reader: &Reader| {
        reader.events.iter().filter(|event| event["type"] == "agent.completed").count()
    };
    let begin = Instant::now();
    while ended(&reader) < AGENTS {
        assert!(begin.elapsed() < 2 * PATIENCE, "{} of {AGENTS} ended", ended(&reader));
        let query = "since=beginning&type=agent.output&type=agent.completed";
        let mut connection = stream(&env, query, reader.last);
        let mut left = if breaks < BREAKS { 1 + random.below(10_000) } else { usize::MAX };
        while left > 0 && ended(&reader) < AGENTS {
            let most = buffer.len().min(left);
            let read = connection.read(&mut buffer[..most]).unwrap();
            assert_ne!(read, 0, "the daemon ends no stream");
            reader.take(&buffer[..read]);
            left -= read;
        }
        if left == 0 {
            breaks += 1;
            in_the_middle += usize::from(!reader.unread.is_empty());
        }
        reader.broke();
    }
    println!("{breaks} breaks, {in_the_middle} of them within an event");
    assert_eq!(breaks, BREAKS);
    assert!(in_the_middle > BREAKS / 2);

    let mut texts: HashMap<&str, String> = HashMap::new();
    let mut last = 0;
    for event in &reader.events {
        let seq = event["seq"].as_u64().unwrap();
        assert!(seq > last, "{seq} after {last}");
        last = seq;
        if event["type"] == "agent.output" {
            let text = texts.entry(event["agent_id"].as_str().unwrap()).or_default();
            text.push_str(event["data"]["text"].as_str().unwrap());
        }
    }
    let lines: Vec<String> = (1..=LINES).map(|number| format!("line {number}\n")).collect();
    let expected = lines.concat();
    assert_eq!(texts.len(), AGENTS);
    for (agent, text) in texts {
        assert_eq!(text, expected, "{agent}");
    }
}

/// Resident memory in KiB (`proc_pid_status(5)`).
fn resident(pid: i32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

const STUCK: usize = 200;
const FLOOD: usize = 100_000;

#[test]
fn heavy_those_who_never_read_cost_the_others_nothing() {
    let env = TestEnv::new();
    // Everybody has the same long history to read before what is new.
    let flood = format!("seq 1 {FLOOD}; until [ -e go ]; do sleep 0.02; done; seq 1 1000");
    let id = env.spawn(["-l", "flood", "--", "sh", "-c", &flood]);
    let first = Live::start(env.command(["watch", "--json", "--since", "beginning", "flood"]));
    let all_of = |live: &Live, line: &str| {
        eventually("the flood is read", || {
            let text = live.stdout();
            if text.contains(line) { Ok(()) } else { Err(text.len()) }
        });
    };
    let last_line = format!("\\n{FLOOD}\\n");
    all_of(&first, &last_line);
    let daemon = env.daemon_pid().unwrap();
    let before = resident(daemon);

    let mut stuck: Vec<UnixStream> =
        (0..STUCK).map(|_| stream(&env, "since=beginning", 0)).collect();
    for stream in &mut stuck {
        // One byte says that the stream is open; no more is ever read.
        stream.read_exact(&mut [0]).unwrap();
    }
    let begin = Instant::now();
    let second = Live::start(env.command(["watch", "--json", "--since", "beginning", "flood"]));
    all_of(&second, &last_line);
    let history = begin.elapsed();
    let begin = Instant::now();
    env.write("work/go", "");
    let (first, second) = (first.end().success(), second.end().success());
    let fresh = begin.elapsed();
    let after = resident(daemon);
    println!(
        "{STUCK} who never read: {FLOOD} lines of history in {history:?}, what is new in \
         {fresh:?}, daemon {before} KiB before, {after} KiB after"
    );
    for output in [first, second] {
        let text: String =
            output.json().iter().filter_map(|event| event["data"]["text"].as_str()).collect();
        assert_eq!(text.lines().count(), FLOOD + 1000);
    }
    assert!(history < Duration::from_secs(20), "{history:?}");
    assert!(fresh < Duration::from_secs(10), "{fresh:?}");
    // What waits in a connection is bounded, and the log is not copied for anybody.
    assert!(after < before + 300 * STUCK as u64, "{before} KiB before, {after} KiB after");
    assert_eq!(env.agent(&id)["status"], "completed");
    drop(stuck);
}

/// Events of the history that is too long for memory, and bytes in each.
const HISTORY: u64 = 5_000;
const EVENT: u64 = 2_000;
const STOPPED: usize = 300;
const RETURNING: usize = 1_000;
/// Events that those who come back have missed.
const MISSED: u64 = 100;

/// Asks for something small until told to stop. Answers with the longest that it took.
fn longest_answer(env: &TestEnv, stop: &std::sync::atomic::AtomicBool) -> Duration {
    let mut longest = Duration::ZERO;
    while !stop.load(std::sync::atomic::Ordering::Relaxed) {
        let begin = Instant::now();
        let mut caller = UnixStream::connect(env.socket()).unwrap();
        write!(caller, "GET /api/v1/agents?limit=1 HTTP/1.0\r\nhost: localhost\r\n\r\n").unwrap();
        let mut answer = String::new();
        caller.read_to_string(&mut answer).unwrap();
        assert!(
            answer.starts_with("HTTP/1.0 200") || answer.starts_with("HTTP/1.1 200"),
            "{answer}"
        );
        longest = longest.max(begin.elapsed());
        std::thread::park_timeout(Duration::from_millis(10));
    }
    longest
}

#[test]
fn heavy_readers_that_stop_and_readers_that_come_back_leave_control_fast() {
    let env = TestEnv::new();
    let newest = leave(&env, HISTORY, EVENT, jiff::Timestamp::now());
    env.run(["status"]).success();
    let daemon = env.daemon_pid().unwrap();
    let before = resident(daemon);
    let stop = std::sync::atomic::AtomicBool::new(false);

    // Hundreds that read a little of a history which is in no memory, and then no more.
    let (longest, after) = std::thread::scope(|scope| {
        let asking = scope.spawn(|| longest_answer(&env, &stop));
        let mut stopped: Vec<UnixStream> =
            (0..STOPPED).map(|_| stream(&env, "since=beginning", 0)).collect();
        for stream in &mut stopped {
            stream.read_exact(&mut [0; 4_096]).unwrap();
        }
        // Until little moves any more: whoever asks meanwhile takes a page now and then.
        let mut after = resident(daemon);
        for _ in 0..100 {
            std::thread::park_timeout(Duration::from_millis(300));
            let last = std::mem::replace(&mut after, resident(daemon));
            if after.abs_diff(last) < 256 {
                break;
            }
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        (asking.join().unwrap(), after)
    });
    let each = after.saturating_sub(before) / STOPPED as u64;
    println!("{STOPPED} who stopped: {each} KiB each, the longest answer {longest:?}");
    assert!(each < 200, "{before} KiB before, {after} KiB after");
    assert!(longest < Duration::from_secs(2), "{longest:?}");

    stop.store(false, std::sync::atomic::Ordering::Relaxed);
    let begin = Instant::now();
    let (longest, peak) = std::thread::scope(|scope| {
        let asking = scope.spawn(|| longest_answer(&env, &stop));
        let reader = || {
            let mut connection = stream(&env, "type=output&type=completed", newest - MISSED);
            let last = format!("id: {newest}\n").into_bytes();
            let (mut buffer, mut end) = (vec![0; 64 * 1024], Vec::new());
            while !end.windows(last.len()).any(|part| part == last) {
                let read = connection.read(&mut buffer).unwrap();
                assert_ne!(read, 0, "the daemon ends no stream");
                let keep = end.len().saturating_sub(last.len());
                end.drain(..keep);
                end.extend_from_slice(&buffer[..read]);
            }
        };
        let small = || std::thread::Builder::new().stack_size(256 * 1024);
        let readers: Vec<_> =
            (0..RETURNING).map(|_| small().spawn_scoped(scope, reader).unwrap()).collect();
        let mut peak = 0;
        while readers.iter().any(|reader| !reader.is_finished()) {
            peak = peak.max(resident(daemon));
            std::thread::park_timeout(Duration::from_millis(20));
        }
        for reader in readers {
            reader.join().unwrap();
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        (asking.join().unwrap(), peak)
    });
    let took = begin.elapsed();
    println!(
        "{RETURNING} who came back: {took:?}, the longest answer {longest:?}, {before} KiB before, {peak} KiB at most"
    );
    assert!(took < Duration::from_secs(30), "{took:?}");
    // In a debug build on a busy machine; before streams stood in one line it was as long as all of it.
    assert!(longest < Duration::from_secs(10), "{longest:?}");
    assert!(peak < after + 200 * RETURNING as u64, "{after} KiB before, {peak} KiB at most");
}
