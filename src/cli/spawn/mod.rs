//! `dash spawn`: starts agents.

mod begin;
mod request;

pub(super) use request::options;

use std::time::Duration;

use super::select::positive_duration;
use super::show::{clean, count, name};
use super::{Context, Failure, completions, exit, signals, wait, watch};
use crate::api::AgentBody;
use crate::client::Client;
use crate::model::{COUNT_MAX, Cost, DEPTH_MAX, Permissions, Seq, check_key};

/// From this many agents on, their start is worth a progress bar.
const MANY: usize = 10;

/// Start one agent or many.
///
/// An agent is either a command, given after `--`, or a task for a profile of the configuration. It
/// runs on when this command has ended, and when the daemon has.
///
/// It is started with PATH, HOME, USER, LOGNAME, SHELL, LANG, LC_*, TZ, TMPDIR and XDG_* of yours,
/// the profile's variables, those given with `--env`, and `DASH_AGENT_ID`.
#[derive(Debug, Default, clap::Args)]
#[command(
    after_help = EXAMPLES,
    override_usage = "dash spawn [OPTIONS] <TASK>\n       dash spawn [OPTIONS] -- <COMMAND> [ARGS]..."
)]
pub struct SpawnArgs {
    /// What the agent is to do.
    #[arg(value_name = "TASK", conflicts_with_all = ["command", "prompt_file"])]
    pub task: Option<String>,
    /// A program and its arguments, run as they are.
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<String>,

    /// The profile that carries out the task; the default one when absent.
    #[arg(short, long, value_name = "PROFILE", conflicts_with = "command")]
    pub agent: Option<String>,
    /// What to call it; any text on one line.
    #[arg(short, long, value_name = "TEXT")]
    pub label: Option<String>,
    /// Metadata to keep with it (repeatable).
    #[arg(short, long, value_name = "KEY=VALUE")]
    pub meta: Vec<String>,
    /// How many agents to start, 1 to 10,000.
    #[arg(
        short = 'n',
        long,
        visible_alias = "agents",
        value_name = "N",
        default_value = "1",
        value_parser = number_of_agents,
        allow_negative_numbers = true
    )]
    pub count: u32,
    /// The group that they belong to.
    #[arg(short, long, value_name = "NAME")]
    pub group: Option<String>,
    /// The working directory; this one when absent.
    #[arg(short = 'C', long, value_name = "DIR")]
    pub cwd: Option<String>,
    /// A variable for it: NAME=VALUE, or NAME for the value that NAME has here (repeatable).
    #[arg(short, long, value_name = "NAME[=VALUE]")]
    pub env: Vec<String>,
    /// Start it with all variables that are set here.
    #[arg(long)]
    pub env_all: bool,
    /// Stop it when it has run for so long, such as 30s, 5m or 1h30m.
    #[arg(short, long, value_name = "DURATION", value_parser = positive_duration, allow_hyphen_values = true)]
    pub timeout: Option<Duration>,
    /// The model that the profile is to use.
    #[arg(long, value_name = "NAME")]
    pub model: Option<String>,
    /// What a harness may do without asking: read (inside its working directory), edit (there),
    /// all, or ask (then `dash allow` and `dash deny` answer); the profile's, or read, when absent.
    #[arg(long, value_name = "POLICY", value_parser = permissions, conflicts_with = "command")]
    pub permissions: Option<Permissions>,
    /// End with the first turn.
    #[arg(long, conflicts_with = "command")]
    pub once: bool,
    /// The mode that a harness is to begin in.
    #[arg(long, value_name = "NAME", conflicts_with = "command")]
    pub mode: Option<String>,
    /// An option of a harness (repeatable).
    #[arg(long = "option", value_name = "ID=VALUE", conflicts_with = "command")]
    pub options: Vec<String>,
    /// End after so many turns.
    #[arg(long, value_name = "N", conflicts_with = "command", value_parser = clap::value_parser!(u32).range(1..))]
    pub max_turns: Option<u32>,
    /// Stop when so many tokens are used.
    #[arg(long, value_name = "N", conflicts_with = "command", value_parser = clap::value_parser!(u64).range(1..))]
    pub max_tokens: Option<u64>,
    /// Stop when it has cost so much, such as 2.50.
    #[arg(long, value_name = "AMOUNT", conflicts_with = "command", value_parser = cost)]
    pub max_cost: Option<Cost>,
    /// Let it spawn agents itself: at most so many that are alive at once, theirs among them.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(COUNT_MAX)))]
    pub children: Option<u32>,
    /// Agents that it and its own may ever spawn; 1,000 when absent.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub children_in_all: Option<u32>,
    /// Generations below it; 1 when absent: its children spawn none.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(DEPTH_MAX)))]
    pub depth: Option<u32>,
    /// Go on with the session of an agent that has ended.
    #[arg(
        long,
        value_name = "SELECTOR",
        conflicts_with_all = ["command", "count", "cwd"],
        add = clap_complete::engine::ArgValueCandidates::new(completions::agents)
    )]
    pub resume: Option<String>,
    /// The OpenClaw session key that owns it.
    #[allow(clippy::doc_markdown, reason = "the text is shown as it is")]
    #[arg(long, value_name = "KEY")]
    pub session: Option<String>,
    /// Read the task from a file, or from standard input with `-`.
    #[arg(long, value_name = "FILE|-", conflicts_with = "command")]
    pub prompt_file: Option<String>,
    /// Let messages reach its standard input (`dash send`).
    #[arg(long)]
    pub stdin: bool,
    /// Wait until all have ended; the exit code is theirs (see `dash wait --help`). Of an agent that
    /// takes turns, wait for its answer.
    #[arg(long)]
    pub wait: bool,
    /// Show what they do until all have ended; the exit code is theirs.
    #[arg(long)]
    pub watch: bool,
    /// The same key starts nothing new: it answers with the agents of the first time.
    #[arg(long, value_name = "KEY")]
    pub idempotency_key: Option<String>,
}

