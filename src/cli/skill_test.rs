//! The skill for OpenClaw is part of the manual: it may only say what is so.

use clap::Parser as _;

use crate::cli::Cli;

const SKILL: &str = include_str!("../../skill/dash/SKILL.md");

/// The words of a command line that knows single quotes only.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (number, part) in line.split('\'').enumerate() {
        if number % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    words
}

/// What is read on demand. Its commands are typed by people, too.
const REFERENCES: &[&str] = &[
    include_str!("../../skill/dash/references/acp.md"),
    include_str!("../../skill/dash/references/allowlist.md"),
    include_str!("../../skill/dash/references/configuration.md"),
    include_str!("../../skill/dash/references/limits.md"),
    include_str!("../../skill/dash/references/live.md"),
    include_str!("../../skill/dash/references/provider.md"),
    include_str!("../../skill/dash/references/removal.md"),
    include_str!("../../skill/dash/references/troubleshooting.md"),
];

#[test]
fn every_command_of_the_references_is_one() {
    let mut count = 0;
    for text in REFERENCES {
        for block in text.split("```bash\n").skip(1).map(|rest| rest.split("```").next().unwrap()) {
            for line in block.lines().filter(|line| line.starts_with("dashctl ")) {
                count += 1;
                if let Err(error) = Cli::try_parse_from(words(line)) {
                    panic!("{line}\n{error}");
                }
            }
        }
    }
    assert!(count >= 10, "{count}");
}

#[test]
fn every_command_of_the_skill_is_one() {
    let blocks = SKILL.split("```bash\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let lines: Vec<&str> = blocks.flat_map(str::lines).collect();
    assert!(lines.len() >= 8, "{lines:?}");
    for line in lines {
        assert!(line.starts_with("dashctl "), "{line}");
        for forbidden in [";", "|", "&", "$", ">", "<", "\"", "`"] {
            assert!(!line.contains(forbidden), "an allowlist refuses {forbidden}: {line}");
        }
        if let Err(error) = Cli::try_parse_from(words(line)) {
            panic!("{line}\n{error}");
        }
    }
    for inline in [
        "dashctl kill --json --group NAME",
        "dashctl shutdown",
        "dashctl shutdown --kill-agents",
        "dashctl doctor",
        "dashctl serve",
        "dashctl spawn --count 5 --timeout 30m --cwd /path --stdin -e NAME -- true",
    ] {
        Cli::try_parse_from(words(inline)).unwrap_or_else(|error| panic!("{inline}\n{error}"));
    }
}

#[test]
fn the_skill_says_how_to_answer_an_agent_that_asks_and_that_the_user_decides() {
    let (_, rest) = SKILL.split_once("\n## Answer an agent that asks\n").unwrap();
    let section = rest.split("\n## ").next().unwrap();
    for command in ["allow --json review", "allow --json review allow_always", "deny --json review"]
    {
        assert!(section.contains(&format!("```bash\ndashctl {command}\n```")), "{command}");
    }
    assert!(section.contains("Never answer by yourself"), "{section}");
    let table = SKILL.lines().find(|line| line.starts_with("| `/dash allow LABEL`"));
    assert!(table.unwrap().contains("`dashctl allow --json LABEL`, `dashctl deny --json LABEL`"));
}

#[test]
fn removal_names_every_place() {
    let removal = include_str!("../../skill/dash/references/removal.md");
    for place in
        ["~/.local/state/dash", "~/.config/dash", "$XDG_RUNTIME_DIR/dash", "dashctl completions"]
    {
        assert!(removal.contains(place), "{place}");
    }
    assert!(!removal.contains("Nothing is anywhere else"), "OpenClaw keeps things of its own");
}

#[test]
fn the_front_matter_is_what_loaders_take() {
    let front = SKILL.strip_prefix("---\n").unwrap().split("\n---\n").next().unwrap();
    assert!(front.lines().any(|line| line == "name: dash"));
    let description = front.lines().find_map(|line| line.strip_prefix("description: ")).unwrap();
    assert!(description.len() < 160 && !description.contains(": "), "{description}");
    assert!(front.contains("bins:\n        - dashctl"));
    assert!((1024..10 * 1024).contains(&SKILL.len()), "{}", SKILL.len());
}
