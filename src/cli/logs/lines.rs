//! An agent's text as lines: all of them as they come, or only the last ones.

use std::collections::VecDeque;

use crate::cli::show::{Paint, clean_line, inert_json};
use crate::model::{Output, Stream};

/// A line that comes in pieces is kept up to so many bytes while only the last lines are wanted.
const LINE_MAX: usize = 1024 * 1024;

/// One of a command's outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Only {
    Stdout,
    Stderr,
}

/// How lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// The events themselves.
    Json,
    /// As the agent wrote them.
    Raw,
    /// Nothing in them steers a terminal. Standard error is set off: by colour where colours are
    /// used, else, if `mark`, by a sign.
    Clean { color: bool, mark: bool },
}

/// Who said it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Voice {
    Stdout,
    Stderr,
    Message,
}

/// A line, or a piece of a long one; or, with [`Look::Json`], an event of several lines.
#[derive(Debug)]
struct Piece {
    voice: Voice,
    text: String,
    /// Whether the line ends here.
    ends: bool,
    lines: usize,
}

/// Turns texts into lines.
#[derive(Debug)]
pub(super) struct Lines {
    look: Look,
    only: Option<Only>,
    /// The last lines, until [`Self::rest`] asks for them.
    tail: Option<Tail>,
    /// Who has begun a line and not ended it.
    open: Option<Voice>,
}

#[derive(Debug)]
struct Tail {
    most: usize,
    kept: VecDeque<Piece>,
    lines: usize,
}

impl Lines {
    pub(super) fn new(look: Look, only: Option<Only>, tail: Option<usize>) -> Self {
        let tail = tail.map(|most| Tail { most, kept: VecDeque::new(), lines: 0 });
        Self { look, only, tail, open: None }
    }

    /// Takes output; adds what can be printed by now.
    pub(super) fn output(&mut self, json: &str, output: &Output, printed: &mut Vec<u8>) {
        let (voice, stream) = match output.stream {
            Stream::Stdout => (Voice::Stdout, Only::Stdout),
            Stream::Stderr => (Voice::Stderr, Only::Stderr),
        };
        if self.only.is_none_or(|only| only == stream) {
            self.text(json, voice, &output.text, output.partial, printed);
        }
    }

    /// Takes a message, which is no output; adds what can be printed by now.
    pub(super) fn message(&mut self, json: &str, text: &str, printed: &mut Vec<u8>) {
        if self.only.is_none() {
            self.text(json, Voice::Message, text, false, printed);
        }
    }

    /// The last lines, if only they are wanted. From now on everything is printed as it comes.
    pub(super) fn rest(&mut self) -> Vec<u8> {
        let mut printed = Vec::new();
        for piece in self.tail.take().into_iter().flat_map(|tail| tail.kept) {
            self.print(&piece, &mut printed);
        }
        printed
    }

    fn text(&mut self, json: &str, voice: Voice, text: &str, partial: bool, printed: &mut Vec<u8>) {
        if self.look == Look::Json {
            let lines = text.lines().count().max(1);
            let text = inert_json(json).into_owned();
            return self.take(Piece { voice, text, ends: true, lines }, printed);
        }
        for line in text.split_inclusive('\n') {
            let ends = line.ends_with('\n') || !partial;
            self.take(Piece { voice, text: line.to_owned(), ends, lines: 1 }, printed);
        }
    }

    fn take(&mut self, piece: Piece, printed: &mut Vec<u8>) {
        match &mut self.tail {
            Some(tail) => tail.push(piece),
            None => self.print(&piece, printed),
        }
    }

    fn print(&mut self, piece: &Piece, printed: &mut Vec<u8>) {
        if self.look != Look::Raw && self.open.is_some_and(|voice| voice != piece.voice) {
            printed.push(b'\n');
            self.open = None;
        }
        let begins = self.open.is_none();
        match self.look {
            Look::Json | Look::Raw => printed.extend_from_slice(piece.text.as_bytes()),
            Look::Clean { color, mark } => {
                let text = clean_line(&piece.text);
                match piece.voice {
                    Voice::Stderr if color => {
                        printed.extend_from_slice(Paint::Dim.around(&text).as_bytes());
                    }
                    Voice::Stderr if mark && begins => {
                        printed.extend_from_slice(format!("! {text}").as_bytes());
                    }
                    _ => printed.extend_from_slice(text.as_bytes()),
                }
            }
        }
        if piece.ends && self.look != Look::Raw {
            printed.push(b'\n');
        }
        self.open = (!piece.ends).then_some(piece.voice);
    }
}

