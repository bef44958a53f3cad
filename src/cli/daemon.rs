//! Finds the daemon.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::{Context, Failure, exit, start};
use crate::api::Health;
use crate::client::{Client, ClientError, Target};
use crate::config::Paths;

/// The version of the HTTP API that this client speaks.
const API: u32 = 1;

/// How long after it went away to look whether a daemon crashed: one that ends in good order has
/// taken its socket away by then.
pub(super) const SETTLES: Duration = Duration::from_millis(500);

/// A daemon that has answered.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) client: Client,
    pub(super) health: Health,
    /// Where it listens, when that is a socket of this machine.
    pub(super) socket: Option<PathBuf>,
}

/// What the lock file says of the daemon that holds it.
#[derive(Debug, Deserialize)]
pub(super) struct Lock {
    pub(super) pid: u32,
    /// The TCP address, with the port that was taken.
    #[serde(default)]
    pub(super) listen: Option<SocketAddr>,
    #[serde(default)]
    socket: Option<PathBuf>,
}

/// See [`Context::daemon`].
pub(super) async fn connect_or_start(context: &Context) -> Result<Client, Failure> {
    let found = match remote(&context.paths, |name| std::env::var_os(name))? {
        Some(target) => reach(&target).await.map_err(not_there)?,
        None => match find_local(&context.paths).await? {
            Some(found) => found,
            None => start::on_demand(context).await?,
        },
    };
    greet(context, found)
}

/// See [`Context::running_daemon`].
pub(super) async fn connect(context: &Context) -> Result<Option<Client>, Failure> {
    match find(context).await? {
        Some(found) => greet(context, found).map(Some),
        None => Ok(None),
    }
}

