//! The keys that open the TCP listener. Of each only the digest is kept: in memory, and in a file.

use std::fmt;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use jiff::Timestamp;
use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};
use tokio_util::sync::CancellationToken;

use super::ServerError;
use crate::api::{KeyBody, Scope};

/// Keys that there can be: each is compared with each secret that comes.
const KEYS_MAX: usize = 256;
/// Characters in a key's name.
const NAME_MAX: usize = 64;
/// How a secret begins, so that those who look for leaked ones know it.
const PREFIX: &str = "dash_";

/// The keys that open the TCP listener. Cheap to clone: all clones are one ring.
#[derive(Clone, Default)]
pub struct Keys(Arc<Ring>);

#[derive(Default)]
struct Ring {
    /// Where keys are kept that were added at run time.
    file: Option<PathBuf>,
    known: RwLock<Vec<Known>>,
}

/// What is known of a key.
#[derive(Clone, Serialize, Deserialize)]
struct Known {
    name: String,
    scope: Scope,
    /// SHA-256 of the secret, which is random enough that nothing slower is needed.
    sha256: String,
    created_at: Option<Timestamp>,
    expires_at: Option<Timestamp>,
    /// Cancelled when it is revoked.
    #[serde(skip)]
    revoked: CancellationToken,
    /// It was given when the daemon was started, and is in no file of ours.
    #[serde(skip)]
    given: bool,
}

impl Known {
    fn is_over(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }

    fn body(&self) -> KeyBody {
        let Self { name, scope, created_at, expires_at, .. } = self.clone();
        KeyBody { name, scope, created_at, expires_at }
    }
}

/// The file's content.
#[derive(Serialize, Deserialize)]
struct Kept {
    version: u32,
    keys: Vec<Known>,
}

/// The key that a secret is.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) name: String,
    pub(super) scope: Scope,
    pub(super) expires_at: Option<Timestamp>,
    pub(super) revoked: CancellationToken,
}

/// Why a key cannot be added or revoked.
#[derive(Debug, thiserror::Error)]
pub(super) enum KeyError {
    #[error("{0:?} is no name for a key: 1 to {NAME_MAX} of a to z, 0 to 9, and the signs -_.")]
    Name(String),
    #[error("there is a key {0:?} already")]
    Exists(String),
    #[error("there is no key {0:?}")]
    Unknown(String),
    #[error(
        "the key {0:?} was given when the daemon was started, and can only be taken away there"
    )]
    Given(String),
    #[error("there are {KEYS_MAX} keys already")]
    TooMany,
    #[error("it would be over before it begins")]
    Over,
    #[error("cannot use {}: {error}", path.display())]
    File { path: PathBuf, error: io::Error },
}

