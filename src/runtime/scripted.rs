//! Agents that do what a script says, inside the daemon: for tests, demonstrations and load runs.

use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use tokio::sync::watch;

use super::script::{Statement, parse};
use super::tell::{Told, let_go, settle, tell};
use super::{Control, Exit, RunIo, Runtime, Stop};
use crate::model::{
    Fact, Permission, PermissionState, Permissions, Said, Signal, Started, Waiting,
};

/// Runs scripts: see [`parse`] for the language. The script is the spec's task.
#[derive(Debug, Clone, Copy, Default)]
pub struct Scripted;

impl Runtime for Scripted {
    fn run(&self, io: RunIo) -> BoxFuture<'static, Exit> {
        play(io).boxed()
    }
}

async fn play(io: RunIo) -> Exit {
    if io.agent.started_at.is_some() {
        let reason = "it ran inside the daemon, and that ended".to_owned();
        return Exit { unseen: true, reason: Some(reason), ..Exit::default() };
    }
    let script = match parse(io.agent.spec.task.as_deref().unwrap_or_default()) {
        Ok(script) => script,
        Err(reason) => return Exit { reason: Some(reason), ..Exit::default() },
    };
    let mut stop = io.stop.clone();
    let closed = io.report.clone();
    let mut player = Player { io, turn: 1, asked: 0 };
    tokio::select! {
        biased;
        () = closed.closed() => let_go(),
        signal = told_to_stop(&mut stop) => Exit { signal: Some(signal), ..Exit::default() },
        exit = player.play(&script.0) => exit,
    }
}

async fn told_to_stop(stop: &mut watch::Receiver<Stop>) -> Signal {
    match stop.wait_for(|stop| *stop != Stop::No).await.map(|stop| *stop) {
        Ok(Stop::Ask(signal)) => signal,
        Ok(_) => Signal::KILL,
        // Nobody is left who could tell it.
        Err(_) => std::future::pending().await,
    }
}

/// Why the script does not go on as it stands.
enum Halt {
    Exit(Exit),
    /// The turn was ended: the script goes on after the next `wait`.
    Cancelled,
}

struct Player {
    io: RunIo,
    /// The number of the turn that runs or ran last.
    turn: u32,
    /// How often it has asked for permission.
    asked: u32,
}

impl Player {
    async fn play(&mut self, script: &[Statement]) -> Exit {
        let exit = match self.play_all(script).await {
            Err(Halt::Exit(exit)) => exit,
            Ok(()) | Err(Halt::Cancelled) => Exit { code: Some(0), ..Exit::default() },
        };
        self.io.inbox.close();
        while let Ok(message) = self.io.inbox.try_recv() {
            settle(&self.io.report, message.id, Err("the agent has ended".to_owned())).await;
        }
        exit
    }

    async fn play_all(&mut self, script: &[Statement]) -> Result<(), Halt> {
        self.report(Fact::Started(Started::default())).await?;
        let mut cancelled = false;
        for statement in script {
            if cancelled && *statement != Statement::Wait {
                continue;
            }
            let played = match (statement, cancelled) {
                (Statement::Wait, true) => self.wait("cancelled").await,
                _ => self.carry_out(statement).await,
            };
            match played {
                Ok(()) => cancelled = false,
                Err(Halt::Cancelled) => cancelled = true,
                Err(halt) => return Err(halt),
            }
        }
        if cancelled {
            self.wait("cancelled").await?;
        }
        Ok(())
    }

    fn carry_out<'a>(&'a mut self, statement: &'a Statement) -> BoxFuture<'a, Result<(), Halt>> {
        async move {
            match statement {
                Statement::Say(text) => {
                    self.report(Fact::Message(Said::whole(self.fill(text)))).await
                }
                Statement::Think(text) => {
                    self.report(Fact::Thought(Said::whole(self.fill(text)))).await
                }
                Statement::Sleep(duration) => self.sleep(*duration).await,
                Statement::Wait => self.wait("end_turn").await,
                Statement::Ask(text) => self.ask(&self.fill(text)).await,
                Statement::Exit(code) => {
                    Err(Halt::Exit(Exit { code: Some(*code), ..Exit::default() }))
                }
                Statement::Fail(reason) => {
                    let reason = Some(self.fill(reason));
                    Err(Halt::Exit(Exit { reason, ..Exit::default() }))
                }
                Statement::Repeat(count, inner) => {
                    for _ in 0..*count {
                        self.carry_out(inner).await?;
                        // So that even one that does nothing hears that it is to stop.
                        tokio::task::yield_now().await;
                    }
                    Ok(())
                }
            }
        }
        .boxed()
    }

