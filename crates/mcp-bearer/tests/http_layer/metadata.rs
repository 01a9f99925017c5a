//! The RFC 9728 document and its service.

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, ALLOW,
    CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE,
};
use http::{Method, Request};
use mcp_bearer::http::MetadataService;
use mcp_bearer::{BearerAuthLayer, BearerAuthProvider};
use mcp_bearer_testkit::Forge;
use serde_json::{Value, json};

use crate::support::{Answer, NoBody, RESOURCE, ask, key, provider};

async fn get(service: MetadataService, method: Method) -> Answer {
    let mut request = Request::new(NoBody::new());
    *request.method_mut() = method;
    ask(service, request).await
}

async fn document(auth: BearerAuthLayer, resource: &str) -> Value {
    let service = auth.resource(resource).unwrap().metadata_service();
    serde_json::from_str(&get(service, Method::GET).await.body).unwrap()
}

fn layer() -> BearerAuthLayer {
    BearerAuthLayer::new(provider(&[]))
}

fn any_issuer() -> BearerAuthLayer {
    let provider = BearerAuthProvider::builder()
        .jwks_json(json!({"keys": [key().jwk()]}).to_string())
        .any_issuer()
        .any_audience()
        .algorithms([mcp_bearer::Algorithm::Es256]);
    BearerAuthLayer::new(provider.build().unwrap())
}

#[tokio::test]
async fn the_smallest_document_has_no_empty_members() {
    let expected = json!({
        "resource": RESOURCE,
        "authorization_servers": [Forge::ISSUER],
        "bearer_methods_supported": ["header"],
    });
    assert_eq!(document(layer(), RESOURCE).await, expected);
}

#[tokio::test]
async fn everything_that_was_configured_is_in_the_document() {
    let auth = layer()
        .authorization_servers(["https://one.example/", "https://two.example"])
        .scopes_supported(["mcp:read", "offline_access", "mcp:admin"])
        .resource_name("Tools")
        .resource_documentation("https://mcp.example.com/docs");
    let expected = json!({
        "resource": RESOURCE,
        "authorization_servers": ["https://one.example/", "https://two.example"],
        "scopes_supported": ["mcp:read", "mcp:admin"],
        "bearer_methods_supported": ["header"],
        "resource_name": "Tools",
        "resource_documentation": "https://mcp.example.com/docs",
    });
    assert_eq!(document(auth, RESOURCE).await, expected);
}

#[tokio::test]
async fn the_required_scopes_are_the_default_of_scopes_supported() {
    let auth = BearerAuthLayer::new(provider(&["mcp:read", "offline_access"]));
    let document = document(auth, RESOURCE).await;
    assert_eq!(document["scopes_supported"], json!(["mcp:read"]));
}

#[tokio::test]
async fn the_resource_is_written_as_configured() {
    for (resource, path) in [
        ("https://mcp.example.com", ""),
        ("https://mcp.example.com/", ""),
        ("https://mcp.example.com/mcp/", "/mcp/"),
        ("HTTPS://MCP.Example.com/a/b", "/a/b"),
        ("http://127.0.0.1:8000/mcp", "/mcp"),
        ("http://localhost:8000/mcp", "/mcp"),
        ("http://[::1]:8000/mcp", "/mcp"),
    ] {
        assert_eq!(document(layer(), resource).await["resource"], resource);
        let auth = layer().resource(resource).unwrap();
        let expected = format!("/.well-known/oauth-protected-resource{path}");
        assert_eq!(auth.metadata_service().path(), expected);
        assert!(auth.metadata().url().ends_with(&expected));
    }
}

#[test]
fn what_cannot_be_a_resource_is_an_error() {
    for resource in [
        "http://mcp.example.com/mcp",
        "/mcp",
        "",
        "https://mcp.example.com/mcp#here",
        "https://user@mcp.example.com/mcp",
        "https://mcp.example.com/a b",
    ] {
        assert!(layer().resource(resource).is_err(), "{resource}");
    }
}

