//! `dash doctor`: whether Dash can do its work here, and what to do when it cannot.

mod bridge;
mod harnesses;
mod name;
mod places;
mod system;

use std::borrow::Cow;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::PathBuf;

use serde::Serialize;

use super::show::{Paint, Show, clean, count};
use super::{Context, Failure, exit};

/// Look whether everything is in order here, and say how to mend what is not.
///
/// Nothing is changed. Every installed harness is started for a moment, in an empty directory, and asked to begin a
/// conversation. It fails when something must be mended before Dash can work.
#[derive(Debug, Default, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct DoctorArgs {}

const EXAMPLES: &str = "\
Examples:
  dash doctor
  dash doctor --json   one check a line: check, verdict (ok, warn, fail), found, next";

/// How a check went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Verdict {
    Ok,
    /// It is not there, and need not be.
    Off,
    /// It works, but not as well or as safely as it could.
    Warn,
    /// It must be mended.
    Fail,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Check {
    #[serde(rename = "check")]
    pub(super) what: Cow<'static, str>,
    pub(super) verdict: Verdict,
    pub(super) found: String,
    /// What to do about it.
    pub(super) next: Option<String>,
}

impl Check {
    pub(super) fn ok(what: impl Into<Cow<'static, str>>, found: impl Into<String>) -> Self {
        Self { what: what.into(), verdict: Verdict::Ok, found: found.into(), next: None }
    }

    pub(super) fn warn(
        what: impl Into<Cow<'static, str>>,
        found: impl Into<String>,
        next: impl Into<String>,
    ) -> Self {
        let (found, next) = (found.into(), Some(next.into()));
        Self { what: what.into(), verdict: Verdict::Warn, found, next }
    }

    pub(super) fn fail(
        what: impl Into<Cow<'static, str>>,
        found: impl Into<String>,
        next: impl Into<String>,
    ) -> Self {
        Self { verdict: Verdict::Fail, ..Self::warn(what, found, next) }
    }

    pub(super) fn off(
        what: &'static str,
        found: impl Into<String>,
        next: impl Into<String>,
    ) -> Self {
        Self { verdict: Verdict::Off, ..Self::warn(what, found, next) }
    }
}

/// Runs the command.
///
/// # Errors
/// See [`Failure`]; something to mend is exit code 1.
pub async fn run(_args: DoctorArgs, context: &Context) -> Result<u8, Failure> {
    report(&checks(context).await, &context.show)
}

/// Prints checks, and says with the exit code whether something must be mended.
///
/// # Errors
/// When standard output cannot be written.
pub(super) fn report(checks: &[Check], show: &Show) -> Result<u8, Failure> {
    for check in checks {
        if show.json {
            show.json_line(check)?;
        } else {
            show.bytes(lines(show, check).as_bytes())?;
        }
    }
    let failed = checks.iter().filter(|check| check.verdict == Verdict::Fail).count();
    if failed == 0 {
        return Ok(exit::DONE);
    }
    show.remark(&format!("{} to mend", count(failed, "thing")));
    Ok(exit::FAILED)
}

async fn checks(context: &Context) -> Vec<Check> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let own = std::env::current_exe().ok().and_then(|path| path.canonicalize().ok());
    let mut checks = name::checks(variable("PATH"), own.as_deref());
    checks.push(configuration(context));
    checks.extend(places::checks(&context.paths));
    checks.push(places::runtime_directory(variable("XDG_RUNTIME_DIR").map(PathBuf::from)));
    checks.push(daemon(context, variable("DASH_API_URL")).await);
    checks.extend(bridge::check(context).await);
    checks.push(system::descriptors());
    checks.push(system::systemd());
    checks.extend(harnesses::checks(context).await);
    checks
}

fn configuration(context: &Context) -> Check {
    let file = context.paths.config_file.display();
    match context.config() {
        Ok(_) if context.paths.config_file.exists() => Check::ok("configuration", file.to_string()),
        Ok(_) => Check::ok("configuration", format!("no file, defaults are in force ({file})")),
        Err(failure) => Check::fail("configuration", failure.message, "mend that line"),
    }
}

/// How the daemon is.
pub(super) async fn daemon_here(context: &Context) -> Check {
    let url = std::env::var_os("DASH_API_URL").filter(|url| !url.is_empty());
    daemon(context, url).await
}

/// How the bridge to OpenClaw is; nothing when it is off.
pub(super) async fn bridge_here(context: &Context) -> Option<Check> {
    bridge::check(context).await
}

async fn daemon(context: &Context, url: Option<OsString>) -> Check {
    let client = match context.running_daemon().await {
        Ok(Some(client)) => client,
        Ok(None) if url.is_none() => {
            let found = "none runs; the first command that needs one starts it";
            return Check::ok("daemon", found);
        }
        Ok(None) => {
            let found = "none answers where DASH_API_URL points";
            return Check::fail("daemon", found, "start it there, or unset DASH_API_URL");
        }
        Err(failure) => {
            let next = failure.hint.unwrap_or_else(|| "check DASH_API_URL and DASH_API_KEY".into());
            return Check::fail("daemon", failure.message, next);
        }
    };
    match client.health().await {
        Ok(health) => {
            let found =
                format!("version {}, {}, pid {}", health.version, health.status, health.pid);
            if health.version != env!("CARGO_PKG_VERSION") {
                let next = format!(
                    "this is version {}: `dash shutdown` and the next command starts it; agents \
                     run on",
                    env!("CARGO_PKG_VERSION")
                );
                return Check::warn("daemon", found, next);
            }
            if health.status != "ok" {
                return Check::warn(
                    "daemon",
                    found,
                    "look into its log: `dash config show --json`",
                );
            }
            Check::ok("daemon", found)
        }
        Err(error) => Check::fail(
            "daemon",
            error.to_string(),
            format!("look into its log: {}", context.paths.log().display()),
        ),
    }
}

fn lines(show: &Show, check: &Check) -> String {
    let (verdict, paint) = match check.verdict {
        Verdict::Ok => ("ok  ", Paint::Green),
        Verdict::Off => ("off ", Paint::Dim),
        Verdict::Warn => ("warn", Paint::Yellow),
        Verdict::Fail => ("FAIL", Paint::Red),
    };
    let verdict = show.paint(verdict, paint);
    let mut lines = format!("{verdict}  {}: {}\n", clean(&check.what), clean(&check.found));
    if let Some(next) = &check.next {
        let _ = writeln!(lines, "      {}", show.paint(&clean(next), Paint::Dim));
    }
    lines
}
