//! sandbox-agent: a daemon with an HTTP interface; output is an SSE stream for each process.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::stream::BoxStream;
use futures::{StreamExt, stream};
use serde_json::{Value, json};

use super::{Peer, Server, Way, block, command, home, until, version};
use crate::home::resident;

pub(crate) struct Sandbox {
    name: String,
    program: PathBuf,
    home: tempfile::TempDir,
    server: Server,
    port: u16,
    http: reqwest::Client,
}

/// A piece of output: its number in the process's own sequence, whether it is standard output, and its bytes.
pub(crate) struct Piece {
    pub(crate) sequence: u64,
    pub(crate) stdout: bool,
    pub(crate) bytes: Vec<u8>,
}

impl Sandbox {
    pub(crate) fn start(place: &Path) -> Option<Self> {
        let program = place.join("sandbox-agent");
        if !program.exists() {
            return None;
        }
        let home = home("sandbox");
        let version = version(command(&program, home.path()).arg("--version"));
        let (server, port) = serve(&program, home.path());
        let http = reqwest::Client::builder().no_proxy().build().expect("a client");
        let name = format!("sandbox-agent {version}");
        let sandbox = Self { name, program, home, server, port, http };
        sandbox.ready();
        Some(sandbox)
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}/v1/{path}", self.port)
    }

    /// Answers, and takes 2,000 processes: it takes 64 unless it is told.
    fn ready(&self) {
        let config = json!({
            "maxConcurrentProcesses": 2000, "defaultRunTimeoutMs": 30000, "maxRunTimeoutMs": 300_000,
            "maxOutputBytes": 1_048_576, "maxLogBytesPerProcess": 10_485_760, "maxInputBytesPerRequest": 65536,
        });
        until("sandbox-agent answers", || {
            block(async {
                let answer =
                    self.http.post(self.url("processes/config")).json(&config).send().await;
                answer.is_ok_and(|answer| answer.status().is_success())
            })
        });
    }

    /// Starts a process; its id.
    pub(crate) async fn start_one(&self, agent: &[String]) -> String {
        let body = json!({"command": agent[0], "args": agent[1..]});
        let answer =
            self.http.post(self.url("processes")).json(&body).send().await.expect("an answer");
        let answer: Value = answer.json().await.expect("JSON");
        answer["id"].as_str().expect("an id").to_owned()
    }

    /// What a process prints, from its beginning.
    pub(crate) async fn follow(&self, id: &str) -> BoxStream<'static, Piece> {
        let url = self.url(&format!("processes/{id}/logs?follow=true"));
        let answer = self.http.get(url).send().await.expect("a stream");
        let mut rest = Vec::new();
        let chunks = answer.bytes_stream().flat_map(move |chunk| {
            rest.extend_from_slice(&chunk.unwrap_or_default());
            let mut pieces = Vec::new();
            let mut begin = 0;
            while let Some(at) = rest[begin..].iter().position(|byte| *byte == b'\n') {
                pieces.extend(piece(&rest[begin..begin + at]));
                begin += at + 1;
            }
            rest.drain(..begin);
            stream::iter(pieces)
        });
        chunks.boxed()
    }

    async fn processes(&self) -> Vec<Value> {
        let answer = self.http.get(self.url("processes")).send().await.expect("an answer");
        let answer: Value = answer.json().await.expect("JSON");
        answer["processes"].as_array().cloned().unwrap_or_default()
    }
}

fn piece(line: &[u8]) -> Option<Piece> {
    let data: Value = serde_json::from_slice(line.strip_prefix(b"data:")?).ok()?;
    Some(Piece {
        sequence: data["sequence"].as_u64()?,
        stdout: data["stream"] == "stdout",
        bytes: STANDARD.decode(data["data"].as_str()?).ok()?,
    })
}

fn serve(program: &Path, home: &Path) -> (Server, u16) {
    let free = TcpListener::bind(("127.0.0.1", 0)).and_then(|free| free.local_addr());
    let port = free.expect("a free port").port();
    let mut server = command(program, home);
    server.args(["server", "--no-token", "--no-telemetry", "--port", &port.to_string()]);
    let server = server.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    (Server(server.expect("sandbox-agent runs")), port)
}

impl Peer for Sandbox {
    fn name(&self) -> &str {
        &self.name
    }

    fn spawn(&self, agent: &[String]) {
        block(self.start_one(agent));
    }

    fn spawn_many(&self, agent: &[String], count: usize) {
        block(stream::iter(0..count).for_each_concurrent(32, |_| async {
            self.start_one(agent).await;
        }));
    }

    fn running(&self) -> usize {
        block(self.processes()).iter().filter(|one| one["status"] == "running").count()
    }

    /// Its own command did not come back offline.
    fn ways(&self) -> &'static [Way] {
        &[Way::Api]
    }

    fn list(&self, _: Way) {
        block(self.processes());
    }

    fn memory(&self) -> f64 {
        resident(self.server.pid().into())
    }

    fn crash(&mut self) {
        self.server.kill();
        (self.server, self.port) = serve(&self.program, self.home.path());
        self.ready();
    }

    fn kill_first(&self) {
        block(async {
            for one in self.processes().await {
                let id = one["id"].as_str().unwrap_or_default().to_owned();
                let _ = self.http.post(self.url(&format!("processes/{id}/kill"))).send().await;
            }
        });
    }
}
