//! `dash audit`: who did what.

use std::collections::VecDeque;

use clap_complete::engine::ArgValueCandidates;

use super::show::{Cell, Column, Paint, Show, Table, clean, count, name, shortened};
use super::{Context, Failure, completions, exit, verify};
use crate::api::{AuditBody, AuditQuery};
use crate::client::Client;

/// Records in one page.
const PAGE: usize = 10_000;
/// Records that a table shows when nothing else is asked for.
const SHOWN: usize = 100;
/// Columns of a terminal that is too narrow for the day.
const NARROW: usize = 80;
/// Characters of the detail that are looked at for a table.
const MOST: usize = 300;

/// Show the audit trail: who did what, when, to which agent, with what outcome.
///
/// The newest records are shown, oldest first. With `--json` all of them come, one a line, unless
/// `--limit` says otherwise.
#[derive(Debug, Default, clap::Args)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub struct AuditArgs {
    #[command(subcommand)]
    pub command: Option<AuditCommand>,
    /// Only records of this agent: an id, an unambiguous prefix of one, or an exact label.
    #[arg(long, value_name = "SELECTOR", add = ArgValueCandidates::new(completions::agents))]
    pub agent: Option<String>,
    /// Only records after this position in the trail.
    #[arg(long, value_name = "POSITION")]
    pub since: Option<u64>,
    /// Only the newest records, so many of them.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: Option<u32>,
}

/// What to do with the trail.
#[derive(Debug, Clone, Copy, clap::Subcommand)]
pub enum AuditCommand {
    /// Check that no record was changed, taken out or cut off, and name the first bad one.
    ///
    /// A daemon that runs is asked; otherwise the state directory is read, and none is started. Ends
    /// with 1 when something is wrong.
    Verify,
}

const EXAMPLES: &str = "\
Examples:
  dash audit                   the newest records
  dash audit verify            whether the trail is whole
  dash audit --agent fix-bug   what was done to one agent
  dash audit --since 100 --json";

/// Runs the command.
///
/// # Errors
/// Exit code 4 when there is no such agent; else see [`Failure`].
pub async fn run(args: AuditArgs, context: &Context) -> Result<u8, Failure> {
    if let Some(AuditCommand::Verify) = args.command {
        return verify::run(context).await;
    }
    let show = &context.show;
    let client = context.daemon().await?;
    let limit = args.limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX));
    let mut query = AuditQuery { since: args.since, agent: args.agent.clone(), limit: Some(PAGE) };
    if show.json && limit.is_none() {
        return all(show, &client, query).await;
    }
    let most = limit.unwrap_or(SHOWN);
    let mut newest = VecDeque::new();
    let mut left_out = false;
    loop {
        let page = client.audit(&query).await?;
        newest.extend(page.records);
        if newest.len() > most {
            left_out = true;
            newest.drain(..newest.len() - most);
        }
        match page.next {
            Some(next) if query.since != Some(next) => query.since = Some(next),
            _ => break,
        }
    }
    if show.json {
        for record in &newest {
            show.json_line(record)?;
        }
        return Ok(exit::DONE);
    }
    print(show, &newest, left_out)?;
    Ok(exit::DONE)
}

/// Prints every record as it comes, a page at a time.
async fn all(show: &Show, client: &Client, mut query: AuditQuery) -> Result<u8, Failure> {
    loop {
        let page = client.audit(&query).await?;
        for record in &page.records {
            show.json_line(record)?;
        }
        match page.next {
            Some(next) if query.since != Some(next) => query.since = Some(next),
            _ => return Ok(exit::DONE),
        }
    }
}

fn print(show: &Show, records: &VecDeque<AuditBody>, left_out: bool) -> Result<(), Failure> {
    if records.is_empty() {
        show.remark("there are no records");
        return Ok(());
    }
    show.table(&table(records, show.columns() < NARROW))?;
    if left_out {
        let shown = count(records.len(), "record");
        show.remark(&format!("the newest {shown}; `--limit N` shows more, `--json` all"));
    }
    Ok(())
}

/// On a narrow terminal the day is left out.
fn table<'a>(records: impl IntoIterator<Item = &'a AuditBody>, narrow: bool) -> Table {
    let time = if narrow { "%TZ" } else { "%F %TZ" };
    let mut table = Table::new(&[
        Column::Fixed("TIME"),
        Column::Shrinks("ACTOR"),
        Column::Shrinks("ACTION"),
        Column::Shrinks("AGENT"),
        Column::Shrinks("OUTCOME"),
        Column::Shrinks("DETAIL"),
    ]);
    for record in records {
        table.row(vec![
            record.time.strftime(time).to_string().into(),
            short(&record.actor),
            short(&record.action),
            agent(record).into(),
            outcome(&record.outcome),
            detail(&record.detail).into(),
        ]);
    }
    table
}

fn short(text: &str) -> Cell {
    clean(&shortened(text, MOST)).as_ref().into()
}

fn outcome(outcome: &str) -> Cell {
    let text = clean(&shortened(outcome, 40)).into_owned();
    match outcome {
        "refused" | "failed" | "timed_out" | "lost" => Cell::painted(text, Paint::Red),
        _ => text.into(),
    }
}

fn agent(record: &AuditBody) -> String {
    let Some(id) = record.agent_id else { return String::new() };
    match &record.label {
        Some(label) => format!("{} {}", id.short(), name(id, Some(&shortened(label, MOST)), None)),
        None => id.short().to_owned(),
    }
}

/// `key=value` for each entry, as far as there is room.
fn detail(detail: &serde_json::Value) -> String {
    let said = match detail {
        serde_json::Value::Null => String::new(),
        serde_json::Value::Object(entries) => {
            let entries = entries.iter().map(|(key, value)| match value.as_str() {
                Some(text) => format!("{key}={}", shortened(text, MOST)),
                None => format!("{key}={}", shortened(&value.to_string(), MOST)),
            });
            entries.collect::<Vec<_>>().join(" ")
        }
        other => other.to_string(),
    };
    clean(&shortened(&said, MOST)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{AgentId, Seq};

    #[test]
    fn a_record_is_a_row() {
        let record = AuditBody {
            position: 1,
            seq: Some(Seq(4)),
            time: "2026-03-01T12:00:00.123Z".parse().unwrap(),
            actor: "user:ada".to_owned(),
            action: "kill".to_owned(),
            agent_id: Some(AgentId::from_bits(1)),
            label: Some("fix-bug".to_owned()),
            outcome: "accepted".to_owned(),
            detail: serde_json::json!({"signal": "SIGTERM\u{1b}[2J", "grace_ms": 10000}),
        };
        let daemon = AuditBody {
            actor: "daemon".to_owned(),
            action: "daemon.start".to_owned(),
            agent_id: None,
            label: None,
            detail: serde_json::Value::Null,
            ..record.clone()
        };
        insta::assert_snapshot!(table([&daemon, &record], false).render(110, false), @r"
    TIME                  ACTOR     ACTION        AGENT             OUTCOME   DETAIL
    2026-03-01 12:00:00Z  daemon    daemon.start                    accepted
    2026-03-01 12:00:00Z  user:ada  kill          kkkkkkkk fix-bug  accepted  signal=SIGTERM grace_ms=10000
    ");
    }
}
