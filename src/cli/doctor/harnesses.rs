//! Whether the installed harnesses work: each is started for a moment and asked to begin a conversation.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use futures::StreamExt;

use super::Check;
use crate::cli::Context;
use crate::cli::environment::base;
use crate::config::{Config, Profile, provider_keys};
use crate::model::Runtime;
use crate::runtime::{Trial, Trouble, handshake, program};

/// How long a harness may take, when its profile does not say.
const LIMIT: Duration = Duration::from_mins(1);
/// How many are tried at once: each takes some hundred megabytes.
const AT_ONCE: usize = 4;

/// A check for each harness that is installed, or that a profile of the configuration names, and one that lists the
/// others.
pub(super) async fn checks(context: &Context) -> Vec<Check> {
    let Ok(config) = context.config() else { return Vec::new() };
    let caller: BTreeMap<String, String> = base(false, std::env::vars_os()).variables;
    let (mut missing, mut found) = (Vec::new(), Vec::new());
    for name in config.profile_names() {
        let Some(profile) = config.profile(&name).filter(|it| it.runtime == Runtime::Acp) else {
            continue;
        };
        let path = profile.env.get("PATH").or_else(|| caller.get("PATH"));
        let command = profile.command.first().map_or("", String::as_str);
        match program::find(command, path.map(String::as_str), Path::new("/")) {
            Ok(program) => found.push((name, profile, Ok(program))),
            Err(_) if config.install(&name).is_some() => missing.push(name),
            Err(error) => found.push((name, profile, Err(error))),
        }
    }
    let tried = found.into_iter().map(|(name, profile, program)| {
        let (config, caller) = (&config, &caller);
        async move {
            let program = match program {
                Ok(program) => program,
                Err(missing) => {
                    return Check::warn(label(&name), missing.to_string(), missing.hint());
                }
            };
            let (trial, own_keys) = trial(&profile, program, config, caller);
            match handshake(trial).await {
                Ok(title) => {
                    let found = format!("{title} begins a conversation{}", with(&own_keys));
                    Check::ok(label(&name), found)
                }
                Err(Trouble { reason, next }) => Check::warn(label(&name), reason, next),
            }
        }
    });
    let mut checks: Vec<Check> = futures::stream::iter(tried).buffered(AT_ONCE).collect().await;
    if !missing.is_empty() {
        let found =
            format!("not installed: {}; `dash agents` says how to get each", missing.join(", "));
        checks.push(Check::ok("harnesses", found));
    }
    checks
}

fn label(name: &str) -> String {
    format!("harness {name}")
}

/// The daemon may not have what this shell has.
fn with(own_keys: &[String]) -> String {
    if own_keys.is_empty() {
        return String::new();
    }
    let names = own_keys.join(", ");
    format!("; it had {names} from here, which agents get with `-e` or from daemon.keys_file")
}

/// What an agent of this profile would be started with, and the names of the keys that are of this shell.
fn trial(
    profile: &Profile,
    program: std::path::PathBuf,
    config: &Config,
    caller: &BTreeMap<String, String>,
) -> (Trial, Vec<String>) {
    let file = config.daemon.keys_file.as_deref();
    let kept = provider_keys(&profile.keys, file, |_| None).unwrap_or_default();
    let own = |name: &str| std::env::var(name).ok().filter(|_| !kept.contains_key(name));
    let own = provider_keys(&profile.keys, None, own).unwrap_or_default();
    let names = own.keys().cloned().collect();
    let mut env = caller.clone();
    env.extend(kept.into_iter().chain(own));
    env.extend(profile.env.clone());
    let trial = Trial {
        program,
        argv: profile.command.clone(),
        env,
        login: profile.login.clone(),
        limit: profile.start_timeout_ms.map_or(LIMIT, Duration::from_millis),
    };
    (trial, names)
}
