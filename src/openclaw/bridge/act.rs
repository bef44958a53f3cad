//! Carries out one step at the gateway, and says what came of it.

use super::card::{CardOutcome, CardStep, MARK};
use super::notice::Way;
use super::outbox::Order;
use super::session::{Outcome, Step};
use crate::openclaw::{CallError, Gateway, Message, Posted};

/// What came of an order.
#[derive(Debug)]
pub(super) enum Done {
    Message { key: String, step: Step, outcome: Outcome },
    Card { key: String, outcome: CardOutcome },
}

impl Done {
    /// It was not carried out.
    pub(super) fn not_asked(key: String, order: Order) -> Self {
        match order {
            Order::Message(step) => Self::Message { key, step, outcome: Outcome::NotAsked },
            Order::Card(_) => Self::Card { key, outcome: CardOutcome::Failed },
        }
    }
}

/// Does it.
pub(super) async fn act(gateway: Gateway, key: String, order: Order) -> Done {
    match order {
        Order::Message(step) => {
            let outcome = message(&gateway, &key, &step).await;
            Done::Message { key, step, outcome }
        }
        Order::Card(step) => {
            let outcome = card(&gateway, &key, &step).await;
            Done::Card { key, outcome }
        }
    }
}

async fn message(gateway: &Gateway, key: &str, step: &Step) -> Outcome {
    match step {
        Step::Post { way, marker, text } => {
            let message =
                Message { session: key.to_owned(), text: text.clone(), marker: marker.clone() };
            let posted = match way {
                Way::Show => gateway.show(&message).await,
                Way::Turn => gateway.send(&message).await,
            };
            posted.map_or_else(|error| outcome_of(gateway, error), |()| Outcome::Posted)
        }
        Step::Look { way, marker, since } => {
            let how = match way {
                Way::Show => Posted::Shown,
                Way::Turn => Posted::Turn,
            };
            match gateway.stands(key, marker, how, *since).await {
                Ok(true) => Outcome::Posted,
                Ok(false) => Outcome::Absent,
                Err(error) => outcome_of(gateway, error),
            }
        }
    }
}

fn outcome_of(gateway: &Gateway, error: CallError) -> Outcome {
    match error {
        CallError::Refused { code, message, retryable } => {
            // A request that is wrong stays wrong; anything else may pass.
            let retryable = retryable || code != "INVALID_REQUEST";
            Outcome::Refused { message, retryable }
        }
        CallError::Over => Outcome::NotAsked,
        CallError::Lost(_) => {
            // A gateway that does not answer is left, and found again when it does.
            gateway.leave();
            Outcome::Lost
        }
        CallError::Shape(_) => Outcome::Lost,
    }
}

async fn card(gateway: &Gateway, key: &str, step: &CardStep) -> CardOutcome {
    let done = match step {
        CardStep::Clear { revision } => {
            gateway.clear_card(key, *revision).await.map(|()| CardOutcome::Cleared)
        }
        CardStep::Put { text, done } => put(gateway, key, text, *done).await,
    };
    match done {
        Ok(outcome) => outcome,
        Err(CallError::Refused { message, .. }) if message.contains("unknown method") => {
            CardOutcome::Unknown
        }
        Err(_) => CardOutcome::Failed,
    }
}

/// Puts the card, unless there is one that is not ours.
async fn put(
    gateway: &Gateway,
    key: &str,
    text: &str,
    done: bool,
) -> Result<CardOutcome, CallError> {
    let ours = gateway
        .card(key)
        .await?
        .is_none_or(|card| card.steps.first().is_some_and(|step| step.step.starts_with(MARK)));
    if !ours {
        return Ok(CardOutcome::Foreign);
    }
    let note = "`dashctl status` lists them, `dashctl watch` shows them live.";
    let card = gateway.put_card(key, text, note, done).await?;
    Ok(card.map_or(CardOutcome::Failed, |card| CardOutcome::Put { revision: card.revision }))
}
