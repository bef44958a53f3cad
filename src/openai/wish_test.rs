use super::*;

fn request(messages: &serde_json::Value) -> ChatRequest {
    let body = serde_json::json!({"model": "m", "messages": messages});
    serde_json::from_value(body).unwrap()
}

#[test]
fn the_same_words_at_the_same_place_are_the_same_and_nowhere_else() {
    let talk = serde_json::json!([{"role": "user", "content": "hi"},
        {"role": "assistant", "content": "yes"}, {"role": "user", "content": "hi"}]);
    let of = |talk: &serde_json::Value, name: &str| {
        wish(request(talk), Some(name.to_owned()), None).unwrap().said
    };
    let (first, later) = (of(&serde_json::json!([talk[0]]), "c"), of(&talk, "c"));
    assert_eq!((first.len(), later.len()), (1, 1));
    assert_ne!(first[0].key, later[0].key);
    assert_eq!(later, of(&talk, "c"));
    assert_ne!(later[0].key, of(&talk, "d")[0].key);
}

#[test]
fn without_a_conversation_the_agent_hears_all_of_it() {
    let talk = serde_json::json!([{"role": "system", "content": "be brief"},
        {"role": "user", "content": "a"}, {"role": "assistant", "content": "b"},
        {"role": "user", "content": "c"}]);
    let wish = wish(request(&talk), None, None).unwrap();
    assert_eq!(wish.conversation, None);
    let text = &wish.said[0].text;
    assert!(text.starts_with("be brief\n\n") && text.ends_with("\n\nc"), "{text}");
    assert!(text.contains("user: a\n\nassistant: b"), "{text}");
}

#[test]
fn nothing_is_no_wish_and_a_trace_is_kept() {
    let talk = serde_json::json!([{"role": "user", "content": " "}]);
    assert!(wish(request(&talk), None, None).is_err());
    assert!(wish(request(&serde_json::json!([])), Some("c".into()), None).is_err());
    let talk = serde_json::json!([{"role": "user", "content": "hi"}]);
    let trace = "00-afe4074dfd73140da375bab128003a93-e003807513bb55df-01";
    let kept = wish(request(&talk), None, Some(trace)).unwrap().metadata;
    assert_eq!(kept[keys::TRACEPARENT], trace);
    assert!(wish(request(&talk), None, Some("x")).unwrap().metadata.is_empty());
}

#[test]
fn the_rest_of_an_answer_is_asked_of_what_was_answered() {
    let more = "Continue the current task from the existing transcript, preserving completed work.";
    let talk = serde_json::json!([{"role": "user", "content": "a"},
        {"role": "assistant", "content": "a part"}, {"role": "user", "content": more}]);
    let of = |talk: &serde_json::Value| wish(request(talk), Some("c".into()), None).unwrap().said;
    assert_eq!(of(&talk), of(&serde_json::json!([talk[0]])));
}
