//! Each refusal by one request that deserves it, and next to it what passes.

use http::Request;
use mcp_bearer::config::{Entrance, ServerDraft, Setting, Value};

use super::*;
use crate::config::{AssertionSettings, GatewayDraft, GatewaySetting};

const HOST_NAME: &str = "mcp.example.com";

fn settings() -> Settings {
    let mut server = ServerDraft::from_entrance(Entrance::Flag);
    server.set(Setting::Discover, Value::text("https://idp.example.com/"));
    let resource = format!("https://{HOST_NAME}/mcp");
    server.set(Setting::Resource, Value::text(&resource));
    let mut draft = GatewayDraft::new(server, Entrance::Flag);
    let upstream = Value::text("http://127.0.0.1:9000/mcp");
    draft.set(GatewaySetting::Upstream, upstream);
    let mut settings = draft.check().unwrap().settings;
    settings.common.allowed_origins = vec!["https://app.example.com".to_owned()];
    settings
}

fn paths() -> Paths {
    Paths {
        endpoint: "/mcp".to_owned(),
        metadata: "/.well-known/oauth-protected-resource/mcp".to_owned(),
    }
}

/// A POST to the endpoint with these fields beside `Host`.
fn post(fields: &[(&str, &str)]) -> Request<()> {
    let mut request = Request::post("/mcp").header("host", HOST_NAME);
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap()
}

fn get(uri: &str) -> Request<()> {
    let request = Request::get(uri).header("host", HOST_NAME);
    request.body(()).unwrap()
}

/// The place, or the status and the reason of the refusal.
fn judged(request: &Request<()>) -> Result<Place, (u16, &'static str)> {
    check(request, &settings(), &paths()).map_err(|no| (no.status.as_u16(), no.reason))
}

fn assert_refused(fields: &[(&str, &str)], status: u16, reason: &'static str) {
    assert_eq!(judged(&post(fields)), Err((status, reason)), "{fields:?}");
}

#[test]
fn methods_of_no_mcp_server_are_refused() {
    for method in ["PUT", "PATCH", "TRACE", "CONNECT", "post", "PROPFIND"] {
        let mut request = post(&[]);
        *request.method_mut() = method.parse().unwrap();
        assert_eq!(judged(&request), Err((405, "method")), "{method}");
    }
    for method in ["GET", "POST", "DELETE", "OPTIONS", "HEAD"] {
        let mut request = post(&[]);
        *request.method_mut() = method.parse().unwrap();
        assert_eq!(judged(&request), Ok(Place::Endpoint), "{method}");
    }
}

#[test]
fn a_body_of_ambiguous_length_is_refused() {
    let chunked = ("transfer-encoding", "chunked");
    assert_eq!(judged(&post(&[chunked])), Ok(Place::Endpoint));
    let upper = [("transfer-encoding", "Chunked")];
    assert_eq!(judged(&post(&upper)), Ok(Place::Endpoint));
    assert_refused(&[chunked, ("content-length", "5")], 400, "framing");
    assert_refused(&[chunked, chunked], 400, "framing");
    for coding in [
        "",
        "gzip, chunked",
        "chunked, chunked",
        "identity",
        "\tchunked",
        "x",
    ] {
        assert_refused(&[("transfer-encoding", coding)], 400, "framing");
    }
    for version in [Version::HTTP_10, Version::HTTP_2] {
        let mut request = post(&[chunked]);
        *request.version_mut() = version;
        assert_eq!(judged(&request), Err((400, "framing")), "{version:?}");
    }
}

#[test]
fn a_connection_is_not_upgraded() {
    for name in ["upgrade", "http2-settings"] {
        assert_refused(&[(name, "h2c")], 400, "upgrade");
        assert_refused(&[(name, "")], 400, "upgrade");
    }
}

#[test]
fn only_100_continue_may_be_expected() {
    let known = [("expect", "100-Continue"), ("expect", "100-continue")];
    assert_eq!(judged(&post(&known)), Ok(Place::Endpoint));
    assert_refused(&[("expect", "200-ok")], 417, "expectation");
    assert_refused(&[known[0], ("expect", "")], 417, "expectation");
}

