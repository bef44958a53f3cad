//! Orders about a conversation: the turn's end, answers to permission requests, other options. What
//! they mean is decided here, by pure functions; [`Supervisor`] hands them to the agent's actor.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;
use tokio::sync::oneshot;

use super::actor::Tell;
use super::decide::{Action, Timer};
use super::{Supervisor, SupervisorError};
use crate::api::{OptionsBody, PermissionBody};
use crate::model::{
    Actor, Agent, AgentId, EventType, Fact, Permission, PermissionState, check_text,
};
use crate::runtime::Options;
use crate::store::Scope;

/// How long an answer waits for the turn's end that was asked for.
const TURN_END: Duration = Duration::from_secs(10);
/// How long an answer waits for the harness to take other options.
const OPTIONS: Duration = Duration::from_secs(30);

/// What somebody wants of a conversation.
#[derive(Debug)]
pub(super) enum Steer {
    Cancel,
    Answer(PermissionBody),
    Options(Box<Options>),
    /// Whether somebody hears the turn that runs.
    Heard(bool),
}

/// What it means, or why it cannot be: a sentence.
pub(super) fn steer(agent: &Agent, steer: &Steer, by: &Actor) -> Result<Vec<Action>, String> {
    let id = agent.id.short();
    if agent.status.is_end() {
        return Err(format!("agent {id} has ended ({})", agent.status));
    }
    if let Steer::Heard(heard) = steer {
        if agent.unheard != *heard {
            return Ok(Vec::new());
        }
        let fact = Fact::Update(EventType::Update, json!({ "heard": heard, "by": by }));
        return Ok(vec![Action::Record(fact)]);
    }
    if !agent.spec.runtime.takes_turns() {
        return Err(format!("agent {id} is a command: it has no turns and asks for nothing"));
    }
    if agent.started_at.is_none() {
        return Err(format!("agent {id} has not started yet"));
    }
    match steer {
        Steer::Cancel => cancel(agent, by),
        Steer::Answer(answer) => decided(agent, answer, by),
        Steer::Options(options) => {
            let mut order = json!({ "order": "options", "by": by });
            let given = [("mode", json!(options.mode)), ("model", json!(options.model))];
            for (key, value) in given.into_iter().filter(|(_, value)| !value.is_null()) {
                order[key] = value;
            }
            if !options.options.is_empty() {
                order["options"] = json!(options.options);
            }
            Ok(vec![Action::Record(Fact::Update(EventType::Update, order))])
        }
        Steer::Heard(_) => Ok(Vec::new()),
    }
}

fn cancel(agent: &Agent, by: &Actor) -> Result<Vec<Action>, String> {
    if !agent.in_turn() {
        return Err(format!("no turn of agent {} runs", agent.id.short()));
    }
    if agent.talk.as_ref().is_some_and(|talk| talk.cancelling) {
        return Ok(Vec::new());
    }
    let order = json!({ "order": "cancel", "by": by });
    Ok(vec![Action::Record(Fact::Update(EventType::Update, order)), Action::Cancel])
}

fn decided(agent: &Agent, answer: &PermissionBody, by: &Actor) -> Result<Vec<Action>, String> {
    let wanted = answer.request_id.as_ref();
    let ask = agent.asks().iter().find(|ask| wanted.is_none_or(|id| *id == ask.request_id));
    let Some(ask) = ask else {
        return Err(format!("agent {} does not ask for permission", agent.id.short()));
    };
    let (allowed, option) = match (&answer.option, answer.allow) {
        (Some(option), _) => {
            let Some(allowed) = ask.allows(option) else {
                let options = ask.option_ids().join(", ");
                return Err(format!("{option:?} is none of the options: {options}"));
            };
            (allowed, Some(option.clone()))
        }
        (None, allow) => {
            let allowed = allow.unwrap_or(false);
            (allowed, ask.option_that(allowed))
        }
    };
    let state = if allowed { PermissionState::Allowed } else { PermissionState::Denied };
    let fact = Permission { state, option: option.clone(), by: Some(by.clone()), ..brief(ask) };
    let request_id = ask.request_id.clone();
    Ok(vec![
        Action::Record(Fact::Permission(Box::new(fact))),
        Action::Decided { request_id, allowed, option },
    ])
}

/// The request again, without what the event that asked has said already.
fn brief(ask: &Permission) -> Permission {
    let tool_call = json!({
        "toolCallId": ask.tool_call.get("toolCallId"),
        "title": ask.tool_call.get("title"),
        "locations": ask.places(),
    });
    Permission {
        options: serde_json::Value::Null,
        tool_call,
        expires_at: None,
        stdout: None,
        ..ask.clone()
    }
}

/// Denies what has waited long enough, and looks again when the next one has.
pub(super) fn expire(agent: &Agent, now: Timestamp) -> Vec<Action> {
    let due = |ask: &&Permission| ask.expires_at.is_some_and(|at| at <= now);
    let mut actions = Vec::new();
    for ask in agent.asks().iter().filter(due) {
        let fact = Permission {
            state: PermissionState::Expired,
            option: ask.option_that(false),
            by: Some(Actor::daemon()),
            reason: Some("nobody answered in time".to_owned()),
            ..brief(ask)
        };
        let option = fact.option.clone();
        actions.push(Action::Record(Fact::Permission(Box::new(fact))));
        let request_id = ask.request_id.clone();
        actions.push(Action::Decided { request_id, allowed: false, option });
    }
    actions.extend(arm_asks(agent, Some(now), now));
    actions
}

