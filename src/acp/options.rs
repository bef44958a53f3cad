//! What a client chooses for a session: model, mode, options of the harness.

use agent_client_protocol::v1::schema::{
    SessionConfigOption, SessionConfigOptionCategory, SessionConfigSelectOption,
};
use serde_json::{Value, json};

use super::Settings;
use super::accept::{agents_of, current, takes_turns};
use super::face::Face;
use super::offered::Offered;
use super::session::{Chosen, Session};
use super::trouble::Trouble;
use super::update::OPTION_UPDATE;
use crate::api::{AgentBody, EventsQuery, OptionsBody, ProfileBody};
use crate::client::{Client, ClientError};
use crate::model::{EventType, Runtime};

/// The id of the option that is ours, where the harness has none of that kind.
const MODEL: &str = "model";
/// The member that names the options, in answers and updates.
const OPTIONS: &str = "configOptions";

/// What may be chosen, as far as it is known: what the harness offers once there is an agent, and the model,
/// when the command line names some.
fn known(settings: &Settings, session: &Session) -> Vec<Value> {
    let offered = session.offered.borrow();
    let mut options = offered.options().to_vec();
    if !options.iter().any(|option| option["category"] == "model" || option["id"] == MODEL) {
        options.extend(our_model(settings, session));
    }
    options
}

fn our_model(settings: &Settings, session: &Session) -> Option<Value> {
    let chosen = session.chosen.borrow().model.clone()?;
    let mut models = settings.models.clone();
    if !models.contains(&chosen) {
        models.push(chosen.clone());
    }
    let models =
        models.into_iter().map(|model| SessionConfigSelectOption::new(model.clone(), model));
    let option = SessionConfigOption::select(MODEL, "Model", chosen, models.collect::<Vec<_>>());
    serde_json::to_value(option.category(SessionConfigOptionCategory::Model)).ok()
}

/// Adds what may be chosen to the result of opening a session. A client takes it that nothing else may be when
/// something is named, and that it is not known yet when nothing is.
pub(super) fn tell(settings: &Settings, session: &Session, mut result: Value) -> Value {
    let options = known(settings, session);
    if !options.is_empty() {
        result[OPTIONS] = json!(options);
    }
    result
}

/// Takes in what the harness tells of its options on the way to the client, who is told of ours as well.
pub(super) fn hear(face: &Face<'_>, session: &Session, offered: &Offered, update: &mut Value) {
    if update["sessionUpdate"] == OPTION_UPDATE {
        session.offered.borrow_mut().clone_from(offered);
        update[OPTIONS] = json!(known(&face.settings, session));
    }
}

/// Finds out what the harness of the session's agent offers, when that is not known.
///
/// # Errors
/// See [`ClientError`].
pub(super) async fn learn(
    client: &Client,
    session: &Session,
    agent: &AgentBody,
) -> Result<(), ClientError> {
    if agent.runtime != Runtime::Acp.as_str() || !session.offered.borrow().options().is_empty() {
        return Ok(());
    }
    let mut query = EventsQuery {
        since: Some("beginning".to_owned()),
        agent: vec![agent.id.to_string()],
        r#type: vec![EventType::Update.to_string()],
        ..EventsQuery::default()
    };
    let mut offered = Offered::default();
    loop {
        let page = client.events_page(&query).await?;
        for event in &page.events {
            offered.hear(event);
        }
        if page.events.is_empty() || page.next >= agent.last_seq {
            break;
        }
        query.since = Some(page.next.to_string());
    }
    *session.offered.borrow_mut() = offered;
    Ok(())
}

/// The same for a session that a new process takes up.
///
/// # Errors
/// When the daemon cannot be asked.
pub(super) async fn learn_of(face: &Face<'_>, session: &Session) -> Result<(), Trouble> {
    let client = face.daemon.connect().await?;
    let agent = current(agents_of(&client, session).await?);
    if let Some(agent) = agent.filter(|agent| !agent.status.is_end()) {
        learn(&client, session, &agent).await?;
    }
    Ok(())
}

/// Takes what the client chose: for the session's agent, if it is alive and takes turns, and for the one
/// that is to be spawned.
pub(super) async fn set(face: &Face<'_>, method: &str, params: &Value) -> Result<Value, Trouble> {
    let id = params["sessionId"].as_str().unwrap_or_default();
    let session = face.session(id)?;
    let client = face.daemon.connect().await?;
    let agent = current(agents_of(&client, &session).await?);
    let agent = agent.filter(|agent| !agent.status.is_end());
    if let Some(agent) = &agent {
        learn(&client, &session, agent).await?;
    }
    let body = body(method, params, &session)?;
    let turns = match &agent {
        Some(agent) => takes_turns(agent),
        None => profile_takes_turns(&client, &face.settings).await?,
    };
    if !turns && (body.mode.is_some() || !body.options.is_empty()) {
        let message =
            format!("{method}: the agent is a command, which has no modes and no options");
        return Err(Trouble::bad_parameters(message));
    }
    if let Some(agent) = agent.filter(|_| turns) {
        client.set_options(agent.id.as_str(), &body).await?;
    }
    let OptionsBody { mode, model, options } = body;
    let new = Chosen { model, mode, options };
    session.offered.borrow_mut().choose(&new);
    session.chosen.borrow_mut().take(new);
    // The answer to `session/set_config_option` names them all (ACP 1, `SetSessionConfigOptionResponse`).
    Ok(json!({ OPTIONS: known(&face.settings, &session) }))
}

fn body(method: &str, params: &Value, session: &Session) -> Result<OptionsBody, Trouble> {
    let text = |name: &str| match &params[name] {
        Value::String(text) => Ok(text.clone()),
        Value::Bool(switch) if name == "value" => Ok(switch.to_string()),
        _ => Err(Trouble::bad_parameters(format!("{method}: {name} is no text"))),
    };
    let mut body = OptionsBody::default();
    match method {
        "session/set_mode" => body.mode = Some(text("modeId")?),
        "session/set_model" => body.model = Some(text("modelId")?),
        _ => {
            let (id, value) = (text("configId")?, text("value")?);
            if id == MODEL || session.offered.borrow().is_model(&id) {
                body.model = Some(value);
            } else {
                body.options.insert(id, value);
            }
        }
    }
    Ok(body)
}

/// Whether agents of the profile take turns.
async fn profile_takes_turns(client: &Client, settings: &Settings) -> Result<bool, ClientError> {
    let ours = |profile: &ProfileBody| match &settings.profile {
        Some(name) => profile.name == *name,
        None => profile.default,
    };
    let profiles = client.profiles().await?;
    Ok(profiles
        .iter()
        .find(|profile| ours(profile))
        .is_none_or(|profile| profile.runtime != Runtime::Command.as_str()))
}
