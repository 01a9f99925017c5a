//! The document of RFC 9728, its path and its URL.

use serde_json::json;

use super::ProtectedResourceMetadata;
use crate::policy::Expected;
use crate::scope::Scopes;

fn build(resource: &str) -> Result<ProtectedResourceMetadata, String> {
    ProtectedResourceMetadata::builder(resource)
        .authorization_servers(["https://idp.example.com/"])
        .build()
        .map_err(|error| error.to_string())
}

#[test]
fn the_path_is_inserted_between_host_and_path() {
    for (resource, path, url) in [
        ("https://h.example", "", "https://h.example"),
        ("https://h.example/", "", "https://h.example"),
        ("https://h.example/mcp", "/mcp", "https://h.example"),
        ("https://h.example/mcp/", "/mcp/", "https://h.example"),
        ("https://h.example/a/b/c", "/a/b/c", "https://h.example"),
        ("https://h.example//", "//", "https://h.example"),
        (
            "https://h.example:8443/mcp",
            "/mcp",
            "https://h.example:8443",
        ),
        (
            "https://[2001:db8::1]:8443/mcp",
            "/mcp",
            "https://[2001:db8::1]:8443",
        ),
        ("HTTPS://H.Example/mcp", "/mcp", "HTTPS://H.Example"),
        ("http://localhost:8000/mcp", "/mcp", "http://localhost:8000"),
        ("http://127.0.0.1/mcp", "/mcp", "http://127.0.0.1"),
        ("http://127.9.9.9:1/mcp", "/mcp", "http://127.9.9.9:1"),
        ("http://[::1]:8000/mcp", "/mcp", "http://[::1]:8000"),
        (
            "https://h.example/%2e%2e/x",
            "/%2e%2e/x",
            "https://h.example",
        ),
    ] {
        let metadata = build(resource).unwrap();
        let well_known = format!("/.well-known/oauth-protected-resource{path}");
        assert_eq!(metadata.well_known_path(), well_known, "{resource}");
        assert_eq!(metadata.url(), format!("{url}{well_known}"), "{resource}");
        assert_eq!(metadata.resource(), resource);
    }
    let query = build("https://h.example/mcp?tenant=a/b").unwrap();
    assert_eq!(
        query.well_known_path(),
        "/.well-known/oauth-protected-resource/mcp"
    );
    assert_eq!(
        query.url(),
        "https://h.example/.well-known/oauth-protected-resource/mcp?tenant=a/b"
    );
    let query = build("https://h.example?x").unwrap();
    assert_eq!(
        query.url(),
        "https://h.example/.well-known/oauth-protected-resource?x"
    );
}

#[test]
fn anything_but_a_resource_is_refused() {
    for resource in [
        "",
        "mcp",
        "/mcp",
        "h.example/mcp",
        "https://",
        "https:///mcp",
        "https://?x",
        "ftp://h.example/",
        "http://h.example/mcp",
        "http://localhost.example/mcp",
        "http://127.0.0.1.example/mcp",
        "http://[::2]/mcp",
        "http://10.0.0.1/",
        "https://h.example/#x",
        "https://h.example#",
        "https://u@h.example/",
        "https://u:p@h.example/",
        "https://h.example/a b",
        "https://h.example/\"",
        "https://h.example/\\",
        "https://h.example/\n",
        "https://h.example/é",
        "https://é.example/",
        "http://localhost@evil.example/",
        "javascript://x",
        "http://[::1]evil.example/mcp",
        "http://[::1",
        "https://[::1]x/",
        "https://h.example:port/",
        "https://h.example:+80/",
        "https://:8443/mcp",
        "https://h.example:99999/mcp",
    ] {
        assert!(
            build(resource).unwrap_err().starts_with("resource: "),
            "{resource}"
        );
    }
}

