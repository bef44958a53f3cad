//! ACP's `fs/read_text_file` and `fs/write_text_file`, after the policy has allowed them.

use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use agent_client_protocol::v1::schema::{
    ReadTextFileRequest, ReadTextFileResponse, WriteTextFileRequest, WriteTextFileResponse,
};
use rustix::fs::OFlags;
use serde_json::Value;

use super::policy;
use super::wire::{INTERNAL, INVALID_PARAMS, NOT_FOUND};
use crate::model::Permissions;

/// Bytes of a file that is read.
const FILE_MAX: u64 = 10 * 1024 * 1024;

/// What an answer carries: a result, or a JSON-RPC error.
type Outcome = Result<Value, (i64, String)>;

/// Something to be done with a file.
#[derive(Debug, Clone)]
pub(super) enum Work {
    Read(Box<ReadTextFileRequest>),
    Write(Box<WriteTextFileRequest>),
}

impl Work {
    /// Reads what the method was given.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn of(method: &str, params: &Value) -> Result<Self, String> {
        let wrong = |error: serde_json::Error| error.to_string();
        match method {
            "fs/read_text_file" => {
                serde_json::from_value(params.clone()).map(Box::new).map(Self::Read).map_err(wrong)
            }
            _ => {
                serde_json::from_value(params.clone()).map(Box::new).map(Self::Write).map_err(wrong)
            }
        }
    }

    pub(super) fn path(&self) -> &Path {
        match self {
            Self::Read(request) => &request.path,
            Self::Write(request) => &request.path,
        }
    }

    /// Does it. Blocks.
    pub(super) fn perform(&self, policy: Permissions, cwd: &Path) -> Outcome {
        let path = self.place(policy, cwd)?;
        let done = match self {
            Self::Read(request) => read(&path, request),
            Self::Write(request) => write(&path, &request.content),
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

    /// Where it really leads, looked up once more: what the policy judged may have changed.
    fn place(&self, policy: Permissions, cwd: &Path) -> Result<PathBuf, (i64, String)> {
        match policy {
            // People or the policy have allowed any place.
            Permissions::All | Permissions::Ask => {
                let full = cwd.join(self.path());
                Ok(full.canonicalize().unwrap_or(full))
            }
            _ => policy::resolve(cwd, self.path()).map_err(|reason| (INVALID_PARAMS, reason)),
        }
    }
}

fn nofollow() -> i32 {
    i32::try_from((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits()).unwrap_or_default()
}

fn read(path: &Path, request: &ReadTextFileRequest) -> io::Result<Value> {
    let file = OpenOptions::new().read(true).custom_flags(nofollow()).open(path)?;
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
    let mut open = OpenOptions::new();
    open.write(true).create(true).truncate(true).custom_flags(nofollow());
    open.open(path)?.write_all(content.as_bytes())?;
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
            Work::of(method, &params).unwrap().perform(Permissions::Edit, &cwd)
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
        assert!(Work::of("fs/read_text_file", &json!({"path": 7})).is_err());
    }
}
