//! From what went wrong inside to what the caller is told: one place, no case left out.

use axum::response::{IntoResponse, Response};
use http::header::{HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, StatusCode};

use crate::api::{Code, Problem};
use crate::model::{AgentId, OutOfBounds};
use crate::store::StoreError;
use crate::supervisor::SupervisorError;

/// How many agents an ambiguous selector's message lists.
const MATCHES_LISTED: usize = 10;

/// An answer that is a failure. Its body is written by the layer that knows the request's id.
#[derive(Debug)]
pub(super) struct Failure(Box<Parts>);

#[derive(Debug)]
struct Parts {
    status: StatusCode,
    problem: Problem,
    headers: HeaderMap,
}

impl Failure {
    pub(super) fn new(status: StatusCode, code: Code, message: impl Into<String>) -> Self {
        let (problem, headers) = (Problem::new(code, message), HeaderMap::new());
        Self(Box::new(Parts { status, problem, headers }))
    }

    /// The request makes no sense as it stands.
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, Code::InvalidRequest, message)
    }

    /// The caller may not do this from where it is.
    pub(super) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, Code::Forbidden, message)
    }

    /// No key, or a wrong one (RFC 6750, section 3).
    pub(super) fn unauthenticated(message: &str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, Code::Unauthenticated, message)
            .hinted("set DASH_API_KEY to the daemon's key")
            .with(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
    }

    /// A defect of Dash.
    pub(super) fn internal() -> Self {
        let message = "the daemon met a defect of its own";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, Code::Internal, message)
            .hinted("the daemon's log names this request id; `dash doctor` says where the log is")
    }

    /// The same, with the next step.
    pub(super) fn hinted(self, hint: impl Into<String>) -> Self {
        self.maybe_hinted(Some(hint.into()))
    }

    fn maybe_hinted(mut self, hint: Option<String>) -> Self {
        self.0.problem.hint = hint;
        self
    }

    /// The same for clients of OpenAI's API, which ask again after a 409: what is refused is refused
    /// again.
    pub(super) fn for_good(mut self) -> Self {
        if self.0.status == StatusCode::CONFLICT {
            self.0.status = StatusCode::UNPROCESSABLE_ENTITY;
        }
        self
    }

    /// The same, and says after how many seconds to try again.
    pub(super) fn retry_after(self, seconds: u64) -> Self {
        self.with(RETRY_AFTER, HeaderValue::from(seconds))
    }

    fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.insert(name, value);
        self
    }

    /// What it says, without its status.
    pub(super) fn into_problem(self) -> Problem {
        self.0.problem
    }

    #[cfg(test)]
    pub(super) fn status(&self) -> StatusCode {
        self.0.status
    }

    #[cfg(test)]
    pub(super) fn problem(&self) -> &Problem {
        &self.0.problem
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let Parts { status, problem, headers } = *self.0;
        let mut response = (status, headers).into_response();
        response.extensions_mut().insert(problem);
        response
    }
}

