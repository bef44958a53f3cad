//! Files that a process was born with.

use std::os::fd::RawFd;

/// Lets go of everything that whoever started this process had open, but for the three standard
/// ones. A pipe that a daemon holds never ends for whoever reads it, and test runners and build
/// tools leave such pipes open. To be called before anything is opened.
pub(super) fn close() {
    let Ok(open) = std::fs::read_dir("/proc/self/fd") else { return };
    let number = |name: std::ffi::OsString| name.to_str()?.parse::<RawFd>().ok();
    let open: Vec<RawFd> =
        open.flatten().filter_map(|entry| number(entry.file_name())).filter(|fd| *fd > 2).collect();
    for fd in open {
        // The one that the list was read with is closed already.
        let _ = nix::unistd::close(fd);
    }
}
