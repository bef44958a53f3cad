//! The audit trail's hash chain: what a record's hash is, and whether a trail holds. No IO.
//!
//! A record's hash is the SHA-256 of text that anybody can put together from the columns of the
//! table: the previous record's hash in lower-case hexadecimal (64 zeros before the first), and then
//! each column but the hash, in the table's order, as a netstring: its length in bytes, a colon, the
//! value, a comma. Numbers are in decimal; a column that is null is a hyphen and a comma.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use super::{Bad, Checkpoint, Verified};

/// What is known of a record and all before it.
pub(super) type Hash = [u8; 32];

/// The hash before the first record.
pub(super) const START: Hash = [0; 32];

/// A record, as its columns have it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Columns<'a> {
    pub position: i64,
    pub seq: Option<i64>,
    /// Microseconds since 1970.
    pub time: i64,
    pub actor: &'a [u8],
    pub action: &'a [u8],
    pub agent: Option<&'a [u8]>,
    pub label: Option<&'a [u8]>,
    pub outcome: &'a [u8],
    pub detail: &'a [u8],
}

/// The hash of a record that follows one with this hash. `scratch` is there to be used again.
pub(super) fn link(previous: &Hash, record: &Columns<'_>, scratch: &mut Vec<u8>) -> Hash {
    scratch.clear();
    push_hex(scratch, previous);
    push_number(scratch, record.position);
    match record.seq {
        Some(seq) => push_number(scratch, seq),
        None => scratch.extend_from_slice(b"-,"),
    }
    push_number(scratch, record.time);
    let texts = [
        Some(record.actor),
        Some(record.action),
        record.agent,
        record.label,
        Some(record.outcome),
        Some(record.detail),
    ];
    for text in texts {
        match text {
            Some(text) => push_text(scratch, text),
            None => scratch.extend_from_slice(b"-,"),
        }
    }
    Sha256::digest(&*scratch).into()
}

fn push_hex(scratch: &mut Vec<u8>, hash: &Hash) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in hash {
        let digits = [byte >> 4, byte & 15].map(|digit| DIGITS[usize::from(digit)]);
        scratch.extend_from_slice(&digits);
    }
}

fn push_number(scratch: &mut Vec<u8>, number: i64) {
    let mut digits = [0; DIGITS_MAX];
    let mut first = decimal(&mut digits, number.unsigned_abs());
    if number < 0 {
        first -= 1;
        digits[first] = b'-';
    }
    push_text(scratch, &digits[first..]);
}

fn push_text(scratch: &mut Vec<u8>, text: &[u8]) {
    // Not with `write!`: formatting took as long as hashing.
    let mut digits = [0; DIGITS_MAX];
    let first = decimal(&mut digits, u64::try_from(text.len()).unwrap_or(u64::MAX));
    scratch.extend_from_slice(&digits[first..]);
    scratch.push(b':');
    scratch.extend_from_slice(text);
    scratch.push(b',');
}

/// Bytes that a sign and the digits of 64 bits take at most.
const DIGITS_MAX: usize = 20;

/// Writes the number at the end, with room for a sign if it needs one. Answers where it begins.
fn decimal(digits: &mut [u8; DIGITS_MAX], mut rest: u64) -> usize {
    let mut first = DIGITS_MAX;
    loop {
        first -= 1;
        digits[first] = b'0' + u8::try_from(rest % 10).unwrap_or_default();
        rest /= 10;
        if rest == 0 {
            return first;
        }
    }
}

