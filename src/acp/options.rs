//! What a client chooses for a session: model, mode, options of the harness.

use agent_client_protocol::v1::schema::{
    SessionConfigOption, SessionConfigOptionCategory, SessionConfigSelectOption,
};
use serde_json::{Value, json};

use super::Settings;
use super::accept::{agents_of, current, takes_turns};
use super::face::Face;
use super::session::Session;
use super::trouble::Trouble;
use crate::api::{OptionsBody, ProfileBody};
use crate::client::{Client, ClientError};
use crate::model::Runtime;

/// The id of the option that is ours.
pub(super) const MODEL: &str = "model";

/// The options that are known before there is an agent: the model, when the command line names some.
pub(super) fn known(settings: &Settings, session: &Session) -> Option<Vec<SessionConfigOption>> {
    let chosen = session.chosen.borrow().model.clone()?;
    let mut models = settings.models.clone();
    if !models.contains(&chosen) {
        models.push(chosen.clone());
    }
    let models =
        models.into_iter().map(|model| SessionConfigSelectOption::new(model.clone(), model));
    let option = SessionConfigOption::select(MODEL, "Model", chosen, models.collect::<Vec<_>>());
    Some(vec![option.category(SessionConfigOptionCategory::Model)])
}

/// The result of opening a session that was there before.
pub(super) fn as_result(settings: &Settings, session: &Session) -> Value {
    match known(settings, session) {
        Some(options) => json!({ "configOptions": options }),
        None => json!({}),
    }
}

/// Takes what the client chose: for the session's agent, if it is alive and takes turns, and for the one
/// that is to be spawned.
pub(super) async fn set(face: &Face<'_>, method: &str, params: &Value) -> Result<Value, Trouble> {
    let id = params["sessionId"].as_str().unwrap_or_default();
    let session = face.session(id)?;
    let text = |name: &str| {
        let text = params[name].as_str().map(str::to_owned);
        text.ok_or_else(|| Trouble::bad_parameters(format!("{method}: {name} is no text")))
    };
    let mut body = OptionsBody::default();
    match method {
        "session/set_mode" => body.mode = Some(text("modeId")?),
        "session/set_model" => body.model = Some(text("modelId")?),
        _ if params["configId"] == MODEL => body.model = Some(text("value")?),
        _ => {
            body.options.insert(text("configId")?, text("value")?);
        }
    }
    let client = face.daemon.connect().await?;
    let agent = current(agents_of(&client, &session).await?);
    let agent = agent.filter(|agent| !agent.status.is_end());
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
    let mut chosen = session.chosen.borrow_mut();
    chosen.mode = body.mode.or(chosen.mode.take());
    chosen.model = body.model.or(chosen.model.take());
    chosen.options.append(&mut body.options);
    drop(chosen);
    Ok(as_result(&face.settings, &session))
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
