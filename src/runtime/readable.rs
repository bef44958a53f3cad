//! Waiting for descriptors that tokio has no type of its own for.

use std::io;
use std::os::fd::OwnedFd;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Registers a descriptor with the runtime, for reading.
///
/// # Errors
/// When the system has no room for it.
#[expect(
    deprecated,
    reason = "what replaces it is `unsafe`, for the sake of types that may change or close their \
              descriptor while it is registered; an `OwnedFd` that is moved in can do neither"
)]
pub(super) fn readable(fd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::with_interest(fd, Interest::READABLE)
}
