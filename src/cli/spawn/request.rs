//! From arguments to the request.

use std::collections::BTreeMap;

use super::SpawnArgs;
use crate::api::SpawnBody;
use crate::cli::select::milliseconds;
use crate::cli::{Context, Failure, environment, input};
use crate::model::{OutOfBounds, check_group, check_label, check_metadata, check_session};

/// What the daemon is asked for. Refuses what makes no sense before a daemon is started for it.
pub(super) async fn body(args: &SpawnArgs, context: &Context) -> Result<SpawnBody, Failure> {
    let env = environment::given(&args.env, |name| std::env::var_os(name))?;
    let base = environment::base(args.env_all, std::env::vars_os());
    if !base.left_out.is_empty() {
        let names = base.left_out.join(", ");
        context.say(&format!("dash: left out, because the value is not UTF-8: {names}"));
    }
    let metadata = metadata(&args.meta)?;
    check(args, &metadata).map_err(|error| Failure::usage(error.to_string()))?;
    check_command(args)?;
    let task = match (&args.task, &args.prompt_file) {
        (Some(task), _) => {
            input::check("the task", task)?;
            Some(task.clone())
        }
        (None, Some(source)) => Some(input::text(context, source, "the task").await?),
        (None, None) => None,
    };
    Ok(SpawnBody {
        command: (!args.command.is_empty()).then(|| args.command.clone()),
        profile: args.agent.clone(),
        task,
        label: args.label.clone(),
        metadata,
        count: args.count,
        group: args.group.clone(),
        cwd: Some(cwd(args.cwd.as_deref())?),
        env,
        base_env: Some(base.variables),
        timeout_ms: args.timeout.map(milliseconds),
        model: args.model.clone(),
        session: args.session.clone(),
        stdin: args.stdin,
        permissions: args.permissions,
        once: args.once,
        mode: args.mode.clone(),
        options: options(&args.options)?,
        mcp_servers: Vec::new(),
        max_turns: args.max_turns,
        max_tokens: args.max_tokens,
        max_cost: args.max_cost,
        resume: args.resume.clone(),
        children: args.children,
        children_in_all: args.children_in_all,
        depth: args.depth,
    })
}

fn check(args: &SpawnArgs, metadata: &BTreeMap<String, String>) -> Result<(), OutOfBounds> {
    if let Some(label) = &args.label {
        check_label(label)?;
    }
    if let Some(group) = &args.group {
        check_group(group)?;
    }
    if let Some(session) = &args.session {
        check_session(session)?;
    }
    check_metadata(metadata)
}

fn check_command(args: &SpawnArgs) -> Result<(), Failure> {
    let nothing = args.command.is_empty() && args.task.is_none() && args.prompt_file.is_none();
    if nothing && args.agent.is_none() && args.resume.is_none() {
        return Err(Failure::usage("there is neither a task nor a command")
            .hinted("dash spawn 'Fix the failing test', or dash spawn -- make test"));
    }
    if args.command.first().is_some_and(String::is_empty) {
        return Err(Failure::usage("the command's name is empty"));
    }
    Ok(())
}

/// `KEY=VALUE`; the last of several with one key counts.
pub(super) fn metadata(entries: &[String]) -> Result<BTreeMap<String, String>, Failure> {
    pairs("--meta", "KEY=VALUE, for example ticket=42", entries)
}

/// `ID=VALUE`, options of a harness.
pub(in crate::cli) fn options(entries: &[String]) -> Result<BTreeMap<String, String>, Failure> {
    pairs("--option", "ID=VALUE", entries)
}

/// What a flag that takes a name and a value was given.
fn pairs(flag: &str, form: &str, entries: &[String]) -> Result<BTreeMap<String, String>, Failure> {
    entries
        .iter()
        .map(|entry| match entry.split_once('=') {
            Some((key, value)) => Ok((key.to_owned(), value.to_owned())),
            None => Err(Failure::usage(format!("{flag} {entry:?} has no equals sign"))
                .hinted(format!("{flag} {form}"))),
        })
        .collect()
}

/// The absolute path of the working directory; whether it is one, the daemon says.
pub(super) fn cwd(given: Option<&str>) -> Result<String, Failure> {
    let cwd = match given {
        Some("") => return Err(Failure::usage("--cwd is empty")),
        Some(given) => std::path::absolute(given),
        None => std::env::current_dir(),
    };
    let wrong = |why: &str| {
        Failure::usage(format!("the working directory cannot be used: {why}"))
            .hinted("name one: --cwd DIR")
    };
    let cwd = cwd.map_err(|error| wrong(&error.to_string()))?;
    cwd.into_os_string().into_string().map_err(|_| wrong("its path is not UTF-8"))
}
