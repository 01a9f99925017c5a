//! The kinds of a failed exchange.

use mcp_bearer::keys::{Fetch, FetchError, FetchErrorKind, FetchRequest, HttpFetch};
use mcp_bearer_testkit::{Behaviour, JwksServer};

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
async fn an_address_that_the_rules_refuse_is_not_asked() {
    for url in ["http://idp.example.com/jwks", "ftp://127.0.0.1/", "jwks"] {
        let error = error(url.to_owned()).await;
        assert_eq!(error.kind(), FetchErrorKind::AddressNotAllowed, "{error}");
    }
}
