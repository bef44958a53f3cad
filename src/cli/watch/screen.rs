//! Prints what comes in gulps: at once when little comes, and not so often that a terminal flickers
//! when much does.

use std::time::{Duration, Instant};

use crate::api::ResetBody;
use crate::cli::show::{Closed, EVERY, Show, StatusLine};

/// What waits is printed when it is larger than this, in bytes, whatever the time.
const GULP: usize = 256 * 1024;
/// Over how long events are counted for their rate.
const RATE_OVER: Duration = Duration::from_secs(1);

/// Standard output, with a status line below when there is a terminal.
pub(in crate::cli) struct Screen {
    show: Show,
    line: StatusLine,
    waiting: Vec<u8>,
    printed: Option<Instant>,
    /// Whether the status line was drawn at all.
    drawn: bool,
    rate: Rate,
}

/// Events a second.
struct Rate {
    since: Instant,
    counted: u32,
    last: u32,
}

impl Screen {
    pub(in crate::cli) fn new(show: Show, line: StatusLine) -> Self {
        let rate = Rate { since: Instant::now(), counted: 0, last: 0 };
        Self { show, line, waiting: Vec::new(), printed: None, drawn: false, rate }
    }

    /// Where lines to print are added.
    pub(super) fn lines(&mut self) -> &mut Vec<u8> {
        self.rate.counted = self.rate.counted.saturating_add(1);
        &mut self.waiting
    }

    /// Whether so much waits that it must be printed before more is taken.
    pub(super) fn is_full(&self) -> bool {
        self.waiting.len() >= GULP
    }

    /// When there is something to print or draw; never, when nothing has happened.
    pub(super) fn due(&self) -> Option<Instant> {
        if !self.line.is_shown() {
            return (!self.waiting.is_empty()).then(Instant::now);
        }
        // It says what runs before anything has happened.
        if !self.drawn {
            return Some(Instant::now());
        }
        if !self.waiting.is_empty() {
            return Some(self.printed.map_or_else(Instant::now, |printed| printed + EVERY));
        }
        (self.rate.counted > 0 || self.rate.last > 0).then(|| self.rate.since + RATE_OVER)
    }

    /// Prints what waits, and draws the status line.
    pub(super) fn print(&mut self, status: &str) -> Result<(), Closed> {
        let now = Instant::now();
        if self.line.is_shown() {
            self.drawn = true;
            self.rate.turn(now);
            let rate = self.rate.last;
            let separator = if status.is_empty() { "" } else { "; " };
            self.line.set(format!("{status}{separator}{rate} events/s"));
        }
        if self.waiting.is_empty() {
            return Ok(());
        }
        self.printed = Some(now);
        let printed = self.line.above(|| self.show.bytes(&self.waiting));
        self.waiting.clear();
        printed
    }

    /// Tells programs that events are missing, in the daemon's own words.
    pub(super) fn reset(&mut self, reset: &ResetBody) {
        if self.show.json
            && let Ok(json) = serde_json::to_string(reset)
        {
            self.waiting.extend_from_slice(json.as_bytes());
            self.waiting.push(b'\n');
        }
    }

    /// Says something about the watching itself.
    pub(super) fn remark(&mut self, text: &str) {
        self.line.above(|| self.show.remark(text));
    }
}

impl Rate {
    fn turn(&mut self, now: Instant) {
        let passed = now.duration_since(self.since);
        if passed >= RATE_OVER {
            let milliseconds = u64::try_from(passed.as_millis()).unwrap_or(u64::MAX).max(1);
            let rate = u64::from(self.counted) * 1000 / milliseconds;
            self.last = u32::try_from(rate).unwrap_or(u32::MAX);
            self.counted = 0;
            self.since = now;
        }
    }
}
