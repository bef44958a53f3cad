//! Which program the name `dash` finds. On Debian and its descendants `/bin/dash` is the system's
//! shell, so that what people type may reach something else altogether.

use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::Check;

/// The second name, which no shell has.
const SECOND: &str = "dashctl";

pub(super) fn checks(path: Option<OsString>, own: Option<&Path>) -> Vec<Check> {
    let path = path.unwrap_or_default();
    vec![first_name(find("dash", &path), own), second_name(find(SECOND, &path), own)]
}

/// The first executable file of this name. Nothing is run.
fn find(name: &str, path: &OsString) -> Option<PathBuf> {
    let is_program = |file: &PathBuf| {
        std::fs::metadata(file).is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
    };
    // An entry that is empty or relative means the working directory, whatever that is.
    let absolute = std::env::split_paths(path).filter(|directory| directory.is_absolute());
    absolute.map(|directory| directory.join(name)).find(is_program)
}

fn first_name(found: Option<PathBuf>, own: Option<&Path>) -> Check {
    let directory = own.and_then(Path::parent).map_or_else(
        || "the directory of this program".to_owned(),
        |directory| directory.display().to_string(),
    );
    let mend = format!("put {directory} first in PATH, or call `{SECOND}`");
    let Some(found) = found else {
        return Check::warn("name", "`dash` is not on the PATH", mend);
    };
    let target = found.canonicalize().unwrap_or_else(|_| found.clone());
    let at = found.display();
    if Some(target.as_path()) == own {
        Check::ok("name", format!("`dash` is this program: {at}"))
    } else if is_system_shell(&found) || is_system_shell(&target) {
        Check::warn("name", format!("`dash` is the system's shell: {at}"), mend)
    } else {
        Check::warn("name", format!("`dash` is another program: {at}"), mend)
    }
}

/// By its place: that is where distributions keep their shell, and where Dash is never installed.
fn is_system_shell(program: &Path) -> bool {
    program == Path::new("/bin/dash") || program == Path::new("/usr/bin/dash")
}

fn second_name(found: Option<PathBuf>, own: Option<&Path>) -> Check {
    let Some(found) = found else {
        let link = own.map_or_else(
            || format!("link `{SECOND}` to this program"),
            |own| {
                let directory = own.parent().unwrap_or(own).join(SECOND);
                format!("ln -s {} {}", own.display(), directory.display())
            },
        );
        let found = format!("`{SECOND}` is not on the PATH; OpenClaw's skill calls that name");
        return Check::warn("second name", found, link);
    };
    let at = found.display();
    if found.canonicalize().ok().as_deref() == own {
        return Check::ok("second name", format!("`{SECOND}` is this program: {at}"));
    }
    let next = format!("remove {at}, or link it to this program");
    Check::warn("second name", format!("`{SECOND}` is another program: {at}"), next)
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;

    fn program(directory: &Path, name: &str, mode: u32) -> PathBuf {
        std::fs::create_dir_all(directory).unwrap();
        let file = directory.join(name);
        std::fs::write(&file, "").unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        file
    }

    #[test]
    fn the_first_program_on_the_path_counts() {
        let home = tempfile::tempdir().unwrap();
        let home = home.path().canonicalize().unwrap();
        let (first, second) = (home.join("a"), home.join("b"));
        program(&first, "dash", 0o644);
        let own = program(&second, "dash", 0o755);
        let path = std::env::join_paths([&first, &second]).unwrap();
        assert_eq!(first_name(find("dash", &path), Some(&own)).verdict, Verdict::Ok);

        program(&first, "dash", 0o755);
        let check = first_name(find("dash", &path), Some(&own));
        assert_eq!(check.verdict, Verdict::Warn);
        assert!(check.found.contains("another program"), "{check:?}");
        assert!(check.next.unwrap().contains(second.to_str().unwrap()));
        assert_eq!(find("dash", &".:".into()), None);
    }

    #[test]
    fn the_systems_shell_is_told_apart() {
        let shell = first_name(Some("/bin/dash".into()), Some(Path::new("/opt/dash/dash")));
        assert!(shell.found.contains("system's shell"), "{shell:?}");
        assert!(shell.next.unwrap().contains("/opt/dash first in PATH"));
        assert_eq!(first_name(None, None).verdict, Verdict::Warn);
    }

    #[test]
    fn the_second_name_is_a_link() {
        let home = tempfile::tempdir().unwrap();
        let home = home.path().canonicalize().unwrap();
        let own = program(&home, "dash", 0o755);
        assert!(second_name(None, Some(&own)).next.unwrap().starts_with("ln -s "));
        let link = home.join(SECOND);
        std::os::unix::fs::symlink(&own, &link).unwrap();
        assert_eq!(second_name(Some(link), Some(&own)).verdict, Verdict::Ok);
    }
}
