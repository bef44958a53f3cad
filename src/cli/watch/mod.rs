//! `dash watch`: events as they come.

mod event;
mod roster;
mod scope;
mod screen;
pub(super) mod stream;
mod view;

use std::time::Duration;

use clap_complete::engine::ArgValueCandidates;

use super::select::{check_selector, positive_duration};
use super::show::{StatusLine, ago, count, end_of};
use super::status::nothing_selected;
use super::{Context, Failure, completions, exit};
use crate::api::{AgentBody, AgentsQuery, EventsQuery};
use crate::client::{Client, ClientError};
use crate::model::{EventType, Seq, Status};

pub(super) use event::EventLine;
use roster::Roster;
use scope::{IDS_MAX, Scope};
use screen::Screen;
use view::View;

/// Agents in one page of a list.
const PAGE: usize = 10_000;

/// Show what agents do, as it happens.
///
/// With selectors it ends when all of those agents have ended; without, it goes on until it is
/// interrupted. It starts now, unless `--since` says from where. Leaving it never ends an agent.
///
/// A line of an agent's output stands behind its name and `|`, an error line behind `!`, what was
/// sent to it behind `<`, and what happened to it behind `*`. With `--json` the events come as they
/// are, one a line.
///
/// A SELECTOR is an id, an unambiguous prefix of one, or an exact label.
#[derive(Debug, Default, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct WatchArgs {
    /// Which agents; everything that the filters leave when there is none.
    #[arg(value_name = "SELECTOR", add = ArgValueCandidates::new(completions::agents))]
    pub select: Vec<String>,
    /// Only agents of this group.
    #[arg(long, value_name = "NAME")]
    pub group: Option<String>,
    /// Only agents of this OpenClaw session key.
    #[arg(long, value_name = "KEY")]
    pub session: Option<String>,
    /// Begin after this position in the log, or at the `beginning` of it.
    #[arg(long, value_name = "SEQ|beginning", value_parser = since)]
    pub since: Option<Seq>,
    /// Only events of these types, such as `output,completed`.
    #[arg(long = "type", value_name = "TYPE", value_delimiter = ',', value_parser = event_type())]
    pub types: Vec<EventType>,
    /// Stay when all of the agents have ended.
    #[arg(short, long)]
    pub follow: bool,
    /// Leave after so long, such as 30s, with exit code 3; the agents run on.
    #[arg(long, value_name = "DURATION", value_parser = positive_duration)]
    pub timeout: Option<Duration>,
}

const EXAMPLES: &str = "\
Examples:
  dash watch                          everything, until Ctrl-C
  dash watch fix-bug                  one agent, until it has ended
  dash watch fix-bug --since beginning
  dash watch fix-bug --timeout 1m     for a minute at most
  dash watch --group nightly --type completed,failed --json";

fn since(text: &str) -> Result<Seq, String> {
    match text {
        "beginning" => Ok(Seq::START),
        number => number.parse().map(Seq).map_err(|_| "give a position, or `beginning`".to_owned()),
    }
}

fn event_type() -> impl clap::builder::TypedValueParser<Value = EventType> {
    use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser as _};
    let names = EventType::ALL.iter().map(|kind| {
        let full = kind.as_str();
        PossibleValue::new(full.trim_start_matches("agent.")).alias(full)
    });
    PossibleValuesParser::new(names).try_map(|name| name.parse::<EventType>())
}

/// The `since` parameter that stands for a position.
pub(super) fn since_parameter(since: Seq) -> String {
    if since == Seq::START { "beginning".to_owned() } else { since.to_string() }
}

/// Runs the command.
///
/// # Errors
/// Exit code 4 when a selector names no agent; else see [`Failure`].
pub async fn run(args: WatchArgs, context: &Context) -> Result<u8, Failure> {
    args.select.iter().try_for_each(|selector| check_selector(selector))?;
    let client = context.daemon().await?;
    let Some(limit) = args.timeout else { return watch(args, context, &client).await };
    // Every line is whole and flushed when it is printed: nothing is cut by leaving.
    let watched = tokio::time::timeout(limit, watch(args, context, &client)).await;
    watched.unwrap_or(Ok(exit::WAIT_EXPIRED))
}

async fn watch(args: WatchArgs, context: &Context, client: &Client) -> Result<u8, Failure> {
    if args.select.is_empty() {
        return everything(&args, context, client).await;
    }
    let (agents, now) = selected(&args, client).await?;
    let mut scope = Scope::of(&agents, args.since, args.follow);
    if scope.is_over() {
        context.show.remark(&ended_before(&agents, args.since.is_some()));
        return Ok(exit::DONE);
    }
    let query = EventsQuery {
        since: Some(since_parameter(args.since.unwrap_or(now))),
        r#type: wanted_types(&args.types),
        ..scope.query()
    };
    let roster = Roster::of(&agents);
    let mut view = View::new(&context.show, roster, &mut scope, args.types);
    stream::follow(context, client, query, &mut view, screen(context)).await
}

