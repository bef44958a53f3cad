//! `dash wait`: until agents have ended.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use futures::StreamExt as _;
use serde::Deserialize;
use tokio::time::Instant;

use super::select::{Which, positive_duration};
use super::show::{StatusLine, clean, count, end_of, name};
use super::{Context, Failure, daemon, exit};
use crate::api::{AgentBody, AgentsQuery, EventsQuery};
use crate::client::{Client, ClientError, Frame};
use crate::model::{AgentId, EventType, Seq, Status};

/// At most so many ids go into one query; of more agents the ends of all are read.
const IDS_MAX: usize = 50;

/// How a turn ends that was not cut short (ACP 1, `StopReason`).
pub(super) const END_TURN: &str = "end_turn";

/// Wait until agents have ended.
///
/// The exit code is the agent's own when it ended by itself, and 128+N when signal N ended it. An
/// agent that was killed, ran into its timeout or was lost, without a signal, gives 1. Of several
/// agents, the first in the order of their spawning that did not give 0 counts. When the wait runs
/// into `--timeout` the exit code is 3, and the agents run on; Ctrl-C does not end them either.
///
/// An agent's own exit code may be one that Dash uses for itself; `--json` tells them apart.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct WaitArgs {
    #[command(flatten)]
    pub which: Which,
    /// Until one of them has ended; its exit code counts.
    #[arg(long)]
    pub any: bool,
    /// Give up after so long, with exit code 3.
    #[arg(short, long, value_name = "DURATION", value_parser = positive_duration, allow_hyphen_values = true)]
    pub timeout: Option<Duration>,
}

const EXAMPLES: &str = "\
Examples:
  dash wait build                    one agent
  dash wait --group nightly          all of a group
  dash wait a b c --any --timeout 5m whichever is first, for at most five minutes";

/// Runs the command.
///
/// # Errors
/// Exit code 3 when the wait ran out, 4 when there is no such agent; else see [`Failure`].
pub async fn run(args: WaitArgs, context: &Context) -> Result<u8, Failure> {
    if args.which.is_none() {
        return Err(Failure::usage("there is nothing to wait for")
            .hinted("name agents, or --group or --session: dash wait LABEL"));
    }
    let client = context.daemon().await?;
    let agents = args.which.agents(&client).await?;
    let all = until_ended(context, &client, &agents, args.any);
    let Some(timeout) = args.timeout else {
        return report(context, &all.await?, args.any);
    };
    if let Ok(all) = tokio::time::timeout(timeout, all).await {
        return report(context, &all?, args.any);
    }
    print(context, &as_they_are(&client, &agents).await?)?;
    Err(expired(&agents, timeout))
}

fn report(context: &Context, agents: &[AgentBody], any: bool) -> Result<u8, Failure> {
    print(context, agents)?;
    Ok(if any { code_of_first(agents) } else { code_of_all(agents) })
}

fn expired(agents: &[AgentBody], timeout: Duration) -> Failure {
    let waited = jiff::SignedDuration::try_from(timeout).unwrap_or_default();
    let message = format!("the wait ran out after {waited:#}; agents that have not ended run on");
    let failure = Failure::new(exit::WAIT_EXPIRED, "wait_expired", message);
    match agents {
        [agent] => failure.hinted(format!("`dash status {}` shows what it does", agent.id.short())),
        _ => failure.hinted("`dash status` shows what they do"),
    }
}

/// Why turns were cut short, by agent.
pub(super) type CutShort = HashMap<AgentId, String>;

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Until {
    End,
    /// The end of the turn, of agents that take turns.
    Turn,
}

/// Prints those that have ended.
pub(super) fn print(context: &Context, agents: &[AgentBody]) -> Result<(), Failure> {
    for agent in agents.iter().filter(|agent| agent.status.is_end()) {
        if context.show.json {
            context.show.json_line(agent)?;
        } else if context.show.quiet {
            context.show.line(agent.id.as_str())?;
        } else {
            let name = name(agent.id, agent.label.as_deref(), None);
            context.show.line(&format!("{name} {} {}", agent.id, end_of(agent)))?;
        }
    }
    Ok(())
}

