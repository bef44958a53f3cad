//! `dash completions`: what the shell offers when Tab is pressed.
//!
//! There are two kinds of scripts. The one that is printed asks this very program, by its absolute
//! path, so that ids and labels complete too. The ones that are written to files for packages ask
//! nobody: there the program is not known, and on many systems the name `dash` would run the
//! system's shell with whatever was typed.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{CommandFactory as _, ValueEnum};
use clap_complete::aot;
use clap_complete::engine::CompletionCandidate;
use clap_complete::env::{CompleteEnv, Shells};

use super::show::Show;
use super::{Cli, Color, Context, Failure, exit};
use crate::api::{AgentBody, AgentsQuery};
use crate::config::Paths;

/// Set by the scripts when they ask. Its value is the shell's name.
const VARIABLE: &str = "DASH_COMPLETE";
/// The names that people type.
const NAMES: [&str; 2] = ["dash", "dashctl"];
/// Nobody waits longer than this for a completion.
const PATIENCE: Duration = Duration::from_millis(50);
/// Agents that are offered at most.
const MOST: usize = 200;
/// Milliseconds that an agent is still offered after its end.
const RECENT_MS: u64 = 3_600_000;

/// Print completions for a shell, or write them for all shells.
///
/// The printed script completes ids and labels too, from the daemon if one runs.
#[derive(Debug, Default, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct CompletionsArgs {
    /// For which shell.
    #[arg(value_enum, required_unless_present = "out")]
    pub shell: Option<Shell>,
    /// Write a file for each shell into this directory instead: what a package installs. They
    /// complete commands and options, not ids.
    #[arg(long, value_name = "DIR", conflicts_with = "shell", value_hint = clap::ValueHint::DirPath)]
    pub out: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Where to put the script:
  bash        source <(dash completions bash)       in ~/.bashrc
  zsh         source <(dash completions zsh)        in ~/.zshrc, after compinit
  fish        dash completions fish | source        in ~/.config/fish/config.fish
  elvish      eval (dash completions elvish | slurp)  in ~/.config/elvish/rc.elv
  powershell  dash completions powershell | Out-String | Invoke-Expression  in $PROFILE

Where `dash` is the system's shell, write `dashctl` instead.";

/// A shell with completions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    Bash,
    Zsh,
    Fish,
    Elvish,
    Powershell,
}

impl Shell {
    const fn name(self) -> &'static str {
        match self {
            Self::Bash => "bash",
            Self::Zsh => "zsh",
            Self::Fish => "fish",
            Self::Elvish => "elvish",
            Self::Powershell => "powershell",
        }
    }

    const fn for_files(self) -> aot::Shell {
        match self {
            Self::Bash => aot::Shell::Bash,
            Self::Zsh => aot::Shell::Zsh,
            Self::Fish => aot::Shell::Fish,
            Self::Elvish => aot::Shell::Elvish,
            Self::Powershell => aot::Shell::PowerShell,
        }
    }
}

/// Answers a shell that asks for completions, and ends the process; otherwise does nothing, at the
/// cost of looking at one variable. To be called before anything else is printed or started.
pub fn complete_from_environment() {
    if std::env::var_os(VARIABLE).is_some_and(|shell| !shell.is_empty()) {
        CompleteEnv::with_factory(command).var(VARIABLE).complete();
    }
}

/// The command as it completes. Of a name and its visible aliases only the first in the alphabet
/// is ever offered, so that `list` would hide `status`; a hidden alias is offered to those who have
/// begun to type it.
fn command() -> clap::Command {
    Cli::command().mut_subcommands(|command| match command.get_name() {
        "status" => command.visible_alias(clap::builder::Resettable::Reset).aliases(["list", "ls"]),
        _ => command,
    })
}

/// Runs the command.
///
/// # Errors
/// When a file cannot be written.
#[allow(clippy::unused_async, reason = "every command is run the same way")]
pub async fn run(args: CompletionsArgs, context: &Context) -> Result<u8, Failure> {
    if let Some(directory) = &args.out {
        write_files(directory).map_err(|error| not_written(directory, &error))?;
    } else if let Some(shell) = args.shell {
        let own = std::env::current_exe().unwrap_or_else(|_| NAMES[0].into());
        let script = script(shell, &own.to_string_lossy()).map_err(|error| {
            Failure::new(exit::FAILED, "internal", format!("no script could be made: {error}"))
        })?;
        context.show.bytes(&script)?;
    }
    Ok(exit::DONE)
}

