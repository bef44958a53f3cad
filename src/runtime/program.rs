//! Finding a program as `execvp` does, and working directories, with errors that say what to do.

use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD, accessat};

/// What is searched when the agent has no PATH.
const DEFAULT_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// Why a program cannot be run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Missing {
    /// It is not in any directory of the agent's PATH.
    #[error("no program {program:?} is in the agent's PATH")]
    NotInPath { program: String },
    /// There is nothing at the path that was named.
    #[error("there is no program {}", path.display())]
    NotThere { path: PathBuf },
    #[error("{} is a directory", path.display())]
    Directory { path: PathBuf },
    /// It is there, and may not be executed.
    #[error("{} may not be executed", path.display())]
    NotExecutable { path: PathBuf },
}

impl Missing {
    /// The next step.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NotInPath { .. } => "name its path, or set the agent's PATH with --env",
            Self::NotThere { .. } => "check the path",
            Self::Directory { .. } => "name the program in it",
            Self::NotExecutable { .. } => "`chmod +x` makes a script a program",
        }
    }
}

/// Where a program is. A name with a slash is a path, seen from `cwd`; any other is looked up in the
/// agent's PATH (a usual one when it has none). Elements of PATH that are empty or relative are passed
/// over: what lies in a working directory is never run by its bare name.
///
/// # Errors
/// Why it cannot be run.
pub fn find(program: &str, path_variable: Option<&str>, cwd: &Path) -> Result<PathBuf, Missing> {
    if program.contains('/') {
        let path = cwd.join(program);
        return check(&path).map(|()| path);
    }
    let mut refused = None;
    let directories = path_variable.unwrap_or(DEFAULT_PATH).split(':').map(Path::new);
    if !program.is_empty() {
        for directory in directories.filter(|directory| directory.is_absolute()) {
            let path = directory.join(program);
            match check(&path) {
                Ok(()) => return Ok(path),
                Err(Missing::NotThere { .. }) => {}
                Err(other) => refused = refused.or(Some(other)),
            }
        }
    }
    Err(refused.unwrap_or_else(|| Missing::NotInPath { program: program.to_owned() }))
}

fn check(path: &Path) -> Result<(), Missing> {
    let path_buf = || path.to_owned();
    match std::fs::metadata(path) {
        Ok(found) if found.is_dir() => Err(Missing::Directory { path: path_buf() }),
        Ok(found) if !found.is_file() => Err(Missing::NotExecutable { path: path_buf() }),
        Ok(_) => accessat(CWD, path, Access::EXEC_OK, AtFlags::EACCESS)
            .map_err(|_| Missing::NotExecutable { path: path_buf() }),
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            Err(Missing::NotExecutable { path: path_buf() })
        }
        Err(_) => Err(Missing::NotThere { path: path_buf() }),
    }
}

/// A working directory: absolute, with links resolved, one that can be entered and read.
///
/// # Errors
/// A sentence that names the directory and says what is wrong with it.
pub fn check_cwd(cwd: &str) -> Result<PathBuf, String> {
    if !Path::new(cwd).is_absolute() {
        return Err(format!("the working directory {cwd:?} is not an absolute path"));
    }
    let path = std::fs::canonicalize(cwd).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => format!("there is no directory {cwd:?}"),
        std::io::ErrorKind::NotADirectory => format!("{cwd:?} leads through a file"),
        std::io::ErrorKind::PermissionDenied => format!("the way to {cwd:?} is not permitted"),
        _ => format!("cannot use the directory {cwd:?}: {error}"),
    })?;
    if path.to_str().is_none() {
        return Err(format!("the path of {cwd:?} is not UTF-8"));
    }
    if !path.is_dir() {
        return Err(format!("{cwd:?} is a file, not a directory"));
    }
    accessat(CWD, &path, Access::READ_OK | Access::EXEC_OK, AtFlags::EACCESS)
        .map_err(|_| format!("the directory {cwd:?} may not be entered and read"))?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn program(path: &Path, mode: u32) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "#!/bin/sh\n").unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn the_agents_path_is_searched_in_order() {
        let home = tempfile::tempdir().unwrap();
        let (a, b) = (home.path().join("a"), home.path().join("b"));
        program(&a.join("plain"), 0o644);
        program(&b.join("plain"), 0o755);
        program(&b.join("only"), 0o755);
        std::fs::create_dir(a.join("only")).unwrap();
        let path = format!("{}:{}", a.display(), b.display());
        let find = |name: &str| find(name, Some(&path), home.path());
        assert_eq!(find("plain"), Ok(b.join("plain")));
        assert_eq!(find("only"), Ok(b.join("only")));
        assert_eq!(find("none"), Err(Missing::NotInPath { program: "none".into() }));
        assert!(find("").is_err());
    }

    #[test]
    fn the_working_directory_is_never_searched() {
        let home = tempfile::tempdir().unwrap();
        program(&home.path().join("status"), 0o755);
        for path in ["", ":", ".", "::/nowhere", "./"] {
            assert!(find("status", Some(path), home.path()).is_err(), "{path:?}");
        }
        let named = find("./status", Some(""), home.path()).unwrap();
        assert!(named.ends_with("status"));
        assert!(find("sh", None, home.path()).is_ok());
    }

    #[test]
    fn each_reason_is_told_apart() {
        let home = tempfile::tempdir().unwrap();
        program(&home.path().join("x/script"), 0o644);
        let find = |name: &str| find(name, None, home.path()).unwrap_err();
        assert!(matches!(find("./x"), Missing::Directory { .. }));
        assert!(matches!(find("./x/script"), Missing::NotExecutable { .. }));
        assert!(matches!(find("./nope"), Missing::NotThere { .. }));
        assert!(find("./x/script").hint().contains("chmod +x"));
    }

    #[test]
    fn a_working_directory_is_resolved_once() {
        let home = tempfile::tempdir().unwrap();
        let real = home.path().canonicalize().unwrap().join("real");
        std::fs::create_dir(&real).unwrap();
        symlink(&real, home.path().join("link")).unwrap();
        std::fs::write(home.path().join("file"), "").unwrap();
        let check = |name: &str| check_cwd(home.path().join(name).to_str().unwrap());
        assert_eq!(check("link"), Ok(real.clone()));
        assert_eq!(check("real/../link/."), Ok(real));
        assert!(check("none").unwrap_err().contains("no directory"));
        assert!(check("file").unwrap_err().contains("is a file"));
        assert!(check("file/x").unwrap_err().contains("through a file"));
        assert!(check_cwd("relative").unwrap_err().contains("absolute"));
        assert!(check_cwd("~root").is_err());
    }
}
