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

/// Starts the program once: in a scope of its own where systemd can make one, because a service
/// that stops takes everything in its control group with it.
async fn attempt(context: &Context, deadline: Instant) -> Result<Outcome, Failure> {
    let program = this_program()?;
    if let Some(systemd_run) = systemd_run() {
        let outcome = start(&scoped(&systemd_run, &program), &context.paths, deadline).await?;
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
fn this_program() -> Result<PathBuf, Failure> {
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

/// `systemd-run`, where it exists and this user has a systemd to run things.
fn systemd_run() -> Option<PathBuf> {
    let runtime = PathBuf::from(std::env::var_os("XDG_RUNTIME_DIR")?);
    let user_instance = runtime.join("systemd/private").exists() || runtime.join("bus").exists();
    if !Path::new("/run/systemd/system").exists() || !user_instance {
        return None;
    }
    let executable = |file: &PathBuf| {
        file.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
    };
    let path = std::env::var_os("PATH")?;
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
mod tests {
    use std::os::unix::process::ExitStatusExt as _;

    use super::*;

    fn paths(home: &Path) -> Paths {
        Paths::resolve(|name| (name == "DASH_HOME").then(|| home.into())).unwrap()
    }

    /// A program that stands for `dash` and does this.
    fn program(home: &Path, script: &str) -> Vec<std::ffi::OsString> {
        let file = home.join("daemon.sh");
        std::fs::write(&file, script).unwrap();
        vec!["/bin/sh".into(), file.into()]
    }

    async fn run(home: &Path, script: &str, limit: Duration) -> Result<Outcome, Failure> {
        start(&program(home, script), &paths(home), Instant::now() + limit).await
    }

    #[tokio::test]
    async fn the_first_line_says_that_it_is_ready() {
        let home = tempfile::tempdir().unwrap();
        let script = r#"
            echo "$1 $2 $(pwd) ${SECRET-none}" >&2
            echo '{"ready":true,"pid":7,"socket":"/s","listen":null,"more":1}'
        "#;
        let outcome = run(home.path(), script, LIMIT).await.unwrap();
        let Outcome::Ready(ready) = outcome else { panic!("it is ready") };
        assert_eq!((ready.pid, ready.socket), (7, "/s".into()));
        let log = paths(home.path()).log();
        assert_eq!(std::fs::read_to_string(&log).unwrap(), "serve --detached / none\n");
        assert_eq!(log.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let state = log.parent().unwrap().metadata().unwrap();
        assert_eq!(state.permissions().mode() & 0o777, 0o700);
    }

    #[tokio::test]
    async fn a_daemon_that_cannot_start_explains_itself() {
        let home = tempfile::tempdir().unwrap();
        let places = paths(home.path());
        std::fs::create_dir_all(&places.state).unwrap();
        std::fs::write(places.log(), r#"{"error":{"code":"old","message":"old"}}"#).unwrap();
        let script = r#"
            echo 'some line' >&2
            echo '{"error":{"code":"bad_configuration","message":"m","hint":"h"}}' >&2
            exit 78
        "#;
        let outcome = run(home.path(), script, LIMIT).await.unwrap();
        let Outcome::Ended { status, log } = outcome else { panic!("it ended") };
        let failure = explain(status, &log, &places);
        assert_eq!(failure, Failure::new(78, "bad_configuration", "m").hinted("h"));
    }

    #[tokio::test]
    async fn one_that_just_ends_is_explained_by_its_log() {
        let home = tempfile::tempdir().unwrap();
        let script = "echo not json; echo lib.so: cannot open >&2; kill -9 $$";
        let outcome = run(home.path(), script, LIMIT).await.unwrap();
        let Outcome::Ended { status, log } = outcome else { panic!("it ended") };
        let failure = explain(status, &log, &paths(home.path()));
        assert_eq!(failure.exit, exit::UNREACHABLE);
        assert!(failure.message.contains("lib.so: cannot open"), "{failure:?}");
        assert!(failure.message.contains("signal: 9"), "{failure:?}");
    }

    #[tokio::test]
    async fn one_that_says_nothing_is_given_up() {
        let home = tempfile::tempdir().unwrap();
        let mut lines = String::from("echo $$ >&2; exec sleep 60");
        lines.push('\n');
        let failure = run(home.path(), &lines, Duration::from_millis(300)).await.err().unwrap();
        assert_eq!((failure.exit, failure.code.as_str()), (69, "unreachable"));
        let log = std::fs::read_to_string(paths(home.path()).log()).unwrap();
        let pid = rustix::process::Pid::from_raw(log.trim().parse().unwrap()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    }

    #[test]
    fn a_success_that_said_nothing_is_a_failure() {
        let home = tempfile::tempdir().unwrap();
        let failure = explain(ExitStatus::from_raw(0), "", &paths(home.path()));
        assert_eq!(failure.exit, exit::UNREACHABLE);
    }

    #[test]
    fn only_the_innermost_unit_counts() {
        for (cgroups, expected) in [
            ("0::/system.slice/gateway.service\n", Some("gateway.service")),
            ("1:name=systemd:/a.service\n0::/\n", Some("a.service")),
            ("0::/user.slice/user-1.slice/user@1.service/app.slice/t.scope\n", None),
            ("0::/user.slice/user-1.slice/user@1.service/app.slice/g.service\n", Some("g.service")),
            ("0::/init.scope\n", None),
            ("", None),
        ] {
            assert_eq!(own_service(cgroups).as_deref(), expected, "{cgroups}");
        }
    }

    #[test]
    fn a_scope_is_asked_for_by_the_user() {
        let line = scoped(Path::new("/usr/bin/systemd-run"), Path::new("/opt/dash"));
        let line = line.join(OsStr::new(" "));
        assert!(line.to_str().unwrap().starts_with("/usr/bin/systemd-run --user --scope "));
        assert!(line.to_str().unwrap().ends_with(" -- /opt/dash"));
    }
}
