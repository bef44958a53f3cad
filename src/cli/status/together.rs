//! What the agents of a group or session have used together.

use super::super::show::count;
use crate::model::Usage;

/// One line about all of them; none when no agent reports anything. What an agent does not report is unknown, and is
/// said to be: the sum is then of the others.
pub(super) fn used_together<'a>(agents: impl Iterator<Item = &'a Usage>) -> Option<String> {
    let all: Vec<&Usage> = agents.collect();
    if all.is_empty() {
        return None;
    }
    let turns: u64 = all.iter().map(|usage| u64::from(usage.turns)).sum();
    let tokens: Vec<u128> =
        all.iter().filter_map(|usage| usage.known_tokens()).map(u128::from).collect();
    let costs: Vec<_> =
        all.iter().filter_map(|usage| Some((usage.cost?, &usage.currency))).collect();
    let amount =
        crate::model::Cost(costs.iter().fold(0, |sum, (cost, _)| sum.saturating_add(cost.0)));
    let currency = costs.first().and_then(|(_, currency)| currency.as_deref());
    let same = costs.iter().all(|(_, other)| other.as_deref() == currency);
    let currency = if same { currency.unwrap_or_default() } else { "of several currencies" };
    let tokens = said(tokens.iter().sum::<u128>().to_string(), tokens.len(), all.len());
    let cost = said(format!("{amount} {currency}").trim_end().to_owned(), costs.len(), all.len());
    Some(format!("used together: turns {turns}, tokens {tokens}, cost {cost}"))
}

fn said(sum: String, known: usize, all: usize) -> String {
    match all - known {
        0 => sum,
        _ if known == 0 => "unknown".to_owned(),
        unknown => format!("{sum} (unknown of {})", count(unknown, "agent")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Cost;

    #[test]
    fn what_is_unknown_is_said_to_be() {
        let usage = |turns, tokens, cost: Option<f64>| Usage {
            turns,
            tokens,
            cost: cost.and_then(Cost::of),
            currency: cost.map(|_| "USD".to_owned()),
            ..Usage::default()
        };
        let said = |all: &[Usage]| used_together(all.iter()).unwrap_or_default();
        let much = said(&[usage(1, Some(u64::MAX), None), usage(1, Some(1), None)]);
        assert!(much.contains("tokens 18446744073709551616"), "{much}");
        assert_eq!(said(&[]), "");
        let (known, silent) = (usage(2, Some(70), Some(0.5)), usage(1, None, None));
        assert_eq!(
            said(std::slice::from_ref(&silent)),
            "used together: turns 1, tokens unknown, cost unknown"
        );
        assert_eq!(
            said(&[known.clone(), known.clone()]),
            "used together: turns 4, tokens 140, cost 1 USD"
        );
        assert_eq!(
            said(&[known, silent]),
            "used together: turns 3, tokens 70 (unknown of 1 agent), cost 0.5 USD (unknown of 1 agent)"
        );
    }
}
