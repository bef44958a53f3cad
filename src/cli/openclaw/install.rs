//! `dash openclaw install`.

use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::site::Site;
use super::{Place, plan};
use crate::cli::{Context, Failure, exit};
use crate::config::Config;
use crate::openclaw::setup::{Before, Files, Look, Part, Record, SKILL, Wanted};

/// Where the daemon listens for OpenClaw when its configuration does not say.
const LISTEN: &str = "127.0.0.1:7373";
/// Profiles that OpenClaw gets only when it is asked for: one that plays scripts, and OpenClaw itself.
const NOT_BY_ITSELF: [&str; 2] = ["scripted", "openclaw"];

/// What to install.
#[derive(Debug, Args)]
pub(super) struct InstallArgs {
    #[command(flatten)]
    place: Place,
    /// Run the commands, instead of printing them.
    #[arg(long)]
    apply: bool,
    /// Only this part of OpenClaw's configuration; several may be given. All of them when absent.
    #[arg(long = "part", value_name = "PART", value_enum)]
    parts: Vec<PartArg>,
    /// A profile that OpenClaw may use; the first is the usual one. All that can run here when absent.
    #[arg(long = "profile", value_name = "NAME")]
    profiles: Vec<String>,
    /// Where the daemon listens for OpenClaw, on this machine; 127.0.0.1:7373 when nothing says so.
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum PartArg {
    /// The rule that lets exec run dashctl in mode allowlist.
    Allowlist,
    /// `sessions_spawn` with runtime "acp"; needs OpenClaw's plugin acpx.
    Acp,
    /// A plain `sessions_spawn` with agentId "dash".
    Provider,
    /// None: the skill and dashctl alone.
    None,
}

impl PartArg {
    fn part(self) -> Option<Part> {
        match self {
            Self::Allowlist => Some(Part::Allowlist),
            Self::Acp => Some(Part::Acp),
            Self::Provider => Some(Part::Provider),
            Self::None => None,
        }
    }
}

/// A file as `--json` prints it.
#[derive(Debug, Serialize)]
pub(super) struct FileLine<'a> {
    pub(super) piece: &'a str,
    pub(super) path: &'a Path,
    pub(super) changed: bool,
}

/// Installs.
///
/// # Errors
/// See [`Failure`].
pub(super) async fn run(args: InstallArgs, context: &Context) -> Result<u8, Failure> {
    let site = Site::find(&args.place, context)?;
    let look = match site.look().await {
        Ok(look) => Some(look),
        Err((why, _)) => {
            context.say(&format!("dash: the gateway is not asked: {why}"));
            None
        }
    };
    let parts = parts(&args, look.as_ref(), context);
    let profiles = profiles(&args, &parts, context).await?;
    // A part that runs agents needs something to run.
    let parts: Vec<Part> =
        parts.into_iter().filter(|part| *part == Part::Allowlist || !profiles.is_empty()).collect();
    let config = context.config()?;
    let wanted = Wanted {
        link: site.files.link.clone(),
        program: site.files.program.clone(),
        listen: listen(&args, &config)?,
        key_file: site.key_file.clone(),
        home: std::env::var_os("DASH_HOME").filter(|home| !home.is_empty()).map(PathBuf::from),
        profiles,
    };
    remember(&site, &parts, config.daemon.listen.is_none(), context)?;
    if let Some(old) = site.record.as_ref().filter(|old| old.link != site.files.link) {
        let moved = Files { link: old.link.clone(), ..site.files.clone() };
        say(context, "dashctl", &moved.link, moved.take_link()?)?;
    }
    let changed = site.files.put_link()?;
    say(context, "dashctl", &site.files.link, changed)?;
    let changed = site.files.put_skill()?;
    say(context, "skill", &site.files.skill().directory, changed)?;
    let steps = plan::to_install(&parts, &wanted, &site, look.as_ref(), context).await?;
    plan::carry_out(&steps, args.apply, &site, context).await?;
    if !args.apply && !steps.is_empty() {
        context.say("dash: `dash openclaw install --apply` runs these commands");
    } else {
        context.say("dash: `dash openclaw status` looks whether it works");
    }
    Ok(exit::DONE)
}

