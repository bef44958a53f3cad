//! Provider keys: which of the daemon's variables, and of a file's, a harness gets.

use std::collections::BTreeMap;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;

use super::ConfigError;

/// The values of these variables, from the file when there is one, and from `variable`, the daemon's own
/// environment, which is stronger. Names that neither has are left out.
///
/// # Errors
/// When the file cannot be read, is open to others, or has a line that makes no sense. No error has a
/// value in it.
pub fn provider_keys(
    names: &[String],
    file: Option<&Path>,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<BTreeMap<String, String>, ConfigError> {
    let mut kept = file.map(read).transpose()?.unwrap_or_default();
    let own = |name: &String| variable(name).filter(|value| !value.is_empty());
    let mut value = |name: &String| own(name).or_else(|| kept.remove(name));
    Ok(names.iter().filter_map(|name| Some((name.clone(), value(name)?))).collect())
}

/// A file of lines `NAME=VALUE`; empty ones and those that begin with `#` say nothing.
fn read(path: &Path) -> Result<BTreeMap<String, String>, ConfigError> {
    let at = path.display();
    let wrong = |message: String, hint: String| ConfigError { message, hint: Some(hint) };
    let cannot = |error: std::io::Error| {
        let hint = "make it a file of yours with lines NAME=VALUE, or take daemon.keys_file away";
        wrong(format!("cannot read the file of provider keys {at}: {error}"), hint.to_owned())
    };
    let flags = i32::try_from((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits()).unwrap_or_default();
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.read(true).custom_flags(flags).open(path).map_err(cannot)?;
    // Of the file that is open: what lies at the path may be another one by now.
    let found = file.metadata().map_err(cannot)?;
    if !found.is_file() {
        return Err(cannot(std::io::Error::other("it is no file")));
    }
    if found.uid() != rustix::process::geteuid().as_raw() {
        return Err(cannot(std::io::Error::other("it belongs to another user")));
    }
    let mode = found.mode() & 0o777;
    if mode & 0o077 != 0 {
        let message = format!("the file of provider keys {at} is open to others (mode {mode:04o})");
        return Err(wrong(message, format!("chmod 600 {at}")));
    }
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(cannot)?;
    let mut keys = BTreeMap::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        match line.split_once('=') {
            Some((name, value)) if is_name(name.trim()) => {
                keys.insert(name.trim().to_owned(), value.trim().to_owned());
            }
            _ => {
                let message =
                    format!("line {number} of the file of provider keys {at} is not NAME=VALUE");
                return Err(wrong(message, "mend that line".to_owned()));
            }
        }
    }
    Ok(keys)
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn file(text: &str, mode: u32) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(mode)).unwrap();
        file
    }

    #[test]
    fn a_harness_gets_the_keys_it_names_and_no_other() {
        let file = file("# keys\n\nA_KEY = of the file\nB_KEY=b=1\nC_KEY=c\n", 0o600);
        let names = ["A_KEY", "B_KEY", "D_KEY"].map(str::to_owned);
        let own = |name: &str| (name != "B_KEY" && name != "D_KEY").then(|| "own".to_owned());
        let keys = provider_keys(&names, Some(file.path()), own).unwrap();
        let expected = [("A_KEY", "own"), ("B_KEY", "b=1")];
        assert!(keys.iter().map(|(n, v)| (n.as_str(), v.as_str())).eq(expected), "{keys:?}");
    }

    #[test]
    fn a_file_that_others_may_read_is_refused_with_its_cure() {
        for mode in [0o644, 0o640, 0o620, 0o601] {
            let file = file("A_KEY=s3cret\n", mode);
            let error = provider_keys(&[], Some(file.path()), |_| None).unwrap_err();
            assert!(error.message.contains("open to others"), "{error}");
            assert!(error.hint.unwrap().starts_with("chmod 600 "));
        }
    }

    #[test]
    fn no_error_tells_a_value() {
        for text in ["A_KEY=x\ns3cret\n", "A_KEY=x\nA B=s3cret\n"] {
            let file = file(text, 0o600);
            let error = provider_keys(&[], Some(file.path()), |_| None).unwrap_err();
            assert!(
                error.message.contains("line 2") && !error.message.contains("s3cret"),
                "{error}"
            );
        }
        assert!(provider_keys(&[], Some(Path::new("/nowhere/keys")), |_| None).is_err());
    }
}
