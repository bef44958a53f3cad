//! What is still to be done, as commands: of OpenClaw, or of this program.

use std::path::Path;

use serde::Serialize;
use serde_json::{Value, json};

use super::site::Site;
use crate::cli::{Context, Failure, exit};
use crate::client::{Client, ClientError, Target};
use crate::openclaw::setup::{
    AGENT, Look, Part, Program, RULE_FOR, Setting, Undo, Wanted, has_rule, quoted,
};

/// The name of the key that OpenClaw's model provider uses.
pub(super) const KEY: &str = "openclaw";

/// Whose command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    OpenClaw,
    Dash,
}

/// One command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) by: By,
    /// What it is for.
    pub(super) why: &'static str,
    pub(super) arguments: Vec<String>,
}

impl Step {
    fn new(by: By, why: &'static str, arguments: &[&str]) -> Self {
        Self { by, why, arguments: arguments.iter().map(|word| (*word).to_owned()).collect() }
    }
}

/// A step as `--json` prints it.
#[derive(Debug, Serialize)]
struct StepLine<'a> {
    piece: &'a str,
    command: Vec<String>,
    done: bool,
}

/// The steps to what is wanted.
pub(super) async fn to_install(
    parts: &[Part],
    wanted: &Wanted,
    site: &Site,
    look: Option<&Look>,
    context: &Context,
) -> Result<Vec<Step>, Failure> {
    let config = site.config()?;
    let mut steps = Vec::new();
    for part in parts {
        if *part == Part::Allowlist {
            let old = site.record.as_ref().map(|record| &record.program);
            if let Some(old) = old.filter(|old| **old != wanted.program) {
                steps.push(rule("remove", old));
            }
            if !look.is_some_and(|look| has_rule(&look.approvals, &wanted.program)) {
                steps.push(rule("add", &wanted.program));
            }
            continue;
        }
        if *part == Part::Provider {
            steps.extend(reachable(wanted, context).await?);
        }
        let missing = wanted.missing(*part, &config);
        if !missing.is_empty() {
            steps.push(set(why(*part), &missing));
        }
    }
    Ok(steps)
}

const fn why(part: Part) -> &'static str {
    match part {
        Part::Allowlist => {
            "exec in mode allowlist may run dashctl, and with it whatever that spawns"
        }
        Part::Acp => "sessions_spawn with runtime \"acp\" and agentId \"dash\" runs in Dash",
        Part::Provider => "a plain sessions_spawn with agentId \"dash\" runs in Dash",
    }
}

fn rule(verb: &str, program: &Path) -> Step {
    let program = program.to_string_lossy();
    let words = ["approvals", "allowlist", verb, "--agent", RULE_FOR, &program];
    Step::new(By::OpenClaw, why(Part::Allowlist), &words)
}

/// One command that sets all of them, or nothing.
fn set(why: &'static str, settings: &[Setting]) -> Step {
    let batch: Vec<Value> = settings
        .iter()
        .map(|setting| match setting.path.strip_prefix("secrets.providers.") {
            Some(_) => json!({ "path": setting.path, "provider": setting.value }),
            None => json!({ "path": setting.path, "value": setting.value }),
        })
        .collect();
    let batch = Value::from(batch).to_string();
    Step::new(By::OpenClaw, why, &["config", "set", "--batch-json", &batch])
}

/// What it takes until the daemon answers OpenClaw's model provider.
async fn reachable(wanted: &Wanted, context: &Context) -> Result<Vec<Step>, Failure> {
    let mut steps = Vec::new();
    let why = "OpenClaw gets a key of its own, which stays in that file";
    let file = wanted.key_file.to_string_lossy();
    if !wanted.key_file.exists() {
        let keys = context.daemon().await?.keys().await?;
        if keys.iter().any(|key| key.name == KEY) {
            steps.push(Step::new(By::Dash, why, &["keys", "revoke", KEY]));
        }
        let words = ["keys", "add", KEY, "--scope", "operate", "--file", &file];
        steps.push(Step::new(By::Dash, why, &words));
    }
    let why = "the daemon listens where OpenClaw asks; it always takes a key there";
    if context.config()?.daemon.listen.is_none() {
        let words = ["config", "set", "daemon.listen", &wanted.listen];
        steps.push(Step::new(By::Dash, why, &words));
    }
    if context.running_daemon().await?.is_some() && !listens(&wanted.listen).await {
        let why = "a daemon reads its configuration when it starts; agents run on";
        steps.push(Step::new(By::Dash, why, &["shutdown"]));
        steps.push(Step::new(By::Dash, why, &["status", "--quiet"]));
    }
    Ok(steps)
}