#[tokio::test]
async fn any_issuer_must_name_its_authorization_servers() {
    let error = any_issuer().resource(RESOURCE).unwrap_err();
    assert!(
        error.to_string().contains("authorization_servers"),
        "{error}"
    );
    let document = document(
        any_issuer().authorization_servers([Forge::ISSUER]),
        RESOURCE,
    )
    .await;
    assert_eq!(document["authorization_servers"], json!([Forge::ISSUER]));
}

#[tokio::test]
async fn the_issuers_of_the_provider_that_are_urls_are_named() {
    let layer = |issuers: &[&str]| {
        let provider = BearerAuthProvider::builder()
            .jwks_json(json!({"keys": [key().jwk()]}).to_string())
            .issuers(issuers.iter().copied())
            .any_audience()
            .algorithms([mcp_bearer::Algorithm::Es256]);
        BearerAuthLayer::new(provider.build().unwrap())
    };
    // Some issuers sign under two names, and the provider trusts http if its operator does.
    let issuers = [
        "https://idp.example.com",
        "idp.example.com",
        "http://idp.internal:8080/",
    ];
    let document = document(layer(&issuers), RESOURCE).await;
    assert_eq!(
        document["authorization_servers"],
        json!(["https://idp.example.com", "http://idp.internal:8080/"])
    );
    let error = layer(&["idp"]).resource(RESOURCE).unwrap_err();
    assert!(error.to_string().contains("named by its URL"), "{error}");
    let named = layer(&["idp"]).authorization_servers(["http://idp.internal/"]);
    assert!(named.resource(RESOURCE).is_err());
}

#[test]
fn every_problem_is_reported_at_once() {
    let auth = any_issuer().scopes_supported(["a b"]);
    let error = auth.resource("http://mcp.example.com").unwrap_err();
    assert_eq!(error.problems().len(), 3, "{error}");
    let error = layer()
        .scopes_supported([""])
        .resource(RESOURCE)
        .unwrap_err();
    assert_eq!(error.problems().len(), 1, "{error}");
}

#[tokio::test]
async fn get_head_and_options_from_any_origin() {
    let service = layer().resource(RESOURCE).unwrap().metadata_service();
    let answer = get(service.clone(), Method::GET).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header(CONTENT_TYPE), Some("application/json"));
    assert_eq!(answer.header(CACHE_CONTROL), Some("public, max-age=3600"));
    assert_eq!(answer.header(ACCESS_CONTROL_ALLOW_ORIGIN), Some("*"));
    let length = answer.body.len().to_string();
    assert_eq!(answer.header(CONTENT_LENGTH), Some(length.as_str()));

    let head = get(service.clone(), Method::HEAD).await;
    assert_eq!((head.status.as_u16(), head.body.as_str()), (200, ""));
    assert_eq!(head.headers, answer.headers);

    let options = get(service.clone(), Method::OPTIONS).await;
    assert_eq!((options.status.as_u16(), options.body.as_str()), (204, ""));
    assert_eq!(options.header(ACCESS_CONTROL_ALLOW_ORIGIN), Some("*"));
    let methods = Some("GET, HEAD, OPTIONS");
    assert_eq!(options.header(ACCESS_CONTROL_ALLOW_METHODS), methods);
    assert_eq!(
        options.header(ACCESS_CONTROL_ALLOW_HEADERS),
        Some("*, Authorization")
    );

    for method in [
        Method::POST,
        Method::PUT,
        Method::DELETE,
        Method::PATCH,
        Method::TRACE,
    ] {
        let answer = get(service.clone(), method).await;
        assert_eq!((answer.status.as_u16(), answer.body.as_str()), (405, ""));
        assert_eq!(answer.header(ALLOW), methods);
        assert_eq!(answer.header(ACCESS_CONTROL_ALLOW_ORIGIN), Some("*"));
    }
}
