//! Sessions that a client has open: what it said of them, and the turns that wait for an answer.
//! All that must outlive this process is with the agent, as metadata.

use std::cell::RefCell;
use std::path::PathBuf;
use std::rc::Rc;

use agent_client_protocol::v1::schema::{EnvVariable, McpServer};
use tokio::sync::{Mutex, watch};

use super::offered::Offered;
use super::trouble::Trouble;
use crate::model::McpServer as Named;

/// What every id of a session of ours begins with.
const PREFIX: &str = "dash-";
/// The variable of an MCP server with which OpenClaw 2026.4 and 2026.9 tell the key of the session
/// that the agent works for.
const SESSION_KEY: &str = "OPENCLAW_TOOLS_MCP_AGENT_SESSION_KEY";

/// A session.
pub(super) struct Session {
    pub(super) id: String,
    /// Absolute.
    pub(super) cwd: String,
    /// The MCP servers that the client named, for the agent that is still to be spawned.
    pub(super) servers: Vec<Named>,
    /// OpenClaw's key of the session, when it said one.
    pub(super) openclaw: Option<String>,
    /// What the harness offers, as far as that is known.
    pub(super) offered: RefCell<Offered>,
    /// What the client chose, for the agent that is still to be spawned.
    pub(super) chosen: RefCell<Chosen>,
    /// Held while it is decided which agent a prompt goes to, so that two never make two.
    pub(super) accepting: Mutex<()>,
    /// Tells each prompt that waits that the client cancels it.
    turns: RefCell<Vec<watch::Sender<bool>>>,
}

/// A choice of model, mode and options; those that are not named stay as they are.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Chosen {
    pub(super) model: Option<String>,
    pub(super) mode: Option<String>,
    pub(super) options: std::collections::BTreeMap<String, String>,
}

impl Chosen {
    /// What is chosen later counts.
    pub(super) fn take(&mut self, mut later: Self) {
        self.mode = later.mode.or(self.mode.take());
        self.model = later.model.or(self.model.take());
        self.options.append(&mut later.options);
    }
}

impl Session {
    /// A new session with an id that no other has.
    pub(super) fn new_id() -> String {
        format!("{PREFIX}{}", uuid::Uuid::new_v4())
    }

    /// The session with this id.
    ///
    /// # Errors
    /// When the id is none of ours, or the directory is not absolute.
    pub(super) fn open(
        id: &str,
        cwd: PathBuf,
        servers: &[McpServer],
        model: Option<String>,
    ) -> Result<Rc<Self>, Trouble> {
        let ours = id.strip_prefix(PREFIX).is_some_and(|uuid| uuid::Uuid::try_parse(uuid).is_ok());
        if !ours {
            return Err(Trouble::no_session(id));
        }
        if !cwd.is_absolute() {
            let message = format!("cwd is not an absolute path: {}", cwd.display());
            return Err(Trouble::bad_parameters(message));
        }
        let cwd = cwd
            .into_os_string()
            .into_string()
            .map_err(|_| Trouble::bad_parameters("cwd is not UTF-8"))?;
        Ok(Rc::new(Self {
            id: id.to_owned(),
            cwd,
            servers: servers
                .iter()
                .filter_map(|it| serde_json::to_value(it).ok().map(Named))
                .collect(),
            openclaw: openclaw_key(servers),
            offered: RefCell::default(),
            chosen: RefCell::new(Chosen { model, ..Chosen::default() }),
            accepting: Mutex::new(()),
            turns: RefCell::default(),
        }))
    }

    /// Announces a prompt; what comes back becomes true when the client cancels it.
    pub(super) fn begin_turn(&self) -> watch::Receiver<bool> {
        let (cancel, cancelled) = watch::channel(false);
        let mut turns = self.turns.borrow_mut();
        turns.retain(|turn| !turn.is_closed());
        turns.push(cancel);
        cancelled
    }

    /// Cancels every prompt that waits.
    pub(super) fn cancel(&self) {
        for turn in self.turns.borrow().iter() {
            let _ = turn.send(true);
        }
    }
}

/// The key of the OpenClaw session that the client works for.
fn openclaw_key(servers: &[McpServer]) -> Option<String> {
    let variables = servers.iter().filter_map(|server| match server {
        McpServer::Stdio(server) => Some(&server.env),
        _ => None,
    });
    let key =
        |variable: &EnvVariable| (variable.name == SESSION_KEY).then(|| variable.value.clone());
    variables.flatten().find_map(key).filter(|key| crate::model::check_session(key).is_ok())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn open(id: &str, cwd: &str, servers: serde_json::Value) -> Result<Rc<Session>, Trouble> {
        let servers: Vec<McpServer> = serde_json::from_value(servers).unwrap();
        Session::open(id, cwd.into(), &servers, None)
    }

    #[test]
    fn only_ids_of_ours_are_sessions() {
        assert!(open(&Session::new_id(), "/tmp", json!([])).is_ok());
        for id in ["", "dash-", "dash-1", "stand-in-0000", "dash-../../etc/passwd"] {
            let trouble = open(id, "/tmp", json!([])).err().unwrap();
            assert_eq!(trouble.to_json()["code"], -32_002, "{id}");
        }
        assert!(open(&Session::new_id(), "tmp", json!([])).is_err());
    }

    #[test]
    fn openclaws_key_is_found_among_its_servers() {
        let server = |name: &str, value: &str| json!({"name": "s", "command": "/bin/true", "args": [], "env": [{"name": name, "value": value}]});
        let servers = json!([server("OTHER", "x"), server(SESSION_KEY, "agent:dash:acp:1")]);
        let session = open(&Session::new_id(), "/tmp", servers).unwrap();
        assert_eq!(session.openclaw.as_deref(), Some("agent:dash:acp:1"));
        let broken = json!([server(SESSION_KEY, "a\nb")]);
        assert_eq!(open(&Session::new_id(), "/tmp", broken).unwrap().openclaw, None);
    }

    #[test]
    fn a_cancellation_reaches_every_prompt_that_waits() {
        let session = open(&Session::new_id(), "/tmp", json!([])).unwrap();
        let (first, second) = (session.begin_turn(), session.begin_turn());
        session.cancel();
        assert!(*first.borrow() && *second.borrow());
        assert!(!*session.begin_turn().borrow(), "the next one is another");
    }
}