#[test]
fn an_encoded_body_is_refused() {
    let identity = [("content-encoding", "Identity")];
    assert_eq!(judged(&post(&identity)), Ok(Place::Endpoint));
    for coding in ["gzip", "", "identity, gzip", "identity "] {
        assert_refused(&[("content-encoding", coding)], 415, "content_encoding");
    }
    let second = [identity[0], ("content-encoding", "br")];
    assert_refused(&second, 415, "content_encoding");
}

#[test]
fn a_request_names_one_host_that_is_served() {
    let without = Request::get("/mcp").body(()).unwrap();
    assert_eq!(judged(&without), Err((400, "host")));
    assert_refused(&[("host", HOST_NAME)], 400, "host");
    for (host, expected) in [
        ("MCP.example.com", Ok(Place::Endpoint)),
        ("mcp.example.com:8443", Err((421, "host"))),
        ("mcp.example.com.", Err((421, "host"))),
        ("evil.example", Err((421, "host"))),
        ("", Err((421, "host"))),
    ] {
        let request = Request::get("/mcp").header("host", host);
        assert_eq!(judged(&request.body(()).unwrap()), expected, "{host}");
    }
}

#[test]
fn an_authority_is_the_host_in_other_words_or_the_request_is_refused() {
    assert_eq!(
        judged(&get("https://MCP.example.com/mcp")),
        Ok(Place::Endpoint)
    );
    for authority in ["evil.example", "mcp.example.com:443", "u@mcp.example.com"] {
        let uri = format!("https://{authority}/mcp");
        assert_eq!(judged(&get(&uri)), Err((400, "host")), "{uri}");
    }
    // HTTP/2 may leave out `Host`.
    let alone = |uri: &str| Request::get(uri).body(()).unwrap();
    assert_eq!(
        judged(&alone("https://mcp.example.com/mcp")),
        Ok(Place::Endpoint)
    );
    assert_eq!(
        judged(&alone("https://evil.example/mcp")),
        Err((421, "host"))
    );
}

#[test]
fn paths_are_compared_byte_for_byte() {
    assert_eq!(judged(&get("/mcp")), Ok(Place::Endpoint));
    assert_eq!(judged(&get("/mcp?x=%2f..")), Ok(Place::Endpoint));
    let metadata = "/.well-known/oauth-protected-resource/mcp";
    assert_eq!(judged(&get(metadata)), Ok(Place::Metadata));
    for path in [
        "/",
        "//mcp",
        "/mcp/",
        "/MCP",
        "/mcp%2f",
        "/%6dcp",
        "/x/../mcp",
        "/mcp/.",
        "/mcp;x",
        "/.well-known/oauth-protected-resource",
        "*",
    ] {
        assert_eq!(judged(&get(path)), Err((404, "unknown_path")), "{path}");
    }
}

#[test]
fn the_keys_of_assertions_are_served_only_if_there_are_some() {
    let request = get(ASSERTION_KEYS_PATH);
    assert_eq!(judged(&request), Err((404, "unknown_path")));
    let mut settings = settings();
    settings.assertion = Some(AssertionSettings {
        private_key_file: "not-read.pem".into(),
        other_keys_file: None,
        issuer: "https://gateway.example.com/".to_owned(),
        audience: "http://127.0.0.1:9000/mcp".to_owned(),
    });
    let place = check(&request, &settings, &paths());
    assert_eq!(place.map_err(|no| no.reason), Ok(Place::AssertionKeys));
}

#[test]
fn pages_call_from_allowed_origins_only() {
    let allowed = ("origin", "https://app.example.com");
    assert_eq!(judged(&post(&[allowed])), Ok(Place::Endpoint));
    assert_refused(&[allowed, allowed], 403, "origin");
    for origin in [
        "null",
        "",
        "https://APP.example.com",
        "https://app.example.com/",
        "http://app.example.com",
    ] {
        assert_refused(&[("origin", origin)], 403, "origin");
    }
}

#[test]
fn the_transport_of_2024_11_05_is_refused() {
    for query in [
        "sessionId=1",
        "a=b&session_id=",
        "%73essionId=1",
        "sessionId",
    ] {
        let uri = format!("/mcp?{query}");
        assert_eq!(judged(&get(&uri)), Err((400, "old_transport")), "{uri}");
    }
    assert_eq!(
        judged(&get("/mcp?session=1&sessionid=2")),
        Ok(Place::Endpoint)
    );
}
