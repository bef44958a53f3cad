//! Directories and files, and who may enter them.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::Check;
use crate::config::Paths;

pub(super) fn checks(paths: &Paths) -> Vec<Check> {
    let mut checks = vec![private("state", &paths.state, 0o700)];
    if let Some(directory) = paths.socket.parent() {
        checks.push(private("socket directory", directory, 0o700));
    }
    checks.push(private("socket", &paths.socket, 0o600));
    checks.push(private("key", &paths.key(), 0o600));
    checks
}

/// That only its owner, who runs this, can get at it.
fn private(check: &'static str, path: &Path, wanted: u32) -> Check {
    let at = path.display();
    let metadata = match std::fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Check::ok(check, format!("{at} (not there yet)"));
        }
        Err(error) => {
            return Check::fail(check, format!("{at}: {error}"), "make it accessible to you");
        }
    };
    if metadata.uid() != rustix::process::getuid().as_raw() {
        let next = "remove it, or set DASH_HOME to a directory of your own";
        return Check::fail(check, format!("{at} belongs to user {}", metadata.uid()), next);
    }
    let mode = metadata.permissions().mode() & 0o777;
    if mode & !wanted != 0 {
        let next = format!("chmod {wanted:o} {at}");
        return Check::fail(check, format!("{at} is open to others (mode {mode:04o})"), next);
    }
    Check::ok(check, format!("{at} (mode {mode:04o})"))
}

/// `XDG_RUNTIME_DIR`, as the XDG Base Directory Specification 0.8 wants it.
pub(super) fn runtime_directory(directory: Option<PathBuf>) -> Check {
    let check = "XDG_RUNTIME_DIR";
    match directory {
        None => Check::ok(check, "not set; the socket lives in the state directory"),
        Some(directory) if !directory.is_dir() => Check::warn(
            check,
            format!("{} is no directory", directory.display()),
            "log in anew, or unset it",
        ),
        Some(directory) => private(check, &directory, 0o700),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;

    #[test]
    fn what_is_open_to_others_is_named_with_its_cure() {
        let directory = tempfile::tempdir().unwrap();
        let set = |mode| {
            let mode = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(directory.path(), mode).unwrap();
            private("state", directory.path(), 0o700)
        };
        assert_eq!(set(0o700).verdict, Verdict::Ok);
        let open = set(0o755);
        assert_eq!(open.verdict, Verdict::Fail);
        assert!(open.next.unwrap().starts_with("chmod 700 "));
        let absent = private("state", &directory.path().join("x"), 0o700);
        assert_eq!(absent.verdict, Verdict::Ok);
        let gone = runtime_directory(Some(directory.path().join("x")));
        assert_eq!(gone.verdict, Verdict::Warn);
    }
}
