//! What a conversation has used, and what it may use.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An amount of money in millionths of its currency's unit; a number with decimals in JSON.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cost(pub u64);

/// Millionths in a unit.
const UNIT: f64 = 1_000_000.0;

impl Cost {
    /// The amount, when it is one: not negative, not infinite, below a thousand million.
    #[must_use]
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is in range")]
    pub fn of(amount: f64) -> Option<Self> {
        (0.0..1e9).contains(&amount).then(|| Self((amount * UNIT).round() as u64))
    }

    /// The amount as a number.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "2^53 millionths are enough")]
    pub fn amount(self) -> f64 {
        self.0 as f64 / UNIT
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.amount())
    }
}

impl Serialize for Cost {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.amount())
    }
}

impl<'de> Deserialize<'de> for Cost {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let amount = f64::deserialize(deserializer)?;
        Self::of(amount).ok_or_else(|| serde::de::Error::custom("it is no amount of money"))
    }
}

/// What a conversation has used so far. What the harness does not tell is unknown, never zero.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// Turns that are over.
    pub turns: u32,
    /// Tokens of all turns together.
    pub tokens: Option<u64>,
    /// Tokens that are in the model's context now.
    pub context: Option<u64>,
    pub cost: Option<Cost>,
    /// ISO 4217, as the harness gives it.
    pub currency: Option<String>,
}

impl Usage {
    /// Whether nothing is known to be used.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Tokens used, as far as is known: all of them, or at least those in the context.
    #[must_use]
    pub fn known_tokens(&self) -> Option<u64> {
        self.tokens.max(self.context)
    }
}

/// What a conversation, or all of a group or session together, may use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_turns: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u64>,
    /// In the currency that the harness counts in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_cost: Option<Cost>,
}

/// One of the limits, with what is used of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reached {
    /// `max_turns`, `max_tokens` or `max_cost`.
    pub limit: &'static str,
    pub used: String,
    pub most: String,
    /// Whether all of it is used; otherwise four fifths are.
    pub all: bool,
}

impl Limits {
    /// Whether nothing is limited.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// These, and those of `other` where these say nothing.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            max_turns: self.max_turns.or(other.max_turns),
            max_tokens: self.max_tokens.or(other.max_tokens),
            max_cost: self.max_cost.or(other.max_cost),
        }
    }

    /// The limits of which at least four fifths are used, those that are reached first.
    #[must_use]
    pub fn reached(&self, usage: &Usage) -> Vec<Reached> {
        let tokens = usage.known_tokens().unwrap_or_default();
        let counts = [
            ("max_turns", u64::from(usage.turns), self.max_turns.map(u64::from)),
            ("max_tokens", tokens, self.max_tokens),
        ];
        let mut found: Vec<Reached> = counts
            .into_iter()
            .filter_map(|(limit, used, most)| {
                let most = most.filter(|most| near(used, *most))?;
                let (all, used, most) = (used >= most, used.to_string(), most.to_string());
                Some(Reached { limit, used, most, all })
            })
            .collect();
        if let (Some(used), Some(most)) = (usage.cost, self.max_cost)
            && near(used.0, most.0)
        {
            let (all, used, most) = (used >= most, used.to_string(), most.to_string());
            found.push(Reached { limit: "max_cost", used, most, all });
        }
        found.sort_by_key(|reached| !reached.all);
        found
    }
}

/// Whether four fifths of it are used.
fn near(used: u64, most: u64) -> bool {
    u128::from(used) * 5 >= u128::from(most) * 4
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_a_number_with_decimals() {
        let cost: Cost = serde_json::from_str("2.5").unwrap();
        assert_eq!((cost, serde_json::to_string(&cost).unwrap()), (Cost(2_500_000), "2.5".into()));
        for wrong in ["-1", "1e12", "\"1\"", "null"] {
            assert!(serde_json::from_str::<Cost>(wrong).is_err(), "{wrong}");
        }
        assert_eq!(Cost::of(f64::NAN), None);
    }

    #[test]
    fn a_limit_is_near_before_it_is_reached() {
        let limits = Limits { max_tokens: Some(100), max_cost: Cost::of(1.0), max_turns: None };
        let of = |tokens, cost| {
            let usage = Usage { tokens, cost, ..Usage::default() };
            let found = limits.reached(&usage);
            found.iter().map(|reached| (reached.limit, reached.all)).collect::<Vec<_>>()
        };
        assert_eq!(of(Some(79), None), []);
        assert_eq!(of(Some(80), Cost::of(0.79)), [("max_tokens", false)]);
        assert_eq!(of(Some(80), Cost::of(1.0)), [("max_cost", true), ("max_tokens", false)]);
        assert_eq!(of(None, None), [], "what is unknown reaches nothing");
    }
}
