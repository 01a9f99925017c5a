use super::*;

fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        let name = HeaderName::from_static(name);
        headers.append(name, HeaderValue::from_static(value));
    }
    headers
}

/// Each name once, in order of the alphabet.
fn names(headers: &HeaderMap) -> Vec<&str> {
    let mut names: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
    names.sort_unstable();
    names
}

#[test]
fn fields_of_one_connection_and_those_that_it_names_do_not_enter() {
    let mut request = headers(&[
        ("connection", "X-One , keep-alive"),
        ("connection", "x-two"),
        ("x-one", "1"),
        ("x-one", "2"),
        ("x-two", "1"),
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "keep-alive"),
        ("proxy-authorization", "Basic eA=="),
        ("te", "trailers"),
        ("trailer", "x-three"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "h2c"),
        ("x-three", "1"),
        ("accept", "*/*"),
    ]);
    enter(&mut request);
    assert_eq!(names(&request), ["accept", "x-three"]);
}

#[test]
fn fields_that_a_server_could_take_for_others_do_not_enter() {
    let mut request = headers(&[
        ("mcp_session_id", "1"),
        ("mcp.session.id", "1"),
        ("x-http-method-override", "DELETE"),
        ("x-original-url", "/admin"),
        ("proxy", "http://127.0.0.1:9"),
        ("mcp-session-id", "2"),
        ("x-original", "1"),
    ]);
    enter(&mut request);
    assert_eq!(names(&request), ["mcp-session-id", "x-original"]);
}

#[test]
fn a_server_gets_credentials_origin_and_identity_from_nobody_but_the_gateway() {
    let mut request = headers(&[
        ("authorization", "Bearer a.b.c"),
        ("authorization", "Bearer d.e.f"),
        ("host", "mcp.example.com"),
        ("origin", "https://app.example.com"),
        ("expect", "100-continue"),
        ("content-length", "2"),
        ("content_length", "3"),
        ("forwarded", "for=192.0.2.1"),
        ("x-forwarded-for", "192.0.2.1"),
        ("x_forwarded_for", "192.0.2.1"),
        ("x-forwarded-user", "root"),
        ("x-real-ip", "192.0.2.1"),
        ("x-auth-subject", "root"),
        ("x_auth-subject", "root"),
        ("x-auth-subject-2", "kept"),
        ("accept", "*/*"),
        ("cookie", "a=1"),
        ("cookie", "b=2"),
    ]);
    let origin = Origin {
        client: HeaderValue::from_static("203.0.113.5"),
        scheme: "https",
        host: Some(HeaderValue::from_static("mcp.example.com")),
    };
    let own = [HeaderName::from_static("x-auth-subject")];
    let server = HeaderValue::from_static("server:8000");
    to_server(&mut request, server.clone(), origin, &own);
    let mut expected = headers(&[
        ("accept", "*/*"),
        ("cookie", "a=1; b=2"),
        ("host", "server:8000"),
        ("x-auth-subject-2", "kept"),
        ("x-forwarded-for", "203.0.113.5"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "mcp.example.com"),
    ]);
    assert_eq!(request, expected);
    // Without a host, nothing stands for it.
    let origin = Origin {
        client: HeaderValue::from_static("203.0.113.5"),
        scheme: "https",
        host: None,
    };
    to_server(&mut request, server, origin, &own);
    expected.remove(X_FORWARDED_HOST);
    assert_eq!(request, expected);
}

#[test]
fn a_client_gets_neither_challenges_nor_cors_from_the_server() {
    let mut answer = headers(&[
        ("connection", "x-one"),
        ("x-one", "1"),
        ("keep-alive", "timeout=5"),
        ("transfer-encoding", "chunked"),
        ("www-authenticate", "Basic"),
        ("proxy-authenticate", "Basic"),
        ("access-control-allow-origin", "*"),
        ("access-control-allow-credentials", "true"),
        ("alt-svc", "h3=\":443\""),
        ("mcp-session-id", "1"),
        ("content-type", "text/event-stream"),
    ]);
    to_client(&mut answer);
    assert_eq!(names(&answer), ["content-type", "mcp-session-id"]);
}
