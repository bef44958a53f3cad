//! ACP's `terminal/*` methods: commands that a harness has us run, and whose output it asks for.
//!
//! A terminal is a process of the agent: it is born in its control group, has the agent's id in its
//! environment, and dies with it. The keeper starts it, its output goes to a file of its own, and its name
//! follows from the request that made it: so it outlives the daemon, and one that comes back finds it in the
//! agent's directory.

use std::collections::BTreeMap;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use agent_client_protocol::v1::schema::{
    CreateTerminalRequest, CreateTerminalResponse, KillTerminalRequest, KillTerminalResponse,
    ReleaseTerminalRequest, ReleaseTerminalResponse, TerminalExitStatus, TerminalOutputRequest,
    TerminalOutputResponse, WaitForTerminalExitRequest, WaitForTerminalExitResponse,
};
use serde::Serialize;
use serde_json::{Value, json};

use super::asks::{Work, request};
use super::files::Outcome;
use super::policy::{self, Wish, judge};
use super::session::{Out, Query, Session, What};
use super::wire::{INTERNAL, INVALID_PARAMS};
use crate::model::{Agent, AgentId, Permissions, Process};
use crate::runtime::attempt::kill;
use crate::runtime::command::Parts;
use crate::runtime::keeper::{Ended, Ending, Record, SpawnFailure, Start};
use crate::runtime::proc::AGENT_VARIABLE;
use crate::runtime::{bound, program, tree};

/// Terminals that an agent may have at once.
const TERMINALS_MAX: usize = 32;
/// Bytes of output that are given at most.
const OUTPUT_MAX: u64 = 1024 * 1024;
/// Characters of a command that people are shown.
const SHOWN: usize = 200;
/// How often a start is tried when keepers die under it.
const ATTEMPTS: usize = 5;
/// How long the keeper may take to see that a terminal was killed.
const REAPING: Duration = Duration::from_secs(5);

/// A command that is to be run, after the policy or people have allowed it.
#[derive(Debug, Clone)]
pub(super) struct Create {
    request: Box<CreateTerminalRequest>,
    /// Where its working directory led when permission was given.
    place: PathBuf,
}

/// Something about a terminal that needs no permission.
#[derive(Debug, Clone, Copy)]
pub(super) enum Order {
    Output(AgentId),
    Kill(AgentId),
    Release(AgentId),
}

impl Session {
    /// `terminal/create`: the policy or people decide.
    pub(super) fn create_terminal(&mut self, query: &Query, params: Value) {
        let request: CreateTerminalRequest = match serde_json::from_value(params) {
            Ok(request) => request,
            Err(error) => return self.answer(query, Err((INVALID_PARAMS, error.to_string()))),
        };
        let cwd = Path::new(&self.spec.cwd);
        let place = policy::leads_to(cwd, request.cwd.as_deref().unwrap_or(cwd));
        let words = [&request.command].into_iter().chain(&request.args);
        let words: Vec<&str> = words.map(String::as_str).collect();
        let line: String = words.join(" ").chars().take(SHOWN).collect();
        let variables: Vec<&str> = request.env.iter().map(|it| it.name.as_str()).collect();
        let tool_call = json!({
            "title": format!("run {line}"),
            "kind": "execute",
            "locations": [{ "path": place.display().to_string() }],
            "rawInput": { "command": request.command, "args": request.args, "env": variables },
        });
        let permission = request_of(query, tool_call);
        let verdict = judge(self.spec.conversation.permissions, cwd, Wish::Run);
        let work = Work::Run(Create { request: Box::new(request), place });
        self.decide(query, permission, Some(work), verdict);
    }

    /// The other methods, about a terminal that is there.
    pub(super) fn terminal(&mut self, query: &Query, method: &str, params: Value) {
        match order(method, params) {
            Ok(Method::Now(order)) => {
                let key = self.answer_key(query);
                self.outbox.push_back(Out { key, what: What::Order(query.clone(), order) });
            }
            Ok(Method::Wait(terminal)) => self.waits.push((query.clone(), terminal)),
            Err(error) => self.answer(query, Err((INVALID_PARAMS, error))),
        }
    }

