//! Establishing the conversation: `initialize`, `authenticate` where that is possible without a
//! person, `session/new` or its like, modes and options. Until it is through nothing is recorded, so
//! that a daemon that comes back goes through it again, with the same words.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use agent_client_protocol::schema::ProtocolVersion;
use agent_client_protocol::v1::schema::{
    AuthenticateRequest, ClientCapabilities, FileSystemCapabilities, Implementation,
    InitializeRequest, InitializeResponse, LoadSessionRequest, NewSessionRequest,
    ResumeSessionRequest,
};
use serde_json::{Value, json};

use super::servers;
use super::session::{Phase, Session, Setting};
use super::wire::{self, AUTH_REQUIRED, RpcError};
use crate::model::{EventType, Fact, Permissions, Setter, Settings, Waiting};
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

/// What to ask of a program that does not speak the protocol.
const ACP_MODE: &str = "is it started in its ACP mode?";

impl Session {
    pub(super) fn initialize(&mut self) {
        let fs = FileSystemCapabilities::new().read_text_file(true).write_text_file(true);
        // What the policy would refuse in any case is not offered.
        let permissions = self.spec.conversation.permissions;
        let runs = matches!(permissions, Permissions::All | Permissions::Ask);
        let request = InitializeRequest::new(ProtocolVersion::V1)
            .client_capabilities(ClientCapabilities::new().fs(fs).terminal(runs))
            .client_info(Implementation::new("dash", env!("CARGO_PKG_VERSION")));
        self.say("initialize", wire::request(INITIALIZE, "initialize", &request));
    }

    pub(super) fn set_up(&mut self, id: u64, outcome: Result<Value, RpcError>) {
        match (id, outcome) {
            (INITIALIZE, Ok(answer)) => self.greeted(answer),
            (INITIALIZE, Err(error)) => {
                let reason = format!("the harness refuses to begin: {}", error.text());
                self.give_up(reason, ACP_MODE);
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
                let reason = format!("the harness cannot {what} the session: {}", error.text());
                self.give_up(reason, "run it in a terminal once");
            }
            _ => {}
        }
    }

