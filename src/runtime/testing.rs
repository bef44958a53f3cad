//! What the tests of this room share: a real keeper in a place of its own, and the other end of an
//! attempt, which records everything.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use rustix::process::{Pid, Signal as RawSignal, kill_process};
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinHandle;

use super::proc;
use super::{Control, Exit, Message, Report, RunIo, Runtime, Runtimes, Said, Stop, keeper};
use crate::model::{
    Actor, Agent, AgentId, Event, Fact, MessageId, Process, Runtime as Kind, Seq, Spawned, Spec,
    Started, Stream,
};

/// How long anything may take before a test gives up on it.
pub(super) const LIMIT: Duration = Duration::from_secs(30);

/// A state directory with a program that becomes its keeper. What is left of both is killed at the end.
pub(super) struct Lab {
    home: tempfile::TempDir,
}

impl Lab {
    pub(super) fn new() -> Self {
        Self::begun_with("")
    }

    /// The same, whose keeper has this done first by a shell.
    pub(super) fn begun_with(first: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        let binary = std::env::current_exe().unwrap();
        let script = format!(
            "#!/bin/sh\n[ \"$1\" = keeper ] || exit 2\n{first}\n\
             DASH_TEST_KEEPER=\"$2\" exec '{}' --exact runtime::testing::be_the_keeper --nocapture\n",
            binary.display()
        );
        let program = home.path().join("program");
        std::fs::write(&program, script).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let lab = Self { home };
        std::fs::create_dir_all(lab.state().join("agents")).unwrap();
        lab
    }

    pub(super) fn state(&self) -> PathBuf {
        self.home.path().join("state")
    }

