//! Each piece that makes Dash work in OpenClaw: how it is, and what to do about it.

use std::path::Path;

use serde_json::Value;

use super::site::Site;
use crate::cli::doctor::Check;
use crate::client::{Client, ClientError, Target};
use crate::openclaw::setup::{Kept, Look, NAME, Part, Wanted, at, has_rule};

const INSTALL: &str = "`dash openclaw install`";

pub(super) fn command_line(site: &Site) -> Check {
    let what = "openclaw";
    match &site.program {
        Some(program) => Check::ok(what, program.path.display().to_string()),
        None => Check::warn(
            what,
            "its command line is not on the PATH; --apply needs it",
            "name it: --openclaw FILE",
        ),
    }
}

pub(super) fn gateway(look: &Result<Look, (String, String)>) -> Check {
    match look {
        Ok(look) => Check::ok("gateway", format!("OpenClaw {}", look.version)),
        Err((why, next)) => Check::fail("gateway", why, next),
    }
}

pub(super) fn link(site: &Site) -> Check {
    let at = site.files.link.display();
    match site.files.link() {
        Kept::Ours => Check::ok(NAME, at.to_string()),
        Kept::Absent => Check::fail(NAME, format!("{at} is not there"), INSTALL),
        Kept::Other => Check::fail(NAME, format!("{at} leads to another Dash"), INSTALL),
        Kept::Foreign => {
            let next = "remove it, or name another directory: `dash openclaw install --link DIR`";
            Check::fail(NAME, format!("{at} is something else"), next)
        }
    }
}

pub(super) fn skill(site: &Site) -> Check {
    let skill = site.files.skill();
    let at = skill.directory.display();
    match skill.kept {
        Kept::Ours => Check::ok("skill", at.to_string()),
        Kept::Absent => Check::fail("skill", format!("{at} is not there"), INSTALL),
        Kept::Other => Check::warn("skill", format!("{at} is of another version"), INSTALL),
        Kept::Foreign => {
            Check::fail("skill", format!("{at} is another skill"), "move it away, or rename it")
        }
    }
}

pub(super) fn skill_in_gateway(look: &Look) -> Check {
    let what = "skill in the gateway";
    let Some(row) = &look.skill else {
        let next = "a new session finds it; else restart the gateway: `openclaw gateway restart`";
        return Check::fail(what, "the gateway does not know it", next);
    };
    if row.disabled {
        let next = "`openclaw config set skills.entries.dash.enabled true`";
        return Check::fail(what, "it is switched off", next);
    }
    if row.blocked_by_allowlist || row.blocked_by_agent_filter {
        let next = "add dash to `skills` of the agent, or of agents.defaults";
        return Check::fail(what, "OpenClaw's list of skills leaves it out", next);
    }
    if !row.missing.bins.is_empty() {
        let next = "link it into a directory of the gateway's PATH, such as /usr/local/bin: `dash openclaw \
                    install --link DIR`";
        let found = format!("{} is not on the gateway's PATH", row.missing.bins.join(", "));
        return Check::fail(what, found, next);
    }
    if !row.eligible || !row.model_visible {
        return Check::fail(what, "it is not eligible", "`openclaw skills check` says why");
    }
    if row.source != "openclaw-managed" {
        let found = format!("another copy comes first: {}", row.file_path);
        return Check::warn(what, found, "remove that copy");
    }
    Check::ok(what, "eligible; /dash is a command")
}

pub(super) fn exec(look: &Look, program: &Path) -> Check {
    let what = "exec";
    let mode = at(&look.config, "tools.exec.mode").as_str().unwrap_or_default();
    let of = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let securities = [
        of(at(&look.config, "tools.exec.security")),
        of(&look.approvals["resolvedDefaults"]["security"]),
    ];
    let next = format!(
        "`openclaw approvals allowlist add --agent '*' {}`, or {INSTALL} --apply",
        program.display()
    );
    if mode == "deny" || securities.iter().any(|security| security == "deny") {
        let next = "`openclaw exec-policy show` says which rule; /dash needs exec";
        return Check::fail(what, "exec may run nothing", next);
    }
    if has_rule(&look.approvals, program) {
        return Check::ok(what, format!("a rule lets it run {}", program.display()));
    }
    let asks = ["allowlist", "ask", "auto"].contains(&mode)
        || securities.iter().any(|security| security == "allowlist");
    if asks {
        return Check::fail(what, format!("no rule for {}", program.display()), next);
    }
    Check::ok(what, "runs everything without asking, so that no rule is needed")
}

