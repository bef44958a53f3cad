//! Establishing the conversation: `initialize`, `authenticate` where that is possible without a
//! person, `session/new` or its like, modes and options. Until it is through nothing is recorded, so
//! that a daemon that comes back goes through it again, with the same words.

use agent_client_protocol::schema::ProtocolVersion;
use agent_client_protocol::v1::schema::{
    AuthMethod, AuthenticateRequest, ClientCapabilities, FileSystemCapabilities, Implementation,
    InitializeRequest, InitializeResponse, LoadSessionRequest, NewSessionRequest,
    ResumeSessionRequest,
};
use serde_json::{Value, json};

use super::session::{Phase, Session, Setting};
use super::wire::{self, AUTH_REQUIRED, RpcError};
use crate::model::{EventType, Fact, Waiting};
use crate::runtime::Options;

/// Ids of our requests. Prompts have those from [`PROMPTS`] on, by their turn, and options those from
/// [`OPTIONS`] on.
const INITIALIZE: u64 = 1;
const AUTHENTICATE: u64 = 2;
const OPEN: u64 = 3;
const OPEN_AGAIN: u64 = 4;
const SETTINGS: u64 = 100;
pub(super) const PROMPTS: u64 = 1_000;
const OPTIONS: u64 = 1 << 40;

impl Session {
    pub(super) fn initialize(&mut self) {
        let fs = FileSystemCapabilities::new().read_text_file(true).write_text_file(true);
        let request = InitializeRequest::new(ProtocolVersion::V1)
            .client_capabilities(ClientCapabilities::new().fs(fs))
            .client_info(Implementation::new("dash", env!("CARGO_PKG_VERSION")));
        self.say("initialize", wire::request(INITIALIZE, "initialize", &request));
    }

    pub(super) fn set_up(&mut self, id: u64, outcome: Result<Value, RpcError>) {
        match (id, outcome) {
            (INITIALIZE, Ok(answer)) => self.greeted(answer),
            (INITIALIZE, Err(error)) => {
                self.fail(format!("the harness refuses to begin: {}", error.text()));
            }
            (AUTHENTICATE, Ok(_)) => self.open(OPEN_AGAIN),
            (AUTHENTICATE, Err(error)) => self.not_logged_in(&error),
            (OPEN | OPEN_AGAIN, Ok(answer)) => self.opened(answer),
            (OPEN, Err(error)) if error.code == AUTH_REQUIRED => self.authenticate(&error),
            (OPEN | OPEN_AGAIN, Err(error)) if error.code == AUTH_REQUIRED => {
                self.not_logged_in(&error);
            }
            (OPEN | OPEN_AGAIN, Err(error)) => {
                let what = if self.spec.conversation.resume.is_some() { "resume" } else { "begin" };
                self.fail(format!("the harness cannot {what} the session: {}", error.text()));
            }
            _ => {}
        }
    }

    fn greeted(&mut self, answer: Value) {
        let version = answer.get("protocolVersion").cloned().unwrap_or_default();
        if version != json!(1) {
            self.fail(format!(
                "the harness speaks version {version} of the Agent Client Protocol, and Dash speaks 1; \
                 use a version of the harness that speaks it, or a newer Dash"
            ));
            return;
        }
        match serde_json::from_value::<InitializeResponse>(answer.clone()) {
            Ok(typed) => self.capabilities = typed.agent_capabilities,
            Err(error) => {
                self.fail(format!("the harness's answer to initialize makes no sense: {error}"));
                return;
            }
        }
        self.greeting = answer;
        self.open(OPEN);
    }

    fn resumes(&self) -> bool {
        self.capabilities.session_capabilities.resume.is_some()
    }

