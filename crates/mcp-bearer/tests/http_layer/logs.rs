//! What the operator sees: one event per denial, its level, its fields, and no token.

use std::sync::Arc;

use http::Request;
use mcp_bearer::core::Scopes;
use mcp_bearer::keys::KeySet;
use mcp_bearer::keys::StaticKeys;
use mcp_bearer::{Algorithm, BearerAuthLayer, BearerAuthProvider};
use mcp_bearer_testkit::Forge;
use tracing::Level;

use crate::support::{
    Everything, Inner, NoBody, Recorder, ask, clock, forge, good, layer, with_authorization,
};

fn without_keys() -> BearerAuthLayer {
    let keys = KeySet::unavailable("gone", std::time::Duration::from_secs(7));
    let builder = BearerAuthProvider::builder()
        .key_source(Arc::new(StaticKeys::new(keys)))
        .any_issuer()
        .any_audience()
        .algorithms([Algorithm::Es256]);
    BearerAuthLayer::new(builder.build().unwrap().with_clock(clock()))
}

#[tokio::test]
async fn one_event_per_denial() {
    let expired = with_authorization(good().expires_in(-3600).authorization());
    let few = with_authorization(forge().authorization());
    let outage = with_authorization(good().authorization());
    let known = Some((format!("{:?}", Forge::ISSUER), "\"key-1\"".to_owned()));
    for (auth, request, level, reason, status, claimed) in [
        (
            layer(),
            Request::new(NoBody::new()),
            Level::INFO,
            "missing_credential",
            "401",
            None,
        ),
        (
            layer(),
            with_authorization("Bearer"),
            Level::INFO,
            "missing_credential",
            "401",
            None,
        ),
        (
            layer(),
            with_authorization("Bearer a.b.c"),
            Level::INFO,
            "malformed",
            "401",
            None,
        ),
        (
            layer(),
            expired,
            Level::INFO,
            "expired",
            "401",
            known.clone(),
        ),
        (
            layer(),
            few,
            Level::INFO,
            "insufficient_scope",
            "403",
            known.clone(),
        ),
        (
            without_keys(),
            outage,
            Level::WARN,
            "keys_unavailable",
            "503",
            known,
        ),
    ] {
        let recorder = Recorder::start();
        let answer = ask(auth.layer(Inner::default()), request).await;
        let events = recorder.denials();
        let [event] = events.as_slice() else {
            panic!("{reason}: {events:?}");
        };
        assert_eq!(event.level, level);
        assert_eq!(event.field("message"), Some("request denied"));
        assert_eq!(event.field("reason"), Some(reason));
        assert_eq!(event.field("status"), Some(status));
        let detail = answer.rejection.unwrap().to_string();
        assert_eq!(event.field("detail"), Some(detail.as_str()));
        let (issuer, kid) = claimed.unzip();
        assert_eq!(event.field("claimed_issuer"), issuer.as_deref());
        assert_eq!(event.field("kid"), kid.as_deref());
    }
}

#[tokio::test]
async fn no_event_for_a_grant_or_a_preflight() {
    let recorder = Recorder::start();
    let request = with_authorization(good().authorization());
    assert_eq!(
        ask(layer().layer(Inner::default()), request).await.status,
        200
    );
    let preflight = Request::options("/")
        .header("origin", "https://app.example.com")
        .header("access-control-request-method", "POST");
    let answer = ask(
        layer().layer(Inner::default()),
        preflight.body(NoBody::new()).unwrap(),
    )
    .await;
    assert_eq!(answer.status, 200);
    assert_eq!(recorder.denials().len(), 0);
}

#[tokio::test]
async fn a_handlers_denial_is_logged_once_as_well() {
    let auth = layer();
    let access = auth.provider().verify_token(&good().token()).await.unwrap();
    let recorder = Recorder::start();
    let admin: Scopes = "mcp:admin".parse().unwrap();
    let rejection = auth.require_scopes(&access, &admin).unwrap_err();
    assert_eq!(recorder.denials().len(), 0);
    let _ = auth.challenge(&rejection);
    assert_eq!(recorder.denials().len(), 1);
}

#[tokio::test]
async fn what_a_stranger_claims_is_quoted_and_cut() {
    let recorder = Recorder::start();
    let kid = format!("a\"\n\u{1b}[31m{}", "é".repeat(100));
    let token = forge()
        .header("kid", kid)
        .issuer("x\r\ny")
        .flip_signature_bit(1);
    ask(
        layer().layer(Inner::default()),
        with_authorization(token.authorization()),
    )
    .await;
    let event = &recorder.denials()[0];
    let cut = format!("\"a\\\"\\n\\u{{1b}}[31m{}\"...", "é".repeat(56));
    assert_eq!(event.field("kid"), Some(cut.as_str()));
    assert_eq!(event.field("claimed_issuer"), Some(r#""x\r\ny""#));
}

#[tokio::test]
async fn no_token_text_in_any_log_at_trace() {
    let written = Everything::default();
    let _guard = written.listen();
    let tokens = [
        good().token(),
        good().expires_in(-3600).token(),
        good().flip_signature_bit(3).token(),
        good().alg_name("none").token(),
        good().append_segment("AAAA").token(),
        forge().token(),
        "not-a-token-but-a-password".to_owned(),
    ];
    let mut values: Vec<String> = tokens
        .iter()
        .map(|token| format!("Bearer {token}"))
        .collect();
    values.push("Bearer pass word".to_owned());
    values.push("Bearer pass,word".to_owned());
    values.push("Basic cGFzc3dvcmQ6cGFzc3dvcmQ=".to_owned());
    for auth in [layer(), without_keys()] {
        for value in &values {
            let request = with_authorization(value);
            let service = auth.layer(Inner::default());
            let answer = ask(service.clone(), request).await;
            tracing::trace!(?service, ?auth, ?answer, "whatever a program may print");
        }
    }
    let text = written.take();
    assert!(text.contains("request denied") && text.contains("TRACE"));
    let secrets = tokens.iter().flat_map(|token| token.split('.'));
    for secret in secrets.chain(["pass", "cGFzc3dvcmQ6cGFzc3dvcmQ="]) {
        // The header contains no secret, and that of "none" is the same in all tokens.
        assert!(!text.contains(secret), "{secret} in {text}");
    }
}
