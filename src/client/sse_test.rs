use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures::stream;

use super::*;
use crate::api::Code;
use crate::client::Target;

const BRISK: Patience = Patience {
    silence: Duration::from_secs(20),
    pause_min: Duration::from_millis(1),
    pause_max: Duration::from_millis(4),
};

/// What a request asked for.
#[derive(Debug, Clone, PartialEq)]
struct Asked {
    since: Option<String>,
    last_event_id: Option<String>,
}

type Answer = dyn Fn(usize, &Asked) -> Response + Send + Sync;

#[derive(Clone)]
struct Scripted {
    asked: Arc<Mutex<Vec<Asked>>>,
    answer: Arc<Answer>,
}

/// A server whose answer is made from how often it was asked before, and for what.
async fn server(
    answer: impl Fn(usize, &Asked) -> Response + Send + Sync + 'static,
) -> (Link, Scripted) {
    let scripted = Scripted { asked: Arc::default(), answer: Arc::new(answer) };
    let router = Router::new().route(api::EVENTS, get(events)).with_state(scripted.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (Link::new(&Target::Url { url, key: None, ca: None }).unwrap(), scripted)
}

async fn events(
    State(scripted): State<Scripted>,
    Query(query): Query<Vec<(String, String)>>,
    headers: HeaderMap,
) -> Response {
    let asked = Asked {
        since: query.iter().find(|(name, _)| name == "since").map(|(_, value)| value.clone()),
        last_event_id: headers.get("last-event-id").map(|id| id.to_str().unwrap().to_owned()),
    };
    let nth = {
        let mut all = scripted.asked.lock().unwrap();
        all.push(asked.clone());
        all.len() - 1
    };
    (scripted.answer)(nth, &asked)
}

/// How a stream goes on after its bytes.
#[derive(Clone, Copy)]
enum Then {
    /// The body ends as it should.
    End,
    /// The connection is torn down, and may take bytes that were sent with it.
    Tear,
    /// Nothing more comes.
    Stay,
}

fn sse(text: impl Into<String>, then: Then) -> Response {
    let first = stream::iter([Ok(Bytes::from(text.into()))]);
    let rest: BoxStream<'static, Result<Bytes, std::io::Error>> = match then {
        Then::End => stream::empty().boxed(),
        Then::Tear => stream::iter([Err(std::io::Error::other("torn"))]).boxed(),
        Then::Stay => stream::pending().boxed(),
    };
    ([("content-type", "text/event-stream")], Body::from_stream(first.chain(rest))).into_response()
}

fn event(seq: u64) -> String {
    format!("id: {seq}\ndata: {{\"seq\":{seq},\"text\":\"\\n\"}}\n\n")
}

fn since(text: &str) -> EventsQuery {
    EventsQuery { since: Some(text.to_owned()), ..EventsQuery::default() }
}

async fn take(
    count: usize,
    frames: BoxStream<'static, Result<Frame, ClientError>>,
) -> Vec<Result<Frame, ClientError>> {
    timeout(Duration::from_secs(10), frames.take(count).collect()).await.expect("frames come")
}

fn seqs(frames: &[Result<Frame, ClientError>]) -> Vec<u64> {
    let seq = |frame: &Result<Frame, ClientError>| match frame {
        Ok(Frame::Event { seq, .. }) => Some(seq.0),
        _ => None,
    };
    frames.iter().filter_map(seq).collect()
}

