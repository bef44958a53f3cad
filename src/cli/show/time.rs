//! Times as people say them. What time it is now is an argument.

use jiff::Timestamp;

const SECOND: u64 = 1000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// A span of milliseconds in its two largest units, such as `2h 5m`.
#[must_use]
pub fn span(milliseconds: u64) -> String {
    let two = |large: u64, of: &str, small: u64, rest: &str| {
        let (whole, left) = (milliseconds / large, milliseconds % large / small);
        if left == 0 { format!("{whole}{of}") } else { format!("{whole}{of} {left}{rest}") }
    };
    match milliseconds {
        0..SECOND => format!("{milliseconds}ms"),
        SECOND..MINUTE => format!("{}s", milliseconds / SECOND),
        MINUTE..HOUR => two(MINUTE, "m", SECOND, "s"),
        HOUR..DAY => two(HOUR, "h", MINUTE, "m"),
        _ => two(DAY, "d", HOUR, "h"),
    }
}

/// How long ago it was, such as `3s ago`. What lies in the future, because clocks differ, was now.
#[must_use]
pub fn ago(now: Timestamp, then: Timestamp) -> String {
    match between(then, now) {
        0..SECOND => "just now".to_owned(),
        milliseconds => format!("{} ago", span(milliseconds)),
    }
}

/// Milliseconds from one time to a later one; 0 when it is not later.
#[must_use]
pub fn between(from: Timestamp, to: Timestamp) -> u64 {
    u64::try_from(to.duration_since(from).as_millis()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_two_units_at_most() {
        for (milliseconds, expected) in [
            (0, "0ms"),
            (999, "999ms"),
            (1000, "1s"),
            (59_999, "59s"),
            (60_000, "1m"),
            (125_000, "2m 5s"),
            (2 * HOUR + 5 * MINUTE, "2h 5m"),
            (3 * HOUR, "3h"),
            (25 * HOUR, "1d 1h"),
            (400 * DAY, "400d"),
        ] {
            assert_eq!(span(milliseconds), expected);
        }
    }

    #[test]
    fn ago_is_seen_from_now() {
        let at = |second| Timestamp::from_second(second).unwrap();
        assert_eq!(ago(at(1000), at(997)), "3s ago");
        assert_eq!(ago(at(1000), at(1000)), "just now");
        assert_eq!(ago(at(1000), at(2000)), "just now");
    }
}
