//! What the system gives.

use std::path::Path;

use rustix::process::{Resource, getrlimit};

use super::Check;

/// File descriptors of one agent in the daemon and the keeper, rounded up.
const OF_ONE_AGENT: u64 = 8;
/// How many agents there should be room for.
const AGENTS: u64 = 1000;

/// The limit on open files. The soft limit is raised to the hard one, so that only the hard one counts.
pub(super) fn descriptors() -> Check {
    judge(getrlimit(Resource::Nofile).maximum)
}

fn judge(hard: Option<u64>) -> Check {
    let check = "open files";
    match hard {
        None => Check::ok(check, "no limit"),
        Some(hard) if hard >= AGENTS * OF_ONE_AGENT => Check::ok(check, format!("at most {hard}")),
        Some(hard) => Check::warn(
            check,
            format!("at most {hard}, enough for about {} agents", hard / OF_ONE_AGENT),
            "raise the hard limit: `ulimit -Hn`, or LimitNOFILE= of the unit",
        ),
    }
}

/// Whether systemd runs the system (`sd_booted(3)`).
pub(super) fn systemd() -> Check {
    let check = "systemd";
    if Path::new("/run/systemd/system").is_dir() {
        Check::ok(check, "runs this system")
    } else {
        Check::ok(check, "does not run this system; the daemon stands by itself")
    }
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;

    #[test]
    fn few_open_files_are_few_agents() {
        assert_eq!(judge(None).verdict, Verdict::Ok);
        assert_eq!(judge(Some(1_048_576)).verdict, Verdict::Ok);
        let few = judge(Some(1024));
        assert_eq!(few.verdict, Verdict::Warn);
        assert!(few.found.contains("about 128 agents"));
    }
}
