//! An agent's output file, read as whole lines from an offset.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::bound;
use crate::model::{OUTPUT_TEXT_MAX, Output, Stream};

/// How much is read for one report, in bytes: what bounds the memory that a flood can take.
const READ_MAX: usize = 512 * 1024;

/// Reads an output file on from an offset. Where it cuts depends on the bytes alone, so that a reader
/// that takes over at any recorded offset goes on as the one before would have.
///
/// It holds no descriptor between reads.
#[derive(Debug)]
pub struct LineReader {
    path: PathBuf,
    stream: Stream,
    /// Everything before it has been given out.
    offset: u64,
    /// There is no line end between `offset` and here.
    seen: u64,
    /// How long the file was when it was last looked at.
    size: u64,
    /// Bytes before `offset` that are left out of the next chunk.
    truncated: u64,
    /// Up to here the file's space is given back; none when the file system cannot do that.
    given: Option<u64>,
}

impl LineReader {
    /// A reader of the stream's file in the agent's directory.
    #[must_use]
    pub fn new(dir: &Path, stream: Stream, offset: u64) -> Self {
        let path = dir.join(stream.as_str());
        Self { path, stream, offset, seen: offset, size: offset, truncated: 0, given: Some(0) }
    }

    /// Passes over what is more than so many bytes before the end, or before `cut`, up to the next line.
    /// The next chunk says how much that was.
    pub(super) fn bound_backlog(&mut self, bytes: u64, cut: u64) {
        let Ok(Some(file)) = open(&self.path) else { return };
        let Ok(size) = file.metadata().map(|found| found.len()) else { return };
        let start = size.saturating_sub(bytes).max(cut.min(size));
        if start <= self.offset {
            return;
        }
        // From the byte before, so that a line that begins there is kept.
        let Ok(found) = read_at(&file, start - 1, size - (start - 1)) else { return };
        let cut = found
            .iter()
            .position(|byte| *byte == b'\n')
            .map_or(start, |at| start + len(&found[..at]));
        self.truncated += cut - self.offset;
        (self.offset, self.seen) = (cut, cut);
    }

    /// Gives back the space of what has been given out, and is recorded.
    pub(super) fn give_back(&mut self) {
        let Some(given) = self.given else { return };
        self.given = match bound::give_back(&self.path, given, self.offset) {
            Ok(given) => Some(given),
            Err(error) => {
                tracing::debug!(path = %self.path.display(), %error, "its space is not given back");
                None
            }
        };
    }

    /// How far the stream has been given out, in bytes.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// What has arrived since, as chunks of whole lines; none when there is no whole line. Each stands
    /// for at most [`OUTPUT_TEXT_MAX`] bytes; only a longer line is given in pieces, of which all but
    /// the last are `partial`. A line that is not finished is held back.
    ///
    /// # Errors
    /// When the file cannot be read. One that is not there is empty.
    pub fn read(&mut self) -> io::Result<Vec<Output>> {
        self.advance(false)
    }

    /// The same when nothing more will be written: the last line is given as it is. Done when it
    /// gives nothing.
    ///
    /// # Errors
    /// When the file cannot be read. One that is not there is empty.
    pub fn finish(&mut self) -> io::Result<Vec<Output>> {
        self.advance(true)
    }

    /// Whether the last read left something for another: it takes only so much at once.
    #[must_use]
    pub fn has_more(&self) -> bool {
        self.seen < self.size
    }

    fn advance(&mut self, ended: bool) -> io::Result<Vec<Output>> {
        self.size = self.seen;
        let Some(file) = open(&self.path)? else { return Ok(Vec::new()) };
        let size = file.metadata()?.len();
        self.size = size;
        // Nothing new to find a line end in; a file that was cut short by its agent has nothing either.
        if size <= self.offset || (!ended && size <= self.seen) {
            return Ok(Vec::new());
        }
        let bytes = read_at(&file, self.offset, size - self.offset)?;
        let at_end = ended && self.offset + len(&bytes) >= size;
        let mut chunks = Vec::new();
        let mut rest = bytes.as_slice();
        while let Some((piece, partial)) = next_piece(rest, at_end) {
            rest = &rest[piece.len()..];
            chunks.push(Output {
                stream: self.stream,
                text: String::from_utf8_lossy(piece).into_owned(),
                offset: self.offset,
                bytes: len(piece),
                partial,
                truncated: std::mem::take(&mut self.truncated),
            });
            self.offset += len(piece);
        }
        self.seen = self.offset + len(rest);
        Ok(chunks)
    }
}

/// The last of the stream: whole lines of at most `max` bytes, or the end of the last line when that
/// alone is longer. `None` when there is only white space.
pub(super) fn last_lines(dir: &Path, stream: Stream, max: usize) -> Option<String> {
    let file = open(&dir.join(stream.as_str())).ok()??;
    let size = file.metadata().ok()?.len();
    // One byte more tells whether the first line is whole.
    let start = size.saturating_sub(max as u64 + 1);
    let bytes = read_at(&file, start, size - start).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let text = text.trim_end();
    let whole = match text.split_once('\n') {
        Some((_, whole)) if start > 0 => whole,
        _ => text,
    };
    let mut from = whole.len().saturating_sub(max);
    while !whole.is_char_boundary(from) {
        from += 1;
    }
    let whole = whole[from..].trim();
    (!whole.is_empty()).then(|| whole.to_owned())
}

fn open(path: &Path) -> io::Result<Option<File>> {
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let flags = i32::try_from(flags.bits()).unwrap_or_default();
    match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn read_at(file: &File, offset: u64, available: u64) -> io::Result<Vec<u8>> {
    let wanted = usize::try_from(available).unwrap_or(READ_MAX).min(READ_MAX);
    let mut bytes = vec![0; wanted];
    let mut filled = 0;
    while filled < wanted {
        let at = offset + filled as u64;
        match file.read_at(&mut bytes[filled..], at) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

fn len(bytes: &[u8]) -> u64 {
    bytes.len() as u64
}

/// The next piece of the bytes, and whether it is part of a line that goes on. `at_end`: no byte
/// follows these.
fn next_piece(rest: &[u8], at_end: bool) -> Option<(&[u8], bool)> {
    let window = &rest[..rest.len().min(OUTPUT_TEXT_MAX)];
    if let Some(last) = window.iter().rposition(|byte| *byte == b'\n') {
        return Some((&window[..=last], false));
    }
    if rest.len() > OUTPUT_TEXT_MAX {
        return Some((&window[..character_boundary(window)], true));
    }
    (at_end && !rest.is_empty()).then_some((rest, false))
}

/// Where to cut so that a UTF-8 character which these bytes only begin stays whole. Lossy decoding
/// of the two sides gives what it would have given of both together.
fn character_boundary(bytes: &[u8]) -> usize {
    for back in 1..=bytes.len().min(3) {
        let at = bytes.len() - back;
        let width = match bytes[at] {
            0x80..=0xbf => continue,
            0xc2..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf4 => 4,
            _ => 1,
        };
        return if width > back { at } else { bytes.len() };
    }
    bytes.len()
}

#[cfg(test)]
#[path = "lines_test.rs"]
mod tests;
