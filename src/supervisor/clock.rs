//! What time it is. Deadlines do not ask this clock: they are measured by one that stands still
//! while the machine sleeps, so that nobody is stopped for time that nobody had.

use jiff::Timestamp;

/// The time of day.
pub trait Clock: Send + Sync + 'static {
    /// Now.
    fn now(&self) -> Timestamp;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}
