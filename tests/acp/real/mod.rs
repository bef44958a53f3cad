//! Real harnesses: pinned, from npm, each in a home of its own, offline. Only their language model is scripted.
//!
//! Both go through the same life: a turn that streams, a second one, a question that is allowed and one that is
//! denied, a turn that is ended, a death, the same session in another process, and a kill.

mod model;

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use self::model::Model;
use super::{events, said, waits};
use crate::env::{Output, TestEnv, alive, eventually};

/// Nothing listens there: whoever wants to go anywhere but to the loopback fails at once.
const NOWHERE: &str = "http://127.0.0.1:9";

/// A built-in profile, and what its harness needs to talk to the scripted model and to nobody else.
struct Real {
    profile: &'static str,
    /// Files in its home.
    files: Vec<(&'static str, String)>,
    env: Vec<(&'static str, String)>,
    /// The mode in which it asks people.
    mode: Option<&'static str>,
    /// The tool that runs a command, and its arguments for one.
    call: fn(&str) -> String,
}

/// A home with the harness ready in it.
struct Lab {
    env: TestEnv,
    real: Real,
    bin: PathBuf,
}

impl Lab {
    fn new(real: Real) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/acp/real/install");
        let installed = Command::new(script).output().unwrap();
        assert!(installed.status.success(), "{installed:?}");
        let bin = PathBuf::from(String::from_utf8(installed.stdout).unwrap().trim());
        let env = TestEnv::new();
        for (name, content) in &real.files {
            let path = env.home().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        Self { env, real, bin }
    }

    /// `dash` with the harness on the PATH.
    fn run(&self, args: &[&str]) -> Output {
        let path = format!("{}:/usr/local/bin:/usr/bin:/bin", self.bin.display());
        let child = self.env.command(args).env("PATH", path).spawn().unwrap();
        let output = child.wait_with_output().unwrap();
        Output {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    fn spawn(&self, args: &[&str]) {
        let proxies = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"];
        let proxies = proxies.map(|name| (name, NOWHERE.to_owned()));
        let own =
            self.real.env.iter().chain(&proxies).map(|(name, value)| format!("{name}={value}"));
        let own: Vec<String> =
            own.chain(["NO_PROXY=127.0.0.1".to_owned(), "no_proxy=127.0.0.1".to_owned()]).collect();
        let mut all = vec!["spawn", "--agent", self.real.profile];
        all.extend(own.iter().flat_map(|own| ["-e", own]));
        all.extend(self.real.mode.iter().flat_map(|mode| ["--mode", mode]));
        all.extend(args);
        let _ = self.run(&all).success();
    }

    fn until(&self, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        self.env.until("real", what, holds)
    }
}

/// A turn that is in the middle of an answer, so far.
fn shows(env: &TestEnv, text: &str) {
    let args = ["logs", "real"];
    eventually("the beginning of the answer is told", || {
        let told = env.run(args).success().stdout;
        if told.contains(text) { Ok(()) } else { Err(told) }
    });
}

fn life(model: &Model, real: Real) {
    let lab = Lab::new(real);
    let env = &lab.env;
    let made = |name: &str| env.work().join(name).exists();
    let asks = |agent: &Value| agent["asks"].is_object();

    // What it says is told while it says it.
    lab.spawn(&["-l", "real", "--permissions", "ask", "HOLD first SAY sphinx of quartz"]);
    shows(env, "sphinx");
    let agent = env.agent("real");
    assert_eq!((&agent["status"], &agent["turn"]), (&"running".into(), &1.into()), "{agent}");
    model.release("first");
    let agent = lab.until("its turn is over", waits);
    assert!(agent["result"].as_str().unwrap().ends_with("sphinx of quartz"), "{agent}");

    let reply = env.run(["send", "--wait", "real", "SAY judge my vow"]).success();
    assert!(reply.stdout.trim_end().ends_with("judge my vow"), "{reply:?}");

    // It asks before it runs a command, and the answer counts.
    let allowed = format!("CALL {} SAY it went", (lab.real.call)("touch allowed && echo fine"));
    let _ = env.run(["send", "real", &allowed]).success();
    let agent = lab.until("it asks", asks);
    assert_eq!(agent["asks"]["toolCall"]["kind"], "execute", "{agent}");
    assert!(!made("allowed"));
    let _ = env.run(["allow", "real"]).success();
    lab.until("its turn is over", waits);
    assert!(made("allowed"));
    let _ = env
        .run(["send", "real", &format!("CALL {} SAY no", (lab.real.call)("touch denied"))])
        .success();
    lab.until("it asks again", asks);
    let _ = env.run(["deny", "real"]).success();
    lab.until("its turn is over", waits);
    assert!(!made("denied"));

    // A turn is ended in the middle of an answer, and the agent goes on.
    let _ = env.run(["send", "real", "HOLD never SAY unending story"]).success();
    shows(env, "unending");
    let agent = env.run(["kill", "--turn", "--json", "real"]).success().one();
    assert_eq!(agent["status"], "waiting", "{agent}");
    let reply = env.run(["send", "--wait", "real", "SAY still here"]).success();
    assert!(reply.stdout.trim_end().ends_with("still here"), "{reply:?}");

    // The daemon dies and comes back; the harness stays.
    env.kill_daemon();
    let reply = env.run(["send", "--wait", "real", "SAY survived"]).success();
    assert!(reply.stdout.trim_end().ends_with("survived"), "{reply:?}");

    let agent = env.agent("real");
    let pid = i32::try_from(agent["pid"].as_i64().unwrap()).unwrap();
    let _ = env.run(["kill", "real"]).success();
    assert!(!alive(pid));
    let told = events(env, "real");
    assert!(!said(&told, "message").contains("story"), "{told:?}");
    // Codex ends a turn whose command is denied, so that the fifth is not the only one.
    let fifth = told.iter().find(|it| it["type"] == "agent.waiting" && it["data"]["turn"] == 5);
    assert_eq!(fifth.unwrap()["data"]["stop_reason"], "cancelled", "{fifth:?}");
    assert!(told.iter().any(|it| it["type"] == "agent.tool_call"), "{told:?}");
    assert!(told.iter().any(|it| it["data"]["agentInfo"]["version"].is_string()), "{told:?}");

    // Its session goes on in another process.
    lab.spawn(&["-l", "again", "--resume", agent["id"].as_str().unwrap(), "SAY resumed"]);
    let again = env.until("again", "its turn is over", waits);
    assert_eq!(again["harness_session"], agent["harness_session"]);
    assert!(again["result"].as_str().unwrap().ends_with("resumed"), "{again}");
    assert!(model.was_asked("SAY resumed"));
}

#[test]
fn heavy_opencode_lives_a_whole_life() {
    let model = Model::start();
    let config = serde_json::json!({
        "autoupdate": false, "share": "disabled",
        "model": "scripted/scripted", "small_model": "scripted/scripted",
        "provider": {"scripted": {
            "npm": "@ai-sdk/openai-compatible", "name": "Scripted",
            "options": {"baseURL": model.url(), "apiKey": "none"},
            "models": {"scripted": {"name": "Scripted"}},
        }},
        "permission": {"bash": "ask", "edit": "ask"},
    });
    let real = Real {
        profile: "opencode",
        files: vec![(".config/opencode/opencode.json", config.to_string())],
        env: vec![("OPENCODE_DISABLE_MODELS_FETCH", "1".to_owned())],
        mode: None,
        call: |command| format!(r#"bash {{"command":"{command}","description":"run it"}}"#),
    };
    life(&model, real);
}

#[test]
fn heavy_codex_lives_a_whole_life() {
    let model = Model::start();
    let config = format!(
        "model = \"scripted\"\nmodel_provider = \"scripted\"\n\
         [model_providers.scripted]\nname = \"Scripted\"\nbase_url = \"{}\"\nwire_api = \"responses\"\n",
        model.url()
    );
    let real = Real {
        profile: "codex",
        files: vec![(".codex/config.toml", config)],
        env: Vec::new(),
        mode: Some("read-only"),
        // It asks when the model wants to leave the sandbox.
        call: |command| {
            format!(
                r#"exec_command {{"cmd":"{command}","sandbox_permissions":"require_escalated","justification":"a test"}}"#
            )
        },
    };
    life(&model, real);
}
