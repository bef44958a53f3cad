//! `dash serve`: the daemon. The composition root: the one file that sees both halves.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Seek as _, Write as _};
use std::net::SocketAddr;
use std::os::unix::fs::{
    DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _,
};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, OFlags};
use serde::Serialize;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::task::AbortOnDropHandle;

use super::{Context, Failure, background, bridge, exit, harden};
use crate::api::ProfileBody;
use crate::config::{Config, Paths, provider_keys};
use crate::model::{Actor, Runtime};
use crate::runtime::{Runtimes, program};
use crate::server::{App, Bound, Keys, Listen, ServerError, Tcp};
use crate::store::{Batch, Operation, Options, Sqlite, Store, StoreError};
use crate::supervisor::{
    Capacity, Clock as _, Machine, Parts, Supervisor, SystemClock, take_in_strays,
};

/// Run the daemon in the foreground
///
/// Most people never type this: the first command that needs a daemon starts one. It listens on a
/// Unix socket that only you can use; with --listen, also on a TCP address, where every request
/// needs the key. SIGTERM stops it and leaves the agents alone.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  dash serve                             in the foreground, log on standard error
  dash serve --background                only see to it that one runs, as every command does
  dash serve --listen 127.0.0.1:7373     on TCP too; the key is in the file that it names
  DASH_LOG=debug dash serve              say more")]
pub struct ServeArgs {
    /// Listen on this TCP address too, such as 127.0.0.1:7373; requests there need the key
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<String>,
    /// See to it that a daemon runs, in a place of its own, and end when it answers; what OpenClaw's
    /// `localService` calls
    #[arg(long, conflicts_with_all = ["listen", "detached"])]
    pub background: bool,
    /// Started on demand: say on standard output when it is ready, and then nothing more
    #[arg(long, hide = true)]
    pub detached: bool,
}

/// How often the lock file is looked at for whoever holds it, and how long to wait in between.
const HOLDER_LOOKS: u32 = 20;
const HOLDER_PAUSE: Duration = Duration::from_millis(5);

/// What the lock file says before the daemon is ready.
#[derive(Debug, Serialize)]
struct Starting {
    pid: u32,
}
/// Bytes.
const MEBIBYTE: u64 = 1024 * 1024;

/// What is said on standard output when the daemon is ready.
#[derive(Debug, Serialize)]
#[allow(clippy::struct_field_names, reason = "`ready` is the field's name on the wire")]
struct Ready<'a> {
    ready: bool,
    pid: u32,
    version: &'static str,
    socket: &'a Path,
    /// The TCP address, with the port that was taken.
    listen: Option<SocketAddr>,
}

/// Runs the command.
///
/// # Errors
/// See [`Failure`].
pub async fn run(args: ServeArgs, context: &Context) -> Result<u8, Failure> {
    if args.background {
        return background::run(context).await;
    }
    if args.detached {
        // Fails only for a leader of a process group, which is in a session of its own already.
        let _ = rustix::process::setsid();
    }
    let begin = Instant::now();
    harden::no_core_dumps();
    let mut config = context.config()?;
    config.daemon.listen = args.listen.or(config.daemon.listen);
    provider_keys(&[], config.daemon.keys_file.as_deref(), |_| None)?;
    log_to_stderr();
    let paths = &context.paths;
    make_private(&paths.state)?;
    let mut lock = Lock::take(paths).await?;

    let store = open_store(paths, &config)?;
    let listen = listen_of(&config, paths)?;
    let keys = keys(&config, paths)?;
    let bound = crate::server::bind(listen, keys.clone()).await.map_err(refused)?;
    let capacity =
        Capacity::of(config.daemon.max_running, config.daemon.memory_mb, Machine::here());
    // Both wait: for the keeper, and for the disk.
    let (runtimes, recorded) =
        tokio::join!(open_runtimes(paths, &config), record_start(store.as_ref(), &bound));
    let runtimes = runtimes?;
    recorded?;
    take_in_strays(store.as_ref(), &runtimes, &paths.state, SystemClock.now()).await;
    let left_behind = Runtimes::left_behind(&paths.state, &store.alive());
    let tidying = runtimes.clone();
    let profiles = profiles(&config);
    let openclaw = config.openclaw.clone();
    let supervisor = Supervisor::start(Parts {
        store: Arc::clone(&store),
        runtimes,
        config,
        capacity,
        spool: Runtimes::spool(&paths.state),
        clock: Arc::new(SystemClock),
    });
    let bridge = bridge::start(&openclaw, paths)?;
    announce(context, &mut lock, &bound, args.detached);
    tracing::info!(socket = %bound.socket().display(), tcp = ?bound.tcp_address(),
        places = capacity.agents, set_by = %capacity.set_by, memory_mb = capacity.memory_mb,
        after_ms = begin.elapsed().as_millis(), "ready");
    let _tidying = AbortOnDropHandle::new(tokio::spawn(async move {
        tidying.tidy(left_behind).await;
    }));

    let stopped = async {
        told_to_stop().await;
        // Without `kill` this only refuses new work, and can fail at nothing.
        let _ = supervisor.shut_down(None, Actor::daemon()).await;
    };
    let app = App::new(supervisor.clone(), profiles, keys).with_bridge(bridge);
    bound.run(app, stopped).await;
    supervisor.let_go().await;
    tracing::info!("stopped; the agents run on");
    Ok(exit::DONE)
}

