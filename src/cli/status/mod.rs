//! `dash status`: agents, and what they are doing.

mod detail;
mod list;
#[cfg(test)]
pub(super) mod sample;
mod together;

use std::mem::ManuallyDrop;

use clap_complete::engine::ArgValueCandidates;
use jiff::Timestamp;

use super::select::check_selector;
use super::show::{clean, count, of_status, shortened};
use super::{Context, Failure, completions, exit};
use crate::api::{AgentsQuery, BridgeBody, BridgeState};
use crate::client::Client;
use crate::model::Status;

/// What a bare `dash status` shows of the ended agents.
const RECENT_MS: u64 = 3_600_000;

/// Show agents and what they are doing.
///
/// Without selectors and filters: those that are alive, and those that ended within the last hour.
/// One selector that names one agent shows everything about it.
///
/// A SELECTOR is an id, an unambiguous prefix of one, or an exact label.
#[derive(Debug, Default, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct StatusArgs {
    /// Which agents; all that the filters leave when there is none.
    #[arg(value_name = "SELECTOR", add = ArgValueCandidates::new(completions::agents))]
    pub select: Vec<String>,
    /// Only agents of this group.
    #[arg(long, value_name = "NAME")]
    pub group: Option<String>,
    /// Only agents of this OpenClaw session key.
    #[arg(long, value_name = "KEY")]
    pub session: Option<String>,
    /// Only agents with one of these statuses, such as `running,failed`.
    #[arg(long, value_name = "STATUS", value_delimiter = ',', value_parser = status())]
    pub status: Vec<Status>,
    /// Only agents with this metadata; all of them, when repeated.
    #[arg(long, value_name = "KEY=VALUE", value_parser = metadata)]
    pub meta: Vec<String>,
    /// Also agents that ended long ago.
    #[arg(long)]
    pub all: bool,
}

const EXAMPLES: &str = "\
Examples:
  dash status                        what runs, and what ended within the hour
  dash status fix-bug                everything about one agent
  dash status --status failed --all  everything that ever failed
  dash status --group nightly --json one JSON object a line";

fn status() -> impl clap::builder::TypedValueParser<Value = Status> {
    use clap::builder::{PossibleValuesParser, TypedValueParser as _};
    PossibleValuesParser::new(Status::ALL.map(Status::as_str))
        .try_map(|name| name.parse::<Status>())
}

fn metadata(text: &str) -> Result<String, String> {
    match text.split_once('=') {
        Some((key, _)) if !key.is_empty() => Ok(text.to_owned()),
        _ => Err("write KEY=VALUE".to_owned()),
    }
}

impl StatusArgs {
    /// Whether nothing narrows down which agents are meant.
    fn is_bare(&self) -> bool {
        !self.all
            && self.select.is_empty()
            && self.group.is_none()
            && self.session.is_none()
            && self.status.is_empty()
            && self.meta.is_empty()
    }

    /// Whether all of one group or session are meant.
    fn is_whole(&self) -> bool {
        self.group.is_some() != self.session.is_some()
            && self.select.is_empty()
            && self.status.is_empty()
            && self.meta.is_empty()
    }

    fn query(&self) -> AgentsQuery {
        AgentsQuery {
            select: self.select.clone(),
            group: self.group.clone(),
            session: self.session.clone(),
            status: self.status.iter().map(ToString::to_string).collect(),
            meta: self.meta.clone(),
            ended_within_ms: self.is_bare().then_some(RECENT_MS),
            ..AgentsQuery::default()
        }
    }
}

/// Runs the command.
///
/// # Errors
/// Exit code 4 when a selector names no agent; else see [`Failure`].
pub async fn run(args: StatusArgs, context: &Context) -> Result<u8, Failure> {
    let show = &context.show;
    args.select.iter().try_for_each(|selector| check_selector(selector))?;
    let (client, query) = (context.daemon().await?, args.query());
    // Of one, and to programs, all is told.
    if !show.json && (show.quiet || args.select.len() != 1) {
        return many(&args, context, &client, &query).await;
    }
    let agents = kept(client.all_agents(&query).await?);
    if agents.is_empty() && !args.select.is_empty() {
        return Err(nothing_selected(&args.select));
    }
    if show.json {
        agents.iter().try_for_each(|agent| show.json_line(agent))?;
        return Ok(exit::DONE);
    }
    if let [agent] = agents.as_slice() {
        show.bytes(detail::of(show, agent, Timestamp::now()).as_bytes())?;
        return Ok(exit::DONE);
    }
    // Several have the label.
    many(&args, context, &client, &query).await
}

/// The process ends when they are shown: to give back each string of a thousand agents is a tenth of its work.
fn kept<T>(agents: Vec<T>) -> ManuallyDrop<Vec<T>> {
    ManuallyDrop::new(agents)
}

/// A line about each.
async fn many(
    args: &StatusArgs,
    context: &Context,
    client: &Client,
    query: &AgentsQuery,
) -> Result<u8, Failure> {
    let show = &context.show;
    let (agents, older) = client.all_rows(query).await?;
    let agents = kept(agents);
    if agents.is_empty() && !args.select.is_empty() {
        return Err(nothing_selected(&args.select));
    }
    if show.quiet {
        agents.iter().try_for_each(|agent| show.line(agent.id.as_str()))?;
        return Ok(exit::DONE);
    }
    if agents.is_empty() {
        show.remark(if_empty(args, older));
        return Ok(exit::DONE);
    }
    show.table(&list::table(&agents, Timestamp::now()))?;
    show.line(&list::summary(&agents, older))?;
    let usage = agents.iter().filter_map(|agent| agent.usage.as_deref());
    if let Some(used) = together::used_together(usage).filter(|_| args.is_whole()) {
        show.line(&clean(&used))?;
    }
    if has_bridge(context)
        && let Some(remark) = client.bridge().await.ok().and_then(|bridge| untold(&bridge))
    {
        show.remark(&remark);
    }
    Ok(exit::DONE)
}

/// Whether the daemon may have a bridge: that of our configuration only when that asks for one.
fn has_bridge(context: &Context) -> bool {
    let elsewhere = std::env::var_os("DASH_API_URL").is_some_and(|url| !url.is_empty());
    elsewhere || context.config().map_or(true, |config| config.openclaw.enabled)
}

/// What OpenClaw was not told, when there is such a thing.
fn untold(bridge: &BridgeBody) -> Option<String> {
    let dead = bridge.dead_letters.len();
    if dead > 0 {
        return Some(format!(
            "OpenClaw could not be told of {}; `dash doctor` says why",
            count(dead, "end")
        ));
    }
    let waits = bridge.state == BridgeState::Connecting && bridge.owed > 0;
    waits.then(|| "OpenClaw's gateway is away; `dash doctor` says why".to_owned())
}

/// That a selector names no agent, for daemons that answer with an empty list.
pub(super) fn nothing_selected(selectors: &[String]) -> Failure {
    let names: Vec<String> =
        selectors.iter().map(|selector| format!("{:?}", shortened(selector, 80))).collect();
    Failure::new(exit::NO_AGENT, "not_found", format!("no agent is called {}", names.join(", ")))
        .hinted("`dash status --all` lists every agent")
}

fn if_empty(args: &StatusArgs, older: bool) -> &'static str {
    if older {
        "no agent is alive, or ended within the last hour; `dash status --all` shows older ones"
    } else if args.is_bare() || args.select.is_empty() && args.all {
        "there are no agents; `dash spawn -- COMMAND` starts one"
    } else {
        "no agent matches; `dash status --all` lists every one"
    }
}
