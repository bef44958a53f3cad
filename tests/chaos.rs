//! An oracle beside a daemon that keeps being killed: what it acknowledged is there afterwards, once.
//!
//! A minute in `tests/run`, half of one by default; `tests/chaos --minutes N` for longer, and `--seed S` for the
//! same random choices again (their timing differs all the same).

use std::collections::{HashMap, HashSet};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::endure::{Probe, agent_program, processes_of};
use crate::env::live::Live;
use crate::env::{TestEnv, eventually, signal};

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Steele, Lea and Flood's `SplitMix`: a few lines, and any seed will do.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(limit).unwrap()).unwrap()
    }

    fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }
}

/// One request; `None` when no whole answer came.
fn ask(socket: &Path, method: &str, path: &str, key: &str, body: &Value) -> Option<(u16, Value)> {
    let body = if method == "GET" { String::new() } else { body.to_string() };
    let mut stream = UnixStream::connect(socket).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(20))).ok()?;
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nIdempotency-Key: {key}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all((head + &body).as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some((status, serde_json::from_str(body).ok()?))
}

/// What a client was told.
#[derive(Default)]
struct Acknowledged {
    /// Keys of spawns, and the agent that each was answered with.
    spawned: HashMap<String, String>,
    /// Keys of spawns that it gave up on.
    unknown: HashSet<String>,
    /// Messages by their text: the agent, the message's id, and whether it was delivered.
    sent: HashMap<String, (String, String, bool)>,
    killed: HashSet<String>,
    /// What was wrong with an answer.
    wrong: Vec<String>,
}

/// One client of several, with agents of its own.
struct Client<'a> {
    name: usize,
    socket: PathBuf,
    program: String,
    random: Random,
    over: &'a AtomicBool,
    count: usize,
    mine: Vec<String>,
    known: Acknowledged,
}

impl Client<'_> {
    fn work(mut self) -> Acknowledged {
        while !self.over.load(Ordering::Relaxed) {
            self.count += 1;
            match self.random.below(10) {
                _ if self.mine.len() > 12 => self.kill(),
                0..4 => self.spawn(),
                4..8 => self.send(),
                8 => self.repeat(),
                _ => self.kill(),
            }
        }
        self.known
    }

    /// Asks until there is an answer; now and then it gives up early.
    fn insist(&mut self, path: &str, key: &str, body: &Value) -> Option<(u16, Value)> {
        loop {
            if let Some(answer) = ask(&self.socket, "POST", path, key, body) {
                if answer.0 < 500 {
                    return Some(answer);
                }
            } else if self.random.below(20) == 0 {
                return None;
            }
            std::thread::park_timeout(Duration::from_millis(5));
        }
    }

    fn body(&self, key: &str, mode: &str) -> Value {
        json!({ "command": [self.program, mode, "50"], "label": key, "stdin": mode == "echo" })
    }

    fn spawn(&mut self) {
        let mode = *self.random.pick(&["echo", "echo", "write", "hostile"]);
        let key = format!("c{}-{}-{mode}", self.name, self.count);
        let body = self.body(&key, mode);
        match self.insist("/api/v1/agents", &key, &body) {
            Some((201, answer)) => {
                let id = answer["agents"][0]["id"].as_str().unwrap().to_owned();
                self.mine.push(id.clone());
                self.known.spawned.insert(key, id);
            }
            Some(other) => self.known.wrong.push(format!("spawn {key}: {other:?}")),
            None => drop(self.known.unknown.insert(key)),
        }
    }

    /// A key that was answered before is answered alike.
    fn repeat(&mut self) {
        let mut keys: Vec<&String> = self.known.spawned.keys().collect();
        keys.sort();
        if keys.is_empty() {
            return;
        }
        let key = (*self.random.pick(&keys)).clone();
        let body = self.body(&key, key.rsplit('-').next().unwrap());
        if let Some((status, answer)) = self.insist("/api/v1/agents", &key, &body)
            && answer["agents"][0]["id"] != json!(self.known.spawned[&key])
        {
            self.known.wrong.push(format!("{key} again: {status} {answer}"));
        }
    }

    fn send(&mut self) {
        if self.mine.is_empty() {
            return;
        }
        let id = self.random.pick(&self.mine).clone();
        let text = format!("m{}-{}", self.name, self.count);
        let path = format!("/api/v1/agents/{id}/messages");
        match self.insist(&path, &text, &json!({ "text": text })) {
            Some((200..300, answer)) => {
                let message = answer["message_id"].as_str().or(answer["id"].as_str());
                let message = message.unwrap_or_else(|| panic!("{answer}")).to_owned();
                let delivered = answer["state"] == "delivered";
                self.known.sent.insert(text, (id, message, delivered));
            }
            // It ended, or takes no messages.
            Some((400..500, _)) | None => {}
            Some(other) => self.known.wrong.push(format!("send {text}: {other:?}")),
        }
    }

    fn kill(&mut self) {
        if self.mine.is_empty() {
            return;
        }
        let place = self.random.below(self.mine.len());
        let id = self.mine.swap_remove(place);
        let key = format!("x{}-{}", self.name, self.count);
        let body = json!({ "grace_ms": *self.random.pick(&[0, 50, 300]) });
        match self.insist(&format!("/api/v1/agents/{id}/kill"), &key, &body) {
            Some((200..300, _)) => drop(self.known.killed.insert(id)),
            Some(other) => self.known.wrong.push(format!("kill {id}: {other:?}")),
            None => {}
        }
    }
}