    /// What a terminal is called that this request makes.
    pub(super) fn terminal_id(&self, query: &Query) -> AgentId {
        // The key of its answer tells this request from all others of the agent.
        AgentId::from_bits(super::wire::bits(
            self.id,
            &format!("terminal {}", self.answer_key(query)),
        ))
    }
}

fn request_of(query: &Query, tool_call: Value) -> crate::model::Permission {
    request(query, "terminal/create", Value::Null, tool_call)
}

enum Method {
    Now(Order),
    Wait(AgentId),
}

fn order(method: &str, params: Value) -> Result<Method, String> {
    fn read<T: serde::de::DeserializeOwned>(params: Value) -> Result<T, String> {
        serde_json::from_value(params).map_err(|error| error.to_string())
    }
    let id = |id: &str| id.parse::<AgentId>().map_err(|_| format!("there is no terminal {id:?}"));
    Ok(match method {
        "terminal/output" => {
            Method::Now(Order::Output(id(&read::<TerminalOutputRequest>(params)?.terminal_id.0)?))
        }
        "terminal/kill" => {
            Method::Now(Order::Kill(id(&read::<KillTerminalRequest>(params)?.terminal_id.0)?))
        }
        "terminal/release" => {
            Method::Now(Order::Release(id(&read::<ReleaseTerminalRequest>(params)?.terminal_id.0)?))
        }
        _ => Method::Wait(id(&read::<WaitForTerminalExitRequest>(params)?.terminal_id.0)?),
    })
}

/// Where an agent's terminals are, one directory each.
fn home(agent: &Path) -> PathBuf {
    agent.join("terminals")
}

/// The terminals that an agent has, by its directory.
pub(super) fn all(agent: &Path) -> Vec<AgentId> {
    let entries = std::fs::read_dir(home(agent)).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// An agent as the owner of terminals.
pub(super) struct Owner<'a> {
    pub(super) parts: &'a Parts,
    pub(super) agent: &'a Agent,
    /// The harness.
    pub(super) leader: Option<Process>,
}

