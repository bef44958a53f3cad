//! `dash logs`: what an agent said.

mod lines;

use clap_complete::engine::ArgValueCandidates;

use super::select::check_selector;
use super::show::StatusLine;
use super::watch::stream::{Reader, Screen, follow};
use super::watch::{EventLine, since_parameter};
use super::{Context, Failure, completions, exit};
use crate::api::{AgentBody, EventBody, EventsQuery};
use crate::client::Client;
use crate::model::{EventType, Fact, Seq};
use lines::{Lines, Look, Only};

/// Events in one page: an event may have 64 KiB of text.
const PAGE: usize = 200;

/// Show what an agent said: the output of a command, the messages of a harness.
///
/// Only the text is printed, without what would steer a terminal. With `--json` the events come as
/// they are, one a line.
///
/// A SELECTOR is an id, an unambiguous prefix of one, or an exact label.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct LogsArgs {
    /// Which agent.
    #[arg(value_name = "SELECTOR", add = ArgValueCandidates::new(completions::agents))]
    pub select: String,
    /// Go on with what comes, until the agent has ended.
    #[arg(short, long)]
    pub follow: bool,
    /// Only the last lines, so many of them.
    #[arg(long, value_name = "N")]
    pub tail: Option<usize>,
    /// Only one of a command's two outputs.
    #[arg(long, value_name = "NAME")]
    pub stream: Option<Only>,
    /// Print the text as the agent wrote it, escape sequences included.
    #[arg(long, conflicts_with = "json")]
    pub raw: bool,
}

const EXAMPLES: &str = "\
Examples:
  dash logs fix-bug                 all that it said
  dash logs fix-bug -f --tail 20    its last 20 lines, and what comes
  dash logs fix-bug --stream stderr only its errors";

/// Runs the command.
///
/// # Errors
/// Exit code 4 when there is no such agent; else see [`Failure`].
pub async fn run(args: LogsArgs, context: &Context) -> Result<u8, Failure> {
    check_selector(&args.select)?;
    let client = context.daemon().await?;
    let agent = client.agent(&args.select).await?;
    let show = &context.show;
    if args.raw && show.terminal {
        show.remark("--raw: what this agent wrote can steer your terminal");
    }
    let look = match (show.json, args.raw) {
        (true, _) => Look::Json,
        (false, true) => Look::Raw,
        (false, false) => Look::Clean { color: show.color.0, mark: show.terminal },
    };
    let mut reader = Log { lines: Lines::new(look, args.stream, args.tail), ended: false };
    let since = backlog(context, &client, &agent, &mut reader).await?;
    show.bytes(&reader.lines.rest())?;
    if !args.follow || reader.ended || agent.status.is_end() {
        return Ok(exit::DONE);
    }
    let query = EventsQuery { since: Some(since_parameter(since)), ..query(&agent) };
    let screen = Screen::new(show.clone(), StatusLine::new(false));
    follow(context, &client, query, &mut reader, screen).await
}

/// What the agent said; its first event, to see whether anything is missing; and its end, to know
/// when nothing more comes.
fn query(agent: &AgentBody) -> EventsQuery {
    let types = [EventType::Spawned, EventType::Output, EventType::Message];
    let types = types.into_iter().chain(EventType::ENDS);
    EventsQuery {
        agent: vec![agent.id.to_string()],
        r#type: types.map(|kind| kind.to_string()).collect(),
        ..EventsQuery::default()
    }
}

fn begins_with_its_first(events: &[EventBody]) -> bool {
    events.first().is_some_and(|event| event.r#type == EventType::Spawned.as_str())
}

/// Prints what is in the log, page by page, and answers with the position to go on from.
async fn backlog(
    context: &Context,
    client: &Client,
    agent: &AgentBody,
    reader: &mut Log,
) -> Result<Seq, Failure> {
    let mut query = EventsQuery { limit: Some(PAGE), ..query(agent) };
    let mut since = Seq::START;
    while since < agent.last_seq {
        query.since = Some(since_parameter(since));
        let page = client.events_page(&query).await?;
        if let Some(reset) = page.reset.filter(|_| !begins_with_its_first(&page.events)) {
            let oldest = reset.oldest;
            context.show.remark(&format!("what it said before event {oldest} is no longer kept"));
        }
        let mut lines = Vec::new();
        for event in &page.events {
            reader.page_event(event, &mut lines);
        }
        context.show.bytes(&lines)?;
        if page.next <= since {
            break;
        }
        since = page.next;
    }
    Ok(since)
}

/// Makes lines of an agent's events.
struct Log {
    lines: Lines,
    ended: bool,
}

impl Log {
    fn page_event(&mut self, event: &EventBody, lines: &mut Vec<u8>) {
        // An event that was read can be written; if it could not, there would be nothing to say.
        if let Ok(json) = serde_json::to_string(event) {
            self.event(&json, lines);
        }
    }
}

impl Reader for Log {
    fn event(&mut self, json: &str, lines: &mut Vec<u8>) {
        match EventLine::read(json).ok().and_then(|event| event.fact()) {
            Some(Fact::Output(output)) => self.lines.output(json, &output, lines),
            Some(Fact::Message(said)) => self.lines.message(json, &said.text, lines),
            Some(Fact::End(..)) => self.ended = true,
            _ => {}
        }
    }

    fn reset(&mut self, _oldest: Seq) {}

    fn is_over(&self) -> bool {
        self.ended
    }
}
