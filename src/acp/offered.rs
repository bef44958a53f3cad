//! What a harness lets be chosen (`configOptions` of ACP version 1), and what of it is chosen: a fold of its
//! agent's events, so that a client is told the same by every process.

use serde_json::{Value, json};

use super::session::Chosen;
use crate::api::EventBody;
use crate::model::EventType;

/// The options as the harness words them, with their present values.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Offered {
    options: Vec<Value>,
}

impl Offered {
    /// Takes an event in. Whether that changed anything: the harness tells all options anew each time.
    pub(super) fn hear(&mut self, event: &EventBody) -> bool {
        if event.r#type != EventType::Update.as_str() {
            return false;
        }
        let Some(told) = event.data["configOptions"].as_array() else { return false };
        let changed = self.options != *told;
        self.options.clone_from(told);
        changed
    }

    /// These were set.
    pub(super) fn choose(&mut self, chosen: &Chosen) {
        for option in &mut self.options {
            let of_category = match option["category"].as_str().unwrap_or_default() {
                "model" => chosen.model.as_ref(),
                "mode" => chosen.mode.as_ref(),
                _ => None,
            };
            let id = option["id"].as_str().unwrap_or_default();
            let Some(value) = chosen.options.get(id).or(of_category) else { continue };
            let switch = option["type"] == "boolean";
            option["currentValue"] = if switch { json!(value == "true") } else { json!(value) };
        }
    }

    /// All of them, none when the harness has told of none.
    pub(super) fn options(&self) -> &[Value] {
        &self.options
    }

    /// Whether the option with this id is the choice of a model.
    pub(super) fn is_model(&self, id: &str) -> bool {
        self.options.iter().any(|option| option["id"] == id && option["category"] == "model")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(data: &Value) -> EventBody {
        serde_json::from_value(json!({
            "seq": 1, "time": "2026-01-01T00:00:00Z", "type": "agent.update",
            "agent_id": "kkkkkkkkkkkkkkkk", "label": null, "session": null, "data": data,
        }))
        .unwrap()
    }

    fn values(offered: &Offered) -> Vec<Value> {
        offered.options().iter().map(|option| option["currentValue"].clone()).collect()
    }

    #[test]
    fn what_the_harness_told_last_counts_and_what_is_set_meanwhile() {
        let options = json!([
            {"id": "m", "category": "model", "currentValue": "small"},
            {"id": "mode", "category": "mode", "currentValue": "code"},
            {"id": "effort", "category": "thought_level", "currentValue": "low"},
            {"id": "loud", "type": "boolean", "currentValue": false},
        ]);
        let mut offered = Offered::default();
        let opening = event(&json!({"sessionId": "s", "configOptions": options}));
        assert!(offered.hear(&opening) && !offered.hear(&opening));
        assert!(!offered.hear(&event(&json!({"order": "cancel"}))));
        assert!(offered.is_model("m") && !offered.is_model("effort"));
        let options = [("effort", "high"), ("loud", "true")];
        let options = options.map(|(id, value)| (id.to_owned(), value.to_owned()));
        let (model, mode) = (Some("big".to_owned()), Some("plan".to_owned()));
        offered.choose(&Chosen { model, mode, options: options.into() });
        assert_eq!(values(&offered), [json!("big"), json!("plan"), json!("high"), json!(true)]);
        let now = json!([{"id": "m", "category": "model", "currentValue": "tiny"}]);
        let update = json!({"sessionUpdate": "config_option_update", "configOptions": now});
        assert!(offered.hear(&event(&update)));
        assert_eq!(values(&offered), [json!("tiny")]);
    }
}
