//! What an agent may do by its policy. Pure but for the file system, which is asked where a path
//! really leads before it is judged; what is judged then is that place, and no other.

use std::path::{Path, PathBuf};

use serde_json::Value;
use url::Url;

use crate::model::Permissions;

/// What the policy says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    Allow,
    /// Why.
    Deny(String),
    /// People are to be asked.
    Ask,
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish<'a> {
    Read(&'a Place),
    Write(&'a Place),
    /// A command (`terminal/create`).
    Run,
    /// ACP's `toolCall` of `session/request_permission`.
    Tool(&'a Value),
}

/// Judges a wish of an agent in this working directory.
pub(super) fn judge(policy: Permissions, cwd: &Path, wish: Wish<'_>) -> Verdict {
    if policy == Permissions::All {
        return Verdict::Allow;
    }
    let refusal = match wish {
        Wish::Read(place) => place.outside.clone(),
        Wish::Write(place) => may_write(policy).err().or_else(|| place.outside.clone()),
        Wish::Run => Some(format!("the policy is {policy}, and commands may do anything")),
        Wish::Tool(call) => tool(policy, cwd, call).err(),
    };
    match refusal {
        None => Verdict::Allow,
        Some(_) if policy == Permissions::Ask => Verdict::Ask,
        Some(reason) => Verdict::Deny(reason),
    }
}

fn may_write(policy: Permissions) -> Result<(), String> {
    match policy {
        Permissions::Edit | Permissions::All => Ok(()),
        _ => Err(format!("the policy is {policy}: nothing is changed")),
    }
}

/// A tool call by its kind (ACP's `ToolKind`) and the places that it names. One that names none is not
/// known to stay inside.
fn tool(policy: Permissions, cwd: &Path, call: &Value) -> Result<(), String> {
    let kind = call.get("kind").and_then(Value::as_str).unwrap_or("other");
    match kind {
        "think" => return Ok(()),
        "read" | "search" => {}
        "edit" | "move" | "delete" => may_write(policy)?,
        _ => return Err(format!("the policy is {policy}, and this is of the kind {kind:?}")),
    }
    let mut places = Vec::new();
    for part in ["locations", "content"] {
        name_places(call.get(part).unwrap_or(&Value::Null), false, &mut places);
    }
    // What is given without a name may be a place.
    let input = call.get("rawInput").unwrap_or(&Value::Null);
    name_places(input, !input.is_object(), &mut places);
    if places.is_empty() && kind != "search" {
        return Err("it does not say which file it is about".to_owned());
    }
    places.into_iter().try_for_each(|place| within(cwd, place))
}

/// What the keys of places have in them, in small letters and without `_` and `-`: each harness has names
/// of its own for what its tools take.
const PLACES: &[&str] =
    &["path", "file", "dir", "cwd", "folder", "root", "glob", "location", "uri", "url"];
/// Keys of places that are words of other keys too.
const ENDS: &[&str] = &["source", "src", "from", "target", "destination", "dest", "to"];
/// Keys of texts that have the name of a place in them, or stand beside one.
const TEXTS: &[&str] =
    &["text", "content", "contents", "filetext", "filecontent", "filecontents", "newsource"];

/// Every place that is named in a part of a tool call, however deep; `named` when that part is what the key
/// of a place says. A text that is taken for a place costs a question, a place that is not found costs more.
fn name_places<'a>(part: &'a Value, named: bool, places: &mut Vec<&'a str>) {
    match part {
        Value::String(text) if named && !text.is_empty() => places.push(text),
        Value::Array(list) => list.iter().for_each(|it| name_places(it, named, places)),
        Value::Object(fields) => {
            for (key, value) in fields {
                if key.starts_with(['/', '~']) || key.contains("..") || is_uri(key) {
                    places.push(key);
                }
                let word = key.to_lowercase().replace(['_', '-'], "");
                let is_place = ENDS.contains(&word.as_str())
                    || PLACES.iter().any(|part| word.contains(part))
                    || word == "pattern" && value.as_str().is_some_and(begins_with_a_place);
                let is_text = TEXTS.contains(&word.as_str());
                name_places(value, !is_text && (named || is_place), places);
            }
        }
        _ => {}
    }
}

/// Whether a search's pattern says where to look: `/etc/*` does, the expression `/api/` does not.
fn begins_with_a_place(pattern: &str) -> bool {
    let first = pattern.strip_prefix('/').and_then(|rest| rest.split('/').next());
    let is_there = |name: &str| {
        name.contains(['*', '?', '[', '{'])
            || !name.is_empty() && Path::new("/").join(name).exists()
    };
    pattern.starts_with("~/") || pattern.starts_with("../") || first.is_some_and(is_there)
}

fn is_uri(text: &str) -> bool {
    let scheme = text.split_once(':').map(|(scheme, _)| scheme);
    text.contains("://") || scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case("file"))
}

