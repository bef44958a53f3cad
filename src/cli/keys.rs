//! `dash keys`: who gets in over TCP, and how far.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Subcommand, ValueEnum};
use jiff::Timestamp;

use super::select::{milliseconds, positive_duration};
use super::show::{Cell, Column, Paint, Table, clean};
use super::{Context, Failure, exit};
use crate::api::{KeyBody, NewKeyBody, Scope};

/// Add, list and revoke the keys that open a TCP listener.
///
/// The Unix socket needs none: it is its owner's, who may do everything. The daemon sees each change
/// at once. The key `default` comes from DASH_API_KEY or the key file when the daemon starts.
#[allow(clippy::doc_markdown, reason = "the text is shown as it is")]
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct KeysArgs {
    #[command(subcommand)]
    action: Action,
}

const EXAMPLES: &str = "\
Examples:
  dash keys add ci --scope operate --expires 720h
  dash keys list
  dash keys revoke ci";

#[derive(Debug, Subcommand)]
enum Action {
    /// Add a key and print its secret, which is shown this once.
    Add {
        /// What the audit trail calls its holder: a to z, 0 to 9, and the signs -_.
        name: String,
        /// How far it reaches; each includes the ones before it.
        #[arg(long, value_enum)]
        scope: ScopeArg,
        /// How long it is a key, such as 12h; for ever when absent.
        #[arg(long, value_name = "DURATION", value_parser = positive_duration, allow_hyphen_values = true)]
        expires: Option<Duration>,
        /// Write the secret into this new file, of mode 0600, instead of printing it.
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Show the keys, without their secrets.
    #[command(visible_alias = "ls")]
    List,
    /// Revoke a key; what it opened ends too.
    Revoke { name: String },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ScopeArg {
    /// Look at agents, events, metrics.
    Read,
    /// Spawn, send, kill.
    Operate,
    /// Keys, the audit trail, the daemon's end.
    Admin,
}

impl From<ScopeArg> for Scope {
    fn from(scope: ScopeArg) -> Self {
        match scope {
            ScopeArg::Read => Self::Read,
            ScopeArg::Operate => Self::Operate,
            ScopeArg::Admin => Self::Admin,
        }
    }
}

/// Runs the command.
///
/// # Errors
/// Exit code 5 when the caller may not; else see [`Failure`].
pub async fn run(args: KeysArgs, context: &Context) -> Result<u8, Failure> {
    let show = &context.show;
    let client = context.daemon().await?;
    match args.action {
        Action::Add { name, scope, expires, file } => {
            let expires_in_ms = expires.map(milliseconds);
            let body = NewKeyBody { name, scope: scope.into(), expires_in_ms };
            // Before there is a key: one that nobody knows would be of no use.
            let mut kept = file.as_deref().map(secret_file).transpose()?;
            let added = client.add_key(&body).await;
            if let (Err(_), Some(file)) = (&added, &file) {
                let _ = std::fs::remove_file(file);
            }
            let added = added?;
            if let (Some(kept), Some(file)) = (&mut kept, &file) {
                writeln!(kept, "{}", added.secret).map_err(|error| cannot_write(file, &error))?;
                if show.json {
                    show.json_line(&added.key)?;
                } else {
                    context.say(&format!("dash: the secret is in {}", file.display()));
                }
            } else if show.json {
                show.json_line(&added)?;
            } else {
                show.line(&clean(&added.secret))?;
                context.say("dash: this is the only time that the secret is shown");
            }
        }
        Action::List => {
            let keys = client.keys().await?;
            if show.json {
                keys.iter().try_for_each(|key| show.json_line(key))?;
            } else if show.quiet {
                keys.iter().try_for_each(|key| show.line(&clean(&key.name)))?;
            } else if keys.is_empty() {
                show.remark("there are no keys; `dash keys add NAME --scope read` makes one");
            } else {
                show.table(&table(&keys, Timestamp::now()))?;
            }
        }
        Action::Revoke { name } => {
            let key = client.revoke_key(&name).await?;
            if show.json {
                show.json_line(&key)?;
            } else if !show.quiet {
                show.line(&format!("revoked {}", clean(&key.name)))?;
            }
        }
    }
    Ok(exit::DONE)
}

/// A new file that only its owner reads.
fn secret_file(file: &Path) -> Result<std::fs::File, Failure> {
    let made = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file);
    made.map_err(|error| cannot_write(file, &error))
}

fn cannot_write(file: &Path, error: &std::io::Error) -> Failure {
    Failure::new(exit::FAILED, "internal", format!("cannot write {}: {error}", file.display()))
        .hinted("name a file that is not there yet, in a directory that is")
}

fn table(keys: &[KeyBody], now: Timestamp) -> Table {
    let mut table = Table::new(&[
        Column::Shrinks("NAME"),
        Column::Fixed("SCOPE"),
        Column::Fixed("CREATED"),
        Column::Fixed("EXPIRES"),
    ]);
    let day = |time: Timestamp| time.strftime("%F %TZ").to_string();
    for key in keys {
        table.row(vec![
            clean(&key.name).as_ref().into(),
            key.scope.as_str().into(),
            key.created_at.map(day).unwrap_or_default().into(),
            match key.expires_at {
                Some(end) if end <= now => Cell::painted("expired", Paint::Red),
                Some(end) => day(end).into(),
                None => "never".into(),
            },
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_a_row() {
        let time = |text: &str| Some(text.parse::<Timestamp>().unwrap());
        let key = |name: &str, scope, expires_at| KeyBody {
            name: name.to_owned(),
            scope,
            created_at: time("2026-03-01T12:00:00Z"),
            expires_at,
        };
        let given = KeyBody { created_at: None, ..key("default", Scope::Admin, None) };
        let over = key("old", Scope::Operate, time("2026-03-02T00:00:00Z"));
        let keys = [given, key("ci", Scope::Read, time("2026-04-01T00:00:00Z")), over];
        let now = time("2026-03-03T00:00:00Z").unwrap();
        insta::assert_snapshot!(table(&keys, now).render(80, false), @r"
    NAME     SCOPE    CREATED               EXPIRES
    default  admin                          never
    ci       read     2026-03-01 12:00:00Z  2026-04-01 00:00:00Z
    old      operate  2026-03-01 12:00:00Z  expired
    ");
    }
}