/// Resolves at SIGTERM or SIGINT.
async fn told_to_stop() {
    let (Ok(mut terminate), Ok(mut interrupt)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

fn log_to_stderr() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("DASH_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    // A second subscriber in one process is a test's; the first one stays.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .try_init();
}

/// A directory that nobody else can look into.
fn make_private(dir: &Path) -> Result<(), Failure> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(dir);
    made.map_err(|error| cannot_use(dir, &error))?;
    let found = std::fs::metadata(dir).map_err(|error| cannot_use(dir, &error))?;
    let us = rustix::process::geteuid().as_raw();
    if found.uid() != us {
        let message = format!("{} belongs to another user ({})", dir.display(), found.uid());
        return Err(Failure::new(exit::FAILED, "storage", message)
            .hinted("DASH_HOME names another place for everything"));
    }
    if found.mode() & 0o077 != 0 {
        let private = std::fs::Permissions::from_mode(0o700);
        std::fs::set_permissions(dir, private).map_err(|error| cannot_use(dir, &error))?;
    }
    Ok(())
}

/// Files of the state are files: a link in their place would lead a write to somewhere else.
fn nofollow() -> i32 {
    i32::try_from(OFlags::NOFOLLOW.bits()).unwrap_or_default()
}

fn cannot_use(path: &Path, error: &std::io::Error) -> Failure {
    let message = format!("cannot use {}: {error}", path.display());
    Failure::new(exit::FAILED, "storage", message)
        .hinted("`dash doctor` looks at each place; DASH_HOME names another one for everything")
}

/// Held for as long as the daemon lives: two at once are one too many.
struct Lock {
    file: File,
    path: PathBuf,
}

impl Lock {
    async fn take(paths: &Paths) -> Result<Self, Failure> {
        let path = paths.lock();
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(nofollow())
            .open(&path)
            .map_err(|error| cannot_use(&path, &error))?;
        if rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            let holder = holder(&path).await;
            let who = holder.map_or_else(String::new, |pid| format!(" (pid {pid})"));
            let message = format!("a daemon is running here already{who}");
            return Err(Failure::new(exit::BUSY, "already_running", message)
                .hinted("use it: `dash status`; or stop it first: `dash shutdown`"));
        }
        let mut lock = Self { file, path };
        // Without space on the disk the lock holds all the same.
        let _ = lock.write(&Starting { pid: std::process::id() });
        Ok(lock)
    }

    /// Says who holds it and where to find it.
    fn write(&mut self, holder: &impl Serialize) -> std::io::Result<()> {
        self.file.set_len(0)?;
        self.file.rewind()?;
        self.file.write_all(&serde_json::to_vec(holder)?)
    }
}

