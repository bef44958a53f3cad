//! How values of the model are kept in columns.

use jiff::Timestamp;

use crate::model::Seq;

/// A position or number for a column. `SQLite`'s integers are signed; nothing here comes near 2^63.
pub(super) fn integer(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// A position or number from a column.
pub(super) fn number(value: i64) -> u64 {
    u64::try_from(value).unwrap_or_default()
}

/// How many there are, as a part of a position.
pub(super) fn count(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

/// A position from a column.
pub(super) fn seq(value: i64) -> Seq {
    Seq(number(value))
}

/// A time for a column: microseconds since 1970.
pub(super) fn micros(time: Timestamp) -> i64 {
    time.as_microsecond()
}

/// A time from a column. One that no calendar reaches becomes 1970.
pub(super) fn timestamp(micros: i64) -> Timestamp {
    Timestamp::from_microsecond(micros).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// The time as it can be kept, so that an event that is read again equals the one that was told.
pub(super) fn truncated(time: Timestamp) -> Timestamp {
    timestamp(micros(time))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn times_survive_a_column(nanos in -1_000_000_000_000_i128..4_000_000_000_000_000_000) {
            let time = truncated(Timestamp::from_nanosecond(nanos).unwrap());
            prop_assert_eq!(timestamp(micros(time)), time);
            let lost = nanos - time.as_nanosecond();
            prop_assert!(lost.abs() < 1_000);
        }
    }
}
