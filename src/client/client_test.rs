use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UnixListener};

use super::*;
use crate::api::AgentsQuery;
use crate::api::Code;

/// Reads one request, up to the end of its body.
async fn request(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> String {
    let mut read = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&read).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "))
                .map_or(0, |length| length.parse().unwrap());
            if body.len() >= length {
                return text;
            }
        }
        let mut part = [0; 4096];
        let count = stream.read(&mut part).await.unwrap();
        assert!(count > 0, "the request breaks off: {text}");
        read.extend_from_slice(&part[..count]);
    }
}

fn answer(status: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}

/// A server of one connection a request: each is answered by the next of these, or cut (`None`).
/// What was asked comes out of the channel.
async fn server(answers: Vec<Option<String>>) -> (Client, tokio::sync::mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (asked, requests) = tokio::sync::mpsc::channel(64);
    tokio::spawn(async move {
        for answer in answers {
            let mut stream: TcpStream = listener.accept().await.unwrap().0;
            asked.send(request(&mut stream).await).await.unwrap();
            if let Some(answer) = answer {
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        }
    });
    let target = Target::Url { url, key: Some("k-123".into()), ca: None };
    (Client::new(&target).unwrap(), requests)
}

const NO_AGENTS: &str = r#"{"agents":[],"next":null}"#;

#[tokio::test]
async fn a_lost_answer_is_asked_for_again_with_the_same_key() {
    let answers = vec![None, None, Some(answer("201 Created", NO_AGENTS))];
    let (client, mut requests) = server(answers).await;
    let body = SpawnBody { command: Some(vec!["true".into()]), count: 1, ..SpawnBody::default() };
    assert_eq!(client.spawn(&body, "once-only").await, Ok(Vec::new()));
    let first = requests.recv().await.unwrap();
    assert!(first.starts_with("POST /api/v1/agents HTTP/1.1\r\n"), "{first}");
    assert!(first.contains("idempotency-key: once-only\r\n"), "{first}");
    assert!(first.contains("authorization: Bearer k-123\r\n"), "{first}");
    assert!(first.ends_with(r#"{"command":["true"]}"#), "{first}");
    assert_eq!(requests.recv().await.unwrap(), first);
    assert_eq!(requests.recv().await.unwrap(), first);
}

#[tokio::test(start_paused = true)]
async fn a_daemon_that_does_not_come_back_is_given_up() {
    let (client, mut requests) = server(vec![None]).await;
    let lost = client.spawn(&SpawnBody::default(), "k").await;
    assert!(matches!(lost, Err(ClientError::Unreachable { .. })), "{lost:?}");
    assert!(requests.recv().await.is_some());
}

#[tokio::test]
async fn where_nobody_listens_nothing_is_repeated() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("none.sock");
    let client = Client::new(&Target::Unix(socket.clone())).unwrap();
    let before = std::time::Instant::now();
    let error = client.spawn(&SpawnBody::default(), "k").await.unwrap_err();
    assert!(before.elapsed() < Duration::from_secs(1), "it does not wait");
    let ClientError::Unreachable { target, message } = error else { panic!("{error:?}") };
    assert_eq!(target, format!("unix://{}", socket.display()));
    assert_eq!(message, "No such file or directory (os error 2)");
}

#[tokio::test]
async fn a_socket_is_as_good_as_a_port() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("d.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    tokio::spawn(async move {
        let mut stream = listener.accept().await.unwrap().0;
        request(&mut stream).await;
        let health = r#"{"status":"ok","version":"0.1.0","api":1,"pid":7,"new":"field"}"#;
        stream.write_all(answer("200 OK", health).as_bytes()).await.unwrap();
    });
    let health = Client::new(&Target::Unix(socket)).unwrap().health().await.unwrap();
    assert_eq!((health.pid, health.api), (7, 1));
}

#[tokio::test]
async fn a_problem_comes_through_whole() {
    let body = r#"{"error":{"code":"ambiguous","message":"two","hint":"one","request_id":"r"}}"#;
    let (client, mut requests) = server(vec![Some(answer("409 Conflict", body))]).await;
    let error = client.kill("a/b", &KillBody::default()).await.unwrap_err();
    let problem = Problem {
        code: Code::Ambiguous,
        message: "two".into(),
        hint: Some("one".into()),
        request_id: Some("r".into()),
    };
    assert_eq!(error, ClientError::Problem(problem));
    let asked = requests.recv().await.unwrap();
    assert!(asked.starts_with("POST /api/v1/agents/a%2Fb/kill "), "{asked}");
}

#[tokio::test]
async fn an_unknown_code_is_still_a_problem() {
    let body = r#"{"error":{"code":"from_the_future","message":"m"}}"#;
    let (client, _requests) = server(vec![Some(answer("418 Teapot", body))]).await;
    let error = client.health().await.unwrap_err();
    assert!(matches!(error, ClientError::Problem(ref p) if p.code == Code::Unknown), "{error:?}");
}

#[tokio::test]
async fn what_is_not_dash_is_said_to_be_something_else() {
    for strange in [
        answer("200 OK", "<html>"),
        answer("502 Bad Gateway", "<html>"),
        answer("302 Found", ""),
        "SSH-2.0-OpenSSH_9.2\r\n\r\n".to_owned(),
    ] {
        let (client, _requests) = server(vec![Some(strange.clone())]).await;
        let error = client.health().await.unwrap_err();
        assert!(matches!(error, ClientError::Protocol(_)), "{strange:?}: {error:?}");
    }
}

#[tokio::test]
async fn lists_are_repeated_parameters_and_pages_are_followed() {
    let first = answer("200 OK", r#"{"agents":[],"next":"9"}"#);
    let (client, mut requests) = server(vec![Some(first), Some(answer("200 OK", NO_AGENTS))]).await;
    let query = AgentsQuery {
        select: vec!["a,b".into(), "c&d".into()],
        status: vec!["running".into()],
        ..AgentsQuery::default()
    };
    client.all_agents(&query).await.unwrap();
    let asked = requests.recv().await.unwrap();
    let line = "GET /api/v1/agents?select=a%2Cb&select=c%26d&status=running HTTP/1.1\r\n";
    assert!(asked.starts_with(line), "{asked}");
    let asked = requests.recv().await.unwrap();
    assert!(asked.contains("&after=9 HTTP"), "{asked}");
}

#[tokio::test]
async fn a_page_that_names_itself_as_the_next_is_not_followed_for_ever() {
    let same = answer("200 OK", r#"{"agents":[],"next":"9"}"#);
    let (client, _requests) = server(vec![Some(same.clone()), Some(same)]).await;
    let error = client.all_agents(&AgentsQuery::default()).await.unwrap_err();
    assert!(matches!(error, ClientError::Protocol(_)), "{error:?}");
}

#[test]
fn a_key_is_in_no_debug_output() {
    let target = Target::Url { url: "http://h".into(), key: Some("s3cret".into()), ca: None };
    let client = Client::new(&target).unwrap();
    let shown = format!("{target:?} {client:?}");
    assert!(!shown.contains("s3cret"), "{shown}");
}

#[tokio::test]
async fn a_reading_call_survives_a_restart_too() {
    let calls = Arc::new(AtomicUsize::new(0));
    let (client, mut requests) = server(vec![None, Some(answer("200 OK", NO_AGENTS))]).await;
    assert_eq!(client.all_agents(&AgentsQuery::default()).await, Ok(Vec::new()));
    while requests.try_recv().is_ok() {
        calls.fetch_add(1, Ordering::Relaxed);
    }
    assert_eq!(calls.load(Ordering::Relaxed), 2);
}