const EXAMPLES: &str = "\
Examples:
  dash spawn -- make test                     a command
  dash spawn -l build --wait -- make          wait for it, and exit as it does
  dash spawn -n 5 -g nightly 'Fix the tests'  a task for five agents of the default profile
  dash spawn -a claude --prompt-file task.md  a task for a profile
  dash spawn --stdin -- cat                   a command that takes messages";

fn permissions(text: &str) -> Result<Permissions, String> {
    text.parse()
}

fn cost(text: &str) -> Result<Cost, String> {
    let amount: Option<f64> = text.parse().ok();
    amount
        .and_then(Cost::of)
        .filter(|cost| cost.0 > 0)
        .ok_or_else(|| "it must be an amount of money, such as 2.50".to_owned())
}

fn number_of_agents(text: &str) -> Result<u32, String> {
    text.parse()
        .ok()
        .filter(|count| (1..=COUNT_MAX).contains(count))
        .ok_or_else(|| format!("it must be a whole number from 1 to {COUNT_MAX}"))
}

/// Runs the command.
///
/// # Errors
/// Exit code 2 when what is asked for makes no sense; else see [`Failure`].
pub async fn run(args: SpawnArgs, context: &Context) -> Result<u8, Failure> {
    let key = match &args.idempotency_key {
        Some(key) => key.clone(),
        None => uuid::Uuid::new_v4().to_string(),
    };
    check_key(&key).map_err(|error| Failure::usage(error.to_string()))?;
    let body = request::body(&args, context).await?;
    let client = context.daemon().await?;
    let agents = client.spawn(&body, &key).await?;
    if agents.is_empty() {
        let message = "the daemon answered without an agent";
        return Err(Failure::new(exit::FAILED, "protocol", message));
    }
    if !(args.watch || args.wait) {
        announce(context, &agents)?;
        signals::detaching(begin::show(context, &client, &agents), || let_go(&agents)).await?;
        return Ok(exit::DONE);
    }
    follow(&args, context, &client, &agents).await
}

/// Stays until they have ended.
async fn follow(
    args: &SpawnArgs,
    context: &Context,
    client: &Client,
    agents: &[AgentBody],
) -> Result<u8, Failure> {
    let ended = async {
        if args.watch {
            // The first thing to see of them is that they were spawned.
            let first = agents.iter().map(|agent| agent.last_seq).min().unwrap_or(Seq::START);
            let since = Seq(first.0.saturating_sub(1));
            let ended = watch::follow_agents(context, client, agents, since).await?;
            return Ok(wait::code_of_all(&ended));
        }
        if !context.show.json {
            announce(context, agents)?;
        }
        let (agents, cut_short) = wait::until_answered(context, client, agents).await?;
        if !context.show.quiet || context.show.json {
            wait::print(context, &agents)?;
            wait::print_replies(context, &agents, &cut_short)?;
        }
        Ok(wait::code_of_answers(&agents, &cut_short))
    };
    signals::detaching(ended, || let_go(agents)).await
}

/// Says what was spawned, on standard output, and what to do next, on standard error.
fn announce(context: &Context, agents: &[AgentBody]) -> Result<(), Failure> {
    let show = &context.show;
    if show.json || show.quiet {
        for agent in agents {
            if show.json {
                show.json_line(agent)?;
            } else {
                show.line(agent.id.as_str())?;
            }
        }
        return Ok(());
    }
    if let [agent] = agents {
        let label = agent.label.as_deref().map(|label| format!("{} ", clean(label)));
        show.line(&format!("spawned {}{}", label.unwrap_or_default(), agent.id))?;
    } else {
        let names = [agents.first(), agents.last()].map(|agent| {
            agent.map(|agent| name(agent.id, agent.label.as_deref(), Some(agent.index)))
        });
        let [Some(first), Some(last)] = names else { return Ok(()) };
        let group = agents[0].group.as_deref().unwrap_or_default();
        let number = count(agents.len(), "agent");
        show.line(&format!("spawned {number} in group {} ({first} to {last})", clean(group)))?;
    }
    if let Some(queued) = agents[0].reason.as_deref().filter(|_| agents[0].started_at.is_none()) {
        context.say(&format!("  queued: {}", clean(queued)));
    }
    context.say(&next_steps(agents));
    Ok(())
}

/// How to see them, and how to end them.
fn next_steps(agents: &[AgentBody]) -> String {
    if let [agent] = agents {
        let id = agent.id.short();
        return format!("  see it: dash watch {id}   end it: dash kill {id}");
    }
    let group = agents.first().and_then(|agent| agent.group.as_deref()).unwrap_or_default();
    let group = quoted(group);
    format!("  see them: dash watch --group {group}   end them: dash kill --group {group}")
}

/// As a shell takes it.
fn quoted(word: &str) -> String {
    let word = clean(word);
    if !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || "-_.:@%+".contains(c))
    {
        return word.into_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

fn let_go(agents: &[AgentBody]) -> Failure {
    let (who, run) = match agents {
        [_] => ("the agent".to_owned(), "runs"),
        _ => (count(agents.len(), "agent"), "run"),
    };
    Failure::new(exit::INTERRUPTED, signals::CODE, format!("detached; {who} {run} on"))
        .hinted(next_steps(agents).trim())
}

#[cfg(test)]
#[path = "spawn_test.rs"]
mod tests;
