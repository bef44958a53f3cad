use std::os::unix::process::ExitStatusExt as _;

use super::*;

fn paths(home: &Path) -> Paths {
    Paths::resolve(|name| (name == "DASH_HOME").then(|| home.into())).unwrap()
}

/// A program that stands for `dash` and does this.
fn program(home: &Path, script: &str) -> Vec<std::ffi::OsString> {
    let file = home.join("daemon.sh");
    std::fs::write(&file, script).unwrap();
    vec!["/bin/sh".into(), file.into()]
}

async fn run(home: &Path, script: &str, limit: Duration) -> Result<Outcome, Failure> {
    start(&program(home, script), &paths(home), Instant::now() + limit).await
}

#[tokio::test]
async fn the_first_line_says_that_it_is_ready() {
    let home = tempfile::tempdir().unwrap();
    let script = r#"
        echo "$1 $2 $(pwd) ${SECRET-none}" >&2
        echo '{"ready":true,"pid":7,"socket":"/s","listen":null,"more":1}'
    "#;
    let outcome = run(home.path(), script, LIMIT).await.unwrap();
    let Outcome::Ready(ready) = outcome else { panic!("it is ready") };
    assert_eq!((ready.pid, ready.socket), (7, "/s".into()));
    let log = paths(home.path()).log();
    assert_eq!(std::fs::read_to_string(&log).unwrap(), "serve --detached / none\n");
    assert_eq!(log.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let state = log.parent().unwrap().metadata().unwrap();
    assert_eq!(state.permissions().mode() & 0o777, 0o700);
}

#[tokio::test]
async fn a_daemon_that_cannot_start_explains_itself() {
    let home = tempfile::tempdir().unwrap();
    let places = paths(home.path());
    std::fs::create_dir_all(&places.state).unwrap();
    std::fs::write(places.log(), r#"{"error":{"code":"old","message":"old"}}"#).unwrap();
    let script = r#"
        echo 'some line' >&2
        echo '{"error":{"code":"bad_configuration","message":"m","hint":"h"}}' >&2
        exit 78
    "#;
    let outcome = run(home.path(), script, LIMIT).await.unwrap();
    let Outcome::Ended { status, log } = outcome else { panic!("it ended") };
    let failure = explain(status, &log, &places);
    assert_eq!(failure, Failure::new(78, "bad_configuration", "m").hinted("h"));
}

#[tokio::test]
async fn one_that_just_ends_is_explained_by_its_log() {
    let home = tempfile::tempdir().unwrap();
    let script = "echo not json; echo lib.so: cannot open >&2; kill -9 $$";
    let outcome = run(home.path(), script, LIMIT).await.unwrap();
    let Outcome::Ended { status, log } = outcome else { panic!("it ended") };
    let failure = explain(status, &log, &paths(home.path()));
    assert_eq!(failure.exit, exit::UNREACHABLE);
    assert!(failure.message.contains("lib.so: cannot open"), "{failure:?}");
    assert!(failure.message.contains("signal: 9"), "{failure:?}");
}

#[tokio::test]
async fn one_that_says_nothing_is_given_up() {
    let home = tempfile::tempdir().unwrap();
    let mut lines = String::from("echo $$ >&2; exec sleep 60");
    lines.push('\n');
    let failure = run(home.path(), &lines, Duration::from_millis(300)).await.err().unwrap();
    assert_eq!((failure.exit, failure.code.as_str()), (69, "unreachable"));
    let log = std::fs::read_to_string(paths(home.path()).log()).unwrap();
    let pid = rustix::process::Pid::from_raw(log.trim().parse().unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}

#[test]
fn a_success_that_said_nothing_is_a_failure() {
    let home = tempfile::tempdir().unwrap();
    let failure = explain(ExitStatus::from_raw(0), "", &paths(home.path()));
    assert_eq!(failure.exit, exit::UNREACHABLE);
}

#[test]
fn only_the_innermost_unit_counts() {
    for (cgroups, expected) in [
        ("0::/system.slice/gateway.service\n", Some("gateway.service")),
        ("1:name=systemd:/a.service\n0::/\n", Some("a.service")),
        ("0::/user.slice/user-1.slice/user@1.service/app.slice/t.scope\n", None),
        ("0::/user.slice/user-1.slice/user@1.service/app.slice/g.service\n", Some("g.service")),
        ("0::/init.scope\n", None),
        ("", None),
    ] {
        assert_eq!(own_service(cgroups).as_deref(), expected, "{cgroups}");
    }
}

#[test]
fn a_scope_is_asked_for_by_the_user() {
    let line = scoped(Path::new("/usr/bin/systemd-run"), Path::new("/opt/dash"));
    let line = line.join(OsStr::new(" "));
    assert!(line.to_str().unwrap().starts_with("/usr/bin/systemd-run --user --scope "));
    assert!(line.to_str().unwrap().ends_with(" -- /opt/dash"));
}

/// A home with a systemd that runs what follows `--` and keeps how it was called, and a program
/// that is ready at once.
struct WithSystemd {
    home: tempfile::TempDir,
    context: Context,
}

impl WithSystemd {
    fn new(systemd_run: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        for directory in ["booted", "run/systemd/private", "bin"] {
            std::fs::create_dir_all(home.path().join(directory)).unwrap();
        }
        let show = crate::cli::show::Show::detect(true, false, crate::cli::Color::Never, |_| None);
        let with = Self { context: Context { paths: paths(home.path()), show }, home };
        with.write("bin/systemd-run", systemd_run, 0o755);
        let ready = r#"echo '{"ready":true,"pid":7,"socket":"/s","listen":null}'"#;
        with.write("dash", ready, 0o755);
        with
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn write(&self, name: &str, script: &str, mode: u32) {
        std::fs::write(self.path(name), format!("#!/bin/sh\n{script}\n")).unwrap();
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(self.path(name), mode).unwrap();
    }

    /// What is found of systemd, with these directories of the home on the path.
    fn find(&self, directories: &[&str]) -> Option<PathBuf> {
        let path = std::env::join_paths(directories.iter().map(|name| self.path(name))).unwrap();
        systemd_run(&self.path("booted"), |name| match name {
            "PATH" => Some(path.clone()),
            "XDG_RUNTIME_DIR" => Some(self.path("run").into()),
            _ => None,
        })
    }

    async fn attempt(&self) -> Outcome {
        let systemd_run = self.find(&["bin"]);
        assert!(systemd_run.is_some());
        let deadline = Instant::now() + LIMIT;
        attempt_with(systemd_run.as_deref(), &self.path("dash"), &self.context, deadline)
            .await
            .unwrap()
    }
}

/// Writes its arguments next to itself and runs what follows `--`.
const RUNS: &str =
    r#"echo "$@" >"$0.called"; until [ "$1" = -- ]; do shift; done; shift; exec "$@""#;

#[test]
fn systemd_is_found_where_it_runs_for_this_user() {
    let with = WithSystemd::new(RUNS);
    assert_eq!(with.find(&["bin"]), Some(with.path("bin/systemd-run")));
    assert_eq!(with.find(&["run", "nowhere"]), None);
    std::fs::create_dir(with.path("first")).unwrap();
    with.write("first/systemd-run", RUNS, 0o644);
    assert_eq!(with.find(&["first", "bin"]), Some(with.path("bin/systemd-run")));
    with.write("first/systemd-run", RUNS, 0o755);
    assert_eq!(with.find(&["first", "bin"]), Some(with.path("first/systemd-run")));
    std::fs::remove_dir_all(with.path("run/systemd")).unwrap();
    assert_eq!(with.find(&["bin"]), None, "the user has no instance");
    std::fs::write(with.path("run/bus"), "").unwrap();
    assert_eq!(with.find(&["bin"]), Some(with.path("bin/systemd-run")));
    std::fs::remove_dir(with.path("booted")).unwrap();
    assert_eq!(with.find(&["bin"]), None, "something else runs the system");
}

#[tokio::test]
async fn the_daemon_gets_a_scope_where_there_is_systemd() {
    let with = WithSystemd::new(RUNS);
    let outcome = with.attempt().await;
    assert!(matches!(outcome, Outcome::Ready(ready) if ready.pid == 7));
    let called = std::fs::read_to_string(with.path("bin/systemd-run.called")).unwrap();
    assert!(called.starts_with("--user --scope "), "{called}");
    assert!(called.ends_with(&format!(" -- {} serve --detached\n", with.path("dash").display())));
}

#[tokio::test]
async fn without_a_scope_the_daemon_starts_all_the_same() {
    let refuses = r#"echo "$@" >"$0.called"; echo 'Failed to connect to bus' >&2; exit 1"#;
    let with = WithSystemd::new(refuses);
    let outcome = with.attempt().await;
    assert!(matches!(outcome, Outcome::Ready(ready) if ready.pid == 7));
    assert!(with.path("bin/systemd-run.called").exists(), "it was tried first");
}

#[tokio::test]
async fn a_daemon_that_fails_in_its_scope_is_not_started_twice() {
    let with = WithSystemd::new(RUNS);
    let fails = r#"echo >>"$0.called"
        echo '{"error":{"code":"storage","message":"m"}}' >&2; exit 1"#;
    with.write("dash", fails, 0o755);
    let Outcome::Ended { log, .. } = with.attempt().await else { panic!("it ended") };
    assert_eq!(said(&log).unwrap().code, "storage");
    assert_eq!(std::fs::read_to_string(with.path("dash.called")).unwrap().lines().count(), 1);
}
