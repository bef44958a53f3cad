//! Bytes of a stream.

use std::sync::atomic::{AtomicU64, Ordering};

use futures::stream;

use super::super::testing::{event, metrics};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::api::EventBody;

fn text(chunk: Option<Result<Bytes, Infallible>>) -> String {
    String::from_utf8(chunk.expect("the stream goes on").unwrap().to_vec()).unwrap()
}

fn chunks(events: impl Stream<Item = Followed> + Send + 'static) -> Chunks {
    Chunks::new(events.map(Ok).boxed(), CancellationToken::new().cancelled_owned(), None)
}

#[tokio::test]
async fn ready_events_go_out_together_after_the_opening() {
    let ready = [
        Followed::Event(event(7, r#"{"text":"a\nb"}"#)),
        Followed::Reset { oldest: Seq(9), since: Seq(3) },
        Followed::Event(event(9, "{}")),
    ];
    let mut chunks = chunks(stream::iter(ready).chain(stream::pending()));
    let text = text(chunks.next().await);
    let blocks: Vec<_> = text.split_terminator("\n\n").collect();
    assert_eq!(blocks[0], ": dash");
    let data = blocks[1].strip_prefix("id: 7\ndata: ").unwrap();
    assert!(!data.contains('\n'));
    let read: EventBody = serde_json::from_str(data).unwrap();
    assert_eq!((read.seq, read.data["text"].as_str()), (Seq(7), Some("a\nb")));
    assert_eq!(
        blocks[2],
        "event: reset\nid: 8\ndata: {\"type\":\"reset\",\"oldest\":9,\"since\":3}"
    );
    assert!(blocks[3].starts_with("id: 9\ndata: {\"seq\":9,"));
    assert_eq!(blocks.len(), 4);
}

#[tokio::test]
async fn data_cannot_break_out_of_its_frame() {
    let laid_out = "{\n\"a\":\r\n\"x\\n\\ndata: y\"\r}";
    let mut chunks = chunks(stream::iter([Followed::Event(event(1, laid_out))]));
    let text = text(chunks.next().await);
    let block = text.strip_prefix(": dash\n\n").unwrap().strip_suffix("\n\n").unwrap();
    assert!(!block.contains('\r'));
    let data = block.strip_prefix("id: 1\ndata: ").unwrap();
    assert!(!data.contains('\n'));
    let read: EventBody = serde_json::from_str(data).unwrap();
    assert_eq!(read.data["a"], "x\n\ndata: y");
    assert!(chunks.next().await.is_none());
}

#[tokio::test]
async fn a_reader_that_does_not_read_costs_one_chunk() {
    let pulled = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&pulled);
    let big = format!("{{\"text\":\"{}\"}}", "x".repeat(1000));
    let flood = stream::repeat_with(move || {
        Followed::Event(event(counted.fetch_add(1, Ordering::Relaxed), &big))
    });
    let mut chunks = chunks(flood);
    let first = text(chunks.next().await);
    assert!((CHUNK..CHUNK + 2000).contains(&first.len()), "{}", first.len());
    let blocks = u64::try_from(first.matches("\n\n").count()).unwrap() - 1;
    assert_eq!(pulled.load(Ordering::Relaxed), blocks, "nothing was read ahead");
    let second = text(chunks.next().await);
    assert!(second.starts_with(&format!("id: {blocks}\n")), "nothing was lost between chunks");
}

#[tokio::test(start_paused = true)]
async fn a_quiet_stream_says_that_it_is_alive() {
    let mut chunks = chunks(stream::pending());
    let begun = Instant::now();
    assert_eq!(text(chunks.next().await), ": dash\n\n");
    assert_eq!(begun.elapsed(), Duration::ZERO);
    for ticks in 1..4 {
        assert_eq!(text(chunks.next().await), ": alive\n\n");
        assert_eq!(begun.elapsed(), KEEP_ALIVE * ticks);
    }
}

#[tokio::test(start_paused = true)]
async fn one_event_waits_for_nothing() {
    let (send, receive) = tokio::sync::mpsc::channel(1);
    let mut chunks = chunks(tokio_stream::wrappers::ReceiverStream::new(receive));
    chunks.next().await;
    let begun = Instant::now();
    let (got, ()) = tokio::join!(chunks.next(), async {
        send.send(Followed::Event(event(1, "{}"))).await.unwrap();
    });
    assert!(text(got).starts_with("id: 1\n"));
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

#[tokio::test]
async fn a_stream_ends_with_the_daemon_and_with_its_log() {
    let stop = CancellationToken::new();
    let mut quiet = Chunks::new(stream::pending().boxed(), stop.clone().cancelled_owned(), None);
    quiet.next().await;
    stop.cancel();
    assert!(quiet.next().await.is_none());

    let broken = stream::iter([Ok(Followed::Event(event(1, "{}"))), Err(StoreError::Closed)]);
    let mut chunks = Chunks::new(broken.boxed(), CancellationToken::new().cancelled_owned(), None);
    assert!(text(chunks.next().await).contains("id: 1\n"), "what came before is not lost");
    assert!(chunks.next().await.is_none());
}

#[tokio::test]
async fn headers_keep_proxies_from_holding_it_back_and_the_stream_is_counted() {
    let metrics = metrics();
    let response = respond(stream::pending().boxed(), Seq(41), std::future::pending(), &metrics);
    assert_eq!(response.headers()[crate::api::POSITION], "41");
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    assert_eq!(response.headers()["cache-control"], "no-cache");
    assert_eq!(response.headers()["x-accel-buffering"], "no");
    assert!(metrics.render(&[], Seq::START).contains("dash_sse_streams 1"));
    drop(response);
    assert!(metrics.render(&[], Seq::START).contains("dash_sse_streams 0"));
}