/// All events, oldest first.
fn events(socket: &Path) -> Vec<Value> {
    let mut all = Vec::new();
    let mut since = "beginning".to_owned();
    loop {
        let path = format!("/api/v1/events?since={since}&limit=1000");
        let (status, mut page) = ask(socket, "GET", &path, "", &Value::Null).unwrap();
        assert_eq!(status, 200, "{page}");
        let found = page["events"].as_array_mut().unwrap();
        if found.is_empty() {
            return all;
        }
        all.append(found);
        since = all.last().unwrap()["seq"].to_string();
    }
}

fn is_end(event: &Value) -> bool {
    let kind = event["type"].as_str().unwrap();
    ["completed", "failed", "killed", "timed_out", "lost"]
        .contains(&kind.trim_start_matches("agent."))
}

/// What the log says, as counts.
#[derive(Default)]
struct Log {
    spawned: HashMap<String, Vec<String>>,
    started: HashMap<String, usize>,
    ends: HashMap<String, usize>,
    /// By message and state.
    inputs: HashMap<(String, String), usize>,
    echoed: HashMap<(String, String), usize>,
}

impl Log {
    fn of(events: &[Value]) -> Self {
        let mut log = Self::default();
        for event in events {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let (agent, data) = (text(&event["agent_id"]), &event["data"]);
            match event["type"].as_str().unwrap() {
                "agent.spawned" => {
                    log.spawned.entry(text(&event["label"])).or_default().push(agent);
                }
                "agent.started" => *log.started.entry(agent).or_default() += 1,
                "agent.input" => {
                    let which = (text(&data["message_id"]), text(&data["state"]));
                    *log.inputs.entry(which).or_default() += 1;
                }
                "agent.output" => {
                    for line in data["text"].as_str().unwrap().lines() {
                        *log.echoed.entry((agent.clone(), line.to_owned())).or_default() += 1;
                    }
                }
                _ if is_end(event) => *log.ends.entry(agent).or_default() += 1,
                _ => {}
            }
        }
        log
    }

