//! Events of an agent as updates of an ACP session (`SessionUpdate` of ACP version 1).

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::offered::Offered;
use crate::api::EventBody;

/// Updates that an agent may report about itself. What the user said is told by us alone.
const PASSED_ON: [&str; 12] = [
    "agent_message_chunk",
    "agent_thought_chunk",
    "tool_call",
    "tool_call_update",
    "plan",
    "available_commands_update",
    "current_mode_update",
    OPTION_UPDATE,
    "session_info_update",
    "usage_update",
    "notice",
    "compaction_update",
];

/// The update with everything that may be chosen.
pub(super) const OPTION_UPDATE: &str = "config_option_update";

/// Turns events into updates. It remembers what the wording of the next one depends on.
#[derive(Debug, Default)]
pub(super) struct Updates {
    /// Whether a message that is over stands on a line that is not.
    open_line: bool,
    /// Whether the last of the message was a piece that another one may continue.
    in_pieces: bool,
    /// Tool calls that the client has been told of.
    calls: HashSet<String>,
    /// What its harness offers.
    pub(super) offered: Offered,
    /// Whether the agent has said anything.
    pub(super) has_spoken: bool,
}

impl Updates {
    /// The update that an event means for the client, if any.
    pub(super) fn of(&mut self, event: &EventBody) -> Option<Value> {
        let data = &event.data;
        let text = || data["text"].as_str().unwrap_or_default();
        if self.offered.hear(event) {
            return Some(
                json!({ "sessionUpdate": OPTION_UPDATE, "configOptions": self.offered.options() }),
            );
        }
        match event.r#type.as_str() {
            "agent.message" => Some(self.message(text(), data["chunk"] == true)),
            "agent.thought" => Some(chunk("agent_thought_chunk", text())),
            "agent.output" if data["stream"] == "stdout" => {
                self.has_spoken = true;
                Some(chunk("agent_message_chunk", text()))
            }
            "agent.tool_call" => {
                // What it says next is another message.
                self.open_line |= std::mem::take(&mut self.in_pieces);
                self.tool_call(data)
            }
            "agent.plan" => named("plan", data),
            "agent.usage" if data["used"].is_u64() && data["size"].is_u64() => {
                named("usage_update", data)
            }
            "agent.update" => {
                let name = data["sessionUpdate"].as_str()?;
                if PASSED_ON.contains(&name) { named(name, data) } else { None }
            }
            _ => None,
        }
    }

    /// Clients put what is said one after another; a message that is not the continuation of the
    /// last piece begins a line.
    fn message(&mut self, text: &str, piece: bool) -> Value {
        let begins_line = self.open_line || (self.in_pieces && !piece);
        let unfinished = !text.ends_with('\n');
        self.has_spoken = true;
        self.open_line = unfinished && !piece;
        self.in_pieces = unfinished && piece;
        chunk("agent_message_chunk", &format!("{}{text}", if begins_line { "\n" } else { "" }))
    }

    /// The first that is heard of a call announces it; the rest changes it.
    fn tool_call(&mut self, data: &Value) -> Option<Value> {
        if let Some(name) = data["sessionUpdate"].as_str() {
            return named(name, data);
        }
        let id = data["toolCallId"].as_str()?;
        let first = self.calls.insert(id.to_owned());
        // Without a title it cannot announce anything.
        let announces = first && data["title"].is_string();
        named(if announces { "tool_call" } else { "tool_call_update" }, data)
    }
}

/// The same members under the name of an update, but for the one that is the daemon's own.
fn named(name: &str, data: &Value) -> Option<Value> {
    let mut update = Map::new();
    update.insert("sessionUpdate".to_owned(), name.into());
    let foreign = |key: &str| !matches!(key, "sessionUpdate" | "stdout");
    update.extend(data.as_object()?.clone().into_iter().filter(|(key, _)| foreign(key)));
    Some(Value::Object(update))
}

/// An update with a piece of text.
pub(super) fn chunk(update: &str, text: &str) -> Value {
    json!({ "sessionUpdate": update, "content": { "type": "text", "text": text } })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: &str, data: &Value) -> EventBody {
        serde_json::from_value(json!({
            "seq": 1, "time": "2026-01-01T00:00:00Z", "type": format!("agent.{kind}"),
            "agent_id": "kkkkkkkkkkkkkkkk", "label": null, "session": null, "data": data,
        }))
        .unwrap()
    }

    fn texts(events: &[(&str, Value)]) -> String {
        let mut updates = Updates::default();
        let said = events.iter().filter_map(|(kind, data)| updates.of(&event(kind, data)));
        said.filter(|update| update["sessionUpdate"] == "agent_message_chunk")
            .map(|update| update["content"]["text"].as_str().unwrap().to_owned())
            .collect()
    }

    #[test]
    fn messages_begin_lines_and_pieces_go_on() {
        let piece = |text: &str| ("message", json!({"text": text, "chunk": true}));
        let whole = |text: &str| ("message", json!({"text": text}));
        let call = ("tool_call", json!({"toolCallId": "c", "title": "ls"}));
        assert_eq!(texts(&[whole("a"), whole("b")]), "a\nb");
        assert_eq!(texts(&[piece("a"), piece("b"), whole("c"), piece("d")]), "ab\nc\nd");
        assert_eq!(texts(&[piece("a"), call.clone(), piece("b"), piece("c")]), "a\nbc");
        assert_eq!(texts(&[piece("a\n"), call, piece("b")]), "a\nb");
        let output = |stream: &str| ("output", json!({"stream": stream, "text": "x\n"}));
        assert_eq!(texts(&[output("stdout"), output("stderr"), output("stdout")]), "x\nx\n");
    }

    #[test]
    fn acps_own_words_are_kept() {
        let mut updates = Updates::default();
        let mut of = |kind: &str, data: Value| updates.of(&event(kind, &data));
        let call = json!({"toolCallId": "c", "title": "ls", "rawInput": {"x": 1}});
        let update = of("tool_call", call.clone()).unwrap();
        assert_eq!(
            (&update["sessionUpdate"], &update["rawInput"]["x"]),
            (&json!("tool_call"), &json!(1))
        );
        assert_eq!(of("tool_call", call).unwrap()["sessionUpdate"], "tool_call_update");
        let plan = of("plan", json!({"entries": [{"content": "c"}]})).unwrap();
        assert_eq!(plan["entries"][0]["content"], "c");
        let usage = of("usage", json!({"used": 1, "size": 2, "cost": {"amount": 0.5}})).unwrap();
        assert_eq!(
            (&usage["sessionUpdate"], &usage["cost"]["amount"]),
            (&json!("usage_update"), &json!(0.5))
        );
        assert_eq!(of("usage", json!({"input_tokens": 1})), None);
        let mode = json!({"sessionUpdate": "current_mode_update", "currentModeId": "ask"});
        assert_eq!(of("update", mode.clone()), Some(mode));
    }

    #[test]
    fn an_agent_does_not_speak_for_the_user_nor_in_unknown_words() {
        let mut updates = Updates::default();
        for name in ["user_message_chunk", "something_new"] {
            let said = json!({"sessionUpdate": name, "content": {"type": "text", "text": "x"}});
            assert_eq!(updates.of(&event("update", &said)), None, "{name}");
        }
        assert_eq!(updates.of(&event("stopping", &json!({}))), None);
    }
}
