//! `dash serve --background`: sees to it that a daemon runs, for programs that start the servers they
//! need. OpenClaw's `localService` (2026.9) is one: it looks at a URL until that answers, takes a command
//! that has ended before that for a failure, and ends the command's process group when it ends itself.

use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::time::Duration;

use serde::Serialize;

use super::daemon::lock;
use super::{Context, Failure, exit};

/// How long to stay after the daemon is ready, so that whoever looks at both sees that first.
const LINGERS: Duration = Duration::from_secs(1);

#[derive(Debug, Serialize)]
struct Runs {
    pid: Option<u32>,
    listen: Option<SocketAddr>,
}

/// Runs the command.
///
/// # Errors
/// When no daemon can be started, or the one that runs does not listen where the configuration says.
pub(super) async fn run(context: &Context) -> Result<u8, Failure> {
    let wanted = context.config()?.daemon.listen;
    context.daemon().await?;
    let lock = lock(&context.paths);
    let listen = lock.as_ref().and_then(|lock| lock.listen);
    if let Some(wanted) = wanted.filter(|wanted| !is_at(listen, wanted)) {
        let message = match listen {
            Some(listen) => format!("the daemon that runs listens on {listen}, not on {wanted}"),
            None => format!("the daemon that runs does not listen on {wanted}"),
        };
        return Err(Failure::new(exit::FAILED, "cannot_listen", message).hinted(
            "`dash shutdown`, then try again: agents run on, and the next daemon reads config.toml",
        ));
    }
    let runs = Runs { pid: lock.map(|lock| lock.pid), listen };
    if context.show.json {
        let _ = context.show.json_line(&runs);
    } else {
        let at = runs.listen.map(|address| format!(" on {address}")).unwrap_or_default();
        context.say(&format!("dash: the daemon answers{at}"));
    }
    if !std::io::stdout().is_terminal() {
        tokio::time::sleep(LINGERS).await;
    }
    Ok(exit::DONE)
}

/// Whether that is the wanted address; port 0 is any.
fn is_at(listen: Option<SocketAddr>, wanted: &str) -> bool {
    let Ok(wanted) = wanted.parse::<SocketAddr>() else { return false };
    listen.is_some_and(|listen| {
        listen == wanted || (wanted.port() == 0 && listen.ip() == wanted.ip())
    })
}
