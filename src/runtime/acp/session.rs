//! One conversation with a harness: what its lines mean, and what is to be said. It does no input or
//! output; whoever has it records [`Session::facts`] first, and then says what is in the outbox.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use agent_client_protocol::v1::schema::AgentCapabilities;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::asks::{Ask, Work};
use super::reader::Line;
use super::terminals::Order;
use super::wire::{self, Incoming, METHOD_NOT_FOUND, RpcError};
use crate::model::{
    Agent, AgentId, Decision, EventType, Fact, McpServer, MessageId, Permission, Spec, Talk,
};
use crate::runtime::{Exit, Message};

/// Lines that are no messages, of which an event is made; a harness that goes on is not listened to.
const GARBAGE: u32 = 20;
/// Bytes of such a line that the event has.
const SHOWN: usize = 200;

/// Where the conversation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Asked for `initialize`, `authenticate`, `session/new` and the like.
    SettingUp,
    Idle,
    Turn,
    /// It is to end; nothing more is said.
    Over,
}

/// Something to be said to the harness.
#[derive(Debug)]
pub(super) struct Out {
    /// See [`wire::key`].
    pub(super) key: MessageId,
    pub(super) what: What,
}

#[derive(Debug)]
pub(super) enum What {
    Line(String),
    /// A turn's prompt, and the message that it is when it is one. Nothing is read before it is
    /// written, so that the message is recorded as delivered before what comes of it.
    Prompt(String, Option<MessageId>),
    /// The answer to this request is what comes of the work.
    Work(Query, Work),
    /// The same of something that needs no permission.
    Order(Query, Order),
}

/// Why the conversation cannot be, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    pub reason: String,
    pub next: String,
}

/// A request of the harness.
#[derive(Debug, Clone)]
pub(super) struct Query {
    /// Its id, which the answer carries.
    pub(super) id: Value,
    /// How often the harness has used this id in the turn: 1 for the first time.
    nth: u32,
}

impl Query {
    /// What the request is called in events: its id, and a number where the id is used again.
    pub(super) fn name(&self) -> String {
        let id = self.id.as_str().map_or_else(|| self.id.to_string(), str::to_owned);
        if self.nth > 1 { format!("{id}#{}", self.nth) } else { id }
    }
}

/// Requests that set options, one after another.
#[derive(Debug)]
pub(super) struct Setting {
    pub(super) requests: VecDeque<(&'static str, Value)>,
    /// The id of the one that is under way.
    pub(super) id: u64,
    /// Who is told how it went; none while the conversation is set up.
    pub(super) done: Option<oneshot::Sender<Result<(), String>>>,
}

pub(super) struct Session {
    pub(super) id: AgentId,
    pub(super) spec: Arc<Spec>,
    pub(super) phase: Phase,
    /// As the fold has it, and kept up to date here.
    pub(super) talk: Talk,
    pub(super) capabilities: AgentCapabilities,
    /// The answer to `initialize`, until it is recorded.
    pub(super) greeting: Value,
    /// The answer to `session/new`, for what can be set.
    pub(super) opened: Value,
    /// MCP servers that a client named, until the harness is told of them. They may hold secrets.
    pub(super) servers: Vec<McpServer>,
    /// Names of those that it does not take.
    pub(super) left_out: Vec<String>,
    pub(super) authenticated: bool,
    pub(super) setting: Option<Setting>,
    /// Facts from before the conversation is established: recorded with that.
    pub(super) held: Vec<Fact>,
    pub(super) asks: Vec<Ask>,
    /// What a daemon before this one asked people about in this turn, and has no answer to.
    pub(super) asked: Vec<Permission>,
    /// What it saw decided in this turn.
    pub(super) decided: Vec<Decision>,
    /// How often each id of a request was used in this turn.
    used: HashMap<String, u32>,
    /// The limit that is reached, which ends the agent with its turn.
    pub(super) limited: Option<String>,
    /// The text of the turn's newest message.
    pub(super) text: String,
    /// Whether the next piece of text begins another message.
    pub(super) fresh: bool,
    garbage: u32,
    /// The first line that was no message.
    pub(super) banner: Option<String>,
    pub(super) facts: Vec<Fact>,
    pub(super) outbox: VecDeque<Out>,
    /// Requests that are answered when these terminals have ended.
    pub(super) waits: Vec<(Query, AgentId)>,
    /// What [`Session::fail`] was told, in its parts.
    pub(super) trouble: Option<Trouble>,
    /// How the agent ends, when it is we who end it.
    pub(super) over: Option<Exit>,
}

impl Session {
    /// The conversation of this agent, from where its log has it.
    pub(super) fn new(agent: &Agent) -> Self {
        let talk = agent.talk.as_deref().cloned().unwrap_or_default();
        if talk.session_id.is_none() {
            let mut session = Self::begin(agent.id, Arc::clone(&agent.spec));
            session.talk = Talk { turn: session.talk.turn, ..talk };
            return session;
        }
        let phase = if agent.in_turn() { Phase::Turn } else { Phase::Idle };
        let mut session = Self::at(agent.id, Arc::clone(&agent.spec), phase, talk);
        session.asked = std::mem::take(&mut session.talk.asks);
        session.decided = std::mem::take(&mut session.talk.decided);
        if phase == Phase::Turn {
            session.take_up_turn();
        }
        session
    }

