//! Identities: of agents, of messages, and of positions in the log.

use std::fmt;
use std::str::FromStr;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Letters in an agent's id.
const LETTERS: usize = 16;

/// The identity of an agent: sixteen letters from `k` to `z`, chosen at random.
///
/// Those letters cannot be mistaken for a number, a hash or a flag, and random ones differ early,
/// so that a prefix of a few letters names one agent even among thousands spawned in one second.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AgentId([u8; LETTERS]);

impl AgentId {
    /// The id that stands for these 64 random bits.
    #[must_use]
    pub fn from_bits(bits: u64) -> Self {
        Self(letters(bits))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The first eight letters: what tables show.
    #[must_use]
    pub fn short(&self) -> &str {
        &self.as_str()[..8]
    }
}

/// The identity of a message: `m-` and sixteen letters from `k` to `z`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId([u8; LETTERS + 2]);

impl MessageId {
    /// The id that stands for these 64 random bits.
    #[must_use]
    pub fn from_bits(bits: u64) -> Self {
        let mut id = *b"m-................";
        id[2..].copy_from_slice(&letters(bits));
        Self(id)
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

fn letters(bits: u64) -> [u8; LETTERS] {
    let mut text = [0; LETTERS];
    for (place, letter) in text.iter_mut().enumerate() {
        let nibble = (bits >> (60 - 4 * place)) & 0xf;
        *letter = b'k' + u8::try_from(nibble).unwrap_or_default();
    }
    text
}

fn is_letters(text: &[u8]) -> bool {
    text.len() == LETTERS && text.iter().all(|letter| (b'k'..=b'z').contains(letter))
}

/// A text that is not an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an id")]
pub struct InvalidId(pub String);

impl FromStr for AgentId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        match <[u8; LETTERS]>::try_from(text.as_bytes()) {
            Ok(letters) if is_letters(&letters) => Ok(Self(letters)),
            _ => Err(InvalidId(text.to_owned())),
        }
    }
}

impl FromStr for MessageId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        match <[u8; LETTERS + 2]>::try_from(text.as_bytes()) {
            Ok(id) if id.starts_with(b"m-") && is_letters(&id[2..]) => Ok(Self(id)),
            _ => Err(InvalidId(text.to_owned())),
        }
    }
}

/// A position in the log. The only order there is: the id of a server-sent event, the cursor of a
/// page, the position of an audit record.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Seq(pub u64);

impl Seq {
    /// Before the first event.
    pub const START: Self = Self(0);

    /// The position after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

macro_rules! text_identity {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                /// Takes the text where it is: a list has thousands of ids.
                struct Text;

                impl Visitor<'_> for Text {
                    type Value = $name;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str("an id")
                    }

                    fn visit_str<E: Error>(self, text: &str) -> Result<$name, E> {
                        text.parse().map_err(E::custom)
                    }
                }

                deserializer.deserialize_str(Text)
            }
        }
    };
}

text_identity!(AgentId);
text_identity!(MessageId);

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn ids_survive_text(bits: u64) {
            let agent = AgentId::from_bits(bits);
            prop_assert_eq!(agent.as_str().parse::<AgentId>(), Ok(agent));
            let message = MessageId::from_bits(bits);
            prop_assert_eq!(message.as_str().parse::<MessageId>(), Ok(message));
        }

        #[test]
        fn other_text_is_no_id(text in "\\PC{0,40}") {
            let valid = text.len() == 16 && text.bytes().all(|b| (b'k'..=b'z').contains(&b));
            prop_assert_eq!(text.parse::<AgentId>().is_ok(), valid);
        }
    }
}