    fn open(&mut self, id: u64) {
        let cwd = self.spec.cwd.clone();
        let line = match &self.spec.conversation.resume {
            None => wire::request(id, "session/new", &NewSessionRequest::new(cwd)),
            Some(resume) if self.resumes() => {
                let request = ResumeSessionRequest::new(resume.session_id.clone(), cwd);
                wire::request(id, "session/resume", &request)
            }
            Some(resume) if self.capabilities.load_session => {
                let request = LoadSessionRequest::new(resume.session_id.clone(), cwd);
                wire::request(id, "session/load", &request)
            }
            Some(_) => {
                self.fail("the harness cannot take up a session again");
                return;
            }
        };
        self.say(&format!("open {id}"), line);
    }

    /// The ways to log in that the harness names.
    fn auth_methods(&self) -> Vec<AuthMethod> {
        let methods = self.greeting.get("authMethods").cloned().unwrap_or_default();
        serde_json::from_value(methods).unwrap_or_default()
    }

    /// Logs in with a key from the environment, where the harness can; anything else needs a person.
    fn authenticate(&mut self, error: &RpcError) {
        let has_key = self.spec.env.iter().any(|name| name.ends_with("API_KEY"));
        let plain = |id: &str| id.to_lowercase().replace(['-', '_'], "").contains("apikey");
        let methods = self.auth_methods();
        let by_key = methods.iter().find(|method| plain(&method.id().to_string()));
        let Some(method) = by_key.filter(|_| has_key && !self.authenticated) else {
            return self.not_logged_in(error);
        };
        self.authenticated = true;
        let request = AuthenticateRequest::new(method.id().clone());
        self.say("authenticate", wire::request(AUTHENTICATE, "authenticate", &request));
    }

    pub(super) fn not_logged_in(&mut self, error: &RpcError) {
        let mut reason = format!("nobody is logged in to the harness ({})", error.text());
        let methods = self.auth_methods();
        let names: Vec<&str> = methods.iter().map(AuthMethod::name).collect();
        if let Some(login) = &self.spec.conversation.login {
            reason = format!("{reason}; to log in: {login}");
        } else if !names.is_empty() {
            reason = format!("{reason}; log in with it in a terminal: {}", names.join(", "));
        } else {
            let program = self.spec.command.iter().flatten().next();
            let program = program.map_or("it", String::as_str);
            reason = format!("{reason}; run `{program}` in a terminal once and log in");
        }
        self.fail(reason);
    }

    fn opened(&mut self, answer: Value) {
        let resume = self.spec.conversation.resume.as_ref();
        let given = answer.get("sessionId").and_then(Value::as_str).map(str::to_owned);
        let Some(session) = given.or_else(|| resume.map(|resume| resume.session_id.clone())) else {
            self.fail("the harness's answer to session/new names no session");
            return;
        };
        self.talk.session_id = Some(session);
        self.opened = answer;
        let conversation = &self.spec.conversation;
        let (mode, model) = (conversation.mode.clone(), self.spec.model.clone());
        match self.requests(mode.as_deref(), model.as_deref(), &conversation.options) {
            Ok(requests) => {
                self.setting = Some(Setting { requests, id: SETTINGS - 1, done: None });
                self.next_setting();
            }
            Err(reason) => self.fail(reason),
        }
    }

    /// Sets options later. Whoever asked is told when it is done.
    pub(super) fn set_options(&mut self, options: Options) {
        let Options { mode, model, options, done } = options;
        let requests = if self.setting.is_some() || self.talk.session_id.is_none() {
            Err("the harness is busy with other options; try again in a moment".to_owned())
        } else {
            self.requests(mode.as_deref(), model.as_deref(), &options)
        };
        match requests {
            Ok(requests) => {
                let random = u64::from(uuid::Uuid::new_v4().as_fields().0) << 8;
                let id = OPTIONS + random;
                self.setting = Some(Setting { requests, id, done: Some(done) });
                self.next_setting();
            }
            Err(reason) => drop(done.send(Err(reason))),
        }
    }

