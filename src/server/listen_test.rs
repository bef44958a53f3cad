//! Addresses.

use super::super::testing::keys;
use super::*;

fn tcp(address: &str) -> Tcp {
    Tcp { address: address.parse().unwrap(), tls: None, hosts: Vec::new() }
}

async fn bind_with(tcp: Option<Tcp>, keys: Keys) -> Result<Bound, ServerError> {
    let home = tempfile::tempdir().unwrap();
    bind(Listen { unix: home.path().join("dash.sock"), tcp }, keys).await
}

#[tokio::test]
async fn the_port_that_was_taken_is_known_before_anything_is_served() {
    let bound = bind_with(Some(tcp("127.0.0.1:0")), keys()).await.unwrap();
    assert_ne!(bound.tcp_address().unwrap().port(), 0);
    assert!(bound.socket().ends_with("dash.sock"));
    let bound = bind_with(None, Keys::default()).await.unwrap();
    assert_eq!(bound.tcp_address(), None);
}

#[tokio::test]
async fn other_machines_need_tls_and_everyone_needs_a_key() {
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:7373"] {
        let error = bind_with(Some(tcp(address)), keys()).await.unwrap_err();
        assert!(matches!(error, ServerError::NeedsTls { .. }), "{error:?}");
        assert!(error.hint().unwrap().contains("tls_cert"));
    }
    let error = bind_with(Some(tcp("127.0.0.1:0")), Keys::default()).await.unwrap_err();
    assert!(matches!(error, ServerError::NeedsKey), "{error:?}");
}

#[tokio::test]
async fn a_port_that_is_taken_leaves_no_socket_behind() {
    let first = bind_with(Some(tcp("127.0.0.1:0")), keys()).await.unwrap();
    let taken = first.tcp_address().unwrap().to_string();
    let home = tempfile::tempdir().unwrap();
    let unix = home.path().join("dash.sock");
    let second = bind(Listen { unix: unix.clone(), tcp: Some(tcp(&taken)) }, keys()).await;
    let error = second.unwrap_err();
    assert!(error.hint().unwrap().contains("--listen"), "{error:?}");
    assert!(!unix.exists());
}