    fn greeted(&mut self, answer: Value) {
        let version = answer.get("protocolVersion").cloned().unwrap_or_default();
        if version != json!(1) {
            let reason = format!(
                "the harness speaks version {version} of the Agent Client Protocol, and Dash speaks 1"
            );
            self.give_up(reason, "use a version of the harness that speaks it, or a newer Dash");
            return;
        }
        match serde_json::from_value::<InitializeResponse>(answer.clone()) {
            Ok(typed) => self.capabilities = typed.agent_capabilities,
            Err(error) => {
                let reason = format!("the harness's answer to initialize makes no sense: {error}");
                self.give_up(reason, ACP_MODE);
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
        let (servers, left_out) = servers::taken(&self.servers, &self.capabilities);
        let line = match &self.spec.conversation.resume {
            None => {
                let request = NewSessionRequest::new(cwd).mcp_servers(servers);
                wire::request(id, "session/new", &request)
            }
            Some(resume) if self.resumes() => {
                let request = ResumeSessionRequest::new(resume.session_id.clone(), cwd);
                let request = request.mcp_servers(servers);
                wire::request(id, "session/resume", &request)
            }
            Some(resume) if self.capabilities.load_session => {
                let request = LoadSessionRequest::new(resume.session_id.clone(), cwd);
                let request = request.mcp_servers(servers);
                wire::request(id, "session/load", &request)
            }
            Some(_) => {
                self.fail("the harness cannot take up a session again");
                return;
            }
        };
        self.left_out = left_out;
        self.say(&format!("open {id}"), line);
    }

    /// The ways to log in that the harness names.
    fn auth_methods(&self) -> &[Value] {
        self.greeting.get("authMethods").and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    /// Logs in with a key from the environment, where the harness can; anything else needs a person.
    fn authenticate(&mut self, error: &RpcError) {
        let method = self.auth_methods().iter().find(|method| takes_key(method, &self.spec.env));
        let id = method.and_then(|method| method["id"].as_str()).map(str::to_owned);
        let Some(id) = id.filter(|_| !self.authenticated) else {
            return self.not_logged_in(error);
        };
        self.authenticated = true;
        let request = AuthenticateRequest::new(id);
        self.say("authenticate", wire::request(AUTHENTICATE, "authenticate", &request));
    }

    pub(super) fn not_logged_in(&mut self, error: &RpcError) {
        let reason = format!("nobody is logged in to the harness ({})", error.text());
        let methods = self.auth_methods().iter();
        let names: Vec<&str> = methods.filter_map(|method| method["name"].as_str()).collect();
        let next = if let Some(login) = &self.spec.conversation.login {
            format!("to log in: {login}")
        } else if !names.is_empty() {
            format!("log in with it in a terminal: {}", names.join(", "))
        } else {
            let program = self.spec.command.iter().flatten().next();
            let program = program.map_or("it", String::as_str);
            format!("run `{program}` in a terminal once and log in")
        };
        self.give_up(reason, next);
    }

    /// It has not begun in the time that it has.
    pub(super) fn too_late(&mut self, limit: Duration) {
        let reason =
            format!("the harness did not begin a conversation within {} s", limit.as_secs_f64());
        match &self.banner {
            Some(banner) => {
                let reason = format!("{reason}; it wrote {banner:?}, which is no ACP");
                self.give_up(reason, ACP_MODE);
            }
            None => self.give_up(reason, ACP_MODE),
        }
    }

    /// It ended before the conversation began; `how` is as in [`super::attempt::how_it_ended`].
    pub(super) fn ended_early(&mut self, how: &str, errors: Option<&str>) {
        let errors = errors.map(|errors| format!("; its last errors: {errors}"));
        let reason = format!(
            "the harness ended {how} before the conversation began{}",
            errors.unwrap_or_default()
        );
        self.give_up(reason, "`dash agents` says what it needs");
    }

    fn opened(&mut self, answer: Value) {
        let resume = self.spec.conversation.resume.as_ref();
        let given = answer.get("sessionId").and_then(Value::as_str).map(str::to_owned);
        let Some(session) = given.or_else(|| resume.map(|resume| resume.session_id.clone())) else {
            self.fail("the harness's answer to session/new names no session");
            return;
        };
        self.talk.session_id = Some(session);
        self.talk.settings = Some(Box::new(settings(&answer)));
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

    /// The requests that set these.
    fn requests(
        &self,
        mode: Option<&str>,
        model: Option<&str>,
        options: &BTreeMap<String, String>,
    ) -> Result<VecDeque<(&'static str, Value)>, String> {
        let session = json!(self.talk.session_id);
        // One that was established by a Dash that did not keep this is asked for what is most common.
        let common = Settings {
            model: Some(Setter::Request),
            mode: Some(Setter::Request),
            switches: Vec::new(),
        };
        let settings = self.talk.settings.as_deref().unwrap_or(&common);
        let set = |id: &str, value: &str| {
            let params = if settings.switches.iter().any(|switch| switch == id) {
                json!({ "sessionId": session, "configId": id, "type": "boolean", "value": value == "true" })
            } else {
                json!({ "sessionId": session, "configId": id, "value": value })
            };
            ("session/set_config_option", params)
        };
        let mut requests = VecDeque::new();
        if let Some(model) = model {
            requests.push_back(match &settings.model {
                Some(Setter::Option(id)) => set(id, model),
                Some(Setter::Request) => {
                    ("session/set_model", json!({ "sessionId": session, "modelId": model }))
                }
                None => {
                    return Err("the harness offers no choice of a model; leave --model out".into());
                }
            });
        }
        if let Some(mode) = mode {
            requests.push_back(match &settings.mode {
                Some(Setter::Option(id)) => set(id, mode),
                Some(Setter::Request) => {
                    ("session/set_mode", json!({ "sessionId": session, "modeId": mode }))
                }
                None => return Err("the harness has no modes; leave --mode out".to_owned()),
            });
        }
        requests.extend(options.iter().map(|(id, value)| set(id, value)));
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
            Ok(answer) => {
                self.options_now(&answer);
                self.next_setting();
            }
            Err(error) => {
                let reason = format!("the harness does not take an option: {}", error.text());
                match self.setting.take().and_then(|setting| setting.done) {
                    Some(done) => drop(done.send(Err(reason))),
                    None => self.fail(reason),
                }
            }
        }
    }

    /// The answer to an option that was set names all of them as they are now.
    fn options_now(&mut self, answer: &Value) {
        const KEY: &str = "configOptions";
        let Some(options) = answer.get(KEY).filter(|options| options.is_array()) else { return };
        if self.phase == Phase::SettingUp {
            self.opened[KEY] = options.clone();
        } else {
            let data = json!({ "sessionUpdate": "config_option_update", KEY: options });
            self.facts.push(Fact::Update(EventType::Update, data));
        }
    }

    /// The conversation is established: it is recorded, and the first turn begins.
    fn establish(&mut self) {
        self.phase = Phase::Idle;
        self.talk.resumable = self.resumes() || self.capabilities.load_session;
        let mut data = json!({
            "sessionId": self.talk.session_id,
            "resumable": self.talk.resumable,
            "settings": self.talk.settings,
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
        self.servers.clear();
        if !self.left_out.is_empty() {
            let names = std::mem::take(&mut self.left_out);
            let warning = format!("the harness takes no such MCP servers: {}", names.join(", "));
            self.note(json!({ "warning": warning, "mcp_servers": names }));
        }
        self.facts.append(&mut self.held);
        (self.greeting, self.opened) = (Value::Null, Value::Null);
        match self.spec.task.clone() {
            Some(_) if self.talk.cancelling => self.cancelled_before(),
            Some(task) => self.prompt(&task, None),
            None => self.fact(Fact::Waiting(Waiting::default())),
        }
    }
}

/// Whether a way to log in needs no more than a key that is among these variables. Newer harnesses name the
/// variables (`vars`), older ones have the variable's name, or just "API key", as the method's id.
fn takes_key(method: &Value, variables: &[String]) -> bool {
    let is_there = |name: &str| variables.iter().any(|variable| variable == name);
    if let Some(wanted) = method.get("vars").and_then(Value::as_array) {
        let names: Option<Vec<&str>> = wanted.iter().map(|it| it["name"].as_str()).collect();
        return names.is_some_and(|names| !names.is_empty() && names.iter().all(|it| is_there(it)));
    }
    let id = method["id"].as_str().unwrap_or_default().to_uppercase().replace('-', "_");
    let general = ["API_KEY", "APIKEY", "USE_API_KEY"].contains(&id.as_str());
    is_there(&id) || (general && variables.iter().any(|variable| variable.ends_with("API_KEY")))
}

/// How model, mode and switches can be set, by the answer to `session/new` and its like. A mode has a
/// request of its own and is often a configuration option as well; then the request is the older way.
fn settings(opened: &Value) -> Settings {
    let offered = opened.get("configOptions").and_then(Value::as_array);
    let offered: Vec<&Value> = offered.into_iter().flatten().collect();
    let id = |option: &Value| option["id"].as_str().map(str::to_owned);
    let option = |category: &str| {
        let found = offered.iter().find(|option| option["category"] == category);
        let found = found.or_else(|| offered.iter().find(|option| option["id"] == category));
        found.and_then(|option| id(option)).map(Setter::Option)
    };
    let request = |key: &str| opened.get(key).is_some_and(|it| !it.is_null());
    let by_request = |key: &str| request(key).then_some(Setter::Request);
    let switches = offered.iter().filter(|option| option["type"] == "boolean");
    Settings {
        model: option("model").or_else(|| by_request("models")),
        mode: by_request("modes").or_else(|| option("mode")),
        switches: switches.filter_map(|option| id(option)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_is_there_is_the_way_to_log_in() {
        let variables = ["PATH", "OPENAI_API_KEY"].map(str::to_owned);
        let takes = |method: Value| takes_key(&method, &variables);
        assert!(takes(json!({"id": "x", "vars": [{"name": "OPENAI_API_KEY"}]})));
        assert!(takes(json!({"id": "openai-api-key"})));
        assert!(takes(json!({"id": "api-key"})));
        for other in [
            json!({"id": "openai-api-key", "vars": [{"name": "CODEX_API_KEY"}]}),
            json!({"id": "codex-api-key"}),
            json!({"id": "chatgpt", "vars": []}),
            json!({"id": "browser"}),
        ] {
            assert!(!takes(other.clone()), "{other}");
        }
        assert!(!takes_key(&json!({"id": "api-key"}), &[]));
    }

    #[test]
    fn what_can_be_set_is_read_from_the_answer() {
        let none = settings(&json!({"sessionId": "s", "modes": null}));
        assert_eq!(none, Settings::default());
        let old = settings(&json!({"modes": {}, "models": {}}));
        assert_eq!((old.model, old.mode), (Some(Setter::Request), Some(Setter::Request)));
        let new = settings(&json!({"configOptions": [
            {"id": "m", "category": "model", "type": "select"},
            {"id": "mode", "type": "select"},
            {"id": "loud", "type": "boolean"},
        ]}));
        let option = |id: &str| Some(Setter::Option(id.to_owned()));
        assert_eq!((new.model, new.mode), (option("m"), option("mode")));
        assert_eq!(new.switches, ["loud"]);
    }
}
