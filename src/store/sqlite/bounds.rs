//! How much of the log is kept.

use jiff::SignedDuration;
use rusqlite::{Connection, OptionalExtension};

use super::Options;
use super::columns::{integer, micros, seq};
use super::log::Log;
use crate::model::Seq;

/// Events after which age and size are looked at again.
const LOOK_EVERY: u64 = 1_000;
/// The newest events, which stay however large the file is: it also holds the audit trail and the
/// agents, and those do not go.
const STAY: u64 = 1_000;

/// What is kept, and when that was last looked at.
#[derive(Debug)]
pub(super) struct Bounds {
    pub events: u64,
    age: Option<SignedDuration>,
    bytes: Option<u64>,
    /// Events since the last look.
    unlooked: u64,
    /// Nothing more goes because of its size before so much has gone.
    dropping: Seq,
}

impl Bounds {
    pub(super) fn new(options: Options) -> Self {
        let hours = |days: u32| SignedDuration::from_hours(24 * i64::from(days));
        Self {
            events: options.events_kept,
            age: options.days_kept.map(hours),
            bytes: options.bytes_max,
            // The first group is a reason to look.
            unlooked: LOOK_EVERY,
            dropping: Seq::START,
        }
    }

    /// The newest event that is too much, when `appended` events have come since the last time.
    pub(super) fn beyond(
        &mut self,
        connection: &Connection,
        log: &Log,
        appended: u64,
    ) -> rusqlite::Result<Seq> {
        let kept = log.newest.0 - log.trimmed.0;
        let mut last = log.trimmed;
        // A tenth too many, so that they go in some number.
        if kept > self.events.saturating_add(self.events / 10) {
            last = last.max(Seq(log.newest.0 - self.events));
        }
        self.unlooked += appended;
        if appended > 0 && self.unlooked >= LOOK_EVERY {
            self.unlooked = 0;
            last = last.max(self.too_old(connection, log)?);
            last = last.max(self.too_large(connection, log)?);
        }
        Ok(last)
    }

    /// The newest event that is too old, by the time of the newest there is.
    fn too_old(&self, connection: &Connection, log: &Log) -> rusqlite::Result<Seq> {
        let Some(limit) = self.age.and_then(|age| log.time.checked_sub(age).ok()) else {
            return Ok(log.trimmed);
        };
        let limit = micros(limit);
        let mut statement = connection
            .prepare_cached("SELECT seq, time FROM events WHERE seq >= ?1 ORDER BY seq LIMIT 1")?;
        // Times rise with positions: everything up to `old` is too old, and nothing from `young` on.
        let (mut old, mut young) = (log.trimmed.0, log.newest.0 + 1);
        while young - old > 1 {
            // The first look is at the oldest: most often it is young enough.
            let at = if old == log.trimmed.0 { old + 1 } else { old + (young - old) / 2 };
            let row = statement.query_row([integer(at)], |row| Ok((seq(row.get(0)?), row.get(1)?)));
            match row.optional()? {
                Some((found, time)) if found.0 < young && i64::lt(&time, &limit) => old = found.0,
                _ => young = at,
            }
        }
        Ok(Seq(old))
    }

    /// When the file uses more than it may, the newest of the oldest tenth.
    fn too_large(&mut self, connection: &Connection, log: &Log) -> rusqlite::Result<Seq> {
        let Some(limit) = self.bytes else { return Ok(log.trimmed) };
        let number = |pragma: &str| -> rusqlite::Result<u64> {
            connection
                .pragma_query_value(None, pragma, |row| row.get(0))
                .map(super::columns::number)
        };
        let pages = number("page_count")?.saturating_sub(number("freelist_count")?);
        let used = pages.saturating_mul(number("page_size")?);
        let kept = log.newest.0 - log.trimmed.0;
        if used <= limit || log.trimmed < self.dropping || kept <= STAY {
            return Ok(log.trimmed);
        }
        let drop = (kept / 10).max(1).min(kept - STAY);
        self.dropping = Seq(log.trimmed.0 + drop);
        Ok(self.dropping)
    }
}

#[cfg(test)]
#[path = "bounds_test.rs"]
mod tests;
