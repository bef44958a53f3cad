//! What a request asks for, checked: everything that can be found wrong is found before anything is
//! recorded.

use std::collections::BTreeMap;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::{SpawnRequest, SupervisorError};
use crate::config::{self, Config, ConfigError, Profile};
use crate::model::{
    ARGUMENT_MAX, CHILDREN_IN_ALL, COMMAND_MAX, COUNT_MAX, Children, Conversation, DEPTH_MAX,
    Limits, McpServer, OutOfBounds, Resume, Runtime, Spec, check_group, check_key, check_label,
    check_metadata, check_session, check_text, openclaw,
};
use crate::runtime::{self, program};

/// Variables that an agent gets from whoever spawned it, beside `LC_*` and `XDG_*`.
const BASE: [&str; 8] = ["PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "TZ", "TMPDIR"];

/// A request that makes sense.
#[derive(Debug)]
pub(super) struct Checked {
    pub(super) spec: Spec,
    pub(super) count: u32,
    /// All variables of the agents; the values are secret.
    pub(super) environment: BTreeMap<String, String>,
    /// What a harness is told of them; secret as well.
    pub(super) mcp_servers: Vec<McpServer>,
}

/// What the log keeps of a request to recognise it by: no value of a variable is in it.
pub(super) fn fingerprint(request: &SpawnRequest) -> [u8; 32] {
    let mut request = request.clone();
    request
        .env
        .values_mut()
        .chain(request.base_env.iter_mut().flat_map(BTreeMap::values_mut))
        .for_each(String::clear);
    for server in &mut request.mcp_servers {
        *server = McpServer(server.name().into());
    }
    fingerprint_of(&serde_json::to_string(&request).unwrap_or_default())
}

/// The same of a message to an agent.
pub(super) fn fingerprint_of(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

/// Finds everything that is wrong with a request, and what it means.
pub(super) fn check(
    mut request: SpawnRequest,
    resume: Option<Resume>,
    config: &Config,
    own_environment: impl Iterator<Item = (String, String)>,
) -> Result<Checked, SupervisorError> {
    check_words(&request)?;
    let (name, profile) = profile_of(&request, config)?;
    let children = children_of(&request, profile.as_ref())?;
    let conversation = conversation_of(&mut request, profile.as_ref(), resume, config)?;
    let mcp_servers = std::mem::take(&mut request.mcp_servers);
    let own: BTreeMap<String, String> = own_environment.collect();
    let owned = |(name, value): (&String, &String)| (name.clone(), value.clone());
    let mut environment = match request.base_env {
        Some(base) => base,
        None => own.iter().filter(|(name, _)| is_base(name)).map(owned).collect(),
    };
    environment.extend(provider_keys(profile.as_ref(), config, &own)?);
    environment.extend(profile.iter().flat_map(|p| p.env.clone()));
    environment.extend(request.env);
    check_environment(&environment)?;
    let cwd = request.cwd.or_else(|| environment.get("HOME").cloned()).unwrap_or("/".to_owned());
    let cwd = program::check_cwd(&cwd).map_err(|message| SupervisorError::Cwd { message })?;
    let cwd = text_path(&cwd)?;

    let runtime = profile.as_ref().map_or(Runtime::Command, |profile| profile.runtime);
    let task = request.task.map(|task| match profile.as_ref().and_then(|p| p.task.as_ref()) {
        Some(template) => template.replace("{task}", &task),
        None => task,
    });
    let command = match (request.command, &profile, &task) {
        (Some(command), ..) => Some(command),
        (None, Some(_), None) if runtime == Runtime::Command => return Err(no_task()),
        (None, Some(profile), Some(task)) if runtime == Runtime::Command => {
            Some(with_task(&profile.command, task))
        }
        (None, Some(profile), _) if runtime == Runtime::Acp => Some(profile.command.clone()),
        _ => None,
    };
    let mut found = None;
    if let Some(command) = &command {
        check_command(command)?;
        let path = environment.get("PATH").map(String::as_str);
        let install = name.as_deref().and_then(|name| config.install(name));
        found = Some(find(&command[0], path, Path::new(&cwd), install)?);
    }
    if let (Runtime::Scripted, Some(task)) = (runtime, &task) {
        runtime::parse(task).map_err(|message| invalid(format!("the script: {message}"), None))?;
    }
    let spec = Spec {
        runtime,
        profile: name,
        label: request.label,
        metadata: request.metadata,
        group: request.group,
        session: request.session,
        command,
        program: found,
        task,
        cwd,
        env: environment.keys().cloned().collect(),
        timeout_ms: request.timeout_ms.or(profile.as_ref().and_then(|p| p.timeout_ms)),
        model: request.model.or(profile.as_ref().and_then(|p| p.model.clone())),
        memory_mb: profile.as_ref().and_then(|p| p.memory_mb),
        stdin: request.stdin || profile.as_ref().is_some_and(|p| p.stdin),
        conversation,
        ancestors: Vec::new(),
        children,
    };
    Ok(Checked { spec, count: request.count, environment, mcp_servers })
}

/// The keys of model providers that this profile's agents get, and only they.
fn provider_keys(
    profile: Option<&Profile>,
    config: &Config,
    own: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, SupervisorError> {
    let Some(profile) = profile.filter(|profile| !profile.keys.is_empty()) else {
        return Ok(BTreeMap::new());
    };
    let file = config.daemon.keys_file.as_deref();
    config::provider_keys(&profile.keys, file, |name| own.get(name).cloned())
        .map_err(|ConfigError { message, hint }| SupervisorError::Profile { message, hint })
}

fn check_words(request: &SpawnRequest) -> Result<(), SupervisorError> {
    request.label.as_deref().map_or(Ok(()), check_label)?;
    request.group.as_deref().map_or(Ok(()), check_group)?;
    request.session.as_deref().map_or(Ok(()), check_session)?;
    request.model.as_deref().map_or(Ok(()), |model| check_text("the model", model))?;
    request.task.as_deref().map_or(Ok(()), |task| check_text("the task", task))?;
    check_metadata(&request.metadata)?;
    runtime::check_servers(&request.mcp_servers).map_err(|message| invalid(message, None))?;
    if request.count == 0 || request.count > COUNT_MAX {
        return Err(invalid(
            format!("the count is {}; it must be from 1 to {COUNT_MAX}", request.count),
            None,
        ));
    }
    if request.timeout_ms == Some(0) {
        return Err(invalid("the timeout is zero; leave it out for none".to_owned(), None));
    }
    match (&request.command, &request.task, &request.profile) {
        (None, None, None) => Err(no_task()),
        (Some(_), Some(_), _) => {
            Err(invalid("there is both a task and a command; give one of them".to_owned(), None))
        }
        (Some(_), None, Some(profile)) => Err(invalid(
            format!("a command needs no profile, and {profile:?} is given"),
            Some("leave the profile out, or give a task instead".to_owned()),
        )),
        _ => Ok(()),
    }
}

/// What is asked for of an agent that takes turns. What only makes sense for one is refused to a
/// command, rather than left without effect.
fn conversation_of(
    request: &mut SpawnRequest,
    profile: Option<&Profile>,
    resume: Option<Resume>,
    config: &Config,
) -> Result<Conversation, SupervisorError> {
    let SpawnRequest { max_turns, max_tokens, max_cost, .. } = *request;
    let limits = Limits { max_turns, max_tokens, max_cost };
    let is_harness = profile.is_some_and(|profile| profile.runtime == Runtime::Acp);
    if !request.mcp_servers.is_empty() && !is_harness {
        return Err(invalid(
            "MCP servers are for a harness, and none is asked for".to_owned(),
            Some("choose a profile whose runtime is \"acp\"; `dash agents` lists them".into()),
        ));
    }
    let Some(profile) = profile.filter(|profile| profile.runtime.takes_turns()) else {
        let given = [
            ("permissions", request.permissions.is_some()),
            ("once", request.once),
            ("mode", request.mode.is_some()),
            ("options", !request.options.is_empty()),
            ("a limit on turns, tokens or cost", !limits.is_none()),
            ("resume", resume.is_some()),
        ];
        return match given.into_iter().find(|(_, given)| *given) {
            Some((what, _)) => Err(invalid(
                format!("a command takes no turns, and {what} is given"),
                Some("choose a profile whose runtime is \"acp\"; `dash agents` lists them".into()),
            )),
            None => Ok(Conversation::default()),
        };
    };
    if max_turns == Some(0) || max_tokens == Some(0) {
        return Err(invalid("a limit is zero; leave it out for none".to_owned(), None));
    }
    let mut options = profile.options.clone();
    options.append(&mut request.options);
    let texts = request.mode.iter().chain(options.keys()).chain(options.values());
    for text in texts {
        check_text("the option", text)?;
    }
    if request.task.is_none() && profile.runtime != Runtime::Acp {
        return Err(no_task());
    }
    let ask_timeout_ms = profile.ask_timeout_ms.unwrap_or(config.daemon.ask_timeout_ms);
    Ok(Conversation {
        permissions: request.permissions.or(profile.permissions).unwrap_or_default(),
        once: request.once || profile.once,
        mode: request.mode.take().or_else(|| profile.mode.clone()),
        options,
        limits: limits.or(profile.limits()),
        ask_timeout_ms: Some(ask_timeout_ms),
        idle_timeout_ms: idle_timeout(request, profile, config),
        start_timeout_ms: profile.start_timeout_ms,
        resume,
        mcp_servers: request.mcp_servers.iter().map(|server| server.name().to_owned()).collect(),
        login: profile.login.clone(),
    })
}

/// What the agent may spawn itself; nothing unless that is asked for.
fn children_of(
    request: &SpawnRequest,
    profile: Option<&Profile>,
) -> Result<Option<Children>, SupervisorError> {
    let own = |own: fn(&Profile) -> Option<u32>| profile.and_then(own);
    let at_once = request.children.or(own(|profile| profile.children));
    let in_all = request.children_in_all.or(own(|profile| profile.children_in_all));
    let depth = request.depth.or(own(|profile| profile.depth));
    let Some(at_once) = at_once else {
        return match request.children_in_all.or(request.depth) {
            Some(_) => Err(invalid(
                "how many children it may have at once is missing".to_owned(),
                Some("dash spawn --children N …".to_owned()),
            )),
            None => Ok(None),
        };
    };
    let (in_all, depth) = (in_all.unwrap_or(CHILDREN_IN_ALL.max(at_once)), depth.unwrap_or(1));
    if !(1..=COUNT_MAX).contains(&at_once) || in_all == 0 || !(1..=DEPTH_MAX).contains(&depth) {
        return Err(invalid(
            format!(
                "an agent may have 1 to {COUNT_MAX} children at once, at least 1 in all, and 1 to \
                 {DEPTH_MAX} generations"
            ),
            None,
        ));
    }
    Ok(Some(Children { at_once, in_all, depth }))
}

/// How long it may wait. Whoever has sessions of its own does not say when it needs one no more.
fn idle_timeout(request: &SpawnRequest, profile: &Profile, config: &Config) -> Option<u64> {
    let foreign = [openclaw::SESSION, openclaw::ACP_SESSION];
    let foreign = foreign.iter().any(|key| request.metadata.contains_key(*key));
    let others = foreign.then_some(config.daemon.idle_timeout_ms);
    profile.idle_timeout_ms.or(others).filter(|limit| *limit > 0)
}

fn no_task() -> SupervisorError {
    invalid(
        "there is neither a task nor a command".to_owned(),
        Some("dash spawn -- COMMAND, or dash spawn \"TASK\"".to_owned()),
    )
}

/// The profile that a task is for. A command has none.
fn profile_of(
    request: &SpawnRequest,
    config: &Config,
) -> Result<(Option<String>, Option<Profile>), SupervisorError> {
    if request.command.is_some() {
        return Ok((None, None));
    }
    let Some(name) = request.profile.as_ref().or(config.default_profile.as_ref()) else {
        return Err(SupervisorError::Profile {
            message: "a task needs a profile, and none is given or set as the default".to_owned(),
            hint: Some(
                "run a command with `dash spawn -- COMMAND`, choose a profile with `--agent`, or \
                 set default_profile in the configuration; `dash agents` lists them"
                    .to_owned(),
            ),
        });
    };
    let Some(profile) = config.profile(name) else {
        return Err(SupervisorError::Profile {
            message: format!("there is no profile {name:?}"),
            hint: Some("`dash agents` lists the profiles".to_owned()),
        });
    };
    Ok((Some(name.clone()), Some(profile)))
}

/// The profile's command with the task in it: whole arguments, never a shell's words.
fn with_task(command: &[String], task: &str) -> Vec<String> {
    if command.iter().any(|argument| argument.contains("{task}")) {
        return command.iter().map(|argument| argument.replace("{task}", task)).collect();
    }
    command.iter().cloned().chain([task.to_owned()]).collect()
}

fn check_command(command: &[String]) -> Result<(), SupervisorError> {
    let wrong = |message: String| SupervisorError::Command { message, hint: None };
    if command.first().is_none_or(String::is_empty) {
        return Err(wrong("the command is empty".to_owned()));
    }
    for argument in command {
        if argument.contains('\0') {
            return Err(wrong("an argument has a NUL character, which it may not".to_owned()));
        }
        if argument.len() > ARGUMENT_MAX {
            return Err(wrong(format!(
                "an argument is {} bytes long; the system takes at most {ARGUMENT_MAX}",
                argument.len()
            )));
        }
    }
    let bytes: usize = command.iter().map(|argument| argument.len() + 1).sum();
    if bytes > COMMAND_MAX {
        return Err(wrong(format!("the command is {bytes} bytes long; at most {COMMAND_MAX}")));
    }
    Ok(())
}

fn check_environment(environment: &BTreeMap<String, String>) -> Result<(), SupervisorError> {
    for (name, value) in environment {
        if name.is_empty() || name.contains(['=', '\0']) {
            return Err(invalid(format!("{name:?} cannot be a variable's name"), None));
        }
        // The value is a secret: it is not named.
        if value.contains('\0') || name.len() + value.len() + 2 > ARGUMENT_MAX {
            return Err(invalid(
                format!("the value of the variable {name} is too long or has a NUL character"),
                None,
            ));
        }
    }
    let bytes: usize = environment.iter().map(|(name, value)| name.len() + value.len() + 2).sum();
    if bytes > COMMAND_MAX {
        return Err(invalid(
            format!("the environment is {bytes} bytes long; at most {COMMAND_MAX}"),
            None,
        ));
    }
    Ok(())
}

fn is_base(name: &str) -> bool {
    BASE.contains(&name) || name.starts_with("LC_") || name.starts_with("XDG_")
}

/// `install` says how to get the program, when that is known.
fn find(
    name: &str,
    path: Option<&str>,
    cwd: &Path,
    install: Option<&str>,
) -> Result<String, SupervisorError> {
    let found = program::find(name, path, cwd).map_err(|missing| SupervisorError::Command {
        message: missing.to_string(),
        hint: Some(install.unwrap_or(missing.hint()).to_owned()),
    })?;
    text_path(&found)
}

fn text_path(path: &Path) -> Result<String, SupervisorError> {
    path.to_str().map(str::to_owned).ok_or_else(|| {
        invalid(format!("the path {} is not UTF-8, which Dash needs", path.display()), None)
    })
}

fn invalid(message: String, hint: Option<String>) -> SupervisorError {
    SupervisorError::Invalid { message, hint }
}

/// An idempotency key that can be kept.
pub(super) fn check_idempotency_key(key: Option<&str>) -> Result<(), SupervisorError> {
    Ok(key.map_or(Ok(()), check_key)?)
}

impl From<OutOfBounds> for SupervisorError {
    fn from(error: OutOfBounds) -> Self {
        invalid(error.0, None)
    }
}

#[cfg(test)]
#[path = "request_test.rs"]
mod tests;
