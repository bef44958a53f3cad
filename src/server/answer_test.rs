use serde_json::{Value, json};
use tokio::time::Instant;

use super::*;
use crate::openai::Finish;

fn reply() -> Reply {
    Reply { id: "chatcmpl-x".to_owned(), created: 0, model: "m".to_owned() }
}

/// The first choice of a frame.
fn choice(frame: &str) -> Value {
    let body = frame.strip_prefix("data: ").unwrap().split("\n\n").next().unwrap();
    serde_json::from_str::<Value>(body).unwrap()["choices"][0].clone()
}

#[tokio::test(start_paused = true)]
async fn every_silence_of_a_turn_has_signs_of_life_that_are_progress_to_clients() {
    let quiet = ALIVE * 2 + ALIVE / 2;
    let pieces = stream::iter([
        Piece::Thought("hm".to_owned()),
        Piece::Text("done".to_owned()),
        Piece::Over(Finish::Stop),
    ]);
    let pieces = pieces.then(move |piece| async move {
        tokio::time::sleep(quiet).await;
        (piece, Usage::default())
    });
    let begin = Instant::now();
    let told: Vec<_> = frames(pieces, reply(), false)
        .map(|frame| (begin.elapsed(), choice(&frame)))
        .collect()
        .await;
    let deltas: Vec<_> = told.iter().map(|(_, choice)| choice["delta"].clone()).collect();
    // An empty piece of the answer and no comment: OpenClaw's watchdog counts pieces, not bytes.
    let alive = json!({"content": ""});
    let thought = json!({"reasoning_content": "hm"});
    let (text, end) = (json!({"content": "done"}), json!({}));
    let pause = [&alive, &alive];
    let expected = [&pause[..], &[&thought], &pause, &[&text], &pause, &[&end]].concat();
    assert_eq!(deltas.iter().collect::<Vec<_>>(), expected);
    let mut last = Duration::ZERO;
    for (at, choice) in &told {
        let silent = at.saturating_sub(last);
        assert!(silent <= ALIVE, "silent for {silent:?} before {choice}");
        last = *at;
    }
    assert_eq!(told.last().unwrap().1["finish_reason"], "stop");
}