async fn everything(args: &WatchArgs, context: &Context, client: &Client) -> Result<u8, Failure> {
    let query = EventsQuery {
        since: args.since.map(since_parameter),
        group: args.group.clone(),
        session: args.session.clone(),
        r#type: args.types.iter().map(ToString::to_string).collect(),
        ..EventsQuery::default()
    };
    let mut roster = Roster::default();
    if !context.show.json {
        let alive = Status::ALL.into_iter().filter(|status| !status.is_end());
        let query = AgentsQuery {
            group: args.group.clone(),
            session: args.session.clone(),
            status: alive.map(|status| status.to_string()).collect(),
            limit: Some(PAGE),
            ..AgentsQuery::default()
        };
        roster = Roster::of(&client.agents(&query).await?.agents);
    }
    let mut scope = Scope::everything();
    let mut view = View::new(&context.show, roster, &mut scope, args.types.clone());
    stream::follow(context, client, query, &mut view, screen(context)).await
}

fn screen(context: &Context) -> Screen {
    Screen::new(context.show.clone(), StatusLine::new(context.show.progress))
}

/// The ends are needed too, to know when it is over.
fn wanted_types(types: &[EventType]) -> Vec<String> {
    if types.is_empty() {
        return Vec::new();
    }
    let mut wanted = types.to_vec();
    wanted.extend(EventType::ENDS);
    wanted.sort_unstable();
    wanted.dedup();
    wanted.iter().map(ToString::to_string).collect()
}

/// The agents that the selectors name, and the position that watching them can begin at without
/// missing anything: the newest that the first page knows of. Agents of later pages may have moved
/// on by then, which their own positions tell.
async fn selected(args: &WatchArgs, client: &Client) -> Result<(Vec<AgentBody>, Seq), Failure> {
    let mut query = AgentsQuery {
        select: args.select.clone(),
        group: args.group.clone(),
        session: args.session.clone(),
        limit: Some(PAGE),
        ..AgentsQuery::default()
    };
    let page = client.agents(&query).await?;
    let (mut agents, mut next) = (page.agents, page.next);
    let now = agents.iter().map(|agent| agent.last_seq).max().unwrap_or(Seq::START);
    while let Some(after) = next {
        query.after = Some(after);
        let page = client.agents(&query).await?;
        agents.extend(page.agents);
        next = page.next;
    }
    if agents.is_empty() {
        return Err(nothing_selected(&args.select));
    }
    Ok((agents, now))
}

/// Why there is nothing to watch.
fn ended_before(agents: &[AgentBody], replayed: bool) -> String {
    let said = match agents {
        [agent] => {
            let ended = agent.ended_at.unwrap_or(agent.created_at);
            let now = jiff::Timestamp::now();
            format!("{} ended {}: {}", roster::called(agent), ago(now, ended), end_of(agent))
        }
        _ => format!("all {} have ended", count(agents.len(), "agent")),
    };
    if replayed {
        format!("{said}; nothing happened after that position")
    } else {
        let who = if agents.len() == 1 { "it" } else { "they" };
        format!("{said}; `--since beginning` shows what {who} did")
    }
}

/// Prints the events of exactly these agents after `since` until all of them have ended, and
/// answers with them as they ended, in the order given.
///
/// # Errors
/// Exit code 130 or 143 when it is interrupted, which ends no agent; else see [`Failure`].
pub async fn follow_agents(
    context: &Context,
    client: &Client,
    agents: &[AgentBody],
    since: Seq,
) -> Result<Vec<AgentBody>, Failure> {
    let mut scope = Scope::of(agents, Some(since), false);
    if !scope.is_over() {
        let query = EventsQuery { since: Some(since_parameter(since)), ..scope.query() };
        let roster = Roster::of(agents);
        let mut view = View::new(&context.show, roster, &mut scope, Vec::new());
        let code = stream::follow(context, client, query, &mut view, screen(context)).await?;
        if code != exit::DONE {
            return Err(Failure::new(code, "interrupted", "detached; the agents run on")
                .hinted("`dash watch` shows them again, `dash kill` ends them"));
        }
    }
    Ok(as_they_are(client, agents).await?)
}

/// The same agents as they are now, in the same order.
async fn as_they_are(client: &Client, agents: &[AgentBody]) -> Result<Vec<AgentBody>, ClientError> {
    let mut now = std::collections::HashMap::with_capacity(agents.len());
    for some in agents.chunks(IDS_MAX) {
        let query = AgentsQuery {
            select: some.iter().map(|agent| agent.id.to_string()).collect(),
            ..AgentsQuery::default()
        };
        now.extend(client.all_agents(&query).await?.into_iter().map(|agent| (agent.id, agent)));
    }
    Ok(agents.iter().map(|agent| now.remove(&agent.id).unwrap_or_else(|| agent.clone())).collect())
}

#[cfg(test)]
#[path = "watch_test.rs"]
mod tests;
