//! The harnesses that there are profiles for without any configuration.
//!
//! Which command puts a harness into its ACP mode, and which package brings it, are facts of the
//! harnesses as the ACP registry (agentclientprotocol.com/registry) and the client `acpx` 0.19 list them.

use super::Profile;
use crate::model::Runtime;

/// A program that speaks the Agent Client Protocol, and what there is to know about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Harness {
    /// The profile's name.
    pub name: &'static str,
    /// What people call it.
    pub title: &'static str,
    /// The program and the arguments that start its ACP mode.
    pub command: &'static [&'static str],
    /// How to get the program.
    pub install: &'static str,
    /// How to log in to it.
    pub login: &'static str,
    /// Variables with keys of its model providers. Only it gets them.
    pub keys: &'static [&'static str],
    /// Mebibytes that one agent takes with all its processes; [`MEMORY_MB`] where nobody has measured.
    pub memory_mb: u32,
}

/// Mebibytes that a harness is expected to take when nobody has measured: most are Node programs.
const MEMORY_MB: u32 = 300;

const ANTHROPIC: &[&str] =
    &["ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN"];
const OPENAI: &[&str] = &["OPENAI_API_KEY", "CODEX_API_KEY"];
const GOOGLE: &[&str] = &["GEMINI_API_KEY", "GOOGLE_API_KEY"];
/// Of harnesses that talk to any provider.
const ANY: &[&str] = &[
    "ANTHROPIC_API_KEY",
    "OPENAI_API_KEY",
    "GEMINI_API_KEY",
    "OPENROUTER_API_KEY",
    "GROQ_API_KEY",
];

/// All of them, by name.
pub const HARNESSES: &[Harness] = &[
    Harness {
        name: "claude",
        title: "Claude Code",
        command: &["claude-agent-acp"],
        install: "npm install -g @agentclientprotocol/claude-agent-acp (Node 22 or newer)",
        login: "run `claude` once and log in, or give it a key: `-e ANTHROPIC_API_KEY`",
        keys: ANTHROPIC,
        memory_mb: 333,
    },
    Harness {
        name: "codex",
        title: "Codex",
        command: &["codex-acp"],
        install: "npm install -g @agentclientprotocol/codex-acp",
        login: "run `codex login`, or give it a key: `-e OPENAI_API_KEY`",
        keys: OPENAI,
        memory_mb: 300,
    },
    Harness {
        name: "copilot",
        title: "GitHub Copilot",
        command: &["copilot", "--acp", "--stdio"],
        install: "npm install -g @github/copilot",
        login: "run `copilot` once and use /login, or give it a key: `-e COPILOT_GITHUB_TOKEN`",
        keys: &["COPILOT_GITHUB_TOKEN", "GH_TOKEN", "GITHUB_TOKEN"],
        memory_mb: MEMORY_MB,
    },
    Harness {
        name: "cursor",
        title: "Cursor",
        command: &["cursor-agent", "acp"],
        install: "install Cursor's command line, as cursor.com/cli says",
        login: "run `cursor-agent login`, or give it a key: `-e CURSOR_API_KEY`",
        keys: &["CURSOR_API_KEY"],
        memory_mb: MEMORY_MB,
    },
    Harness {
        name: "droid",
        title: "Factory Droid",
        command: &["droid", "exec", "--output-format", "acp"],
        install: "install Droid, as docs.factory.ai says",
        login: "run `droid` once and log in, or give it a key: `-e FACTORY_API_KEY`",
        keys: &["FACTORY_API_KEY"],
        memory_mb: MEMORY_MB,
    },
    Harness {
        name: "gemini",
        title: "Gemini CLI",
        command: &["gemini", "--acp"],
        install: "npm install -g @google/gemini-cli",
        login: "run `gemini` once and log in, or give it a key: `-e GEMINI_API_KEY`",
        keys: GOOGLE,
        memory_mb: 430,
    },
    Harness {
        name: "goose",
        title: "Goose",
        command: &["goose", "acp"],
        install: "install Goose, as its documentation says",
        login: "run `goose configure`",
        keys: ANY,
        memory_mb: 100,
    },
    Harness {
        name: "kimi",
        title: "Kimi Code",
        command: &["kimi", "acp"],
        install: "uv tool install kimi-cli",
        login: "run `kimi login`, or give it a key: `-e KIMI_API_KEY`",
        keys: &["KIMI_API_KEY", "MOONSHOT_API_KEY"],
        memory_mb: MEMORY_MB,
    },
    Harness {
        name: "openclaw",
        title: "OpenClaw",
        command: &["openclaw", "acp"],
        install: "npm install -g openclaw (Node 24 or newer)",
        login: "run `openclaw onboard`; its gateway has to run",
        keys: &[],
        memory_mb: MEMORY_MB,
    },
    Harness {
        name: "opencode",
        title: "OpenCode",
        command: &["opencode", "acp"],
        install: "npm install -g opencode-ai",
        login: "run `opencode auth login`",
        keys: ANY,
        memory_mb: 640,
    },
    Harness {
        name: "pi",
        title: "Pi",
        command: &["pi-acp"],
        install: "npm install -g pi-acp @mariozechner/pi-coding-agent",
        login: "run `pi` once and use /login, or give it a provider's key with `-e`",
        keys: ANY,
        memory_mb: 165,
    },
    Harness {
        name: "qwen",
        title: "Qwen Code",
        command: &["qwen", "--acp"],
        install: "npm install -g @qwen-code/qwen-code (Node 22 or newer)",
        login: "run `qwen` once and log in, or give it a key: `-e OPENAI_API_KEY`",
        keys: &["OPENAI_API_KEY", "DASHSCOPE_API_KEY"],
        memory_mb: MEMORY_MB,
    },
];

impl Harness {
    /// The one with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        HARNESSES.iter().find(|harness| harness.name == name)
    }

    /// As a profile.
    #[must_use]
    pub fn profile(&self) -> Profile {
        Profile {
            command: self.command.iter().map(|&part| part.to_owned()).collect(),
            description: Some(self.title.to_owned()),
            login: Some(self.login.to_owned()),
            keys: self.keys.iter().map(|&key| key.to_owned()).collect(),
            memory_mb: Some(self.memory_mb),
            ..Profile::of(Runtime::Acp)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_harness_says_all_that_a_person_needs() {
        assert!(HARNESSES.is_sorted_by_key(|harness| harness.name));
        for harness in HARNESSES {
            let profile = harness.profile();
            assert_eq!(Harness::named(harness.name), Some(harness));
            assert!(!profile.command.is_empty() && !harness.install.is_empty(), "{harness:?}");
            assert!(profile.login.is_some_and(|login| !login.is_empty()), "{harness:?}");
            assert!(profile.memory_mb.is_some_and(|mb| mb >= 50), "{harness:?}");
            let a_name = |c: char| c.is_ascii_uppercase() || c == '_';
            assert!(profile.keys.iter().all(|key| key.chars().all(a_name)), "{harness:?}");
        }
    }
}
