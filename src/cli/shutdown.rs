//! `dash shutdown`: stops the daemon.

use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use serde::Serialize;
use tokio::time::{Instant, sleep};

use super::daemon::{self, Found};
use super::select::{duration, milliseconds};
use super::show::count;
use super::{Context, Failure, exit, wait};
use crate::api::{AgentBody, ShutdownBody};

/// How long a daemon may take to end once it has said that it will.
const LIMIT: Duration = Duration::from_secs(30);

/// Stop the daemon; agents run on unless asked otherwise.
///
/// The next command that needs a daemon starts one, and it takes back what runs. Returns when the
/// daemon is gone. That none runs is no error.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct ShutdownArgs {
    /// End every agent first.
    #[arg(long)]
    pub kill_agents: bool,
    /// Time between the signal and SIGKILL for them, such as 10s.
    #[arg(long, value_name = "DURATION", value_parser = duration, allow_hyphen_values = true, requires = "kill_agents")]
    pub grace: Option<Duration>,
}

const EXAMPLES: &str = "\
Examples:
  dash shutdown                    agents run on
  dash shutdown --kill-agents      nothing runs on";

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Outcome {
    /// Whether one was running.
    stopped: bool,
    pid: Option<u32>,
    /// The agents that were ended.
    agents: Vec<AgentBody>,
}

/// Runs the command.
///
/// # Errors
/// Exit code 1 when the daemon does not end; else see [`Failure`].
pub async fn run(args: ShutdownArgs, context: &Context) -> Result<u8, Failure> {
    let show = &context.show;
    let Some(found) = daemon::find(context).await? else {
        if show.json {
            show.json_line(&Outcome { stopped: false, pid: None, agents: Vec::new() })?;
        } else if !show.quiet {
            show.line("no daemon is running")?;
        }
        return Ok(exit::DONE);
    };
    let pid = found.health.pid;
    let process = process_of(&found, context);
    let body =
        ShutdownBody { kill_agents: args.kill_agents, grace_ms: args.grace.map(milliseconds) };
    let agents = found.client.shut_down(&body).await?;
    gone(&found, process).await?;
    if show.json {
        show.json_line(&Outcome { stopped: true, pid: Some(pid), agents })?;
    } else if !show.quiet {
        wait::print(context, &agents)?;
        let rest = if args.kill_agents {
            format!("{} ended with it", count(agents.len(), "agent"))
        } else {
            "agents run on".to_owned()
        };
        show.line(&format!("stopped the daemon (pid {pid}); {rest}"))?;
    }
    Ok(exit::DONE)
}

/// A handle on the daemon's process, when it is one of this machine: the lock file and the daemon
/// agree on its pid.
fn process_of(found: &Found, context: &Context) -> Option<OwnedFd> {
    found.socket.as_ref()?;
    let pid = daemon::lock(&context.paths)?.pid;
    if pid != found.health.pid {
        return None;
    }
    let pid = Pid::from_raw(i32::try_from(pid).ok()?)?;
    pidfd_open(pid, PidfdFlags::empty()).ok()
}

/// Whether the process ended within this time. A pidfd becomes readable when its process ends
/// (`pidfd_open(2)`).
async fn ended(process: OwnedFd, within: Duration) -> bool {
    let wait = move || {
        let within = Timespec::try_from(within).ok();
        let mut processes = [PollFd::new(&process, PollFlags::IN)];
        poll(&mut processes, within.as_ref()).is_ok_and(|ready| ready > 0)
    };
    tokio::task::spawn_blocking(wait).await.unwrap_or(false)
}

/// Waits until it is gone; of one that is no process of this machine, until it does not answer.
async fn gone(found: &Found, process: Option<OwnedFd>) -> Result<(), Failure> {
    let pid = found.health.pid;
    let late = || {
        let message =
            format!("the daemon (pid {pid}) has not ended {LIMIT:?} after it was told to");
        Failure::new(exit::FAILED, "timeout", message)
            .hinted("`dash doctor` shows where its log is")
    };
    if let Some(process) = process {
        return if ended(process, LIMIT).await { Ok(()) } else { Err(late()) };
    }
    let deadline = Instant::now() + LIMIT;
    while found.client.health().await.is_ok_and(|health| health.pid == pid) {
        if Instant::now() > deadline {
            return Err(late());
        }
        sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_end_of_a_process_is_seen() {
        let mut child = tokio::process::Command::new("sleep").arg("60").spawn().unwrap();
        let pid = Pid::from_raw(i32::try_from(child.id().unwrap()).unwrap()).unwrap();
        let process = || pidfd_open(pid, PidfdFlags::empty()).unwrap();
        assert!(!ended(process(), Duration::from_millis(50)).await, "it still runs");
        child.start_kill().unwrap();
        assert!(ended(process(), Duration::from_secs(10)).await);
        child.wait().await.unwrap();
    }
}
