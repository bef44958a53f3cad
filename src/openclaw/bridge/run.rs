//! The bridge's one loop: events in, messages out, and what came of them.

use std::path::PathBuf;
use std::time::Instant;

use futures::stream::{BoxStream, FuturesUnordered, StreamExt as _};
use futures::{FutureExt as _, future::BoxFuture};
use jiff::Timestamp;

use super::act::{Done, act};
use super::board::Board;
use super::file;
use super::link::Connected;
use super::notice::Kind;
use super::outbox::{Kept, Outbox};
use super::roster::Roster;
use super::session::Pace;
use super::take::take;
use super::text;
use crate::api::{AgentBody, AgentsQuery, Code, EventBody, EventsQuery};
use crate::client::{Client, ClientError, Frame};
use crate::model::{AgentId, EventType, Status};
use crate::openclaw::Gateway;

/// Events that are taken in before anything else is looked at, and for how long.
const PORTION: usize = 256;
const PORTION_TIME: std::time::Duration = std::time::Duration::from_millis(20);
/// How long what is kept may be behind, when nothing makes it urgent.
const BEHIND: std::time::Duration = std::time::Duration::from_secs(2);
/// Before the daemon is asked again when it refuses.
const PAUSE: std::time::Duration = std::time::Duration::from_secs(2);

/// What the loop works with.
pub(super) struct Parts {
    pub(super) client: Client,
    pub(super) connected: Connected,
    pub(super) board: Board,
    pub(super) file: PathBuf,
    pub(super) pace: Pace,
    pub(super) react: bool,
}

/// Runs until the daemon ends.
pub(super) async fn run(parts: Parts) {
    let path = parts.file.clone();
    let kept = match file::load(&path) {
        Ok(kept) => kept,
        Err(error) => {
            let why = format!("cannot read {}: {error}", path.display());
            tracing::error!(%why, "the bridge to OpenClaw does not run");
            parts.board.lost(why, Some("mend the file, or take it away".to_owned()));
            return;
        }
    };
    let mut bridge = Loop::new(parts, kept);
    bridge.publish();
    bridge.begin().await;
    bridge.know_the_living().await;
    bridge.run().await;
}

struct Loop {
    parts: Parts,
    roster: Roster,
    outbox: Outbox,
    /// What the file says.
    kept: Kept,
    /// Since when it is behind.
    behind: Option<Instant>,
    work: FuturesUnordered<BoxFuture<'static, Done>>,
}

type Events = BoxStream<'static, Result<Frame, ClientError>>;

impl Loop {
    fn new(parts: Parts, kept: Kept) -> Self {
        let outbox = Outbox::new(kept.clone(), parts.pace, Instant::now());
        let roster = Roster::new(parts.react);
        Self { parts, roster, outbox, kept, behind: None, work: FuturesUnordered::new() }
    }

