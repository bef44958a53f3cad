//! `dash acp`, of which OpenClaw starts one for each child.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

use super::timed;
use crate::home::{Home, memory};
use crate::numbers::{DASH, RAW, Table};

/// A process that answers on standard output what comes on its standard input.
struct Spoken {
    child: Child,
    answers: BufReader<ChildStdout>,
}

impl Spoken {
    fn start(mut command: Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("it runs");
        let answers = BufReader::new(child.stdout.take().expect("its output"));
        Self { child, answers }
    }

    /// The result of a request; what comes before its answer is passed over.
    fn ask(&mut self, method: &str, params: &Value) -> Value {
        let line = json!({ "jsonrpc": "2.0", "id": method, "method": method, "params": params });
        writeln!(self.child.stdin.as_mut().expect("its input"), "{line}").expect("it reads");
        loop {
            let mut line = String::new();
            assert!(self.answers.read_line(&mut line).expect("it writes") > 0, "it goes on");
            let message: Value = serde_json::from_str(&line).expect("JSON");
            if message["id"] == method {
                return message["result"].clone();
            }
        }
    }
}

impl Drop for Spoken {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn dash_acp(home: &Home) -> Spoken {
    let mut command = home.dash();
    command.arg("acp");
    Spoken::start(command)
}

pub(super) fn measure(table: &mut Table, quick: bool) {
    let script = "default_profile = \"talk\"\n[profiles.talk]\nruntime = \"scripted\"\ntask = \"say {task}; repeat 9 wait\"\n";
    let home = Home::start(Home::directory(script));
    let rounds = if quick { 20 } else { 100 };
    let hello = json!({ "protocolVersion": 1 });
    let what = "first answer of `dash acp`, from its start";
    let echo =
        timed(rounds, || drop(Spoken::start(Command::new("/bin/cat")).ask("initialize", &hello)));
    table.samples(what, RAW, &echo);
    table.samples(what, DASH, &timed(rounds, || drop(dash_acp(&home).ask("initialize", &hello))));

    let mut one = dash_acp(&home);
    one.ask("initialize", &hello);
    let session = one.ask("session/new", &json!({ "cwd": "/", "mcpServers": [] }));
    let prompt = json!([{ "type": "text", "text": "hello" }]);
    let turn = json!({ "sessionId": session["sessionId"], "prompt": prompt });
    assert_eq!(one.ask("session/prompt", &turn)["stopReason"], "end_turn");
    let pid = u64::from(one.child.id());
    let what = "memory of one `dash acp` after a turn";
    table.figure(
        what,
        DASH,
        memory(pid, "Pss"),
        "MB",
        "what it shares with the daemon counted in parts",
    );
    let own = memory(pid, "Private_Dirty") + memory(pid, "Private_Clean");
    table.figure("of that, its own alone", DASH, own, "MB", "");
    table.figure("resident, with all that it shares", DASH, memory(pid, "Rss"), "MB", "");
}
