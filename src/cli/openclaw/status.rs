//! `dash openclaw status`.

use super::site::Site;
use super::{Place, pieces};
use crate::cli::doctor::{self, Check};
use crate::cli::{Context, Failure};

/// Looks at each piece.
///
/// # Errors
/// See [`Failure`]; something to mend is exit code 1.
pub(super) async fn run(place: &Place, context: &Context) -> Result<u8, Failure> {
    let site = Site::find(place, context)?;
    let look = site.look().await;
    let mut checks = vec![pieces::command_line(&site), pieces::gateway(&look)];
    checks.push(pieces::link(&site));
    checks.push(pieces::skill(&site));
    if let Ok(look) = &look {
        checks.push(pieces::skill_in_gateway(look));
        checks.push(pieces::exec(look, &site.files.program));
        checks.push(pieces::acp(look, &site));
        checks.push(pieces::provider(look, &site).await);
    }
    checks.push(doctor::daemon_here(context).await);
    checks.push(doctor::bridge_here(context).await.unwrap_or_else(off));
    doctor::report(&checks, &context.show)
}

fn off() -> Check {
    let next = "to see agents live in the session: `dash config set openclaw.enabled true`, then `dash shutdown`";
    Check::off("bridge to OpenClaw", "not asked for", next)
}
