//! The daemon's handle on its keeper.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use tokio::io::AsyncWriteExt;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::task::AbortOnDropHandle;

use super::KeeperError;
use super::connect::{Connection, connect};
use super::protocol::{Ended, Owned, Report, Request, Start, line};
use crate::model::{AgentId, MessageId, Process};

/// Requests that may wait to be written to the socket.
const QUEUE: usize = 1024;

/// How long a request waits for a keeper to be there.
const PATIENCE: Duration = Duration::from_secs(15);

/// Between two attempts to get a keeper, after one has failed altogether.
const RETRY: Duration = Duration::from_millis(500);

/// A handle on the keeper. Cheap to clone. When the connection breaks, it connects again, and starts
/// another keeper when that one is dead. Dropping the last handle disconnects, and changes nothing for
/// the agents.
#[derive(Clone)]
pub struct Keeper {
    inner: Arc<Inner>,
}

struct Inner {
    book: Arc<Mutex<Book>>,
    up: watch::Receiver<Option<Up>>,
    _serving: AbortOnDropHandle<()>,
}

/// A connection that works.
#[derive(Clone)]
struct Up {
    pid: i32,
    prepares: bool,
    requests: mpsc::Sender<String>,
}

/// Why an agent was not started.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpawnFailure {
    /// It cannot be; a sentence says why.
    #[error("{0}")]
    Refused(String),
    /// The keeper died meanwhile. Whether the agent was started is not known.
    #[error("the keeper died")]
    Lost,
    /// There is no keeper to ask.
    #[error("the keeper cannot be reached")]
    NoKeeper,
}

/// Why an agent did not get a message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WriteFailure {
    /// It never will; a sentence says why.
    #[error("{0}")]
    Unwritable(String),
    /// A keeper that is dead had begun to write it: what fitted into the FIFO is there.
    #[error("the keeper died while it wrote the message; whether it came through is not known")]
    Unknown,
    /// The connection broke meanwhile. Ask again: nothing is written twice.
    #[error("the keeper died")]
    Lost,
    /// There is no keeper to ask.
    #[error("the keeper cannot be reached")]
    NoKeeper,
}

/// How an agent's process ended, as the keeper tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    Ended(Ended),
    /// The keeper that is there now does not know the agent: the one that started it is dead.
    Unkept,
}

/// What is known, and who waits for what.
#[derive(Default)]
struct Book {
    /// Starts that this keeper has made ready, or is about to.
    prepared: HashMap<AgentId, Start>,
    owned: HashMap<AgentId, (Process, Option<Ended>)>,
    spawns: HashMap<AgentId, Vec<oneshot::Sender<Result<Process, SpawnFailure>>>>,
    writes: HashMap<MessageId, Vec<oneshot::Sender<Result<(), WriteFailure>>>>,
    exits: HashMap<AgentId, Vec<oneshot::Sender<Ending>>>,
}

impl Keeper {
    /// Connects to the keeper of this state directory. When there is none, starts one as
    /// `program keeper STATE`.
    ///
    /// # Errors
    /// When there is none and none can be started, or it speaks a newer protocol.
    pub async fn connect(state: &Path, program: &Path) -> Result<Self, KeeperError> {
        let (state, program) = (state.to_owned(), program.to_owned());
        let first = connect(&state, &program).await?;
        let book = Arc::new(Mutex::new(Book::default()));
        let (up, is_up) = watch::channel(None);
        let requests = begin(&book, &up, &first);
        let serving = serve(Arc::clone(&book), up, state, program, (first, requests));
        let serving = AbortOnDropHandle::new(tokio::spawn(serving));
        Ok(Self { inner: Arc::new(Inner { book, up: is_up, _serving: serving }) })
    }

    /// Has all made ready that the agent will need, and says whether the keeper can be asked for that now. Nothing of
    /// the agent's runs. It is to be started with [`Self::prepared`], or forgotten.
    pub(in crate::runtime) fn prepare(&self, start: Start) -> bool {
        let up = self.inner.up.borrow().clone();
        let Some(up) = up.filter(|up| up.prepares) else { return false };
        let agent = start.agent;
        let request = Request::Prepare(Box::new(start));
        let Ok(room) = up.requests.try_reserve() else { return false };
        let line = line(&request);
        // Before it is sent: when the connection breaks, all that are here go.
        if let Request::Prepare(start) = request {
            self.book().prepared.insert(agent, *start);
        }
        room.send(line);
        true
    }

