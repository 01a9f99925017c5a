//! The kinds of a failed exchange.

use std::{io::Write, path::Path};

use mcp_bearer::keys::{Fetch, FetchError, FetchErrorKind, FetchRequest, HttpFetch};
use mcp_bearer_testkit::{Behaviour, JwksServer};

use crate::secs;

async fn error(url: String) -> FetchError {
    let fetch = HttpFetch::builder().build().unwrap();
    let request = FetchRequest::new(url, 1000);
    fetch.fetch(request).await.unwrap_err()
}

#[tokio::test]
async fn each_failure_of_an_exchange_has_its_kind() {
    for (behaviour, kind) in [
        (Behaviour::EndlessBody, FetchErrorKind::AnswerTooLarge),
        (Behaviour::GzipBomb, FetchErrorKind::AnswerTooLarge),
        (Behaviour::CloseAtOnce, FetchErrorKind::ExchangeFailed),
        (Behaviour::CutOff, FetchErrorKind::ExchangeFailed),
        (
            Behaviour::Raw(b"SSH-2.0-OpenSSH_9.9\r\n".to_vec()),
            FetchErrorKind::ExchangeFailed,
        ),
        (Behaviour::HangAfterHeaders, FetchErrorKind::TimedOut),
    ] {
        let server = JwksServer::start();
        server.set_keys(vec![crate::key("a").jwk()]);
        server.set_behaviour(behaviour.clone());
        let error = error(server.url()).await;
        assert_eq!(error.kind(), kind, "{behaviour:?}: {error}");
    }
}

#[tokio::test]
async fn where_nothing_listens_the_connection_fails() {
    let server = JwksServer::start();
    let url = server.url();
    drop(server);
    let error = error(url).await;
    assert_eq!(error.kind(), FetchErrorKind::ConnectionFailed, "{error}");
}

#[tokio::test]
async fn where_no_tls_is_spoken_the_connection_fails() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}/jwks", listener.local_addr().unwrap());
    let plain = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    });
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/keys_sources/tls");
    let fetch = HttpFetch::builder()
        .ca_file(fixtures.join("ca.pem"))
        .build();
    let request = FetchRequest::new(url, 1000);
    let error = fetch.unwrap().fetch(request).await.unwrap_err();
    assert_eq!(error.kind(), FetchErrorKind::ConnectionFailed, "{error}");
    plain.join().unwrap();
}

#[tokio::test]
async fn an_address_that_the_rules_refuse_is_not_asked() {
    for url in ["http://idp.example.com/jwks", "ftp://127.0.0.1/", "jwks"] {
        let error = error(url.to_owned()).await;
        assert_eq!(error.kind(), FetchErrorKind::AddressNotAllowed, "{error}");
    }
}

const INTERIM: &str = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";

/// RFC 9110 section 15.2 allows any number of interim answers. We allow a bounded number; otherwise
/// an issuer could keep a core busy for the whole exchange.
#[tokio::test]
async fn interim_answers_without_end_are_given_up_at_once() {
    let server = JwksServer::start();
    let long = format!(
        "HTTP/1.1 103 Early Hints\r\nLink: {}\r\n\r\n",
        "a".repeat(60_000)
    );
    for behaviour in [
        Behaviour::EndlessHints,
        Behaviour::Raw(INTERIM.repeat(17).into_bytes()),
        Behaviour::Raw(long.repeat(10).into_bytes()),
        Behaviour::Raw(format!("HTTP/1.1 200 OK\r\nX: {}", "a".repeat(1 << 20)).into_bytes()),
    ] {
        server.set_behaviour(behaviour);
        let start = std::time::Instant::now();
        let error = error(server.url()).await;
        assert_eq!(error.kind(), FetchErrorKind::AnswerTooLarge, "{error}");
        assert!(start.elapsed() < secs(2), "{:?}", start.elapsed());
    }
}

#[tokio::test]
async fn a_few_interim_answers_are_skipped() {
    let server = JwksServer::start();
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";
    let raw = INTERIM.repeat(16) + answer;
    server.set_behaviour(Behaviour::Raw(raw.into_bytes()));
    let fetch = HttpFetch::builder().build().unwrap();
    let answer = fetch.fetch(FetchRequest::new(server.url(), 1000)).await;
    assert_eq!(answer.unwrap().body(), b"{}");
}

/// A body that comes with its head, however the network splits both.
#[tokio::test]
async fn a_large_body_right_behind_its_head_is_not_taken_for_a_head() {
    let server = JwksServer::start();
    for length in [1, 8192, 65_536, 300_000, 512 * 1024] {
        server.set_behaviour(Behaviour::Huge(length));
        for _ in 0..5 {
            let fetch = HttpFetch::builder().build().unwrap();
            let request = FetchRequest::new(server.url(), 512 * 1024);
            let answer = fetch.fetch(request).await.unwrap();
            assert_eq!(answer.body().len(), length.max(r#"{"keys":[]}"#.len()));
        }
    }
}
