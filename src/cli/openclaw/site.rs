//! The OpenClaw that is meant, and the places of ours in it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::Place;
use crate::cli::{Context, Failure, exit};
use crate::openclaw::Places;
use crate::openclaw::setup::{FileError, Files, Look, NAME, Program, Record, read};

/// One OpenClaw.
pub(super) struct Site {
    pub(super) state_dir: PathBuf,
    pub(super) config_file: PathBuf,
    pub(super) places: Places,
    pub(super) files: Files,
    /// Its command line, when there is one.
    pub(super) program: Option<Program>,
    /// What was installed, when something was.
    pub(super) record: Option<Record>,
    pub(super) record_file: PathBuf,
    /// The key that OpenClaw's model provider uses.
    pub(super) key_file: PathBuf,
}

impl Site {
    /// Finds it.
    ///
    /// # Errors
    /// Exit code 78 when there is no such OpenClaw or our own configuration is broken.
    pub(super) fn find(place: &Place, context: &Context) -> Result<Self, Failure> {
        let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let own = context.config()?.openclaw;
        let home = variable("HOME").map(PathBuf::from);
        let absolute = |path: &PathBuf| std::path::absolute(path).unwrap_or_else(|_| path.clone());
        let named = place.state_dir.as_ref().map(absolute);
        let state_dir = named
            .clone()
            .or_else(|| variable("OPENCLAW_STATE_DIR").map(PathBuf::from))
            .or_else(|| home.as_ref().map(|home| home.join(".openclaw")))
            .ok_or_else(|| none("there is no home directory to look for OpenClaw in"))?;
        let config_named = place.config.as_ref().map(absolute);
        // A configuration of its own belongs to the state directory that is named.
        let config = config_named
            .clone()
            .or_else(|| named.as_ref().map(|dir| dir.join("openclaw.json")))
            .or(own.config);
        let places =
            Places { url: place.gateway.clone().or(own.url), config, token_file: own.token_file };
        let config_file = places
            .config_file(&|name| variable(name))
            .unwrap_or_else(|| state_dir.join("openclaw.json"));
        if !state_dir.is_dir() {
            return Err(none(&format!("OpenClaw has no state directory {}", state_dir.display())));
        }
        let record_file = context.paths.state.join("openclaw-install.json");
        let record = Record::read(&record_file).filter(|record| record.state_dir == state_dir);
        let program = std::env::current_exe().map_err(|error| {
            Failure::new(exit::FAILED, "internal", format!("cannot find this program: {error}"))
        })?;
        let link = place.link.as_ref().map(|dir| absolute(dir).join(NAME));
        let link = link
            .or_else(|| record.as_ref().map(|record| record.link.clone()))
            .or_else(|| linked(&program, variable("PATH").as_ref()))
            .or_else(|| home.map(|home| home.join(".local/bin").join(NAME)))
            .ok_or_else(|| none("name the directory of dashctl with --link"))?;
        let mut environment = Vec::new();
        environment.extend(named.map(|dir| ("OPENCLAW_STATE_DIR", dir.into_os_string())));
        environment
            .extend(config_named.map(|file| ("OPENCLAW_CONFIG_PATH", file.into_os_string())));
        let openclaw = Program::find(place.openclaw.clone(), variable("PATH").as_ref());
        Ok(Self {
            files: Files { skills: state_dir.join("skills"), link, program },
            program: openclaw.map(|path| Program { path, environment }),
            key_file: context.paths.config_file.with_file_name("openclaw.key"),
            state_dir,
            config_file,
            places,
            record,
            record_file,
        })
    }

    /// What the running gateway says.
    ///
    /// # Errors
    /// Why it cannot be asked, and the next step.
    pub(super) async fn look(&self) -> Result<Look, (String, String)> {
        let access = self.places.find(|name| std::env::var_os(name));
        let access = access.map_err(|error| (error.message, error.hint))?;
        Look::at(&access).await.map_err(|error| {
            (error.to_string(), "`openclaw gateway status` says more about it".to_owned())
        })
    }

    /// OpenClaw's configuration, as its file has it.
    ///
    /// # Errors
    /// Exit code 78 when it makes no sense.
    pub(super) fn config(&self) -> Result<serde_json::Value, Failure> {
        read(&self.config_file).map_err(|message| {
            Failure::new(exit::CONFIG, "bad_configuration", message)
                .hinted("`openclaw config validate` says more")
        })
    }
}

fn none(message: &str) -> Failure {
    Failure::new(exit::CONFIG, "no_openclaw", message).hinted(
        "`openclaw onboard` sets one up; another place is named with --state-dir and --config",
    )
}

/// The `dashctl` of the PATH, when it leads to this program.
fn linked(program: &Path, path: Option<&OsString>) -> Option<PathBuf> {
    let mut all = std::env::split_paths(path?).filter(|dir| dir.is_absolute());
    all.find_map(|dir| {
        let link = dir.join(NAME);
        (std::fs::read_link(&link).ok()? == program).then_some(link)
    })
}

impl From<FileError> for Failure {
    fn from(error: FileError) -> Self {
        Self::new(exit::FAILED, "not_written", error.message).hinted(error.hint)
    }
}