impl Keys {
    /// Keys that were given at the start, each with the name that the audit trail knows it by. They
    /// reach everywhere.
    ///
    /// # Errors
    /// [`ServerError::Key`] for one that is empty, or that no header could carry.
    pub fn new(keys: impl IntoIterator<Item = (String, String)>) -> Result<Self, ServerError> {
        let checked = keys.into_iter().map(|(name, secret)| {
            if secret.is_empty() || !secret.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(ServerError::Key { name });
            }
            let sha256 = hex(&digest(secret.as_bytes()));
            Ok(Known {
                name,
                scope: Scope::Admin,
                sha256,
                created_at: None,
                expires_at: None,
                revoked: CancellationToken::new(),
                given: true,
            })
        });
        let known = RwLock::new(checked.collect::<Result<_, _>>()?);
        Ok(Self(Arc::new(Ring { file: None, known })))
    }

    /// The same, and those of this file, in which keys that are added will be kept.
    ///
    /// # Errors
    /// [`ServerError::KeyFile`] when the file is there and cannot be read: to go on without would be to
    /// forget every key with the next one that is added.
    pub fn open(
        file: &Path,
        given: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ServerError> {
        let cannot = |message: String| ServerError::KeyFile { path: file.to_owned(), message };
        let mut known = std::mem::take(&mut *Self::new(given)?.write());
        match read(file) {
            Ok(text) => {
                let kept: Kept =
                    serde_json::from_slice(&text).map_err(|error| cannot(error.to_string()))?;
                known.extend(kept.keys);
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(cannot(error.to_string())),
        }
        Ok(Self(Arc::new(Ring { file: Some(file.to_owned()), known: RwLock::new(known) })))
    }

    /// Whether there is no key at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.read().is_empty()
    }

    /// Every key, in the order of their adding.
    pub(super) fn list(&self) -> Vec<KeyBody> {
        self.read().iter().map(Known::body).collect()
    }

    /// The key that this is. Takes the same time whichever it is, and when it is none: digests have
    /// one length, all are compared, and every byte of each.
    pub(super) fn find(&self, secret: &[u8], now: Timestamp) -> Option<Found> {
        let given = hex(&digest(secret));
        let known = self.read();
        let (mut found, mut place) = (Choice::from(0), 0_u64);
        for (index, key) in (0_u64..).zip(&*known) {
            let same = key.sha256.as_bytes().ct_eq(given.as_bytes());
            place.conditional_assign(&index, same);
            found |= same;
        }
        let key = known.get(usize::try_from(place).ok()?)?;
        if !bool::from(found) || key.is_over(now) {
            return None;
        }
        let Known { name, scope, expires_at, revoked, .. } = key.clone();
        Some(Found { name, scope, expires_at, revoked })
    }

    /// Makes a key: it opens from now on, and after a restart. Gives its secret, which is kept nowhere.
    pub(super) fn add(
        &self,
        name: &str,
        scope: Scope,
        expires_in: Option<Duration>,
        now: Timestamp,
    ) -> Result<(KeyBody, String), KeyError> {
        check_name(name)?;
        let expires_at = expires_in.map(|time| now.checked_add(time).unwrap_or(Timestamp::MAX));
        if expires_at.is_some_and(|end| end <= now) {
            return Err(KeyError::Over);
        }
        let secret = self.file_error(new_secret())?;
        let key = Known {
            name: name.to_owned(),
            scope,
            sha256: hex(&digest(secret.as_bytes())),
            created_at: Some(now),
            expires_at,
            revoked: CancellationToken::new(),
            given: false,
        };
        let mut known = self.write();
        // A name is free again when its key is over.
        let mut after: Vec<Known> =
            known.iter().filter(|key| key.given || !key.is_over(now)).cloned().collect();
        if after.iter().any(|key| key.name == name) {
            return Err(KeyError::Exists(name.to_owned()));
        }
        if after.len() >= KEYS_MAX {
            return Err(KeyError::TooMany);
        }
        let body = key.body();
        after.push(key);
        self.file_error(self.keep(&after))?;
        *known = after;
        Ok((body, secret))
    }

    /// From now on it opens nothing, and what it opened ends. A failure to write that down leaves it
    /// revoked until the daemon ends.
    pub(super) fn revoke(&self, name: &str) -> Result<KeyBody, KeyError> {
        let mut known = self.write();
        let place = known.iter().position(|key| key.name == name);
        let place = place.ok_or_else(|| KeyError::Unknown(name.to_owned()))?;
        if known[place].given {
            return Err(KeyError::Given(name.to_owned()));
        }
        let gone = known.remove(place);
        gone.revoked.cancel();
        self.file_error(self.keep(&known))?;
        Ok(gone.body())
    }

    /// Replaces the file at once or not at all.
    fn keep(&self, known: &[Known]) -> io::Result<()> {
        let Some(file) = &self.0.file else { return Ok(()) };
        let keys = known.iter().filter(|key| !key.given).cloned().collect();
        let text = serde_json::to_vec(&Kept { version: 1, keys })?;
        let dir = file.parent().unwrap_or(Path::new("/"));
        let new = dir.join(format!(".keys-{}", uuid::Uuid::new_v4().simple()));
        let mut open = std::fs::OpenOptions::new();
        let mut handle = open.write(true).create_new(true).mode(0o600).open(&new)?;
        let written = handle.write_all(&text).and_then(|()| handle.sync_all());
        let placed = written.and_then(|()| std::fs::rename(&new, file));
        if placed.is_err() {
            let _ = std::fs::remove_file(&new);
        }
        placed.and_then(|()| std::fs::File::open(dir)?.sync_all())
    }

    fn file_error<T>(&self, done: io::Result<T>) -> Result<T, KeyError> {
        let path = self.0.file.clone().unwrap_or_default();
        done.map_err(|error| KeyError::File { path, error })
    }

    fn read(&self) -> RwLockReadGuard<'_, Vec<Known>> {
        self.0.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Vec<Known>> {
        self.0.known.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.read().iter().map(|key| &key.name)).finish()
    }
}

fn read(file: &Path) -> io::Result<Vec<u8>> {
    let nofollow = i32::try_from(OFlags::NOFOLLOW.bits()).unwrap_or_default();
    let mut open = std::fs::OpenOptions::new();
    let mut text = Vec::new();
    io::Read::read_to_end(&mut open.read(true).custom_flags(nofollow).open(file)?, &mut text)?;
    Ok(text)
}

fn check_name(name: &str) -> Result<(), KeyError> {
    let plain = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.');
    if (1..=NAME_MAX).contains(&name.len()) && name.bytes().all(plain) {
        return Ok(());
    }
    Err(KeyError::Name(name.to_owned()))
}

/// 256 bits from the system's generator (random(4)).
fn new_secret() -> io::Result<String> {
    let mut random = [0; 32];
    io::Read::read_exact(&mut std::fs::File::open("/dev/urandom")?, &mut random)?;
    Ok(format!("{PREFIX}{}", hex(&random)))
}

fn digest(secret: &[u8]) -> [u8; 32] {
    Sha256::digest(secret).into()
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |value: u8| char::from(DIGITS[usize::from(value)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

#[cfg(test)]
#[path = "ring_test.rs"]
mod tests;
