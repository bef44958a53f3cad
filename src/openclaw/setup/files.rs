//! The two things that are files: the skill among OpenClaw's managed skills, and the link `dashctl`.

use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// The name that the skill calls; no shell has it.
pub const NAME: &str = "dashctl";
/// The skill's name, and that of its directory.
pub const SKILL: &str = "dash";

/// The skill of this build.
const SKILL_FILES: &[(&str, &str)] = &[
    ("SKILL.md", include_str!("../../../skill/dash/SKILL.md")),
    ("references/acp.md", include_str!("../../../skill/dash/references/acp.md")),
    ("references/allowlist.md", include_str!("../../../skill/dash/references/allowlist.md")),
    (
        "references/configuration.md",
        include_str!("../../../skill/dash/references/configuration.md"),
    ),
    ("references/limits.md", include_str!("../../../skill/dash/references/limits.md")),
    ("references/live.md", include_str!("../../../skill/dash/references/live.md")),
    ("references/provider.md", include_str!("../../../skill/dash/references/provider.md")),
    ("references/removal.md", include_str!("../../../skill/dash/references/removal.md")),
    (
        "references/troubleshooting.md",
        include_str!("../../../skill/dash/references/troubleshooting.md"),
    ),
];

/// Where the two go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    /// OpenClaw's managed skills (`skills` in its state directory).
    pub skills: PathBuf,
    /// The link `dashctl`.
    pub link: PathBuf,
    /// This program.
    pub program: PathBuf,
}

/// What stands where something of ours goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// Nothing.
    Absent,
    /// What this build puts there.
    Ours,
    /// That of another build.
    Other,
    /// Something that is not ours.
    Foreign,
}

/// The skill as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skill {
    pub kept: Kept,
    pub directory: PathBuf,
}

/// Why a file was not put there, or not taken away.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct FileError {
    pub message: String,
    /// The next step.
    pub hint: String,
}

fn cannot(what: &Path, error: &std::io::Error) -> FileError {
    FileError {
        message: format!("{}: {error}", what.display()),
        hint: "make it a place that you may write to, or name another".to_owned(),
    }
}

impl Files {
    /// The skill as it stands.
    #[must_use]
    pub fn skill(&self) -> Skill {
        let directory = self.skills.join(SKILL);
        let found = |name: &str| std::fs::read_to_string(directory.join(name));
        let kept = match found("SKILL.md") {
            Err(error) if error.kind() == ErrorKind::NotFound && !directory.exists() => {
                Kept::Absent
            }
            Ok(text) if text.contains(NAME) => {
                let same = SKILL_FILES
                    .iter()
                    .all(|(name, text)| found(name).is_ok_and(|found| found == *text));
                if same { Kept::Ours } else { Kept::Other }
            }
            _ => Kept::Foreign,
        };
        Skill { kept, directory }
    }

    /// Puts the skill there. Says whether anything changed.
    ///
    /// # Errors
    /// When another skill of that name stands there, or the place cannot be written.
    pub fn put_skill(&self) -> Result<bool, FileError> {
        let Skill { kept, directory } = self.skill();
        match kept {
            Kept::Ours => return Ok(false),
            Kept::Foreign => {
                return Err(FileError {
                    message: format!("{} is another skill", directory.display()),
                    hint: "move it away, or rename it: two skills of one name hide each other"
                        .to_owned(),
                });
            }
            Kept::Absent | Kept::Other => {}
        }
        for (name, text) in SKILL_FILES {
            let file = directory.join(name);
            put(&file, text).map_err(|error| cannot(&file, &error))?;
        }
        Ok(true)
    }