#[tokio::test]
async fn cuts_at_any_byte_neither_lose_nor_repeat() {
    const LAST: u64 = 300;
    let (link, scripted) = server(|nth, asked| {
        // The id goes before `since`, as in a browser, whose URL never changes.
        let cursor = asked.last_event_id.as_ref().or(asked.since.as_ref()).unwrap();
        let cursor: u64 = if cursor == "beginning" { 0 } else { cursor.parse().unwrap() };
        let text: String = (cursor + 1..=LAST).map(event).collect();
        let cut = (nth * 7919 + 13) % 997;
        match text.get(..cut) {
            Some(part) => sse(part, if nth % 2 == 0 { Then::End } else { Then::Tear }),
            None => sse(text, Then::Stay),
        }
    })
    .await;
    let mut frames = follow(link, since("beginning"), BRISK);
    let mut got = Vec::new();
    let (mut lost, mut back) = (0, 0);
    let all = async {
        while got.last() != Some(&LAST) {
            match frames.next().await.unwrap().unwrap() {
                Frame::Event { seq, json } => {
                    assert_eq!(json, format!("{{\"seq\":{seq},\"text\":\"\\n\"}}"));
                    got.push(seq.0);
                }
                Frame::Lost => lost += 1,
                Frame::Back => back += 1,
                Frame::Reset(reset) => panic!("{reset:?}"),
            }
        }
    };
    timeout(Duration::from_secs(20), all).await.expect("every event comes");
    assert_eq!(got, (1..=LAST).collect::<Vec<_>>());
    let connections = scripted.asked.lock().unwrap().len();
    assert!(connections > 5, "the test is about many cuts, not {connections}");
    assert_eq!(lost, back);
    assert!((5..connections).contains(&lost), "{lost} losses of {connections} connections");
}

#[tokio::test]
async fn a_loss_is_said_once_however_long_it_lasts() {
    let (link, scripted) = server(|nth, _| match nth {
        0 => sse(event(7), Then::End),
        1..=5 => (StatusCode::SERVICE_UNAVAILABLE, "{}").into_response(),
        _ => sse(event(8), Then::Stay),
    })
    .await;
    let frames = take(4, follow(link, since("6"), BRISK)).await;
    assert!(matches!(
        frames[..],
        [
            Ok(Frame::Event { seq: Seq(7), .. }),
            Ok(Frame::Lost),
            Ok(Frame::Back),
            Ok(Frame::Event { seq: Seq(8), .. })
        ]
    ));
    let asked = scripted.asked.lock().unwrap();
    let resumed = Asked { since: Some("7".into()), last_event_id: Some("7".into()) };
    assert_eq!(asked[0], Asked { since: Some("6".into()), last_event_id: Some("6".into()) });
    assert!(asked[1..].iter().all(|asked| *asked == resumed), "{asked:?}");
}

#[tokio::test]
async fn nobody_there_is_a_loss_too_and_it_connects_when_somebody_is() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let target = Target::Url { url: format!("http://{address}"), key: None, ca: None };
    let mut frames = follow(Link::new(&target).unwrap(), since("0"), BRISK);
    assert_eq!(frames.next().await, Some(Ok(Frame::Lost)));
    let listener = tokio::net::TcpListener::bind(address).await.unwrap();
    let router = Router::new().route(api::EVENTS, get(|| async { sse(event(1), Then::Stay) }));
    tokio::spawn(async move { axum::serve(listener, router).await });
    assert_eq!(take(2, frames).await[0], Ok(Frame::Back));
}

#[tokio::test]
async fn repeats_of_the_server_are_dropped() {
    let (link, _) = server(|nth, _| match nth {
        0 => sse([1, 2, 2, 1, 3].map(event).concat(), Then::End),
        _ => sse([2, 3, 4].map(event).concat(), Then::Stay),
    })
    .await;
    let frames = take(6, follow(link, since("beginning"), BRISK)).await;
    assert_eq!(seqs(&frames), [1, 2, 3, 4]);
}

#[tokio::test]
async fn a_refusal_ends_it_at_once_and_again_after_a_loss() {
    for refused_at in [0, 1] {
        let (link, scripted) = server(move |nth, _| {
            let body = r#"{"error":{"code":"unauthenticated","message":"no key","hint":"h"}}"#;
            match nth {
                _ if nth == refused_at => (StatusCode::UNAUTHORIZED, body).into_response(),
                _ => sse(event(1), Then::End),
            }
        })
        .await;
        let frames: Vec<_> = follow(link, since("0"), BRISK).collect().await;
        let Some(Err(ClientError::Problem(problem))) = frames.last() else { panic!("{frames:?}") };
        assert_eq!((problem.code, problem.hint.as_deref()), (Code::Unauthenticated, Some("h")));
        assert_eq!(scripted.asked.lock().unwrap().len(), refused_at + 1);
    }
}

