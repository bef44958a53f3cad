//! How often keys may be guessed.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Wrong keys from one address that are looked at together.
const ATTEMPTS: u32 = 10;
/// After how long one more is looked at: ten a minute.
const INTERVAL: Duration = Duration::from_secs(6);
/// Addresses that are remembered at once; the rest share one memory.
const ADDRESSES_MAX: usize = 4096;

/// A token bucket for each address: a wrong key takes a token, and one comes back every [`INTERVAL`].
/// Kept as the time at which the bucket would be full again. No address is exempt.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    full_at: Mutex<HashMap<IpAddr, Instant>>,
}

impl Attempts {
    /// Whether a key from this address is looked at now.
    ///
    /// # Errors
    /// After how long it will be.
    pub(super) fn check(&self, address: IpAddr, now: Instant) -> Result<(), Duration> {
        let full_at = self.lock();
        let Some(full) = full_at.get(&place(&full_at, address)) else { return Ok(()) };
        // One token is there when the bucket lacks no more than the others.
        let wait = full.saturating_duration_since(now + INTERVAL * (ATTEMPTS - 1));
        if wait.is_zero() { Ok(()) } else { Err(wait) }
    }

    /// A key from this address was wrong.
    pub(super) fn failed(&self, address: IpAddr, now: Instant) {
        let mut full_at = self.lock();
        if full_at.len() >= ADDRESSES_MAX {
            full_at.retain(|_, full| *full > now);
        }
        let place = place(&full_at, address);
        let full = full_at.entry(place).or_insert(now);
        *full = (*full).max(now) + INTERVAL;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<IpAddr, Instant>> {
        self.full_at.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Where an address is remembered: an IPv4 address in IPv6 form is the IPv4 address, and who has one
/// IPv6 address has all of its /64.
fn place(known: &HashMap<IpAddr, Instant>, address: IpAddr) -> IpAddr {
    let place = match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
        v4 @ IpAddr::V4(_) => v4,
    };
    if known.len() < ADDRESSES_MAX || known.contains_key(&place) {
        place
    } else {
        IpAddr::V6(Ipv6Addr::from_bits(u128::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_eleventh_guess_waits() {
        let (attempts, start) = (Attempts::default(), Instant::now());
        let address: IpAddr = "127.0.0.1".parse().unwrap();
        for _ in 0..ATTEMPTS {
            assert_eq!(attempts.check(address, start), Ok(()));
            attempts.failed(address, start);
        }
        assert_eq!(attempts.check(address, start), Err(INTERVAL));
        let mapped = "::ffff:127.0.0.1".parse().unwrap();
        assert!(attempts.check(mapped, start).is_err(), "the same address in another form");
        assert_eq!(attempts.check("127.0.0.2".parse().unwrap(), start), Ok(()));

        let later = start + INTERVAL;
        assert_eq!(attempts.check(address, later), Ok(()));
        attempts.failed(address, later);
        assert!(attempts.check(address, later).is_err(), "one came back, and one was used");
        assert_eq!(attempts.check(address, later + INTERVAL), Ok(()));
    }

    #[test]
    fn guessing_from_a_whole_network_is_guessing_from_one_address() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        for host in 0..10 {
            attempts.failed(format!("2001:db8::{host}").parse().unwrap(), now);
        }
        assert!(attempts.check("2001:db8::ffff".parse().unwrap(), now).is_err());
        assert!(attempts.check("2001:db8:0:1::1".parse().unwrap(), now).is_ok());
    }

    #[test]
    fn memory_is_bounded_and_guesses_are_still_counted() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        for address in 0..u32::try_from(ADDRESSES_MAX + 100).unwrap() {
            attempts.failed(IpAddr::V4(std::net::Ipv4Addr::from_bits(address)), now);
        }
        assert!(attempts.lock().len() <= ADDRESSES_MAX + 1);
        assert!(attempts.check("9.9.9.9".parse().unwrap(), now).is_err(), "shares the last place");
        attempts.failed("9.9.9.9".parse().unwrap(), now + Duration::from_hours(1));
        assert!(attempts.lock().len() <= 2, "those that are full again are forgotten");
    }
}
