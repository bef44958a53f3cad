//! The face itself: requests in, answers out.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use agent_client_protocol::schema::ProtocolVersion;
use agent_client_protocol::v1::schema::{
    AgentCapabilities, CancelNotification, CancelRequestNotification, CloseSessionRequest,
    Implementation, InitializeRequest, InitializeResponse, ListSessionsRequest, LoadSessionRequest,
    Meta, NewSessionRequest, NewSessionResponse, PromptCapabilities, PromptRequest,
    ResumeSessionRequest, SessionCapabilities, SessionCloseCapabilities, SessionListCapabilities,
    SessionResumeCapabilities,
};
use futures::future::LocalBoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt as _, StreamExt as _};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::io::AsyncRead;
use tokio::sync::{oneshot, watch};

use super::accept::accept;
use super::follow::{End, follow};
use super::lines::{LINE_MAX, Line, Lines};
use super::out::Out;
use super::prompt::{text_of, without_envelope};
use super::rpc::{Broken, Incoming, parameters, read};
use super::session::Session;
use super::trouble::Trouble;
use super::{Daemon, Settings, history, options};

/// How long after the end of the input a prompt that has been read may take to reach an agent.
const FAREWELL: Duration = Duration::from_secs(15);
/// How often a prompt is given to another agent, because the one before ended without it.
const AGENTS_MAX: usize = 3;

/// A client's answer to a question of ours: its result, or its error.
type Answer = Result<Value, Value>;
type Outcome = Result<Value, Trouble>;

pub(super) struct Face<'a> {
    pub(super) settings: Settings,
    pub(super) daemon: &'a dyn Daemon,
    pub(super) out: Out,
    sessions: RefCell<HashMap<String, Rc<Session>>>,
    /// Sessions of prompts that wait, by the ids of their requests.
    prompts: RefCell<HashMap<String, Rc<Session>>>,
    /// Questions to the client that are open, by the ids of their requests.
    questions: RefCell<HashMap<u64, oneshot::Sender<Answer>>>,
    last_question: Cell<u64>,
    left: watch::Sender<bool>,
}

impl<'a> Face<'a> {
    pub(super) fn new(settings: Settings, daemon: &'a dyn Daemon, out: Out) -> Self {
        Self {
            settings,
            daemon,
            out,
            sessions: RefCell::default(),
            prompts: RefCell::default(),
            questions: RefCell::default(),
            last_question: Cell::new(0),
            left: watch::Sender::new(false),
        }
    }

    /// Reads until the input ends, and lets what it was asked reach the daemon.
    pub(super) async fn serve(&self, mut lines: Lines<impl AsyncRead + Unpin>) -> io::Result<()> {
        let mut tasks = FuturesUnordered::new();
        let read = loop {
            tokio::select! {
                line = lines.next() => match line {
                    Ok(Some(line)) => tasks.push(self.take(line)),
                    Ok(None) => break Ok(()),
                    Err(error) => break Err(error),
                },
                Some(()) = tasks.next(), if !tasks.is_empty() => {}
            }
        };
        self.left.send_replace(true);
        let rest = async { while tasks.next().await.is_some() {} };
        let _ = tokio::time::timeout(FAREWELL, rest).await;
        read
    }

    /// Becomes true when the input has ended.
    pub(super) fn has_left(&self) -> watch::Receiver<bool> {
        self.left.subscribe()
    }

    /// The id of a question to the client, and where its answer comes from.
    pub(super) fn new_question(&self) -> (u64, oneshot::Receiver<Answer>) {
        let id = self.last_question.get() + 1;
        self.last_question.set(id);
        let (answer, answered) = oneshot::channel();
        self.questions.borrow_mut().insert(id, answer);
        (id, answered)
    }

    /// An answer to the question does not matter any more. Whether there was none yet.
    pub(super) fn forget_question(&self, id: u64) -> bool {
        self.questions.borrow_mut().remove(&id).is_some()
    }