impl Tail {
    fn push(&mut self, piece: Piece) {
        let same_line = |kept: &&mut Piece| kept.voice == piece.voice && !kept.ends;
        if let Some(begun) = self.kept.iter_mut().rev().take(64).find(same_line) {
            if begun.text.len() < LINE_MAX {
                begun.text.push_str(&piece.text);
            }
            begun.ends = piece.ends;
            return;
        }
        self.lines += piece.lines;
        self.kept.push_back(piece);
        while let Some(first) = self.kept.front()
            && self.lines - first.lines >= self.most
        {
            self.lines -= first.lines;
            self.kept.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Look = Look::Clean { color: false, mark: false };

    fn output(stream: Stream, text: &str, partial: bool) -> Output {
        Output { stream, text: text.to_owned(), offset: 0, bytes: 0, partial, truncated: 0 }
    }

    fn printed(mut lines: Lines, outputs: &[Output]) -> String {
        let mut printed = Vec::new();
        for (number, output) in outputs.iter().enumerate() {
            lines.output(&format!("{{{number}}}"), output, &mut printed);
        }
        printed.extend(lines.rest());
        String::from_utf8(printed).unwrap()
    }

    fn sample() -> [Output; 4] {
        [
            output(Stream::Stdout, "a\u{1b}[1mb\u{1b}[0m\r\nc\n", false),
            output(Stream::Stderr, "bad\u{7}\n", false),
            output(Stream::Stdout, "lo", true),
            output(Stream::Stdout, "ng\nend", false),
        ]
    }

    #[test]
    fn text_is_cleaned_and_pieces_are_joined() {
        assert_eq!(printed(Lines::new(PLAIN, None, None), &sample()), "ab\nc\nbad\nlong\nend\n");
        let marked = Lines::new(Look::Clean { color: false, mark: true }, None, None);
        assert_eq!(printed(marked, &sample()), "ab\nc\n! bad\nlong\nend\n");
        let colored = Lines::new(Look::Clean { color: true, mark: true }, None, None);
        assert!(printed(colored, &sample()).contains("\u{1b}[2mbad\u{1b}[0m\n"));
    }

    #[test]
    fn raw_is_what_was_written() {
        let written: String = sample().iter().map(|output| output.text.as_str()).collect();
        assert_eq!(printed(Lines::new(Look::Raw, None, None), &sample()), written);
        let last = Lines::new(Look::Raw, None, Some(2));
        assert_eq!(printed(last, &sample()), "long\nend");
    }

    #[test]
    fn one_stream_only() {
        let errors = Lines::new(PLAIN, Some(Only::Stderr), None);
        assert_eq!(printed(errors, &sample()), "bad\n");
    }

    #[test]
    fn the_other_stream_does_not_end_up_in_the_same_line() {
        let mixed = [
            output(Stream::Stdout, "half", true),
            output(Stream::Stderr, "bad\n", false),
            output(Stream::Stdout, "rest\n", false),
        ];
        assert_eq!(printed(Lines::new(PLAIN, None, None), &mixed), "half\nbad\nrest\n");
        assert_eq!(printed(Lines::new(PLAIN, None, Some(2)), &mixed), "halfrest\nbad\n");
    }

    #[test]
    fn the_tail_counts_lines() {
        for (most, expected) in [
            (0, ""),
            (1, "end\n"),
            (2, "long\nend\n"),
            (3, "bad\nlong\nend\n"),
            (99, "ab\nc\nbad\nlong\nend\n"),
        ] {
            assert_eq!(printed(Lines::new(PLAIN, None, Some(most)), &sample()), expected);
        }
        let events = Lines::new(Look::Json, None, Some(2));
        assert_eq!(printed(events, &sample()), "{3}\n");
    }

    #[test]
    fn the_tail_keeps_no_more_than_it_shows() {
        let mut lines = Lines::new(PLAIN, None, Some(3));
        let mut printed = Vec::new();
        for _ in 0..1000 {
            lines.output("", &output(Stream::Stdout, "x\n", false), &mut printed);
        }
        assert!(printed.is_empty());
        assert_eq!(lines.tail.unwrap().kept.len(), 3);
    }
}