/// The daemon that is running, whatever its version.
pub(super) async fn find(context: &Context) -> Result<Option<Found>, Failure> {
    let Some(target) = remote(&context.paths, |name| std::env::var_os(name))? else {
        return Ok(find_local(&context.paths).await?);
    };
    match reach(&target).await {
        Ok(found) => Ok(Some(found)),
        Err(ClientError::Unreachable { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The daemon of these places: at its socket, or where the lock file says that it listens.
pub(super) async fn find_local(paths: &Paths) -> Result<Option<Found>, ClientError> {
    match reach(&Target::Unix(paths.socket.clone())).await {
        Err(ClientError::Unreachable { .. }) => {}
        other => return other.map(Some),
    }
    let elsewhere = lock(paths).and_then(|lock| lock.socket).filter(|path| *path != paths.socket);
    let Some(socket) = elsewhere else { return Ok(None) };
    match reach(&Target::Unix(socket)).await {
        Err(ClientError::Unreachable { .. }) => Ok(None),
        other => other.map(Some),
    }
}

/// What the lock file says; nothing when there is none, or nothing in it that can be read.
pub(super) fn lock(paths: &Paths) -> Option<Lock> {
    serde_json::from_slice(&std::fs::read(paths.lock()).ok()?).ok()
}

/// Starts the daemon again when it crashed. One that was shut down on purpose stays so, and so does
/// one that `DASH_API_URL` names.
///
/// # Errors
/// When it cannot be started.
pub(super) async fn revive(context: &Context) -> Result<(), Failure> {
    if has_crashed(context).await {
        connect_or_start(context).await?;
    }
    Ok(())
}

/// Whether the daemon of these places crashed, and is ours to start again.
pub(super) async fn has_crashed(context: &Context) -> bool {
    let elsewhere = std::env::var_os("DASH_API_URL").is_some_and(|url| !url.is_empty());
    // A daemon that ends in good order takes its socket away; one that crashes leaves it.
    let connected = tokio::net::UnixStream::connect(&context.paths.socket).await;
    !elsewhere && connected.is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
}

/// A client of whoever answers there.
pub(super) async fn reach(target: &Target) -> Result<Found, ClientError> {
    let client = Client::new(target)?;
    let health = client.health().await?;
    let socket = match target {
        Target::Unix(socket) => Some(socket.clone()),
        Target::Url { .. } => None,
    };
    Ok(Found { client, health, socket })
}

/// Says so when the daemon is of another version, and refuses one that speaks another API.
fn greet(context: &Context, found: Found) -> Result<Client, Failure> {
    const OURS: &str = env!("CARGO_PKG_VERSION");
    let Health { version, api, .. } = &found.health;
    if *api != API {
        return Err(Failure::new(
            exit::UNREACHABLE,
            "version_skew",
            format!(
                "the daemon is Dash {version} with API {api}; this is Dash {OURS} with API {API}"
            ),
        )
        .hinted(
            "stop it with `dash shutdown`: agents run on, and the next command starts this one",
        ));
    }
    if version != OURS {
        context.say(&format!("dash: the daemon is Dash {version}, this is Dash {OURS}"));
    }
    Ok(found.client)
}

fn not_there(error: ClientError) -> Failure {
    let unreachable = matches!(error, ClientError::Unreachable { .. });
    let failure = Failure::from(error);
    match &failure.hint {
        Some(hint) if unreachable && !hint.contains("DASH_API_CA") => {
            failure.hinted("DASH_API_URL is set, so that none is started here; start one there")
        }
        _ => failure,
    }
}

/// The target that the environment names, if any.
fn remote(
    paths: &Paths,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<Option<Target>, Failure> {
    let wrong = |message: &str| {
        Failure::new(exit::CONFIG, "bad_configuration", message)
            .hinted("DASH_API_URL is unix:///path, http://HOST:PORT or https://HOST:PORT")
    };
    let set = |name: &str| variable(name).filter(|value| !value.is_empty());
    let Some(url) = set("DASH_API_URL") else { return Ok(None) };
    let url = url.into_string().map_err(|_| wrong("DASH_API_URL is not UTF-8"))?;
    if let Some(path) = url.strip_prefix("unix:") {
        let path = path.strip_prefix("//").unwrap_or(path);
        if !path.starts_with('/') {
            return Err(wrong("the path in DASH_API_URL is not absolute"));
        }
        return Ok(Some(Target::Unix(path.into())));
    }
    let key = match set("DASH_API_KEY") {
        Some(key) => Some(key.into_string().map_err(|_| wrong("DASH_API_KEY is not UTF-8"))?),
        None => key_of_file(paths)?,
    };
    let key = key.map(|key| key.trim().to_owned());
    Ok(Some(Target::Url { url, key, ca: set("DASH_API_CA").map(PathBuf::from) }))
}

fn key_of_file(paths: &Paths) -> Result<Option<String>, Failure> {
    let file = paths.key();
    match std::fs::read_to_string(&file) {
        Ok(key) => Ok(Some(key)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => {
            let message = format!("cannot read the key in {}: {error}", file.display());
            Err(Failure::new(exit::CONFIG, "bad_configuration", message)
                .hinted("set DASH_API_KEY, or make the file readable for you"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places() -> (tempfile::TempDir, Paths) {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().to_owned();
        let paths = Paths::resolve(|name| (name == "DASH_HOME").then(|| path.clone().into()));
        (home, paths.unwrap())
    }

    fn target(paths: &Paths, variables: &[(&str, &str)]) -> Result<Option<Target>, Failure> {
        remote(paths, |name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| OsString::from(value))
        })
    }

    fn url(url: &str, key: Option<&str>, ca: Option<&str>) -> Target {
        Target::Url { url: url.into(), key: key.map(Into::into), ca: ca.map(Into::into) }
    }

    #[test]
    fn the_environment_names_a_target() {
        let (_home, paths) = places();
        let of = |variables: &[(&str, &str)]| target(&paths, variables).unwrap();
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[("DASH_API_URL", "")]), None);
        let socket = Some(Target::Unix("/run/d.sock".into()));
        assert_eq!(of(&[("DASH_API_URL", "unix:///run/d.sock")]), socket);
        assert_eq!(of(&[("DASH_API_URL", "unix:/run/d.sock")]), socket);
        assert_eq!(
            of(&[("DASH_API_URL", "https://h:1"), ("DASH_API_KEY", " k\n"), ("DASH_API_CA", "/c")]),
            Some(url("https://h:1", Some("k"), Some("/c")))
        );
        let failure = target(&paths, &[("DASH_API_URL", "unix://d.sock")]).unwrap_err();
        assert_eq!(failure.exit, 78);
    }

    #[test]
    fn the_key_file_stands_in_for_the_variable() {
        let (_home, paths) = places();
        let http = [("DASH_API_URL", "http://127.0.0.1:7373")];
        assert_eq!(target(&paths, &http), Ok(Some(url(http[0].1, None, None))));
        std::fs::write(paths.key(), "from-file\n").unwrap();
        assert_eq!(target(&paths, &http), Ok(Some(url(http[0].1, Some("from-file"), None))));
        std::fs::remove_file(paths.key()).unwrap();
        std::fs::create_dir(paths.key()).unwrap();
        assert_eq!(target(&paths, &http).unwrap_err().exit, 78);
    }

    #[tokio::test]
    async fn nobody_is_found_where_nobody_is() {
        let (_home, paths) = places();
        assert!(find_local(&paths).await.unwrap().is_none());
        std::fs::create_dir_all(&paths.state).unwrap();
        for garbage in ["", "{", r#"{"pid":1,"socket":"/nowhere/d.sock"}"#] {
            std::fs::write(paths.lock(), garbage).unwrap();
            assert!(find_local(&paths).await.unwrap().is_none(), "{garbage}");
        }
    }
}
