//! Keeps one connection to the gateway, over any number of its restarts.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};

use super::backoff::{Backoff, chance};
use super::board::Board;
use crate::openclaw::{Access, ConnectError, Gateway, Places};

/// Before the first try to connect again, and at most.
const FIRST: Duration = Duration::from_millis(200);
const CAP: Duration = Duration::from_secs(15);
/// At most when it is the token that is refused: the gateway slows guessing down, for everybody here.
const REFUSED_FIRST: Duration = Duration::from_secs(2);
const REFUSED_CAP: Duration = Duration::from_mins(1);

/// The connection while there is one.
pub(super) type Connected = watch::Receiver<Option<Gateway>>;

/// Keeps connecting until nobody wants the connection any more. Address and token are read anew for
/// every try, so that a gateway with another token is found again.
///
/// Somebody who is waiting for a connection says so by `wanted`: then it is tried at once, unless the token is refused.
pub(super) async fn keep(
    places: Places,
    board: Board,
    connected: watch::Sender<Option<Gateway>>,
    wanted: Arc<Notify>,
) {
    let mut usual = Backoff::new(FIRST, CAP);
    let mut refused = Backoff::new(REFUSED_FIRST, REFUSED_CAP);
    while !connected.is_closed() {
        let mut hurry = true;
        let wait = match attempt(&places, &board).await {
            Ok(gateway) => {
                usual.reset();
                refused.reset();
                tracing::info!(version = gateway.version(), "connected to OpenClaw's gateway");
                board.connected(gateway.version());
                connected.send_replace(Some(gateway.clone()));
                let why = tokio::select! {
                    why = gateway.lost() => why,
                    () = connected.closed() => return,
                };
                connected.send_replace(None);
                tracing::warn!(%why, "the connection to OpenClaw's gateway is lost");
                board.lost(why, None);
                usual.wait(chance())
            }
            Err(Failed { message, hint, wait }) => {
                if board.lost(message.clone(), hint) {
                    tracing::warn!(%message, "no connection to OpenClaw's gateway; trying on");
                }
                match wait {
                    Wait::Usual => usual.wait(chance()),
                    Wait::Refused => {
                        board.refused();
                        hurry = false;
                        refused.wait(chance())
                    }
                    Wait::AtLeast(least) => usual.wait(chance()).max(least),
                }
            }
        };
        tokio::select! {
            () = pause(wait, hurry.then_some(&wanted)) => {}
            () = connected.closed() => {}
        }
    }
}

/// Waits before the next try, and not for long when somebody wants it.
async fn pause(wait: Duration, wanted: Option<&Notify>) {
    // Also for those who asked while the last try was made.
    let asked = async {
        match wanted {
            Some(wanted) => wanted.notified().await,
            None => std::future::pending().await,
        }
        tokio::time::sleep(FIRST).await;
    };
    tokio::select! {
        () = tokio::time::sleep(wait) => {}
        () = asked => {}
    }
}

struct Failed {
    message: String,
    hint: Option<String>,
    wait: Wait,
}

enum Wait {
    Usual,
    Refused,
    AtLeast(Duration),
}

async fn attempt(places: &Places, board: &Board) -> Result<Gateway, Failed> {
    let access: Access = places.find(|name| std::env::var_os(name)).map_err(|error| Failed {
        message: error.message,
        hint: Some(error.hint),
        wait: Wait::Usual,
    })?;
    board.address(&access.address);
    Gateway::connect(&access).await.map_err(|error| {
        let message = error.to_string();
        let (hint, wait) = match error {
            ConnectError::Unreachable { .. } => {
                (Some("start it: `openclaw gateway`".to_owned()), Wait::Usual)
            }
            ConnectError::Foreign { .. } => {
                (Some("check `gateway.port` with `openclaw status`".to_owned()), Wait::Usual)
            }
            ConnectError::Unauthorized { .. } => (
                Some(
                    "the gateway runs with another token than OpenClaw's configuration has; \
                     restart it, or name a file with the right one: `token_file` under [openclaw]"
                        .to_owned(),
                ),
                Wait::Refused,
            ),
            ConnectError::Refused { retry_after, .. } => {
                (None, retry_after.map_or(Wait::Usual, Wait::AtLeast))
            }
        };
        Failed { message, hint, wait }
    })
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn whoever_wants_a_connection_waits_for_no_backoff() {
        let wanted = Notify::new();
        let begin = Instant::now();
        wanted.notify_one();
        pause(CAP, Some(&wanted)).await;
        assert_eq!(begin.elapsed(), FIRST);
        pause(CAP, Some(&wanted)).await;
        assert_eq!(begin.elapsed(), FIRST + CAP, "a wish is one try");
        wanted.notify_one();
        pause(REFUSED_CAP, None).await;
        assert_eq!(begin.elapsed(), FIRST + CAP + REFUSED_CAP, "nobody hurries a refused token");
    }
}
