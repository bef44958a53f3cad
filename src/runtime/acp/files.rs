//! ACP's `fs/read_text_file` and `fs/write_text_file`, after the policy has allowed them.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};

use agent_client_protocol::v1::schema::{
    ReadTextFileRequest, ReadTextFileResponse, WriteTextFileRequest, WriteTextFileResponse,
};
use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;
use serde_json::Value;

use super::policy::{self, Place};
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
    pub(super) place: Place,
    /// Whether the path says so itself.
    plain: bool,
}

#[derive(Debug, Clone)]
pub(super) enum Request {
    Read(Box<ReadTextFileRequest>),
    Write(Box<WriteTextFileRequest>),
}

impl Request {
    pub(super) fn path(&self) -> &Path {
        match self {
            Self::Read(request) => &request.path,
            Self::Write(request) => &request.path,
        }
    }
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
        let place = Place::of(cwd, request.path());
        let plain = cwd.join(request.path()) == place.path;
        Ok(Self { request, place, plain })
    }

    /// What it is, for people: also where the path leads, when a link in it leads elsewhere.
    pub(super) fn title(&self, verb: &str) -> String {
        let path = self.request.path().display();
        if self.plain {
            return format!("{verb} {path}");
        }
        format!("{verb} {path} (which leads to {})", self.place.path.display())
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
            (code, format!("{}: {error}", self.request.path().display()))
        })
    }

    /// Where it leads now, for links may have changed since: by a policy that keeps to the working
    /// directory it has to lead into that. Where people are asked, it has to be the place that they, or the
    /// policy for them, have judged: whatever is not judged again is not opened.
    fn look_again(&self, policy: Permissions, cwd: &Path) -> Result<PathBuf, (i64, String)> {
        let path = self.request.path();
        match policy {
            Permissions::All => Ok(policy::leads_to(cwd, path)),
            Permissions::Ask => {
                let place = policy::leads_to(cwd, path);
                let changed = "it leads elsewhere than when permission was given";
                let same = place == self.place.path;
                if same { Ok(place) } else { Err((INVALID_PARAMS, changed.into())) }
            }
            _ => policy::resolve(cwd, path).map_err(|reason| (INVALID_PARAMS, reason)),
        }
    }
}

/// A directory on the way: only to go on from, without a right to read it.
const ON_THE_WAY: OFlags =
    OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Opens a place in which all links are resolved already, name by name from the root: a link that has come
/// since is not followed, wherever in the path it is. With `OFlags::CREATE`, directories that are missing
/// are made on the way.
fn open(place: &Path, how: OFlags) -> io::Result<File> {
    let mut names = Vec::new();
    for component in place.components() {
        match component {
            Component::RootDir => {}
            Component::Normal(name) => names.push(name),
            // What would go up again, or begins somewhere else, is not resolved.
            _ => return Err(invalid("its way is not clear")),
        }
    }
    let Some((last, way)) = names.split_last() else { return Err(invalid("it is not a file")) };
    let mut directory: OwnedFd = rustix::fs::open("/", ON_THE_WAY, Mode::empty())?;
    for name in way {
        directory = match rustix::fs::openat(&directory, *name, ON_THE_WAY, Mode::empty()) {
            Err(Errno::NOENT) if how.contains(OFlags::CREATE) => make(&directory, name)?,
            other => other.map_err(|error| on_the_way(&directory, name, error))?,
        };
    }
    let flags = how | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let opened = rustix::fs::openat(&directory, *last, flags, Mode::from_raw_mode(0o666));
    let file = File::from(opened.map_err(|error| on_the_way(&directory, last, error))?);
    // Opening a FIFO or a device, or writing to it, does what nobody was asked about.
    if file.metadata()?.is_file() { Ok(file) } else { Err(invalid("it is not a file")) }
}

/// Makes a directory, unless somebody else has made it just now.
fn make(parent: &OwnedFd, name: &OsStr) -> io::Result<OwnedFd> {
    match rustix::fs::mkdirat(parent, name, Mode::from_raw_mode(0o777)) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(error) => return Err(error.into()),
    }
    let made = rustix::fs::openat(parent, name, ON_THE_WAY, Mode::empty());
    made.map_err(|error| on_the_way(parent, name, error))
}

/// What the system says of a link where none may be is not plain.
fn on_the_way(parent: &OwnedFd, name: &OsStr, error: Errno) -> io::Error {
    let is_link = || {
        rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)
            .is_ok_and(|found| FileType::from_raw_mode(found.st_mode) == FileType::Symlink)
    };
    match error {
        Errno::LOOP | Errno::NOTDIR if is_link() => invalid("a link has come into its way"),
        error => error.into(),
    }
}

fn invalid(message: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, message)
}

