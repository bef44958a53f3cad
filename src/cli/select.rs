//! Arguments that several commands share: which agents, how long.

use std::time::Duration;

use clap_complete::engine::ArgValueCandidates;
use jiff::{Span, SpanRelativeTo, Unit};

use super::{Failure, completions, exit};
use crate::api::{AgentBody, AgentsQuery};
use crate::client::Client;

/// Agents by their names, or all of a group or session.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Which {
    /// An id, an unambiguous prefix of one, or an exact label.
    #[arg(value_name = "SELECTOR", add = ArgValueCandidates::new(completions::agents))]
    pub selectors: Vec<String>,
    /// Every agent of this group.
    #[arg(short, long, value_name = "NAME", conflicts_with = "selectors")]
    pub group: Option<String>,
    /// Every agent of this OpenClaw session.
    #[allow(clippy::doc_markdown, reason = "the text is shown as it is")]
    #[arg(long, value_name = "KEY", conflicts_with_all = ["selectors", "group"])]
    pub session: Option<String>,
}

impl Which {
    /// Whether it names anything.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.selectors.is_empty() && self.group.is_none() && self.session.is_none()
    }

    /// The agents that it names, oldest first. A label may name several.
    ///
    /// # Errors
    /// Exit code 4 when there is none, and what the daemon says of the selectors.
    pub async fn agents(&self, client: &Client) -> Result<Vec<AgentBody>, Failure> {
        for selector in &self.selectors {
            check_selector(selector)?;
        }
        let query = AgentsQuery {
            select: self.selectors.clone(),
            group: self.group.clone(),
            session: self.session.clone(),
            ..AgentsQuery::default()
        };
        let agents = client.all_agents(&query).await?;
        if agents.is_empty() {
            return Err(self.nobody());
        }
        Ok(agents)
    }

    fn nobody(&self) -> Failure {
        let message = match (&self.group, &self.session) {
            (Some(group), _) => format!("no agent is in the group {group:?}"),
            (None, Some(session)) => format!("no agent belongs to the session {session:?}"),
            (None, None) => "no agent is called that".to_owned(),
        };
        Failure::new(exit::NO_AGENT, "not_found", message)
            .hinted("`dash status --all` lists agents")
    }
}

/// Refuses a selector that can name nothing, before anything is asked.
///
/// # Errors
/// Exit code 2.
pub fn check_selector(selector: &str) -> Result<(), Failure> {
    if selector.is_empty() {
        return Err(Failure::usage("a selector is empty")
            .hinted("name an id, an unambiguous prefix of one, or an exact label"));
    }
    Ok(())
}

/// Reads a duration with its units, such as `500ms`, `30s`, `1h30m` or `2d` (days of 24 hours).
///
/// # Errors
/// Says what is wrong, and what a duration looks like.
pub fn duration(text: &str) -> Result<Duration, String> {
    const FORMS: &str = "write it with units, such as 500ms, 30s, 5m or 1h30m";
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!("a number needs a unit: {text}s, {text}m or {text}h"));
    }
    let span: Span = text.parse().map_err(|_| FORMS.to_owned())?;
    if span.is_negative() {
        return Err(format!("a duration cannot be negative; {FORMS}"));
    }
    if span.get_years() != 0 || span.get_months() != 0 {
        return Err("months and years have no fixed length; use days".to_owned());
    }
    let days = SpanRelativeTo::days_are_24_hours();
    let milliseconds = span.total((Unit::Millisecond, days)).map_err(|error| error.to_string())?;
    // Whole milliseconds are what the API carries.
    Duration::try_from_secs_f64(milliseconds.round() / 1000.0).map_err(|error| error.to_string())
}

/// The same, for one that is longer than nothing.
///
/// # Errors
/// Says what is wrong, and what a duration looks like.
pub fn positive_duration(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err("it must be longer than nothing".to_owned()),
        duration => Ok(duration),
    }
}

/// Milliseconds, as the API has them.
#[must_use]
pub fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_with_their_units() {
        for (text, expected) in [
            ("500ms", 500),
            ("30s", 30_000),
            ("1.5s", 1_500),
            ("5m", 300_000),
            ("1h30m", 5_400_000),
            ("1h 30m", 5_400_000),
            ("2d", 172_800_000),
            ("1w", 604_800_000),
            ("0s", 0),
            ("PT10S", 10_000),
        ] {
            assert_eq!(duration(text).map(milliseconds), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_answered_with_what_is() {
        for (text, expected) in [
            ("30", "30s, 30m or 30h"),
            ("", "with units"),
            ("soon", "with units"),
            ("-5s", "negative"),
            ("5s ago", "negative"),
            ("1mo", "no fixed length"),
            ("999999999999999999h", "with units"),
        ] {
            let error = duration(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
        assert!(positive_duration("0s").unwrap_err().contains("longer than nothing"));
        assert!(positive_duration("0.2ms").is_err(), "less than a millisecond is nothing");
    }

    #[test]
    fn an_empty_selector_is_refused() {
        assert_eq!(check_selector("").unwrap_err().exit, 2);
        assert_eq!(check_selector("x"), Ok(()));
    }
}