/// That generated files cannot be written there.
pub(super) fn not_written(directory: &Path, error: &io::Error) -> Failure {
    let message = format!("cannot write into {}: {error}", directory.display());
    Failure::new(exit::FAILED, "not_written", message)
}

/// The script that asks the program at this path.
fn script(shell: Shell, program: &str) -> io::Result<Vec<u8>> {
    let mut script = Vec::new();
    if let Some(completer) = Shells::builtins().completer(shell.name()) {
        for name in NAMES {
            completer.write_registration(VARIABLE, name, name, program, &mut script)?;
        }
    }
    Ok(script)
}

/// One file for each shell.
fn write_files(directory: &Path) -> io::Result<()> {
    std::fs::create_dir_all(directory)?;
    for shell in Shell::value_variants() {
        let generator = shell.for_files();
        let mut script = Vec::new();
        aot::generate(generator, &mut Cli::command(), NAMES[0], &mut script);
        let script = for_both_names(*shell, &String::from_utf8_lossy(&script));
        let file = aot::Generator::file_name(&generator, NAMES[0]);
        std::fs::write(directory.join(file), script)?;
    }
    Ok(())
}

/// The script, for the second name too.
fn for_both_names(shell: Shell, script: &str) -> String {
    let [first, second] = NAMES;
    match shell {
        Shell::Bash => {
            let register = format!(" {first}\n");
            let is_register = |line: &&str| line.trim_start().starts_with("complete -F ");
            let mut both = String::with_capacity(script.len());
            for line in script.split_inclusive('\n') {
                both.push_str(line);
                if is_register(&line) {
                    both.push_str(&line.replace(&register, &format!(" {second}\n")));
                }
            }
            both
        }
        Shell::Zsh => {
            let (tag, define) =
                (format!("#compdef {first}\n"), format!("compdef _{first} {first}\n"));
            script
                .replace(&tag, &format!("#compdef {first} {second}\n"))
                .replace(&define, &format!("compdef _{first} {first} {second}\n"))
        }
        Shell::Fish => format!("{script}complete -c {second} -w {first}\n"),
        Shell::Elvish => format!(
            "{script}set edit:completion:arg-completer[{second}] = \
             $edit:completion:arg-completer[{first}]\n"
        ),
        Shell::Powershell => script.replace(
            &format!("-CommandName '{first}'"),
            &format!("-CommandName '{first}', '{second}'"),
        ),
    }
}

/// Ids and labels of agents, from the daemon if one runs. Nothing is started, nothing is said, and
/// nobody waits.
#[must_use]
pub fn agents() -> Vec<CompletionCandidate> {
    recent_agents().map(|agents| candidates(&agents)).unwrap_or_default()
}

fn recent_agents() -> Option<Vec<AgentBody>> {
    let variable = |name: &str| std::env::var_os(name);
    if variable("DASH_API_URL").is_some_and(|url| is_far(&url)) {
        return None;
    }
    let paths = Paths::resolve(variable).ok()?;
    let show = Show::detect(false, true, Color::Never, variable);
    let context = Context { paths, show };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
    let ask = async {
        let client = context.running_daemon().await.ok()??;
        let query = AgentsQuery {
            ended_within_ms: Some(RECENT_MS),
            limit: Some(MOST),
            ..AgentsQuery::default()
        };
        Some(client.agents(&query).await.ok()?.agents)
    };
    runtime.block_on(async { tokio::time::timeout(PATIENCE, ask).await.ok()? })
}

/// A connection with TLS takes longer than anybody waits.
fn is_far(url: &OsString) -> bool {
    url.to_string_lossy().starts_with("https:")
}

