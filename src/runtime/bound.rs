//! How much of an agent's output stays in its files: while a daemon follows it, what is not in the log;
//! while there is none, what the next one takes over.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::FallocateFlags;

use crate::model::Stream;

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
    punch(&open(path)?, given, until)?;
    Ok(until)
}

/// How far an agent's streams were cut while no daemon followed: nobody will ever read what is before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Cuts([u64; 2]);

impl Cuts {
    /// As it was written down in the agent's directory; nothing was cut when there is nothing.
    pub(super) fn read(dir: &Path) -> Self {
        let mut text = String::new();
        let read = nofollow().read(true).open(dir.join("cut"));
        let read = read.and_then(|file| file.take(64).read_to_string(&mut text));
        let mut numbers = text.split_whitespace().map(str::parse);
        match (read, numbers.next(), numbers.next()) {
            (Ok(_), Some(Ok(stdout)), Some(Ok(stderr))) => Self([stdout, stderr]),
            _ => Self::default(),
        }
    }

    /// Bytes of this stream.
    pub(super) fn of(self, stream: Stream) -> u64 {
        self.0[stream as usize]
    }

    /// Cuts what is more than so many bytes of standard output and standard error, when that is enough
    /// to be worth it. First it is written down, durably: otherwise a machine that fails could leave a
    /// hole that nobody knows of.
    ///
    /// # Errors
    /// When the file system cannot do that (`EOPNOTSUPP`), or a file cannot be written.
    pub(super) fn advance(&mut self, dir: &Path, most: [Option<u64>; 2]) -> io::Result<()> {
        let before = *self;
        for (stream, most) in STREAMS.into_iter().zip(most) {
            let found = std::fs::symlink_metadata(dir.join(stream.as_str()));
            let (Some(most), Ok(found)) = (most, found) else { continue };
            let until = found.len().saturating_sub(most);
            if until >= self.of(stream).saturating_add(KEPT / 8) {
                self.0[stream as usize] = until;
            }
        }
        if *self == before {
            return Ok(());
        }
        self.write(dir)?;
        for stream in STREAMS {
            let (from, until) = (before.of(stream), self.of(stream));
            if until > from {
                punch(&open(&dir.join(stream.as_str()))?, from, until)?;
            }
        }
        Ok(())
    }

    /// In one write of always the same length.
    fn write(self, dir: &Path) -> io::Result<()> {
        let mut file = nofollow().write(true).create(true).open(dir.join("cut"))?;
        let [stdout, stderr] = self.0;
        file.write_all(format!("{stdout:020} {stderr:020}\n").as_bytes())?;
        file.sync_data()
    }
}

const STREAMS: [Stream; 2] = [Stream::Stdout, Stream::Stderr];

fn punch(file: &File, from: u64, until: u64) -> io::Result<()> {
    let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    Ok(rustix::fs::fallocate(file, flags, from, until - from)?)
}

fn nofollow() -> OpenOptions {
    let mut open = OpenOptions::new();
    let flags = i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or_default();
    open.mode(0o600).custom_flags(flags);
    open
}

fn open(path: &Path) -> io::Result<File> {
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

    #[test]
    fn what_is_cut_is_written_down() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        let size = 2 * KEPT;
        std::fs::write(dir.join("stdout"), vec![b'x'; usize::try_from(size).unwrap()]).unwrap();
        std::fs::write(dir.join("stderr"), vec![b'x'; usize::try_from(size).unwrap()]).unwrap();
        assert_eq!(Cuts::read(dir), Cuts::default());
        let mut cuts = Cuts::default();
        cuts.advance(dir, [Some(size - 1), None]).unwrap();
        assert_eq!((cuts, Cuts::read(dir)), (Cuts::default(), Cuts::default()), "not worth it");
        let blocks = |name: &str| dir.join(name).metadata().unwrap().blocks() * 512;
        let before = blocks("stdout");
        if let Err(error) = cuts.advance(dir, [Some(KEPT), None]) {
            let error = rustix::io::Errno::from_io_error(&error);
            assert_eq!(error, Some(rustix::io::Errno::OPNOTSUPP));
            eprintln!("this file system cannot give space back");
        } else {
            assert!(blocks("stdout") <= before - KEPT && blocks("stderr") == before);
        }
        assert_eq!((cuts.of(Stream::Stdout), cuts.of(Stream::Stderr)), (KEPT, 0));
        assert_eq!(Cuts::read(dir), cuts);
        for garbage in ["", "1", "x y", "1 x"] {
            std::fs::write(dir.join("cut"), garbage).unwrap();
            assert_eq!(Cuts::read(dir), Cuts::default(), "{garbage}");
        }
    }
}
