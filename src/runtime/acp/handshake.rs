//! Beginning a conversation with a harness and ending the harness at once: whether it works here.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};
use tokio::time::{Instant, timeout_at};
use tokio_util::codec::{FramedRead, LinesCodec};

use super::attempt::{ERRORS_MAX, how_it_ended};
use super::reader::{LINE_MAX, Line};
use super::session::{Phase, Session, Trouble, What};
use crate::model::{AgentId, Conversation, Fact, Process, Runtime, Spec, Stream};
use crate::runtime::keeper::Ended;
use crate::runtime::lines::last_lines;
use crate::runtime::{proc, tree};

/// A harness that is to be tried.
#[derive(Debug)]
pub struct Trial {
    /// An absolute path.
    pub program: PathBuf,
    /// The arguments, from `argv[0]`.
    pub argv: Vec<String>,
    /// All of its environment.
    pub env: BTreeMap<String, String>,
    /// How to log in to it, where that is known.
    pub login: Option<String>,
    /// How long it may take.
    pub limit: Duration,
}

/// Starts the harness in an empty directory of its own, says `initialize`, logs in where a key is enough, opens a
/// session, and kills it with its process group. Gives the name and the version that it has for itself.
///
/// # Errors
/// What is wrong with it, as the reason of an agent's end would say it, and what to do.
pub async fn handshake(trial: Trial) -> Result<String, Trouble> {
    let begun = Place::make().and_then(|place| Ok((begin(&trial, &place.0)?, place)));
    let (mut child, place) = begun.map_err(|error| Trouble {
        reason: format!("it cannot be started: {error}"),
        next: "run it once in a terminal".to_owned(),
    })?;
    let process = child
        .id()
        .and_then(|pid| i32::try_from(pid).ok())
        .and_then(|pid| Some(Process { pid, start: proc::start_of(pid).ok()? }));
    let mut session = Session::begin(AgentId::from_bits(0), Arc::new(spec(&trial, &place.0)));
    let deadline = Instant::now() + trial.limit;
    let talked = timeout_at(deadline, talk(&mut session, &mut child)).await;
    if talked.is_ok() && session.phase == Phase::SettingUp {
        // It has closed its output; its end says more. It is not reaped yet, so that its pid is its own.
        if let Some(process) = process {
            let _ = timeout_at(deadline, tree::end_of(process)).await;
        }
    }
    if let Some(group) = process.and_then(|process| Pid::from_raw(process.pid)) {
        let _ = kill_process_group(group, Signal::KILL);
    }
    let ended = child.wait().await.ok();
    if session.phase == Phase::SettingUp {
        match (talked, ended) {
            (Ok(()), Some(ended)) => {
                let errors = last_lines(&place.0, Stream::Stderr, ERRORS_MAX);
                session.ended_early(&how_it_ended(seen(ended)), errors.as_deref());
            }
            _ => session.too_late(trial.limit),
        }
    }
    match session.trouble.take() {
        Some(trouble) => Err(trouble),
        None => Ok(title(&session.facts)),
    }
}

/// An empty directory that goes when it is dropped.
struct Place(PathBuf);

impl Place {
    fn make() -> io::Result<Self> {
        let name = format!("dash-handshake-{}", uuid::Uuid::new_v4().simple());
        let place = std::env::temp_dir().join(name);
        DirBuilder::new().mode(0o700).create(&place)?;
        Ok(Self(place))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn seen(ended: ExitStatus) -> Ended {
    let signal = ended.signal().and_then(crate::model::Signal::from_number);
    Ended { code: ended.code(), signal, ..Ended::default() }
}

fn spec(trial: &Trial, cwd: &Path) -> Spec {
    Spec {
        runtime: Runtime::Acp,
        profile: None,
        label: None,
        metadata: BTreeMap::new(),
        group: None,
        session: None,
        command: Some(trial.argv.clone()),
        program: None,
        task: None,
        cwd: cwd.display().to_string(),
        env: trial.env.keys().cloned().collect(),
        timeout_ms: None,
        model: None,
        memory_mb: None,
        stdin: false,
        conversation: Conversation { login: trial.login.clone(), ..Conversation::default() },
        ancestors: Vec::new(),
        children: None,
    }
}

fn begin(trial: &Trial, dir: &Path) -> io::Result<Child> {
    let (name, arguments) = trial.argv.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    Command::new(&trial.program)
        .arg0(name)
        .args(arguments)
        .env_clear()
        .envs(&trial.env)
        .current_dir(dir)
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(File::create(dir.join("stderr"))?)
        .kill_on_drop(true)
        .spawn()
}

/// Says what is to be said and hears what it answers, until the conversation is established, cannot be, or the
/// harness says nothing any more.
async fn talk(session: &mut Session, child: &mut Child) {
    let (Some(mut input), Some(output)) = (child.stdin.take(), child.stdout.take()) else { return };
    let mut lines = FramedRead::new(output, LinesCodec::new_with_max_length(LINE_MAX));
    loop {
        while let Some(out) = session.outbox.pop_front() {
            if let What::Line(line) = out.what
                && input.write_all(line.as_bytes()).await.is_err()
            {
                // Whoever does not read may have said why; its end says more.
                break;
            }
        }
        if session.phase != Phase::SettingUp {
            return;
        }
        match lines.next().await {
            Some(Ok(line)) if line.trim().is_empty() => {}
            Some(Ok(line)) => session.take(vec![Line::Text(line.trim().to_owned())], 0),
            Some(Err(_)) => {}
            None => return,
        }
    }
}

/// The name and the version in the answer to `initialize`.
fn title(facts: &[Fact]) -> String {
    let info = facts.iter().find_map(|fact| match fact {
        Fact::Update(_, data) => data.get("agentInfo"),
        _ => None,
    });
    let part =
        |key: &str| info.and_then(|info| info.get(key)?.as_str()).filter(|it| !it.is_empty());
    let name = part("title").or_else(|| part("name"));
    let words: Vec<&str> = name.into_iter().chain(part("version")).collect();
    if words.is_empty() { "it does not say its name".to_owned() } else { words.join(" ") }
}
