use std::os::unix::fs::PermissionsExt as _;

use super::*;

fn load(text: &str) -> Config {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("config.toml");
    std::fs::write(&file, text).unwrap();
    Config::load(&file).unwrap()
}

#[test]
fn the_first_file_is_right_as_it_is_and_when_its_examples_are_used() {
    assert_eq!(load(FIRST), Config::default());
    let used = load(&FIRST.replace("#: ", ""));
    assert_eq!(used.default_profile.as_deref(), Some("review"));
    assert_eq!(used.profiles["review"].timeout_ms, Some(3_600_000));
    assert_eq!(used.daemon.listen.as_deref(), Some("127.0.0.1:7373"));
}

#[test]
fn the_first_file_is_private_and_written_once() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("new/dash/config.toml");
    write_first(&file).unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&file), 0o600);
    assert_eq!(mode(file.parent().unwrap()), 0o700);
    std::fs::write(&file, "# mine\n").unwrap();
    assert_eq!(write_first(&file).unwrap_err().kind(), std::io::ErrorKind::AlreadyExists);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "# mine\n");
}

#[test]
fn what_is_shown_says_where_it_comes_from_and_tells_no_secret() {
    let text = "\
[daemon]\nmax_running = 8\n\
[profiles.\"my review\"]\nruntime = \"command\"\ncommand = [\"h\", \"{task}\"]\n\
env = { TOKEN = \"hunter2\" }\n\
[groups.\"*\"]\nmax_cost = 2.5\n[sessions]\nmax_turns = 50\n";
    let config = load(text);
    let paths = Paths::resolve(|name| (name == "DASH_HOME").then(|| "/srv/dash".into())).unwrap();
    let settings = settings(&config, &toml::from_str(text).unwrap());
    let shown = as_text(&settings, &config, &paths, true);
    insta::assert_snapshot!(shown, @r#"
    # configuration: /srv/dash/config.toml
    # state:         /srv/dash/state
    # socket:        /srv/dash/dash.sock
    # default_profile is not set: a task must name its profile

    [sessions]
    max_turns = 50  # file
    # max_tokens is not set: no limit
    # max_cost is not set: no limit

    [daemon]
    max_running = 8  # file
    # memory_mb is not set: half of the machine's memory
    # keys_file is not set: the daemon's environment only
    max_queued = 10000  # default
    grace_ms = 10000  # default
    ask_timeout_ms = 600000  # default
    idle_timeout_ms = 3600000  # default
    agent_processes_max = 4096  # default
    events_kept = 5000000  # default
    events_kept_days = 30  # default
    database_max_mb = 2048  # default
    backlog_max_mb = 256  # default
    # listen is not set: the Unix socket only
    # tls_cert is not set: no TLS
    # tls_key is not set: no TLS
    hosts = []  # default

    [openclaw]
    enabled = false  # default
    # url is not set: what OpenClaw's configuration says
    # config is not set: where OpenClaw itself looks
    # token_file is not set: OpenClaw's configuration
    react = "none"  # default
    interval_ms = 200  # default
    lines_max = 100  # default

    [profiles."my review"]  # file
    runtime = "command"
    command = ["h","{task}"]
    # env sets TOKEN

    [groups."*"]  # file
    max_cost = 2.5
    "#);
    let again: Config = toml::from_str(&shown).unwrap();
    assert_eq!(again.daemon, config.daemon, "what is shown can be read again");
    assert_eq!((&again.groups, again.sessions), (&config.groups, config.sessions));
    let json = as_json(&settings, &config, &paths);
    assert!(!json.to_string().contains("hunter2"));
    assert_eq!(json["settings"]["daemon.max_running"]["source"], "file");
    assert_eq!(json["groups"]["*"]["max_cost"], 2.5);
    assert_eq!(json["settings"]["daemon.grace_ms"]["source"], "default");
}