/// Who holds the lock: whoever takes it says so a moment later.
async fn holder(lock: &Path) -> Option<u64> {
    for _ in 0..HOLDER_LOOKS {
        let said = std::fs::read(lock).unwrap_or_default();
        let said: serde_json::Value = serde_json::from_slice(&said).unwrap_or_default();
        if let Some(pid) = said["pid"].as_u64() {
            return Some(pid);
        }
        tokio::time::sleep(HOLDER_PAUSE).await;
    }
    None
}

impl Drop for Lock {
    fn drop(&mut self) {
        if let Err(error) = self.file.set_len(0) {
            tracing::warn!(path = %self.path.display(), %error, "cannot empty the lock file");
        }
    }
}

fn open_store(paths: &Paths, config: &Config) -> Result<Arc<dyn Store>, Failure> {
    let daemon = &config.daemon;
    let options = Options {
        events_kept: daemon.events_kept,
        days_kept: Some(daemon.events_kept_days),
        bytes_max: Some(daemon.database_max_mb.saturating_mul(MEBIBYTE)),
    };
    match Sqlite::open(&paths.database(), options) {
        Ok(store) => Ok(Arc::new(store)),
        Err(error) => {
            let hint = match &error {
                StoreError::Newer { .. } => "use the newer Dash, or another DASH_HOME",
                StoreError::Full { .. } => "make room on the disk, and try again",
                StoreError::Damaged { .. } => {
                    "put a backup in its place; or move it away, and begin an empty log"
                }
                _ => "`dash doctor` looks at each place",
            };
            Err(Failure::new(exit::FAILED, "storage", error.to_string()).hinted(hint))
        }
    }
}

async fn open_runtimes(paths: &Paths, config: &Config) -> Result<Runtimes, Failure> {
    let program = this_program().map_err(|error| {
        Failure::new(exit::FAILED, "runtime", format!("cannot find this program: {error}"))
    })?;
    let (processes_max, secrets) = (config.daemon.processes_max(), config.provider_key_names());
    let runtimes = Runtimes::open(&paths.state, &program, processes_max, secrets).await;
    let runtimes =
        runtimes.map_err(|error| Failure::new(exit::FAILED, "runtime", error.to_string()))?;
    runtimes.bound_backlog(config.daemon.backlog_max_mb.saturating_mul(MEBIBYTE));
    Ok(runtimes)
}

/// Where this program lies, also after a newer one has taken its place.
fn this_program() -> std::io::Result<PathBuf> {
    let path = std::env::current_exe()?;
    let replaced = path.to_str().and_then(|path| path.strip_suffix(" (deleted)"));
    Ok(replaced.map_or(path.clone(), PathBuf::from))
}

fn listen_of(config: &Config, paths: &Paths) -> Result<Listen, Failure> {
    let daemon = &config.daemon;
    let tcp = daemon.listen.as_ref().map(|address| {
        let address: SocketAddr = address.parse().map_err(|_| {
            Failure::new(
                exit::CONFIG,
                "bad_configuration",
                format!("{address:?} is not an address"),
            )
            .hinted("name an address and a port, such as 127.0.0.1:7373")
        })?;
        let tls = match (&daemon.tls_cert, &daemon.tls_key) {
            (Some(certificate), Some(key)) => Some((certificate.clone(), key.clone())),
            (None, None) => None,
            _ => {
                let message = "tls_cert and tls_key go together, and one of them is missing";
                return Err(Failure::new(exit::CONFIG, "bad_configuration", message)
                    .hinted("set both in config.toml"));
            }
        };
        Ok(Tcp { address, tls, hosts: daemon.hosts.clone() })
    });
    Ok(Listen { unix: paths.socket.clone(), tcp: tcp.transpose()? })
}

/// The keys that open the TCP listener: those that were added with `dash keys add`, and `default`,
/// which is the environment's, or the key file's, which is made when it is not there.
fn keys(config: &Config, paths: &Paths) -> Result<Keys, Failure> {
    let added = paths.state.join("keys.json");
    if config.daemon.listen.is_none() {
        return Keys::open(&added, []).map_err(refused);
    }
    let key = match std::env::var("DASH_API_KEY") {
        Ok(key) if !key.is_empty() => key,
        _ => key_of_file(&paths.key())?,
    };
    Keys::open(&added, [("default".to_owned(), key)]).map_err(refused)
}

