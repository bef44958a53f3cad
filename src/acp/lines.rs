//! Lines of a client, each of bounded length.

use std::io;

use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};

/// Bytes in a line. A task is at most a mebibyte, and JSON makes six bytes of one at worst.
pub(super) const LINE_MAX: usize = 16 * 1024 * 1024;

/// What stands on a line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    Whole(Vec<u8>),
    /// It was longer than is taken, and is gone.
    TooLong,
}

/// Reads lines. A read that is given up loses nothing.
pub(super) struct Lines<R> {
    from: BufReader<R>,
    begun: Vec<u8>,
    skipping: bool,
    longest: usize,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    pub(super) fn new(from: R, longest: usize) -> Self {
        Self { from: BufReader::new(from), begun: Vec::new(), skipping: false, longest }
    }

    /// The next line that is not empty; none at the end of the input. What comes after the last
    /// line end counts as a line too.
    pub(super) async fn next(&mut self) -> io::Result<Option<Line>> {
        loop {
            let bytes = self.from.fill_buf().await?;
            let (part, end) = match bytes.iter().position(|byte| *byte == b'\n') {
                Some(end) => (&bytes[..end], true),
                None => (bytes, false),
            };
            let at_end = bytes.is_empty();
            let used = part.len() + usize::from(end);
            if !self.skipping && self.begun.len() + part.len() > self.longest {
                self.skipping = true;
                self.begun = Vec::new();
            }
            if !self.skipping {
                self.begun.extend_from_slice(part);
            }
            self.from.consume(used);
            if !end && !at_end {
                continue;
            }
            if std::mem::take(&mut self.skipping) {
                return Ok(Some(Line::TooLong));
            }
            let line = std::mem::take(&mut self.begun);
            if !line.trim_ascii().is_empty() {
                return Ok(Some(Line::Whole(line)));
            }
            if at_end {
                return Ok(None);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn all(input: &[u8], longest: usize) -> Vec<Line> {
        let mut lines = Lines::new(input, longest);
        let mut read = Vec::new();
        while let Some(line) = lines.next().await.unwrap() {
            read.push(line);
        }
        read
    }

    fn whole(text: &str) -> Line {
        Line::Whole(text.into())
    }

    #[tokio::test]
    async fn empty_lines_do_not_count_and_the_last_needs_no_end() {
        assert_eq!(all(b"a\n\n \r\nb", 9).await, [whole("a"), whole("b")]);
        assert_eq!(all(b"", 9).await, []);
    }

    #[tokio::test]
    async fn a_line_that_is_too_long_is_skipped_and_the_next_is_read() {
        let input = [b"ok\n".to_vec(), vec![b'x'; 100_000], b"\nafter\n".to_vec()].concat();
        assert_eq!(all(&input, 50_000).await, [whole("ok"), Line::TooLong, whole("after")]);
        assert_eq!(all(&vec![b'x'; 60_000], 50_000).await, [Line::TooLong]);
    }
}
