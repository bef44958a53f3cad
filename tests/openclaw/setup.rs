//! `dash openclaw` without a gateway, and the skill before its validators.

use std::path::Path;
use std::process::Command;

use super::lab::{finish, installed};
use crate::env::Output;

#[test]
fn there_is_nothing_to_install_into_without_openclaw() {
    let env = crate::env::TestEnv::new();
    for verb in ["install", "status", "uninstall"] {
        let error = env.run(["openclaw", verb, "--json"]).code(78).error();
        assert!(error["message"].as_str().unwrap().contains("no state directory"), "{error}");
        assert!(error["hint"].as_str().unwrap().contains("openclaw onboard"), "{error}");
    }
    assert!(!env.home().join(".local").exists() && env.daemon_pid().is_none());
}

#[test]
fn where_things_are_can_be_said_and_a_command_that_fails_is_named() {
    let env = crate::env::TestEnv::new();
    let state = env.home().join("state of mine");
    std::fs::create_dir_all(&state).unwrap();
    std::fs::write(state.join("openclaw.json"), "{ /* json5 */ agents: {} }").unwrap();
    let fails = env.program(
        "openclaw",
        "#!/bin/sh\necho \"$OPENCLAW_STATE_DIR\" >&2\necho not today >&2\nexit 1\n",
    );
    let (state, fails) = (state.to_str().unwrap(), fails.to_str().unwrap());
    let link = env.home().join("programs");
    let base = ["--state-dir", state, "--openclaw", fails, "--link", link.to_str().unwrap()];
    let part = ["--part", "allowlist"];
    let install = |more: &[&str]| {
        let all = ["openclaw", "install"].iter().chain(&base).chain(&part).chain(more);
        env.run(all)
    };
    let printed = install(&[]).success();
    let expected = format!(
        "OPENCLAW_STATE_DIR='{state}' openclaw approvals allowlist add --agent '*' {}",
        std::fs::canonicalize(env!("CARGO_BIN_EXE_dash")).unwrap().display()
    );
    assert!(printed.stdout.lines().any(|line| line == expected), "{printed:#?}\n{expected}");
    assert!(Path::new(state).join("skills/dash/SKILL.md").exists());
    let failed = install(&["--apply", "--json"]).code(1).error();
    let message = failed["message"].as_str().unwrap();
    assert!(message.contains("not today") && message.contains(state), "{failed}");
    let removed = env.run(["openclaw", "uninstall"].iter().chain(&base)).success();
    assert!(removed.stdout.contains("allowlist remove"), "{removed:#?}");
    assert!(!Path::new(state).join("skills").exists() && !link.exists());
    let json5 = std::fs::read_to_string(Path::new(state).join("openclaw.json")).unwrap();
    assert_eq!(json5, "{ /* json5 */ agents: {} }");
}

/// OpenClaw's own validator of skills, and the reference validator of agentskills.io (skills-ref 0.1.1).
#[test]
fn the_skill_passes_both_validators() {
    let skill = Path::new(env!("CARGO_MANIFEST_DIR")).join("skill/dash");
    let packages = installed().parent().unwrap().to_owned();
    let quick = packages.join("openclaw/skills/skill-creator/scripts/quick_validate.py");
    let mut command = Command::new("python3");
    command.arg(quick).arg(&skill);
    let said = finish(command).success().stdout;
    assert!(said.contains("Skill is valid!"), "{said}");
    let mut command = Command::new("python3");
    command.args(["-m", "skills_ref.cli", "validate"]).arg(&skill);
    let said = finish_with(command, &packages.parent().unwrap().join("python")).success().stdout;
    assert!(said.contains("Valid skill"), "{said}");
}

fn finish_with(mut command: Command, python: &Path) -> Output {
    command.env("PYTHONPATH", python);
    finish(command)
}
