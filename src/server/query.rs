//! From query parameters to the model's filters.

use std::collections::BTreeMap;
use std::str::FromStr;

use http::HeaderMap;

use super::problem::Failure;
use crate::api::{AgentsQuery, EventsQuery};
use crate::model::{AgentFilter, AgentId, EventFilter, EventType, Seq, Status};

/// Most things in a page.
const LIMIT_MAX: usize = 10_000;
/// Things in a page when none is asked for.
const LIMIT: usize = 1000;

/// The agents that a list asks for; `agents` are those that its selectors name, if it has any, and
/// `within` is all that the caller may see.
pub(super) fn agent_filter(
    query: AgentsQuery,
    agents: Option<Vec<AgentId>>,
    within: Option<AgentId>,
) -> Result<AgentFilter, Failure> {
    Ok(AgentFilter {
        agents,
        within,
        group: query.group,
        session: query.session,
        label: query.label,
        statuses: list::<Status>("status", &query.status)?,
        metadata: metadata(&query.meta)?,
        ended_within_ms: query.ended_within_ms,
    })
}

/// The events that are asked for; `agents` are those that the selectors or the path name, and
/// `within` is all that the caller may see.
pub(super) fn event_filter(
    query: EventsQuery,
    agents: Option<Vec<AgentId>>,
    within: Option<AgentId>,
) -> Result<EventFilter, Failure> {
    Ok(EventFilter {
        agents,
        within,
        group: query.group,
        session: query.session,
        label: query.label,
        owned: query.owned,
        types: list::<EventType>("type", &query.r#type)?,
    })
}

/// The size of a page.
pub(super) fn limit(asked: Option<usize>) -> Result<usize, Failure> {
    match asked {
        None => Ok(LIMIT),
        Some(limit) if (1..=LIMIT_MAX).contains(&limit) => Ok(limit),
        Some(limit) => Err(bad("limit", &format!("{limit} is not from 1 to {LIMIT_MAX}"))),
    }
}

/// Where the next page of agents starts.
pub(super) fn after(asked: Option<&str>) -> Result<Option<u64>, Failure> {
    let parse = |text: &str| {
        text.parse().map_err(|_| bad("after", &format!("{text:?} is not the `next` of a page")))
    };
    asked.map(parse).transpose()
}

/// The cursor: what a reader that comes back saw last is stronger than what it first asked for.
pub(super) fn cursor(headers: &HeaderMap, since: Option<&str>) -> Result<Option<Seq>, Failure> {
    // Empty means that there is none (HTML, server-sent events, section 9.2.4).
    match headers.get("last-event-id").filter(|id| !id.is_empty()) {
        Some(id) => {
            let id = id.to_str().ok().and_then(|id| id.parse().ok());
            let failure = || Failure::invalid("the header `last-event-id` is not a position");
            id.map(|id| Some(Seq(id))).ok_or_else(failure)
        }
        None => since.map(position).transpose(),
    }
}

fn position(since: &str) -> Result<Seq, Failure> {
    match since {
        "beginning" => Ok(Seq::START),
        number => number.parse().map(Seq).map_err(|_| {
            bad("since", &format!("{number:?} is neither a position nor `beginning`"))
        }),
    }
}

/// Several values, comma-separated or repeated. None at all means no condition.
fn list<T>(name: &str, values: &[String]) -> Result<Option<Vec<T>>, Failure>
where
    T: FromStr<Err: ToString>,
{
    let parts = values.iter().flat_map(|value| value.split(',')).map(str::trim);
    let parse = |part: &str| part.parse().map_err(|error: T::Err| bad(name, &error.to_string()));
    let parsed: Vec<T> =
        parts.filter(|part| !part.is_empty()).map(parse).collect::<Result<_, _>>()?;
    Ok((!parsed.is_empty()).then_some(parsed))
}

fn metadata(pairs: &[String]) -> Result<BTreeMap<String, String>, Failure> {
    let split = |pair: &String| match pair.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(bad("meta", &format!("{pair:?} is not KEY=VALUE"))),
    };
    pairs.iter().map(split).collect()
}

fn bad(name: &str, why: &str) -> Failure {
    Failure::invalid(format!("parameter `{name}`: {why}"))
}

#[cfg(test)]
#[path = "query_test.rs"]
mod tests;
