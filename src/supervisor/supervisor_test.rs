//! The supervisor in process: a real store, scripted agents, and time that passes only when nothing
//! else is to be done.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::StreamExt;
use futures::future::{BoxFuture, join_all};

use super::patient::Patient;
use super::*;
use crate::model::{Event, EventFilter, EventType, Status};
use crate::runtime::{Exit, RunIo, Runtime, Scripted};
use crate::store::{Followed, Options, Sqlite, StoreError, follow};

/// A clock that goes with tokio's, so that it can be paused.
struct TestClock {
    base: jiff::Timestamp,
    origin: tokio::time::Instant,
}

impl Clock for TestClock {
    fn now(&self) -> jiff::Timestamp {
        self.base + jiff::SignedDuration::try_from(self.origin.elapsed()).unwrap()
    }
}

struct Panics;

impl Runtime for Panics {
    fn run(&self, _: RunIo) -> BoxFuture<'static, Exit> {
        Box::pin(async { panic!("on purpose") })
    }
}

pub(super) struct House {
    pub(super) dir: tempfile::TempDir,
    pub(super) full: Arc<AtomicBool>,
    pub(super) supervisor: Supervisor,
}

/// Agents that a daemon before had started, whatever the log says.
struct Begun;

impl Runtime for Begun {
    fn run(&self, io: RunIo) -> BoxFuture<'static, Exit> {
        Scripted.run(io)
    }

    fn has_begun(&self, _: AgentId) -> bool {
        true
    }
}

/// Agents that do nothing, and never stop.
pub(super) struct Deaf;

impl Runtime for Deaf {
    fn run(&self, io: RunIo) -> BoxFuture<'static, Exit> {
        Box::pin(async move {
            let _io = io;
            std::future::pending().await
        })
    }
}

pub(super) fn open(dir: tempfile::TempDir, places: usize, queue: usize) -> House {
    open_with(dir, places, queue, Arc::new(Scripted))
}

pub(super) fn open_with(
    dir: tempfile::TempDir,
    places: usize,
    queue: usize,
    scripted: Arc<dyn Runtime>,
) -> House {
    let mut config = Config::default();
    config.daemon.max_queued = queue;
    configured(dir, places, config, scripted)
}

/// The same with this configuration.
pub(super) fn configured(
    dir: tempfile::TempDir,
    places: usize,
    config: Config,
    scripted: Arc<dyn Runtime>,
) -> House {
    let store = Sqlite::open(&dir.path().join("dash.db"), Options::default());
    let full = Arc::new(AtomicBool::new(false));
    let supervisor = Supervisor::start(Parts {
        store: Arc::new(Patient { store: store.unwrap(), full: Arc::clone(&full) }),
        runtimes: Runtimes { command: Arc::new(Panics), acp: Arc::new(Panics), scripted },
        config,
        capacity: Capacity {
            agents: places,
            set_by: SetBy::Configuration,
            memory_mb: 1 << 20,
            memory_set_by: SetBy::Memory,
        },
        spool: dir.path().join("spool"),
        clock: Arc::new(TestClock {
            base: jiff::Timestamp::now(),
            origin: tokio::time::Instant::now(),
        }),
    });
    House { dir, full, supervisor }
}

pub(super) fn house(places: usize, queue: usize) -> House {
    open(tempfile::tempdir().unwrap(), places, queue)
}

pub(super) fn script(count: u32, script: &str) -> SpawnRequest {
    SpawnRequest {
        task: Some(script.into()),
        profile: Some("scripted".into()),
        cwd: Some("/".into()),
        count,
        ..SpawnRequest::default()
    }
}

pub(super) fn me() -> Actor {
    Actor::user("me")
}

impl House {
    pub(super) async fn spawn(&self, request: SpawnRequest) -> Vec<Arc<Agent>> {
        self.supervisor.spawn(request, me(), None).await.unwrap()
    }

    pub(super) async fn one(&self, text: &str) -> AgentId {
        self.spawn(script(1, text)).await[0].id
    }

    /// Events from the beginning until the condition holds of all so far.
    async fn events_until(&self, done: impl Fn(&[Arc<Event>]) -> bool) -> Vec<Arc<Event>> {
        let mut events = Vec::new();
        let mut stream = follow(self.supervisor.store(), Seq::START, EventFilter::default());
        while !done(&events) {
            let Followed::Event(event) = stream.next().await.unwrap().unwrap() else {
                panic!("a reset of a new log");
            };
            events.push(event);
        }
        events
    }

