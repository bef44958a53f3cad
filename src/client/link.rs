//! How a [`Target`] is reached: the connection pool, the paths, and what a failed call means.

use std::error::Error as _;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{Certificate, ClientBuilder, StatusCode, Url};

use super::{ClientError, Target};
use crate::api::{Code, ErrorBody, Problem};

/// How long a connection may take to open.
const CONNECT_LIMIT: Duration = Duration::from_secs(2);

/// A connection pool, and the place it leads to.
#[derive(Debug, Clone)]
pub(super) struct Link {
    pub(super) http: reqwest::Client,
    base: Arc<Url>,
    /// The target as people know it.
    pub(super) name: Arc<str>,
}

/// A call that did not succeed, and whether the daemon may have acted on it.
#[derive(Debug)]
pub(super) enum Failed {
    /// No connection could be opened: nothing was asked.
    Refused(ClientError),
    /// The request was on its way, and no answer came.
    Lost(ClientError),
    /// There is an answer, or there will never be one.
    Final(ClientError),
}

impl Failed {
    pub(super) fn into_error(self) -> ClientError {
        match self {
            Self::Refused(error) | Self::Lost(error) | Self::Final(error) => error,
        }
    }
}

impl Link {
    pub(super) fn new(target: &Target) -> Result<Self, ClientError> {
        // The HTTP library asks for a TLS provider even where no TLS is spoken. A second
        // installation is refused, which is what is wanted.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let builder = reqwest::Client::builder()
            .user_agent(concat!("dash/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_LIMIT)
            .redirect(reqwest::redirect::Policy::none());
        let (builder, base, name) = match target {
            Target::Unix(socket) => (
                plain(builder).unix_socket(socket.as_path()),
                parse_url("http://localhost")?,
                format!("unix://{}", socket.display()),
            ),
            Target::Url { url, key, ca } => {
                let base = parse_url(url)?;
                let builder = match base.scheme() {
                    "http" => plain(builder),
                    _ => secure(builder, &base, ca.as_deref())?,
                };
                let builder = builder.default_headers(authorization(key.as_deref())?);
                let name = base.as_str().trim_end_matches('/').to_owned();
                (builder, base, name)
            }
        };
        let http = builder.build().map_err(|error| ClientError::Target(root_cause(&error)))?;
        Ok(Self { http, base: Arc::new(base), name: name.into() })
    }

    /// The URL of an API path; a base that has a path of its own keeps it in front.
    pub(super) fn url(&self, path: &str, query: &str) -> Url {
        let mut url = Url::clone(&self.base);
        url.set_path(&format!("{}{path}", self.base.path().trim_end_matches('/')));
        url.set_query((!query.is_empty()).then_some(query));
        url
    }

    pub(super) fn unreachable(&self, message: impl Into<String>) -> ClientError {
        ClientError::Unreachable { target: self.name.to_string(), message: message.into() }
    }

    pub(super) fn foreign(&self, what: &str) -> ClientError {
        ClientError::Protocol(format!("{} {what}, which is not Dash's API", self.name))
    }

    /// What it means that a request ended in this error.
    pub(super) fn failed(&self, error: &reqwest::Error) -> Failed {
        if error.is_builder() {
            return Failed::Final(ClientError::Target(root_cause(error)));
        }
        if error.is_connect() {
            return Failed::Refused(self.unreachable(root_cause(error)));
        }
        if error.is_timeout() {
            return Failed::Final(self.unreachable("it took the request and does not answer"));
        }
        if is_parse(error) {
            return Failed::Final(self.foreign("does not speak HTTP"));
        }
        Failed::Lost(self.unreachable(format!("the connection broke: {}", root_cause(error))))
    }

    /// The failure that an answer other than a success stands for.
    pub(super) fn problem(&self, status: StatusCode, body: &[u8]) -> ClientError {
        match serde_json::from_slice::<ErrorBody>(body) {
            Ok(body) => ClientError::Problem(body.error),
            // Probes are turned away without a word.
            Err(_) if status == StatusCode::UNAUTHORIZED => {
                let message =
                    format!("{} needs a key, and was given none or a wrong one", self.name);
                ClientError::Problem(Problem::new(Code::Unauthenticated, message))
            }
            Err(_) => self.foreign(&format!("answered {status}")),
        }
    }
}

/// No TLS and no proxy: reading the system's certificates would cost 10 to 20 ms.
fn plain(builder: ClientBuilder) -> ClientBuilder {
    builder.tls_certs_only([]).no_proxy()
}

fn secure(
    builder: ClientBuilder,
    base: &Url,
    ca: Option<&Path>,
) -> Result<ClientBuilder, ClientError> {
    let builder = if is_loopback(base) { builder.no_proxy() } else { builder };
    let Some(file) = ca else { return Ok(builder) };
    let wrong = |why: String| {
        ClientError::Target(format!("cannot use the certificates of {}: {why}", file.display()))
    };
    let pem = std::fs::read(file).map_err(|error| wrong(error.to_string()))?;
    let certificates =
        Certificate::from_pem_bundle(&pem).map_err(|error| wrong(root_cause(&error)))?;
    if certificates.is_empty() {
        return Err(wrong("there is none in it".to_owned()));
    }
    Ok(builder.tls_certs_only(certificates))
}

fn is_loopback(base: &Url) -> bool {
    let host = base.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || address.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn authorization(key: Option<&str>) -> Result<HeaderMap, ClientError> {
    let mut headers = HeaderMap::new();
    if let Some(key) = key {
        let mut value = HeaderValue::from_str(&format!("Bearer {key}")).map_err(|_| {
            ClientError::Target("the key has characters that no header may carry".to_owned())
        })?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    Ok(headers)
}

/// Never repeats what it was given when that holds a secret.
fn parse_url(text: &str) -> Result<Url, ClientError> {
    let wrong = |why: &str| Err(ClientError::Target(why.to_owned()));
    let Ok(url) = Url::parse(text) else {
        return wrong("the daemon's URL cannot be read");
    };
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return wrong("the daemon's URL starts with none of unix:///, http:// and https://");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return wrong("the daemon's URL has a user or a password in it, which it may not");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return wrong("the daemon's URL has a query or a fragment, which it may not");
    }
    Ok(url)
}

/// The innermost cause: what the system said, without the layers around it.
pub(super) fn root_cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

fn is_parse(error: &reqwest::Error) -> bool {
    let mut cause = error.source();
    while let Some(current) = cause {
        if current.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_parse) {
            return true;
        }
        cause = current.source();
    }
    false
}

/// A path segment (RFC 3986, section 3.3): everything but unreserved characters is escaped, so
/// that no selector can leave its place.
///
/// # Errors
/// For a selector that no segment can carry: an empty one, and the two that mean directories.
pub(super) fn segment(selector: &str) -> Result<String, ClientError> {
    if matches!(selector, "" | "." | "..") {
        let problem = Problem::new(Code::InvalidRequest, format!("{selector:?} selects no agent"));
        let hint = "a selector is an id, an unambiguous prefix of one, or an exact label";
        return Err(ClientError::Problem(problem.hinted(hint)));
    }
    let mut escaped = String::with_capacity(selector.len());
    for byte in selector.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    Ok(escaped)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(url: &str, key: Option<&str>) -> Target {
        Target::Url { url: url.to_owned(), key: key.map(str::to_owned), ca: None }
    }

    #[test]
    fn a_selector_stays_in_its_segment() {
        assert_eq!(segment("build-1.x_~").unwrap(), "build-1.x_~");
        assert_eq!(segment("a/../b?c#d %é").unwrap(), "a%2F..%2Fb%3Fc%23d%20%25%C3%A9");
        for wrong in ["", ".", ".."] {
            assert!(matches!(segment(wrong), Err(ClientError::Problem(_))), "{wrong:?}");
        }
    }

    #[test]
    fn a_base_keeps_its_path() {
        let link = Link::new(&url("http://127.0.0.1:7373/dash/", None)).unwrap();
        let made = link.url("/api/v1/agents/a%2Fb", "limit=1");
        assert_eq!(made.as_str(), "http://127.0.0.1:7373/dash/api/v1/agents/a%2Fb?limit=1");
        assert_eq!(&*link.name, "http://127.0.0.1:7373/dash");
    }

    #[test]
    fn targets_that_make_no_sense_are_named_without_their_secrets() {
        for (wrong, expected) in [
            ("ftp://host", "none of unix:///, http:// and https://"),
            ("127.0.0.1:7373", "cannot be read"),
            ("http://me:hunter2@host", "a user or a password"),
            ("http://host/?key=hunter2", "a query"),
        ] {
            let error = Link::new(&url(wrong, None)).unwrap_err().to_string();
            assert!(error.contains(expected), "{wrong}: {error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
        let error = Link::new(&url("http://host", Some("a\nb"))).unwrap_err().to_string();
        assert!(error.contains("the key"), "{error}");
    }

    #[test]
    fn certificates_that_cannot_be_read_are_named() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("ca.pem");
        std::fs::write(&file, "nothing").unwrap();
        let target = Target::Url { url: "https://host".into(), key: None, ca: Some(file.clone()) };
        let error = Link::new(&target).unwrap_err().to_string();
        assert!(error.contains(&*file.to_string_lossy()), "{error}");
    }

    #[test]
    fn loopback_is_known_in_each_form() {
        for (text, expected) in [
            ("https://localhost", true),
            ("https://127.0.0.9:1", true),
            ("https://[::1]:1", true),
            ("https://localhost.example", false),
            ("https://10.0.0.1", false),
        ] {
            assert_eq!(is_loopback(&parse_url(text).unwrap()), expected, "{text}");
        }
    }
}
