//! axum: the metadata route, the extractors, and paths that are not ours.

use axum::Router;
use axum::body::Body;
use axum::routing::{get, post};
use http::Request;
use mcp_bearer::BearerAuthLayer;
use mcp_bearer::http::{Bearer, RequiredScopes, Scoped};
use mcp_bearer_testkit::Forge;
use tracing::Level;

use crate::support::{Answer, METADATA_URL, RESOURCE, Recorder, ask, good, layer, provider};

enum Admin {}

impl RequiredScopes for Admin {
    const SCOPES: &'static [&'static str] = &["mcp:admin"];
}

async fn whoami(Bearer(access): Bearer) -> String {
    access.subject().unwrap_or("nobody").to_owned()
}

async fn perhaps(bearer: Option<Bearer>) -> String {
    bearer.map_or("anonymous".to_owned(), |Bearer(access)| {
        access.subject().unwrap().to_owned()
    })
}

async fn delete_all(access: Scoped<Admin>) -> String {
    format!(
        "deleted by {}",
        access.clone().into_inner().subject().unwrap()
    )
}

fn app() -> Router {
    let auth = BearerAuthLayer::new(provider(&["mcp:read"]))
        .resource(RESOURCE)
        .unwrap();
    Router::new()
        .route("/whoami", get(whoami))
        .route("/perhaps", get(perhaps))
        .route("/all", post(delete_all).delete(delete_all))
        .route_layer(auth.clone())
        .merge(auth.metadata_route())
}

async fn send(app: Router, method: &str, path: &str, token: Option<&str>) -> Answer {
    let mut request = Request::builder().method(method).uri(path);
    if let Some(token) = token {
        request = request.header("Authorization", format!("Bearer {token}"));
    }
    ask(app, request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn handlers_get_the_token() {
    let token = good().token();
    for path in ["/whoami", "/perhaps"] {
        let answer = send(app(), "GET", path, Some(&token)).await;
        assert_eq!(
            (answer.status.as_u16(), answer.body.as_str()),
            (200, Forge::SUBJECT)
        );
        assert_eq!(send(app(), "GET", path, None).await.status, 401);
    }
}

#[tokio::test]
async fn a_handler_that_requires_more_answers_with_a_challenge() {
    let recorder = Recorder::start();
    let answer = send(app(), "DELETE", "/all", Some(&good().token())).await;
    assert_eq!(answer.status, 403);
    assert_eq!(answer.reason(), "insufficient_scope");
    let challenge = format!(
        r#"Bearer error="insufficient_scope", scope="mcp:read mcp:admin", resource_metadata="{METADATA_URL}", error_description="The token lacks a required permission""#
    );
    assert_eq!(answer.challenge(), Some(challenge.as_str()));
    let events = recorder.denials();
    assert_eq!((events.len(), events[0].level), (1, Level::INFO));

    let token = good().scope("mcp:read mcp:admin").token();
    let answer = send(app(), "DELETE", "/all", Some(&token)).await;
    assert_eq!(answer.body, format!("deleted by {}", Forge::SUBJECT));
}

#[tokio::test]
async fn without_the_layer_a_handler_accepts_nobody() {
    let recorder = Recorder::start();
    let bare = Router::new()
        .route("/whoami", get(whoami))
        .route("/perhaps", get(perhaps))
        .route("/all", post(delete_all));
    let token = good().scope("mcp:read mcp:admin").token();
    assert_eq!(
        send(bare.clone(), "GET", "/whoami", Some(&token))
            .await
            .status,
        500
    );
    assert_eq!(
        send(bare.clone(), "POST", "/all", Some(&token))
            .await
            .status,
        500
    );
    assert_eq!(
        send(bare, "GET", "/perhaps", Some(&token)).await.body,
        "anonymous"
    );
    let levels: Vec<Level> = recorder.denials().iter().map(|event| event.level).collect();
    assert_eq!(levels, [Level::ERROR, Level::ERROR]);
}

#[tokio::test]
async fn a_preflight_that_reaches_a_handler_is_not_a_mistake_of_the_program() {
    let recorder = Recorder::start();
    let auth = BearerAuthLayer::new(provider(&["mcp:read"]));
    let app = Router::new()
        .route("/whoami", axum::routing::any(whoami))
        .route("/all", axum::routing::any(delete_all))
        .route_layer(auth);
    for path in ["/whoami", "/all"] {
        let request = Request::options(path).header("access-control-request-method", "POST");
        let answer = ask(app.clone(), request.body(Body::empty()).unwrap()).await;
        assert_eq!(
            (answer.status.as_u16(), answer.reason()),
            (401, "missing_credential")
        );
    }
    let levels: Vec<Level> = recorder.denials().iter().map(|event| event.level).collect();
    assert_eq!(levels, [Level::INFO, Level::INFO]);
}

#[tokio::test]
async fn the_document_is_public_and_other_paths_are_not_found() {
    let path = "/.well-known/oauth-protected-resource/mcp";
    let answer = send(app(), "GET", path, None).await;
    assert_eq!(answer.status, 200);
    assert!(answer.body.contains(RESOURCE));
    let head = send(app(), "HEAD", path, None).await;
    assert_eq!((head.body.as_str(), &head.headers), ("", &answer.headers));
    assert_eq!(send(app(), "OPTIONS", path, None).await.status, 204);
    assert_eq!(send(app(), "POST", path, None).await.status, 405);
    for path in [
        "/",
        "/other",
        "/.well-known/oauth-protected-resource",
        "/mcp",
    ] {
        assert_eq!(send(app(), "GET", path, None).await.status, 404, "{path}");
    }
    let missing = send(app(), "GET", "/whoami", None).await;
    assert!(missing.challenge().unwrap().contains(METADATA_URL));
}

/// Whatever the resource's path looks like, it is not a pattern, and nothing panics.
#[tokio::test]
async fn a_path_is_not_a_pattern() {
    for path in [
        "/{id}",
        "/{*rest}",
        "/:id",
        "/*rest",
        "/a{b",
        "/}",
        "/a//b",
        "/%7Bid%7D",
        "/a/",
    ] {
        let auth = layer()
            .resource(format!("https://mcp.example.com{path}"))
            .unwrap();
        let app = Router::new()
            .without_v07_checks()
            .merge(auth.metadata_route());
        let prefix = "/.well-known/oauth-protected-resource";
        let answer = send(app.clone(), "GET", &format!("{prefix}{path}"), None).await;
        assert_eq!(answer.status, 200, "{path}");
        let answer = send(app, "GET", &format!("{prefix}/x"), None).await;
        assert_eq!(answer.status, 404, "{path}");
    }
}

#[tokio::test]
async fn the_route_goes_into_a_router_with_state() {
    let auth = layer().resource(RESOURCE).unwrap();
    let app: Router = Router::new()
        .route(
            "/n",
            get(|axum::extract::State(n): axum::extract::State<u8>| async move { n.to_string() }),
        )
        .merge(auth.metadata_route())
        .with_state(7);
    assert_eq!(send(app, "GET", "/n", None).await.body, "7");
}
