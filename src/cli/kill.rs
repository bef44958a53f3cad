//! `dash kill`: ends agents.

use std::collections::HashMap;
use std::io::IsTerminal as _;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, BufReader};

use super::select::{Which, check_selector, duration, milliseconds};
use super::show::{clean, count, end_of, name};
use super::{Context, Failure, exit};
use crate::api::{AgentBody, AgentsQuery, KillBody, KillManyBody};
use crate::client::Client;
use crate::model::{AgentId, Signal, Status};

/// End agents and everything they started.
///
/// Each gets the signal, time to end by itself, and then SIGKILL. The command returns when nothing
/// of them is alive. An agent that has ended already is no error. Each SELECTOR names one agent;
/// where it could name several, they are listed and none is ended.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct KillArgs {
    #[command(flatten)]
    pub which: Which,
    /// Every agent there is.
    #[arg(long, conflicts_with_all = ["selectors", "group", "session"])]
    pub all: bool,
    /// End only the turn that runs: the agent goes on and takes messages.
    #[arg(long, conflicts_with_all = ["all", "grace", "signal", "group", "session"])]
    pub turn: bool,
    /// Do not ask before every agent is ended.
    #[arg(short, long)]
    pub yes: bool,
    /// Time between the signal and SIGKILL, such as 10s; what the configuration says when absent.
    #[arg(long, value_name = "DURATION", value_parser = duration, allow_hyphen_values = true)]
    pub grace: Option<Duration>,
    /// The signal to ask with; TERM when absent.
    #[arg(long, value_name = "NAME")]
    pub signal: Option<Signal>,
}

const EXAMPLES: &str = "\
Examples:
  dash kill build                  one agent
  dash kill --group nightly        a whole group
  dash kill build --grace 0s       at once
  dash kill --turn reviewer        only what it does now: it takes messages again
  dash kill --all --yes            everything";

/// Runs the command.
///
/// # Errors
/// Exit code 2 when a selector could name several agents, 4 when it names none; else see [`Failure`].
pub async fn run(args: KillArgs, context: &Context) -> Result<u8, Failure> {
    if args.which.is_none() && !args.all {
        return Err(Failure::usage("there is nothing to end")
            .hinted("name agents, or --group, --session or --all: dash kill LABEL"));
    }
    for selector in &args.which.selectors {
        check_selector(selector)?;
    }
    let client = context.daemon().await?;
    if args.turn {
        return end_turns(&args, context, &client).await;
    }
    let before = before(&args, &client).await?;
    let living = before.iter().filter(|agent| !agent.status.is_end()).count();
    if living == 0 {
        return nothing_alive(context, &before);
    }
    if args.all && !args.yes {
        confirm(context, living).await?;
    }
    let after = kill(&args, &client, &before).await?;
    let before: HashMap<_, _> = before.iter().map(|agent| (agent.id, agent.status)).collect();
    for agent in &after {
        report(context, agent, &before)?;
    }
    Ok(exit::DONE)
}

/// Ends the turns that run, and not the agents.
async fn end_turns(args: &KillArgs, context: &Context, client: &Client) -> Result<u8, Failure> {
    for agent in before(args, client).await? {
        let agent = client.cancel(agent.id.as_str()).await?;
        let what = match agent.status {
            Status::Running => "was told to end its turn, and has not yet".to_owned(),
            status => format!("is {status}: its turn is over"),
        };
        super::answer::report(context, &agent, &what)?;
    }
    Ok(exit::DONE)
}

/// Those that are meant, as they are now.
async fn before(args: &KillArgs, client: &Client) -> Result<Vec<AgentBody>, Failure> {
    if args.all {
        let alive = Status::ALL.into_iter().filter(|status| !status.is_end());
        let query = AgentsQuery {
            status: alive.map(|status| status.to_string()).collect(),
            ..AgentsQuery::default()
        };
        return Ok(client.all_agents(&query).await?);
    }
    if args.which.selectors.is_empty() {
        return args.which.agents(client).await;
    }
    let mut agents: Vec<AgentBody> = Vec::new();
    for selector in &args.which.selectors {
        let agent = client.agent(selector).await?;
        if agents.iter().all(|known| known.id != agent.id) {
            agents.push(agent);
        }
    }
    Ok(agents)
}

