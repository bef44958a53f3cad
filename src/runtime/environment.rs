use std::{collections::BTreeMap, io, path::Path, sync::Arc};
#[derive(Debug)]
pub struct Environment;
impl Environment {
    pub fn write(_: &Path, _: &BTreeMap<String, String>) -> io::Result<Arc<Self>> {
        Ok(Arc::new(Self))
    }
    pub fn reopen(_: &Path, _: &str) -> io::Result<Arc<Self>> {
        Ok(Arc::new(Self))
    }
    pub fn name(&self) -> &str {
        "x"
    }
}