    /// How the agent was to be started when the keeper made that ready, once. Nobody else has started it.
    pub(in crate::runtime) fn prepared(&self, agent: AgentId) -> Option<Start> {
        self.book().prepared.remove(&agent)
    }

    /// Starts an agent, or says how it went when it was started before.
    ///
    /// # Errors
    /// See [`SpawnFailure`].
    pub async fn spawn(&self, start: Start) -> Result<Process, SpawnFailure> {
        let agent = start.agent;
        let request = line(&Request::Spawn(Box::new(start)));
        let up = self.up().await.ok_or(SpawnFailure::NoKeeper)?;
        let (answer, answered) = oneshot::channel();
        self.book().spawns.entry(agent).or_default().push(answer);
        if up.requests.send(request).await.is_err() {
            return Err(SpawnFailure::Lost);
        }
        answered.await.unwrap_or(Err(SpawnFailure::Lost))
    }

    /// Writes a message to an agent's standard input, and resolves when all of it is there.
    ///
    /// # Errors
    /// See [`WriteFailure`].
    pub async fn write(
        &self,
        agent: AgentId,
        message: MessageId,
        text: &str,
    ) -> Result<(), WriteFailure> {
        let request = line(&Request::Write { agent, message, text: text.to_owned() });
        let up = self.up().await.ok_or(WriteFailure::NoKeeper)?;
        let (answer, answered) = oneshot::channel();
        self.book().writes.entry(message).or_default().push(answer);
        if up.requests.send(request).await.is_err() {
            return Err(WriteFailure::Lost);
        }
        answered.await.unwrap_or(Err(WriteFailure::Lost))
    }

    /// The process of an agent that the keeper has started and not forgotten, whether it lives or not.
    pub async fn kept(&self, agent: AgentId) -> Option<Process> {
        self.up().await?;
        self.book().owned.get(&agent).map(|(process, _)| *process)
    }

    /// Whether the keeper has started the agent, by what it has said so far.
    pub(in crate::runtime) fn owns(&self, agent: AgentId) -> bool {
        self.book().owned.contains_key(&agent)
    }

    /// Resolves when the agent's process has ended; at once when it has already.
    pub async fn exited(&self, agent: AgentId) -> Ending {
        self.up().await;
        let (tell, told) = oneshot::channel();
        {
            let mut book = self.book();
            match book.owned.get(&agent) {
                Some((_, Some(ended))) => return Ending::Ended(*ended),
                Some((_, None)) => book.exits.entry(agent).or_default().push(tell),
                None => return Ending::Unkept,
            }
        }
        told.await.unwrap_or(Ending::Unkept)
    }

    /// Lets the keeper forget an agent that has ended.
    pub async fn forget(&self, agent: AgentId) {
        {
            let mut book = self.book();
            book.owned.remove(&agent);
            book.prepared.remove(&agent);
        }
        let up = self.inner.up.borrow().clone();
        if let Some(up) = up {
            let _ = up.requests.send(line(&Request::Forget { agent })).await;
        }
    }

    /// Tells the keeper to exit when nothing lives any more, even while we are connected.
    pub async fn stop(&self) {
        let up = self.inner.up.borrow().clone();
        if let Some(up) = up {
            let _ = up.requests.send(line(&Request::Stop)).await;
        }
    }

    /// The keeper's pid, while there is one.
    #[must_use]
    pub fn pid(&self) -> Option<i32> {
        self.inner.up.borrow().as_ref().map(|up| up.pid)
    }

    async fn up(&self) -> Option<Up> {
        let mut up = self.inner.up.clone();
        let up = tokio::time::timeout(PATIENCE, up.wait_for(Option::is_some)).await;
        up.ok()?.ok()?.clone()
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.inner.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Keeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keeper").field("pid", &self.pid()).finish_non_exhaustive()
    }
}

/// Settles the book with what a keeper says it owns, and opens for requests.
fn begin(
    book: &Mutex<Book>,
    up: &watch::Sender<Option<Up>>,
    connection: &Connection,
) -> mpsc::Receiver<String> {
    book.lock().unwrap_or_else(PoisonError::into_inner).begin(&connection.owned);
    let (requests, queue) = mpsc::channel(QUEUE);
    let Connection { pid, prepares, .. } = *connection;
    up.send_replace(Some(Up { pid, prepares, requests }));
    queue
}