/// The address that the daemon listens on, or shall.
fn listen(args: &InstallArgs, config: &Config) -> Result<String, Failure> {
    let asked = args.listen.map(|address| address.to_string());
    match (&config.daemon.listen, asked) {
        (Some(set), Some(asked)) if *set != asked => {
            Err(Failure::usage(format!("the daemon listens on {set} already"))
                .hinted("leave --listen out, or `dash config set daemon.listen` first"))
        }
        (Some(set), _) => Ok(set.clone()),
        (None, asked) => Ok(asked.unwrap_or_else(|| LISTEN.to_owned())),
    }
}

/// Says what was done with a file.
pub(super) fn say(
    context: &Context,
    piece: &str,
    path: &Path,
    changed: bool,
) -> Result<(), Failure> {
    if context.show.json {
        context.show.json_line(&FileLine { piece, path, changed })?;
    } else if changed {
        context.say(&format!("dash: {piece}: {}", path.display()));
    }
    Ok(())
}

/// The parts that are asked for and can be had.
fn parts(args: &InstallArgs, look: Option<&Look>, context: &Context) -> Vec<Part> {
    let all = [Part::Allowlist, Part::Acp, Part::Provider];
    let asked: Vec<Part> = if args.parts.is_empty() {
        all.to_vec()
    } else {
        args.parts.iter().filter_map(|part| part.part()).collect()
    };
    // Configuring a plugin that is not installed makes OpenClaw hold its configuration back until it is (seen).
    let can = |part: &Part| {
        let installed = look.is_some_and(|look| look.acpx.as_ref().is_some_and(|it| it.installed));
        if *part == Part::Acp && !installed {
            let why = if look.is_some() { "is not installed" } else { "may not be installed" };
            context.say(&format!(
                "dash: OpenClaw's plugin acpx {why}; for runtime \"acp\" run `openclaw plugins install \
                 @openclaw/acpx`, and then this again"
            ));
            return false;
        }
        true
    };
    asked.into_iter().filter(can).collect()
}

/// The profiles that OpenClaw may use, the usual one first.
async fn profiles(
    args: &InstallArgs,
    parts: &[Part],
    context: &Context,
) -> Result<Vec<String>, Failure> {
    if parts.iter().all(|part| *part == Part::Allowlist) {
        return Ok(Vec::new());
    }
    let known = context.daemon().await?.profiles().await?;
    for name in &args.profiles {
        if !known.iter().any(|profile| profile.name == *name) {
            return Err(Failure::usage(format!("there is no profile {name:?}"))
                .hinted("`dash agents` lists the profiles"));
        }
    }
    if !args.profiles.is_empty() {
        return Ok(args.profiles.clone());
    }
    let mut usable: Vec<_> = known
        .into_iter()
        .filter(|profile| profile.available)
        .filter(|profile| profile.default || !NOT_BY_ITSELF.contains(&profile.name.as_str()))
        .collect();
    usable.sort_by_key(|profile| !profile.default);
    if usable.is_empty() {
        context.say("dash: no profile can run here, so that sessions_spawn has none; `dash agents` says why");
    }
    Ok(usable.into_iter().map(|profile| profile.name).collect())
}

/// Writes down what was there, before anything is changed for the first time.
fn remember(
    site: &Site,
    parts: &[Part],
    sets_listen: bool,
    context: &Context,
) -> Result<(), Failure> {
    let mut record = match &site.record {
        Some(record) => record.clone(),
        None => Record {
            state_dir: site.state_dir.clone(),
            before: Before::of(&site.config()?),
            ..Record::default()
        },
    };
    let made = [site.files.skills.clone(), parent(&site.files.link)];
    for directory in made {
        if !directory.exists() && !record.directories.contains(&directory) {
            record.directories.push(directory);
        }
    }
    record.link.clone_from(&site.files.link);
    record.program.clone_from(&site.files.program);
    let listen = "daemon.listen".to_owned();
    if parts.contains(&Part::Provider) && sets_listen && !record.own.contains(&listen) {
        record.own.push(listen);
    }
    let state = &context.paths.state;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(state)
        .and_then(|()| record.write(&site.record_file))
        .map_err(|error| {
            let file = site.record_file.display();
            Failure::new(exit::FAILED, "not_written", format!("cannot write {file}: {error}"))
                .hinted(format!("{SKILL} keeps there what OpenClaw's configuration was before"))
        })
}

fn parent(file: &Path) -> PathBuf {
    file.parent().unwrap_or(Path::new("/")).to_owned()
}