    /// One that begins, with `initialize`.
    pub(super) fn begin(id: AgentId, spec: Arc<Spec>) -> Self {
        let talk = Talk { turn: u32::from(spec.task.is_some()), ..Talk::default() };
        let mut session = Self::at(id, spec, Phase::SettingUp, talk);
        session.initialize();
        session
    }

    fn at(id: AgentId, spec: Arc<Spec>, phase: Phase, talk: Talk) -> Self {
        Self {
            id,
            spec,
            phase,
            talk,
            capabilities: AgentCapabilities::default(),
            greeting: Value::Null,
            opened: Value::Null,
            servers: Vec::new(),
            left_out: Vec::new(),
            authenticated: false,
            setting: None,
            held: Vec::new(),
            asks: Vec::new(),
            asked: Vec::new(),
            decided: Vec::new(),
            used: HashMap::new(),
            limited: None,
            text: String::new(),
            fresh: true,
            garbage: 0,
            banner: None,
            facts: Vec::new(),
            outbox: VecDeque::new(),
            waits: Vec::new(),
            trouble: None,
            over: None,
        }
    }

    /// What these lines mean. They reach up to `end` in the harness's output.
    pub(super) fn take(&mut self, lines: Vec<Line>, end: u64) {
        let before = self.facts.len();
        for line in lines {
            match line {
                Line::Text(text) => self.take_line(&text),
                Line::Skipped(bytes) => {
                    let error = format!("a line of {bytes} bytes is longer than is taken");
                    self.note(json!({ "protocol_error": error }));
                }
            }
        }
        if self.facts.len() > before
            && let Some(last) = self.facts.last_mut()
        {
            stamp(last, end);
        }
    }

    fn take_line(&mut self, text: &str) {
        match wire::parse(text) {
            Incoming::Response { id, outcome } => self.response(id, outcome),
            Incoming::Request { id, method, params } => {
                let query = self.query(id);
                self.request(&query, &method, params);
            }
            Incoming::Notification { method, params } if method == "session/update" => {
                self.update(params);
            }
            Incoming::Notification { method, params } => {
                self.note(json!({ "method": method, "params": params }));
            }
            Incoming::Garbage(why) => self.garbage(text, &why),
        }
    }

    fn garbage(&mut self, text: &str, why: &str) {
        let shown: String = text.chars().take(SHOWN).collect();
        self.banner.get_or_insert_with(|| shown.clone());
        self.garbage += 1;
        if self.garbage <= GARBAGE {
            let error = format!("it wrote what is no message of the protocol: {why}");
            self.note(json!({ "protocol_error": error, "line": shown }));
        }
    }

