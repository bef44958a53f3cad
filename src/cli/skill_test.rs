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
fn the_front_matter_is_what_loaders_take() {
    let front = SKILL.strip_prefix("---\n").unwrap().split("\n---\n").next().unwrap();
    assert!(front.lines().any(|line| line == "name: dash"));
    let description = front.lines().find_map(|line| line.strip_prefix("description: ")).unwrap();
    assert!(description.len() < 160 && !description.contains(": "), "{description}");
    assert!(front.contains("bins:\n        - dashctl"));
    assert!((1024..10 * 1024).contains(&SKILL.len()), "{}", SKILL.len());
}
