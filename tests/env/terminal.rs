//! A terminal that somebody sits at: keys in, a screen out. It is a pane of tmux.

use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::{PATIENCE, TestEnv, eventually};

/// A pane with a shell in it that finds the program by its name.
pub struct Terminal {
    socket: PathBuf,
    raw: PathBuf,
    path: String,
}

impl Terminal {
    /// Opens one in this home; says so and gives nothing where there is no tmux.
    pub fn open(env: &TestEnv, columns: usize, shell: &str) -> Option<Self> {
        let has_tmux = Command::new("tmux").arg("-V").stdout(Stdio::null()).status();
        if !has_tmux.is_ok_and(|status| status.success()) {
            super::skipped("tmux is not installed");
            return None;
        }
        let like = env.command(["--version"]);
        let home = env.work().parent().unwrap().to_owned();
        let bin = home.join("bin");
        if !bin.exists() {
            std::fs::create_dir(&bin).unwrap();
            symlink(like.get_program(), bin.join("dash")).unwrap();
        }
        let name = format!("t{}", std::fs::read_dir(&home).unwrap().count());
        let path = format!("{}:/usr/local/bin:/usr/bin:/bin", bin.display());
        let terminal = Self { socket: home.join(&name), raw: home.join(name + ".raw"), path };
        let columns = columns.to_string();
        let mut tmux = terminal.tmux(["new-session", "-d", "-x", &columns, "-y", "50", shell]);
        for (name, value) in like.get_envs() {
            if !matches!(name.to_str(), Some("TERM" | "COLUMNS" | "PATH")) {
                tmux.env(name, value.unwrap());
            }
        }
        tmux.env("PS1", "$ ");
        assert!(tmux.current_dir(env.work()).status().unwrap().success());
        let record = format!("cat > '{}'", terminal.raw.display());
        assert!(terminal.tmux(["pipe-pane", &record]).status().unwrap().success());
        eventually("what is written is recorded", || std::fs::metadata(&terminal.raw));
        Some(terminal)
    }

    /// A terminal with a plain shell.
    pub fn bash(env: &TestEnv, columns: usize) -> Option<Self> {
        let terminal = Self::open(env, columns, "bash --norc --noprofile")?;
        terminal.shows("$ ");
        Some(terminal)
    }

    fn tmux<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Command {
        let mut tmux = Command::new("tmux");
        tmux.arg("-u").arg("-S").arg(&self.socket).args(["-f", "/dev/null"]).args(args);
        tmux.env_clear().env("PATH", &self.path).env("LC_ALL", "C.UTF-8").env("SHELL", "/bin/sh");
        tmux.stdin(Stdio::null());
        tmux
    }

    /// Types a line and enters it.
    pub fn enter(&self, line: &str) {
        self.types(line);
        self.key("Enter");
    }

    /// Types this.
    pub fn types(&self, text: &str) {
        assert!(self.tmux(["send-keys", "-l", "--", text]).status().unwrap().success());
    }

    /// Presses a key, by the name that tmux has for it.
    pub fn key(&self, key: &str) {
        assert!(self.tmux(["send-keys", key]).status().unwrap().success());
    }

    /// What the screen shows; a line that runs over the edge is one line.
    #[must_use]
    pub fn screen(&self) -> String {
        let output = self.tmux(["capture-pane", "-p", "-J"]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    /// The title that programs may set.
    #[must_use]
    pub fn title(&self) -> String {
        let output = self.tmux(["display-message", "-p", "#{pane_title}"]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    /// Waits until the screen shows this.
    #[track_caller]
    pub fn shows(&self, text: &str) -> String {
        eventually(&format!("the screen shows {text:?}"), || {
            let screen = self.screen();
            if screen.contains(text) { Ok(screen) } else { Err(screen) }
        })
    }

    /// Enters a line, waits until it is done, and gives its exit code and everything that was
    /// written meanwhile, from the line itself on.
    #[track_caller]
    pub fn run(&self, line: &str) -> (i32, String) {
        self.begin(line).done(self)
    }

    /// Enters a line.
    pub fn begin(&self, line: &str) -> Begun {
        let before = std::fs::metadata(&self.raw).unwrap().len();
        self.enter(&format!("{line}; echo code=$?."));
        Begun { before: usize::try_from(before).unwrap() }
    }

    /// Presses Tab until the screen shows this: a completion gives up soon on a busy machine.
    #[track_caller]
    pub fn tab_until(&self, text: &str) {
        let begin = Instant::now();
        while begin.elapsed() < PATIENCE {
            self.key("Tab");
            let pressed = Instant::now();
            while pressed.elapsed() < Duration::from_secs(1) {
                if self.screen().contains(text) {
                    return;
                }
                std::thread::park_timeout(Duration::from_millis(10));
            }
        }
        panic!("Tab never made {text:?}: {}", self.screen());
    }
}

/// A line that was entered.
#[must_use = "wait for its end"]
pub struct Begun {
    before: usize,
}

impl Begun {
    /// Waits until it is done: its exit code, and what was written from the line on.
    #[track_caller]
    pub fn done(self, terminal: &Terminal) -> (i32, String) {
        eventually("the command is done", || {
            let raw = std::fs::read(&terminal.raw).unwrap();
            let raw = String::from_utf8_lossy(&raw[self.before..]);
            let code = raw.rsplit("code=").next().and_then(|rest| rest.split_once('.'));
            match code.and_then(|(code, _)| code.parse().ok()) {
                Some(code) => Ok((code, raw.into_owned())),
                None => Err(terminal.screen()),
            }
        })
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.tmux(["kill-server"]).status();
    }
}