impl Owner<'_> {
    fn dir(&self, terminal: AgentId) -> PathBuf {
        home(&self.parts.dir(self.agent.id)).join(terminal.as_str())
    }

    /// The directory of a terminal that is there.
    fn find(&self, terminal: AgentId) -> Result<PathBuf, (i64, String)> {
        let dir = self.dir(terminal);
        if dir.is_dir() {
            return Ok(dir);
        }
        Err((INVALID_PARAMS, format!("there is no terminal {:?}", terminal.as_str())))
    }

    /// Starts one. Asked again, it is the same.
    pub(super) async fn create(&self, terminal: AgentId, create: &Create) -> Outcome {
        let refused = |reason: String| (INVALID_PARAMS, reason);
        let dir = self.dir(terminal);
        if !Record::read(&dir).begun {
            if all(&self.parts.dir(self.agent.id)).len() >= TERMINALS_MAX {
                return Err(refused(format!("it has {TERMINALS_MAX} terminals; release some")));
            }
            let start = self.start(terminal, create).map_err(refused)?;
            prepare(&dir, create.request.output_byte_limit)
                .map_err(|error| (INTERNAL, error.to_string()))?;
            if let Err(reason) = self.spawn(start).await {
                let _ = tokio::fs::remove_dir_all(&dir).await;
                return Err(refused(reason));
            }
        }
        result(&CreateTerminalResponse::new(terminal.to_string()))
    }

    async fn spawn(&self, start: Start) -> Result<(), String> {
        let dir = start.dir.clone();
        for _ in 0..ATTEMPTS {
            match self.parts.keeper.spawn(start.clone()).await {
                Ok(_) => return Ok(()),
                // A keeper that died may have started it; then it is never started again.
                Err(SpawnFailure::Lost) if Record::read(&dir).begun => return Ok(()),
                Err(SpawnFailure::Lost) => {}
                Err(other) => return Err(other.to_string()),
            }
        }
        Err(SpawnFailure::Lost.to_string())
    }

    fn start(&self, terminal: AgentId, create: &Create) -> Result<Start, String> {
        let Create { request, place } = create;
        let own = Path::new(&self.agent.spec.cwd);
        let now = policy::leads_to(own, request.cwd.as_deref().unwrap_or(own));
        if self.agent.spec.conversation.permissions == Permissions::Ask && now != *place {
            return Err("its directory leads elsewhere than when permission was given".to_owned());
        }
        let cwd = program::check_cwd(&now.display().to_string())?;
        let mut env = self.environment();
        env.extend(request.env.iter().map(|it| (it.name.clone(), it.value.clone())));
        env.insert(AGENT_VARIABLE.to_owned(), self.agent.id.to_string());
        let path = env.get("PATH").map(String::as_str);
        let program =
            program::find(&request.command, path, &cwd).map_err(|missing| missing.to_string())?;
        let argv = [&request.command].into_iter().chain(&request.args).cloned().collect();
        Ok(Start {
            agent: terminal,
            program,
            argv,
            env,
            cwd,
            dir: self.dir(terminal),
            stdin: false,
            processes_max: None,
            terminal_of: Some(self.agent.id),
            spawned: None,
            // More than that of its end is never shown.
            stdout_max: Some(OUTPUT_MAX),
            stderr_max: None,
        })
    }

    /// The harness's own environment, without what is named like a secret and without the keys of any
    /// profile: those are for the harness, which can still hand them on by name.
    fn environment(&self) -> BTreeMap<String, String> {
        let environ = self.leader.and_then(|leader| {
            let environ = std::fs::read(format!("/proc/{}/environ", leader.pid)).ok()?;
            crate::runtime::proc::lives(leader).then_some(environ)
        });
        let environ = environ.unwrap_or_default();
        let pairs = environ.split(|byte| *byte == 0).filter_map(|pair| {
            let (name, value) = std::str::from_utf8(pair).ok()?.split_once('=')?;
            let secret = is_secret(name) || self.parts.secrets.contains(name);
            (!secret).then(|| (name.to_owned(), value.to_owned()))
        });
        pairs.collect()
    }

    pub(super) async fn carry_out(&self, order: Order) -> Outcome {
        match order {
            Order::Output(terminal) => self.output(terminal),
            Order::Kill(terminal) => {
                self.find(terminal)?;
                self.kill(terminal).await?;
                result(&KillTerminalResponse::new())
            }
            Order::Release(terminal) => {
                let dir = self.find(terminal)?;
                self.kill(terminal).await?;
                self.parts.keeper.forget(terminal).await;
                let _ = tokio::fs::remove_dir_all(&dir).await;
                result(&ReleaseTerminalResponse::new())
            }
        }
    }

    fn output(&self, terminal: AgentId) -> Outcome {
        let dir = self.find(terminal)?;
        let limit = std::fs::read_to_string(dir.join(LIMIT)).ok();
        let limit = limit.and_then(|limit| limit.parse().ok()).unwrap_or(OUTPUT_MAX);
        let ended = Record::read(&dir).ended;
        let (output, truncated) = tail(&dir.join("stdout"), limit)
            .map_err(|error| (INTERNAL, format!("its output cannot be read: {error}")))?;
        let response = TerminalOutputResponse::new(output, truncated);
        result(&match ended {
            Some(ended) => response.exit_status(status(Some(ended))),
            None => response,
        })
    }

    /// Kills its process group and what descends from it. What has left both is killed with the agent.
    async fn kill(&self, terminal: AgentId) -> Result<(), (i64, String)> {
        let record = Record::read(&self.dir(terminal));
        if record.ended.is_some() {
            return Ok(());
        }
        if !kill(&self.parts.tree(terminal, record.process)).await {
            return Err((INTERNAL, "some of its processes could not be killed".to_owned()));
        }
        let _ = tokio::time::timeout(REAPING, self.ended(terminal)).await;
        Ok(())
    }

    /// `terminal/wait_for_exit`.
    pub(super) async fn wait(&self, terminal: AgentId) -> Outcome {
        self.find(terminal)?;
        let ended = self.ended(terminal).await;
        result(&WaitForTerminalExitResponse::new(status(ended)))
    }

    /// Resolves when its process has ended, with how, as far as that is known.
    async fn ended(&self, terminal: AgentId) -> Option<Ended> {
        let dir = self.dir(terminal);
        let record = Record::read(&dir);
        if record.ended.is_some() {
            return record.ended;
        }
        if let Ending::Ended(ended) = self.parts.keeper.exited(terminal).await {
            return Some(ended);
        }
        // The keeper that started it is dead.
        if let Some(process) = record.process {
            let _ = tree::end_of(process).await;
        }
        Record::read(&dir).ended
    }
}

