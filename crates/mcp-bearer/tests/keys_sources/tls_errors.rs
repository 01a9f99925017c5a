//! What the operator reads when TLS fails: one plain sentence, and what to do.

use std::io::{Read, Write};
use std::net::TcpListener;

use crate::tls::{ask, fixture, serve_as};

/// Why no keys came, with only the test CA trusted.
async fn failure(url: &str) -> String {
    let asked = ask(url, |keys| keys.ca_file(fixture("ca.pem"))).await;
    asked.unwrap_err()
}

#[tokio::test]
async fn a_certificate_that_is_not_trusted() {
    let url = serve_as("self-signed.pem", "other.key", 1);
    assert_eq!(
        failure(&url).await,
        "the certificate is self-signed, or its CA is not trusted here; add its CA with the setting ca_file"
    );
    // The advice works.
    let url = serve_as("self-signed.pem", "other.key", 1);
    let own = fixture("self-signed.pem");
    assert_eq!(ask(&url, |keys| keys.ca_file(own)).await.unwrap(), ["a"]);
    // The certificate of a CA is not a server's, trusted or not.
    for trusted in ["ca.pem", "self-signed-ca.pem"] {
        let url = serve_as("self-signed-ca.pem", "other.key", 1);
        let why = ask(&url, |keys| keys.ca_file(fixture(trusted))).await;
        let why = why.unwrap_err();
        assert!(
            why.contains("self-signed as that of a CA"),
            "{trusted}: {why}"
        );
    }
}

#[tokio::test]
async fn a_certificate_out_of_its_time() {
    let own = |name| ask_as(name, name);
    assert_eq!(
        own("expired.pem").await,
        "the certificate has expired; renew it, or check the clock of this machine"
    );
    assert_eq!(
        own("not-yet-valid.pem").await,
        "the certificate is not valid yet; check the clock of this machine"
    );
}

async fn ask_as(served: &str, trusted: &str) -> String {
    let url = serve_as(served, "other.key", 1);
    let asked = ask(&url, |keys| keys.ca_file(fixture(trusted))).await;
    asked.unwrap_err()
}

#[tokio::test]
async fn a_certificate_for_another_host() {
    let url = serve_as("server.pem", "server.key", 1).replace("localhost", "127.0.0.1");
    assert_eq!(
        failure(&url).await,
        "the certificate is for localhost, not for 127.0.0.1; check the address"
    );
}

/// Answers the first message of one connection with these bytes.
fn answering(bytes: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 4096]);
        let _ = stream.write_all(bytes);
    });
    format!("https://localhost:{port}/jwks.json")
}

#[tokio::test]
async fn a_server_without_tls() {
    let why = failure(&answering(b"HTTP/1.1 400 Bad Request\r\n\r\n")).await;
    assert!(why.contains("does not speak TLS at this port"), "{why}");
}

#[tokio::test]
async fn a_server_that_ends_tls() {
    // A fatal alert: no version of TLS in common (RFC 8446 section 6).
    let why = failure(&answering(&[21, 3, 3, 0, 2, 2, 70])).await;
    assert!(why.contains("no version of TLS"), "{why}");
}
