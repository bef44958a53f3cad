//! TLS, spoken by a real client.

use std::fs;
use std::net::SocketAddr;

use axum::Router;
use axum::routing::get;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;

use super::super::places::Places;
use super::super::serve::{Limits, Listener, serve};
use super::super::testing::{SECRET, behind_the_door};
use super::*;

struct Files {
    home: tempfile::TempDir,
    certificate: CertificateDer<'static>,
}

impl Files {
    fn new() -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("cert.pem"), made.cert.pem()).unwrap();
        fs::write(home.path().join("key.pem"), made.signing_key.serialize_pem()).unwrap();
        Self { home, certificate: made.cert.der().clone() }
    }

    fn acceptor(&self, chain: &str, key: &str) -> Result<TlsAcceptor, ServerError> {
        acceptor(&self.home.path().join(chain), &self.home.path().join(key))
    }

    async fn ask(&self, address: SocketAddr, request: &str) -> String {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let stream = TcpStream::connect(address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let connector = TlsConnector::from(Arc::new(config));
        let mut stream = connector.connect(name, stream).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }
}

#[tokio::test]
async fn a_client_that_trusts_the_certificate_is_served_with_its_key() {
    let files = Files::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let listener = Listener::tcp(listener, Some(files.acceptor("cert.pem", "key.pem").unwrap()));
    let router = behind_the_door(Router::new().route("/", get(|| async { "served" })));
    let stop = CancellationToken::new();
    let told = stop.clone().cancelled_owned();
    let running = tokio::spawn(serve(
        vec![listener],
        router,
        stop.clone(),
        told,
        (Limits::default(), Arc::new(Places::of(100, 1))),
    ));

    let request = |authorization: &str| {
        format!("GET / HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n{authorization}\r\n")
    };
    let answer = files.ask(address, &request(&format!("authorization: Bearer {SECRET}\r\n"))).await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("served"), "{answer}");
    let answer = files.ask(address, &request("")).await;
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");

    // What is no TLS gets no answer, and disturbs nobody.
    let mut plain = TcpStream::connect(address).await.unwrap();
    plain.write_all(request("").as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"HTTP"));
    stop.cancel();
    running.await.unwrap();
}

#[test]
fn files_that_cannot_be_used_are_named_and_not_quoted() {
    let files = Files::new();
    fs::write(files.home.path().join("empty.pem"), "").unwrap();
    let broken = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0 ?\n-----END PRIVATE KEY-----\n";
    fs::write(files.home.path().join("broken.pem"), broken).unwrap();
    let other = Files::new();
    fs::copy(other.home.path().join("key.pem"), files.home.path().join("other.pem")).unwrap();
    for (chain, key, named) in [
        ("empty.pem", "key.pem", "empty.pem"),
        ("missing.pem", "key.pem", "missing.pem"),
        ("cert.pem", "empty.pem", "empty.pem"),
        ("cert.pem", "broken.pem", "broken.pem"),
        ("cert.pem", "other.pem", "other.pem"),
    ] {
        let error = files.acceptor(chain, key).err().unwrap().to_string();
        assert!(error.contains(named), "{error}");
        assert!(!error.contains("c2VjcmV0"), "{error}");
    }
}
