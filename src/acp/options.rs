//! What a client chooses for a session: model, mode, options of the harness.

use agent_client_protocol::v1::schema::{
    SessionConfigOption, SessionConfigOptionCategory, SessionConfigSelectOption,
};
use serde_json::{Value, json};

use super::Settings;
use super::face::Face;
use super::session::Session;
use super::trouble::Trouble;

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

/// Takes what the client chose: for the agent that is to be spawned.
pub(super) fn set(face: &Face<'_>, method: &str, params: &Value) -> Result<Value, Trouble> {
    let id = params["sessionId"].as_str().unwrap_or_default();
    let session = face.session(id)?;
    let what = match method {
        "session/set_model" => Some(&params["modelId"]),
        "session/set_config_option" if params["configId"] == MODEL => Some(&params["value"]),
        _ => None,
    };
    let Some(model) = what.and_then(Value::as_str) else {
        let message = format!("{method}: agents of Dash have the option {MODEL:?} alone");
        return Err(Trouble::bad_parameters(message));
    };
    session.chosen.borrow_mut().model = Some(model.to_owned());
    Ok(as_result(&face.settings, &session))
}
