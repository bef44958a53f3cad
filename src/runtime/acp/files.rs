//! ACP's `fs/read_text_file` and `fs/write_text_file`, after the policy has allowed them.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use agent_client_protocol::v1::schema::{
    ReadTextFileRequest, ReadTextFileResponse, WriteTextFileRequest, WriteTextFileResponse,
};
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use serde_json::Value;

use super::policy;
use super::wire::{INTERNAL, INVALID_PARAMS, NOT_FOUND};
use crate::model::Permissions;

/// Bytes of a file that is read.
const FILE_MAX: u64 = 10 * 1024 * 1024;

/// What an answer carries: a result, or a JSON-RPC error.
pub(super) type Outcome = Result<Value, (i64, String)>;

/// Something to be done with a file.
#[derive(Debug, Clone)]
pub(super) struct FileWork {
    pub(super) request: Request,
    /// Where the path led when the policy judged it, or people were asked.
    place: PathBuf,
}

#[derive(Debug, Clone)]
pub(super) enum Request {
    Read(Box<ReadTextFileRequest>),
    Write(Box<WriteTextFileRequest>),
}

impl FileWork {
    /// Reads what the method was given.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn of(method: &str, params: &Value, cwd: &Path) -> Result<Self, String> {
        let wrong = |error: serde_json::Error| error.to_string();
        let params = params.clone();
        let request = match method {
            "fs/read_text_file" => {
                serde_json::from_value(params).map(Box::new).map(Request::Read).map_err(wrong)
            }
            _ => serde_json::from_value(params).map(Box::new).map(Request::Write).map_err(wrong),
        }?;
        let mut work = Self { request, place: PathBuf::new() };
        work.place = policy::leads_to(cwd, work.path());
        Ok(work)
    }

    pub(super) fn path(&self) -> &Path {
        match &self.request {
            Request::Read(request) => &request.path,
            Request::Write(request) => &request.path,
        }
    }

    /// What it is, for people: also where the path leads, when a link in it leads elsewhere.
    pub(super) fn title(&self, verb: &str) -> String {
        let path = self.path();
        if path == self.place || !path.is_absolute() && self.place.ends_with(path) {
            return format!("{verb} {}", path.display());
        }
        format!("{verb} {} (which leads to {})", path.display(), self.place.display())
    }

    /// Does it. Blocks.
    pub(super) fn perform(&self, policy: Permissions, cwd: &Path) -> Outcome {
        let path = self.look_again(policy, cwd)?;
        let done = match &self.request {
            Request::Read(request) => read(&path, request),
            Request::Write(request) => write(&path, &request.content),
        };
        done.map_err(|error| {
            let code = match error.kind() {
                io::ErrorKind::NotFound => NOT_FOUND,
                io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => INVALID_PARAMS,
                _ => INTERNAL,
            };
            (code, format!("{}: {error}", self.path().display()))
        })
    }

    /// Where it leads now, for links may have changed since: by a policy that keeps to the working
    /// directory it has to lead into that, and what people were asked about has to be the same place.
    fn look_again(&self, policy: Permissions, cwd: &Path) -> Result<PathBuf, (i64, String)> {
        match policy {
            Permissions::All => Ok(policy::leads_to(cwd, self.path())),
            Permissions::Ask => {
                let place = policy::leads_to(cwd, self.path());
                let changed = "it leads elsewhere than when permission was given";
                if place == self.place { Ok(place) } else { Err((INVALID_PARAMS, changed.into())) }
            }
            _ => policy::resolve(cwd, self.path()).map_err(|reason| (INVALID_PARAMS, reason)),
        }
    }
}

/// Opens a place in which all links are resolved already: one that has come since is not followed.
fn open(place: &Path, how: OFlags) -> io::Result<File> {
    let flags = how | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let mode = Mode::from_raw_mode(0o666);
    let no_links = ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let opened = match rustix::fs::openat2(CWD, place, flags, created(flags, mode), no_links) {
        // Linux before 5.6, or a sandbox that does not know it: at least the last name is no link.
        Err(Errno::NOSYS | Errno::PERM) => rustix::fs::open(place, flags, mode),
        other => other,
    };
    opened.map(File::from).map_err(|error| match error {
        Errno::LOOP => io::Error::new(io::ErrorKind::InvalidInput, "a link has come into its way"),
        error => error.into(),
    })
}

