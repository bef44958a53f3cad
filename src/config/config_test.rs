use super::*;

#[test]
fn dash_home_holds_everything() {
    let paths = Paths::resolve(|name| (name == "DASH_HOME").then(|| "/tmp/d".into())).unwrap();
    assert_eq!(paths.config_file, Path::new("/tmp/d/config.toml"));
    assert!(paths.database().starts_with("/tmp/d"));
    assert!(paths.socket.starts_with("/tmp/d"));
}

#[test]
fn a_socket_path_too_long_is_refused_with_a_way_out() {
    let long = format!("/tmp/{}", "x".repeat(120));
    let error =
        Paths::resolve(|name| (name == "DASH_HOME").then(|| long.clone().into())).unwrap_err();
    assert!(error.message.contains("too long"), "{error}");
    assert!(error.hint.unwrap().contains("DASH_HOME"));
}

#[test]
fn profiles_are_tables() {
    let config = Config::parse(
        "default_profile = \"echo\"\n[profiles.echo]\nruntime = \"command\"\ncommand = [\"echo\"]\n",
    )
    .unwrap();
    assert_eq!(config.profiles["echo"].command, ["echo"]);
    assert_eq!(config.daemon.grace_ms, 10_000);
}

#[test]
fn mistakes_are_named_with_their_place() {
    for (text, expected) in [
        ("[daemon]\nmax_runing = 3\n", "line 2, column 1: unknown field `max_runing`"),
        ("default_profile = ", "line 1, column 19: "),
        ("[daemon]\ngrace_ms = \"x\"\n", "line 2, column 12: invalid type"),
        ("default_profile = \"x\"\n", "no such profile"),
        ("[profiles.a]\nruntime = \"command\"\n", "has no command"),
        ("[groups.a]\nmax_turns = 0\n", "is zero"),
        ("[sessions]\nmax_cots = 1\n", "unknown field `max_cots`"),
    ] {
        let error = Config::parse(text).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
}