/// Whether a daemon answers at this TCP address; without a key it only says that it wants one.
async fn listens(address: &str) -> bool {
    let target = Target::Url { url: format!("http://{address}"), key: None, ca: None };
    match Client::new(&target) {
        Ok(client) => !matches!(client.health().await, Err(ClientError::Unreachable { .. })),
        Err(_) => false,
    }
}

/// The steps that take everything out again.
pub(super) fn to_uninstall(
    site: &Site,
    look: Option<&Look>,
    has_key: bool,
) -> Result<Vec<Step>, Failure> {
    let config = site.config()?;
    let before = site.record.as_ref().map(|record| record.before.clone()).unwrap_or_default();
    let mut steps = Vec::new();
    // When the gateway cannot be asked: taking away a rule that is not there is no error.
    let program = site.record.as_ref().map_or(&site.files.program, |record| &record.program);
    if look.is_none_or(|look| has_rule(&look.approvals, program)) {
        steps.push(rule("remove", program));
    }
    let why = "OpenClaw's configuration is as it was";
    for undo in before.undo(&config, &site.state_dir.join("workspace")) {
        steps.push(match undo {
            Undo::Set(setting) => set(why, &[setting]),
            Undo::Shorten(Setting { path, value }) => {
                let words =
                    ["config", "set", &path, &value.to_string(), "--strict-json", "--replace"];
                Step::new(By::OpenClaw, why, &words)
            }
            Undo::Unset(path) => Step::new(By::OpenClaw, why, &["config", "unset", &path]),
            Undo::DeleteAgent => Step::new(
                By::OpenClaw,
                "the agent dash, its sessions and its workspace",
                &["agents", "delete", AGENT, "--force"],
            ),
        });
    }
    if has_key {
        steps.push(Step::new(By::Dash, "the key of OpenClaw", &["keys", "revoke", KEY]));
    }
    for key in site.record.iter().flat_map(|record| &record.own) {
        let why = "Dash's own configuration is as it was";
        steps.push(Step::new(By::Dash, why, &["config", "unset", key]));
    }
    Ok(steps)
}

/// Shows the steps, and runs them if that is asked for.
///
/// # Errors
/// Exit code 1 with the first one that fails; those before it stand.
pub(super) async fn carry_out(
    steps: &[Step],
    apply: bool,
    site: &Site,
    context: &Context,
) -> Result<(), Failure> {
    let dash = Program { path: site.files.program.clone(), environment: Vec::new() };
    let plain = Program { path: "openclaw".into(), environment: Vec::new() };
    let needs_openclaw = steps.iter().any(|step| step.by == By::OpenClaw);
    if apply && needs_openclaw && site.program.is_none() {
        return Err(Failure::new(exit::FAILED, "no_openclaw", "`openclaw` is not on the PATH")
            .hinted("name it: --openclaw FILE"));
    }
    let openclaw = site.program.as_ref().unwrap_or(&plain);
    let mut said = "";
    for step in steps {
        let shown = match step.by {
            By::OpenClaw => openclaw.shown(&step.arguments),
            By::Dash => words("dash", &step.arguments),
        };
        if !context.show.json && !context.show.quiet && said != step.why {
            said = step.why;
            context.show.line(&format!("# {said}"))?;
        }
        if !context.show.json {
            context.show.line(&crate::cli::show::clean(&shown))?;
        }
        if apply {
            let program = if step.by == By::Dash { &dash } else { openclaw };
            run(program, step, &shown).await?;
        }
        if context.show.json {
            let mut command =
                vec![if step.by == By::Dash { "dash" } else { "openclaw" }.to_owned()];
            command.extend(step.arguments.iter().cloned());
            context.show.json_line(&StepLine { piece: step.why, command, done: apply })?;
        }
    }
    Ok(())
}

fn words(program: &str, arguments: &[String]) -> String {
    let words: Vec<String> = arguments.iter().map(|word| quoted(word)).collect();
    format!("{program} {}", words.join(" "))
}

async fn run(program: &Program, step: &Step, shown: &str) -> Result<(), Failure> {
    let failed = |why: &str| {
        Failure::new(exit::FAILED, "command_failed", format!("{shown}\n{why}"))
            .hinted("what was done before it stands; the same command goes on from here")
    };
    let output = program.run(&step.arguments).await.map_err(|error| failed(&error.to_string()))?;
    if output.succeeded {
        return Ok(());
    }
    let said = if output.stderr.trim().is_empty() { &output.stdout } else { &output.stderr };
    let last: Vec<&str> = said.trim().lines().rev().take(4).collect();
    Err(failed(&last.into_iter().rev().collect::<Vec<_>>().join("\n")))
}
