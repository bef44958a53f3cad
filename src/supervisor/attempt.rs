//! The actor's end of an attempt: a task that runs beside it, so that a slow log holds up neither.

use tokio::sync::{mpsc, watch};
use tokio::task::JoinError;
use tokio_util::task::AbortOnDropHandle;

use crate::model::Agent;
use crate::runtime::{Control, Exit, Message, Report, RunIo, Runtime, Stop};

/// Orders that may wait for an attempt: more than a harness asks permissions at once.
const CONTROLS: usize = 64;

/// An attempt that is under way. Dropping it lets go of the agent.
pub(super) struct Attempt {
    run: AbortOnDropHandle<Exit>,
    reports: mpsc::Receiver<Box<Report>>,
    inbox: mpsc::Sender<Box<Message>>,
    control: mpsc::Sender<Control>,
    stop: watch::Sender<Stop>,
}

/// What comes from an attempt.
pub(super) enum News {
    Report(Report),
    /// All reports have been heard before.
    Exit(Exit),
}

impl Attempt {
    /// Begins one, or takes one back.
    pub(super) fn begin(runtime: &dyn Runtime, agent: &Agent) -> Self {
        let (report, reports) = mpsc::channel(4);
        let (inbox, messages) = mpsc::channel(4);
        let (control, controls) = mpsc::channel(CONTROLS);
        let (stop, stopped) = watch::channel(Stop::No);
        let agent = agent.clone().into();
        let io = RunIo { agent, inbox: messages, control: controls, report, stop: stopped };
        let run = AbortOnDropHandle::new(tokio::spawn(runtime.run(io)));
        Self { run, reports, inbox, control, stop }
    }

    /// The next that it has to say. Cancel safe.
    pub(super) async fn news(&mut self) -> News {
        // The sender goes with the run, so that the end of reports comes when all were heard.
        match self.reports.recv().await {
            Some(report) => News::Report(*report),
            None => News::Exit((&mut self.run).await.unwrap_or_else(|error| defect(&error))),
        }
    }

    /// Hands it a message. There is only ever one on its way, so that there is room.
    pub(super) fn deliver(&self, message: Message) {
        let sent = self.inbox.try_send(Box::new(message));
        debug_assert!(!matches!(sent, Err(mpsc::error::TrySendError::Full(_))), "one at a time");
    }

    /// Gives it an order about the conversation. Without room it is
    /// lost: a runtime that takes no orders for so long is about to end.
    pub(super) fn control(&self, control: Control) {
        if let Err(error) = self.control.try_send(control) {
            tracing::warn!(%error, "an attempt takes no orders");
        }
    }

    /// Tells it to stop, or to stop more than before.
    pub(super) fn stop(&self, stop: Stop) {
        self.stop.send_if_modified(|current| {
            let rises = *current != Stop::Now && *current != stop;
            if rises {
                *current = stop;
            }
            rises
        });
    }
}

/// A defect in a runtime ends this agent, and no other.
fn defect(error: &JoinError) -> Exit {
    tracing::error!(%error, "a runtime failed");
    let reason = Some("its runtime failed; this is a defect of Dash".to_owned());
    Exit { reason, ..Exit::default() }
}

/// What the attempt says next; for ever nothing when there is none.
pub(super) async fn news_of(attempt: Option<&mut Attempt>) -> News {
    match attempt {
        Some(attempt) => attempt.news().await,
        None => std::future::pending().await,
    }
}
