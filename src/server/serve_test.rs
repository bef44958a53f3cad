//! Real connections.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::body::Body;
use axum::routing::get;
use bytes::Bytes;
use futures::stream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::super::unix;
use super::*;

/// A server on a Unix socket in a directory of its own.
struct Served {
    socket: PathBuf,
    shutdown: Option<oneshot::Sender<()>>,
    running: JoinHandle<()>,
    _home: tempfile::TempDir,
}

fn served(router: Router, limits: Limits) -> Served {
    served_with(router, limits, Places::of(100, 1))
}

fn served_with(router: Router, limits: Limits, places: Places) -> Served {
    let places = Arc::new(places);
    let home = tempfile::tempdir().unwrap();
    let socket = home.path().join("dash.sock");
    let (listener, file) = unix::bind(&socket).unwrap();
    let (shutdown, told) = oneshot::channel();
    let told = async { told.await.unwrap_or_default() };
    let listeners = vec![Listener::Unix { listener, whose: users(), _file: file }];
    let running = tokio::spawn(async move {
        serve(listeners, router, CancellationToken::new(), told, (limits, places)).await;
    });
    Served { socket, shutdown: Some(shutdown), running, _home: home }
}

impl Served {
    async fn connect(&self, bytes: &str) -> UnixStream {
        let mut stream = UnixStream::connect(&self.socket).await.unwrap();
        stream.write_all(bytes.as_bytes()).await.unwrap();
        stream
    }

    fn shut_down(&mut self) {
        self.shutdown.take().unwrap().send(()).unwrap();
    }
}

const PATIENCE: Duration = Duration::from_secs(20);

async fn to_end(mut stream: UnixStream) -> String {
    let mut text = String::new();
    timeout(PATIENCE, stream.read_to_string(&mut text)).await.expect("the end came").unwrap();
    text
}

async fn until(stream: &mut UnixStream, part: &str) -> String {
    let mut text = String::new();
    while !text.contains(part) {
        let mut bytes = [0; 4096];
        let read = timeout(PATIENCE, stream.read(&mut bytes)).await.expect("more came").unwrap();
        assert_ne!(read, 0, "ended after {text:?}");
        text.push_str(std::str::from_utf8(&bytes[..read]).unwrap());
    }
    text
}

#[tokio::test]
async fn connections_are_kept_for_the_next_request() {
    let router = Router::new().route("/", get(|| async { "here" }));
    let served = served(router, Limits::default());
    let mut stream = served.connect("GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    until(&mut stream, "here").await;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    assert!(to_end(stream).await.ends_with("here"));
}

#[tokio::test]
async fn headers_that_come_slowly_or_never_end_are_cut_off() {
    let limits = Limits { headers: Duration::from_millis(50), ..Limits::default() };
    let served = served(Router::new(), limits);
    let begun = Instant::now();
    assert_eq!(to_end(served.connect("GET / HTTP/1.1\r\nhost:").await).await, "");
    assert_eq!(to_end(served.connect("").await).await, "");
    assert!(begun.elapsed() < PATIENCE);

    let served = self::served(Router::new(), Limits::default());
    let long = format!("GET / HTTP/1.1\r\nx: {}", "y".repeat(HEADER_MAX));
    let answer = to_end(served.connect(&long).await).await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
}

#[tokio::test]
async fn a_stream_is_seen_at_once_and_ends_with_its_body() {
    let stream = || async {
        let first = stream::once(async { Ok::<_, io::Error>(Bytes::from_static(b": dash\n\n")) });
        Body::from_stream(stream::StreamExt::chain(first, stream::pending()))
    };
    let served = served(Router::new().route("/", get(stream)), Limits::default());
    let mut connection = served.connect("GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(until(&mut connection, ": dash\n\n").await.starts_with("HTTP/1.1 200 OK\r\n"));
}

/// A route that says when it was reached and answers when it is told to.
fn slow(reached: Arc<Notify>, go: Arc<Notify>) -> Router {
    let route = move || async move {
        reached.notify_one();
        go.notified().await;
        "done"
    };
    Router::new().route("/", get(route))
}

#[tokio::test]
async fn what_is_being_answered_at_the_end_is_answered() {
    let (reached, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let mut served = served(slow(Arc::clone(&reached), Arc::clone(&go)), Limits::default());
    let asked = served.connect("GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let idle = served.connect("").await;
    reached.notified().await;
    served.shut_down();
    assert_eq!(to_end(idle).await, "", "an idle connection ends at once");
    assert!(!served.socket.exists(), "nothing new is accepted");
    assert!(!served.running.is_finished());
    go.notify_one();
    assert!(to_end(asked).await.ends_with("done"));
    timeout(PATIENCE, served.running).await.unwrap().unwrap();
}

#[tokio::test]
async fn the_end_does_not_wait_for_ever() {
    let limits = Limits { end: Duration::from_millis(50), ..Limits::default() };
    let (reached, never) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let mut served = served(slow(Arc::clone(&reached), never), limits);
    let asked = served.connect("GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    reached.notified().await;
    served.shut_down();
    timeout(PATIENCE, served.running).await.unwrap().unwrap();
    assert_eq!(to_end(asked).await, "");
}

#[tokio::test]
async fn an_answer_is_dropped_when_its_reader_goes() {
    struct Dropped(Arc<AtomicBool>, Arc<Notify>);
    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
            self.1.notify_one();
        }
    }
    let (gone, told) = (Arc::new(AtomicBool::new(false)), Arc::new(Notify::new()));
    let (gone_too, told_too) = (Arc::clone(&gone), Arc::clone(&told));
    let route = move || async move {
        let open = Dropped(gone_too, told_too);
        let first = stream::once(async { Ok::<_, io::Error>(Bytes::from_static(b"first")) });
        let rest = stream::poll_fn(move |_| {
            let _ = &open;
            std::task::Poll::Pending
        });
        Body::from_stream(stream::StreamExt::chain(first, rest))
    };
    let served = served(Router::new().route("/", get(route)), Limits::default());
    let mut connection = served.connect("GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    until(&mut connection, "first").await;
    assert!(!gone.load(Ordering::SeqCst));
    drop(connection);
    timeout(PATIENCE, told.notified()).await.expect("noticed without writing");
}

/// Every process is the user's.
fn users() -> AskWhose {
    Arc::new(|_, _| Box::pin(std::future::ready(Whose::Users)))
}

const ASK: &str = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";

#[tokio::test]
async fn when_all_places_are_taken_each_connection_has_one_request_and_no_stream() {
    let spare = |spare: Option<axum::Extension<Spare>>| async move {
        if spare.is_some() { "spare" } else { "kept" }
    };
    let limits = Limits { spare_headers: Duration::from_millis(50), ..Limits::default() };
    let served = served_with(Router::new().route("/", get(spare)), limits, Places::of(2, 1));
    let mut first = served.connect(ASK).await;
    until(&mut first, "kept").await;
    let mut second = served.connect(ASK).await;
    until(&mut second, "kept").await;
    // Somebody who asks for nothing holds the spare place for a moment only.
    let idle = served.connect("").await;
    let answer = to_end(served.connect(ASK).await).await;
    assert!(answer.ends_with("spare"), "{answer}");
    assert!(answer.contains("connection: close"), "{answer}");
    assert_eq!(to_end(idle).await, "");
    drop(first);
    loop {
        let mut third = served.connect(ASK).await;
        let mut text = vec![0; 4096];
        let read = timeout(PATIENCE, third.read(&mut text)).await.unwrap().unwrap();
        if text[..read].ends_with(b"kept") {
            break;
        }
    }
}