    pub(super) async fn all_ended(&self, count: usize) -> Vec<Arc<Event>> {
        self.events_until(|events| ends(events) == count).await
    }

    pub(super) async fn agent(&self, id: AgentId) -> Arc<Agent> {
        self.supervisor.store().agent(id).await.unwrap().unwrap()
    }

    pub(super) async fn until_status(&self, id: AgentId, status: Status) {
        let kind = if status == Status::Waiting { EventType::Waiting } else { EventType::Started };
        self.events_until(|events| events.iter().any(|e| e.agent == id && e.kind == kind)).await;
    }
}

fn ends(events: &[Arc<Event>]) -> usize {
    events.iter().filter(|event| event.kind.is_end()).count()
}

/// The most agents that ran at once, by the log.
fn most_at_once(events: &[Arc<Event>]) -> usize {
    let (mut now, mut most) = (0_usize, 0);
    for event in events {
        match event.kind {
            EventType::Started => now += 1,
            kind if kind.is_end() => now -= 1,
            _ => {}
        }
        most = most.max(now);
    }
    most
}

#[tokio::test(start_paused = true)]
async fn first_come_first_served_and_never_more_than_the_places() {
    let house = house(2, 100);
    let agents = house.spawn(script(7, "sleep 10s; say done {i}")).await;
    let statuses: Vec<Status> = agents.iter().map(|agent| agent.status).collect();
    assert_eq!(statuses[..2], [Status::Starting, Status::Starting]);
    assert!(statuses[2..].iter().all(|status| *status == Status::Queued));
    let reason = agents[2].reason().unwrap();
    assert!(reason.contains("2 agents run already") && reason.contains("max_running"), "{reason}");

    let events = house.all_ended(7).await;
    assert_eq!(most_at_once(&events), 2);
    let started: Vec<AgentId> =
        events.iter().filter(|e| e.kind == EventType::Started).map(|e| e.agent).collect();
    let spawned: Vec<AgentId> = agents.iter().map(|agent| agent.id).collect();
    assert_eq!(started, spawned);
    assert_eq!(house.agent(spawned[6]).await.end.result.as_deref(), Some("done 7"));
}

