//! tmp
use super::{Context, Failure};
/// tmp
#[derive(Debug, clap::Args)]
pub struct DoctorArgs {}
#[allow(clippy::unused_async)]
pub async fn run(args: DoctorArgs, context: &Context) -> Result<u8, Failure> {
    let _ = (args, context);
    Ok(super::exit::FAILED)
}
