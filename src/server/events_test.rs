//! Pages of events.

use super::super::testing::Log;
use super::*;
use crate::api::EventsPage;

async fn page(log: &Log, cursor: Option<u64>, limit: usize) -> EventsPage {
    let page = Page::read(log, cursor.map(Seq), EventFilter::default(), limit).await.unwrap();
    serde_json::from_str(&serde_json::to_string(&PageView::from(&page)).unwrap()).unwrap()
}

fn seqs(page: &EventsPage) -> Vec<u64> {
    page.events.iter().map(|event| event.seq.0).collect()
}

#[tokio::test]
async fn pages_follow_one_another() {
    let log = Log::of(1, 5);
    let first = page(&log, None, 3).await;
    assert_eq!((seqs(&first), first.next, first.reset.clone()), (vec![1, 2, 3], Seq(3), None));
    let second = page(&log, Some(first.next.0), 3).await;
    assert_eq!((seqs(&second), second.next), (vec![4, 5], Seq(5)));
    let third = page(&log, Some(second.next.0), 3).await;
    assert_eq!((seqs(&third), third.next, third.reset), (vec![], Seq(5), None));
}

#[tokio::test]
async fn what_is_gone_is_said() {
    let log = Log::of(11, 12);
    let page_at = async |cursor| {
        let page = page(&log, cursor, 9).await;
        (seqs(&page), page.reset.map(|reset| (reset.oldest.0, reset.since.0)))
    };
    assert_eq!(page_at(None).await, (vec![11, 12], None), "no cursor, no loss");
    assert_eq!(page_at(Some(10)).await, (vec![11, 12], None));
    assert_eq!(page_at(Some(9)).await, (vec![11, 12], Some((11, 9))));
    assert_eq!(page_at(Some(12)).await, (vec![], None));
    assert_eq!(page_at(Some(13)).await, (vec![11, 12], Some((11, 13))), "the log is another one");
}

#[tokio::test]
async fn an_empty_log_has_an_empty_page() {
    let log = Log { events: Vec::new() };
    let empty = page(&log, None, 9).await;
    assert_eq!((seqs(&empty), empty.next, empty.reset), (vec![], Seq::START, None));
}

#[test]
fn a_stream_is_asked_for_by_name() {
    let asks = |accept: &'static str| {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, http::HeaderValue::from_static(accept));
        wants_stream(&headers)
    };
    assert!(asks("text/event-stream"));
    assert!(asks("application/json;q=0.5, Text/Event-Stream; charset=utf-8"));
    assert!(!asks("*/*"));
    assert!(!asks("text/*, application/json"));
    assert!(!wants_stream(&HeaderMap::new()));
}