    fn response(&mut self, id: u64, outcome: Result<Value, RpcError>) {
        if self.setting.as_ref().is_some_and(|setting| setting.id == id) {
            self.set(outcome);
        } else if self.phase == Phase::SettingUp {
            self.set_up(id, outcome);
        } else if self.phase == Phase::Turn && id == self.prompt_id() {
            self.turn_over(outcome);
        }
    }

    /// Tells this request from others with the same id.
    pub(super) fn query(&mut self, id: Value) -> Query {
        let nth = self.used.entry(id.to_string()).or_default();
        *nth += 1;
        Query { nth: *nth, id }
    }

    /// Answers a request of the harness, or sees to it that it is answered.
    pub(super) fn request(&mut self, query: &Query, method: &str, params: Value) {
        match method {
            "session/request_permission" => self.permission(query, params),
            "fs/read_text_file" | "fs/write_text_file" => self.file(query, method, &params),
            "terminal/create" => self.create_terminal(query, params),
            "terminal/output" | "terminal/kill" | "terminal/release" | "terminal/wait_for_exit" => {
                self.terminal(query, method, params);
            }
            _ => {
                let message = format!("Dash has no method {method:?}");
                self.answer(query, Err((METHOD_NOT_FOUND, message)));
                self.note(json!({ "method": method, "params": params }));
            }
        }
    }

    /// Answers a request of the harness.
    pub(super) fn answer(&mut self, query: &Query, outcome: Result<Value, (i64, String)>) {
        let (key, line) = (self.answer_key(query), wire::answer(&query.id, outcome));
        self.outbox.push_back(Out { key, what: What::Line(line) });
    }

    /// Under which key the answer is written: another one for each request, and always the same one.
    pub(super) fn answer_key(&self, query: &Query) -> MessageId {
        let Query { id, nth } = query;
        let again = if *nth > 1 { format!(" {nth}") } else { String::new() };
        wire::key(self.id, &format!("answer {} {id}{again}", self.talk.turn))
    }

    pub(super) fn say(&mut self, key: &str, line: String) {
        let key = wire::key(self.id, key);
        self.outbox.push_back(Out { key, what: What::Line(line) });
    }

    /// Something that the harness tells, or that is told of it.
    pub(super) fn note(&mut self, data: Value) {
        self.fact(Fact::Update(EventType::Update, data));
    }

    pub(super) fn fact(&mut self, fact: Fact) {
        if self.phase == Phase::SettingUp {
            self.held.push(fact);
        } else {
            self.facts.push(fact);
        }
    }

    /// The harness is to end: as it is said, or with failure for this reason.
    pub(super) fn end(&mut self, exit: Exit) {
        self.facts.append(&mut self.held);
        self.phase = Phase::Over;
        self.over.get_or_insert(exit);
    }

    pub(super) fn fail(&mut self, reason: impl Into<String>) {
        self.end(Exit { reason: Some(reason.into()), ..Exit::default() });
    }

    /// The same with the next step.
    pub(super) fn give_up(&mut self, reason: impl Into<String>, next: impl Into<String>) {
        let (reason, next) = (reason.into(), next.into());
        self.fail(format!("{reason}; {next}"));
        self.trouble.get_or_insert(Trouble { reason, next });
    }

    /// Whether the next message can be taken.
    pub(super) fn is_idle(&self) -> bool {
        self.phase == Phase::Idle
    }

    /// Begins the turn of a message.
    pub(super) fn take_message(&mut self, message: &Message) {
        self.talk.turn += 1;
        self.talk.cancelling = false;
        self.used.clear();
        self.asked.clear();
        self.decided.clear();
        self.prompt(&message.text, Some(message.id));
    }
}

/// Notes in a fact how far the harness's output has been taken over.
fn stamp(fact: &mut Fact, end: u64) {
    match fact {
        Fact::Message(said) | Fact::Thought(said) => said.stdout = Some(end),
        Fact::Permission(permission) => permission.stdout = Some(end),
        Fact::Waiting(waiting) => waiting.stdout = Some(end),
        Fact::Update(_, Value::Object(data)) => drop(data.insert("stdout".to_owned(), end.into())),
        _ => {}
    }
}

#[cfg(test)]
#[path = "session_test.rs"]
mod tests;
