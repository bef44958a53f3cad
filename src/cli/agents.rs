//! `dash agents`: the profiles.

use super::show::{Cell, Column, Paint, Show, Table, clean, shortened};
use super::{Context, Failure, exit};
use crate::api::ProfileBody;

/// Characters of a description that are looked at for a table.
const MOST: usize = 300;

/// Show the profiles that agents can be spawned from, and which of them can run here.
///
/// Profiles are tables of the configuration file: `dash config init` writes a first one.
#[derive(Debug, Default, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct AgentsArgs {}

const EXAMPLES: &str = "\
Examples:
  dash agents
  dash spawn --agent NAME 'Review the diff'   spawn from one of them";

/// Runs the command.
///
/// # Errors
/// See [`Failure`].
pub async fn run(_args: AgentsArgs, context: &Context) -> Result<u8, Failure> {
    let show = &context.show;
    let profiles = context.daemon().await?.profiles().await?;
    print(show, &profiles)?;
    Ok(exit::DONE)
}

fn print(show: &Show, profiles: &[ProfileBody]) -> Result<(), super::show::Closed> {
    if show.json {
        return profiles.iter().try_for_each(|profile| show.json_line(profile));
    }
    if show.quiet {
        return profiles.iter().try_for_each(|profile| show.line(&clean(&profile.name)));
    }
    if profiles.is_empty() {
        show.remark("there are no profiles; `dash config init` writes a file to begin with");
        return Ok(());
    }
    show.table(&table(profiles))
}

fn table(profiles: &[ProfileBody]) -> Table {
    let mut table = Table::new(&[
        Column::Shrinks("NAME"),
        Column::Fixed("RUNTIME"),
        Column::Shrinks("CAN RUN"),
        Column::Shrinks("DESCRIPTION"),
    ]);
    for profile in profiles {
        let name = clean(&shortened(&profile.name, MOST)).into_owned();
        let reason = profile.reason.as_deref().unwrap_or("no");
        table.row(vec![
            if profile.default { format!("{name} (default)").into() } else { name.into() },
            clean(&profile.runtime).as_ref().into(),
            if profile.available {
                Cell::painted("yes", Paint::Green)
            } else {
                Cell::painted(clean(&shortened(reason, MOST)), Paint::Red)
            },
            clean(&shortened(profile.description.as_deref().unwrap_or_default(), MOST))
                .as_ref()
                .into(),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_a_row() {
        let profile = |name: &str, available| ProfileBody {
            name: name.to_owned(),
            runtime: "command".to_owned(),
            description: Some("Reviews a diff".to_owned()),
            available,
            reason: (!available).then(|| "npx is not on the PATH".to_owned()),
            default: available,
        };
        let table = table(&[profile("claude", true), profile("review", false)]);
        insta::assert_snapshot!(table.render(80, false), @r"
    NAME              RUNTIME  CAN RUN                 DESCRIPTION
    claude (default)  command  yes                     Reviews a diff
    review            command  npx is not on the PATH  Reviews a diff
    ");
    }
}
