//! A small client of the Agent Client Protocol, for the real binary.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::env::{TestEnv, eventually};

/// A `dash acp` that runs, and everything that it has said. Killed when it is dropped.
pub struct Client {
    child: Child,
    stdin: Option<ChildStdin>,
    heard: Arc<Mutex<Vec<Value>>>,
    stderr: Arc<Mutex<String>>,
    last_id: u64,
}

impl Client {
    /// Starts one with these arguments after `acp`.
    pub fn start(env: &TestEnv, args: &[&str]) -> Self {
        Self::of(env.command([&["acp"], args].concat()))
    }

    /// Starts this command.
    pub fn of(mut command: Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        let (heard, stderr) =
            (Arc::<Mutex<Vec<Value>>>::default(), Arc::<Mutex<String>>::default());
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take().unwrap());
        let mut errors = child.stderr.take().unwrap();
        let (lines, words) = (Arc::clone(&heard), Arc::clone(&stderr));
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines() {
                let line = line.unwrap();
                let message = serde_json::from_str(&line).unwrap_or_else(
                    |error| json!({ "not JSON": line, "error": error.to_string() }),
                );
                lines.lock().unwrap().push(message);
            }
        });
        std::thread::spawn(move || {
            let mut part = [0; 4096];
            while let Ok(read @ 1..) = errors.read(&mut part) {
                words.lock().unwrap().push_str(&String::from_utf8_lossy(&part[..read]));
            }
        });
        Self { child, stdin, heard, stderr, last_id: 0 }
    }

    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap()
    }

    /// Everything heard so far.
    pub fn heard(&self) -> Vec<Value> {
        self.heard.lock().unwrap().clone()
    }

    pub fn stderr(&self) -> String {
        self.stderr.lock().unwrap().clone()
    }

    /// Writes a line as it is.
    pub fn write(&mut self, line: &[u8]) {
        let stdin = self.stdin.as_mut().unwrap();
        stdin.write_all(line).unwrap();
        stdin.write_all(b"\n").unwrap();
    }

    /// Tells it something.
    pub fn notify(&mut self, method: &str, params: &Value) {
        let line = json!({ "jsonrpc": "2.0", "method": method, "params": params });
        self.write(line.to_string().as_bytes());
    }

    /// Asks it something; the answer comes later.
    pub fn ask(&mut self, method: &str, params: &Value) -> u64 {
        self.last_id += 1;
        let id = self.last_id;
        let line = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        self.write(line.to_string().as_bytes());
        id
    }

    /// The answer with this id, if it is there: the whole message.
    pub fn answered(&self, id: u64) -> Option<Value> {
        self.heard()
            .into_iter()
            .find(|message| message["id"] == id && message.get("method").is_none())
    }

    /// The answer with this id.
    #[track_caller]
    pub fn answer(&self, id: u64) -> Value {
        eventually(&format!("request {id} is answered"), || {
            self.answered(id).ok_or_else(|| (self.heard(), self.stderr()))
        })
    }

    /// The result of a request.
    #[track_caller]
    pub fn call(&mut self, method: &str, params: &Value) -> Value {
        let id = self.ask(method, params);
        let answer = self.answer(id);
        assert!(answer.get("result").is_some(), "{method}: {answer}\n{}", self.stderr());
        answer["result"].clone()
    }

    /// The error of a request.
    #[track_caller]
    pub fn fail(&mut self, method: &str, params: &Value) -> Value {
        let id = self.ask(method, params);
        let answer = self.answer(id);
        assert!(answer.get("error").is_some(), "{method}: {answer}");
        answer["error"].clone()
    }

    #[track_caller]
    pub fn initialize(&mut self) -> Value {
        self.call("initialize", &json!({ "protocolVersion": 1, "clientCapabilities": {} }))
    }

    /// A new session in this home, for an OpenClaw session if there is one.
    #[track_caller]
    pub fn session(&mut self, env: &TestEnv, openclaw: Option<&str>) -> String {
        let params = opening(env, openclaw);
        self.call("session/new", &params)["sessionId"].as_str().unwrap().to_owned()
    }

    /// Sends a prompt, whose answer comes later.
    pub fn prompt(&mut self, session: &str, text: &str) -> u64 {
        let prompt = json!([{ "type": "text", "text": text }]);
        self.ask("session/prompt", &json!({ "sessionId": session, "prompt": prompt }))
    }

    /// Sends a prompt and waits for why its turn ended.
    #[track_caller]
    pub fn turn(&mut self, session: &str, text: &str) -> String {
        let id = self.prompt(session, text);
        self.stop_reason(id)
    }

    /// Why the turn of this prompt ended.
    #[track_caller]
    pub fn stop_reason(&self, prompt: u64) -> String {
        let answer = self.answer(prompt);
        let reason = answer["result"]["stopReason"].as_str();
        reason.unwrap_or_else(|| panic!("{answer}\n{}", self.stderr())).to_owned()
    }

    /// The updates of a session so far.
    pub fn updates(&self, session: &str) -> Vec<Value> {
        let heard = self.heard().into_iter();
        let ours = heard.filter(|message| {
            message["method"] == "session/update" && message["params"]["sessionId"] == session
        });
        ours.map(|message| message["params"]["update"].clone()).collect()
    }

    /// What was said in a session so far, under one kind of update.
    pub fn said(&self, session: &str, kind: &str) -> String {
        let updates = self.updates(session).into_iter();
        let said = updates.filter(|update| update["sessionUpdate"] == kind);
        said.filter_map(|update| update["content"]["text"].as_str().map(str::to_owned)).collect()
    }

    /// What the agent said in a session so far.
    pub fn text(&self, session: &str) -> String {
        self.said(session, "agent_message_chunk")
    }

    /// Waits until the agent has said this.
    #[track_caller]
    pub fn until_said(&self, session: &str, text: &str) {
        eventually(&format!("{text:?} is said"), || {
            let said = self.text(session);
            if said.contains(text) { Ok(()) } else { Err((said, self.stderr())) }
        });
    }

    /// Ends its input, and gives its exit code.
    #[track_caller]
    pub fn leave(mut self) -> Option<i32> {
        self.stdin = None;
        self.end()
    }

    /// Waits until it has ended, and gives its exit code.
    #[track_caller]
    pub fn end(mut self) -> Option<i32> {
        eventually("dash acp ends", || match self.child.try_wait().unwrap() {
            Some(status) => Ok(status.code()),
            None => Err(self.stderr()),
        })
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The parameters that open a session, as OpenClaw gives them when there is a key.
pub fn opening(env: &TestEnv, openclaw: Option<&str>) -> Value {
    let servers = openclaw.map_or(json!([]), |key| {
        let variable = json!({ "name": "OPENCLAW_TOOLS_MCP_AGENT_SESSION_KEY", "value": key });
        json!([{ "name": "openclaw-tools", "command": "true", "args": [], "env": [variable] }])
    });
    json!({ "cwd": env.work(), "mcpServers": servers })
}

/// The parameters that open a session that was there before.
pub fn reopening(env: &TestEnv, session: &str, openclaw: Option<&str>) -> Value {
    let mut params = opening(env, openclaw);
    params["sessionId"] = session.into();
    params
}

/// How long something takes.
pub fn timed<T>(what: impl FnOnce() -> T) -> (T, Duration) {
    let begin = Instant::now();
    (what(), begin.elapsed())
}
