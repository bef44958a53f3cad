//! Starts a daemon on demand: detached, in a place of its own, and answers when it is ready.

use std::ffi::OsStr;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::fs::OFlags;
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::Command;
use tokio::time::{Instant, sleep, timeout_at};

use super::daemon::{Found, find_local, lock, reach};
use super::{Context, Failure, environment, exit};
use crate::client::Target;
use crate::config::Paths;
use crate::model::AgentId;

/// How long a daemon may take until it is ready.
const LIMIT: Duration = Duration::from_secs(10);
/// How long a daemon that another caller starts is looked for before one is started again.
const OTHERS_TURN: Duration = Duration::from_secs(1);
/// Bytes of the log's end that are looked at when a daemon did not start.
const TAIL: u64 = 16 * 1024;
/// Bytes of the line that a daemon says when it is ready.
const READY_MAX: u64 = 64 * 1024;
/// The code of the failure of a daemon that found another one.
const ALREADY_RUNNING: &str = "already_running";

/// What a daemon says on standard output when it is ready.
#[derive(Debug, Deserialize)]
struct Announced {
    ready: bool,
    pid: u32,
    socket: PathBuf,
}

/// What a daemon says on standard error when it cannot start.
#[derive(Debug, Deserialize)]
struct Said {
    error: SaidError,
}

#[derive(Debug, Deserialize)]
struct SaidError {
    code: String,
    message: String,
    #[serde(default)]
    hint: Option<String>,
}

/// How one attempt went.
enum Outcome {
    Ready(Announced),
    Ended { status: ExitStatus, log: String },
}

/// Starts one, unless somebody else is faster, and answers when it is ready.
pub(super) async fn on_demand(context: &Context) -> Result<Found, Failure> {
    if let Some(agent) = own_agent(&context.paths, std::env::var("DASH_AGENT_ID").ok()) {
        let message = format!("the daemon of this agent ({agent}) does not run");
        return Err(Failure::new(exit::UNREACHABLE, "unreachable", message).hinted(
            "an agent does not start the daemon that it belongs to: `dash status` outside of it does",
        ));
    }
    let deadline = Instant::now() + LIMIT;
    loop {
        match attempt(context, deadline).await? {
            Outcome::Ready(ready) => {
                let found = reach(&Target::Unix(ready.socket)).await?;
                context.say(&format!(
                    "dash: started the daemon (pid {}); stop it with \"dash shutdown\"",
                    ready.pid
                ));
                return Ok(found);
            }
            Outcome::Ended { status, log } => {
                let failure = explain(status, &log, &context.paths);
                if failure.code != ALREADY_RUNNING {
                    return Err(failure);
                }
                if let Some(found) = await_other(&context.paths, deadline).await? {
                    return Ok(found);
                }
            }
        }
        if Instant::now() >= deadline {
            return Err(mute(&context.paths));
        }
    }
}

/// The agent of these places that this command runs in: a daemon that it started would be a part of
/// it, and end with it.
fn own_agent(paths: &Paths, named: Option<String>) -> Option<AgentId> {
    let agent: AgentId = named?.parse().ok()?;
    paths.agents().join(agent.as_str()).exists().then_some(agent)
}

/// Waits for the daemon that holds the lock: it may be about to listen, or about to end.
async fn await_other(paths: &Paths, deadline: Instant) -> Result<Option<Found>, Failure> {
    let until = deadline.min(Instant::now() + OTHERS_TURN);
    let mut pause = Duration::from_millis(5);
    loop {
        if let Some(found) = find_local(paths).await? {
            return Ok(Some(found));
        }
        if Instant::now() >= until {
            return Ok(None);
        }
        sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(100));
    }
}

/// Starts this program once.
async fn attempt(context: &Context, deadline: Instant) -> Result<Outcome, Failure> {
    let program = this_program()?;
    let systemd_run = systemd_run(Path::new("/run/systemd/system"), |name| std::env::var_os(name));
    attempt_with(systemd_run.as_deref(), &program, context, deadline).await
}

/// Starts the program once: in a scope of its own where systemd can make one, because a service
/// that stops takes everything in its control group with it.
async fn attempt_with(
    systemd_run: Option<&Path>,
    program: &Path,
    context: &Context,
    deadline: Instant,
) -> Result<Outcome, Failure> {
    if let Some(systemd_run) = systemd_run {
        let outcome = start(&scoped(systemd_run, program), &context.paths, deadline).await?;
        match &outcome {
            // The daemon itself says why it ends; without that, it never came to it.
            Outcome::Ended { log, .. } if said(log).is_none() => {}
            _ => return Ok(outcome),
        }
    }
    if let Some(service) =
        own_service(&std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default())
    {
        context.say(&format!(
            "dash: the daemon starts inside {service}, and ends when that is stopped; \
             `dash doctor` says how to give it a unit of its own"
        ));
    }
    start(&[program.into()], &context.paths, deadline).await
}

