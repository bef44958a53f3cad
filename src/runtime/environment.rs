//! The environment that agents are started with, and the MCP servers that a harness is named, in a file
//! until they have started and the harness has been told.
//!
//! Values may be secrets. They are in this file, mode 0600, and in the processes; never in an event,
//! a log, or anything that is printed.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};

use serde::{Deserialize, Serialize};

use crate::model::McpServer;

/// One for each file, however many agents share it.
static OPEN: LazyLock<Mutex<HashMap<PathBuf, Weak<Environment>>>> = LazyLock::new(Mutex::default);

/// What the file has. One of an older Dash has the variables alone.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Text {
    Whole { variables: BTreeMap<String, String>, mcp_servers: Vec<McpServer> },
    Variables(BTreeMap<String, String>),
}

/// The environment of the agents of one request.
///
/// Whoever has an agent that has not started yet holds one; when the last is dropped, the file is
/// removed, unless [`Environment::keep`] was called.
pub struct Environment {
    file: PathBuf,
    kept: AtomicBool,
}

/// The file of an environment that the disk may not have yet.
#[derive(Debug)]
pub struct Unsynced(File);

impl Unsynced {
    /// Waits for the disk.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }
}

impl Environment {
    /// Writes variables and servers into a new file of this directory, which is made when it is missing. They
    /// survive this process; with [`Unsynced::sync`] they survive the machine.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(
        dir: &Path,
        variables: BTreeMap<String, String>,
        mcp_servers: Vec<McpServer>,
    ) -> io::Result<(Arc<Self>, Unsynced)> {
        DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        let file = dir.join(uuid::Uuid::new_v4().simple().to_string());
        let text = serde_json::to_vec(&Text::Whole { variables, mcp_servers })?;
        let mut open = OpenOptions::new();
        let mut handle = open.write(true).create_new(true).mode(0o600).open(&file)?;
        if let Err(error) = handle.write_all(&text) {
            let _ = std::fs::remove_file(&file);
            return Err(error);
        }
        Ok((Self::shared(file), Unsynced(handle)))
    }

    /// The environment in the file with this name; the same one for all who ask while one is held.
    ///
    /// # Errors
    /// When there is no such file.
    pub fn reopen(dir: &Path, name: &str) -> io::Result<Arc<Self>> {
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not an environment's name"));
        }
        let file = dir.join(name);
        let environment = Self::shared(file);
        if !environment.file.is_file() {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(environment)
    }

    fn shared(file: PathBuf) -> Arc<Self> {
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(environment) = open.get(&file).and_then(Weak::upgrade) {
            return environment;
        }
        let environment = Arc::new(Self { file: file.clone(), kept: AtomicBool::new(false) });
        open.insert(file, Arc::downgrade(&environment));
        environment
    }

    /// The name to find it by again.
    #[must_use]
    pub fn name(&self) -> &str {
        self.file.file_name().and_then(|name| name.to_str()).unwrap_or_default()
    }

    /// The variables.
    ///
    /// # Errors
    /// When the file is gone or damaged.
    pub fn read(&self) -> io::Result<BTreeMap<String, String>> {
        match self.text()? {
            Text::Whole { variables, .. } | Text::Variables(variables) => Ok(variables),
        }
    }

    /// The MCP servers.
    ///
    /// # Errors
    /// When the file is gone or damaged.
    pub fn mcp_servers(&self) -> io::Result<Vec<McpServer>> {
        match self.text()? {
            Text::Whole { mcp_servers, .. } => Ok(mcp_servers),
            Text::Variables(_) => Ok(Vec::new()),
        }
    }

    fn text(&self) -> io::Result<Text> {
        let mut text = Vec::new();
        let mut open = OpenOptions::new();
        let flags = i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or_default();
        open.read(true).custom_flags(flags).open(&self.file)?.read_to_end(&mut text)?;
        serde_json::from_slice(&text)
            // The error's own text could quote a value.
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "the file is damaged"))
    }

    /// Leaves the file in place for good: for a daemon that ends while agents still wait to start.
    pub fn keep(&self) {
        self.kept.store(true, Ordering::Relaxed);
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Environment").field(&self.name()).finish()
    }
}

impl Drop for Environment {
    fn drop(&mut self) {
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        // Somebody may have opened it again between the last drop and this moment.
        if open.get(&self.file).is_some_and(|other| other.strong_count() > 0) {
            return;
        }
        open.remove(&self.file);
        if !self.kept.load(Ordering::Relaxed) {
            let _ = std::fs::remove_file(&self.file);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn servers() -> Vec<McpServer> {
        let env = serde_json::json!([{ "name": "KEY", "value": "s3cret" }]);
        let server = serde_json::json!({ "name": "s", "command": "/x", "args": [], "env": env });
        vec![McpServer(server)]
    }

    fn variables() -> BTreeMap<String, String> {
        BTreeMap::from([("KEY".to_owned(), "s3cret\nwith = signs".to_owned())])
    }

    #[test]
    fn it_is_shared_and_gone_after_the_last_start() {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join("spool");
        let (first, unsynced) = Environment::write(&dir, variables(), servers()).unwrap();
        unsynced.sync().unwrap();
        let second = Environment::reopen(&dir, first.name()).unwrap();
        let file = dir.join(first.name());
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(dir.metadata().unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(second.read().unwrap(), variables());
        assert_eq!(second.mcp_servers().unwrap(), servers());
        assert!(Arc::ptr_eq(&first, &second));
        drop(first);
        assert!(file.exists());
        drop(second);
        assert!(!file.exists());
    }

    #[test]
    fn a_daemon_that_ends_leaves_it_for_the_next() {
        let home = tempfile::tempdir().unwrap();
        let (environment, _) = Environment::write(home.path(), variables(), servers()).unwrap();
        let name = environment.name().to_owned();
        environment.keep();
        drop(environment);
        assert_eq!(Environment::reopen(home.path(), &name).unwrap().read().unwrap(), variables());
        let gone = Environment::reopen(home.path(), &name).unwrap_err();
        assert_eq!(gone.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn values_are_not_in_what_is_printed() {
        let home = tempfile::tempdir().unwrap();
        let (environment, _) = Environment::write(home.path(), variables(), servers()).unwrap();
        assert!(!format!("{environment:?} {:?}", servers()).contains("s3cret"));
        std::fs::write(home.path().join(environment.name()), "{\"KEY\": s3cret}").unwrap();
        let error = environment.read().unwrap_err();
        assert!(!format!("{error:?}").contains("s3cret"), "{error:?}");
    }

    #[test]
    fn a_file_of_an_older_dash_has_the_variables_alone() {
        let home = tempfile::tempdir().unwrap();
        for variables in [variables(), BTreeMap::from([("variables".into(), "x".into())])] {
            let text = serde_json::to_vec(&variables).unwrap();
            std::fs::write(home.path().join("old"), text).unwrap();
            let environment = Environment::reopen(home.path(), "old").unwrap();
            environment.keep();
            assert_eq!(environment.read().unwrap(), variables);
            assert_eq!(environment.mcp_servers().unwrap(), []);
        }
    }

    #[test]
    fn a_name_stays_in_the_directory() {
        let home = tempfile::tempdir().unwrap();
        for name in ["", "..", "../x", "a/b", "."] {
            assert!(Environment::reopen(home.path(), name).is_err(), "{name:?}");
        }
    }
}
