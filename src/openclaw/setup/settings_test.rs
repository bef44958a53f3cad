use super::*;

fn wanted() -> Wanted {
    Wanted {
        link: "/home/you/.local/bin/dashctl".into(),
        program: "/home/you/.cargo/bin/dash".into(),
        profiles: vec!["claude".into(), "review".into()],
        listen: "127.0.0.1:7373".into(),
        key_file: "/home/you/.config/dash/openclaw.key".into(),
        home: None,
    }
}

/// As OpenClaw's command line does it.
fn set(config: &mut Value, path: &str, value: Value) {
    let mut place = config;
    for name in path.split('.') {
        if !place.is_object() {
            *place = json!({});
        }
        place = &mut place[name];
    }
    *place = value;
}

fn unset(config: &mut Value, path: &str) {
    let (parent, name) = path.rsplit_once('.').unwrap_or(("", path));
    let parent = if parent.is_empty() {
        config
    } else {
        parent.split('.').fold(config, |value, name| &mut value[name])
    };
    assert!(parent.as_object_mut().unwrap().remove(name).is_some(), "{path} is not there");
}

fn install(config: &mut Value) -> usize {
    let mut count = 0;
    for part in [Part::Acp, Part::Provider] {
        for Setting { path, value } in wanted().missing(part, config) {
            set(config, &path, value);
            count += 1;
        }
    }
    count
}

fn uninstall(config: &mut Value, before: &Before) {
    for step in before.undo(config, Path::new("/w")) {
        let bytes = size(config);
        match step {
            Undo::Set(Setting { path, value }) | Undo::Shorten(Setting { path, value }) => {
                set(config, &path, value);
            }
            Undo::Unset(path) => unset(config, &path),
            Undo::DeleteAgent => unset(config, "agents.entries.dash"),
        }
        assert!(bytes < 512 || size(config) * 2 >= bytes, "OpenClaw refuses that: {config:#}");
    }
}

#[test]
fn what_is_installed_twice_is_there_once_and_taken_away_it_leaves_what_was_there() {
    for before in [
        json!({"agents": {"entries": {"main": {"workspace": "/w"}}}}),
        json!({"agents": {"defaults": {"model": {"primary": "m/m"}}}}),
        json!({"agents": {"defaults": {"workspace": "/w"}}}),
        json!({"agents": {"entries": {"main": {"subagents": {"allowAgents": ["main", "ops"]}}}}}),
        json!({"agents": {"entries": {"main": {"subagents": {"allowAgents": ["*"]}}}}}),
        json!({"agents": {"defaults": {"subagents": {"allowAgents": ["ops"]}}, "entries": {"ops": {}, "main": {}}}}),
        json!({"acp": {"enabled": false, "allowedAgents": ["codex"], "backend": "other"},
               "agents": {"entries": {"main": {}}},
               "plugins": {"allow": ["browser"], "entries": {"acpx": {"config": {"agents": {"codex": {"command": "c"}}}}}}}),
        json!({"models": {"providers": {"openai": {"apiKey": "k"}}}, "secrets": {"providers": {}},
               "agents": {"entries": {"me": {"default": true}, "main": {}}}, "talk": {"agentId": "me"}}),
    ] {
        let mut config = before.clone();
        let kept = Before::of(&config);
        assert!(install(&mut config) > 0);
        assert_eq!(install(&mut config), 0, "twice is once: {config:#}");
        assert!(has(&config, "agents.entries.dash.model.primary"));
        // What OpenClaw itself adds: its stamp, and for a second agent who owned what.
        let stamp = json!({"lastTouchedVersion": "2026.9.6",
            "migrations": {"modelPolicyAllowlist": true, "utilityModelSeparation": true}});
        set(&mut config, "meta", stamp);
        if !has(&config, "talk.agentId") {
            set(&mut config, "talk.agentId", json!("main"));
        }
        if !has(&before, "agents.entries") {
            set(&mut config, "agents.entries.main.workspace", json!("/w"));
        }
        uninstall(&mut config, &kept);
        unset(&mut config, "meta");
        assert_eq!(config, before);
    }
}