async fn kill(
    args: &KillArgs,
    client: &Client,
    before: &[AgentBody],
) -> Result<Vec<AgentBody>, Failure> {
    let (grace_ms, signal) = (args.grace.map(milliseconds), args.signal);
    if let ([agent], false) = (before, args.which.selectors.is_empty()) {
        let body = KillBody { grace_ms, signal };
        return Ok(vec![client.kill(agent.id.as_str(), &body).await?]);
    }
    let named = !args.which.selectors.is_empty();
    let body = KillManyBody {
        agents: named.then(|| before.iter().map(|agent| agent.id).collect()),
        group: args.which.group.clone(),
        session: args.which.session.clone(),
        all: args.all,
        grace_ms,
        signal,
    };
    Ok(client.kill_many(&body).await?)
}

fn nothing_alive(context: &Context, before: &[AgentBody]) -> Result<u8, Failure> {
    if before.is_empty() {
        context.say("dash: no agent is alive");
    }
    let statuses = before.iter().map(|agent| (agent.id, agent.status)).collect();
    for agent in before {
        report(context, agent, &statuses)?;
    }
    Ok(exit::DONE)
}

/// Says what became of one. With `--json` and `--quiet` those that had ended before are there too.
fn report(
    context: &Context,
    agent: &AgentBody,
    before: &HashMap<AgentId, Status>,
) -> Result<(), Failure> {
    let show = &context.show;
    if show.json {
        return Ok(show.json_line(agent)?);
    }
    if show.quiet {
        return Ok(show.line(agent.id.as_str())?);
    }
    let had_ended = before.get(&agent.id).is_some_and(|status| status.is_end());
    Ok(show.line(&line(agent, had_ended))?)
}

fn line(agent: &AgentBody, had_ended: bool) -> String {
    let name = name(agent.id, agent.label.as_deref(), None);
    let end = end_of(agent);
    let (id, end) = (agent.id, clean(&end));
    if had_ended {
        format!("{name} {id} had ended already: {end}")
    } else {
        format!("{name} {id} {end}")
    }
}

/// Asks, where there is somebody to ask.
async fn confirm(context: &Context, living: usize) -> Result<(), Failure> {
    let refused = |message: &str| Err(Failure::usage(message).hinted("dash kill --all --yes"));
    if !std::io::stdin().is_terminal() || context.show.json || context.show.quiet {
        return refused("--all ends every agent; say --yes to mean it");
    }
    context.say(&format!("end all {}? [y/N]", count(living, "agent")));
    let mut answer = String::new();
    let mut input = BufReader::new(tokio::io::stdin());
    let read = input.read_line(&mut answer).await;
    if read.is_ok() && matches!(answer.trim().to_lowercase().as_str(), "y" | "yes") {
        return Ok(());
    }
    Err(Failure::new(exit::FAILED, "not_confirmed", "nothing was ended"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::status::sample::agent;

    #[test]
    fn an_end_says_what_it_was_and_whether_it_is_new() {
        let mut agent = agent(1);
        agent.status = Status::Killed;
        agent.signal = Some(Signal::TERM);
        let said = line(&agent, false);
        assert!(said.starts_with(&format!("fix-bug {} killed, SIGTERM", agent.id)), "{said}");
        let said = line(&agent, true);
        assert!(said.contains(" had ended already: killed"), "{said}");
    }

    #[tokio::test]
    async fn everything_is_not_ended_by_a_slip() {
        let paths =
            crate::config::Paths::resolve(|name| (name == "DASH_HOME").then(|| "/nowhere".into()));
        let show =
            super::super::show::Show::detect(true, false, super::super::Color::Never, |_| None);
        let context = Context { paths: paths.unwrap(), show };
        let failure = confirm(&context, 3).await.unwrap_err();
        assert_eq!(failure.exit, 2);
        assert!(failure.message.contains("--yes"), "{failure:?}");
    }
}