#[tokio::test]
async fn a_reset_moves_the_cursor_back_and_is_passed_on() {
    let reset = "event: reset\nid: 3\ndata: {\"type\":\"reset\",\"oldest\":4,\"since\":900}\n\n";
    let (link, scripted) = server(move |nth, _| match nth {
        0 => sse(format!("{reset}{}", event(4)), Then::End),
        _ => sse(event(5), Then::Stay),
    })
    .await;
    let frames = take(5, follow(link, since("900"), BRISK)).await;
    let Ok(Frame::Reset(body)) = &frames[0] else { panic!("{frames:?}") };
    assert_eq!((body.oldest, body.since), (Seq(4), Seq(900)));
    assert_eq!(seqs(&frames), [4, 5]);
    assert_eq!(scripted.asked.lock().unwrap()[1].last_event_id.as_deref(), Some("4"));
}

#[tokio::test]
async fn a_stream_from_now_resumes_from_where_now_was() {
    let (link, scripted) = server(|nth, _| match nth {
        0 => {
            let mut response = sse(": nothing yet\n\n", Then::End);
            response.headers_mut().insert(api::POSITION, "41".parse().unwrap());
            response
        }
        _ => sse(event(42), Then::Stay),
    })
    .await;
    let frames = take(3, follow(link, EventsQuery::default(), BRISK)).await;
    assert_eq!(seqs(&frames), [42]);
    let asked = scripted.asked.lock().unwrap();
    assert_eq!(asked[0], Asked { since: None, last_event_id: None });
    assert_eq!(asked[1], Asked { since: Some("41".into()), last_event_id: Some("41".into()) });
}

#[tokio::test]
async fn what_is_not_dash_ends_it() {
    type Garbage = (&'static str, fn() -> Response);
    let garbage: [Garbage; 8] = [
        ("a page", || "<html>".into_response()),
        ("bytes", || sse("\u{fffd}\n\n", Then::End)),
        ("an event without an id", || sse("data: {}\n\n", Then::End)),
        ("an id that is no position", || sse("id: x\ndata: {}\n\n", Then::End)),
        ("two lines", || sse("id: 1\ndata: {\ndata: }\n\n", Then::End)),
        ("no JSON", || sse("id: 1\ndata: hello\n\n", Then::End)),
        ("a broken reset", || sse("event: reset\nid: 1\ndata: {}\n\n", Then::End)),
        ("a redirect", || (StatusCode::FOUND, [("location", "http://[::1]:1/")]).into_response()),
    ];
    for (what, answer) in garbage {
        let (link, scripted) = server(move |_, _| answer()).await;
        let frames: Vec<_> =
            timeout(Duration::from_secs(10), follow(link, since("0"), BRISK).collect())
                .await
                .unwrap_or_else(|_| panic!("{what} goes on for ever"));
        assert!(matches!(frames[..], [Err(ClientError::Protocol(_))]), "{what}: {frames:?}");
        assert_eq!(scripted.asked.lock().unwrap().len(), 1, "{what}");
    }
}

#[tokio::test]
async fn silence_is_a_loss_and_keep_alives_are_not() {
    let quick = Patience { silence: Duration::from_millis(200), ..BRISK };
    let (link, _) = server(|nth, _| match nth {
        // More silence than is borne, in all, but a comment in between each time.
        0 => {
            let ticks = stream::unfold(0, |tick| async move {
                sleep(Duration::from_millis(50)).await;
                let text = if tick == 9 { event(1) } else { ":\n\n".to_owned() };
                Some((Ok::<_, Infallible>(Bytes::from(text)), tick + 1)).filter(|_| tick < 10)
            });
            let body = Body::from_stream(ticks.chain(stream::pending()));
            ([("content-type", "text/event-stream")], body).into_response()
        }
        _ => sse(event(2), Then::Stay),
    })
    .await;
    let frames = take(4, follow(link, since("0"), quick)).await;
    assert!(matches!(frames[0], Ok(Frame::Event { seq: Seq(1), .. })), "{frames:?}");
    assert_eq!(frames[1..3], [Ok(Frame::Lost), Ok(Frame::Back)]);
    assert_eq!(seqs(&frames), [1, 2]);
}
