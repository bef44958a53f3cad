//! A disk that takes what is written and then says that it could not keep it.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::env::{TestEnv, eventually};

/// After an fsync that failed, nobody knows what is on the disk, and the next may succeed without having written it:
/// nothing is acknowledged any more, whatever the disk says later. A new daemon has what was acknowledged before.
#[test]
fn an_fsync_that_fails_ends_all_acknowledging_for_good() {
    let env = TestEnv::new();
    let library = env.home().join("failing.so");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/store_fsync/failing.c");
    let mut build = Command::new("cc");
    build.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(source);
    assert!(build.status().unwrap().success());
    let flag = env.home().join("the-disk-fails");
    let mut serve = env.command(["serve"]);
    serve.env("LD_PRELOAD", &library).env("FAILING", &flag);
    let mut serve = serve.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    eventually("a daemon is there", || {
        env.daemon_pid().filter(|_| env.socket().exists()).ok_or(())
    });
    let kept = env.spawn(["--label", "kept", "--", "sleep", "1000"]);
    env.until(&kept, "it runs", |agent| agent["status"] == "running");

    std::fs::write(&flag, "").unwrap();
    let refused = env.run(["spawn", "--json", "--label", "refused", "--", "true"]);
    assert_eq!((refused.code, &refused.error()["code"]), (Some(1), &"storage".into()));
    std::fs::remove_file(&flag).unwrap();
    let again = env.run(["spawn", "--json", "--label", "refused", "--", "true"]);
    assert_eq!(
        (again.code, &again.error()["code"]),
        (Some(1), &"storage".into()),
        "nothing is tried again"
    );
    assert_eq!(env.agent(&kept)["status"], "running", "what was recorded can be read");

    serve.kill().unwrap();
    serve.wait().unwrap();
    let after = env.spawn(["--", "true"]);
    let _ = env.run(["wait", &after]).success();
    assert_eq!(env.agent(&kept)["status"], "running", "what was acknowledged is there");
    // What nobody was told is done may be there: the disk may have kept it. What was refused later is not.
    let unknown = env.run(["status", "--json", "--all"]).success().json();
    let unknown = unknown.iter().filter(|agent| agent["label"] == "refused").count();
    assert!(unknown <= 1, "{unknown} of the two");
    assert_eq!(env.run(["audit", "verify", "--json"]).success().one()["ok"], true);
}
