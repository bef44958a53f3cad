use std::os::unix::fs::PermissionsExt as _;

use super::*;

const SECRET: &str = "hunter2-hunter2";

struct Home(tempfile::TempDir);

impl Home {
    fn with(config: &str) -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        std::fs::create_dir(home.0.path().join(".openclaw")).unwrap();
        home.write(".openclaw/openclaw.json", config);
        home
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        path
    }

    fn find(&self, places: &Places) -> Result<Access, AccessError> {
        places.find(|name| (name == "HOME").then(|| self.0.path().as_os_str().to_owned()))
    }
}

fn token(text: &str) -> Secret {
    Secret::Token(text.to_owned())
}

#[test]
fn json5_is_understood() {
    let home = Home::with(
        "// a comment\n{gateway: {port: 4711, auth: {mode: 'token', token: 'hunter2-hunter2',},},}",
    );
    let access = home.find(&Places::default()).unwrap();
    assert_eq!(access, Access { address: "127.0.0.1:4711".into(), secret: token(SECRET) });
    assert!(!format!("{access:?}").contains(SECRET));
}

#[test]
fn a_changed_token_is_found_the_next_time() {
    let home = Home::with("{gateway: {auth: {token: 'old'}}}");
    assert_eq!(home.find(&Places::default()).unwrap().secret, token("old"));
    home.write(".openclaw/openclaw.json", "{gateway: {auth: {token: 'new'}}}");
    assert_eq!(home.find(&Places::default()).unwrap().secret, token("new"));
}

#[test]
fn the_file_is_where_openclaw_looks_for_it() {
    let at = |set: &'static str, value: &'static str| {
        Places::default().config_file(&|name: &str| (name == set).then(|| value.into()))
    };
    assert_eq!(at("OPENCLAW_CONFIG_PATH", "/x/y.json").unwrap(), Path::new("/x/y.json"));
    assert_eq!(at("OPENCLAW_STATE_DIR", "/x").unwrap(), Path::new("/x/openclaw.json"));
    assert_eq!(at("HOME", "/h").unwrap(), Path::new("/h/.openclaw/openclaw.json"));
    let named = Places { config: Some("~/o.json".into()), ..Places::default() };
    let home = |name: &str| (name == "HOME").then(|| "/h".into());
    assert_eq!(named.config_file(&home).unwrap(), Path::new("/h/o.json"));
}

#[test]
fn other_ways_of_keeping_the_secret() {
    let home = Home::with("{gateway: {auth: {token: '${GATE}'}}}");
    home.write(".openclaw/.env", "OTHER=1\nexport GATE=\"of-the-file\"\n");
    assert_eq!(home.find(&Places::default()).unwrap().secret, token("of-the-file"));
    let home = Home::with("{gateway: {auth: {mode: 'password', password: 'p'}}}");
    assert_eq!(home.find(&Places::default()).unwrap().secret, Secret::Password("p".into()));
    let home = Home::with("{gateway: {auth: {mode: 'none'}}}");
    assert_eq!(home.find(&Places::default()).unwrap().secret, Secret::None);
    let file = home.write("token", "of-a-file-of-its-own\n");
    let places = Places { token_file: Some(file.clone()), ..Places::default() };
    assert_eq!(home.find(&places).unwrap().secret, token("of-a-file-of-its-own"));
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(home.find(&places).unwrap_err().message.contains("others may read it"));
}

#[test]
fn mistakes_have_a_next_step_and_repeat_no_secret() {
    for config in [
        "{gateway: {auth: {token: 'hunter2-hunter2' 'x'}}}",
        "{gateway: {auth: {token: {source: 'exec', id: 'hunter2-hunter2'}}}}",
        "{gateway: {port: 'hunter2-hunter2'}}",
        "{gateway: {tls: {enabled: true}, auth: {token: 'hunter2-hunter2'}}}",
        "",
    ] {
        let error = Home::with(config).find(&Places::default()).unwrap_err();
        assert!(!error.message.contains("hunter2"), "{error:?}");
        assert!(!error.hint.is_empty());
    }
}

#[test]
fn the_token_leaves_this_machine_for_nobody() {
    for good in ["ws://127.0.0.1:1", "ws://localhost:1/", "ws://[::1]:1"] {
        assert!(address(good).is_ok(), "{good}");
    }
    for bad in [
        "wss://127.0.0.1:1",
        "ws://10.0.0.1:1",
        "ws://localhost.evil:1",
        "ws://127.0.0.1:x",
        "http://127.0.0.1",
    ] {
        assert!(address(bad).is_err(), "{bad}");
    }
}