    /// A bridge that never ran begins with what happens from now on, and from then on goes on where
    /// it was: so that is written down before anything else.
    async fn begin(&mut self) {
        while self.outbox.cursor().is_none() {
            match self.parts.client.position().await {
                Ok(newest) => self.outbox.read_to(newest),
                Err(error) => {
                    tracing::warn!(%error, "the bridge to OpenClaw cannot begin");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
        while !self.keep().await {
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Agents that were there before the first event is read.
    async fn know_the_living(&mut self) {
        let alive = Status::ALL.into_iter().filter(|status| !status.is_end());
        let query = AgentsQuery {
            status: alive.map(|status| status.to_string()).collect(),
            ..AgentsQuery::default()
        };
        let agents = loop {
            match self.parts.client.all_agents(&query).await {
                Ok(agents) => break agents,
                Err(error) => {
                    tracing::warn!(%error, "the bridge to OpenClaw cannot list the agents");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        };
        for agent in agents {
            if let Some(session) = &agent.session
                && !self.roster.add(&agent).told_elsewhere
            {
                self.outbox.status(session, agent.id, agent.status);
            }
        }
    }

    fn events(&self) -> Events {
        let mut types = vec![
            EventType::Spawned,
            EventType::Started,
            EventType::Input,
            EventType::Waiting,
            EventType::Permission,
            EventType::Update,
            EventType::Stopping,
        ];
        if self.parts.pace.lines_max > 0 {
            types.extend([EventType::Output, EventType::Message]);
        }
        types.extend(EventType::ENDS);
        self.parts.client.events(EventsQuery {
            since: self.outbox.cursor().map(|seq| seq.to_string()),
            owned: true,
            r#type: types.into_iter().map(|kind| kind.to_string()).collect(),
            ..EventsQuery::default()
        })
    }

    async fn run(&mut self) {
        let mut events = self.events();
        let mut connected = self.parts.connected.clone();
        loop {
            self.find_words().await;
            let gateway = connected.borrow_and_update().clone();
            if let Some(gateway) = &gateway {
                self.act(gateway).await;
            }
            self.keep_up().await;
            self.publish();
            let next = self.next(gateway.is_some());
            tokio::select! {
                frame = events.next() => {
                    if !self.take_in(frame, &mut events).await {
                        tokio::time::sleep(PAUSE).await;
                        events = self.events();
                    }
                }
                Some(done) = self.work.next() => self.settle(done),
                changed = connected.changed() => if changed.is_err() { return },
                () = until(next) => {}
            }
        }
    }

    /// When to look again without being told to.
    fn next(&self, connected: bool) -> Option<Instant> {
        let keep = self.behind.map(|since| since + BEHIND);
        let due = if connected { self.outbox.next(Instant::now()) } else { None };
        [keep, due].into_iter().flatten().min()
    }

    /// Takes in this frame, and what is there beside it. False when the stream is over.
    async fn take_in(
        &mut self,
        first: Option<Result<Frame, ClientError>>,
        events: &mut Events,
    ) -> bool {
        let (mut next, begin) = (Some(first), Instant::now());
        for _ in 0..PORTION {
            if begin.elapsed() > PORTION_TIME {
                return true;
            }
            let frame = match next.take() {
                Some(frame) => frame,
                None => match events.next().now_or_never() {
                    Some(frame) => frame,
                    None => return true,
                },
            };
            match frame {
                Some(Ok(frame)) => self.frame(frame).await,
                Some(Err(error)) => {
                    tracing::warn!(%error, "the bridge to OpenClaw hears no events");
                    return false;
                }
                None => return false,
            }
        }
        true
    }

    async fn frame(&mut self, frame: Frame) {
        match frame {
            Frame::Event { seq, json } => {
                if let Ok(event) = serde_json::from_str::<EventBody>(&json) {
                    self.introduce(&event).await;
                    let (now, wall) = (Instant::now(), Timestamp::now());
                    take(&event, &mut self.roster, &mut self.outbox, now, wall);
                }
                self.outbox.read_to(seq);
                self.behind.get_or_insert_with(Instant::now);
            }
            Frame::Reset(reset) => {
                tracing::warn!(since = %reset.since, oldest = %reset.oldest,
                    "events were dropped before OpenClaw was told of them");
            }
            Frame::Lost | Frame::Back => {}
        }
    }

    /// Sees to it that the event's agent is on the roster.
    async fn introduce(&mut self, event: &EventBody) {
        if event.r#type == EventType::Spawned.as_str() {
            self.roster.spawned(event);
        } else if self.roster.get(event.agent_id).is_none() {
            match look_up(&self.parts.client, event.agent_id).await {
                Some(agent) => self.roster.add(&agent),
                None => self.roster.add_unknown(event),
            };
        }
    }

    /// Words for what an earlier daemon left owed.
    async fn find_words(&mut self) {
        for id in self.outbox.wordless() {
            let agent = look_up(&self.parts.client, id).await;
            self.outbox.tell(id, |notice| match &agent {
                Some(agent) if notice.kind != Kind::Ended || agent.status.is_end() => {
                    text::words_of(notice.kind, agent)
                }
                _ => text::words_of_unknown(notice.kind, id),
            });
        }
    }

    /// Carries out what is due. That a message with notices goes out is written down first; when
    /// that cannot be done, nothing goes out, and it is tried again.
    async fn act(&mut self, gateway: &Gateway) {
        let orders = self.outbox.due(Instant::now(), Timestamp::now());
        let binds = orders.iter().any(|(_, order)| Outbox::binds(order));
        let kept = !binds || self.keep().await;
        for (key, order) in orders {
            if kept || !Outbox::binds(&order) {
                self.work.push(act(gateway.clone(), key, order).boxed());
            } else {
                self.settle(Done::not_asked(key, order));
            }
        }
    }

    fn settle(&mut self, done: Done) {
        let (now, wall) = (Instant::now(), Timestamp::now());
        match done {
            Done::Message { key, step, outcome } => {
                self.outbox.message_done(&key, &step, outcome, now, wall);
                self.behind.get_or_insert(now);
            }
            Done::Card { key, outcome } => {
                self.outbox.card_done(&key, outcome, now);
                self.behind.get_or_insert(now);
            }
        }
    }

    /// Writes down what is owed when that is behind for long enough, and at once what is owed no
    /// more because nobody can be told.
    async fn keep_up(&mut self) {
        let buried = self.outbox.books().2 != self.kept.dead;
        if self.behind.is_some_and(|since| buried || since.elapsed() >= BEHIND) {
            self.keep().await;
        }
    }

    /// Writes down what is owed. False when that failed.
    async fn keep(&mut self) -> bool {
        let kept = self.outbox.keep();
        if kept == self.kept {
            self.behind = None;
            return true;
        }
        let (path, copy) = (self.parts.file.clone(), kept.clone());
        let saved = tokio::task::spawn_blocking(move || file::save(&path, &copy)).await;
        match saved {
            Ok(Ok(())) => {
                (self.kept, self.behind) = (kept, None);
                true
            }
            Ok(Err(error)) => {
                tracing::error!(%error, "the outbox to OpenClaw cannot be written");
                self.behind = Some(Instant::now());
                false
            }
            Err(_) => false,
        }
    }

    fn publish(&self) {
        let (owed, told, dead) = self.outbox.books();
        self.parts.board.books(owed, told, dead, || self.outbox.letters());
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

/// The agent, or none when the daemon does not know it any more.
async fn look_up(client: &Client, id: AgentId) -> Option<AgentBody> {
    loop {
        match client.agent(id.as_str()).await {
            Ok(agent) => return Some(agent),
            Err(ClientError::Problem(problem)) if problem.code == Code::NotFound => return None,
            Err(error) => {
                tracing::warn!(%error, agent = %id, "the bridge to OpenClaw cannot look it up");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}
