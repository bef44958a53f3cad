//! `dash audit verify`: whether the audit trail is whole. Without a daemon it reads the state
//! directory itself, which is why this file sees the store.

use std::time::Instant;

use super::show::{clean, count};
use super::{Context, Failure, exit};
use crate::api::{AuditFault, AuditVerdict};
use crate::store::{self, Verified};

/// Runs the command.
///
/// # Errors
/// See [`Failure`]. A trail that is not whole is a verdict, and exit code 1.
pub(super) async fn run(context: &Context) -> Result<u8, Failure> {
    let verdict = match context.running_daemon().await? {
        Some(daemon) => daemon.audit_verify().await?,
        None => at_rest(context)?,
    };
    if context.show.json {
        context.show.json_line(&verdict)?;
    } else {
        context.show.line(&told(&verdict))?;
    }
    Ok(if verdict.ok { exit::DONE } else { exit::FAILED })
}

fn at_rest(context: &Context) -> Result<AuditVerdict, Failure> {
    let begin = Instant::now();
    let Verified { records, head, checkpoints, anchored, bad } =
        store::verify_file(&context.paths.database()).map_err(|error| {
            Failure::new(exit::FAILED, "storage", error.to_string())
                .hinted("`dash config show` says where the state is looked for")
        })?;
    Ok(AuditVerdict {
        ok: bad.is_none(),
        records,
        head,
        checkpoints,
        anchored,
        bad: bad.map(|bad| AuditFault { position: bad.position, reason: bad.reason }),
        elapsed_ms: u64::try_from(begin.elapsed().as_millis()).unwrap_or(u64::MAX),
    })
}

/// The verdict in a sentence.
fn told(verdict: &AuditVerdict) -> String {
    let AuditVerdict { records, checkpoints, anchored, bad, .. } = verdict;
    let records = count(usize::try_from(*records).unwrap_or(usize::MAX), "record");
    let Some(bad) = bad else {
        let compared = count(*checkpoints, "checkpoint");
        return format!("the trail is whole: {records}, {compared} up to record {anchored}");
    };
    let reason = clean(&bad.reason);
    match bad.position {
        Some(position) => format!("record {position} is bad: {reason}; before it, {records} hold"),
        None => format!("{records} hold together, but {reason}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_names_the_first_bad_record() {
        let whole = AuditVerdict {
            ok: true,
            records: 7,
            head: "ab".to_owned(),
            checkpoints: 1,
            anchored: 6,
            bad: None,
            elapsed_ms: 1,
        };
        assert_eq!(told(&whole), "the trail is whole: 7 records, 1 checkpoint up to record 6");
        let bad = AuditFault { position: Some(8), reason: "it is missing".to_owned() };
        let broken = AuditVerdict { ok: false, bad: Some(bad), ..whole };
        assert_eq!(told(&broken), "record 8 is bad: it is missing; before it, 7 records hold");
    }
}
