//! `openapi.json`, the contract as it was last agreed on.

use super::started;

#[test]
fn the_contract_is_what_was_agreed_on() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/openapi.json");
    let now = dash::server::openapi().to_pretty_json().unwrap() + "\n";
    if std::env::var_os("REFRESH_OPENAPI").is_some() {
        std::fs::write(file, &now).unwrap();
    }
    let agreed = std::fs::read_to_string(file).unwrap_or_default();
    let differs = agreed.lines().zip(now.lines()).position(|(agreed, now)| agreed != now);
    assert!(
        agreed == now,
        "the contract changed (first at line {}). Only additions are allowed; when it is one: \
         REFRESH_OPENAPI=1 cargo nextest run --test all the_contract_is_what_was_agreed_on",
        differs.unwrap_or(agreed.lines().count().min(now.lines().count())) + 1,
    );
}

#[test]
fn the_daemon_serves_it() {
    let (_env, at) = started();
    let served = at.get("/api/v1/openapi.json").expect(200);
    assert_eq!(served, serde_json::to_value(dash::server::openapi()).unwrap());
}