/// The timer for the first request that expires after `after`.
pub(super) fn arm_asks(agent: &Agent, after: Option<Timestamp>, now: Timestamp) -> Option<Action> {
    let open = agent.asks().iter().filter_map(|ask| ask.expires_at);
    let next = open.filter(|at| after.is_none_or(|after| *at > after)).min()?;
    let left = Duration::try_from(next.duration_since(now)).unwrap_or_default();
    Some(Action::Arm(Timer::Ask, left))
}

impl Supervisor {
    /// Ends the turn that runs, and not the agent. Answers with the agent when the turn is over, or
    /// after a while when the harness does not obey.
    ///
    /// # Errors
    /// [`SupervisorError::Refused`] when no turn runs.
    pub async fn cancel(&self, id: AgentId, by: Actor) -> Result<Arc<Agent>, SupervisorError> {
        self.steer(id, Steer::Cancel, by).await?;
        let over = async {
            let mut head = self.inner.store.head(&Scope::Agents(vec![id]));
            loop {
                let agent = self.known(id).await?;
                if !agent.in_turn() || head.changed().await.is_err() {
                    return Ok(agent);
                }
            }
        };
        match tokio::time::timeout(TURN_END, over).await {
            Ok(agent) => agent,
            Err(_) => self.known(id).await,
        }
    }

    /// Records whether somebody hears the turn that runs: the answer to one that nobody hears is for the agent's
    /// owner.
    ///
    /// # Errors
    /// [`SupervisorError::Refused`] when the agent has ended.
    pub async fn heard(&self, id: AgentId, heard: bool) -> Result<(), SupervisorError> {
        self.steer(id, Steer::Heard(heard), Actor::daemon()).await
    }

    /// Answers the oldest permission request, or the one that is named.
    ///
    /// # Errors
    /// [`SupervisorError::Refused`] when it asks for nothing, or there is no such option.
    pub async fn answer(
        &self,
        id: AgentId,
        answer: PermissionBody,
        by: Actor,
    ) -> Result<Arc<Agent>, SupervisorError> {
        if answer.option.is_none() && answer.allow.is_none() {
            return Err(SupervisorError::Invalid {
                message: "neither `option` nor `allow` says what the answer is".to_owned(),
                hint: Some("`dash allow AGENT` or `dash deny AGENT`".to_owned()),
            });
        }
        self.steer(id, Steer::Answer(answer), by).await?;
        self.known(id).await
    }

    /// Sets mode, model and other options of the conversation; answers when the harness has them.
    ///
    /// # Errors
    /// [`SupervisorError::Refused`] when the harness does not take them.
    pub async fn set_options(
        &self,
        id: AgentId,
        body: OptionsBody,
        by: Actor,
    ) -> Result<Arc<Agent>, SupervisorError> {
        let OptionsBody { mode, model, options } = body;
        let texts = mode.iter().chain(&model).chain(options.keys()).chain(options.values());
        for text in texts {
            check_text("the option", text)?;
        }
        if mode.is_none() && model.is_none() && options.is_empty() {
            let message = "there is no mode, model or option to set".to_owned();
            return Err(SupervisorError::Invalid { message, hint: None });
        }
        let (done, outcome) = oneshot::channel();
        let options = Box::new(Options { mode, model, options, done });
        self.steer(id, Steer::Options(options), by).await?;
        let refused = |reason: String| SupervisorError::Refused { agent: id, reason };
        match tokio::time::timeout(OPTIONS, outcome).await {
            Ok(Ok(Ok(()))) => self.known(id).await,
            Ok(Ok(Err(reason))) => Err(refused(reason)),
            Ok(Err(_)) => Err(refused("the agent takes no options now".to_owned())),
            Err(_) => Err(refused("the harness did not answer in time".to_owned())),
        }
    }

    async fn steer(&self, id: AgentId, steer: Steer, by: Actor) -> Result<(), SupervisorError> {
        let handle = self.inner.actors().get(&id).cloned();
        let (recorded, answer) = oneshot::channel();
        if let Some(handle) = handle {
            let _ = handle.tell.send(Box::new(Tell::Steer { steer, by, recorded })).await;
        } else {
            drop(recorded);
        }
        if let Ok(answer) = answer.await {
            return answer;
        }
        let agent = self.known(id).await?;
        let reason = match agent.status {
            status if status.is_end() => format!("agent {} has ended ({status})", id.short()),
            status => format!("agent {} takes no orders now ({status})", id.short()),
        };
        Err(SupervisorError::Refused { agent: id, reason })
    }

    async fn known(&self, id: AgentId) -> Result<Arc<Agent>, SupervisorError> {
        let not_found =
            || SupervisorError::NotFound { selector: id.to_string(), similar: Vec::new() };
        self.inner.store.agent(id).await?.ok_or_else(not_found)
    }
}

#[cfg(test)]
#[path = "steer_test.rs"]
mod tests;