/// The same as [`inside`] of a place as a tool call writes it: a path, or a URI.
fn within(cwd: &Path, place: &str) -> Result<(), String> {
    if place.starts_with('~') {
        return Err(format!("{place} may be in a home directory"));
    }
    if !is_uri(place) {
        return inside(cwd, Path::new(place));
    }
    let url = Url::parse(place).ok().filter(|url| url.scheme() == "file");
    match url.and_then(|url| url.to_file_path().ok()) {
        Some(path) => inside(cwd, &path),
        None => Err(format!("{place} is no file of this machine")),
    }
}

/// Where a path leads, and whether that may be: found together, for a link may be another one when it is
/// looked at again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) path: PathBuf,
    /// Why it is not in the working directory; none when it is.
    outside: Option<String>,
}

impl Place {
    pub(super) fn of(cwd: &Path, path: &Path) -> Self {
        match resolve(cwd, path) {
            Ok(path) => Self { path, outside: None },
            Err(reason) => Self { path: leads_to(cwd, path), outside: Some(reason) },
        }
    }
}

/// Where a path leads, as far as that can be told: the file, or the name in a directory that is there.
pub(super) fn leads_to(cwd: &Path, path: &Path) -> PathBuf {
    let full = cwd.join(path);
    if let Ok(found) = full.canonicalize() {
        return found;
    }
    match (full.parent(), full.file_name()) {
        (Some(parent), Some(name)) if full.symlink_metadata().is_err() => {
            leads_to(cwd, parent).join(name)
        }
        _ => full,
    }
}

/// Whether a path leads to somewhere in the directory, after every link in it is resolved.
pub(super) fn inside(cwd: &Path, path: &Path) -> Result<(), String> {
    resolve(cwd, path).map(|_| ())
}

