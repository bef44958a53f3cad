//! Positions of events that were lost with a part of the file: readers are told, and none of these
//! is ever given out again.

use rusqlite::Connection;

use super::columns::{integer, seq};
use crate::model::Seq;

/// Runs of lost positions, in order. There are none in a file that was never damaged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Holes(Vec<(Seq, Seq)>);

impl Holes {
    pub(super) fn load(connection: &Connection) -> rusqlite::Result<Self> {
        let mut statement = connection.prepare("SELECT first, last FROM holes ORDER BY first")?;
        let runs = statement.query_map((), |row| Ok((seq(row.get(0)?), seq(row.get(1)?))))?;
        runs.collect::<Result<_, _>>().map(Self)
    }

    /// The newest lost position.
    pub(super) fn newest(&self) -> Seq {
        self.0.iter().map(|(_, last)| *last).max().unwrap_or(Seq::START)
    }

    /// The first run of lost positions after `since` and up to `to`.
    pub(super) fn between(&self, since: Seq, to: Seq) -> Option<(Seq, Seq)> {
        let (first, last) = self.0.iter().find(|(first, last)| *last > since && *first <= to)?;
        Some(((*first).max(since.next()), *last))
    }
}

/// Adds a run.
pub(super) fn add(connection: &Connection, first: Seq, last: Seq) -> rusqlite::Result<()> {
    let run = (integer(first.0), integer(last.0));
    connection.execute("INSERT OR REPLACE INTO holes (first, last) VALUES (?1, ?2)", run)?;
    Ok(())
}
