//! `dash watch`: events as they come.

use super::{Context, Failure};
use crate::api::AgentBody;
use crate::client::Client;
use crate::model::Seq;

/// Show what agents do, as it happens.
#[derive(Debug, clap::Args)]
pub struct WatchArgs {}

/// Runs the command.
///
/// # Errors
/// See [`Failure`].
#[allow(clippy::unused_async)]
pub async fn run(args: WatchArgs, context: &Context) -> Result<u8, Failure> {
    let _ = (args, context);
    Ok(super::exit::FAILED)
}

/// Prints the events of these agents after `since` until all of them have ended, and answers with
/// them as they ended, in the order given.
///
/// # Errors
/// See [`Failure`].
#[allow(clippy::unused_async)]
pub async fn follow_agents(
    context: &Context,
    client: &Client,
    agents: &[AgentBody],
    since: Seq,
) -> Result<Vec<AgentBody>, Failure> {
    let _ = (context, client, since);
    Ok(agents.to_vec())
}
