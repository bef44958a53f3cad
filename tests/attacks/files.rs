//! Files and directories that somebody planted, and the modes of our own.

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use crate::env::TestEnv;

fn modes(dir: &Path, wrong: &mut Vec<String>) {
    for entry in std::fs::read_dir(dir).unwrap().flatten() {
        let found = entry.path().symlink_metadata().unwrap();
        if found.mode() & 0o077 != 0 && !found.file_type().is_symlink() {
            wrong.push(format!("{} {:o}", entry.path().display(), found.mode()));
        }
        if found.is_dir() {
            modes(&entry.path(), wrong);
        }
    }
}

#[test]
fn nothing_of_the_state_is_open_to_others() {
    let env = TestEnv::new();
    std::fs::create_dir_all(env.state()).unwrap();
    std::fs::set_permissions(env.state(), std::fs::Permissions::from_mode(0o777)).unwrap();
    let id = env.spawn(["--stdin", "-e", "SECRET=x", "--", "cat"]);
    env.until(&id, "it runs", |agent| agent["status"] == "running");
    assert_eq!(env.state().metadata().unwrap().mode() & 0o777, 0o700);
    let mut wrong = Vec::new();
    modes(&env.state(), &mut wrong);
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(env.socket().metadata().unwrap().mode() & 0o777, 0o600);
}

#[test]
fn a_link_in_place_of_a_file_leads_nowhere() {
    for name in ["daemon.log", "daemon.lock", "keeper.lock", "keeper.log"] {
        let env = TestEnv::new();
        let victim = env.write("victim", "precious\n");
        std::fs::create_dir_all(env.state()).unwrap();
        symlink(&victim, env.state().join(name)).unwrap();
        let failed = env.run(["status", "--json"]);
        assert_ne!(failed.code, Some(0), "{name}: {failed:#?}");
        assert_eq!(std::fs::read_to_string(&victim).unwrap(), "precious\n", "{name}");
        std::fs::remove_file(env.state().join(name)).unwrap();
        env.run(["status"]).success();
    }
}

#[test]
fn a_link_that_an_agent_plants_among_its_files_shows_nothing_of_others() {
    let env = TestEnv::new();
    let secret = env.write("secret", "of somebody else\n");
    let id = env.spawn(["--stdin", "--", "cat"]);
    env.until(&id, "it runs", |agent| agent["status"] == "running");
    let dir = env.state().join("agents").join(&id);
    std::fs::remove_file(dir.join("stderr")).unwrap();
    symlink(&secret, dir.join("stderr")).unwrap();
    // A daemon that comes back opens the files anew.
    env.kill_daemon();
    env.run(["status"]).success();
    env.run(["send", &id, "hello"]).success();
    env.run(["kill", &id, "--grace", "0s"]).success();
    let said = format!("{:?}", env.events(&id));
    assert!(!said.contains("somebody else"), "{said}");
    assert!(said.contains("hello"), "{said}");
}

#[test]
fn nothing_of_a_hostile_directory_is_run_or_read() {
    let env = TestEnv::new();
    let mark = env.work().join("pwned");
    let script = format!("#!/bin/sh\ntouch {}\n", mark.display());
    for name in
        ["dash", "dashctl", "status", "spawn", "serve", "keeper", "watch", "systemd-run", "sh"]
    {
        let path = env.work().join(name);
        std::fs::write(&path, &script).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    for name in ["config.toml", "dash.toml", ".dash.toml", ".env"] {
        std::fs::write(
            env.work().join(name),
            "default_profile = \"evil\"\nDASH_API_URL=http://x\n",
        )
        .unwrap();
    }
    std::fs::create_dir(env.work().join(".dash")).unwrap();
    std::fs::write(env.work().join(".dash/config.toml"), "nonsense").unwrap();
    env.run(["spawn", "--wait", "--", "true"]).success();
    env.run(["status"]).success();
    env.run(["config", "show"]).success();
    let _ = env.run(["doctor"]);
    env.run(["audit"]).success();
    assert!(!mark.exists());
    // A daemon that was started from there does not sit in it either.
    let pid = env.daemon_pid().unwrap();
    assert_eq!(std::fs::read_link(format!("/proc/{pid}/cwd")).unwrap(), Path::new("/"));
}

#[test]
fn arguments_are_never_ours_after_the_dashes() {
    let env = TestEnv::new();
    let id = env.spawn(["--stdin", "--label=--help", "--", "cat"]);
    env.until(&id, "it runs", |agent| agent["status"] == "running");
    env.run(["send", &id, "--", "--kill"]).success();
    env.run(["send", &id, "--", "$(id); `id`"]).success();
    let two = env.spawn(["-l", "../../x", "--", "echo", "--force", "-rf", "$(id)", "--json"]);
    env.until(&two, "it ends", |agent| agent["status"] == "completed");
    assert_eq!(env.run(["logs", &two]).success().stdout, "--force -rf $(id) --json\n");
    assert_eq!(env.agent(&two)["label"], "../../x");
    crate::env::eventually("it said it back", || {
        let logs = env.run(["logs", &id]).success().stdout;
        if logs == "--kill\n$(id); `id`\n" { Ok(()) } else { Err(logs) }
    });
    for label in ["a\nb", "a\u{7}b"] {
        env.run(["spawn", "-l", label, "--", "true"]).code(2);
    }
}

#[test]
fn a_working_directory_that_is_none_is_refused() {
    let env = TestEnv::new();
    let file = env.write("file", "");
    let link = env.work().join("link");
    symlink("/etc", &link).unwrap();
    for dir in [file.to_str().unwrap(), "/no/such", "~other", ""] {
        env.run(["spawn", "-C", dir, "--", "pwd"]).code(2);
    }
    let id = env.spawn(["-C", link.to_str().unwrap(), "--", "pwd"]);
    assert_eq!(env.agent(&id)["cwd"], "/etc", "recorded as what it is");
}