/// Prints what those say whose turn is over, and why it was cut short if it was.
pub(super) fn print_replies(
    context: &Context,
    agents: &[AgentBody],
    cut_short: &CutShort,
) -> Result<(), Failure> {
    for agent in agents.iter().filter(|agent| !agent.status.is_end()) {
        if context.show.json {
            context.show.json_line(agent)?;
            continue;
        }
        let name = name(agent.id, agent.label.as_deref(), None);
        match cut_short.get(&agent.id) {
            Some(reason) => {
                context.say(&format!("dash: {name}: the turn ended early: {}", clean(reason)));
            }
            None => context.show.line(&format!("{name} {} waits for messages", agent.id))?,
        }
        for line in agent.result.iter().flat_map(|reply| reply.lines()) {
            context.show.line(&clean(line))?;
        }
    }
    Ok(())
}

/// Waits until all of these have ended, or `any` of them has, over any number of daemons. Answers
/// with all of them as they are then, in the order given.
///
/// # Errors
/// See [`Failure`].
pub(super) async fn until_ended(
    context: &Context,
    client: &Client,
    agents: &[AgentBody],
    any: bool,
) -> Result<Vec<AgentBody>, Failure> {
    let open = Open::of(agents, any, Until::End);
    Ok(until_done(context, client, agents, open).await?.0)
}

/// Waits until all of these have ended or, if they take turns, their turn is over. Answers with them
/// as they are then, in the order given, and with why turns were cut short.
///
/// # Errors
/// See [`Failure`].
pub(super) async fn until_answered(
    context: &Context,
    client: &Client,
    agents: &[AgentBody],
) -> Result<(Vec<AgentBody>, CutShort), Failure> {
    until_done(context, client, agents, Open::of(agents, false, Until::Turn)).await
}

async fn until_done(
    context: &Context,
    client: &Client,
    agents: &[AgentBody],
    mut open: Open,
) -> Result<(Vec<AgentBody>, CutShort), Failure> {
    if open.is_done() {
        return Ok((agents.to_vec(), CutShort::new()));
    }
    let line = StatusLine::new(context.show.progress);
    line.set(open.to_string());
    let mut frames = client.events(open_query(agents, open.until));
    let mut look_at = None;
    let mut said_lost = false;
    while !open.is_done() {
        let frame = tokio::select! {
            frame = frames.next() => frame,
            () = until(look_at) => {
                look_at = Some(Instant::now() + daemon::SETTLES);
                if let Err(failure) = daemon::revive(context).await {
                    line.above(|| context.say(&format!("dash: {}", failure.message)));
                }
                continue;
            }
        };
        let over = || ClientError::Protocol("the stream of events ended".to_owned());
        match frame.ok_or_else(over)?? {
            Frame::Event { json, .. } => open.event(&json),
            Frame::Reset(_) => open.refresh(&as_they_are(client, agents).await?),
            Frame::Lost => {
                look_at = Some(Instant::now() + daemon::SETTLES);
                if !std::mem::replace(&mut said_lost, true) {
                    let text = "dash: the daemon went away; waiting for it to come back";
                    line.above(|| context.say(text));
                }
            }
            Frame::Back => look_at = None,
        }
        line.set(open.to_string());
    }
    drop(line);
    Ok((as_they_are(client, agents).await?, open.cut_short))
}

async fn until(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}

/// The ends of those that live, or of their turns, from what is known of them on.
fn open_query(agents: &[AgentBody], until: Until) -> EventsQuery {
    let living: Vec<_> = agents.iter().filter(|agent| !agent.status.is_end()).collect();
    let since = living.iter().map(|agent| agent.last_seq).min().unwrap_or(Seq::START);
    let turn = (until == Until::Turn).then_some(EventType::Waiting);
    let mut query = EventsQuery {
        since: Some(if since == Seq::START { "beginning".to_owned() } else { since.to_string() }),
        r#type: EventType::ENDS.iter().chain(&turn).map(ToString::to_string).collect(),
        ..EventsQuery::default()
    };
    let group = living.first().and_then(|agent| agent.group.as_ref());
    if living.len() <= IDS_MAX {
        query.agent = living.iter().map(|agent| agent.id.to_string()).collect();
    } else if living.iter().all(|agent| agent.group.as_ref() == group) {
        query.group = group.cloned();
    }
    query
}

/// The same agents as they are now, in the same order.
pub(super) async fn as_they_are(
    client: &Client,
    agents: &[AgentBody],
) -> Result<Vec<AgentBody>, ClientError> {
    let select = agents.iter().map(|agent| agent.id.to_string()).collect();
    let now = client.all_agents(&AgentsQuery { select, ..AgentsQuery::default() }).await?;
    let mut now: HashMap<_, _> = now.into_iter().map(|agent| (agent.id, agent)).collect();
    Ok(agents.iter().map(|agent| now.remove(&agent.id).unwrap_or_else(|| agent.clone())).collect())
}