    /// What is to be done about a line. What must happen in the order of the lines has happened when
    /// this returns.
    fn take(&self, line: Line) -> LocalBoxFuture<'_, ()> {
        let read = match line {
            Line::Whole(line) => read(&line),
            Line::TooLong => Err(Box::new(Broken {
                id: Value::Null,
                trouble: Trouble::no_message(format!("a line is longer than {LINE_MAX} bytes"))
                    .hinted("put long texts into files, and name them in the prompt"),
            })),
        };
        match read {
            Ok(Incoming::Request { id, method, params }) => {
                let outcome = self.request(&id, &method, params);
                async move {
                    if let Some(outcome) = outcome.await {
                        self.out.answer(id, outcome).await;
                    }
                }
                .boxed_local()
            }
            Ok(Incoming::Notification { method, params }) => {
                self.notification(&method, params);
                async {}.boxed_local()
            }
            Ok(Incoming::Answer { id, outcome }) => {
                let asked = id.as_u64().and_then(|id| self.questions.borrow_mut().remove(&id));
                if let Some(asked) = asked {
                    let _ = asked.send(outcome);
                }
                async {}.boxed_local()
            }
            Err(broken) => {
                async move { self.out.answer(broken.id, Err(broken.trouble)).await }.boxed_local()
            }
        }
    }

    /// What a request is answered with, if it still is.
    fn request(
        &self,
        id: &Value,
        method: &str,
        params: Value,
    ) -> LocalBoxFuture<'_, Option<Outcome>> {
        let done = |outcome: Outcome| std::future::ready(Some(outcome)).boxed_local();
        match method {
            "initialize" => done(initialize(params)),
            "authenticate" => done(Ok(json!({}))),
            "session/new" => done(self.new_session(params)),
            "session/resume" => self.resume(params).map(Some).boxed_local(),
            "session/load" => self.load(params).map(Some).boxed_local(),
            "session/list" => self.list(params).map(Some).boxed_local(),
            "session/close" => done(self.close(params)),
            "session/set_mode" | "session/set_model" | "session/set_config_option" => {
                let method = method.to_owned();
                async move { Some(options::set(self, &method, &params).await) }.boxed_local()
            }
            "session/prompt" => match self.begin_prompt(id, params) {
                Ok(prompt) => prompt,
                Err(trouble) => done(Err(trouble)),
            },
            _ => done(Err(Trouble::no_method(method))),
        }
    }

    fn notification(&self, method: &str, params: Value) {
        let session = match method {
            "session/cancel" => parameters::<CancelNotification>(method, params)
                .and_then(|cancel| self.session(&cancel.session_id.0)),
            "$/cancel_request" => parameters::<CancelRequestNotification>(method, params)
                .map(|cancel| serde_json::to_string(&cancel.request_id).unwrap_or_default())
                .and_then(|id| {
                    let prompt = self.prompts.borrow().get(&id).cloned();
                    prompt
                        .ok_or_else(|| Trouble::failed(format!("no prompt with the id {id} waits")))
                }),
            _ => return,
        };
        match session {
            Ok(session) => session.cancel(),
            Err(trouble) => self.daemon.say(&format!("dash: {method}: {trouble}")),
        }
    }

    /// The session that is open under this id.
    pub(super) fn session(&self, id: &str) -> Result<Rc<Session>, Trouble> {
        let session = self.sessions.borrow().get(id).cloned();
        session.ok_or_else(|| Trouble::no_session(id))
    }

    fn opened(&self, session: Rc<Session>) -> Rc<Session> {
        self.sessions.borrow_mut().insert(session.id.clone(), Rc::clone(&session));
        session
    }

    /// The model that a session begins with.
    fn model(&self, meta: Option<&Meta>) -> Option<String> {
        let named = meta.and_then(|meta| meta.get("model")).and_then(Value::as_str);
        named.map(str::to_owned).or_else(|| self.settings.models.first().cloned())
    }

    fn new_session(&self, params: Value) -> Outcome {
        let new: NewSessionRequest = parameters("session/new", params)?;
        let (id, model) = (Session::new_id(), self.model(new.meta.as_ref()));
        let session = self.opened(Session::open(&id, new.cwd, &new.mcp_servers, model)?);
        let opened = result(&NewSessionResponse::new(id))?;
        Ok(options::tell(&self.settings, &session, opened))
    }

    async fn resume(&self, params: Value) -> Outcome {
        let resume: ResumeSessionRequest = parameters("session/resume", params)?;
        let model = self.model(resume.meta.as_ref());
        let session = Session::open(&resume.session_id.0, resume.cwd, &resume.mcp_servers, model)?;
        options::learn_of(self, &session).await?;
        Ok(options::tell(&self.settings, &self.opened(session), json!({})))
    }

    async fn load(&self, params: Value) -> Outcome {
        let load: LoadSessionRequest = parameters("session/load", params)?;
        let model = self.model(load.meta.as_ref());
        let session = Session::open(&load.session_id.0, load.cwd, &load.mcp_servers, model)?;
        history::replay(self, &session).await?;
        Ok(options::tell(&self.settings, &self.opened(session), json!({})))
    }

    async fn list(&self, params: Value) -> Outcome {
        let params = if params.is_null() { json!({}) } else { params };
        let list: ListSessionsRequest = parameters("session/list", params)?;
        result(&history::list(self, &list).await?)
    }

    /// Closing a session cancels its prompts. Its agent has no turn then, and stays.
    fn close(&self, params: Value) -> Outcome {
        let close: CloseSessionRequest = parameters("session/close", params)?;
        let session = self.session(&close.session_id.0)?;
        session.cancel();
        self.sessions.borrow_mut().remove(&session.id);
        Ok(json!({}))
    }

    /// Announces the prompt at once, so that a cancellation on the next line finds it.
    fn begin_prompt(
        &self,
        id: &Value,
        params: Value,
    ) -> Result<LocalBoxFuture<'_, Option<Outcome>>, Trouble> {
        let prompt: PromptRequest = parameters("session/prompt", params)?;
        let session = self.session(&prompt.session_id.0)?;
        let text = text_of(&prompt.prompt)?;
        let cancelled = session.begin_turn();
        let id = id.to_string();
        self.prompts.borrow_mut().insert(id.clone(), Rc::clone(&session));
        Ok(async move {
            let outcome = self.prompt(&session, without_envelope(&text), cancelled).await;
            self.prompts.borrow_mut().remove(&id);
            let openclaws = session.openclaw.is_some();
            outcome.map(|it| it.map_err(|it| if openclaws { it.for_openclaw() } else { it }))
        }
        .boxed_local())
    }

    async fn prompt(
        &self,
        session: &Session,
        text: &str,
        cancelled: watch::Receiver<bool>,
    ) -> Option<Outcome> {
        let mut last = Trouble::failed("every agent ended before it had the prompt");
        for _ in 0..AGENTS_MAX {
            let accepted =
                match accept(self.daemon, &self.settings, session, text, &cancelled).await {
                    Ok(Some(accepted)) => accepted,
                    Ok(None) => return Some(Ok(json!({ "stopReason": "cancelled" }))),
                    Err(trouble) => return Some(Err(trouble)),
                };
            match follow(self, session, accepted, cancelled.clone()).await {
                End::Answer(outcome) => {
                    return Some(outcome.map(|reason| json!({ "stopReason": reason })));
                }
                End::Undelivered(trouble) => last = trouble,
                End::Left => return None,
            }
        }
        Some(Err(last))
    }
}

/// The protocol has had one version so far that agents of Dash speak, whatever the client asks for.
fn initialize(params: Value) -> Outcome {
    let _: InitializeRequest = parameters("initialize", params)?;
    let sessions = SessionCapabilities::new()
        .list(SessionListCapabilities::new())
        .resume(SessionResumeCapabilities::new())
        .close(SessionCloseCapabilities::new());
    let capabilities = AgentCapabilities::new()
        .load_session(true)
        .prompt_capabilities(PromptCapabilities::new().embedded_context(true))
        .session_capabilities(sessions);
    let info = Implementation::new("dash", env!("CARGO_PKG_VERSION")).title("Dash".to_owned());
    let response = InitializeResponse::new(ProtocolVersion::V1);
    result(&response.agent_capabilities(capabilities).agent_info(info))
}

/// A response of the protocol as the result of an answer.
pub(super) fn result(response: &impl Serialize) -> Outcome {
    serde_json::to_value(response).map_err(|error| Trouble::failed(error.to_string()))
}
