//! Agents that do what a script says, inside the daemon: for tests, demonstrations and load runs.

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::watch;

use super::script::{Statement, parse};
use super::tell::{Told, let_go, settle, tell};
use super::{Exit, RunIo, Runtime, Stop};
use crate::model::{Fact, Said, Signal, Started, Waiting};

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
    let mut player = Player { io };
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

struct Player {
    io: RunIo,
}

impl Player {
    async fn play(&mut self, script: &[Statement]) -> Exit {
        let mut exit = self.report(Fact::Started(Started::default())).await.err();
        for statement in script {
            if exit.is_some() {
                break;
            }
            exit = self.carry_out(statement).await.err();
        }
        self.io.inbox.close();
        while let Ok(message) = self.io.inbox.try_recv() {
            settle(&self.io.report, message.id, Err("the agent has ended".to_owned())).await;
        }
        exit.unwrap_or_else(|| Exit { code: Some(0), ..Exit::default() })
    }

    /// `Err` is how it ends.
    fn carry_out<'a>(&'a mut self, statement: &'a Statement) -> BoxFuture<'a, Result<(), Exit>> {
        async move {
            match statement {
                Statement::Say(text) => {
                    let text = self.fill(text);
                    self.report(Fact::Message(Said { text })).await
                }
                Statement::Think(text) => {
                    let text = self.fill(text);
                    self.report(Fact::Thought(Said { text })).await
                }
                Statement::Sleep(duration) => {
                    tokio::time::sleep(*duration).await;
                    Ok(())
                }
                Statement::Wait => self.wait().await,
                Statement::Exit(code) => Err(Exit { code: Some(*code), ..Exit::default() }),
                Statement::Fail(reason) => {
                    Err(Exit { reason: Some(self.fill(reason)), ..Exit::default() })
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

    async fn wait(&mut self) -> Result<(), Exit> {
        self.report(Fact::Waiting(Waiting::default())).await?;
        let Some(message) = self.io.inbox.recv().await else {
            return std::future::pending().await;
        };
        settle(&self.io.report, message.id, Ok(())).await;
        self.report(Fact::Message(Said { text: format!("heard: {}", message.text) })).await
    }

    async fn report(&self, fact: Fact) -> Result<(), Exit> {
        match tell(&self.io.report, vec![fact]).await {
            Told::Recorded => Ok(()),
            Told::Unrecorded | Told::Gone => Err(let_go()),
        }
    }

    fn fill(&self, text: &str) -> String {
        text.replace("{i}", &self.io.agent.index.to_string())
    }
}

#[cfg(test)]
#[path = "scripted_test.rs"]
mod tests;
