//! The outbox's file: replaced at once or not at all, for its owner only.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rustix::fs::OFlags;

use super::outbox::Kept;

/// What is kept, or a new outbox when there is none. One that makes no sense is moved aside and
/// named: what it owed cannot be known.
///
/// # Errors
/// When it cannot be read.
pub(super) fn load(path: &Path) -> io::Result<Kept> {
    let new = || Kept { instance: instance(), ..Kept::default() };
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(new()),
        Err(error) => return Err(error),
    };
    match serde_json::from_slice::<Kept>(&text) {
        Ok(kept) if !kept.instance.is_empty() => Ok(kept),
        other => {
            let aside = path.with_extension("bad");
            std::fs::rename(path, &aside)?;
            let error = other.err().map(|error| error.to_string());
            tracing::error!(?error, aside = %aside.display(), "the outbox to OpenClaw makes no sense");
            Ok(new())
        }
    }
}

/// Six letters that tell one outbox's messages from another's.
fn instance() -> String {
    uuid::Uuid::new_v4().simple().to_string().chars().take(6).collect()
}

/// Replaces the file, and has it on the disk when it returns.
///
/// # Errors
/// When it cannot be written.
pub(super) fn save(path: &Path, kept: &Kept) -> io::Result<()> {
    let next = path.with_extension("next");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .custom_flags(i32::try_from(OFlags::NOFOLLOW.bits()).unwrap_or_default())
        .open(&next)?;
    file.write_all(&serde_json::to_vec(kept)?)?;
    file.sync_data()?;
    std::fs::rename(&next, path)?;
    match path.parent() {
        Some(dir) => File::open(dir)?.sync_data(),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Seq;

    #[test]
    fn what_is_saved_is_found_again_and_private() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("openclaw-outbox.json");
        let new = load(&path).unwrap();
        assert_eq!((new.instance.len(), new.cursor), (6, None));
        assert_ne!(new.instance, load(&path).unwrap().instance);
        let kept = Kept { cursor: Some(Seq(7)), ..new };
        save(&path, &kept).unwrap();
        assert_eq!(load(&path).unwrap(), kept);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_file_that_makes_no_sense_is_moved_aside() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("openclaw-outbox.json");
        std::fs::write(&path, "{\"cursor\": ").unwrap();
        assert_eq!(load(&path).unwrap().cursor, None);
        assert!(dir.path().join("openclaw-outbox.bad").exists());
        assert!(!path.exists());
    }
}
