use std::path::{Path, PathBuf};
#[derive(Debug, thiserror::Error)]
#[error("missing")]
pub struct Missing;
pub fn find(_: &str, _: &str, _: &Path) -> Result<PathBuf, Missing> {
    todo!()
}
pub fn check_cwd(_: &str) -> Result<PathBuf, String> {
    todo!()
}
