//! What a harness asks for: permission for its tools, and files. The policy decides, or people do.

use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::files::{FileWork, Request};
use super::policy::{Verdict, Wish, judge};
use super::session::{Out, Query, Session, What};
use super::terminals::Create;
use super::wire::INVALID_PARAMS;
use crate::model::{Decision, Fact, Permission, PermissionState};

/// Why something is denied that was asked about, or allowed, when another daemon ran.
const ELSEWHERE: &str = "it leads elsewhere than when permission was asked for";

/// Whether the log cannot have this yet, although what it comes of was read before.
pub(super) fn is_news(fact: &Fact) -> bool {
    matches!(fact, Fact::Permission(it) if it.reason.as_deref() == Some(ELSEWHERE))
}

/// What is done when it is allowed.
#[derive(Debug, Clone)]
pub(super) enum Work {
    File(FileWork),
    Run(Create),
}

/// A request that people are asked about.
#[derive(Debug)]
pub(super) struct Ask {
    query: Query,
    permission: Permission,
    /// Of a request for a file or a command.
    work: Option<Work>,
}

impl Session {
    pub(super) fn permission(&mut self, query: &Query, mut params: Value) {
        let mut part = |key: &str| params.get_mut(key).map(Value::take).unwrap_or_default();
        let (options, tool_call) = (part("options"), part("toolCall"));
        let permission = request(query, "session/request_permission", options, tool_call);
        let cwd = Path::new(&self.spec.cwd);
        let policy = self.spec.conversation.permissions;
        let verdict = judge(policy, cwd, Wish::Tool(&permission.tool_call));
        self.decide(query, permission, None, verdict);
    }

    pub(super) fn file(&mut self, query: &Query, method: &str, params: &Value) {
        let cwd = Path::new(&self.spec.cwd);
        let work = match FileWork::of(method, params, cwd) {
            Ok(work) => work,
            Err(error) => return self.answer(query, Err((INVALID_PARAMS, error))),
        };
        let (verb, kind, wish) = match &work.request {
            Request::Read(_) => ("read", "read", Wish::Read(&work.place)),
            Request::Write(_) => ("write", "edit", Wish::Write(&work.place)),
        };
        let tool_call = json!({
            "title": work.title(verb),
            "kind": kind,
            "locations": [{ "path": work.place.path.display().to_string() }],
        });
        let permission = request(query, method, Value::Null, tool_call);
        let verdict = judge(self.spec.conversation.permissions, cwd, wish);
        self.decide(query, permission, Some(Work::File(work)), verdict);
    }

    pub(super) fn decide(
        &mut self,
        query: &Query,
        mut permission: Permission,
        work: Option<Work>,
        verdict: Verdict,
    ) {
        let query = query.clone();
        let same = |id: &str| id == permission.request_id;
        let asked = self.asked.iter().find(|ask| same(&ask.request_id));
        let known = self.decided.iter().rev().find(|known| same(&known.request_id));
        // What a daemon that died asked people about, or had decided.
        let before = match (known, asked) {
            (Some(known), _) => known.places.as_ref().filter(|_| known.allowed),
            (None, asked) => asked.and_then(Permission::places),
        };
        if before.is_some() && before != permission.places() {
            return self.refuse(&query, permission);
        }
        if let Some(Decision { allowed, option, .. }) = known.cloned() {
            // A daemon that died had it decided, and may not have answered.
            let by_option = option.as_ref().and_then(|option| permission.allows(option));
            let allowed = by_option.unwrap_or(allowed);
            return self.reply(Ask { query, permission, work }, allowed, option);
        }
        // People who were asked are asked on, whatever the policy would say by now.
        let asked = asked.is_some();
        if asked || verdict == Verdict::Ask {
            permission.expires_at = self.expiry();
            if !asked {
                self.facts.push(Fact::Permission(Box::new(permission.clone())));
            }
            self.asks.push(Ask { query, permission, work });
            return;
        }
        let allowed = verdict == Verdict::Allow;
        let option = permission.option_that(allowed);
        permission.state = if allowed { PermissionState::Allowed } else { PermissionState::Denied };
        permission.option.clone_from(&option);
        if let Verdict::Deny(reason) = verdict {
            permission.reason = Some(reason);
        }
        self.facts.push(Fact::Permission(Box::new(permission.clone())));
        self.reply(Ask { query, permission, work }, allowed, option);
    }

    /// Denies what leads elsewhere now than when a daemon that died asked about it, or had it decided.
    fn refuse(&mut self, query: &Query, permission: Permission) {
        let reason = ELSEWHERE.to_owned();
        let denied = Permission {
            state: PermissionState::Denied,
            reason: Some(reason.clone()),
            expires_at: None,
            ..permission
        };
        self.facts.push(Fact::Permission(Box::new(denied)));
        self.answer(query, Err((INVALID_PARAMS, reason)));
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
        let Ask { query, permission, work } = ask;
        match work {
            Some(work) if allowed => {
                let key = self.answer_key(&query);
                self.outbox.push_back(Out { key, what: What::Work(query, work) });
            }
            Some(_) => {
                let why = permission.reason.unwrap_or_else(|| "it was denied".to_owned());
                self.answer(&query, Err((INVALID_PARAMS, format!("permission denied: {why}"))));
            }
            None => self.answer(&query, Ok(outcome(option))),
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
                Some(_) => self.answer(&ask.query, Err((INVALID_PARAMS, reason))),
                None => self.answer(&ask.query, Ok(outcome(None))),
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

pub(super) fn request(query: &Query, method: &str, options: Value, tool_call: Value) -> Permission {
    Permission {
        request_id: query.name(),
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