    /// What is not as this client was told.
    fn contradicts(&self, told: &Acknowledged) -> Vec<String> {
        let mut wrong = told.wrong.clone();
        for (key, id) in &told.spawned {
            if self.spawned.get(key) != Some(&vec![id.clone()]) {
                wrong.push(format!("{key} is {id}, and in the log {:?}", self.spawned.get(key)));
            }
        }
        for key in &told.unknown {
            if self.spawned.get(key).is_some_and(|ids| ids.len() > 1) {
                wrong.push(format!("{key} was spawned more than once"));
            }
        }
        for id in &told.killed {
            if self.ends.get(id) != Some(&1) {
                wrong.push(format!("{id} was killed, and has {:?} ends", self.ends.get(id)));
            }
        }
        for (text, (agent, message, delivered)) in &told.sent {
            let count = |state: &str| {
                self.inputs.get(&(message.clone(), state.to_owned())).copied().unwrap_or(0)
            };
            let settled = (count("delivered"), count("refused"));
            if count("queued") != 1 || settled.0 + settled.1 > 1 || *delivered && settled.0 != 1 {
                wrong.push(format!("{text} to {agent}: queued {}, {settled:?}", count("queued")));
            }
            let echoed = self.echoed.get(&(agent.clone(), text.clone())).copied().unwrap_or(0);
            if echoed > 1 {
                wrong.push(format!("{agent} heard {text} {echoed} times"));
            }
        }
        wrong
    }
}

/// Kills the daemon, and now and then the keeper, until it is over. Gives how often.
fn disturb(env: &TestEnv, mut random: Random, until: Instant) -> (u32, u32) {
    let (mut daemons, mut keepers) = (0, 0);
    while Instant::now() < until {
        let pause = u64::try_from(200 + random.below(1300)).unwrap();
        std::thread::park_timeout(Duration::from_millis(pause));
        if random.below(8) == 0
            && let Some(keeper) = env.keeper_pid()
        {
            signal(keeper, Signal::KILL);
            keepers += 1;
        }
        if let Some(daemon) = env.daemon_pid() {
            signal(daemon, Signal::KILL);
            daemons += 1;
        }
    }
    (daemons, keepers)
}