fn key_of_file(path: &Path) -> Result<String, Failure> {
    if let Some(dir) = path.parent() {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(dir);
        made.map_err(|error| cannot_use(dir, &error))?;
    }
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    if let Ok(mut file) = made {
        let random = [uuid::Uuid::new_v4(), uuid::Uuid::new_v4()];
        let key = random.map(|part| part.simple().to_string()).concat();
        file.write_all(key.as_bytes()).map_err(|error| cannot_use(path, &error))?;
        return Ok(key);
    }
    let key = std::fs::read_to_string(path).map_err(|error| cannot_use(path, &error))?;
    Ok(key.trim().to_owned())
}

#[allow(clippy::needless_pass_by_value, reason = "it stands in map_err")]
fn refused(error: ServerError) -> Failure {
    let (exit, code) = match &error {
        ServerError::AlreadyListening { .. } => (exit::BUSY, "already_running"),
        ServerError::NeedsTls { .. }
        | ServerError::NeedsKey
        | ServerError::Key { .. }
        | ServerError::KeyFile { .. }
        | ServerError::Tls { .. } => (exit::CONFIG, "bad_configuration"),
        ServerError::NotASocket { .. }
        | ServerError::Socket { .. }
        | ServerError::OpenDirectory { .. }
        | ServerError::Address { .. } => (exit::FAILED, "cannot_listen"),
    };
    let failure = Failure::new(exit, code, error.to_string());
    Failure { hint: error.hint(), ..failure }
}

fn profiles(config: &Config) -> Vec<ProfileBody> {
    let path = std::env::var("PATH").ok();
    let describe = |name: String| {
        let profile = config.profile(&name)?;
        let missing = match profile.runtime {
            Runtime::Scripted => None,
            Runtime::Command | Runtime::Acp => {
                let own = profile.env.get("PATH").or(path.as_ref());
                let found = program::find(
                    profile.command.first().map(String::as_str).unwrap_or_default(),
                    own.map(String::as_str),
                    Path::new("/"),
                );
                found.err().map(|missing| match config.install(&name) {
                    Some(install) => format!("{missing}: {install}"),
                    None => missing.to_string(),
                })
            }
        };
        Some(ProfileBody {
            default: config.default_profile.as_ref() == Some(&name),
            runtime: profile.runtime.as_str().to_owned(),
            description: profile.description,
            available: missing.is_none(),
            reason: missing,
            name,
        })
    };
    config.profile_names().into_iter().filter_map(describe).collect()
}

async fn record_start(store: &dyn Store, bound: &Bound) -> Result<(), Failure> {
    let operation = Operation {
        actor: Actor::daemon(),
        action: "daemon.start".to_owned(),
        outcome: "accepted".to_owned(),
        detail: serde_json::json!({
            "version": env!("CARGO_PKG_VERSION"),
            "pid": std::process::id(),
            "listen": bound.tcp_address().map(|address| address.to_string()),
        }),
    };
    let batch = Batch { audit: vec![operation], time: SystemClock.now(), ..Batch::default() };
    match store.append(batch).await {
        // Reading, killing and waiting go on without space on the disk.
        Ok(_) | Err(StoreError::Full { .. }) => Ok(()),
        Err(error) => Err(Failure::new(exit::FAILED, "storage", error.to_string())),
    }
}

fn announce(context: &Context, lock: &mut Lock, bound: &Bound, detached: bool) {
    let ready = Ready {
        ready: true,
        pid: std::process::id(),
        version: env!("CARGO_PKG_VERSION"),
        socket: bound.socket(),
        listen: bound.tcp_address(),
    };
    if let Err(error) = lock.write(&ready) {
        tracing::warn!(%error, "cannot write the lock file");
    }
    // Whoever started it may have gone already: no reason to end.
    if detached || context.show.json {
        let _ = context.show.json_line(&ready);
    } else {
        let tcp = ready
            .listen
            .map(|address| format!(" and {address} (key in {})", context.paths.key().display()));
        context.say(&format!(
            "dash: listening on {}{}; Ctrl-C stops it and leaves agents alone",
            bound.socket().display(),
            tcp.unwrap_or_default()
        ));
    }
}
