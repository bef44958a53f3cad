//! What a runtime is told while a spawn is being recorded.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::Ordering;

use futures::FutureExt;
use futures::future::BoxFuture;

use super::tests::{me, open_with, script};
use super::*;
use crate::model::{Spawned, Status};
use crate::runtime::{Exit, RunIo, Runtime, Scripted};

/// Scripted agents, and what their runtime was told, in its order.
#[derive(Default)]
struct Told(Mutex<Vec<(&'static str, AgentId)>>);

impl Told {
    fn note(&self, what: &'static str, agent: AgentId) {
        self.0.lock().unwrap().push((what, agent));
    }

    fn take(&self) -> Vec<(&'static str, AgentId)> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl Runtime for Told {
    fn run(&self, io: RunIo) -> BoxFuture<'static, Exit> {
        self.note("run", io.agent.id);
        Scripted.run(io)
    }

    fn prepare(&self, agent: AgentId, spawned: &Spawned, _: &BTreeMap<String, String>) -> bool {
        assert_eq!(spawned.index, 1);
        self.note("prepare", agent);
        true
    }

    fn forget(&self, agent: AgentId) -> BoxFuture<'static, ()> {
        self.note("forget", agent);
        std::future::ready(()).boxed()
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_starts_at_once_is_made_ready_and_no_other() {
    let told = Arc::new(Told::default());
    let runtime = Arc::clone(&told) as Arc<dyn Runtime>;
    let house = open_with(tempfile::tempdir().unwrap(), 3, 10, runtime);
    let one = house.one("wait").await;
    let ready = told.take();
    assert_eq!(ready[0], ("prepare", one));
    assert!(!ready.contains(&("forget", one)), "{ready:?}");

    let two = house.spawn(script(2, "wait")).await;
    house.until_status(two[1].id, Status::Running).await;
    let later = house.one("wait").await;
    let told = told.take();
    assert!(told.iter().all(|(what, _)| *what != "prepare"), "{told:?}");
    assert!(told.iter().all(|(_, agent)| *agent != later), "it is queued: {told:?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_not_recorded_is_forgotten() {
    let told = Arc::new(Told::default());
    let runtime = Arc::clone(&told) as Arc<dyn Runtime>;
    let house = open_with(tempfile::tempdir().unwrap(), 3, 10, runtime);
    house.full.store(true, Ordering::SeqCst);
    house.supervisor.spawn(script(1, "wait"), me(), None).await.unwrap_err();
    let told = told.take();
    let [("prepare", agent), ("forget", forgotten)] = told[..] else { panic!("{told:?}") };
    assert_eq!(agent, forgotten);
}