fn read(path: &Path, request: &ReadTextFileRequest) -> io::Result<Value> {
    let file = open(path, OFlags::RDONLY)?;
    let size = file.metadata()?.len();
    if size > FILE_MAX {
        return Err(invalid(&format!("it is {size} bytes long; at most {FILE_MAX} are read")));
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
    let mut file = open(path, OFlags::WRONLY | OFlags::CREATE)?;
    file.set_len(0)?;
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

    #[test]
    fn no_link_is_followed_and_no_directory_made_behind_one() {
        use std::os::unix::fs::symlink;
        let home = tempfile::tempdir().unwrap();
        let root = home.path().canonicalize().unwrap();
        let (cwd, other) = (root.join("work"), root.join("other"));
        for dir in [&cwd, &other] {
            std::fs::create_dir(dir).unwrap();
        }
        std::fs::write(other.join("file"), "as it was").unwrap();
        symlink(&other, cwd.join("dir")).unwrap();
        symlink(other.join("file"), cwd.join("file")).unwrap();
        symlink(other.join("none"), cwd.join("none")).unwrap();
        // What was judged is the path itself: as if the links had come afterwards.
        for path in ["dir/new/deep/file", "dir/file", "file", "none"] {
            let error = write(&cwd.join(path), "x").unwrap_err();
            assert!(error.to_string().contains("a link has come"), "{path}: {error}");
        }
        let up = write(&cwd.join("new/../../other/file"), "x").unwrap_err();
        assert!(up.to_string().contains("not clear"), "{up}");
        assert_eq!(std::fs::read_dir(&other).unwrap().count(), 1);
        assert_eq!(std::fs::read_to_string(other.join("file")).unwrap(), "as it was");
        write(&cwd.join("new/deep/file"), "x").unwrap();
        write(&cwd.join("new/deep/file"), "").unwrap();
        assert_eq!(std::fs::read_to_string(cwd.join("new/deep/file")).unwrap(), "");
    }

    #[test]
    fn what_is_no_file_is_neither_read_nor_written() {
        let home = tempfile::tempdir().unwrap();
        let root = home.path().canonicalize().unwrap();
        let fifo = root.join("fifo");
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, FileType::Fifo, Mode::RWXU, 0).unwrap();
        let both = OFlags::RDWR | OFlags::NONBLOCK;
        let _reader = rustix::fs::open(&fifo, both, Mode::empty()).unwrap();
        assert!(write(&fifo, "x").unwrap_err().to_string().contains("not a file"));
        assert!(open(&fifo, OFlags::RDONLY).unwrap_err().to_string().contains("not a file"));
        assert!(open(&root, OFlags::RDONLY).unwrap_err().to_string().contains("not a file"));
        assert!(open(Path::new("/"), OFlags::RDONLY).is_err());
    }

    /// Where the policy allows by itself what is inside, it has judged that place: a link that led inside
    /// only while it was looked at gets nobody out.
    #[test]
    fn what_was_judged_is_what_is_opened() {
        use std::os::unix::fs::symlink;

        use super::super::policy::{Verdict, Wish, judge};
        let home = tempfile::tempdir().unwrap();
        let root = home.path().canonicalize().unwrap();
        let cwd = root.join("work");
        std::fs::create_dir(&cwd).unwrap();
        std::fs::write(cwd.join("mine"), "harmless").unwrap();
        std::fs::write(root.join("secret"), "secret").unwrap();
        let link = cwd.join("link");
        let lead = |to: &Path| {
            let _ = std::fs::remove_file(&link);
            symlink(to, &link).unwrap();
        };
        let params = json!({"sessionId": "s", "path": &link});
        for (first, then) in [("secret", "work/mine"), ("work/mine", "secret")] {
            lead(&root.join(first));
            let work = FileWork::of("fs/read_text_file", &params, &cwd).unwrap();
            lead(&root.join(then));
            let verdict = judge(Permissions::Ask, &cwd, Wish::Read(&work.place));
            let inside = first == "work/mine";
            assert_eq!(verdict, if inside { Verdict::Allow } else { Verdict::Ask }, "{first}");
            assert!(work.perform(Permissions::Ask, &cwd).is_err(), "it leads elsewhere now");
            lead(&root.join(first));
            assert!(work.perform(Permissions::Ask, &cwd).is_ok());
        }
    }

    #[test]
    fn people_are_told_where_a_path_leads_that_looks_as_if_it_stayed() {
        use std::os::unix::fs::symlink;
        let home = tempfile::tempdir().unwrap();
        let root = home.path().canonicalize().unwrap();
        let (cwd, other) = (root.join("work"), root.join("other"));
        std::fs::create_dir_all(other.join("a")).unwrap();
        std::fs::create_dir_all(cwd.join("b")).unwrap();
        std::fs::write(other.join("a/file"), "").unwrap();
        symlink(other.join("a"), cwd.join("a")).unwrap();
        let title = |path: &str| {
            let params = json!({"sessionId": "s", "path": path});
            FileWork::of("fs/read_text_file", &params, &cwd).unwrap().title("read")
        };
        assert_eq!(title("b/file"), "read b/file");
        assert!(title("a/file").contains("leads to"), "{}", title("a/file"));
    }
}
