//! Tokens that are bound to one body, as a gateway signs them.

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Request;
use mcp_bearer::http::{JudgedOperations, OperationsLayer, Resource};
use mcp_bearer::operation::{OperationRules, RuleDraft};
use mcp_bearer::{AccessToken, Rejection, RejectionKind};
use mcp_bearer_testkit::Forge;
use tower::ServiceExt;

use crate::support::{NOW, Piece, Pieces, Server, ask, auth, call, key, layer, post, rules, token};

const OK: &str = r#"{"jsonrpc":"2.0","id":1,"result":{"content":[]}}"#;

fn bound_layer() -> OperationsLayer<Resource> {
    layer().require_body_hash()
}

fn without_rules() -> OperationsLayer<Resource> {
    auth(&["read"])
        .operations(OperationRules::none())
        .require_body_hash()
}

/// A token for this body alone.
fn token_for(body: &str) -> String {
    let hash = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, body.as_bytes()));
    let forge = Forge::new(&key(), NOW).scope("read");
    forge.claim(AccessToken::BODY_HASH_CLAIM, hash).token()
}

#[tokio::test]
async fn a_token_is_accepted_with_its_body_and_refused_with_another() {
    for layer in [bound_layer(), without_rules()] {
        let server = Server::json(OK);
        let service = layer.layer(server.clone());
        let body = call("add");
        let token = token_for(&body);
        for size in [1, 7, 1000] {
            let pieces = Pieces::cut(body.as_bytes(), size);
            assert_eq!(ask(service.clone(), post(&token, pieces)).await.status, 200);
            let got = server.last();
            assert_eq!(got.body, body.as_bytes());
            assert_eq!(got.hint.exact(), u64::try_from(body.len()).ok());
        }
        for other in [
            call("sub"),
            format!("{body} "),
            String::new(),
            "no JSON".to_owned(),
        ] {
            let answer = ask(service.clone(), post(&token, other.as_str())).await;
            assert_eq!(answer.status, 401, "{other}");
            let challenge = answer.header("www-authenticate").unwrap();
            assert!(
                challenge.contains(r#"error="invalid_token""#),
                "{challenge}"
            );
            assert!(
                !answer.text().contains("body"),
                "the reason is for the operator"
            );
        }
        assert_eq!(server.calls(), 0, "the server got none of them");
    }
}

#[tokio::test]
async fn the_reason_is_in_the_response_for_the_operator() {
    let service = bound_layer().layer(Server::json(OK));
    let body = call("add");
    for (token, kind) in [
        (token("read"), RejectionKind::MissingClaim),
        (token_for("{}"), RejectionKind::ClaimNotAllowed),
    ] {
        let request = post(&token, body.as_str());
        let response = service.clone().oneshot(request).await.unwrap();
        let rejection = response.extensions().get::<Rejection>().unwrap();
        assert_eq!(rejection.kind(), kind);
        assert!(rejection.to_string().contains("body_sha256"), "{rejection}");
    }
}

#[tokio::test]
async fn a_request_without_a_body_needs_no_hash_but_none_of_another_body() {
    let server = Server::json(OK);
    let service = bound_layer().layer(server.clone());
    let request = |method: &str, token: &str| {
        let bearer = format!("Bearer {token}");
        let request = Request::builder().method(method).uri("/mcp");
        let request = request.header("authorization", bearer);
        request.body(Pieces::default()).unwrap()
    };
    for method in ["GET", "DELETE"] {
        for (token, status) in [
            (token("read"), 200),
            (token_for(""), 200),
            (token_for(&call("add")), 401),
        ] {
            assert_eq!(
                ask(service.clone(), request(method, &token)).await.status,
                status
            );
        }
    }
    assert_eq!(server.calls(), 4);
}

#[tokio::test]
async fn the_hash_is_checked_before_the_body_is_interpreted() {
    let service = bound_layer().layer(Server::json(OK));
    let refused = call("delete_all");
    let answer = ask(
        service.clone(),
        post(&token_for(&refused), refused.as_str()),
    )
    .await;
    assert_eq!(
        answer.status, 403,
        "the rules apply to the body of the token"
    );
    let answer = ask(service.clone(), post(&token("read"), refused.as_str())).await;
    assert_eq!(answer.status, 401, "and say nothing about any other");
    let answer = ask(service, post(&token("read"), "no JSON")).await;
    assert_eq!(answer.status, 401);
}

#[tokio::test]
async fn without_rules_a_body_has_the_same_limits() {
    let server = Server::json(OK);
    let service = without_rules().layer(server.clone());
    let long = " ".repeat(4 * 1024 * 1024 + 1);
    let answer = ask(service.clone(), post(&token_for(&long), long.as_str())).await;
    assert_eq!(answer.status, 413);
    let broken = Pieces::of([Piece::Data("{".into()), Piece::Error]);
    let answer = ask(service.clone(), post(&token_for("{"), broken)).await;
    assert_eq!(answer.status, 400);
    assert_eq!(server.calls(), 0);
    let any = "not JSON, and nobody has to judge it";
    assert_eq!(ask(service, post(&token_for(any), any)).await.status, 200);
    assert!(
        server
            .last()
            .parts
            .extensions
            .get::<JudgedOperations>()
            .is_none()
    );
}

#[tokio::test]
async fn no_byte_is_read_for_a_bad_token_and_callers_without_one_need_no_hash() {
    let service = bound_layer().layer(Server::json(OK));
    let body = Pieces::of([Piece::Never]);
    let polled = std::sync::Arc::clone(&body.polled);
    assert_eq!(ask(service, post("bad", body)).await.status, 401);
    assert_eq!(*polled.lock().unwrap(), 0);

    let open = rules(vec![RuleDraft::new("tools/call").name("add").anonymous()]);
    let server = Server::json(OK);
    let service = auth(&[]).operations(open).require_body_hash().layer(server);
    let anonymous = |body: &str| {
        let mut request = post("x", body);
        request.headers_mut().remove("authorization");
        request
    };
    assert_eq!(
        ask(service.clone(), anonymous(&call("add"))).await.status,
        200
    );
    let other = ask(service, post(&token_for("{}"), call("add").as_str())).await;
    assert_eq!(other.status, 401, "a token that is shown must fit");
}

#[tokio::test]
async fn without_the_option_the_claim_means_nothing() {
    let service = layer().layer(Server::json(OK));
    let answer = ask(service, post(&token_for("{}"), call("add").as_str())).await;
    assert_eq!(answer.status, 200);
}
