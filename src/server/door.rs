//! Who may come in, and with what: looked at before a byte of a body is.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::{Body, HttpBody};
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{
    AUTHORIZATION, CONTENT_TYPE, HOST, HeaderName, HeaderValue, ORIGIN, WWW_AUTHENTICATE,
};
use http::{HeaderMap, Method, StatusCode};
use jiff::Timestamp;

use super::auth::Attempts;
use super::problem::Failure;
use super::refusals::{Refusal as Refused, Refusals};
use super::ring::Keys;
use super::scope::Caller;
use crate::api::{Code, HEALTHZ, Problem, READYZ, VERSION};
use crate::model::Actor;
use crate::supervisor::Whose;

/// Who is at the other end of a connection.
#[derive(Debug, Clone, Copy)]
pub(super) enum Peer {
    /// Over the Unix socket, with the user id that the kernel vouches for.
    Unix { uid: Option<u32>, whose: Whose },
    /// Over TCP: who called, and the address that was called.
    Tcp { remote: SocketAddr, local: SocketAddr, tls: bool },
}

/// What decides who may come in.
#[derive(Debug)]
pub(super) struct Door {
    /// The one user whose requests over the Unix socket are taken.
    pub(super) uid: u32,
    /// What that user is called.
    pub(super) user: Actor,
    pub(super) keys: Keys,
    pub(super) attempts: Attempts,
    /// Host names, beside the addresses themselves, that requests over TCP may name.
    pub(super) hosts: Vec<String>,
    /// Whom it turned away.
    pub(super) refusals: Refusals,
}

/// Lets a request in with its [`Caller`], or answers for it.
pub(super) async fn door(
    State(door): State<Arc<Door>>,
    mut request: Request,
    next: Next,
) -> Response {
    match door.admit(&request, Instant::now()) {
        Ok(caller) => {
            let agent = caller.agent.map(|_| (caller.actor.clone(), what_is_asked(&request)));
            request.extensions_mut().insert(caller);
            let mut response = next.run(request).await;
            if let Some((actor, what)) = agent
                && is_denied(&response)
            {
                door.count("auth.denied", Some(&actor), what);
            }
            let version = HeaderValue::from_static(env!("CARGO_PKG_VERSION"));
            response.headers_mut().insert(VERSION, version);
            response
        }
        Err(Refusal::Bare) => {
            (StatusCode::UNAUTHORIZED, [(WWW_AUTHENTICATE, "Bearer")]).into_response()
        }
        Err(Refusal::Told(failure)) => failure.into_response(),
    }
}

/// For the audit trail: the method and the route, without what a caller filled in.
fn what_is_asked(request: &Request) -> String {
    let route = request.extensions().get::<MatchedPath>().map_or("other", MatchedPath::as_str);
    format!("{} {route}", request.method())
}

/// Whether an agent was told that it may not. That something is full or used up for everybody says nothing
/// about who asks.
fn is_denied(response: &Response) -> bool {
    let code = response.extensions().get::<Problem>().map(|problem| problem.code);
    matches!(
        code,
        Some(Code::Forbidden | Code::TooManyChildren | Code::ChildrenUsedUp | Code::TooDeep)
    )
}

/// How a request is turned away.
#[derive(Debug)]
enum Refusal {
    /// Without a word: a probe did not say who it is.
    Bare,
    Told(Failure),
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self::Told(failure)
    }
}

impl Door {
    fn admit(&self, request: &Request, now: Instant) -> Result<Caller, Refusal> {
        let caller = match request.extensions().get::<Peer>() {
            Some(Peer::Unix { uid, whose }) if *uid == Some(self.uid) => {
                check_origin(request.headers())?;
                self.check_process(*whose)?
            }
            Some(Peer::Tcp { remote, local, tls }) => {
                self.check_host(request, *local, *tls)?;
                check_origin(request.headers())?;
                self.check_key(request, *remote, now)?
            }
            Some(Peer::Unix { uid, .. }) => {
                let who = uid.map_or_else(|| "nobody".to_owned(), |uid| uid.to_string());
                self.count("auth.failed", None, format!("user {who} on the socket"));
                return Err(not_the_owner().into());
            }
            None => return Err(not_the_owner().into()),
        };
        self.check_scope(&caller, request)?;
        check_content_type(request)?;
        Ok(caller)
    }

    /// The user's own processes may do everything, and an agent's only what is the agent's.
    fn check_process(&self, whose: Whose) -> Result<Caller, Failure> {
        let (actor, message) = match whose {
            Whose::Users => return Ok(Caller::owner(self.user.clone())),
            Whose::Agents(agent) => return Ok(Caller::agent(agent)),
            Whose::SomeAgents => (
                Actor("agent".into()),
                "an agent's process asks, and nobody can tell which agent's",
            ),
            Whose::Gone => (
                Actor("unknown".into()),
                "the process that connected has ended, so that nobody can tell who asks",
            ),
        };
        self.count("auth.denied", Some(&actor), "a connection to the socket".to_owned());
        Err(Failure::forbidden(message).hinted(
            "ask from the process that needs it, with its parents and environment in place",
        ))
    }

    fn check_scope(&self, caller: &Caller, request: &Request) -> Result<(), Failure> {
        let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
        caller.check(request.method(), route).inspect_err(|_| {
            self.count("auth.denied", Some(&caller.actor), what_is_asked(request));
        })
    }

    /// For the audit trail.
    fn count(&self, action: &'static str, actor: Option<&Actor>, what: String) {
        let actor = actor.map_or_else(|| "unknown".to_owned(), ToString::to_string);
        self.refusals.count(Refused { actor, action, what });
    }