    /// The requests that set these. What the harness offers is known from when the session was
    /// opened; a daemon that came back asks for what is most common.
    fn requests(
        &self,
        mode: Option<&str>,
        model: Option<&str>,
        options: &std::collections::BTreeMap<String, String>,
    ) -> Result<std::collections::VecDeque<(&'static str, Value)>, String> {
        let session = json!(self.talk.session_id);
        let known = !self.opened.is_null();
        let offered = self.opened.get("configOptions").and_then(Value::as_array);
        let offered: Vec<&Value> = offered.into_iter().flatten().collect();
        let of_category = |category: &str| {
            let found = offered.iter().find(|option| option["category"] == category);
            found.or_else(|| offered.iter().find(|option| option["id"] == category))
        };
        let set = |id: &Value, value: &str| {
            let boolean = offered.iter().any(|it| it["id"] == *id && it["type"] == "boolean");
            let params = if boolean {
                json!({ "sessionId": session, "configId": id, "type": "boolean", "value": value == "true" })
            } else {
                json!({ "sessionId": session, "configId": id, "value": value })
            };
            ("session/set_config_option", params)
        };
        let mut requests = std::collections::VecDeque::new();
        if let Some(model) = model {
            requests.push_back(match of_category("model") {
                Some(option) => set(&option["id"], model),
                None if known && self.opened.get("models").is_none() => {
                    return Err("the harness offers no choice of a model; leave --model out".into());
                }
                None => ("session/set_model", json!({ "sessionId": session, "modelId": model })),
            });
        }
        if let Some(mode) = mode {
            let has_modes = !self.opened.get("modes").is_none_or(Value::is_null);
            requests.push_back(match of_category("mode") {
                Some(option) if !has_modes => set(&option["id"], mode),
                None if known && !has_modes => {
                    return Err("the harness has no modes; leave --mode out".to_owned());
                }
                _ => ("session/set_mode", json!({ "sessionId": session, "modeId": mode })),
            });
        }
        requests.extend(options.iter().map(|(id, value)| set(&json!(id), value)));
        Ok(requests)
    }

    fn next_setting(&mut self) {
        let Some(setting) = &mut self.setting else { return };
        if let Some((method, params)) = setting.requests.pop_front() {
            setting.id += 1;
            let (id, line) = (setting.id, wire::request(setting.id, method, &params));
            self.say(&format!("set {id}"), line);
            return;
        }
        if let Some(done) = self.setting.take().and_then(|setting| setting.done) {
            let _ = done.send(Ok(()));
        } else {
            self.establish();
        }
    }

    pub(super) fn set(&mut self, outcome: Result<Value, RpcError>) {
        match outcome {
            Ok(_) => self.next_setting(),
            Err(error) => {
                let reason = format!("the harness does not take an option: {}", error.text());
                match self.setting.take().and_then(|setting| setting.done) {
                    Some(done) => drop(done.send(Err(reason))),
                    None => self.fail(reason),
                }
            }
        }
    }

    /// The conversation is established: it is recorded, and the first turn begins.
    fn establish(&mut self) {
        self.phase = Phase::Idle;
        self.talk.resumable = self.resumes() || self.capabilities.load_session;
        let mut data = json!({
            "sessionId": self.talk.session_id,
            "resumable": self.talk.resumable,
        });
        let greeting = ["agentInfo", "agentCapabilities", "authMethods"];
        let opened = ["modes", "models", "configOptions"];
        let parts = greeting.map(|key| (key, &self.greeting));
        for (key, from) in parts.into_iter().chain(opened.map(|key| (key, &self.opened))) {
            if let Some(value) = from.get(key).filter(|value| !value.is_null()) {
                data[key] = value.clone();
            }
        }
        self.facts.push(Fact::Update(EventType::Update, data));
        self.facts.append(&mut self.held);
        self.greeting = Value::Null;
        match self.spec.task.clone() {
            Some(_) if self.talk.cancelling => self.cancelled_before(),
            Some(task) => self.prompt(&task, None),
            None => self.fact(Fact::Waiting(Waiting::default())),
        }
    }
}
