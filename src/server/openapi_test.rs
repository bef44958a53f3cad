//! The document has every route.

use super::*;
use crate::api;

#[test]
fn every_route_is_described() {
    let document = serde_json::to_value(openapi()).unwrap();
    for (path, methods) in [
        (api::AGENTS, &["post", "get"][..]),
        (api::AGENT, &["get"]),
        (api::MESSAGES, &["post"]),
        (api::KILL, &["post"]),
        (api::KILL_MANY, &["post"]),
        (api::AGENT_EVENTS, &["get"]),
        (api::EVENTS, &["get"]),
        (api::AUDIT, &["get"]),
        (api::KEYS, &["post", "get"]),
        (api::KEY, &["delete"]),
        (api::CANCEL, &["post"]),
        (api::PERMISSION, &["post"]),
        (api::OPTIONS, &["post"]),
        (api::SHUTDOWN, &["post"]),
        (api::PROFILES, &["get"]),
        (api::OPENCLAW, &["get"]),
        (api::OPENCLAW_SESSION, &["get"]),
        (api::OPENAPI, &["get"]),
        (api::AUDIT_VERIFY, &["get"]),
        (api::HEALTHZ, &["get"]),
        (api::READYZ, &["get"]),
        (api::METRICS, &["get"]),
    ] {
        let described = document["paths"][path].as_object().unwrap_or_else(|| panic!("{path}"));
        assert_eq!(described.len(), methods.len(), "{path}");
        for method in methods {
            assert!(described[*method]["summary"].is_string(), "{method} {path}");
            for (status, response) in described[*method]["responses"].as_object().unwrap() {
                assert!(response["description"].is_string(), "{method} {path} {status}");
            }
        }
    }
    assert_eq!(document["paths"].as_object().unwrap().len(), 22);
}

#[test]
fn every_name_that_is_used_is_defined() {
    let document = serde_json::to_value(openapi()).unwrap();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let text = document.to_string();
    let references = text.split("#/components/schemas/").skip(1);
    let used: std::collections::BTreeSet<_> =
        references.filter_map(|rest| rest.split('"').next()).collect();
    for name in &used {
        assert!(schemas.contains_key(*name), "{name}");
    }
    for name in ["AgentBody", "AgentsPage", "ErrorBody", "EventsPage", "SpawnBody"] {
        assert!(used.contains(name), "{name}");
    }
    assert!(schemas.contains_key("EventBody"));
    assert_eq!(document["components"]["securitySchemes"]["key"]["scheme"], "bearer");
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
}