    /// A browser that was made to believe that a strange name is this machine's sends that name: a
    /// request must name the address it came to, this machine, or a name that was configured.
    fn check_host(&self, request: &Request, local: SocketAddr, tls: bool) -> Result<(), Failure> {
        let named = single(request.headers(), &HOST)
            .and_then(|host| host.to_str().ok())
            .is_some_and(|host| self.is_ours(host, local, tls));
        // RFC 9112, section 3.2.2: what the request line names is stronger than the header.
        let target = request.uri().authority();
        if named && target.is_none_or(|name| self.is_ours(name.as_str(), local, tls)) {
            return Ok(());
        }
        Err(Failure::forbidden("the Host of the request is not one of this daemon's")
            .hinted("name the daemon by its address, or add the name to `hosts` in config.toml"))
    }

    fn is_ours(&self, host: &str, local: SocketAddr, tls: bool) -> bool {
        let Some((name, port)) = split_host(host) else { return false };
        let port = port.unwrap_or(if tls { 443 } else { 80 });
        let address = SocketAddr::new(local.ip().to_canonical(), 0).to_string();
        let address = address.trim_end_matches(":0");
        let here = ["localhost", "127.0.0.1", "[::1]", address];
        let is = |other: &str| other.eq_ignore_ascii_case(name);
        (port == local.port() && here.into_iter().any(is))
            || self.hosts.iter().any(|known| is(known) || known.eq_ignore_ascii_case(host))
    }

    fn check_key(
        &self,
        request: &Request,
        remote: SocketAddr,
        now: Instant,
    ) -> Result<Caller, Refusal> {
        let probe = matches!(request.uri().path(), HEALTHZ | READYZ);
        let refuse = |message| {
            if probe { Refusal::Bare } else { Failure::unauthenticated(message).into() }
        };
        let from = || format!("a key from {}", remote.ip().to_canonical());
        self.attempts.check(remote.ip(), now).map_err(|wait| {
            self.count("auth.failed", None, from() + ", too many to look at");
            too_many(wait)
        })?;
        let Some(given) = request.headers().get(AUTHORIZATION) else {
            // Nothing was guessed, so that nothing is counted.
            return Err(refuse("this listener needs a key"));
        };
        let one = single(request.headers(), &AUTHORIZATION).is_some();
        let secret = bearer(given).filter(|_| one);
        let time = Timestamp::now();
        if let Some(key) = secret.and_then(|secret| self.keys.find(secret, time)) {
            return Ok(Caller::holder(key));
        }
        self.count("auth.failed", None, from());
        self.attempts.failed(remote.ip(), now);
        tracing::warn!(from = %remote.ip(), "a wrong key was refused");
        Err(refuse("the key is not one of this daemon's"))
    }
}

fn not_the_owner() -> Failure {
    Failure::forbidden("only the user that the daemon runs as may use its socket")
        .hinted("run the command as that user; without DASH_API_URL it uses your own daemon")
}

fn too_many(wait: Duration) -> Failure {
    let seconds = wait.as_secs() + 1;
    let message = "too many wrong keys came from this address";
    Failure::new(StatusCode::TOO_MANY_REQUESTS, Code::Unauthenticated, message)
        .hinted(format!("try again in {seconds} s"))
        .retry_after(seconds)
}

/// The token of `Bearer TOKEN` (RFC 6750, section 2.1; the scheme's case does not matter).
fn bearer(value: &HeaderValue) -> Option<&[u8]> {
    let (scheme, token) = value.as_bytes().split_at_checked("Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then(|| token.trim_ascii())
}

/// Name and port of `name`, `name:port`, `[address]` or `[address]:port`.
fn split_host(host: &str) -> Option<(&str, Option<u16>)> {
    let name_end = match host.strip_prefix('[') {
        Some(rest) => rest.find(']')? + 2,
        None => host.find(':').unwrap_or(host.len()),
    };
    let (name, rest) = host.split_at(name_end);
    match rest.strip_prefix(':') {
        Some(port) => Some((name, Some(port.parse().ok()?))),
        None => rest.is_empty().then_some((name, None)),
    }
}

/// A browser says with `Origin` whose page made the request; the pages of others may not.
fn check_origin(headers: &HeaderMap) -> Result<(), Failure> {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let same = |origin: &HeaderValue| {
        let page = origin.to_str().ok()?;
        let page = page.strip_prefix("http://").or_else(|| page.strip_prefix("https://"))?;
        host.map(|host| page.eq_ignore_ascii_case(host))
    };
    if headers.get_all(ORIGIN).into_iter().all(|origin| same(origin) == Some(true)) {
        return Ok(());
    }
    Err(Failure::forbidden("pages of other origins may not use this daemon"))
}

/// A body is JSON and says so: that is what a page of another origin cannot send without asking.
fn check_content_type(request: &Request<Body>) -> Result<(), Failure> {
    let empty = request.body().size_hint().exact() == Some(0);
    if request.method() != Method::POST || empty {
        return Ok(());
    }
    let essence = |value: &HeaderValue| {
        let text = value.to_str().ok()?;
        let essence = text.split(';').next()?.trim();
        Some(essence.eq_ignore_ascii_case("application/json"))
    };
    if single(request.headers(), &CONTENT_TYPE).and_then(essence) == Some(true) {
        return Ok(());
    }
    let message = "the body must be JSON, and the request must say so";
    Err(Failure::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, Code::InvalidRequest, message)
        .hinted("send the header `content-type: application/json`"))
}

fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name).into_iter();
    values.next().filter(|_| values.next().is_none())
}

#[cfg(test)]
#[path = "door_test.rs"]
mod tests;
