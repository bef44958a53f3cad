//! OpenClaw's own command line: the only thing that changes OpenClaw's configuration.

use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

/// How long one call may take. Seen: 3 to 8 s, and 37 s where it looks for a plugin in vain.
const LIMIT: Duration = Duration::from_mins(2);

/// The program, and which OpenClaw it is to work on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    pub path: PathBuf,
    /// Variables for it, when it would not find that OpenClaw by itself.
    pub environment: Vec<(&'static str, OsString)>,
}

/// How a call went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    pub succeeded: bool,
    pub stdout: String,
    pub stderr: String,
}

impl Program {
    /// The program that is named, or the first `openclaw` on the PATH.
    #[must_use]
    pub fn find(named: Option<PathBuf>, search: Option<&OsString>) -> Option<PathBuf> {
        let is_program = |file: &PathBuf| {
            std::fs::metadata(file)
                .is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
        };
        let on_path = || {
            let mut all = std::env::split_paths(search?).filter(|dir| dir.is_absolute());
            all.find_map(|dir| Some(dir.join("openclaw")).filter(is_program))
        };
        named.filter(is_program).or_else(on_path)
    }

    /// Runs it with these arguments, without a shell, to its end.
    ///
    /// # Errors
    /// When it cannot be run, or takes too long.
    pub async fn run(&self, arguments: &[String]) -> std::io::Result<Output> {
        let mut command = tokio::process::Command::new(&self.path);
        command
            .args(arguments)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let ended = tokio::time::timeout(LIMIT, command.output()).await.map_err(|_| {
            std::io::Error::other(format!("no answer within {} s", LIMIT.as_secs()))
        })??;
        Ok(Output {
            succeeded: ended.status.success(),
            stdout: String::from_utf8_lossy(&ended.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&ended.stderr).into_owned(),
        })
    }

    /// The call as one would type it.
    #[must_use]
    pub fn shown(&self, arguments: &[String]) -> String {
        let mut words: Vec<String> = self
            .environment
            .iter()
            .map(|(name, value)| format!("{name}={}", quoted(&value.to_string_lossy())))
            .collect();
        words.push(match self.path.file_name() {
            Some(name)
                if self.path == Path::new(name)
                    || self.path.is_absolute() && name == "openclaw" =>
            {
                "openclaw".to_owned()
            }
            _ => quoted(&self.path.to_string_lossy()),
        });
        words.extend(arguments.iter().map(|word| quoted(word)));
        words.join(" ")
    }
}

/// A word as a POSIX shell takes it.
#[must_use]
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_shown_as_one_types_it() {
        let program = Program {
            path: "/opt/node/bin/openclaw".into(),
            environment: vec![("OPENCLAW_STATE_DIR", "/my dir".into())],
        };
        let arguments = ["config", "set", "a.b", "{\"x\": \"it's\"}"].map(str::to_owned);
        assert_eq!(
            program.shown(&arguments),
            r#"OPENCLAW_STATE_DIR='/my dir' openclaw config set a.b '{"x": "it'\''s"}'"#
        );
    }

    #[tokio::test]
    async fn it_is_run_without_a_shell() {
        let program = Program { path: "/usr/bin/printf".into(), environment: Vec::new() };
        let output = program.run(&["%s".into(), "$HOME; `true`".into()]).await.unwrap();
        assert_eq!((output.succeeded, output.stdout.as_str()), (true, "$HOME; `true`"));
    }
}