/// `openat2` takes a mode only where a file may be made.
fn created(flags: OFlags, mode: Mode) -> Mode {
    if flags.contains(OFlags::CREATE) { mode } else { Mode::empty() }
}

fn read(path: &Path, request: &ReadTextFileRequest) -> io::Result<Value> {
    let file = open(path, OFlags::RDONLY)?;
    let found = file.metadata()?;
    if !found.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a file"));
    }
    if found.len() > FILE_MAX {
        let message = format!("it is {} bytes long; at most {FILE_MAX} are read", found.len());
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    let mut text = String::new();
    file.take(FILE_MAX).read_to_string(&mut text)?;
    // Lines count from 1.
    let from = request.line.map_or(0, |line| line.saturating_sub(1)) as usize;
    if from > 0 || request.limit.is_some() {
        let most = request.limit.map_or(usize::MAX, |limit| limit as usize);
        text = text.split_inclusive('\n').skip(from).take(most).collect();
    }
    serde_json::to_value(ReadTextFileResponse::new(text)).map_err(Into::into)
}

fn write(path: &Path, content: &str) -> io::Result<Value> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    let mut file = open(path, OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC)?;
    file.write_all(content.as_bytes())?;
    serde_json::to_value(WriteTextFileResponse::default()).map_err(Into::into)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn files_are_read_in_part_and_written_whole() {
        let home = tempfile::tempdir().unwrap();
        let cwd = home.path().canonicalize().unwrap();
        let perform = |method: &str, params: Value| {
            FileWork::of(method, &params, &cwd).unwrap().perform(Permissions::Edit, &cwd)
        };
        let path = cwd.join("new/a.txt");
        let params = json!({"sessionId": "s", "path": path, "content": "1\n2\n3\n"});
        assert!(perform("fs/write_text_file", params).is_ok());
        let read = |more: Value| {
            let mut params = json!({"sessionId": "s", "path": path});
            params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            perform("fs/read_text_file", params).unwrap()["content"].clone()
        };
        assert_eq!(read(json!({})), "1\n2\n3\n");
        assert_eq!(read(json!({"line": 2, "limit": 1})), "2\n");
        let missing = json!({"sessionId": "s", "path": cwd.join("none")});
        assert_eq!(perform("fs/read_text_file", missing).unwrap_err().0, NOT_FOUND);
        let outside = json!({"sessionId": "s", "path": "/etc/passwd"});
        assert!(perform("fs/read_text_file", outside).is_err());
        assert!(FileWork::of("fs/read_text_file", &json!({"path": 7}), &cwd).is_err());
    }

    #[test]
    fn a_link_that_changes_after_the_decision_is_not_followed() {
        use std::os::unix::fs::symlink;
        let home = tempfile::tempdir().unwrap();
        let root = home.path().canonicalize().unwrap();
        let cwd = root.join("work");
        std::fs::create_dir_all(cwd.join("dir")).unwrap();
        std::fs::write(root.join("secret"), "secret").unwrap();
        std::fs::write(cwd.join("dir/secret"), "harmless").unwrap();
        symlink(cwd.join("dir"), cwd.join("link")).unwrap();
        let params = json!({"sessionId": "s", "path": cwd.join("link/secret")});
        let work = FileWork::of("fs/read_text_file", &params, &cwd).unwrap();
        assert!(work.title("read").contains("dir/secret"), "{}", work.title("read"));
        assert!(work.perform(Permissions::Ask, &cwd).is_ok());
        std::fs::remove_file(cwd.join("link")).unwrap();
        symlink(&root, cwd.join("link")).unwrap();
        for policy in [Permissions::Ask, Permissions::Read] {
            assert!(work.perform(policy, &cwd).is_err(), "{policy}");
        }
        assert!(work.perform(Permissions::All, &cwd).is_ok());
        let raced = open(&cwd.join("link/secret"), OFlags::RDONLY).unwrap_err();
        assert_eq!(raced.kind(), io::ErrorKind::InvalidInput, "{raced}");
    }
}
