//! How fast the audit trail is verified, beside hashing as many bytes and doing nothing else.

use std::time::Instant;

use dash::model::Actor;
use dash::store::{Batch, Operation, Options, Sqlite, Store, verify_file};
use sha2::{Digest, Sha256};

use crate::numbers::{DASH, RAW, Samples, Table};

/// Bytes that are hashed for a record like those here: its text, and the hash before it.
const RECORD: usize = 311;
/// Records of one commit.
const BATCH: usize = 10_000;

/// Records a second, from the file that a store has left.
pub(super) async fn measure(table: &mut Table, quick: bool) {
    let batches: u32 = if quick { 20 } else { 100 };
    let count = f64::from(batches) * 10_000.0;
    let dir = tempfile::Builder::new().prefix("dash-bench-").tempdir().expect("a directory");
    let file = dir.path().join("dash.db");
    let store = Sqlite::open(&file, Options::default()).expect("a store");
    let operation = Operation {
        actor: Actor::user("ada"),
        action: "spawn".to_owned(),
        outcome: "accepted".to_owned(),
        detail: serde_json::json!({"command": ["cargo", "test", "--workspace"], "cwd": "/srv/ada/work",
            "env": ["HOME", "LANG", "PATH", "USER"], "index": 1, "group": "nightly"}),
    };
    for _ in 0..batches {
        let audit = vec![operation.clone(); BATCH];
        store.append(Batch { audit, ..Batch::default() }).await.expect("room");
    }
    drop(store);
    let (mut hashed, mut verified) = (Samples::default(), Samples::default());
    for _ in 0..5 {
        let begin = Instant::now();
        let (mut last, mut text) = ([0_u8; 32], [b'x'; RECORD]);
        for _ in 0..batches as usize * BATCH {
            text[..32].copy_from_slice(&last);
            last = Sha256::digest(text).into();
        }
        assert_ne!(last, [0; 32]);
        hashed.0.push(count / begin.elapsed().as_secs_f64());
        let begin = Instant::now();
        let verdict = verify_file(&file).expect("a verdict");
        verified.0.push(count / begin.elapsed().as_secs_f64());
        assert_eq!(verdict.bad, None);
    }
    let what = "`dash audit verify`";
    table.figure(what, RAW, hashed.median(), "records/s", "SHA-256 of as many bytes");
    table.figure(what, DASH, verified.median(), "records/s", "n = 5, reading the file");
}
