//! `dash acp`, spoken to by a small client over the real binary.

mod acpx;
pub mod client;
mod garbage;
mod harness;
mod many;
mod servers;
mod sessions;
mod turns;

use crate::env::TestEnv;

/// Profiles of scripted and command agents.
const PROFILES: &str = r#"
default_profile = "talk"

# Scripted: says what it was given, then what it hears.
[profiles.talk]
runtime = "scripted"
task = "think hm; say you said {task}; repeat 100 wait"

[profiles.slow]
runtime = "scripted"
task = "say begun {task}; sleep 5m; say never"

[profiles.broken]
runtime = "scripted"
task = "say begun; fail the model is on strike"

[profiles.lines]
runtime = "command"
command = ["sh", "-c", "echo \"got $1\"; echo noise >&2; echo done", "sh", "{task}"]

[profiles.failing]
runtime = "command"
command = ["sh", "-c", "echo begun; echo it broke >&2; exit 7"]

# Goes on when somebody makes the file.
[profiles.until]
runtime = "command"
command = ["sh", "-c", "echo begun; until [ -e \"$1\" ]; do sleep 0.05; done; echo over", "sh", "{task}"]
"#;

fn home() -> TestEnv {
    TestEnv::with_config(PROFILES)
}
