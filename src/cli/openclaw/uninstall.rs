//! `dash openclaw uninstall`.

use clap::Args;

use super::site::Site;
use super::{Place, install, plan};
use crate::cli::{Context, Failure, exit};
use crate::openclaw::setup::{AGENT, Record};

/// What to take away.
#[derive(Debug, Args)]
pub(super) struct UninstallArgs {
    #[command(flatten)]
    place: Place,
    /// Run the commands, instead of printing them.
    #[arg(long)]
    apply: bool,
}

/// Uninstalls.
///
/// # Errors
/// See [`Failure`].
pub(super) async fn run(args: UninstallArgs, context: &Context) -> Result<u8, Failure> {
    let site = Site::find(&args.place, context)?;
    let look = site.look().await.ok();
    let steps = plan::to_uninstall(&site, look.as_ref(), has_key(&site, context).await?)?;
    plan::carry_out(&steps, args.apply, &site, context).await?;
    let changed = site.files.take_skill()?;
    install::say(context, "skill", &site.files.skill().directory, changed)?;
    let changed = site.files.take_link()?;
    install::say(context, "dashctl", &site.files.link, changed)?;
    // The deepest first; one that something else is in stays. Of the agent that it deletes, OpenClaw leaves an empty
    // one (seen with 2026.9.6).
    let of_agent = site.state_dir.join("agents").join(AGENT);
    let made = site.record.iter().flat_map(|record| &record.directories);
    for directory in made.chain(args.apply.then_some(&of_agent)) {
        let _ = std::fs::remove_dir(directory);
    }
    if args.apply || steps.is_empty() {
        for file in [&site.key_file, &site.record_file] {
            Record::remove(file).map_err(|error| {
                let message = format!("cannot remove {}: {error}", file.display());
                Failure::new(exit::FAILED, "not_written", message).hinted("remove it yourself")
            })?;
        }
        context.say(
            "dash: OpenClaw is as it was; `dash shutdown` stops the daemon, its data stays until you delete it",
        );
    } else {
        context.say("dash: `dash openclaw uninstall --apply` runs these commands");
    }
    Ok(exit::DONE)
}

/// Whether OpenClaw has a key of its own. Only a daemon knows; without its file there was none.
async fn has_key(site: &Site, context: &Context) -> Result<bool, Failure> {
    if !site.key_file.exists() {
        return Ok(false);
    }
    let keys = context.daemon().await?.keys().await?;
    Ok(keys.iter().any(|key| key.name == plan::KEY))
}