/// A hash in lower-case hexadecimal.
pub(super) fn hex(hash: &Hash) -> String {
    hash.iter().fold(String::with_capacity(64), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The hash that is written so; none when it is no hash.
pub(super) fn unhex(text: &str) -> Option<Hash> {
    let digits = text.as_bytes();
    let mut hash = START;
    if digits.len() != 2 * hash.len() {
        return None;
    }
    for (byte, pair) in hash.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(hash)
}

/// Goes through a trail from its first record, and stops at the first that is wrong.
#[derive(Debug)]
pub(super) struct Verifier {
    /// By position.
    checkpoints: Vec<Checkpoint>,
    /// How many of them have been passed.
    passed: usize,
    position: u64,
    hash: Hash,
    scratch: Vec<u8>,
    /// Why there are no checkpoints, when there should be.
    unanchored: Option<String>,
    bad: Option<Bad>,
}

impl Verifier {
    /// Nothing yet, to be compared with these checkpoints, or why there are none.
    pub(super) fn new(checkpoints: Result<Vec<Checkpoint>, String>) -> Self {
        let (mut checkpoints, unanchored) = match checkpoints {
            Ok(checkpoints) => (checkpoints, None),
            Err(reason) => (Vec::new(), Some(reason)),
        };
        checkpoints.sort_by_key(|checkpoint| checkpoint.position);
        let passed = checkpoints.partition_point(|checkpoint| checkpoint.position == 0);
        Self {
            checkpoints,
            passed,
            position: 0,
            hash: START,
            scratch: Vec::new(),
            unanchored,
            bad: None,
        }
    }

    /// How far the trail was read.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// Takes the next record, with the hash that it was kept with. Answers whether to go on.
    pub(super) fn take(&mut self, record: &Columns<'_>, kept: &[u8]) -> bool {
        let expected = self.position + 1;
        if u64::try_from(record.position) != Ok(expected) {
            let reason = format!("it is missing: record {} comes in its place", record.position);
            return self.is_bad(expected, reason);
        }
        let hash = link(&self.hash, record, &mut self.scratch);
        if hash != kept {
            let reason = "its content, or its place after the record before it, has been changed";
            return self.is_bad(expected, reason.to_owned());
        }
        (self.position, self.hash) = (expected, hash);
        self.compare()
    }

    /// Compares with the checkpoints of this position.
    fn compare(&mut self) -> bool {
        while let Some(checkpoint) = self.checkpoints.get(self.passed) {
            if checkpoint.position != self.position {
                break;
            }
            if checkpoint.hash != hex(&self.hash) {
                let since = match self.passed {
                    0 => "the beginning".to_owned(),
                    passed => match self.checkpoints[passed - 1].position {
                        0 => "the beginning".to_owned(),
                        last => format!("record {last}"),
                    },
                };
                let reason = format!(
                    "it is not the record of the checkpoint made at {}: between {since} and here \
                     the trail was written anew",
                    checkpoint.time
                );
                return self.is_bad(self.position, reason);
            }
            self.passed += 1;
        }
        true
    }

    /// The next record cannot be taken.
    pub(super) fn is_unreadable(&mut self, why: &str) {
        self.is_bad(self.position + 1, format!("it cannot be read: {why}"));
    }

    fn is_bad(&mut self, position: u64, reason: String) -> bool {
        self.bad = Some(Bad { position: Some(position), reason });
        false
    }

    /// The verdict, when there are no more records or one was wrong.
    pub(super) fn finish(mut self) -> Verified {
        if self.bad.is_none()
            && let Some(beyond) = self.checkpoints.get(self.passed)
        {
            let reason = format!(
                "it is missing: the trail ends at {}, and at {} it went to {}",
                self.position,
                beyond.time,
                self.checkpoints[self.checkpoints.len() - 1].position
            );
            self.is_bad(self.position + 1, reason);
        }
        if let (None, Some(reason)) = (&self.bad, self.unanchored) {
            self.bad = Some(Bad { position: None, reason });
        }
        let anchored = self.passed.checked_sub(1).map(|last| self.checkpoints[last].position);
        Verified {
            records: self.position,
            head: hex(&self.hash),
            checkpoints: self.checkpoints.len(),
            anchored: anchored.unwrap_or_default(),
            bad: self.bad,
        }
    }
}

#[cfg(test)]
#[path = "chain_test.rs"]
mod tests;
