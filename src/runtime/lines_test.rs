//! A reader of lines against the bytes it reads.

use std::io::Write;

use proptest::prelude::*;

use super::*;

struct Written {
    home: tempfile::TempDir,
    bytes: Vec<u8>,
}

impl Written {
    fn new() -> Self {
        Self { home: tempfile::tempdir().unwrap(), bytes: Vec::new() }
    }

    fn append(&mut self, bytes: &[u8]) {
        let path = self.home.path().join("stdout");
        let mut file = OpenOptions::new().append(true).create(true).open(path).unwrap();
        file.write_all(bytes).unwrap();
        self.bytes.extend_from_slice(bytes);
    }

    fn reader(&self, offset: u64) -> LineReader {
        LineReader::new(self.home.path(), Stream::Stdout, offset)
    }
}

fn drain(reader: &mut LineReader) -> Vec<Output> {
    let mut all = Vec::new();
    loop {
        let chunks = reader.finish().unwrap();
        if chunks.is_empty() {
            return all;
        }
        all.extend(chunks);
    }
}

/// What must hold of any chunks that cover `bytes` from `from` to the end.
fn check(bytes: &[u8], from: u64, chunks: &[Output]) -> Result<(), TestCaseError> {
    let mut at = from;
    let mut text = String::new();
    for chunk in chunks {
        prop_assert_eq!(chunk.offset, at, "a gap or a repeat");
        prop_assert!(chunk.bytes > 0 && chunk.bytes <= OUTPUT_TEXT_MAX as u64);
        at += chunk.bytes;
        let end = usize::try_from(at).unwrap();
        let last = bytes[end - 1] == b'\n' || end == bytes.len();
        prop_assert_eq!(chunk.partial, !last, "a piece says whether it ends its line");
        text.push_str(&chunk.text);
    }
    prop_assert_eq!(at, len(bytes));
    let start = usize::try_from(from).unwrap();
    prop_assert_eq!(text, String::from_utf8_lossy(&bytes[start..]).into_owned());
    Ok(())
}

/// Lines of all lengths around the limit, of plain text, wide characters and bytes that are no text.
fn pieces() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let long =
        (OUTPUT_TEXT_MAX - 4..OUTPUT_TEXT_MAX + 5, prop::sample::select(vec!["x", "é", "€", "🦊"]))
            .prop_map(|(length, letter)| letter.repeat(length.div_ceil(letter.len())).into_bytes());
    let piece = prop_oneof![
        4 => prop::collection::vec(any::<u8>(), 0..40),
        4 => "[a-z€🦊\n]{0,30}".prop_map(String::into_bytes),
        2 => Just(b"\n".to_vec()),
        1 => Just(vec![0xf0, 0x9f]),
        1 => Just(vec![0xff; 70_000]),
        2 => long,
    ];
    prop::collection::vec(piece, 0..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn any_bytes_in_any_portions_come_out_once(pieces in pieces(), resume: prop::sample::Index) {
        let mut written = Written::new();
        let mut reader = written.reader(0);
        let mut chunks = Vec::new();
        for piece in &pieces {
            written.append(piece);
            chunks.extend(reader.read().unwrap());
        }
        chunks.extend(drain(&mut reader));
        check(&written.bytes, 0, &chunks)?;

        // Another daemon takes over after any of the chunks.
        let after = resume.index(chunks.len() + 1);
        let offset = if after == 0 { 0 } else { chunks[after - 1].offset + chunks[after - 1].bytes };
        let mut second = written.reader(offset);
        check(&written.bytes, offset, &drain(&mut second))?;
    }

    #[test]
    fn nothing_of_an_unfinished_line_is_shown(line in "[a-z€]{1,50}") {
        let mut written = Written::new();
        let mut reader = written.reader(0);
        written.append(line.as_bytes());
        prop_assert!(reader.read().unwrap().is_empty());
        prop_assert!(reader.read().unwrap().is_empty());
        written.append(b"\nnext");
        let chunks = reader.read().unwrap();
        prop_assert_eq!(chunks.len(), 1);
        prop_assert_eq!(&chunks[0].text, &format!("{line}\n"));
        prop_assert_eq!(&reader.finish().unwrap()[0].text, "next");
    }
}

