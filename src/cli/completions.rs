//! tmp
use super::{Context, Failure};
use clap_complete::engine::CompletionCandidate;
/// Print completions for a shell.
#[derive(Debug, clap::Args)]
pub struct CompletionsArgs {}
pub fn agents() -> Vec<CompletionCandidate> {
    Vec::new()
}
#[allow(clippy::unused_async)]
pub async fn run(args: CompletionsArgs, context: &Context) -> Result<u8, Failure> {
    let _ = (args, context);
    Ok(super::exit::FAILED)
}