    async fn sleep(&mut self, duration: Duration) -> Result<(), Halt> {
        let over = tokio::time::sleep(duration);
        tokio::pin!(over);
        loop {
            tokio::select! {
                () = &mut over => return Ok(()),
                Some(control) = self.io.control.recv() => take(control)?,
            }
        }
    }

    async fn wait(&mut self, stop_reason: &str) -> Result<(), Halt> {
        let short =
            (stop_reason != "end_turn").then(|| format!("its turn ended with {stop_reason}"));
        let (stop_reason, turn) = (Some(stop_reason.to_owned()), Some(self.turn));
        self.report(Fact::Waiting(Waiting { stop_reason, turn, ..Waiting::default() })).await?;
        if self.io.agent.spec.conversation.once {
            let code = short.is_none().then_some(0);
            return Err(Halt::Exit(Exit { code, reason: short, ..Exit::default() }));
        }
        let message = loop {
            tokio::select! {
                message = self.io.inbox.recv() => match message {
                    Some(message) => break message,
                    None => return std::future::pending().await,
                },
                // Between turns there is nothing to end.
                Some(control) = self.io.control.recv() => drop(take(control)),
            }
        };
        self.turn += 1;
        settle(&self.io.report, message.id, Ok(())).await;
        self.report(Fact::Message(Said::whole(format!("heard: {}", message.text)))).await
    }

    async fn ask(&mut self, title: &str) -> Result<(), Halt> {
        self.asked += 1;
        let conversation = &self.io.agent.spec.conversation;
        let request_id = self.asked.to_string();
        let wait = conversation.ask_timeout_ms.and_then(|limit| i64::try_from(limit).ok());
        let expires_at = wait.and_then(|limit| {
            Timestamp::now().checked_add(SignedDuration::from_millis(limit)).ok()
        });
        let mut permission = Permission {
            request_id: request_id.clone(),
            state: PermissionState::Asked,
            method: "session/request_permission".to_owned(),
            options: json!([
                { "optionId": "allow_once", "name": "Allow once", "kind": "allow_once" },
                { "optionId": "allow_always", "name": "Always allow", "kind": "allow_always" },
                { "optionId": "reject_once", "name": "Reject", "kind": "reject_once" },
            ]),
            tool_call: json!({
                "toolCallId": format!("ask-{}", self.asked),
                "title": title,
                "kind": "execute",
                "status": "pending",
            }),
            option: None,
            by: None,
            reason: None,
            expires_at,
            stdout: None,
        };
        if conversation.permissions == Permissions::All {
            permission.state = PermissionState::Allowed;
            permission.expires_at = None;
            permission.option = permission.option_that(true);
            self.report(Fact::Permission(Box::new(permission))).await?;
            return self.report(Fact::Message(Said::whole("allowed: allow_once"))).await;
        }
        self.report(Fact::Permission(Box::new(permission))).await?;
        let said = loop {
            let Some(control) = self.io.control.recv().await else {
                return std::future::pending().await;
            };
            match control {
                Control::Permission(decided) if decided.request_id == request_id => {
                    let verb = if decided.allowed { "allowed" } else { "denied" };
                    break format!("{verb}: {}", decided.option.unwrap_or_default());
                }
                other => take(other)?,
            }
        };
        self.report(Fact::Message(Said::whole(said))).await
    }

    async fn report(&mut self, fact: Fact) -> Result<(), Halt> {
        while let Ok(control) = self.io.control.try_recv() {
            take(control)?;
        }
        match tell(&self.io.report, vec![fact]).await {
            Told::Recorded => Ok(()),
            Told::Unrecorded | Told::Gone => Err(Halt::Exit(let_go())),
        }
    }

    fn fill(&self, text: &str) -> String {
        text.replace("{i}", &self.io.agent.index.to_string())
    }
}

/// What an order means that nobody in particular waits for.
fn take(control: Control) -> Result<(), Halt> {
    match control {
        Control::Cancel => Err(Halt::Cancelled),
        Control::Permission(_) => Ok(()),
        Control::Options(options) => {
            let _ = options.done.send(Ok(()));
            Ok(())
        }
    }
}

#[cfg(test)]
#[path = "scripted_test.rs"]
mod tests;