/// Who is waited for.
struct Open {
    /// Those that have not ended.
    living: HashSet<AgentId>,
    total: usize,
    any: bool,
    until: Until,
    cut_short: CutShort,
}

/// What of an event says that an agent has ended, or its turn.
#[derive(Deserialize)]
struct Seen {
    r#type: String,
    agent_id: AgentId,
    #[serde(default)]
    data: SeenData,
}

#[derive(Default, Deserialize)]
struct SeenData {
    stop_reason: Option<String>,
    reason: Option<String>,
}

impl Open {
    fn of(agents: &[AgentBody], any: bool, until: Until) -> Self {
        let (living, cut_short) = (HashSet::new(), CutShort::new());
        let mut open = Self { living, total: 0, any, until, cut_short };
        open.living.extend(agents.iter().map(|agent| agent.id));
        open.total = open.living.len();
        open.refresh(agents);
        open
    }

    fn event(&mut self, json: &str) {
        // An event that cannot be read is of a kind that this version does not know: no end.
        let Ok(seen) = serde_json::from_str::<Seen>(json) else { return };
        let Ok(kind) = seen.r#type.parse::<EventType>() else { return };
        if kind == EventType::Waiting && self.until == Until::Turn {
            let SeenData { stop_reason, reason } = seen.data;
            if let Some(stop) = stop_reason.filter(|stop| stop != END_TURN)
                && self.living.contains(&seen.agent_id)
            {
                self.cut_short.insert(seen.agent_id, reason.unwrap_or(stop));
            }
            self.living.remove(&seen.agent_id);
        } else if kind.is_end() {
            self.living.remove(&seen.agent_id);
        }
    }

    fn refresh(&mut self, agents: &[AgentBody]) {
        let turns = self.until == Until::Turn;
        // One that waits for an answer to its question is still in its turn.
        let over = |agent: &&AgentBody| {
            let waits = agent.status == Status::Waiting && agent.asks.is_none();
            agent.status.is_end() || turns && waits
        };
        for agent in agents.iter().filter(over) {
            self.living.remove(&agent.id);
        }
    }

    fn is_done(&self) -> bool {
        if self.any { self.living.len() < self.total } else { self.living.is_empty() }
    }
}

impl std::fmt::Display for Open {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "waiting for {} of {}", self.living.len(), count(self.total, "agent"))
    }
}

/// The exit code that an ended agent stands for: its own when it ended by itself, 128+N for a
/// signal, and 1 when neither says that something went wrong, and it did.
pub(super) fn code_of(agent: &AgentBody) -> u8 {
    let own = agent.exit_code.map(|code| u8::try_from(code).unwrap_or(exit::FAILED));
    let signal = agent.signal.and_then(|signal| u8::try_from(128 + signal.number()).ok());
    match agent.status {
        Status::Completed => own.unwrap_or(exit::DONE),
        Status::Failed => own.filter(|code| *code != 0).or(signal).unwrap_or(exit::FAILED),
        _ => signal.unwrap_or(exit::FAILED),
    }
}

/// 0 when all went well, and otherwise the code of the first that did not.
pub(super) fn code_of_all(agents: &[AgentBody]) -> u8 {
    agents.iter().map(code_of).find(|code| *code != exit::DONE).unwrap_or(exit::DONE)
}

/// The same of agents of which some have only ended their turn: that is well, unless it was cut short.
pub(super) fn code_of_answers(agents: &[AgentBody], cut_short: &CutShort) -> u8 {
    let code = |agent: &AgentBody| match agent.status.is_end() {
        true => code_of(agent),
        false if cut_short.contains_key(&agent.id) => exit::FAILED,
        false => exit::DONE,
    };
    agents.iter().map(code).find(|code| *code != exit::DONE).unwrap_or(exit::DONE)
}

fn code_of_first(agents: &[AgentBody]) -> u8 {
    let ended = agents.iter().filter(|agent| agent.status.is_end());
    ended.min_by_key(|agent| agent.ended_at).map_or(exit::FAILED, code_of)
}

#[cfg(test)]
#[path = "wait_test.rs"]
mod tests;
