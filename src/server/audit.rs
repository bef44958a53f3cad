//! The audit trail.

use std::sync::Arc;
use std::time::Instant;

use axum::Json;
use axum::extract::State;

use super::extract::Parameters;
use super::problem::Failure;
use super::{App, query};
use crate::api::{self, AuditBody, AuditFault, AuditPage, AuditQuery, AuditVerdict, ErrorBody};
use crate::store::AuditRecord;

/// Read the audit trail: who did what, when, to which agent, with what outcome.
#[utoipa::path(get, path = api::AUDIT, tag = "audit", params(AuditQuery),
    responses((status = 200, description = "The records, oldest first.", body = AuditPage), (status = "default", description = "What went wrong.", body = ErrorBody)))]
pub(super) async fn audit(
    State(app): State<Arc<App>>,
    Parameters(query): Parameters<AuditQuery>,
) -> Result<Json<AuditPage>, Failure> {
    let limit = query::limit(query.limit)?;
    let agent = match &query.agent {
        Some(selector) => Some(app.supervisor.resolve(selector).await?.id),
        None => None,
    };
    let since = query.since.unwrap_or_default();
    let records = app.supervisor.store().audit(since, agent, limit).await?;
    Ok(Json(page(records, limit)))
}

/// Verify the audit trail: go through all of it, and name the first bad record.
#[utoipa::path(get, path = api::AUDIT_VERIFY, tag = "audit",
    responses((status = 200, description = "The verdict, also a bad one.", body = AuditVerdict), (status = "default", description = "What went wrong.", body = ErrorBody)))]
pub(super) async fn verify(State(app): State<Arc<App>>) -> Result<Json<AuditVerdict>, Failure> {
    let begin = Instant::now();
    let verified = app.supervisor.store().verify().await?;
    let bad = verified.bad;
    Ok(Json(AuditVerdict {
        ok: bad.is_none(),
        records: verified.records,
        head: verified.head,
        checkpoints: verified.checkpoints,
        anchored: verified.anchored,
        bad: bad.map(|bad| AuditFault { position: bad.position, reason: bad.reason }),
        elapsed_ms: u64::try_from(begin.elapsed().as_millis()).unwrap_or(u64::MAX),
    }))
}

/// A full page has a next one, which may be empty.
fn page(records: Vec<AuditRecord>, limit: usize) -> AuditPage {
    let next = records.last().filter(|_| records.len() >= limit).map(|last| last.position);
    AuditPage { records: records.into_iter().map(body).collect(), next }
}

fn body(record: AuditRecord) -> AuditBody {
    AuditBody {
        position: record.position,
        seq: record.seq,
        time: record.time,
        actor: record.actor,
        action: record.action,
        agent_id: record.agent,
        label: record.label,
        outcome: record.outcome,
        detail: record.detail,
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn record(position: u64) -> AuditRecord {
        AuditRecord {
            position,
            seq: None,
            time: Timestamp::UNIX_EPOCH,
            actor: "daemon".to_owned(),
            action: "daemon.start".to_owned(),
            agent: None,
            label: None,
            outcome: "accepted".to_owned(),
            detail: serde_json::Value::Null,
        }
    }

    #[test]
    fn only_a_full_page_names_the_next() {
        assert_eq!(page(vec![record(3), record(4)], 2).next, Some(4));
        assert_eq!(page(vec![record(3), record(4)], 3).next, None);
        assert_eq!(page(Vec::new(), 3).next, None);
    }
}
