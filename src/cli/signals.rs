//! Ctrl-C, SIGTERM, and a reader that goes away: the command lets go; what it started runs on.

use std::os::fd::AsFd;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::signal::unix::{SignalKind, signal};

use super::{Failure, exit};

/// The code of the failure that an interruption is.
pub(super) const CODE: &str = "interrupted";

/// Resolves to the exit code when this process is told to end.
pub(super) async fn interrupted() -> u8 {
    let listeners = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
    let (Ok(mut interrupt), Ok(mut terminate)) = listeners else {
        // Without listeners the signals keep their usual effect, which is to end this process.
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => exit::INTERRUPTED,
        _ = terminate.recv() => exit::TERMINATED,
    }
}

/// Resolves when nobody reads standard output any more: the other end of the pipe or socket that it is
/// was closed. Never when it is something else, such as a file.
#[expect(
    deprecated,
    reason = "what replaces it is `unsafe`, for the sake of types that may change or close their \
              descriptor while it is registered; an `OwnedFd` that is moved in can do neither"
)]
pub(super) async fn reader_gone() {
    let gone = async {
        let output = std::io::stdout().as_fd().try_clone_to_owned().ok()?;
        // What cannot be waited for has nobody at its other end (`epoll_ctl(2)`: EPERM).
        let output = AsyncFd::with_interest(output, Interest::ERROR).ok()?;
        output.ready(Interest::ERROR).await.ok().map(|mut ready| ready.retain_ready())
    };
    if gone.await.is_none() {
        std::future::pending::<()>().await;
    }
}

/// Does this until it is done or interrupted.
pub(super) async fn interruptible<T>(
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    detaching(work, || Failure::new(exit::INTERRUPTED, CODE, "")).await
}

/// The same, with something to say when it is interrupted. Of two that are nested, the inner one
/// speaks, because it is asked first.
pub(super) async fn detaching<T>(
    work: impl Future<Output = Result<T, Failure>>,
    farewell: impl FnOnce() -> Failure,
) -> Result<T, Failure> {
    tokio::select! {
        biased;
        done = work => done,
        exit = interrupted() => Err(Failure { exit, ..farewell() }),
    }
}