/// Where the path leads: an existing file, or a name in an existing directory. The working directory is the
/// place that it was when the agent was spawned, with no link in it: where a link has taken its place since,
/// nothing is inside.
///
/// # Errors
/// A sentence when that is outside of the directory, or nowhere.
pub(super) fn resolve(cwd: &Path, path: &Path) -> Result<PathBuf, String> {
    let shown = path.display();
    let within = |found: PathBuf| {
        if found.starts_with(cwd) {
            return Ok(found);
        }
        Err(format!("{shown} is outside of the working directory {}", cwd.display()))
    };
    let full = cwd.join(path);
    if let Ok(found) = full.canonicalize() {
        return within(found);
    }
    // A link that leads to nothing would be followed by whoever makes the file.
    if full.symlink_metadata().is_ok() {
        return Err(format!("{shown} is a link that leads to nothing"));
    }
    let (Some(parent), Some(name)) = (full.parent(), full.file_name()) else {
        return Err(format!("{shown} names no file"));
    };
    // The nearest directory that is there: what is below it cannot be a link.
    match parent.canonicalize() {
        Ok(parent) => within(parent.join(name)),
        Err(_) if parent.symlink_metadata().is_err() => {
            let parent = resolve(cwd, parent)?;
            within(parent.join(name))
        }
        Err(error) => Err(format!("{shown}: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use serde_json::json;

    use super::*;
    use crate::model::Permissions::{All, Ask, Edit, Read};

    struct Home {
        _home: tempfile::TempDir,
        cwd: PathBuf,
    }

    fn place() -> Home {
        let home = tempfile::tempdir().unwrap();
        let root = home.path().canonicalize().unwrap();
        let cwd = root.join("work");
        std::fs::create_dir_all(cwd.join("src")).unwrap();
        std::fs::write(cwd.join("src/a"), "a").unwrap();
        std::fs::write(root.join("secret"), "s").unwrap();
        symlink(root.join("secret"), cwd.join("link")).unwrap();
        symlink(&root, cwd.join("up")).unwrap();
        symlink(root.join("none"), cwd.join("dangling")).unwrap();
        symlink(cwd.join("src"), cwd.join("own")).unwrap();
        Home { _home: home, cwd }
    }

    #[test]
    fn links_are_resolved_before_a_path_is_judged() {
        let Home { cwd, .. } = &place();
        let may = |path: &str| inside(cwd, Path::new(path)).is_ok();
        for path in ["src/a", "own/a", "src/../src/a", "src/new", "new/deep/file", "."] {
            assert!(may(path), "{path}");
        }
        for path in
            ["link", "up/secret", "../secret", "/etc/passwd", "dangling", "up/new", "new/../../x"]
        {
            assert!(!may(path), "{path}");
        }
    }

    #[test]
    fn a_working_directory_that_a_link_has_replaced_has_nothing_inside() {
        let Home { cwd, .. } = &place();
        assert!(inside(cwd, Path::new("src/a")).is_ok());
        std::fs::rename(cwd, cwd.with_file_name("moved")).unwrap();
        symlink("/", cwd).unwrap();
        assert!(inside(cwd, Path::new("etc/passwd")).is_err());
        assert!(inside(cwd, Path::new("/etc/passwd")).is_err());
    }

    #[test]
    fn each_policy_allows_what_it_says() {
        let Home { cwd, .. } = &place();
        let call = |kind: &str, path: &str| json!({"kind": kind, "locations": [{"path": path}]});
        let is = |policy, call: &Value| judge(policy, cwd, Wish::Tool(call));
        let outcomes = |call: &Value| {
            [Read, Edit, All, Ask].map(|policy| match is(policy, call) {
                Verdict::Allow => 'y',
                Verdict::Deny(_) => 'n',
                Verdict::Ask => '?',
            })
        };
        assert_eq!(outcomes(&call("read", "src/a")), ['y', 'y', 'y', 'y']);
        assert_eq!(outcomes(&call("read", "/etc/passwd")), ['n', 'n', 'y', '?']);
        assert_eq!(outcomes(&call("read", "link")), ['n', 'n', 'y', '?']);
        assert_eq!(outcomes(&call("edit", "src/a")), ['n', 'y', 'y', '?']);
        assert_eq!(outcomes(&call("edit", "up/x")), ['n', 'n', 'y', '?']);
        assert_eq!(outcomes(&call("execute", "src/a")), ['n', 'n', 'y', '?']);
        assert_eq!(outcomes(&json!({"kind": "think"})), ['y', 'y', 'y', 'y']);
        assert_eq!(outcomes(&json!({"kind": "edit"})), ['n', 'n', 'y', '?']);
        assert_eq!(outcomes(&json!({})), ['n', 'n', 'y', '?']);
        let sly = json!({"kind": "read", "locations": [{"path": "src/a"}], "rawInput": {"file_path": "/etc/passwd"}});
        assert_eq!(outcomes(&sly), ['n', 'n', 'y', '?']);
        let diff = json!({"kind": "edit", "content": [{"type": "diff", "path": "/etc/x"}]});
        assert_eq!(outcomes(&diff), ['n', 'n', 'y', '?']);
        let new = Place::of(cwd, Path::new("src/new"));
        let write = |policy| judge(policy, cwd, Wish::Write(&new));
        assert_eq!(write(Edit), Verdict::Allow);
        assert!(matches!(write(Read), Verdict::Deny(_)));
        let run = |policy| judge(policy, cwd, Wish::Run);
        assert_eq!((run(All), run(Ask)), (Verdict::Allow, Verdict::Ask));
        assert!(matches!((run(Read), run(Edit)), (Verdict::Deny(_), Verdict::Deny(_))));
    }

    #[test]
    fn a_place_is_judged_wherever_a_tool_call_names_it() {
        let Home { cwd, .. } = &place();
        let allowed = |kind: &str, input: Value| {
            let call = json!({"kind": kind, "locations": [{"path": "src/a"}], "rawInput": input});
            let with = judge(Edit, cwd, Wish::Tool(&call)) == Verdict::Allow;
            // Whether there are locations that may be makes no difference.
            let call = json!({"kind": kind, "rawInput": call["rawInput"]});
            assert_eq!(judge(Edit, cwd, Wish::Tool(&call)) == Verdict::Allow, with, "{call}");
            with
        };
        let own = format!("file://{}/src/a", cwd.display());
        for (kind, input) in [
            ("search", json!({"pattern": "x.*y"})),
            ("search", json!({"pattern": "/of_no_directory/v1", "path": "src"})),
            ("search", json!({"pattern": format!("{}/**/*.rs", cwd.display())})),
            ("search", json!({"paths": ["src", "."], "glob": "*.rs", "limit": 5})),
            ("read", json!({"uri": own})),
            ("read", json!(["src/a"])),
            ("edit", json!({"files": [{"path": "src/a", "content": "/* a\n/etc */"}]})),
            ("edit", json!({"file_path": "src/a", "file_text": "/etc", "new_string": "/etc"})),
            ("move", json!({"source": "src/a", "destination": "src/b"})),
        ] {
            assert!(allowed(kind, input.clone()), "{kind} {input}");
        }
        for (kind, input) in [
            ("search", json!({"paths": ["/etc"]})),
            ("search", json!({"pattern": "/etc/*"})),
            ("search", json!({"pattern": "/e*/passwd"})),
            ("search", json!({"pattern": "../**"})),
            ("search", json!({"pattern": "x", "glob": "/etc/*"})),
            ("search", json!({"root": "/etc"})),
            ("read", json!({"paths": ["src/a", "/etc/passwd"]})),
            ("read", json!({"files": [{"name": "/etc/passwd"}]})),
            ("read", json!({"options": {"in": [{"filePath": "../secret"}]}})),
            ("read", json!({"targetFile": "link"})),
            ("read", json!({"cwd": "/etc", "name": "passwd"})),
            ("read", json!({"directory": "up"})),
            ("read", json!({"path": "~/.ssh/id_ed25519"})),
            ("read", json!({"path": "/etc/passwd\n"})),
            ("read", json!({"uri": "file:///etc/passwd"})),
            ("read", json!({"uri": "FILE:/etc/passwd"})),
            ("read", json!({"uri": "file://localhost/%65tc/passwd"})),
            ("read", json!({"uri": "file://elsewhere/etc/passwd"})),
            ("read", json!({"uri": format!("{own}/%2e%2e/%2e%2e/%2e%2e/secret")})),
            ("read", json!({"url": "https://example.com/a"})),
            ("read", json!("/etc/passwd")),
            ("read", json!(["src/a", "/etc/passwd"])),
            ("edit", json!({"changes": {"/etc/passwd": {"add": "x"}}})),
            ("move", json!({"source": "src/a", "destination": "/etc/a"})),
        ] {
            assert!(!allowed(kind, input.clone()), "{kind} {input}");
        }
        let link = json!({"type": "resource_link", "uri": "file:///etc/passwd", "name": "a"});
        let content = json!([{"type": "content", "content": link}]);
        let call = json!({"kind": "read", "locations": [{"path": "src/a"}], "content": content});
        assert!(matches!(judge(Read, cwd, Wish::Tool(&call)), Verdict::Deny(_)));
    }
}