async fn serve(
    book: Arc<Mutex<Book>>,
    up: watch::Sender<Option<Up>>,
    state: PathBuf,
    program: PathBuf,
    (mut connection, mut requests): (Connection, mpsc::Receiver<String>),
) {
    loop {
        talk(&book, connection, requests).await;
        up.send_replace(None);
        book.lock().unwrap_or_else(PoisonError::into_inner).interrupt();
        tracing::warn!("the keeper is gone; connecting again");
        connection = loop {
            match connect(&state, &program).await {
                Ok(connection) => break connection,
                Err(error) => tracing::error!(%error, "there is no keeper"),
            }
            tokio::time::sleep(RETRY).await;
        };
        requests = begin(&book, &up, &connection);
    }
}

/// Carries requests and reports until the connection breaks.
async fn talk(book: &Mutex<Book>, connection: Connection, mut requests: mpsc::Receiver<String>) {
    let Connection { mut reports, writer: mut requests_out, .. } = connection;
    let write = async {
        while let Some(mut request) = requests.recv().await {
            // What waits goes along in one write.
            while request.len() < 64 * 1024
                && let Ok(next) = requests.try_recv()
            {
                request.push_str(&next);
            }
            if requests_out.write_all(request.as_bytes()).await.is_err() {
                return;
            }
        }
    };
    let read = async {
        while let Some(Ok(line)) = reports.next().await {
            match serde_json::from_str(&line) {
                Ok(report) => book.lock().unwrap_or_else(PoisonError::into_inner).note(report),
                Err(error) => tracing::warn!(%error, "the keeper said something unknown"),
            }
        }
    };
    tokio::select! {
        () = write => {}
        () = read => {}
    }
}

impl Book {
    /// What holds after a hello: only what is in it.
    fn begin(&mut self, owned: &[Owned]) {
        self.owned = owned.iter().map(|it| (it.agent, (it.process, it.ended))).collect();
        for (agent, waiting) in std::mem::take(&mut self.exits) {
            match self.owned.get(&agent) {
                Some((_, Some(ended))) => tell(waiting, Ending::Ended(*ended)),
                Some((_, None)) => drop(self.exits.insert(agent, waiting)),
                None => tell(waiting, Ending::Unkept),
            }
        }
    }

    /// The connection broke: nobody answers what was asked through it.
    fn interrupt(&mut self) {
        self.prepared.clear();
        self.spawns.drain().for_each(|(_, waiting)| tell(waiting, Err(SpawnFailure::Lost)));
        self.writes.drain().for_each(|(_, waiting)| tell(waiting, Err(WriteFailure::Lost)));
    }

    fn note(&mut self, report: Report) {
        match report {
            Report::Hello { .. } => {}
            Report::Started { agent, pid, start } => {
                let process = Process { pid, start };
                self.owned.entry(agent).or_insert((process, None));
                self.answer_spawn(agent, &Ok(process));
            }
            Report::Failed { agent, error } => {
                self.answer_spawn(agent, &Err(SpawnFailure::Refused(error)));
            }
            Report::Exited { agent, ended } => {
                if let Some((_, known)) = self.owned.get_mut(&agent) {
                    *known = Some(ended);
                }
                tell(self.exits.remove(&agent).unwrap_or_default(), Ending::Ended(ended));
            }
            Report::Written { message, .. } => self.answer_write(message, &Ok(())),
            Report::Unwritable { message, unknown: true, .. } => {
                self.answer_write(message, &Err(WriteFailure::Unknown));
            }
            Report::Unwritable { message, reason, .. } => {
                self.answer_write(message, &Err(WriteFailure::Unwritable(reason)));
            }
        }
    }

    fn answer_spawn(&mut self, agent: AgentId, answer: &Result<Process, SpawnFailure>) {
        tell(self.spawns.remove(&agent).unwrap_or_default(), answer.clone());
    }

    fn answer_write(&mut self, message: MessageId, answer: &Result<(), WriteFailure>) {
        tell(self.writes.remove(&message).unwrap_or_default(), answer.clone());
    }
}

/// Whoever does not wait any more does not matter.
fn tell<T: Clone>(waiting: Vec<oneshot::Sender<T>>, what: T) {
    for one in waiting {
        let _ = one.send(what.clone());
    }
}
