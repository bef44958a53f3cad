use super::*;

fn checkpoint(position: u64) -> Checkpoint {
    Checkpoint { position, hash: "ab".repeat(32), time: jiff::Timestamp::UNIX_EPOCH }
}

fn positions(path: &Path) -> Vec<u64> {
    read(path).unwrap().unwrap().iter().map(|checkpoint| checkpoint.position).collect()
}

#[test]
fn the_last_one_is_there_when_the_notary_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.checkpoints");
    assert_eq!(read(&path).unwrap(), None);
    let notary = Notary::begin(path.clone()).unwrap();
    for position in 1..=1_000 {
        notary.note(checkpoint(position));
    }
    drop(notary);
    let written = positions(&path);
    assert_eq!(written.last(), Some(&1_000));
    assert!(written.len() <= 2, "one at once, and one at the end: {written:?}");
    drop(Notary::begin(path.clone()).unwrap());
    assert_eq!(positions(&path), written, "nothing new, nothing written");
}

#[test]
fn a_line_that_a_crash_cut_short_is_passed_over() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.checkpoints");
    append(&path, &checkpoint(1)).unwrap();
    let whole = std::fs::read(&path).unwrap();
    for kept in 0..whole.len() {
        std::fs::write(&path, [&whole, &whole[..kept]].concat()).unwrap();
        let before = positions(&path);
        assert_eq!(before[0], 1);
        append(&path, &checkpoint(2)).unwrap();
        let after = positions(&path);
        assert_eq!((after[0], after[after.len() - 1]), (1, 2), "{kept} bytes of a second line");
    }
}

#[test]
fn any_other_line_that_makes_no_sense_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.checkpoints");
    append(&path, &checkpoint(1)).unwrap();
    append(&path, &checkpoint(2)).unwrap();
    let whole = std::fs::read(&path).unwrap();
    let newline = whole.iter().position(|byte| *byte == b'\n').unwrap();
    for at in 0..newline {
        let mut flipped = whole.clone();
        flipped[at] ^= 0x80;
        std::fs::write(&path, &flipped).unwrap();
        let error = read(&path).unwrap_err();
        assert!(error.to_string().contains("line 1"), "{at}: {error}");
    }
}

#[test]
fn the_newest_is_found_at_the_end_of_a_long_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.checkpoints");
    assert_eq!(newest(&path).unwrap(), None);
    std::fs::write(&path, "").unwrap();
    assert_eq!(newest(&path).unwrap(), None);
    append(&path, &checkpoint(1)).unwrap();
    assert_eq!(newest(&path).unwrap(), Some(checkpoint(1)));
    let line = std::fs::read(&path).unwrap();
    // Wherever in a line the part that is read begins; what is before it is not looked at.
    for more in 1..line.len() {
        let mut text = "x".repeat(more).into_bytes();
        text.push(b'\n');
        while text.len() < 2 * usize::try_from(TAIL).unwrap() {
            text.extend_from_slice(&line);
        }
        std::fs::write(&path, &text).unwrap();
        append(&path, &checkpoint(2)).unwrap();
        assert_eq!(newest(&path).unwrap(), Some(checkpoint(2)), "{more}");
        assert!(read(&path).is_err(), "{more}");
    }
}