#[test]
fn heavy_chaos_contradicts_no_acknowledgement() {
    let seconds = variable("DASH_CHAOS_SECONDS").unwrap_or(30);
    let seed = variable("DASH_CHAOS_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    eprintln!("chaos: seed {seed}, {seconds} s");
    let env = TestEnv::with_config("[daemon]\nmax_running = 24\ngrace_ms = 200\n");
    let program = agent_program(&env);
    let writer = |n: usize| {
        let label = format!("writer-{n}");
        let id = env.spawn(["-l", &label, "-g", "writers", "--", &program, "write", "0", "50"]);
        env.until(&id, "it runs", |agent| agent["status"] == "running");
        id
    };
    let writers: Vec<String> = (0..4).map(writer).collect();
    let watch = Live::start(env.command(["watch", "--json", "--since", "beginning"]));
    let probe = Probe::begin(&env);
    let (over, clients) = (AtomicBool::new(false), AtomicU32::new(0));
    let (told, kills) = std::thread::scope(|scope| {
        let begin = |name| {
            clients.fetch_add(1, Ordering::Relaxed);
            let random = Random(seed.wrapping_add(u64::try_from(name).unwrap()));
            let client = Client {
                name,
                socket: env.socket(),
                program: program.clone(),
                random,
                over: &over,
                count: 0,
                mine: Vec::new(),
                known: Acknowledged::default(),
            };
            scope.spawn(move || client.work())
        };
        let working: Vec<_> = (0..3).map(begin).collect();
        let until = Instant::now() + Duration::from_secs(seconds);
        let kills = disturb(&env, Random(!seed), until);
        over.store(true, Ordering::Relaxed);
        let told: Vec<_> = working.into_iter().map(|client| client.join().unwrap()).collect();
        (told, kills)
    });
    let available = probe.end();
    let alive = processes_of(&program).iter().filter(|(_, line)| line.contains("write 0")).count();
    assert_eq!(alive, writers.len(), "all that ran all the time run on");
    env.write("work/stop", "");
    eventually("they have ended", || {
        let args = ["status", "--json", "--group", "writers", "--status", "running,starting"];
        let left = env.run(args).success().json().len();
        if left == 0 { Ok(()) } else { Err(left) }
    });
    let _ = env.run(["kill", "--all", "--yes", "--grace", "100ms"]).success();
    eventually("no process is left", || match processes_of(&program) {
        none if none.is_empty() => Ok(()),
        some => Err(some),
    });
    let all = events(&env.socket());
    assert_saw_all(watch, &all);
    eprintln!(
        "longest unavailability {:?}, available {:.2} %",
        available.longest,
        available.percent()
    );
    let lines = lines_of(&writers, &all);
    eprintln!("{} agents ran all the time and wrote {lines} lines", writers.len());
    report(&env, &told, kills, &all);
}

/// That a watch which ran all the time has seen each event once, and so each end.
fn assert_saw_all(watch: Live, all: &[Value]) {
    let newest = format!("\"seq\":{},", all.last().unwrap()["seq"]);
    eventually("the watch has seen the newest event", || {
        if watch.stdout().contains(&newest) { Ok(()) } else { Err(watch.stderr()) }
    });
    let seen = watch.interrupt().json();
    assert_eq!(seen.len(), all.len(), "events in the watch and in the log");
    assert!(seen.iter().zip(all).all(|(seen, logged)| seen["seq"] == logged["seq"]));
    let ends = |events: &[Value]| events.iter().filter(|event| is_end(event)).count();
    assert_eq!(ends(&seen), ends(all));
}

/// How many lines the writers have written: each of them in order, once.
fn lines_of(writers: &[String], all: &[Value]) -> usize {
    let of = |writer: &String| {
        let own = all.iter().filter(|event| event["agent_id"] == **writer);
        let texts = own.filter_map(|event| event["data"]["text"].as_str());
        let lines: Vec<&str> = texts.flat_map(str::lines).collect();
        let (last, numbered) = lines.split_last().expect("it wrote");
        assert!(numbered.iter().zip(1..).all(|(line, n)| **line == n.to_string()), "{writer}");
        assert_eq!(*last, format!("lines: {}", numbered.len()), "{writer}");
        numbered.len()
    };
    writers.iter().map(of).sum()
}

/// Compares what was told with what is, and prints the figures.
fn report(env: &TestEnv, told: &[Acknowledged], kills: (u32, u32), all: &[Value]) {
    let log = Log::of(all);
    let seqs: Vec<u64> = all.iter().map(|event| event["seq"].as_u64().unwrap()).collect();
    let mut wrong: Vec<String> = told.iter().flat_map(|told| log.contradicts(told)).collect();
    if !seqs.is_sorted_by(|a, b| a < b) {
        wrong.push("seq is not in order".to_owned());
    }
    for (key, ids) in &log.spawned {
        let starts = ids.iter().filter_map(|id| log.started.get(id)).sum::<usize>();
        let ends: Vec<_> = ids.iter().map(|id| log.ends.get(id).copied().unwrap_or(0)).collect();
        if ids.len() != 1 || starts > 1 || ends != [1] {
            wrong.push(format!("{key}: agents {ids:?}, {starts} starts, ends {ends:?}"));
        }
    }
    let audit = env.run(["audit", "--json"]).success().stdout;
    let spawned: Vec<&String> = told.iter().flat_map(|told| told.spawned.values()).collect();
    wrong.extend(
        spawned
            .iter()
            .filter(|id| !audit.contains(id.as_str()))
            .map(|id| format!("{id} is not in the audit trail")),
    );
    let verdict = env.run(["audit", "verify", "--json"]);
    if verdict.code != Some(0) || verdict.one()["ok"] != true {
        wrong.push(format!("the audit trail is not as it was written: {verdict:?}"));
    }
    let count = |of: fn(&Acknowledged) -> usize| told.iter().map(of).sum::<usize>();
    eprintln!(
        "killed: the daemon {}, the keeper {}; acknowledged: {} spawns, {} messages, {} kills; {} events",
        kills.0,
        kills.1,
        spawned.len(),
        count(|told| told.sent.len()),
        count(|told| told.killed.len()),
        all.len()
    );
    assert!(wrong.is_empty(), "{} contradictions:\n{}", wrong.len(), wrong.join("\n"));
    assert!(kills.0 > 3 && spawned.len() > 10, "nothing much has happened");
}