fn candidates(agents: &[AgentBody]) -> Vec<CompletionCandidate> {
    let mut labels: Vec<&str> = agents
        .iter()
        .filter_map(|agent| agent.label.as_deref())
        .filter(|label| is_plain(label))
        .collect();
    labels.sort_unstable();
    labels.dedup();
    let labels = labels.into_iter().map(CompletionCandidate::new);
    let ids = agents.iter().map(|agent| {
        let label = agent.label.as_deref().filter(|label| is_plain(label)).unwrap_or_default();
        let help = format!("{} {label}", agent.status);
        CompletionCandidate::new(agent.id.as_str()).help(Some(help.trim_end().to_owned().into()))
    });
    labels.chain(ids).collect()
}

/// Whether the text means nothing to any shell: what is completed stands on a command line, and a
/// label is whatever somebody chose.
fn is_plain(label: &str) -> bool {
    let harmless = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_' || c == '.';
    (1..=64).contains(&label.len()) && !label.starts_with('-') && label.chars().all(harmless)
}

/// Generated files are kept in the repository, for packages and for review.
#[cfg(test)]
pub(super) fn assert_same_files(fresh: &Path, kept: &Path, command: &str) {
    let list = |directory: &Path| -> std::collections::BTreeMap<OsString, String> {
        let entries = std::fs::read_dir(directory).unwrap().map(Result::unwrap);
        let read = |entry: std::fs::DirEntry| {
            (entry.file_name(), std::fs::read_to_string(entry.path()).unwrap())
        };
        entries.map(read).collect()
    };
    let (fresh, kept) = (list(fresh), list(kept));
    let names: Vec<_> = fresh.keys().chain(kept.keys()).collect();
    let stale: Vec<_> =
        names.into_iter().filter(|name| fresh.get(*name) != kept.get(*name)).collect();
    assert!(stale.is_empty(), "run `{command}`, these files are stale: {stale:?}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::status::sample::agent;

    #[test]
    fn only_plain_labels_get_to_a_command_line() {
        let with = |label: &str| AgentBody { label: Some(label.to_owned()), ..agent(1) };
        let agents =
            [with("fix-bug"), with("$(reboot)"), with("-rf"), with("a b"), with("fix-bug")];
        let offered = candidates(&agents);
        let values: Vec<String> =
            offered.iter().map(|c| c.get_value().to_string_lossy().into_owned()).collect();
        assert_eq!(values[0], "fix-bug");
        assert_eq!(values.len(), 1 + agents.len());
        assert!(values[1..].iter().all(|value| value == agents[0].id.as_str()));
        for hint in offered.iter().filter_map(CompletionCandidate::get_help) {
            assert!(!hint.to_string().contains('$'), "{hint}");
        }
    }

    #[test]
    fn no_visible_alias_hides_a_command() {
        let aliases = |command: &clap::Command| -> Vec<Vec<String>> {
            let all = command.get_subcommands();
            all.map(|sub| sub.get_all_aliases().map(str::to_owned).collect()).collect()
        };
        let completed = command();
        assert_eq!(aliases(&completed), aliases(&Cli::command()));
        assert!(completed.get_subcommands().all(|sub| sub.get_visible_aliases().count() == 0));
    }

    #[test]
    fn scripts_know_both_names_and_the_program() {
        for shell in Shell::value_variants() {
            let script = String::from_utf8(script(*shell, "/opt/x/dash").unwrap()).unwrap();
            assert!(script.contains("/opt/x/dash"), "{shell:?}: {script}");
            assert!(script.contains("dashctl"), "{shell:?}: {script}");
            assert!(script.contains(VARIABLE), "{shell:?}: {script}");
        }
    }

    #[test]
    fn the_files_in_the_repository_are_fresh() {
        let fresh = tempfile::tempdir().unwrap();
        write_files(fresh.path()).unwrap();
        let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("completions");
        assert_same_files(fresh.path(), &kept, "dash completions --out completions");
    }

    #[test]
    fn files_are_made_the_same_every_time_and_run_nothing() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        write_files(one.path()).unwrap();
        write_files(two.path()).unwrap();
        for file in ["dash.bash", "_dash", "dash.fish", "dash.elv", "_dash.ps1"] {
            let script = std::fs::read_to_string(one.path().join(file)).unwrap();
            assert_eq!(script, std::fs::read_to_string(two.path().join(file)).unwrap());
            assert!(script.contains("dashctl"), "{file}");
            assert!(!script.contains(VARIABLE), "{file}");
        }
    }
}