fn is_secret(name: &str) -> bool {
    ["_KEY", "_TOKEN", "_SECRET", "_PASSWORD"].iter().any(|end| name.ends_with(end))
}

/// The file in a terminal's directory with the bytes of output that the harness wants at most.
const LIMIT: &str = "limit";

fn prepare(dir: &Path, limit: Option<u64>) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    let limit = limit.unwrap_or(OUTPUT_MAX).min(OUTPUT_MAX);
    std::fs::write(dir.join(LIMIT), limit.to_string())
}

/// The last bytes of the output, from a character's beginning on, and whether there were more.
fn tail(path: &Path, limit: u64) -> std::io::Result<(String, bool)> {
    let mut file = std::fs::File::open(path)?;
    let size = file.metadata()?.len();
    let from = size.saturating_sub(limit);
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.take(limit).read_to_end(&mut bytes)?;
    // What nobody will ask for any more need not fill the disk.
    let _ = bound::give_back(path, 0, size);
    let continued = bytes.iter().take(3).take_while(|byte| **byte & 0xC0 == 0x80).count();
    let begin = if from > 0 { continued } else { 0 };
    Ok((String::from_utf8_lossy(&bytes[begin..]).into_owned(), from > 0))
}

fn status(ended: Option<Ended>) -> TerminalExitStatus {
    let ended = ended.unwrap_or_default();
    TerminalExitStatus::new()
        .exit_code(ended.code.and_then(|code| u32::try_from(code).ok()))
        .signal(ended.signal.map(|signal| signal.to_string()))
}

fn result(response: &impl Serialize) -> Outcome {
    serde_json::to_value(response).map_err(|error| (INTERNAL, error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_output_is_cut_from_its_beginning_at_a_character() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("stdout");
        std::fs::write(&path, "aé€b").unwrap();
        let tail = |limit| tail(&path, limit).unwrap();
        assert_eq!(tail(100), ("aé€b".to_owned(), false));
        assert_eq!(tail(7), ("aé€b".to_owned(), false));
        assert_eq!(tail(6), ("é€b".to_owned(), true));
        assert_eq!(tail(5), ("€b".to_owned(), true));
        assert_eq!(tail(3), ("b".to_owned(), true));
        assert_eq!(tail(0), (String::new(), true));
    }

    #[test]
    fn names_of_secrets_are_known() {
        for name in ["OPENAI_API_KEY", "GH_TOKEN", "A_SECRET", "DB_PASSWORD"] {
            assert!(is_secret(name), "{name}");
        }
        assert!(!is_secret("PATH") && !is_secret("KEYBOARD"));
    }
}
