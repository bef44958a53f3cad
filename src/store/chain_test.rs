use super::*;

const RECORDS: i64 = 9;

fn record(position: i64) -> Columns<'static> {
    Columns {
        position,
        seq: (position > 1).then_some(position - 2),
        time: 1_700_000_000_123_456 + position,
        actor: b"user:me",
        action: b"spawn",
        agent: Some(b"kkkkkkkkkkkkkkkl"),
        label: None,
        outcome: b"accepted",
        detail: "{\"task\":\"ü\"}".as_bytes(),
    }
}

/// Records with the hashes that they are kept with.
fn trail() -> Vec<(Columns<'static>, Hash)> {
    let mut previous = START;
    let records = (1..=RECORDS).map(record);
    records
        .map(|record| {
            previous = link(&previous, &record, &mut Vec::new());
            (record, previous)
        })
        .collect()
}

fn checkpoint(trail: &[(Columns<'_>, Hash)], position: usize) -> Checkpoint {
    let hash = hex(&trail[position - 1].1);
    Checkpoint { position: position as u64, hash, time: jiff::Timestamp::UNIX_EPOCH }
}

fn verify(trail: &[(Columns<'_>, Hash)], checkpoints: Vec<Checkpoint>) -> Verified {
    let mut verifier = Verifier::new(Ok(checkpoints));
    let _ = trail.iter().all(|(record, kept)| verifier.take(record, kept));
    verifier.finish()
}

/// The position that is named, and why.
#[track_caller]
fn bad(verified: &Verified) -> (u64, &str) {
    let bad = verified.bad.as_ref().expect("something is wrong");
    (bad.position.expect("a record"), &bad.reason)
}

#[test]
fn hashes_are_what_public_tools_say() {
    // printf '%s' "$(printf '0%.0s' $(seq 64))1:1,-,16:1700000000123457,7:user:me,5:spawn,\
    // 16:kkkkkkkkkkkkkkkl,-,8:accepted,13:{"task":"ü"}," | sha256sum
    let hash = link(&START, &record(1), &mut Vec::new());
    assert_eq!(hex(&hash), "9fe35fb792c72c59aac44ae69da75a5c9042695bd4eadc74d4c3d7743645ad68");
    let negative = Columns { time: i64::MIN, label: Some(b""), ..record(1) };
    link(&START, &negative, &mut Vec::new());
    let (mut numbers, expected) =
        (Vec::new(), "20:-9223372036854775808,1:0,19:9223372036854775807,");
    for number in [i64::MIN, 0, i64::MAX] {
        push_number(&mut numbers, number);
    }
    assert_eq!(numbers, expected.as_bytes());
}

#[test]
fn a_whole_trail_holds() {
    let trail = trail();
    let checkpoints = [9, 4, 4, 7].map(|position| checkpoint(&trail, position)).to_vec();
    let verified = verify(&trail, checkpoints);
    assert_eq!(verified.bad, None);
    assert_eq!((verified.records, verified.checkpoints, verified.anchored), (9, 4, 9));
    assert_eq!(verified.head, hex(&trail[8].1));
    let empty = verify(&[], Vec::new());
    assert_eq!((empty.bad, empty.records, empty.head), (None, 0, "0".repeat(64)));
}

#[test]
fn whatever_is_changed_is_named() {
    type Change = fn(&mut Columns<'static>);
    let changes: [Change; 12] = [
        |record| record.seq = None,
        |record| record.seq = Some(0),
        |record| record.time ^= 1,
        |record| record.actor = b"user:mf",
        |record| record.action = b"spawo",
        |record| record.agent = None,
        |record| record.label = Some(b""),
        |record| record.outcome = b"accepte",
        |record| record.detail = b"{}",
        // From one column into the next.
        |record| (record.actor, record.action) = (b"user:mes", b"pawn"),
        |record| (record.agent, record.label) = (record.label, record.agent),
        |record| record.position += 1,
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let mut trail = trail();
        change(&mut trail[4].0);
        assert_eq!(bad(&verify(&trail, Vec::new())).0, 5, "change {number}");
    }
    let mut trail = trail();
    trail[4].1[31] ^= 1;
    assert_eq!(bad(&verify(&trail, Vec::new())).0, 5, "the hash");
}

#[test]
fn what_is_taken_out_or_moved_is_named() {
    let mut removed = trail();
    removed.remove(3);
    assert_eq!(bad(&verify(&removed, Vec::new())).0, 4);
    assert!(bad(&verify(&removed, Vec::new())).1.contains("missing"));
    for (record, _) in &mut removed[3..] {
        record.position -= 1;
    }
    assert_eq!(bad(&verify(&removed, Vec::new())).0, 4, "and the others moved up");

    let mut swapped = trail();
    swapped.swap(5, 6);
    assert_eq!(bad(&verify(&swapped, Vec::new())).0, 6);
    (swapped[5].0.position, swapped[6].0.position) = (6, 7);
    assert_eq!(bad(&verify(&swapped, Vec::new())).0, 6, "and renumbered");
}

#[test]
fn a_tail_that_is_cut_is_missed() {
    let trail = trail();
    let checkpoints = vec![checkpoint(&trail, 3), checkpoint(&trail, 8)];
    assert_eq!(verify(&trail[..8], checkpoints.clone()).bad, None);
    let cut = verify(&trail[..6], checkpoints.clone());
    assert_eq!(bad(&cut).0, 7);
    assert_eq!((cut.records, cut.anchored), (6, 3));
    assert_eq!(bad(&verify(&[], checkpoints)).0, 1);
}

#[test]
fn a_trail_written_anew_is_not_the_one_that_was() {
    let old = trail();
    let mut previous = START;
    let mut other = trail();
    for (record, kept) in &mut other {
        if record.position >= 5 {
            record.actor = b"user:somebody";
        }
        *kept = link(&previous, record, &mut Vec::new());
        previous = *kept;
    }
    assert_eq!(verify(&other, Vec::new()).bad, None, "by itself it holds");
    let verified = verify(&other, [2, 4, 8].map(|at| checkpoint(&old, at)).to_vec());
    let (position, reason) = bad(&verified);
    assert_eq!((position, verified.anchored), (8, 4));
    assert!(reason.contains("between record 4 and here"), "{reason}");
}

#[test]
fn without_checkpoints_the_records_are_still_read() {
    let mut trail = trail();
    let whole = |trail: &[(Columns<'_>, Hash)]| {
        let mut verifier = Verifier::new(Err("they are gone".to_owned()));
        let _ = trail.iter().all(|(record, kept)| verifier.take(record, kept));
        verifier.finish().bad.unwrap()
    };
    assert_eq!(whole(&trail), Bad { position: None, reason: "they are gone".to_owned() });
    trail[0].0.time = 0;
    assert_eq!(whole(&trail).position, Some(1));
}
