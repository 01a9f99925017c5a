//! Filtered lists: as JSON and as events, with their headers.

use http::{HeaderMap, Response};
use mcp_bearer::operation::RuleDraft;

use crate::support::{
    LIST, Piece, Pieces, Server, ask, auth, call, layer, post, rules, token, typed, with,
};

const ALL: &str = r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"secret_x"},{"name":"a"}],"cacheScope":"public"}}"#;
const SOME: &str =
    r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"a"}],"cacheScope":"private"}}"#;

#[tokio::test]
async fn a_json_list_shows_what_the_caller_may_use() {
    let server = Server::new(|_| {
        let mut response = typed("application/json; charset=utf-8", ALL);
        let headers = response.headers_mut();
        headers.insert("etag", "\"1\"".parse().unwrap());
        headers.insert("cache-control", "public, max-age=60".parse().unwrap());
        headers.insert("x-other", "1".parse().unwrap());
        response
    });
    let service = layer().layer(server.clone());
    let request = with(post(&token("read"), LIST), "accept-encoding", "gzip");
    let request = with(request, "if-none-match", "\"1\"");
    let answer = ask(service.clone(), request).await;
    assert_eq!((answer.status.as_u16(), answer.text()), (200, SOME));
    assert_eq!(
        answer.header("content-length"),
        Some(SOME.len().to_string().as_str())
    );
    assert_eq!(answer.header("cache-control"), Some("private"));
    assert_eq!(answer.header("etag"), None);
    assert_eq!(answer.header("x-other"), Some("1"));
    let got = server.last();
    assert!(got.parts.headers.get("accept-encoding").is_none());
    assert!(got.parts.headers.get("if-none-match").is_none());
    // With the scope everything is visible, and no cache may give it to others.
    let answer = ask(service, post(&token("read admin"), LIST)).await;
    assert_eq!(answer.text(), ALL.replace("public", "private"));
    assert_eq!(answer.header("cache-control"), Some("private"));
}

#[tokio::test]
async fn an_event_stream_shows_what_the_caller_may_use() {
    let stream = format!(
        ": ping\n\nevent: message\ndata: {ALL}\n\ndata: {{\"method\":\"notifications/resources/updated\",\"params\":{{\"uri\":\"x:secret1\"}}}}\n\n"
    );
    let expected = format!(": ping\n\nevent: message\ndata: {SOME}\n\n");
    for size in [1, 7, 10_000] {
        let text = stream.clone();
        let server = Server::new(move |_| {
            let mut trailers = HeaderMap::new();
            trailers.insert("x-end", "1".parse().unwrap());
            let mut body = Pieces::cut(text.as_bytes(), size);
            body.pieces.push_back(Piece::Trailers(trailers));
            let mut response = typed("text/event-stream", body);
            response
                .headers_mut()
                .insert("cache-control", "no-store".parse().unwrap());
            response
                .headers_mut()
                .insert("content-length", "9".parse().unwrap());
            response
        });
        let mut get = post(&token("read"), "");
        *get.method_mut() = http::Method::GET;
        for request in [post(&token("read"), LIST), get] {
            let answer = ask(layer().layer(server.clone()), request).await;
            assert_eq!(answer.text(), expected);
            assert_eq!(answer.header("content-length"), None);
            assert_eq!(answer.header("cache-control"), Some("no-store"));
            assert_eq!(answer.trailers.as_ref().unwrap()["x-end"], "1");
        }
    }
}

#[tokio::test]
async fn a_json_list_in_pieces_with_trailers() {
    let server = Server::new(|_| {
        let mut body = Pieces::cut(ALL.as_bytes(), 1);
        let mut trailers = HeaderMap::new();
        trailers.insert("x-end", "1".parse().unwrap());
        body.pieces.push_back(Piece::Trailers(trailers));
        typed("application/json", body)
    });
    let answer = ask(layer().layer(server), post(&token("read"), LIST)).await;
    assert_eq!(answer.text(), SOME);
    assert_eq!(answer.header("content-length"), None);
    assert_eq!(answer.trailers.unwrap()["x-end"], "1");
}