fn has(config: &Value, path: &str) -> bool {
    !at(config, path).is_null()
}

#[test]
fn what_somebody_added_meanwhile_stays() {
    let mut config = json!({"agents": {"entries": {"main": {}}}});
    let before = Before::of(&config);
    install(&mut config);
    set(&mut config, "models.providers.other", json!({"baseUrl": "u"}));
    set(&mut config, "acp.stream.deliveryMode", json!("live"));
    uninstall(&mut config, &before);
    let expected = json!({"agents": {"entries": {"main": {}}}, "acp": {"stream": {"deliveryMode": "live"}},
        "models": {"providers": {"other": {"baseUrl": "u"}}}});
    assert_eq!(config, expected);
}

#[test]
fn an_agent_that_openclaw_wrote_down_stays_when_somebody_has_said_more_of_it() {
    let gateway =
        json!({"mode": "local", "port": 18789, "auth": {"mode": "token", "token": "t".repeat(32)}});
    let before = json!({"agents": {"defaults": {"workspace": "/w"}}, "gateway": gateway, "meta": {"lastTouchedVersion": "2026.9.6"}});
    for (main, stays) in [
        (json!({"workspace": "/w"}), false),
        (json!({}), false),
        (json!({"workspace": "/other"}), true),
        (json!({"workspace": "/w", "model": {"primary": "m/m"}}), true),
    ] {
        let mut config = before.clone();
        install(&mut config);
        set(&mut config, "agents.entries.main", main.clone());
        uninstall(&mut config, &Before::of(&before));
        assert_eq!(has(&config, "agents.entries.main"), stays, "{main}");
    }
    let mut config = before.clone();
    install(&mut config);
    set(&mut config, "agents.entries.main", json!({}));
    set(&mut config, "agents.entries.ops", json!({}));
    uninstall(&mut config, &Before::of(&before));
    assert!(has(&config, "agents.entries.main") && has(&config, "agents.entries.ops"));
}

#[test]
fn without_a_record_only_what_is_surely_ours_goes() {
    let mut config = json!({"agents": {"entries": {"main": {}}}});
    install(&mut config);
    uninstall(&mut config, &Before::default());
    assert!(!has(&config, "models.providers.dash") && !has(&config, "agents.entries.dash"));
    assert_eq!(at(&config, "acp.backend"), "acpx");
}

#[test]
fn a_hidden_secret_counts_as_there_and_another_program_does_not() {
    let mut config = json!({"agents": {"entries": {"main": {}}}});
    install(&mut config);
    set(&mut config, "models.providers.dash.apiKey", json!(REDACTED));
    assert_eq!(wanted().missing(Part::Provider, &config), []);
    set(&mut config, "plugins.entries.acpx.config.agents.dash.command", json!("/old/dashctl"));
    let missing = wanted().missing(Part::Acp, &config);
    assert_eq!(missing.len(), 1);
    assert_eq!(missing[0].path, "plugins.entries.acpx.config.agents.dash");
}

#[test]
fn no_secret_is_in_what_is_set() {
    let mut config = json!({});
    install(&mut config);
    assert_eq!(
        at(&config, "models.providers.dash.apiKey"),
        &json!({"source": "file", "provider": "dash", "id": "value"})
    );
}

#[test]
fn a_rule_is_for_the_path_with_any_arguments() {
    let program = Path::new("/b/dash");
    let rules = |rules: Value| json!({"file": {"agents": {"*": {"allowlist": rules}}}});
    assert!(has_rule(&rules(json!([{"pattern": "/b/dash", "id": "1"}])), program));
    assert!(!has_rule(&rules(json!([{"pattern": "/b/dash", "argPattern": "^x$"}])), program));
    assert!(!has_rule(&rules(json!([{"pattern": "/c/dash"}])), program));
    assert!(!has_rule(&Value::Null, program));
}