impl From<SupervisorError> for Failure {
    fn from(error: SupervisorError) -> Self {
        use SupervisorError as E;
        let message = error.to_string();
        let failure = |status, code| Self::new(status, code, message.clone());
        match error {
            E::Invalid { hint, .. } => {
                failure(StatusCode::BAD_REQUEST, Code::InvalidRequest).maybe_hinted(hint)
            }
            E::Command { hint, .. } => {
                failure(StatusCode::BAD_REQUEST, Code::InvalidCommand).maybe_hinted(hint)
            }
            E::Cwd { .. } => failure(StatusCode::BAD_REQUEST, Code::InvalidCwd)
                .hinted("name a directory that exists: `dash spawn --cwd DIR …`"),
            E::Profile { hint, .. } => failure(StatusCode::BAD_REQUEST, Code::InvalidProfile)
                .hinted(hint.unwrap_or_else(|| "`dash agents` lists the profiles".to_owned())),
            E::NotFound { similar, .. } => {
                failure(StatusCode::NOT_FOUND, Code::NotFound).hinted(did_you_mean(&similar))
            }
            E::Ambiguous { matches, .. } => {
                let message = format!("{message}: {}", list(&matches));
                Self::new(StatusCode::CONFLICT, Code::Ambiguous, message)
                    .hinted("give the id, or more letters of it; `dash status` shows them")
            }
            E::Refused { agent, .. } => failure(StatusCode::CONFLICT, Code::Refused)
                .hinted(format!("`dash status {agent}` shows how it stands")),
            E::KeyReused => failure(StatusCode::UNPROCESSABLE_ENTITY, Code::KeyReused)
                .hinted("give each request a key of its own"),
            E::QueueFull { .. } => failure(StatusCode::TOO_MANY_REQUESTS, Code::QueueFull)
                .hinted(
                    "`dash status --status queued` lists them; try again when some have started",
                )
                .retry_after(1),
            E::Denied { hint, .. } => failure(StatusCode::FORBIDDEN, Code::Forbidden).hinted(hint),
            E::TooManyChildren { .. } => {
                failure(StatusCode::TOO_MANY_REQUESTS, Code::TooManyChildren)
                    .hinted("wait until one has ended, or end one: `dash status` lists them")
                    .retry_after(1)
            }
            E::ChildrenUsedUp { .. } => failure(StatusCode::FORBIDDEN, Code::ChildrenUsedUp)
                .hinted("whoever spawns that agent can let it have more: `--children-in-all N`"),
            E::TooDeep { .. } => failure(StatusCode::FORBIDDEN, Code::TooDeep)
                .hinted("whoever spawns that agent can let it have more: `--depth N`"),
            E::LimitReached { limit, .. } => {
                let hint = format!(
                    "raise {limit} in the daemon's configuration and start the daemon again; \
                     `dash config show` prints it"
                );
                failure(StatusCode::FORBIDDEN, Code::LimitReached).hinted(hint)
            }
            E::NoDescriptors => failure(StatusCode::SERVICE_UNAVAILABLE, Code::Busy)
                .hinted(
                    "try again in a moment; or raise the limit, `ulimit -n` or `LimitNOFILE=`, and start \
                     the daemon again",
                )
                .retry_after(1),
            E::ShuttingDown => failure(StatusCode::SERVICE_UNAVAILABLE, Code::ShuttingDown)
                .hinted("try again in a moment")
                .retry_after(1),
            E::Store(error) => error.into(),
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        use StoreError as E;
        let message = error.to_string();
        let failure = |status, code| Self::new(status, code, message.clone());
        match error {
            E::Refused(refused) => failure(StatusCode::CONFLICT, Code::Refused)
                .hinted(format!("`dash status {}` shows how it stands", refused.agent)),
            E::UnknownAgent(_) => {
                failure(StatusCode::NOT_FOUND, Code::NotFound).hinted(did_you_mean(&[]))
            }
            E::Full { path } => failure(StatusCode::INSUFFICIENT_STORAGE, Code::StorageFull)
                .hinted(format!("make room where it lies: `df -h {}`", path.display())),
            E::Io { .. } => failure(StatusCode::INTERNAL_SERVER_ERROR, Code::Storage)
                .hinted("`dash doctor` looks at what may be wrong with it"),
            E::Damaged { .. } => failure(StatusCode::INTERNAL_SERVER_ERROR, Code::Storage).hinted(
                "starting the daemon again saves what can be read: `dash shutdown`, then any command",
            ),
            E::Newer { .. } => failure(StatusCode::INTERNAL_SERVER_ERROR, Code::Storage)
                .hinted("use the newer Dash; `dash --version` shows this one's version"),
            E::Closed => Self::from(SupervisorError::ShuttingDown),
        }
    }
}

impl From<OutOfBounds> for Failure {
    fn from(error: OutOfBounds) -> Self {
        Self::invalid(error.0)
    }
}

/// What to type instead of a selector that names nothing.
fn did_you_mean(similar: &[String]) -> String {
    match similar {
        [] => "`dash status --all` lists every agent".to_owned(),
        similar => {
            let quoted: Vec<_> = similar.iter().map(|name| format!("{name:?}")).collect();
            format!("did you mean {}?", quoted.join(" or "))
        }
    }
}

/// `kkkkkkkkkkkkkkkk ("tests"), llllllllllllllll and 3 more`.
fn list(matches: &[(AgentId, Option<String>)]) -> String {
    let shown: Vec<_> = matches
        .iter()
        .take(MATCHES_LISTED)
        .map(|(id, label)| match label {
            Some(label) => format!("{id} ({label:?})"),
            None => id.to_string(),
        })
        .collect();
    let more = matches.len().saturating_sub(MATCHES_LISTED);
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    shown.join(", ") + &rest
}

#[cfg(test)]
#[path = "problem_test.rs"]
mod tests;