#[tokio::test(start_paused = true)]
async fn places_are_exact_whoever_asks_at_once() {
    let house = house(5, 1000);
    let requests = (0..50).map(|_| house.spawn(script(2, "sleep 1s; say x")));
    let ids: std::collections::BTreeSet<AgentId> =
        join_all(requests).await.into_iter().flatten().map(|agent| agent.id).collect();
    assert_eq!(ids.len(), 100);
    let events = house.all_ended(100).await;
    assert_eq!(most_at_once(&events), 5);
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_refuses_the_whole_request() {
    let house = house(1, 2);
    house.spawn(script(2, "wait")).await;
    let refused = house.supervisor.spawn(script(2, "wait"), me(), None).await.unwrap_err();
    assert!(matches!(refused, SupervisorError::QueueFull { queued: 1 }), "{refused}");
    assert_eq!(house.supervisor.store().alive().len(), 2);
    house.spawn(script(1, "wait")).await;
}

#[tokio::test(start_paused = true)]
async fn the_same_key_means_the_same_agents() {
    let house = house(10, 10);
    let ask =
        |text: &'static str| house.supervisor.spawn(script(2, text), me(), Some("key".into()));
    let answers = join_all([ask("wait"), ask("wait"), ask("wait")]).await;
    let ids: Vec<Vec<AgentId>> =
        answers.into_iter().map(|a| a.unwrap().iter().map(|agent| agent.id).collect()).collect();
    assert!(ids.iter().all(|answer| *answer == ids[0] && answer.len() == 2));
    assert_eq!(house.supervisor.store().alive().len(), 2);
    assert!(matches!(ask("say other").await, Err(SupervisorError::KeyReused)));
}

#[tokio::test(start_paused = true)]
async fn a_message_reaches_an_agent_that_waits_once() {
    let house = house(10, 10);
    let id = house.one("wait; wait").await;
    house.until_status(id, Status::Waiting).await;
    let send = |key: &str| house.supervisor.send(id, "hello".into(), me(), Some(key.into()));
    let first = send("a").await.unwrap();
    let again = send("a").await.unwrap();
    assert_eq!(first.message, again.message);
    assert_eq!(again.state, Delivery::Delivered);
    assert_ne!(send("b").await.unwrap().message, first.message);
    let events = house.all_ended(1).await;
    let heard = events.iter().filter(|e| e.data.get().contains("heard: hello")).count();
    assert_eq!(heard, 2);
}

#[tokio::test(start_paused = true)]
async fn an_ended_agent_refuses_and_the_audit_trail_knows() {
    let house = house(10, 10);
    let id = house.one("say bye").await;
    house.all_ended(1).await;
    let refused = house.supervisor.send(id, "hello".into(), me(), None).await.unwrap_err();
    assert!(refused.to_string().contains("has ended (completed)"), "{refused}");
    let trail = house.supervisor.store().audit(0, None, 100).await.unwrap();
    let last = trail.last().unwrap();
    assert_eq!((&*last.action, &*last.outcome, &*last.actor), ("send", "refused", "user:me"));
}

#[tokio::test(start_paused = true)]
async fn a_timeout_is_an_end_of_its_own() {
    let house = house(10, 10);
    let request = SpawnRequest { timeout_ms: Some(1_500), ..script(1, "sleep 1h") };
    let id = house.spawn(request).await[0].id;
    house.all_ended(1).await;
    let agent = house.agent(id).await;
    assert_eq!(agent.status, Status::TimedOut);
    let ran = agent.ended_at.unwrap().duration_since(agent.started_at.unwrap());
    assert!(ran >= jiff::SignedDuration::from_millis(1_500), "{ran}");
    assert!(ran < jiff::SignedDuration::from_secs(60), "{ran}");
}

#[tokio::test(start_paused = true)]
async fn kill_answers_when_all_have_ended() {
    let house = house(2, 10);
    let group = SpawnRequest { group: Some("g".into()), ..script(4, "sleep 1h") };
    let ids: Vec<AgentId> = house.spawn(group).await.iter().map(|agent| agent.id).collect();
    let other = house.one("sleep 1h").await;
    let which = Which::Group("g".into());
    let killed = house.supervisor.kill(which, Kill::default(), me()).await.unwrap();
    assert_eq!(killed.iter().map(|agent| agent.id).collect::<Vec<_>>(), ids);
    assert!(killed.iter().all(|agent| agent.status == Status::Killed));
    assert!(!house.agent(other).await.status.is_end());

    // Again is no harm, and says what it was.
    let again = house.supervisor.kill(Which::Agents(ids), Kill::default(), me()).await.unwrap();
    assert_eq!(again.len(), 4);
}

#[tokio::test(start_paused = true)]
async fn shutting_down_takes_no_work_and_can_end_all() {
    let house = house(1, 10);
    house.spawn(script(3, "wait")).await;
    let ended = house.supervisor.shut_down(Some(Kill::default()), me()).await.unwrap();
    assert_eq!(ended.len(), 3);
    assert!(ended.iter().all(|agent| agent.status == Status::Killed));
    let refused = house.supervisor.spawn(script(1, "wait"), me(), None).await.unwrap_err();
    assert!(matches!(refused, SupervisorError::ShuttingDown));
}

#[tokio::test(start_paused = true)]
async fn after_a_restart_the_queue_goes_on_and_what_lived_inside_is_lost() {
    let first = house(1, 10);
    let agents = first.spawn(script(3, "sleep 1h; say {i}")).await;
    first.until_status(agents[0].id, Status::Running).await;
    first.supervisor.let_go().await;
    let House { dir, supervisor, .. } = first;
    drop(supervisor);

    let second = open(dir, 1, 10);
    let events = second.all_ended(3).await;
    assert_eq!(second.agent(agents[0].id).await.status, Status::Lost);
    assert!(second.agent(agents[0].id).await.end.reason.is_some());
    for agent in &agents[1..] {
        assert_eq!(second.agent(agent.id).await.status, Status::Completed);
    }
    assert_eq!(most_at_once(&events), 1);
}

#[tokio::test(start_paused = true)]
async fn a_queued_agent_that_had_begun_does_not_wait_for_a_place_again() {
    let first = house(1, 10);
    let agents = first.spawn(script(3, "sleep 1h")).await;
    first.until_status(agents[0].id, Status::Running).await;
    first.supervisor.let_go().await;
    let House { dir, supervisor, .. } = first;
    drop(supervisor);

    let second = open_with(dir, 1, 10, Arc::new(Begun));
    assert!(most_at_once(&second.all_ended(3).await) >= 2);
    for agent in &agents[1..] {
        assert_eq!(second.agent(agent.id).await.status, Status::Completed);
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_was_refused_is_refused_again_with_its_key() {
    let house = open_with(tempfile::tempdir().unwrap(), 1, 10, Arc::new(Deaf));
    let id = house.one("wait").await;
    let how = Kill { grace_ms: Some(3_600_000), signal: None };
    let stopping = house.supervisor.kill(Which::Agents(vec![id]), how, me());
    let send = || async {
        house.events_until(|events| events.iter().any(|e| e.kind == EventType::Stopping)).await;
        let send = || house.supervisor.send(id, "x".into(), me(), Some("key".into()));
        let refusals = [send().await, send().await];
        assert!(
            refusals.iter().all(|it| matches!(it, Err(SupervisorError::Refused { .. }))),
            "{refusals:?}"
        );
    };
    tokio::select! {
        biased;
        _ = stopping => panic!("it has an hour"),
        () = send() => {}
    }
}

#[tokio::test(start_paused = true)]
async fn a_defect_in_a_runtime_ends_that_agent_and_no_other() {
    let house = house(10, 10);
    let other = house.one("sleep 1s; say fine").await;
    let broken = SpawnRequest {
        command: Some(vec!["true".into()]),
        cwd: Some("/".into()),
        count: 1,
        base_env: Some(BTreeMap::from([("PATH".into(), "/usr/bin:/bin".into())])),
        ..SpawnRequest::default()
    };
    let broken = house.spawn(broken).await[0].id;
    house.all_ended(2).await;
    assert_eq!(house.agent(broken).await.status, Status::Failed);
    assert_eq!(house.agent(other).await.status, Status::Completed);
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_keeps_nobody_from_stopping_an_agent() {
    let house = house(10, 10);
    let id = house.one("sleep 1h").await;
    let talker = house.one("wait; sleep 1s; say still here").await;
    house.until_status(talker, Status::Waiting).await;
    house.until_status(id, Status::Running).await;
    house.full.store(true, Ordering::SeqCst);

    let spawned = house.supervisor.spawn(script(1, "wait"), me(), None).await;
    assert!(matches!(spawned, Err(SupervisorError::Store(StoreError::Full { .. }))));
    let sent = house.supervisor.send(talker, "x".into(), me(), None).await;
    assert!(matches!(sent, Err(SupervisorError::Store(StoreError::Full { .. }))));
    let which = Which::Agents(vec![id]);
    let killed = house.supervisor.kill(which, Kill::default(), me()).await;
    assert!(matches!(killed, Err(SupervisorError::Store(StoreError::Full { .. }))));
    assert_eq!(
        house.agent(id).await.status,
        Status::Running,
        "nothing is told before it is durable"
    );
    let again = house.supervisor.kill(Which::Agents(vec![id]), Kill::default(), me()).await;
    assert!(again.is_err(), "nobody waits for what cannot be recorded");

    house.full.store(false, Ordering::SeqCst);
    house.supervisor.send(talker, "go on".into(), me(), None).await.unwrap();
    let events = house.all_ended(2).await;
    assert_eq!(house.agent(id).await.status, Status::Killed);
    assert_eq!(house.agent(talker).await.end.result.as_deref(), Some("still here"));
    assert_eq!(events.iter().filter(|event| event.kind == EventType::Stopping).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn selectors_are_ids_prefixes_and_labels() {
    let house = house(10, 10);
    let labelled = |label: &str| SpawnRequest { label: Some(label.into()), ..script(1, "wait") };
    let first = house.spawn(labelled("review")).await[0].id;
    let second = house.spawn(labelled("deploy")).await[0].id;
    let twins = house.spawn(SpawnRequest { count: 2, ..labelled("twin") }).await;

    for selector in [first.as_str(), &first.as_str()[..12], "review"] {
        assert_eq!(house.supervisor.resolve(selector).await.unwrap().id, first, "{selector}");
    }
    let ambiguous = house.supervisor.resolve("twin").await.unwrap_err();
    assert!(matches!(ambiguous, SupervisorError::Ambiguous { matches, .. } if matches.len() == 2));
    let both = ["twin".to_owned(), second.to_string(), "deploy".to_owned()];
    let selected = house.supervisor.select(&both, Reach::All).await.unwrap();
    assert_eq!(selected, [twins[0].id, twins[1].id, second]);
    let missing = house.supervisor.resolve("reviev").await.unwrap_err();
    let SupervisorError::NotFound { similar, .. } = missing else { panic!("{missing}") };
    assert_eq!(similar, ["review"]);
}
