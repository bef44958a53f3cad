//! What answers is not the daemon that was expected, or nobody.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixListener;

use serde_json::json;

use super::{for_people, for_programs, refused, run};
use crate::env::TestEnv;

/// Answers requests on the socket of this home with what `body` makes of their paths, for as long
/// as the test lives.
fn pretend(env: &TestEnv, answer: impl Fn(&str) -> Option<String> + Send + 'static) {
    std::fs::create_dir_all(env.dash_home()).unwrap();
    let listener = UnixListener::bind(env.socket()).unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut request = String::new();
            let mut lines = BufReader::new(stream.try_clone().unwrap());
            let mut line = String::new();
            while lines.read_line(&mut line).is_ok_and(|count| count > 2) {
                request.push_str(&line);
                line.clear();
            }
            let path = request.split(' ').nth(1).unwrap_or_default();
            let _ = match answer(path) {
                Some(body) => write!(
                    stream,
                    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\
                     content-length: {}\r\n\r\n{body}",
                    body.len()
                ),
                None => write!(stream, "SSH-2.0-OpenSSH_9.9\r\n"),
            };
        }
    });
}

fn health(version: &str, api: u32) -> String {
    json!({"status": "ok", "version": version, "api": api, "pid": 1}).to_string()
}

#[test]
fn one_of_another_api_is_not_spoken_to() {
    let env = TestEnv::new();
    pretend(&env, |_| Some(health("9.9.9", 2)));
    for args in [&["status"][..], &["spawn", "--", "true"], &["watch"], &["kill", "x"]] {
        refused(&env, args, 69, "9.9.9");
        refused(&env, args, 69, "dash shutdown");
    }
}

#[test]
fn one_of_another_version_is_told_of() {
    let env = TestEnv::new();
    pretend(&env, |path| match path {
        "/healthz" => Some(health("9.9.9", 1)),
        _ => Some(json!({"agents": [], "next": null, "more": {"than": "known"}}).to_string()),
    });
    let output = env.run(["status"]).success();
    assert!(output.stderr.contains("the daemon is Dash 9.9.9"), "{output:?}");
    let output = env.run(["status", "--json"]).success();
    assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("", ""));
}

#[test]
fn something_else_listens() {
    let env = TestEnv::new();
    pretend(&env, |_| None);
    refused(&env, &["status"], 69, "dash.sock");
    let env = TestEnv::new();
    pretend(&env, |_| Some("{\"hello\":1}".to_owned()));
    refused(&env, &["status"], 69, "");
}

#[test]
fn a_port_that_is_taken() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let env = TestEnv::with_config(&format!("[daemon]\nlisten = \"{address}\"\n"));
    refused(&env, &["status"], 1, &address);
    refused(&env, &["serve"], 1, &address);
    let env = TestEnv::new();
    refused(&env, &["serve", "--listen", &address], 1, "--listen");
    assert!(!env.socket().exists(), "the socket is taken away again");
}

#[test]
fn addresses_that_cannot_be_listened_on() {
    let env = TestEnv::new();
    refused(&env, &["serve", "--listen", "nonsense"], 78, "127.0.0.1:7373");
    refused(&env, &["serve", "--listen", "0.0.0.0:0"], 78, "tls_cert");
    refused(&env, &["serve", "--listen", "192.0.2.1:7373"], 78, "tls_cert");
}

#[test]
fn two_daemons_are_one_too_many() {
    let env = TestEnv::new();
    let _ = env.run(["status"]).success();
    refused(&env, &["serve"], 75, "running here already");
    let _ = env.run(["status"]).success();
}

#[test]
fn a_socket_that_is_a_file() {
    let env = TestEnv::new();
    std::fs::create_dir_all(env.dash_home()).unwrap();
    std::fs::write(env.socket(), "precious").unwrap();
    refused(&env, &["status"], 1, "no socket");
    assert_eq!(std::fs::read_to_string(env.socket()).unwrap(), "precious");
}

#[test]
fn nobody_where_the_environment_points() {
    let env = TestEnv::new();
    for (url, code, about) in [
        ("unix:///nowhere/d.sock", 69, "/nowhere/d.sock"),
        ("http://127.0.0.1:1", 69, "127.0.0.1:1"),
        ("http://no-such-host.invalid:1", 69, "no-such-host.invalid"),
        ("gopher://x", 78, "DASH_API_URL"),
        ("unix://relative", 78, "DASH_API_URL"),
    ] {
        let command = |args: &[&str]| {
            let mut command = env.command(args);
            command.env("DASH_API_URL", url);
            run(command)
        };
        for_people(&command(&["status"]), code, about);
        for_programs(&command(&["status", "--json"]), code, about);
    }
}
