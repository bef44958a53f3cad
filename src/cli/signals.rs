//! Ctrl-C and SIGTERM: the command lets go; what it started runs on.

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
