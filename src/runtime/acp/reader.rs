//! A harness's standard output as whole lines, however long they are.

use std::io;
use std::path::Path;

use crate::model::Stream;
use crate::runtime::LineReader;

/// Bytes of a line that is taken; a longer one is passed over, so that it takes no memory.
pub(super) const LINE_MAX: usize = 16 * 1024 * 1024;

/// Reads on from an offset. Cheap while nothing is written: it holds no descriptor and no buffer.
#[derive(Debug)]
pub(super) struct Lines {
    pub(super) reader: LineReader,
    /// The pieces of a line that is not finished.
    piece: String,
    /// Bytes of a line that is passed over.
    skipped: u64,
}

/// Something that was read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    Text(String),
    /// A line of so many bytes was passed over.
    Skipped(u64),
}

impl Lines {
    pub(super) fn new(dir: &Path, offset: u64) -> Self {
        Self {
            reader: LineReader::new(dir, Stream::Stdout, offset),
            piece: String::new(),
            skipped: 0,
        }
    }

    /// The whole lines that have arrived since, and up to where they reach; at the end also what is
    /// left of the last one.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(super) fn read(&mut self, ended: bool) -> io::Result<(Vec<Line>, u64)> {
        let chunks = if ended { self.reader.finish()? } else { self.reader.read()? };
        let mut lines = Vec::new();
        let mut whole = None;
        for chunk in chunks {
            let end = chunk.offset + chunk.bytes;
            if chunk.partial {
                self.hold(&chunk.text, chunk.bytes);
                continue;
            }
            whole = Some(end);
            let mut text = chunk.text;
            if self.skipped > 0 {
                let rest = text.split_off(text.find('\n').map_or(text.len(), |at| at + 1));
                let skipped = std::mem::take(&mut self.skipped) + text.len() as u64;
                lines.push(Line::Skipped(skipped));
                text = rest;
            } else if !self.piece.is_empty() {
                text.insert_str(0, &std::mem::take(&mut self.piece));
            }
            let found = text.split('\n').map(str::trim).filter(|line| !line.is_empty());
            lines.extend(found.map(|line| Line::Text(line.to_owned())));
        }
        if ended && self.skipped > 0 && !self.reader.has_more() {
            lines.push(Line::Skipped(std::mem::take(&mut self.skipped)));
        }
        Ok((lines, whole.unwrap_or_default()))
    }

    fn hold(&mut self, text: &str, bytes: u64) {
        if self.skipped > 0 || self.piece.len() + text.len() > LINE_MAX {
            self.skipped += self.piece.len() as u64 + bytes;
            self.piece = String::new();
        } else {
            self.piece.push_str(text);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;
    use std::io::Write;

    use super::*;

    fn text(line: &str) -> Line {
        Line::Text(line.to_owned())
    }

    fn all(lines: &mut Lines, ended: bool) -> (Vec<Line>, u64) {
        let (mut found, mut whole) = (Vec::new(), 0);
        loop {
            let (more, end) = lines.read(ended).unwrap();
            whole = whole.max(end);
            found.extend(more);
            if !lines.reader.has_more() {
                return (found, whole);
            }
        }
    }

    #[test]
    fn a_line_of_any_length_is_one_line_or_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let mut open = OpenOptions::new();
        let mut file = open.append(true).create(true).open(dir.path().join("stdout")).unwrap();
        let mut lines = Lines::new(dir.path(), 0);
        let long = "x".repeat(300_000);
        write!(file, "a\n\nb\n{long}").unwrap();
        assert_eq!(all(&mut lines, false), (vec![text("a"), text("b")], 5));
        writeln!(file, "y\nc").unwrap();
        let (found, whole) = all(&mut lines, false);
        assert_eq!(found, [text(&format!("{long}y")), text("c")]);
        assert_eq!(whole, 5 + 300_000 + 4);

        let huge = "z".repeat(LINE_MAX);
        write!(file, "{huge}{huge}").unwrap();
        assert_eq!(all(&mut lines, false).0, []);
        assert!(lines.piece.capacity() <= 2 * LINE_MAX, "memory is bounded");
        write!(file, "\nd\ne").unwrap();
        assert_eq!(all(&mut lines, false).0, [Line::Skipped(2 * LINE_MAX as u64 + 1), text("d")]);
        assert_eq!(all(&mut lines, true).0, [text("e")], "the end need not be a line's end");
    }
}