    /// Takes the skill away, and directories that it leaves empty. Says whether anything changed.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn take_skill(&self) -> Result<bool, FileError> {
        let Skill { kept, directory } = self.skill();
        if matches!(kept, Kept::Absent | Kept::Foreign) {
            return Ok(false);
        }
        for (name, _) in SKILL_FILES {
            let file = directory.join(name);
            gone(std::fs::remove_file(&file)).map_err(|error| cannot(&file, &error))?;
        }
        for empty in [directory.join("references"), directory] {
            let _ = std::fs::remove_dir(empty);
        }
        Ok(true)
    }

    /// What stands where the link goes.
    #[must_use]
    pub fn link(&self) -> Kept {
        match std::fs::read_link(&self.link) {
            Ok(target) if target == self.program => Kept::Ours,
            // A build that was replaced, or moved.
            Ok(target) if target.file_name() == self.program.file_name() => Kept::Other,
            Err(error) if error.kind() == ErrorKind::NotFound => Kept::Absent,
            _ => Kept::Foreign,
        }
    }

    /// Makes the link. Says whether anything changed.
    ///
    /// # Errors
    /// When something else stands there, or the place cannot be written.
    pub fn put_link(&self) -> Result<bool, FileError> {
        match self.link() {
            Kept::Ours => return Ok(false),
            Kept::Foreign => {
                return Err(FileError {
                    message: format!("{} is not a link to Dash", self.link.display()),
                    hint: "remove it, or name another directory with --link".to_owned(),
                });
            }
            Kept::Absent | Kept::Other => {}
        }
        let new = self.link.with_file_name(format!(".{NAME}.{}", std::process::id()));
        let directory = self.link.parent().unwrap_or(Path::new("/"));
        std::fs::create_dir_all(directory)
            .and_then(|()| gone(std::fs::remove_file(&new)))
            .and_then(|_| std::os::unix::fs::symlink(&self.program, &new))
            .and_then(|()| std::fs::rename(&new, &self.link))
            .map_err(|error| cannot(&self.link, &error))?;
        Ok(true)
    }

    /// Takes the link away. Says whether anything changed.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn take_link(&self) -> Result<bool, FileError> {
        if matches!(self.link(), Kept::Absent | Kept::Foreign) {
            return Ok(false);
        }
        std::fs::remove_file(&self.link).map_err(|error| cannot(&self.link, &error))?;
        Ok(true)
    }
}

/// Replaces a file in one step: OpenClaw watches the directory.
fn put(file: &Path, text: &str) -> std::io::Result<()> {
    let directory = file.parent().unwrap_or(Path::new("/"));
    std::fs::create_dir_all(directory)?;
    let new = file.with_extension(format!("new{}", std::process::id()));
    gone(std::fs::remove_file(&new))?;
    let mut opened =
        std::fs::OpenOptions::new().write(true).create_new(true).mode(0o644).open(&new)?;
    opened.write_all(text.as_bytes())?;
    std::fs::rename(&new, file)
}

/// Whether something was removed; that it was not there is no error.
fn gone(removed: std::io::Result<()>) -> std::io::Result<bool> {
    match removed {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(dir: &Path) -> Files {
        let program = dir.join("dash");
        std::fs::write(&program, "").unwrap();
        Files { skills: dir.join("state/skills"), link: dir.join("bin/dashctl"), program }
    }

    #[test]
    fn twice_is_once_and_nothing_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let files = files(dir.path());
        assert!(files.put_skill().unwrap() && files.put_link().unwrap());
        assert_eq!((files.skill().kept, files.link()), (Kept::Ours, Kept::Ours));
        assert!(!files.put_skill().unwrap() && !files.put_link().unwrap());
        let made = dir.path().join("state/skills/dash/references/live.md");
        assert!(made.exists());
        assert!(files.take_skill().unwrap() && files.take_link().unwrap());
        assert!(!files.take_skill().unwrap() && !files.take_link().unwrap());
        assert!(!dir.path().join("state/skills/dash").exists());
    }

    #[test]
    fn an_older_one_is_replaced_and_a_foreign_one_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let files = files(dir.path());
        let skill = dir.path().join("state/skills/dash/SKILL.md");
        std::fs::create_dir_all(skill.parent().unwrap()).unwrap();
        std::fs::write(&skill, "of another version, calls dashctl").unwrap();
        std::fs::create_dir_all(files.link.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink("/gone/dash", &files.link).unwrap();
        assert_eq!((files.skill().kept, files.link()), (Kept::Other, Kept::Other));
        assert!(files.put_skill().unwrap() && files.put_link().unwrap());
        assert_eq!((files.skill().kept, files.link()), (Kept::Ours, Kept::Ours));

        std::fs::write(&skill, "someone else's").unwrap();
        std::fs::remove_file(&files.link).unwrap();
        std::fs::write(&files.link, "a program").unwrap();
        assert!(files.put_skill().unwrap_err().message.contains("another skill"));
        assert!(files.put_link().unwrap_err().message.contains("not a link to Dash"));
        assert!(!files.take_skill().unwrap() && !files.take_link().unwrap());
        assert_eq!(std::fs::read_to_string(&skill).unwrap(), "someone else's");
    }

    #[test]
    fn every_file_of_the_skill_is_embedded() {
        let skill = Path::new(env!("CARGO_MANIFEST_DIR")).join("skill/dash");
        let mut files = vec!["SKILL.md".to_owned()];
        files.extend(
            std::fs::read_dir(skill.join("references")).unwrap().map(|entry| {
                format!("references/{}", entry.unwrap().file_name().to_str().unwrap())
            }),
        );
        files.sort();
        let mut embedded: Vec<_> = SKILL_FILES.iter().map(|(name, _)| (*name).to_owned()).collect();
        embedded.sort();
        assert_eq!(embedded, files);
    }
}
