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
