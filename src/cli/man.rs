//! `dash man`: the manual.

use std::io;
use std::path::{Path, PathBuf};

use clap::CommandFactory as _;
use clap_mangen::Man;

use super::completions::not_written;
use super::{Cli, Context, Failure, exit};

/// Print a page of the manual, or write all of them.
#[derive(Debug, Default, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct ManArgs {
    /// The page of this command; the first page when there is none.
    #[arg(value_name = "COMMAND")]
    pub command: Option<String>,
    /// Write every page into this directory instead.
    #[arg(long, value_name = "DIR", conflicts_with = "command", value_hint = clap::ValueHint::DirPath)]
    pub out: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  dash man | man -l -
  dash man spawn | man -l -
  dash man --out /usr/local/share/man/man1";

/// Runs the command.
///
/// # Errors
/// Exit code 2 when there is no such command, 1 when a file cannot be written.
#[allow(clippy::unused_async, reason = "every command is run the same way")]
pub async fn run(args: ManArgs, context: &Context) -> Result<u8, Failure> {
    if let Some(directory) = &args.out {
        write_files(directory).map_err(|error| not_written(directory, &error))?;
        return Ok(exit::DONE);
    }
    let command = args.command.as_deref();
    let page = page(command).ok_or_else(|| {
        let message = format!("there is no command {:?}", command.unwrap_or_default());
        Failure::new(exit::USAGE, "usage", message).hinted("`dash help` lists the commands")
    })?;
    context.show.bytes(&page)?;
    Ok(exit::DONE)
}

/// The commands as the manual has them.
fn manual() -> clap::Command {
    let mut commands = Cli::command().disable_help_subcommand(true);
    commands.build();
    commands
}

/// The page of a command, or the first one; none when there is no such command.
fn page(command: Option<&str>) -> Option<Vec<u8>> {
    let commands = manual();
    let found = match command {
        None => commands,
        Some(name) => commands.find_subcommand(name).filter(|found| !found.is_hide_set())?.clone(),
    };
    let mut page = Vec::new();
    render(found, &mut page).ok()?;
    Some(page)
}

fn render(command: clap::Command, page: &mut Vec<u8>) -> io::Result<()> {
    let source = concat!("dash ", env!("CARGO_PKG_VERSION"));
    Man::new(command).source(source).manual("Dash").render(page)
}

fn write_files(directory: &Path) -> io::Result<()> {
    std::fs::create_dir_all(directory)?;
    write_all(&manual(), directory)
}

/// The page of this command, and of each one below it.
fn write_all(command: &clap::Command, directory: &Path) -> io::Result<()> {
    let mut page = Vec::new();
    render(command.clone(), &mut page)?;
    let name = command.get_display_name().unwrap_or_else(|| command.get_name());
    std::fs::write(directory.join(format!("{name}.1")), page)?;
    let below = command.get_subcommands().filter(|command| !command.is_hide_set());
    below.into_iter().try_for_each(|command| write_all(command, directory))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_page() {
        let directory = tempfile::tempdir().unwrap();
        write_files(directory.path()).unwrap();
        let page = |name: &str| std::fs::read_to_string(directory.path().join(name));
        assert!(page("dash.1").unwrap().contains("dash\\-status"));
        assert!(page("dash-status.1").unwrap().contains("\\-\\-session"));
        assert!(page("dash-config-init.1").is_ok());
        assert!(page("dash-keeper.1").is_err(), "hidden commands have no page");
    }

    #[test]
    fn the_pages_in_the_repository_are_fresh() {
        let fresh = tempfile::tempdir().unwrap();
        write_files(fresh.path()).unwrap();
        let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("man");
        crate::cli::completions::assert_same_files(fresh.path(), &kept, "dash man --out man");
    }

    #[test]
    fn one_page_is_printed() {
        let text = |command| page(command).map(|page| String::from_utf8(page).unwrap());
        assert!(text(None).unwrap().contains(".TH dash 1"));
        assert!(text(Some("watch")).unwrap().contains("since"));
        assert_eq!(text(Some("nope")), None);
        assert_eq!(text(Some("keeper")), None);
    }
}

#[cfg(test)]
#[path = "skill_test.rs"]
mod skill;