/// What is wanted, with what the configuration itself says of profiles and addresses.
fn wanted(site: &Site, profiles: Vec<String>, listen: String) -> Wanted {
    Wanted {
        link: site.files.link.clone(),
        program: site.files.program.clone(),
        key_file: site.key_file.clone(),
        home: None,
        profiles,
        listen,
    }
}

pub(super) fn acp(look: &Look, site: &Site) -> Check {
    let what = "acp agent";
    let agent = at(&look.config, "plugins.entries.acpx.config.agents.dash");
    let plugin = look.acpx.as_ref();
    let install = "`dash openclaw install --apply --part acp`";
    if agent.is_null() {
        if plugin.is_some_and(|plugin| plugin.installed) {
            return Check::off(what, "not configured", install);
        }
        let next = format!("`openclaw plugins install @openclaw/acpx`, then {install}");
        return Check::off(what, "OpenClaw's plugin acpx is not installed", next);
    }
    let Some(plugin) = plugin.filter(|plugin| plugin.installed) else {
        let next = "`openclaw plugins install @openclaw/acpx`";
        return Check::fail(what, "OpenClaw's plugin acpx is not installed", next);
    };
    let profile = agent["args"].as_array().and_then(|args| args.last()?.as_str());
    let wanted = wanted(site, vec![profile.unwrap_or_default().to_owned()], String::new());
    if let Some(missing) = wanted.missing(Part::Acp, &look.config).first() {
        return Check::fail(what, format!("{} is not as it must be", missing.path), install);
    }
    if plugin.runtime.state != "active" {
        let found = format!("the plugin acpx does not run ({})", plugin.runtime.state);
        return Check::fail(what, found, "`openclaw plugins doctor`, and /acp doctor in chat");
    }
    Check::ok(what, format!("{} acp --agent {}", NAME, wanted.profiles[0]))
}

pub(super) async fn provider(look: &Look, site: &Site) -> Check {
    let what = "model provider";
    let provider = at(&look.config, "models.providers.dash");
    let install = "`dash openclaw install --apply --part provider`";
    let Some(base) = provider["baseUrl"].as_str() else {
        return Check::off(what, "not configured", install);
    };
    let models = provider["models"].as_array().map(Vec::as_slice).unwrap_or_default();
    let names = models.iter().filter_map(|model| Some(model["id"].as_str()?.to_owned()));
    let url = base.trim_end_matches("/v1");
    let listen = url.trim_start_matches("http://").to_owned();
    let wanted = wanted(site, names.collect(), listen);
    if wanted.profiles.is_empty() {
        return Check::fail(what, "it has no model", install);
    }
    let missing = wanted.missing(Part::Provider, &look.config);
    if let Some(missing) = missing.first() {
        return Check::fail(what, format!("{} is not as it must be", missing.path), install);
    }
    let Ok(key) = std::fs::read_to_string(&site.key_file) else {
        let found = format!("its key {} cannot be read", site.key_file.display());
        return Check::fail(what, found, install);
    };
    let target = Target::Url { url: url.to_owned(), key: Some(key.trim().to_owned()), ca: None };
    let answer = match Client::new(&target) {
        Ok(client) => client.models().await,
        Err(error) => Err(error),
    };
    match answer {
        Ok(models) => {
            let gone = wanted.profiles.iter().find(|name| !models.contains(name));
            match gone {
                Some(name) => Check::warn(
                    what,
                    format!("the profile {name} cannot run here"),
                    "`dash agents` says why",
                ),
                None => Check::ok(what, format!("{base}: {}", wanted.profiles.join(", "))),
            }
        }
        Err(ClientError::Unreachable { .. }) => Check::warn(
            what,
            format!("nobody answers at {url}"),
            format!("OpenClaw starts the daemon when it needs it; if one runs already: {install}"),
        ),
        Err(error) => Check::fail(
            what,
            error.to_string(),
            format!("remove {} and run {install}", site.key_file.display()),
        ),
    }
}

#[cfg(test)]
#[path = "pieces_test.rs"]
mod tests;
