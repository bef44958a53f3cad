//! How much of an agent's output stays in its files.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

use rustix::fs::FallocateFlags;

/// What stays before the recorded offset, in bytes. The log is synced at the latest when it has
/// grown by about half of this, so that what goes from the file does not depend on the power.
pub(super) const KEPT: u64 = 8 * 1024 * 1024;

/// Gives back the space of what is before `recorded`, but for the last [`KEPT`] bytes, from `given`
/// on, when that is some. Offsets stay as they are. Answers up to where it is given back now.
///
/// # Errors
/// When the file system cannot do that (`EOPNOTSUPP`), or the file cannot be opened.
pub(super) fn give_back(path: &Path, given: u64, recorded: u64) -> io::Result<u64> {
    let until = recorded.saturating_sub(KEPT);
    if until < given.saturating_add(KEPT / 8) {
        return Ok(given);
    }
    let file = open(path)?;
    let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    rustix::fs::fallocate(&file, flags, given, until - given)?;
    Ok(until)
}

fn open(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let flags = i32::try_from(flags.bits()).unwrap_or_default();
    OpenOptions::new().write(true).custom_flags(flags).open(path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn what_is_recorded_takes_no_space() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("stdout");
        let size = 3 * KEPT;
        std::fs::write(&path, vec![b'x'; usize::try_from(size).unwrap()]).unwrap();
        let blocks = || path.metadata().unwrap().blocks() * 512;
        let before = blocks();
        assert_eq!(give_back(&path, 0, KEPT).unwrap(), 0, "too little to be worth it");
        match give_back(&path, 0, 2 * KEPT) {
            Ok(given) => assert_eq!(given, KEPT),
            Err(error) => {
                let error = rustix::io::Errno::from_io_error(&error);
                assert_eq!(error, Some(rustix::io::Errno::OPNOTSUPP));
                eprintln!("this file system cannot give space back");
                return;
            }
        }
        assert!(blocks() <= before - KEPT, "{} of {before}", blocks());
        assert_eq!(path.metadata().unwrap().len(), size);
        let left = std::fs::read(&path).unwrap();
        assert_eq!(left[usize::try_from(KEPT).unwrap()], b'x');
        assert_eq!(give_back(&path, KEPT, 2 * KEPT).unwrap(), KEPT, "not twice");
    }
}