#[tokio::test]
async fn a_list_that_cannot_be_filtered_is_502_with_the_id() {
    let encoded = |kind: &'static str| {
        Server::new(move |_| {
            let mut response = typed(kind, ALL);
            response
                .headers_mut()
                .insert("content-encoding", "gzip".parse().unwrap());
            response
        })
    };
    let large = format!(
        "{} ",
        ALL.replace("\"a\"", &format!("\"{}\"", "a".repeat(5 << 20)))
    );
    for (what, server, has_id) in [
        ("cut", Server::json(&ALL[..60]), true),
        ("cut early", Server::json(&ALL[..20]), true),
        (
            "twice",
            Server::json(&ALL.replace("]", "],\"tools\":[]")),
            true,
        ),
        ("no JSON", Server::json("<html>"), true),
        ("too large", Server::json(&large), true),
        ("encoded", encoded("application/json"), false),
        ("encoded events", encoded("text/event-stream"), false),
        ("text", Server::new(|_| typed("text/plain", ALL)), false),
        (
            "no type",
            Server::new(|_| Response::new(Pieces::from(ALL))),
            false,
        ),
        (
            "broken",
            Server::new(|_| {
                typed(
                    "application/json",
                    Pieces::of([Piece::Data(ALL[..60].into()), Piece::Error]),
                )
            }),
            false,
        ),
    ] {
        let answer = ask(layer().layer(server), post(&token("read"), LIST)).await;
        assert_eq!(answer.status, 502, "{what}: {answer:?}");
        assert_eq!(answer.json()["id"].is_number(), has_id, "{what}");
        assert!(!answer.text().contains("secret"), "{what}");
        assert!(!answer.broken);
    }
}

#[tokio::test]
async fn an_event_that_cannot_be_filtered_becomes_an_error() {
    let bad = ALL.replace("]", "],\"tools\":[]");
    let server = Server::events(&format!("data: {bad}\n\ndata: {ALL}\n\n"));
    let answer = ask(layer().layer(server), post(&token("read"), LIST)).await;
    let text = answer.text();
    assert_eq!(answer.status, 200);
    assert!(
        text.starts_with(r#"data: {"jsonrpc":"2.0","id":1,"error":{"code":-32603"#),
        "{text}"
    );
    assert!(text.ends_with(&format!("\n\ndata: {SOME}\n\n")), "{text}");
}

#[tokio::test]
async fn the_answer_to_a_call_passes_unchanged() {
    let large = "x".repeat(6 << 20);
    for result in [
        r#"{"content":[],"tools":[{"name":"secret_x"}]}"#.to_owned(),
        r#"{"content":[{"text":"\ud800"}],"x":1,"x":2}"#.to_owned(),
        format!(r#"{{"content":["{large}"]}}"#),
        format!(r#"{{"x":["{large}"]}}"#),
    ] {
        let text = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{result}}}"#);
        let answer = ask(
            layer().layer(Server::json(&text)),
            post(&token("read"), call("a")),
        )
        .await;
        assert!(answer.text() == text);
        assert_eq!(
            answer.header("content-length"),
            Some(text.len().to_string().as_str())
        );
        let stream = format!("data: {text}\n\n");
        let answer = ask(
            layer().layer(Server::events(&stream)),
            post(&token("read"), call("a")),
        )
        .await;
        assert!(answer.text() == stream);
    }
}

#[tokio::test]
async fn a_list_in_the_answer_to_another_request_is_filtered_too() {
    // A server that answers by the request's id may send a list on the stream of a call.
    let answer = ask(
        layer().layer(Server::json(ALL)),
        post(&token("read"), call("a")),
    )
    .await;
    assert_eq!(answer.text(), SOME);
    let stream = format!("data: {ALL}\n\n");
    let answer = ask(
        layer().layer(Server::events(&stream)),
        post(&token("read"), call("a")),
    )
    .await;
    assert_eq!(answer.text(), format!("data: {SOME}\n\n"));
}

#[tokio::test]
async fn where_nothing_is_hidden_nothing_is_held() {
    let layer = auth(&[]).operations(rules(vec![RuleDraft::new("tools/call").scopes(["x"])]));
    let server = Server::new(|_| typed("application/json", "[not JSON"));
    let request = with(post(&token("x"), LIST), "accept-encoding", "gzip");
    let answer = ask(layer.layer(server.clone()), request).await;
    assert_eq!(answer.text(), "[not JSON");
    assert!(server.last().parts.headers.get("accept-encoding").is_some());
}

#[tokio::test]
async fn errors_of_the_server_pass() {
    for (status, text) in [(404, "not found"), (500, ""), (202, "")] {
        let server = Server::new(move |_| {
            let mut response = Response::new(Pieces::from(text));
            *response.status_mut() = http::StatusCode::from_u16(status).unwrap();
            if text.is_empty() {
                *response.body_mut() = Pieces::default();
            }
            response
        });
        let answer = ask(layer().layer(server), post(&token("read"), LIST)).await;
        assert_eq!((answer.status.as_u16(), answer.text()), (status, text));
    }
}