#[test]
fn a_line_of_the_greatest_length_is_one_piece() {
    let mut written = Written::new();
    let mut reader = written.reader(0);
    written.append(&vec![b'x'; OUTPUT_TEXT_MAX]);
    assert!(reader.read().unwrap().is_empty(), "it may still be whole");
    let chunks = drain(&mut reader);
    assert_eq!((chunks.len(), chunks[0].partial), (1, false));
}

#[test]
fn many_megabytes_without_a_line_end_pass_in_pieces() {
    let mut written = Written::new();
    let megabyte = vec![b'x'; 1 << 20];
    for _ in 0..32 {
        written.append(&megabyte);
    }
    written.append(b"\n");
    let mut reader = written.reader(0);
    let mut at = 0;
    loop {
        let chunks = reader.read().unwrap();
        if chunks.is_empty() {
            break;
        }
        let together: u64 = chunks.iter().map(|chunk| chunk.bytes).sum();
        assert!(together <= READ_MAX as u64);
        for chunk in chunks {
            assert_eq!(chunk.offset, at);
            at += chunk.bytes;
            assert_eq!(chunk.partial, at <= 32 << 20);
        }
    }
    assert_eq!(at, (32 << 20) + 1);
}

#[test]
fn a_file_that_is_missing_a_link_or_cut_short_is_no_panic() {
    let mut written = Written::new();
    assert!(written.reader(0).read().unwrap().is_empty());
    written.append(b"one\n");
    assert!(written.reader(100).finish().unwrap().is_empty());
    let path = written.home.path().join("stderr");
    std::os::unix::fs::symlink("/etc/passwd", path).unwrap();
    assert!(LineReader::new(written.home.path(), Stream::Stderr, 0).read().is_err());
}

#[test]
fn the_last_lines_are_whole() {
    let mut written = Written::new();
    let last = |written: &Written| last_lines(written.home.path(), Stream::Stdout, 10);
    assert_eq!(last(&written), None);
    written.append(b" \n\n");
    assert_eq!(last(&written), None);
    written.append(b"first\nsecond\n");
    assert_eq!(last(&written).as_deref(), Some("second"));
    written.append(b"3\n4\n");
    assert_eq!(last(&written).as_deref(), Some("3\n4"));
    written.append("€€€€€€".as_bytes());
    assert_eq!(last(&written).as_deref(), Some("€€€"));
}

#[test]
fn a_backlog_is_taken_over_from_a_whole_line_on() {
    let text = "one\ntwo\nthree\n";
    // With so many bytes of the end, from where on.
    for (bytes, from) in [(99, 0), (14, 0), (13, 4), (10, 4), (9, 8), (6, 8), (5, 14), (0, 14)] {
        let mut written = Written::new();
        written.append(text.as_bytes());
        let mut reader = written.reader(0);
        reader.bound_backlog(bytes, 0);
        assert_eq!(reader.offset(), from, "{bytes} bytes");
        let chunks = reader.read().unwrap();
        let expected = &text[usize::try_from(from).unwrap()..];
        assert_eq!(chunks.iter().map(|chunk| &*chunk.text).collect::<String>(), expected);
        if let Some(first) = chunks.first() {
            assert_eq!((first.truncated, first.offset), (from, from));
        }
        // What is recorded already is not left out.
        let mut later = written.reader(8);
        later.bound_backlog(bytes.max(6), 0);
        assert_eq!(later.read().unwrap()[0].truncated, 0);
    }
    // What was cut is not there, whatever may be taken over.
    for (cut, from) in [(0, 0), (1, 4), (4, 4), (5, 8), (13, 14), (99, 14)] {
        let mut written = Written::new();
        written.append(text.as_bytes());
        let mut reader = written.reader(0);
        reader.bound_backlog(99, cut);
        assert_eq!(reader.offset(), from, "cut at {cut}");
    }
}
