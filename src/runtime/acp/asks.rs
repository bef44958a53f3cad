//! What a harness asks for: permission for its tools, and files. The policy decides, or people do.

use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::files::Work;
use super::policy::{Verdict, Wish, judge};
use super::session::{Out, Session, What};
use super::wire::INVALID_PARAMS;
use crate::model::{Fact, Permission, PermissionState};

/// A request that people are asked about.
#[derive(Debug)]
pub(super) struct Ask {
    id: Value,
    permission: Permission,
    /// Of a request for a file.
    work: Option<Work>,
}

impl Session {
    pub(super) fn permission(&mut self, id: &Value, mut params: Value) {
        let mut part = |key: &str| params.get_mut(key).map(Value::take).unwrap_or_default();
        let (options, tool_call) = (part("options"), part("toolCall"));
        let permission = request(id, "session/request_permission", options, tool_call);
        let cwd = Path::new(&self.spec.cwd);
        let policy = self.spec.conversation.permissions;
        let verdict = judge(policy, cwd, Wish::Tool(&permission.tool_call));
        self.decide(id, permission, None, verdict);
    }

    pub(super) fn file(&mut self, id: &Value, method: &str, params: &Value) {
        let work = match Work::of(method, params) {
            Ok(work) => work,
            Err(error) => return self.answer(id, Err((INVALID_PARAMS, error))),
        };
        let (verb, kind) = match &work {
            Work::Read(_) => ("read", "read"),
            Work::Write(_) => ("write", "edit"),
        };
        let path = work.path().display().to_string();
        let tool_call = json!({
            "title": format!("{verb} {path}"),
            "kind": kind,
            "locations": [{ "path": path }],
        });
        let permission = request(id, method, Value::Null, tool_call);
        let wish = match &work {
            Work::Read(request) => Wish::Read(&request.path),
            Work::Write(request) => Wish::Write(&request.path),
        };
        let cwd = Path::new(&self.spec.cwd);
        let verdict = judge(self.spec.conversation.permissions, cwd, wish);
        self.decide(id, permission, Some(work), verdict);
    }

    fn decide(
        &mut self,
        id: &Value,
        mut permission: Permission,
        work: Option<Work>,
        verdict: Verdict,
    ) {
        let known = self.decided.iter().find(|(known, _)| *known == permission.request_id);
        if let Some((_, option)) = known.cloned() {
            // A daemon that died had it decided, and may not have answered.
            let allowed = match &option {
                Some(option) => permission.allows(option).unwrap_or(false),
                None => work.is_some() && verdict == Verdict::Allow,
            };
            return self.reply(Ask { id: id.clone(), permission, work }, allowed, option);
        }
        match verdict {
            Verdict::Ask => {
                let asked =
                    self.talk.asks.iter().any(|ask| ask.request_id == permission.request_id);
                permission.expires_at = self.expiry();
                if !asked {
                    self.facts.push(Fact::Permission(Box::new(permission.clone())));
                }
                self.asks.push(Ask { id: id.clone(), permission, work });
            }
            verdict => {
                let allowed = verdict == Verdict::Allow;
                let option = permission.option_that(allowed);
                permission.state =
                    if allowed { PermissionState::Allowed } else { PermissionState::Denied };
                permission.option.clone_from(&option);
                if let Verdict::Deny(reason) = verdict {
                    permission.reason = Some(reason);
                }
                self.facts.push(Fact::Permission(Box::new(permission.clone())));
                self.reply(Ask { id: id.clone(), permission, work }, allowed, option);
            }
        }
    }

    fn expiry(&self) -> Option<Timestamp> {
        let limit = i64::try_from(self.spec.conversation.ask_timeout_ms?).ok()?;
        Timestamp::now().checked_add(SignedDuration::from_millis(limit)).ok()
    }

    /// A decision of people, or of time, that has been recorded.
    pub(super) fn answered(&mut self, request_id: &str, allowed: bool, option: Option<String>) {
        let at = self.asks.iter().position(|ask| ask.permission.request_id == request_id);
        if let Some(at) = at {
            let ask = self.asks.remove(at);
            self.reply(ask, allowed, option);
        }
    }

    fn reply(&mut self, ask: Ask, allowed: bool, option: Option<String>) {
        let Ask { id, permission, work } = ask;
        match work {
            Some(work) if allowed => {
                let key = self.answer_key(&id);
                self.outbox.push_back(Out { key, what: What::Work(id, work) });
            }
            Some(_) => {
                let why = permission.reason.unwrap_or_else(|| "it was denied".to_owned());
                self.answer(&id, Err((INVALID_PARAMS, format!("permission denied: {why}"))));
            }
            None => self.answer(&id, Ok(outcome(option))),
        }
    }

    /// The turn is ended: nobody is asked any more (ACP: the outcome is `cancelled`).
    pub(super) fn cancel_asks(&mut self) {
        for ask in std::mem::take(&mut self.asks) {
            let reason = "the turn was ended".to_owned();
            let permission = Permission {
                state: PermissionState::Denied,
                reason: Some(reason.clone()),
                options: Value::Null,
                expires_at: None,
                ..ask.permission
            };
            self.facts.push(Fact::Permission(Box::new(permission)));
            match ask.work {
                Some(_) => self.answer(&ask.id, Err((INVALID_PARAMS, reason))),
                None => self.answer(&ask.id, Ok(outcome(None))),
            }
        }
    }
}

fn outcome(option: Option<String>) -> Value {
    match option {
        Some(option) => json!({ "outcome": { "outcome": "selected", "optionId": option } }),
        None => json!({ "outcome": { "outcome": "cancelled" } }),
    }
}

fn request(id: &Value, method: &str, options: Value, tool_call: Value) -> Permission {
    Permission {
        request_id: id.as_str().map_or_else(|| id.to_string(), str::to_owned),
        state: PermissionState::Asked,
        method: method.to_owned(),
        options,
        tool_call,
        option: None,
        by: None,
        reason: None,
        expires_at: None,
        stdout: None,
    }
}
