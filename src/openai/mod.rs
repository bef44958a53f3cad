//! Agents behind OpenAI's chat completions API, so that a program that talks to a model talks to an
//! agent instead: a plain `sessions_spawn` of OpenClaw whose model provider is Dash, or any other client.
//!
//! Pure: [`Wish`] is what a request means, [`Turn`] is what an agent's events mean for its caller, and
//! the bodies say both in OpenAI's words (API reference of 2026, "Chat Completions"). A model is a
//! profile, a request is a turn. What is asked for is carried out by the server, with the same calls
//! as everything else.

mod error;
mod openclaw;
mod reply;
mod request;
mod turn;
mod wish;

pub use error::OpenAiError;
pub use reply::{Reply, Usage, models, models_entry};
pub use request::{ChatRequest, Content, Message, Part};
pub use turn::{Failed, Finish, Piece, Turn};
pub use wish::{Said, Unclear, Wish, wish};

/// GET lists the profiles as models.
pub const MODELS: &str = "/v1/models";
/// GET one of them.
pub const MODEL: &str = "/v1/models/{model}";
/// POST is a turn of an agent.
pub const COMPLETIONS: &str = "/v1/chat/completions";
/// Where all of these are.
pub const PREFIX: &str = "/v1/";

/// The request header of a client that is not OpenClaw and wants to go on with the same agent: any
/// text that names the conversation. `metadata.session` in the body says the same.
pub const SESSION_HEADER: &str = "x-dash-session";
/// The response header that names the agent.
pub const AGENT_HEADER: &str = "dash-agent";
