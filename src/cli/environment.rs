//! Which of the caller's variables go on: to an agent, and to a daemon that is started on demand.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

use super::Failure;

const BASE: [&str; 8] = ["PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "TZ", "TMPDIR"];

/// Whether every agent gets the caller's value of this variable.
pub(super) fn is_base(name: &str) -> bool {
    BASE.contains(&name) || name.starts_with("LC_") || name.starts_with("XDG_")
}

/// Whether a daemon that is started on demand gets the variable: its own settings too, but not what
/// belongs to this one call, and where OpenClaw's configuration is, which OpenClaw's exec says. With `DASH_AGENT_ID` it would be taken for a part of the agent that
/// happened to start it, and end with it.
pub(super) fn is_daemons(name: &OsStr) -> bool {
    let Some(name) = name.to_str() else { return false };
    let of_this_call = matches!(name, "DASH_AGENT_ID" | "DASH_API_URL" | "DASH_API_KEY");
    let of_openclaw = matches!(name, "OPENCLAW_CONFIG_PATH" | "OPENCLAW_STATE_DIR");
    is_base(name) || of_openclaw || (name.starts_with("DASH_") && !of_this_call)
}

/// Variables with their values, and the names of those that are not UTF-8 and so stay behind.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Chosen {
    pub(super) variables: BTreeMap<String, String>,
    pub(super) left_out: Vec<String>,
}

/// The caller's variables that an agent starts from: the base ones, or `all` of them.
pub(super) fn base(all: bool, caller: impl Iterator<Item = (OsString, OsString)>) -> Chosen {
    let mut chosen = Chosen::default();
    for (name, value) in caller {
        // Which agent the caller is says nothing about the new one.
        let wanted = name != "DASH_AGENT_ID" && (all || name.to_str().is_some_and(is_base));
        match (name.into_string(), value.into_string()) {
            _ if !wanted => {}
            (Ok(name), Ok(value)) => {
                chosen.variables.insert(name, value);
            }
            (Ok(name), Err(_)) => chosen.left_out.push(name),
            (Err(name), _) => chosen.left_out.push(name.to_string_lossy().into_owned()),
        }
    }
    chosen
}

/// The variables of `-e K=V` and `-e K`; the last of several with one name counts. No message has a
/// value in it.
pub(super) fn given(
    entries: &[String],
    caller: impl Fn(&str) -> Option<OsString>,
) -> Result<BTreeMap<String, String>, Failure> {
    let mut variables = BTreeMap::new();
    for entry in entries {
        let (name, value) = match entry.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (entry.as_str(), None),
        };
        if name.is_empty() {
            return Err(Failure::usage("--env needs a name before the equals sign")
                .hinted("-e NAME=VALUE, or -e NAME for the value that NAME has here"));
        }
        let value = match value {
            Some(value) => value,
            None => caller(name)
                .ok_or_else(|| {
                    Failure::usage(format!("--env {name}: the variable is not set here"))
                        .hinted(format!("give it a value: -e {name}=VALUE"))
                })?
                .into_string()
                .map_err(|_| Failure::usage(format!("--env {name}: its value is not UTF-8")))?,
        };
        variables.insert(name.to_owned(), value);
    }
    Ok(variables)
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt as _;

    use super::*;

    fn caller() -> impl Iterator<Item = (OsString, OsString)> {
        let broken = OsString::from_vec(b"\xff".to_vec());
        ["PATH", "LC_ALL", "XDG_RUNTIME_DIR", "SECRET", "DASH_AGENT_ID", "LD_PRELOAD"]
            .map(|name| (OsString::from(name), OsString::from("v")))
            .into_iter()
            .chain([("TZ".into(), broken.clone()), ("OTHER".into(), broken)])
    }

    #[test]
    fn an_agent_starts_from_the_base_variables_only() {
        let chosen = base(false, caller());
        assert_eq!(
            chosen.variables.keys().collect::<Vec<_>>(),
            ["LC_ALL", "PATH", "XDG_RUNTIME_DIR"]
        );
        assert_eq!(chosen.left_out, ["TZ"]);
    }

    #[test]
    fn all_means_all_but_the_callers_identity() {
        let chosen = base(true, caller());
        assert!(chosen.variables.contains_key("SECRET"));
        assert!(!chosen.variables.contains_key("DASH_AGENT_ID"));
        assert_eq!(chosen.left_out, ["TZ", "OTHER"]);
    }

    #[test]
    fn a_daemon_gets_no_secret_and_no_agents_name() {
        for (name, expected) in [
            ("HOME", true),
            ("DASH_HOME", true),
            ("DASH_AGENT_ID", false),
            ("DASH_API_KEY", false),
            ("DASH_API_URL", false),
            ("SECRET", false),
        ] {
            assert_eq!(is_daemons(OsStr::new(name)), expected, "{name}");
        }
    }

    #[test]
    fn a_daemon_learns_where_openclaw_is_and_none_of_its_secrets() {
        for (name, expected) in [
            ("OPENCLAW_CONFIG_PATH", true),
            ("OPENCLAW_STATE_DIR", true),
            ("OPENCLAW_GATEWAY_TOKEN", false),
            ("DASH_LOG", true),
            ("DASH_AGENT_ID", false),
            ("DASH_API_KEY", false),
            ("HOME", true),
            ("ANTHROPIC_API_KEY", false),
        ] {
            assert_eq!(is_daemons(OsStr::new(name)), expected, "{name}");
        }
    }

    #[test]
    fn variables_are_given_with_a_value_or_taken_from_here() {
        let here = |name: &str| (name == "HERE").then(|| OsString::from("mine"));
        let read = |entries: &[&str]| {
            given(&entries.iter().map(|&e| e.to_owned()).collect::<Vec<_>>(), here)
        };
        let variables = read(&["A=1", "A=2=3", "HERE", "EMPTY="]).unwrap();
        let expected = [("A", "2=3"), ("EMPTY", ""), ("HERE", "mine")];
        assert!(variables.iter().map(|(n, v)| (n.as_str(), v.as_str())).eq(expected));
        for (wrong, expected) in [("=x", "a name"), ("", "a name"), ("GONE", "not set")] {
            let failure = read(&[wrong]).unwrap_err();
            assert_eq!(failure.exit, 2);
            assert!(failure.message.contains(expected), "{failure:?}");
        }
    }
}
