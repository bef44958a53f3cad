use serde_json::json;

use super::*;
use crate::cli::doctor::Verdict;
use crate::openclaw::setup::SkillRow;

fn look() -> Look {
    Look {
        version: "2026.9.6".into(),
        skill: Some(SkillRow {
            source: "openclaw-managed".into(),
            eligible: true,
            model_visible: true,
            command_visible: true,
            ..SkillRow::default()
        }),
        config: json!({}),
        approvals: json!({"resolvedDefaults": {"security": "full"}}),
        acpx: None,
    }
}

fn with_skill(change: impl FnOnce(&mut SkillRow)) -> Check {
    let mut look = look();
    change(look.skill.as_mut().unwrap());
    skill_in_gateway(&look)
}

#[test]
fn what_keeps_the_skill_from_the_model_is_named_with_its_fix() {
    assert_eq!(with_skill(|_| {}).verdict, Verdict::Ok);
    let missing = with_skill(|row| {
        row.eligible = false;
        row.missing.bins = vec!["dashctl".into()];
    });
    assert_eq!(missing.verdict, Verdict::Fail);
    assert!(missing.found.contains("dashctl is not on the gateway's PATH"), "{missing:?}");
    assert!(missing.next.unwrap().contains("--link DIR"));
    let off = with_skill(|row| row.disabled = true);
    assert!(off.next.unwrap().contains("skills.entries.dash.enabled true"));
    assert_eq!(with_skill(|row| row.blocked_by_agent_filter = true).verdict, Verdict::Fail);
    assert_eq!(with_skill(|row| row.eligible = false).verdict, Verdict::Fail);
    let hidden = with_skill(|row| row.source = "openclaw-workspace".into());
    assert_eq!(hidden.verdict, Verdict::Warn);
    let mut unknown = look();
    unknown.skill = None;
    assert_eq!(skill_in_gateway(&unknown).verdict, Verdict::Fail);
}

#[test]
fn a_rule_is_missed_only_where_exec_asks() {
    let program = Path::new("/b/dash");
    let check =
        |config: Value, approvals: Value| exec(&Look { config, approvals, ..look() }, program);
    let full = json!({"resolvedDefaults": {"security": "full"}});
    assert_eq!(check(json!({}), full.clone()).verdict, Verdict::Ok);
    let mode = |mode: &str| json!({"tools": {"exec": {"mode": mode}}});
    let asks = check(mode("allowlist"), full.clone());
    assert_eq!(asks.verdict, Verdict::Fail);
    assert!(asks.next.unwrap().contains("openclaw approvals allowlist add --agent '*' /b/dash"));
    let host = json!({"resolvedDefaults": {"security": "allowlist"}});
    assert_eq!(check(json!({}), host).verdict, Verdict::Fail);
    let rule = json!({"resolvedDefaults": {"security": "full"},
        "file": {"agents": {"*": {"allowlist": [{"pattern": "/b/dash"}]}}}});
    assert_eq!(check(mode("allowlist"), rule).verdict, Verdict::Ok);
    assert_eq!(check(mode("deny"), full).verdict, Verdict::Fail);
}
