//! `dash allow`, `dash deny`: answers an agent that asks. `dash set`: how its conversation goes on.

use clap_complete::engine::ArgValueCandidates;

use super::select::check_selector;
use super::show::{clean, name};
use super::{Context, Failure, completions, exit};
use crate::api::{AgentBody, OptionsBody, PermissionBody};

/// Allow what an agent asks for.
///
/// An agent with `--permissions ask` waits for you when it wants more than to read in its working
/// directory: `dash status SELECTOR` says what for. The oldest of its requests is answered.
#[derive(Debug, clap::Args)]
#[command(after_help = ALLOW_EXAMPLES)]
pub struct AllowArgs {
    /// An id, an unambiguous prefix of one, or an exact label.
    #[arg(value_name = "SELECTOR", add = ArgValueCandidates::new(completions::agents))]
    pub selector: String,
    /// Which of the options that it offers; the one that allows once when absent.
    #[arg(value_name = "OPTION")]
    pub option: Option<String>,
}

const ALLOW_EXAMPLES: &str = "\
Examples:
  dash allow reviewer               once
  dash allow reviewer allow_always  one of the options that `dash status reviewer` lists";

/// Deny what an agent asks for.
///
/// The agent goes on without it. The oldest of its requests is answered.
#[derive(Debug, clap::Args)]
#[command(after_help = DENY_EXAMPLES)]
pub struct DenyArgs {
    /// An id, an unambiguous prefix of one, or an exact label.
    #[arg(value_name = "SELECTOR", add = ArgValueCandidates::new(completions::agents))]
    pub selector: String,
    /// Which of the options that it offers; the one that rejects once when absent.
    #[arg(value_name = "OPTION")]
    pub option: Option<String>,
}

const DENY_EXAMPLES: &str = "\
Examples:
  dash deny reviewer
  dash kill --turn reviewer   ends the whole turn instead";

/// Set mode, model or other options of an agent's conversation.
///
/// What there is to choose from, the harness says: `dash watch SELECTOR --type update --since
/// beginning` shows it.
#[derive(Debug, clap::Args)]
#[command(after_help = SET_EXAMPLES)]
pub struct SetArgs {
    /// An id, an unambiguous prefix of one, or an exact label.
    #[arg(value_name = "SELECTOR", add = ArgValueCandidates::new(completions::agents))]
    pub selector: String,
    /// The mode to go on in.
    #[arg(long, value_name = "NAME")]
    pub mode: Option<String>,
    /// The model to go on with.
    #[arg(long, value_name = "NAME")]
    pub model: Option<String>,
    /// Another option (repeatable).
    #[arg(long = "option", value_name = "ID=VALUE")]
    pub options: Vec<String>,
}

const SET_EXAMPLES: &str = "\
Examples:
  dash set reviewer --mode plan
  dash set reviewer --model opus --option thinking=high";

/// Runs `dash allow`.
///
/// # Errors
/// Exit code 4 when there is no such agent, 5 when it asks for nothing; else see [`Failure`].
pub async fn allow(args: AllowArgs, context: &Context) -> Result<u8, Failure> {
    answer(&args.selector, args.option, true, context).await
}

/// Runs `dash deny`.
///
/// # Errors
/// As [`allow`].
pub async fn deny(args: DenyArgs, context: &Context) -> Result<u8, Failure> {
    answer(&args.selector, args.option, false, context).await
}

async fn answer(
    selector: &str,
    option: Option<String>,
    allow: bool,
    context: &Context,
) -> Result<u8, Failure> {
    check_selector(selector)?;
    let client = context.daemon().await?;
    let before = client.agent(selector).await?;
    let text = |key: &str| Some(before.asks.as_ref()?.get(key)?.as_str()?.to_owned());
    let body = PermissionBody { option, allow: Some(allow), request_id: text("request_id") };
    let agent = client.answer(before.id.as_str(), &body).await?;
    let what = before.asks.as_ref().and_then(|ask| {
        let title = ask.get("toolCall")?.get("title")?.as_str()?;
        Some(format!(": {title}"))
    });
    let verb = if allow { "allowed" } else { "denied" };
    report(context, &agent, &format!("{verb}{}", what.unwrap_or_default()))
}

/// Runs `dash set`.
///
/// # Errors
/// Exit code 4 when there is no such agent, 5 when the harness does not take it; else see [`Failure`].
pub async fn set(args: SetArgs, context: &Context) -> Result<u8, Failure> {
    check_selector(&args.selector)?;
    let options = super::spawn::options(&args.options)?;
    if args.mode.is_none() && args.model.is_none() && options.is_empty() {
        return Err(Failure::usage("there is nothing to set")
            .hinted("--mode NAME, --model NAME or --option ID=VALUE"));
    }
    let client = context.daemon().await?;
    let body = OptionsBody { mode: args.mode, model: args.model, options };
    let agent = client.set_options(&args.selector, &body).await?;
    report(context, &agent, "has them")
}

/// Says what became of it: the agent as JSON, its id, or a line.
pub(super) fn report(context: &Context, agent: &AgentBody, what: &str) -> Result<u8, Failure> {
    let show = &context.show;
    if show.json {
        show.json_line(agent)?;
    } else if show.quiet {
        show.line(agent.id.as_str())?;
    } else {
        let name = name(agent.id, agent.label.as_deref(), None);
        show.line(&format!("{name} {} {}", agent.id, clean(what)))?;
    }
    Ok(exit::DONE)
}
