//! Who may import whom, and how long a file may be. `ARCHITECTURE.md` draws the same table.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A room and the rooms it may import. The composition root is the one file that sees both halves.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("api", &["model"]),
    ("config", &["model"]),
    ("store", &["model"]),
    ("runtime", &["model"]),
    ("supervisor", &["api", "config", "model", "runtime", "store"]),
    ("openai", &["api", "model"]),
    ("server", &["api", "model", "openai", "store", "supervisor"]),
    ("client", &["api", "model"]),
    ("openclaw", &["api", "client", "model"]),
    ("acp", &["api", "client", "model"]),
    ("cli", &["acp", "api", "client", "config", "model"]),
    (
        "cli/serve.rs",
        &["api", "client", "config", "model", "runtime", "server", "store", "supervisor"],
    ),
    ("cli/openclaw/", &["api", "client", "config", "model", "openclaw"]),
    ("cli/bridge.rs", &["client", "config", "openclaw", "server"]),
    ("cli/doctor/harnesses.rs", &["config", "model", "runtime"]),
    ("cli/verify.rs", &["api", "client", "config", "model", "store"]),
    ("cli/keeper.rs", &["config", "model", "runtime"]),
];

/// Lines a file may have, its tests aside.
const LONGEST: usize = 450;

fn sources(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// A file's code without comments and without its tests.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let body = text.split("\n#[cfg(test)]\nmod tests {").next().unwrap();
    let lines = body.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

/// The rooms that `crate::…` names in this code, also within `use crate::{…}`.
fn imports(code: &str) -> BTreeSet<String> {
    let mut rooms = BTreeSet::new();
    for rest in code.split("crate::").skip(1) {
        let list = match rest.strip_prefix('{') {
            Some(list) => list.split("};").next().unwrap(),
            None => rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap(),
        };
        let mut depth = 0;
        for part in list.split_inclusive(['{', '}', ',']) {
            let name: String =
                part.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            if depth == 0 && !name.is_empty() {
                rooms.insert(name);
            }
            depth += part.matches('{').count();
            depth -= part.matches('}').count().min(depth);
        }
    }
    rooms
}

#[test]
fn rooms_import_only_what_they_may() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let rooms: BTreeSet<&str> =
        MAY_IMPORT.iter().map(|(room, _)| *room).filter(|room| !room.contains('/')).collect();
    let mut wrong = Vec::new();
    for path in sources(&src) {
        let file = path.strip_prefix(&src).unwrap().to_str().unwrap();
        if ["main.rs", "lib.rs"].contains(&file) || file.ends_with("_test.rs") {
            continue;
        }
        let room = file.split(['/', '.']).next().unwrap();
        let may = MAY_IMPORT
            .iter()
            .find(|(name, _)| *name == file || name.ends_with('/') && file.starts_with(name))
            .or_else(|| MAY_IMPORT.iter().find(|(name, _)| *name == room));
        let Some((_, may)) = may else {
            wrong.push(format!("{file} is in no room of the table"));
            continue;
        };
        for import in imports(&code(&path)) {
            if rooms.contains(import.as_str()) && import != room && !may.contains(&import.as_str())
            {
                wrong.push(format!("{file} imports {import}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn imports_are_seen_in_every_form() {
    let code = "use crate::store::{Store, follow};\nuse crate::{api, model::{a, b}, client};\nlet x = crate::server::y();";
    let expected = ["api", "client", "model", "server", "store"].map(str::to_owned);
    assert_eq!(imports(code), BTreeSet::from(expected));
}

#[test]
fn files_can_be_read_in_a_sitting() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let long: Vec<String> = sources(&src)
        .into_iter()
        .filter(|path| !path.to_str().unwrap().ends_with("_test.rs"))
        .map(|path| (fs::read_to_string(&path).unwrap(), path))
        .map(|(text, path)| {
            (text.split("\n#[cfg(test)]\nmod tests {").next().unwrap().lines().count(), path)
        })
        .filter(|(lines, _)| *lines > LONGEST)
        .map(|(lines, path)| format!("{} has {lines} lines", path.display()))
        .collect();
    assert!(long.is_empty(), "{}", long.join("\n"));
}

/// Only these rooms may do these things; a second place would be a second way for data to flow.
#[test]
fn some_things_happen_in_one_room_only() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let only = [
        ("rusqlite::", "store/"),
        ("reqwest::", "client/"),
        ("axum::", "server/"),
        ("comfy_table::", "cli/"),
        ("println!", "nowhere"),
        ("set_var(", "nowhere"),
        ("unbounded_channel", "nowhere"),
    ];
    let mut wrong = Vec::new();
    for path in sources(&src) {
        let file = path.strip_prefix(&src).unwrap().to_str().unwrap().to_owned();
        if file.ends_with("_test.rs") {
            continue;
        }
        let code = code(&path);
        wrong.extend(
            only.iter()
                .filter(|(what, room)| code.contains(what) && !file.starts_with(room))
                .map(|(what, room)| format!("{file} uses {what}, which belongs to {room}")),
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