    pub(super) fn program(&self) -> PathBuf {
        self.home.path().join("program")
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    pub(super) fn dir(&self, agent: AgentId) -> PathBuf {
        self.state().join("agents").join(agent.as_str())
    }

    pub(super) async fn keeper(&self) -> keeper::Keeper {
        keeper::Keeper::connect(&self.state(), &self.program()).await.unwrap()
    }

    pub(super) async fn runtimes(&self) -> Runtimes {
        Runtimes::open(&self.state(), &self.program(), None, BTreeSet::new()).await.unwrap()
    }

    /// Processes that have to do with this place: the keeper, and its agents.
    fn processes(&self) -> Vec<i32> {
        let own = i32::try_from(std::process::id()).unwrap();
        let entries = std::fs::read_dir("/proc").unwrap();
        entries
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .filter(|pid| *pid != own && self.is_ours(*pid))
            .collect()
    }

    /// Whether its arguments, its environment or a file that it has open name this place.
    fn is_ours(&self, pid: i32) -> bool {
        let home = self.home.path();
        let mark = home.to_str().unwrap().as_bytes();
        let named = ["cmdline", "environ"].iter().any(|file| {
            let text = std::fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
            text.windows(mark.len()).any(|window| window == mark)
        });
        let open = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten();
        let mut open = open.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
        named || open.any(|file| file.starts_with(home))
    }

    /// The keeper's pid, once there is one.
    pub(super) fn keeper_pid(&self) -> Option<i32> {
        let variable = format!("DASH_TEST_KEEPER={}\0", self.state().display()).into_bytes();
        self.processes().into_iter().find(|pid| {
            let text = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            text.windows(variable.len()).any(|window| window == variable)
        })
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for pid in self.processes() {
            kill(pid);
        }
        // Nobody is told that the agents have ended, so nobody else removes their groups.
        for entry in std::fs::read_dir(self.state().join("agents")).into_iter().flatten().flatten()
        {
            let Some(group) = keeper::Record::read(&entry.path()).group else { continue };
            let begin = std::time::Instant::now();
            while group.exists() && begin.elapsed() < Duration::from_secs(2) {
                super::cgroup::remove(&group);
                std::thread::park_timeout(Duration::from_millis(2));
            }
        }
    }
}

pub(super) fn kill(pid: i32) {
    let _ = kill_process(Pid::from_raw(pid).unwrap(), RawSignal::KILL);
}

/// The keeper's process, when a [`Lab`]'s program runs it.
#[test]
fn be_the_keeper() {
    if let Some(state) = std::env::var_os("DASH_TEST_KEEPER") {
        keeper::keep(Path::new(&state)).unwrap();
    }
}

/// Waits until it holds, and says what did not when it never does.
pub(super) async fn until(what: &str, holds: impl Fn() -> bool) {
    let deadline = tokio::time::Instant::now() + LIMIT;
    while !holds() {
        assert!(tokio::time::Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Whether a process with this pid lives.
pub(super) fn alive(pid: i32) -> bool {
    proc::Seen::look(pid).is_some_and(|seen| seen.lives())
}

/// The number that a shell wrote into the file with `echo $$ >`.
pub(super) async fn pid_in(path: &Path) -> i32 {
    let read = || std::fs::read_to_string(path).ok().filter(|text| text.ends_with('\n'));
    until("a pid is written", || read().is_some()).await;
    read().unwrap().trim().parse().unwrap()
}

pub(super) fn id() -> AgentId {
    AgentId::from_bits(uuid::Uuid::new_v4().as_u64_pair().0)
}

pub(super) fn spec(kind: Kind) -> Spec {
    Spec {
        runtime: kind,
        profile: None,
        label: None,
        metadata: BTreeMap::new(),
        group: None,
        session: None,
        command: None,
        program: None,
        task: None,
        cwd: "/".into(),
        env: Vec::new(),
        timeout_ms: None,
        model: None,
        memory_mb: None,
        stdin: false,
        conversation: crate::model::Conversation::default(),
        ancestors: Vec::new(),
        children: None,
    }
}

/// An agent that is about to start.
pub(super) fn agent(spec: Spec, environment: Option<&str>) -> Agent {
    let spec = Arc::new(spec);
    let fact = Fact::Spawned(Box::new(Spawned {
        spec,
        by: Actor::daemon(),
        index: 3,
        queued: None,
        environment: environment.map(Into::into),
    }));
    let agent = id();
    Agent::spawned(&event(agent, &fact), &fact).unwrap()
}

/// An agent that a shell runs.
pub(super) fn shell(script: &str) -> Agent {
    let command = ["/bin/sh", "-c", script].map(str::to_owned).to_vec();
    let spec = Spec { command: Some(command), stdin: true, ..spec(Kind::Command) };
    agent(spec, None)
}

/// The same as the log has it once its start with this process is recorded.
pub(super) fn started(mut agent: Agent, process: Process) -> Agent {
    let Process { pid, start } = process;
    let fact = Fact::Started(Started { pid: Some(pid), process_start: Some(start) });
    agent.apply(&event(agent.id, &fact), &fact);
    agent
}

fn event(agent: AgentId, fact: &Fact) -> Event {
    Event {
        seq: Seq(1),
        time: Timestamp::now(),
        kind: fact.event_type(),
        agent,
        spec: Arc::new(spec(Kind::Command)),
        data: fact.to_data(),
    }
}

/// The supervisor's end of an attempt.
pub(super) struct Attended {
    log: Arc<Log>,
    pub(super) inbox: mpsc::Sender<Box<Message>>,
    pub(super) control: mpsc::Sender<Control>,
    pub(super) stop: watch::Sender<Stop>,
    running: JoinHandle<Exit>,
    recording: JoinHandle<()>,
}

struct Log {
    agent: Mutex<Agent>,
    said: Mutex<Vec<Heard>>,
    more: Notify,
}

/// What an attempt said.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Heard {
    Fact(Fact),
    Delivered(MessageId),
    Undeliverable(MessageId, String),
}

/// Runs an agent and records what it says.
pub(super) fn attend(runtime: &Arc<dyn Runtime>, agent: &Agent) -> Attended {
    let log = Arc::new(Log {
        agent: Mutex::new(agent.clone()),
        said: Mutex::default(),
        more: Notify::new(),
    });
    let (inbox, inbox_out) = mpsc::channel(16);
    let (report, reports) = mpsc::channel(16);
    let (stop, stop_out) = watch::channel(Stop::No);
    let (control, orders) = mpsc::channel(16);
    let agent = Arc::new(agent.clone());
    let io = RunIo { agent, inbox: inbox_out, control: orders, report, stop: stop_out };
    let running = tokio::spawn(runtime.run(io));
    let recording = tokio::spawn(record(Arc::clone(&log), reports));
    Attended { log, inbox, control, stop, running, recording }
}

async fn record(log: Arc<Log>, mut reports: mpsc::Receiver<Box<Report>>) {
    while let Some(report) = reports.recv().await {
        let Report { said, recorded } = *report;
        let heard = match said {
            Said::Facts(facts) => facts.into_iter().map(Heard::Fact).collect(),
            Said::Delivered(id) => vec![Heard::Delivered(id)],
            Said::Undeliverable(id, reason) => vec![Heard::Undeliverable(id, reason)],
        };
        {
            let mut agent = log.agent.lock().unwrap();
            for fact in &heard {
                if let Heard::Fact(fact) = fact {
                    agent.admits(fact).unwrap();
                    let event = event(agent.id, fact);
                    agent.apply(&event, fact);
                }
            }
        }
        log.said.lock().unwrap().extend(heard);
        if let Some(recorded) = recorded {
            let _ = recorded.send(());
        }
        log.more.notify_one();
    }
}

impl Attended {
    pub(super) fn heard(&self) -> Vec<Heard> {
        self.log.said.lock().unwrap().clone()
    }

    /// The agent as its facts have made it.
    pub(super) fn agent(&self) -> Agent {
        self.log.agent.lock().unwrap().clone()
    }

    /// The text of a stream, and that it came without gap or repeat.
    pub(super) fn text(&self, stream: Stream) -> String {
        let mut text = String::new();
        let mut at = None;
        for heard in self.heard() {
            if let Heard::Fact(Fact::Output(output)) = heard
                && output.stream == stream
            {
                assert!(at.is_none_or(|at| at == output.offset), "a gap or a repeat at {at:?}");
                at = Some(output.offset + output.bytes);
                text.push_str(&output.text);
            }
        }
        text
    }

    /// Waits until what was heard is so.
    pub(super) async fn hears(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let wait = async {
            while !holds(self) {
                self.log.more.notified().await;
            }
        };
        let in_time = tokio::time::timeout(LIMIT, wait).await.is_ok();
        assert!(in_time, "never: {what}; heard {:?}", self.heard());
    }

    pub(super) async fn started(&self) {
        self.hears("it starts", |it| it.agent().started_at.is_some()).await;
    }

    pub(super) async fn says(&self, text: &str) {
        self.hears(text, |it| it.text(Stream::Stdout).contains(text)).await;
    }

    pub(super) async fn send(&self, number: u64, text: &str) -> MessageId {
        let id = MessageId::from_bits(number);
        self.inbox.send(Box::new(Message { id, text: text.into() })).await.unwrap();
        id
    }

    /// How it ended, and what was heard.
    pub(super) async fn exit(&mut self) -> Exit {
        let exit = tokio::time::timeout(LIMIT, &mut self.running).await;
        let Ok(exit) = exit else { panic!("it does not end; heard {:?}", self.heard()) };
        (&mut self.recording).await.unwrap();
        exit.unwrap()
    }

    /// The daemon dies: the attempt is dropped where it stands.
    pub(super) async fn crash(mut self) -> Agent {
        self.running.abort();
        let _ = (&mut self.running).await;
        let agent = self.agent();
        self.recording.abort();
        agent
    }
}