async fn start(
    program: &[std::ffi::OsString],
    paths: &Paths,
    deadline: Instant,
) -> Result<Outcome, Failure> {
    let mut log = open_log(paths)?;
    let before = log.seek(SeekFrom::End(0)).unwrap_or_default();
    let stderr = log.try_clone().map_err(|error| cannot("write", &paths.log(), &error))?;
    let (program, arguments) = program.split_first().ok_or_else(|| mute(paths))?;
    let mut child = Command::new(program)
        .args(arguments)
        .args(["serve", "--detached"])
        .env_clear()
        .envs(std::env::vars_os().filter(|(name, _)| environment::is_daemons(name)))
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(stderr)
        .spawn()
        .map_err(|error| cannot("start", Path::new(program), &error))?;
    let mut line = String::new();
    if let Some(stdout) = child.stdout.take() {
        let mut stdout = BufReader::new(stdout.take(READY_MAX));
        // An error here is the end of the output, which is looked into below.
        let read = timeout_at(deadline, stdout.read_line(&mut line)).await;
        if read.is_err() {
            return Err(mute(paths));
        }
    }
    match serde_json::from_str::<Announced>(&line) {
        Ok(announced) if announced.ready => Ok(Outcome::Ready(announced)),
        _ => match timeout_at(deadline, child.wait()).await {
            Ok(Ok(status)) => Ok(Outcome::Ended { status, log: written_since(&mut log, before) }),
            _ => Err(mute(paths)),
        },
    }
}

/// This program's file, also when a newer one has taken its place meanwhile.
pub(super) fn this_program() -> Result<PathBuf, Failure> {
    let program = std::env::current_exe().map_err(|error| {
        Failure::new(
            exit::FAILED,
            "internal",
            format!("cannot tell which program this is: {error}"),
        )
    })?;
    let replaced = program.to_str().and_then(|path| path.strip_suffix(" (deleted)"));
    Ok(replaced.map(PathBuf::from).unwrap_or(program))
}

/// `systemd-run`, where it exists, the system runs systemd (it is there when this directory is,
/// `sd_booted(3)`), and this user has an instance to run things.
fn systemd_run(
    booted: &Path,
    variable: impl Fn(&str) -> Option<std::ffi::OsString>,
) -> Option<PathBuf> {
    let runtime = PathBuf::from(variable("XDG_RUNTIME_DIR")?);
    let user_instance = runtime.join("systemd/private").exists() || runtime.join("bus").exists();
    if !booted.exists() || !user_instance {
        return None;
    }
    let executable = |file: &PathBuf| {
        file.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
    };
    let path = variable("PATH")?;
    std::env::split_paths(&path)
        .filter(|directory| directory.is_absolute())
        .map(|directory| directory.join("systemd-run"))
        .find(executable)
}

fn scoped(systemd_run: &Path, program: &Path) -> Vec<std::ffi::OsString> {
    let flags = ["--user", "--scope", "--quiet", "--collect", "--description=Dash daemon", "--"];
    let flags = flags.into_iter().map(OsStr::new);
    std::iter::once(systemd_run.as_os_str())
        .chain(flags)
        .chain([program.as_os_str()])
        .map(OsStr::to_owned)
        .collect()
}

/// The service whose control group this process is in, if it is in one (`/proc/PID/cgroup`, one
/// line a hierarchy, `ID:CONTROLLERS:PATH`; see cgroups(7)).
fn own_service(cgroups: &str) -> Option<String> {
    cgroups
        .lines()
        .filter_map(|line| line.splitn(3, ':').nth(2)?.rsplit('/').next())
        .find(|unit| unit.ends_with(".service") && !unit.starts_with("user@"))
        .map(str::to_owned)
}

fn open_log(paths: &Paths) -> Result<File, Failure> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&paths.state)
        .map_err(|error| cannot("make", &paths.state, &error))?;
    let log = paths.log();
    OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .mode(0o600)
        .custom_flags(i32::try_from(OFlags::NOFOLLOW.bits()).unwrap_or_default())
        .open(&log)
        .map_err(|error| cannot("write", &log, &error))
}

fn cannot(act: &str, path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(exit::FAILED, "storage", format!("cannot {act} {}: {error}", path.display()))
        .hinted("the daemon needs a state directory that it may write; DASH_HOME names another")
}

/// What was added to the log, at most its end.
fn written_since(log: &mut File, before: u64) -> String {
    let end = log.seek(SeekFrom::End(0)).unwrap_or(before);
    let mut text = Vec::new();
    if log.seek(SeekFrom::Start(before.max(end.saturating_sub(TAIL)))).is_ok() {
        // What cannot be read is not said.
        let _ = log.take(TAIL).read_to_end(&mut text);
    }
    String::from_utf8_lossy(&text).into_owned()
}

/// The failure that a daemon put into its log.
fn said(log: &str) -> Option<SaidError> {
    let read = |line| serde_json::from_str::<Said>(line).ok();
    log.lines().rev().find_map(read).map(|said| said.error)
}

/// Why a daemon ended before it was ready: in its own words, or else the end of its log.
fn explain(status: ExitStatus, log: &str, paths: &Paths) -> Failure {
    let code = status.code().and_then(|code| u8::try_from(code).ok()).filter(|code| *code != 0);
    if let Some(error) = said(log) {
        let failure = Failure::new(code.unwrap_or(exit::FAILED), &error.code, error.message);
        return Failure { hint: error.hint, ..failure };
    }
    let last: Vec<_> = log.lines().rev().take(5).collect();
    let last: Vec<_> = last.into_iter().rev().collect();
    let message = format!("the daemon ended while it started ({status})\n{}", last.join("\n"));
    Failure::new(code.unwrap_or(exit::UNREACHABLE), "daemon_failed", message.trim_end())
        .hinted(format!("its log is {}", paths.log().display()))
}

/// Nothing is heard of a daemon.
fn mute(paths: &Paths) -> Failure {
    let holder = lock(paths).map_or_else(String::new, |lock| format!(" (pid {})", lock.pid));
    Failure::new(
        exit::UNREACHABLE,
        "unreachable",
        format!("the daemon{holder} is not ready after {} seconds", LIMIT.as_secs()),
    )
    .hinted(format!("its log is {}; `dash doctor` says more", paths.log().display()))
}

#[cfg(test)]
#[path = "start_test.rs"]
mod tests;