#[test]
fn every_problem_is_reported_at_once() {
    let error = ProtectedResourceMetadata::builder("nothing")
        .build()
        .unwrap_err();
    assert_eq!(error.problems().len(), 2, "{error}");
    let error = ProtectedResourceMetadata::builder("https://h.example/")
        .authorization_servers([""])
        .build()
        .unwrap_err();
    assert!(
        error.to_string().starts_with("authorization_servers"),
        "{error}"
    );
}

#[test]
fn an_authorization_server_is_a_url_of_the_same_kind() {
    let build = |server: &str| {
        ProtectedResourceMetadata::builder("https://h.example/")
            .authorization_servers(["https://idp.example.com/", server])
            .build()
    };
    for good in [
        "https://idp.example.com",
        "https://idp.example.com/tenant/v2.0",
        "http://127.0.0.1:9000/",
        "http://localhost",
    ] {
        assert!(build(good).is_ok(), "{good}");
    }
    for bad in [
        "",
        "h",
        "not a url",
        "http://idp.example.com/",
        "https://idp.example.com/\n",
        "https://idp.example.com/ ",
        "https://user@idp.example.com/",
        "https://idp.example.com/#x",
        "urn:issuer",
    ] {
        let error = build(bad).unwrap_err().to_string();
        assert!(
            error.starts_with("authorization_servers: \""),
            "{bad}: {error}"
        );
    }
}

#[test]
fn http_beyond_loopback_is_only_for_servers_and_by_an_option() {
    let build = |resource: &str, server: &str| {
        ProtectedResourceMetadata::builder(resource)
            .authorization_servers([server])
            .insecure_allow_http()
            .build()
    };
    assert!(build("https://h.example/", "http://idp.internal/").is_ok());
    assert!(build("https://h.example/", "ftp://idp.internal/").is_err());
    assert!(build("http://h.example/", "https://idp.example.com/").is_err());
}

#[test]
fn the_document_says_what_was_configured_and_nothing_else() {
    let plain: serde_json::Value =
        serde_json::from_str(&build("https://h.example/mcp").unwrap().to_json()).unwrap();
    assert_eq!(
        plain,
        json!({
            "resource": "https://h.example/mcp",
            "authorization_servers": ["https://idp.example.com/"],
            "bearer_methods_supported": ["header"],
        })
    );
    let scopes: Scopes = "mcp:read offline_access mcp:write".parse().unwrap();
    let full = ProtectedResourceMetadata::builder("https://h.example")
        .authorization_servers(["https://a.example", "https://b.example/"])
        .scopes_supported(&scopes)
        .resource_name("The \"server\"")
        .resource_documentation("https://docs.example/")
        .build()
        .unwrap();
    let full: serde_json::Value = serde_json::from_str(&full.to_json()).unwrap();
    assert_eq!(
        full,
        json!({
            "resource": "https://h.example",
            "authorization_servers": ["https://a.example", "https://b.example/"],
            "scopes_supported": ["mcp:read", "mcp:write"],
            "bearer_methods_supported": ["header"],
            "resource_name": "The \"server\"",
            "resource_documentation": "https://docs.example/",
        })
    );
}

#[test]
fn an_audience_that_is_a_resource_without_a_path_has_two_spellings() {
    for (resource, other) in [
        ("https://h.example", "https://h.example/"),
        ("https://h.example/", "https://h.example"),
        ("https://h.example:8443", "https://h.example:8443/"),
        ("http://127.0.0.1:8000/", "http://127.0.0.1:8000"),
        ("https://h.example?x=/y", "https://h.example/?x=/y"),
        ("https://h.example/?x", "https://h.example?x"),
    ] {
        assert_eq!(Expected::of_resource(resource), [resource, other].into());
    }
    for one in [
        "https://h.example/mcp",
        "https://h.example/mcp/",
        "https://h.example//",
        // A name that is not the URL of a resource is a name like any other.
        "api://client",
        "mcp",
        "",
        "https://h.example#x",
    ] {
        assert_eq!(Expected::of_resource(one), one.into());
    }
}
