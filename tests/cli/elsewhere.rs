//! A daemon that `DASH_API_URL` names.

use insta::assert_snapshot;

use super::{redacted, started, told};
use crate::env::{Output, TestEnv};

fn at(env: &TestEnv, url: &str, args: &[&str]) -> Output {
    let output = env.command(args).env("DASH_API_URL", url).output().unwrap();
    Output {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

#[test]
fn its_socket_can_be_named() {
    let env = started();
    let id = env.spawn(["-l", "there", "--", "sleep", "600"]);
    let other = TestEnv::new();
    let url = format!("unix://{}", env.socket().display());
    assert_eq!(at(&other, &url, &["status", "--json"]).success().one()["id"], id.as_str());
    assert_eq!(other.daemon_pid(), None);
}

#[test]
fn one_that_is_not_there_is_not_started() {
    let env = TestEnv::new();
    let _redacted = redacted();
    for args in [&["status"][..], &["spawn", "--", "true"], &["watch"], &["kill", "x"]] {
        let _ = at(&env, "unix:///nowhere/d.sock", args).code(69);
    }
    assert_snapshot!(told(&at(&env, "unix:///nowhere/d.sock", &["status"])), @r#"
    -- stderr
    error: no daemon answers at unix:///nowhere/d.sock: No such file or directory (os error 2)
      hint: DASH_API_URL is set, so that none is started here; start one there
    -- exit 69
    "#);
    let output = at(&env, "unix:///nowhere/d.sock", &["status", "--json"]).code(69);
    assert_eq!(output.error()["code"], "unreachable");
    let _ = at(&env, "http://127.0.0.1:1", &["status"]).code(69);
    assert_eq!(env.daemon_pid(), None);
    assert!(!env.dash_home().exists(), "nothing is made for it");
}

#[test]
fn an_address_that_makes_no_sense() {
    let env = TestEnv::new();
    let _redacted = redacted();
    assert_snapshot!(told(&at(&env, "ftp://x", &["status"])), @r#"
    -- stderr
    error: the daemon's URL starts with none of unix:///, http:// and https://
      hint: DASH_API_URL is unix:///path, http://HOST:PORT or https://HOST:PORT
    -- exit 78
    "#);
    for url in ["unix://relative", "http://", "localhost:7373", "http://a b"] {
        let output = at(&env, url, &["status", "--json"]).code(78);
        assert!(output.error()["hint"].is_string(), "{url}: {output:?}");
    }
}
