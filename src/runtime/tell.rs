//! Reporting facts, and knowing what became of them.

use tokio::sync::{mpsc, oneshot};

use super::{Exit, Report, Said};
use crate::model::{Fact, MessageId};

/// What became of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    /// It is durable.
    Recorded,
    /// It was not taken; the supervisor is still there.
    Unrecorded,
    /// Nobody listens any more: let go.
    Gone,
}

/// Reports facts and waits until they are recorded.
pub(super) async fn tell(report: &mpsc::Sender<Box<Report>>, facts: Vec<Fact>) -> Told {
    let (recorded, answer) = oneshot::channel();
    let sent =
        report.send(Box::new(Report { said: Said::Facts(facts), recorded: Some(recorded) })).await;
    if sent.is_err() {
        return Told::Gone;
    }
    match answer.await {
        Ok(()) => Told::Recorded,
        Err(_) if report.is_closed() => Told::Gone,
        Err(_) => Told::Unrecorded,
    }
}

/// Reports what became of a message. Nobody waits for it: the supervisor records it.
pub(super) async fn settle(
    report: &mpsc::Sender<Box<Report>>,
    message: MessageId,
    outcome: Result<(), String>,
) {
    let said = match outcome {
        Ok(()) => Said::Delivered(message),
        Err(reason) => Said::Undeliverable(message, reason),
    };
    // When nobody listens, whoever takes the agent back delivers it again.
    let _ = report.send(Box::new(Report { said, recorded: None })).await;
}

/// What [`super::Runtime::run`] gives to nobody, when nobody listens any more.
pub(super) fn let_go() -> Exit {
    Exit { unseen: true, reason: Some("the daemon let go of it".to_owned()), ..Exit::default() }
}
