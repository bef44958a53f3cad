//! Whether agents' ends reach OpenClaw, where that was asked for.

use super::Check;
use crate::api::{BridgeBody, BridgeState};
use crate::cli::Context;
use crate::cli::show::count;

const WHAT: &str = "bridge to OpenClaw";

/// Nothing when no daemon runs, or its bridge is off.
pub(super) async fn check(context: &Context) -> Option<Check> {
    let client = context.running_daemon().await.ok()??;
    verdict(&client.bridge().await.ok()?)
}

fn verdict(bridge: &BridgeBody) -> Option<Check> {
    let url = bridge.url.as_deref().unwrap_or("the gateway");
    match bridge.state {
        BridgeState::Off | BridgeState::Unknown => return None,
        BridgeState::Connecting => {
            let why = bridge.last_error.as_deref().unwrap_or("it is being tried");
            let owed = usize::try_from(bridge.owed).unwrap_or(usize::MAX);
            let found = format!("{url} is not reached: {why}; {} to tell", count(owed, "end"));
            let next = "it goes on by itself when the gateway is back: `openclaw gateway status`";
            return Some(Check::warn(WHAT, found, bridge.hint.as_deref().unwrap_or(next)));
        }
        BridgeState::Connected => {}
    }
    let gateway = bridge.gateway.as_deref().unwrap_or("unknown");
    let Some(letter) = bridge.dead_letters.last() else {
        return Some(Check::ok(WHAT, format!("connected to {url}, OpenClaw {gateway}")));
    };
    let found = format!(
        "{} could be told to nobody within seven days, the last of agent {} to session {}: {}",
        count(bridge.dead_letters.len(), "end"),
        letter.agent_id.short(),
        letter.session,
        letter.reason,
    );
    let next = format!("`dash status {}` has its result; check --session", letter.agent_id.short());
    Some(Check::warn(WHAT, found, next))
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;
    use crate::api::DeadLetterBody;
    use crate::model::{AgentId, Seq};

    #[test]
    fn what_is_wrong_is_said_with_the_next_step() {
        let mut bridge = BridgeBody::default();
        assert_eq!(verdict(&bridge), None, "nobody asked for it");
        bridge.state = BridgeState::Connecting;
        bridge.last_error = Some("refused".into());
        bridge.hint = Some("start it".into());
        let check = verdict(&bridge).unwrap();
        assert_eq!((check.verdict, check.next.as_deref()), (Verdict::Warn, Some("start it")));
        assert!(check.found.contains("refused"));
        bridge.state = BridgeState::Connected;
        assert_eq!(verdict(&bridge).unwrap().verdict, Verdict::Ok);
        bridge.dead_letters.push(DeadLetterBody {
            time: jiff::Timestamp::UNIX_EPOCH,
            agent_id: AgentId::from_bits(1),
            session: "agent:main:gone".into(),
            seq: Seq(1),
            reason: "session not found".into(),
        });
        let check = verdict(&bridge).unwrap();
        assert_eq!(check.verdict, Verdict::Warn);
        assert!(check.found.contains("agent:main:gone: session not found"), "{}", check.found);
    }
}
