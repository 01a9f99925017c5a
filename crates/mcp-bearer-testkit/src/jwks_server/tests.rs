//! Each behaviour answers as described, over a plain socket; everything ends with the server.

use std::io::{ErrorKind, Read as _, Write as _};
use std::time::Instant;

use flate2::read::GzDecoder;

use super::*;

/// An answer as a client sees it.
struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

fn ask(server: &JwksServer, path: &str, headers: &str) -> TcpStream {
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n"
    )
    .unwrap();
    stream
}

fn get_with(server: &JwksServer, path: &str, headers: &str) -> Answer {
    let mut bytes = Vec::new();
    ask(server, path, headers).read_to_end(&mut bytes).unwrap();
    let at = bytes
        .windows(4)
        .position(|w| w == b"\r\n\r\n")
        .expect("a head");
    let head = String::from_utf8(bytes[..at].to_vec()).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer {
        status,
        head,
        body: bytes[at + 4..].to_vec(),
    }
}

fn get(server: &JwksServer) -> Answer {
    get_with(server, "/jwks.json", "")
}

/// A server with one made-up key and a behaviour.
fn server(behaviour: Behaviour) -> JwksServer {
    let server = JwksServer::start();
    server.set_keys(vec![json!({ "kty": "OKP", "kid": "k1" })]);
    server.set_behaviour(behaviour);
    server
}

fn jwks() -> Value {
    json!({ "keys": [{ "kty": "OKP", "kid": "k1" }] })
}

/// Reads what arrives until the connection ends in any way; returns the bytes.
fn read_until_the_end(mut stream: TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 64 << 10];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return bytes,
            Ok(count) => bytes.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return bytes,
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn it_serves_the_keys_that_are_set() {
    let server = server(Behaviour::ok());
    let answer = get(&server);
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("connection"), Some("close"));
    assert_eq!(
        answer.header("content-length").unwrap(),
        answer.body.len().to_string()
    );
    assert_eq!(answer.json(), jwks());
    server.set_keys(vec![]);
    assert_eq!(get(&server).json(), json!({ "keys": [] }));
}

#[test]
fn it_records_requests() {
    let server = server(Behaviour::ok());
    get_with(
        &server,
        "/jwks.json?a=b",
        "If-None-Match: \"x\"\r\nX-Mixed-Case: Value\r\n",
    );
    get_with(&server, "/other", "");
    assert_eq!((server.hits("/jwks.json"), server.hits("/other")), (1, 1));
    assert_eq!((server.hits("/none"), server.total_hits()), (0, 2));
    let request = &server.requests()[0];
    assert_eq!(
        (request.method.as_str(), request.query.as_str()),
        ("GET", "a=b")
    );
    assert_eq!(request.header("If-None-Match"), Some("\"x\""));
    assert!(
        request
            .headers
            .contains(&("x-mixed-case".to_owned(), "Value".to_owned()))
    );
}

#[test]
fn paths_have_documents_and_behaviours_of_their_own() {
    let server = server(Behaviour::ok());
    server.serve(
        "/.well-known/x",
        Response::json(&json!({ "issuer": server.base() })),
    );
    assert_eq!(
        get_with(&server, "/.well-known/x", "").json()["issuer"],
        server.base()
    );
    assert_eq!(get_with(&server, "/nothing", "").status, 404);
    server.set_behaviour_at("/.well-known/x", Behaviour::Status(503));
    server.set_behaviour_at("/keys", Behaviour::ok());
    assert_eq!(get_with(&server, "/.well-known/x", "").status, 503);
    assert_eq!(get_with(&server, "/keys", "").json(), jwks());
    assert_eq!(get(&server).status, 200);
    assert_eq!(server.url(), server.url_of("/jwks.json"));
}

#[test]
fn validators_are_sent_and_honoured() {
    let server = server(Behaviour::ok_with([
        ("Cache-Control", "max-age=60"),
        ("Age", "5"),
        ("ETag", "\"one\""),
        ("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT"),
    ]));
    let fresh = get(&server);
    assert_eq!(fresh.status, 200);
    assert_eq!(fresh.header("cache-control"), Some("max-age=60"));
    assert_eq!(fresh.header("age"), Some("5"));
    let since = "If-Modified-Since: Thu, 01 Jan 2026 00:00:00 GMT\r\n";
    for (headers, status) in [
        ("If-None-Match: \"one\"\r\n", 304),
        ("If-None-Match: \"zero\", W/\"one\"\r\n", 304),
        ("If-None-Match: \"two\"\r\n", 200),
        (since, 304),
        // RFC 9110 section 13.2.2: the entity tag decides if both are present.
        (&format!("If-None-Match: \"two\"\r\n{since}"), 200),
    ] {
        let answer = get_with(&server, "/jwks.json", headers);
        assert_eq!(answer.status, status, "{headers}");
        assert_eq!(answer.body.is_empty(), status == 304);
        assert_eq!(answer.header("etag"), Some("\"one\""));
    }
}

#[test]
fn an_automatic_etag_follows_the_keys() {
    let server = server(Behaviour::ok_with([("ETag", "auto")]));
    let etag = get(&server).header("etag").unwrap().to_owned();
    let condition = format!("If-None-Match: {etag}\r\n");
    assert_eq!(get_with(&server, "/jwks.json", &condition).status, 304);
    server.set_keys(vec![]);
    assert_eq!(get_with(&server, "/jwks.json", &condition).status, 200);
}

#[test]
fn plain_failures_answer_as_they_say() {
    let server = server(Behaviour::Status(500));
    assert_eq!(get(&server).status, 500);
    server.set_behaviour(Behaviour::RetryAfter(429, 7));
    let answer = get(&server);
    assert_eq!(
        (answer.status, answer.header("retry-after")),
        (429, Some("7"))
    );
    server.set_behaviour(Behaviour::Html200);
    let answer = get(&server);
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (200, Some("text/html"))
    );
    server.set_behaviour(Behaviour::EmptyObject);
    assert_eq!(get(&server).body, b"{}");
    server.set_behaviour(Behaviour::EmptySet);
    assert_eq!(get(&server).json(), json!({ "keys": [] }));
    server.set_behaviour(Behaviour::NotModifiedWithoutSet);
    let answer = get(&server);
    assert_eq!((answer.status, answer.body.len()), (304, 0));
    server.set_behaviour(Behaviour::RedirectTo("http://127.0.0.1:1/x".to_owned()));
    let answer = get(&server);
    assert_eq!(
        (answer.status, answer.header("location")),
        (302, Some("http://127.0.0.1:1/x"))
    );
    server.set_behaviour(Behaviour::WrongContentType);
    let answer = get(&server);
    assert_eq!(
        (answer.header("content-type"), answer.json()),
        (Some("text/plain"), jwks())
    );
    server.set_behaviour(Behaviour::Respond(Response::new(
        418,
        "text/plain",
        "teapot",
    )));
    assert_eq!(
        (get(&server).status, get(&server).body),
        (418, b"teapot".to_vec())
    );
    server.set_behaviour(Behaviour::Raw(b"SSH-2.0-x\r\n".to_vec()));
    assert_eq!(
        read_until_the_end(ask(&server, "/jwks.json", "")),
        b"SSH-2.0-x\r\n"
    );
    server.set_behaviour(Behaviour::CloseAtOnce);
    assert_eq!(read_until_the_end(ask(&server, "/jwks.json", "")), b"");
    assert_eq!(server.hits("/jwks.json"), 12);
}

#[test]
fn half_a_document_comes_with_either_length() {
    let whole = jwks().to_string().len();
    let server = server(Behaviour::Truncated);
    let answer = get(&server);
    assert_eq!(answer.body.len(), whole / 2);
    assert_eq!(
        answer.header("content-length").unwrap(),
        (whole / 2).to_string()
    );
    server.set_behaviour(Behaviour::CutOff);
    let answer = get(&server);
    assert_eq!(answer.body.len(), whole / 2);
    assert_eq!(answer.header("content-length").unwrap(), whole.to_string());
}

#[test]
fn gzip_bodies_inflate() {
    let server = server(Behaviour::Gzip);
    let answer = get(&server);
    assert_eq!(answer.header("content-encoding"), Some("gzip"));
    let mut text = String::new();
    GzDecoder::new(&answer.body[..])
        .read_to_string(&mut text)
        .unwrap();
    assert_eq!(text, jwks().to_string());

    server.set_behaviour(Behaviour::GzipBomb);
    let answer = get(&server);
    assert_eq!(answer.header("content-encoding"), Some("gzip"));
    assert!(answer.body.len() < 400 << 10);
    let mut start = Vec::new();
    GzDecoder::new(&answer.body[..])
        .take(8 << 20)
        .read_to_end(&mut start)
        .unwrap();
    assert_eq!(start.len(), 8 << 20);
}

#[test]
fn a_huge_body_is_right_but_for_its_size() {
    let server = server(Behaviour::Huge(3 << 20));
    let answer = get(&server);
    assert_eq!(answer.body.len(), 3 << 20);
    assert_eq!(answer.json(), jwks());
    assert_eq!(server.body_bytes_sent(), 3 << 20);
}

#[test]
fn an_endless_body_goes_on_until_the_client_leaves() {
    let server = server(Behaviour::EndlessBody);
    let mut stream = ask(&server, "/jwks.json", "");
    stream.read_exact(&mut vec![0; 8 << 20]).unwrap();
    assert_eq!(server.open_connections(), 1);
    drop(stream);
    wait_until(|| server.open_connections() == 0);
    let sent = server.body_bytes_sent();
    assert!(sent >= (8 << 20) - 1024, "{sent}");
}

#[test]
fn one_byte_arrives_per_second() {
    let server = server(Behaviour::OneBytePerSecond);
    let start = Instant::now();
    let mut stream = ask(&server, "/jwks.json", "");
    let mut seen = Vec::new();
    while !seen.ends_with(b"\r\n\r\n{\"") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        seen.push(byte[0]);
    }
    let took = start.elapsed();
    assert!((900..5000).contains(&took.as_millis()), "{took:?}");
}

#[test]
fn hangs_hang_before_and_after_the_headers() {
    let server = server(Behaviour::HangBeforeHeaders);
    let mut stream = ask(&server, "/jwks.json", "");
    stream
        .set_read_timeout(Some(Duration::from_millis(300)))
        .unwrap();
    assert!(server.wait_for_hits("/jwks.json", 1, Duration::from_secs(5)));
    let error = stream.read(&mut [0; 10]).unwrap_err();
    assert!(
        matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
        "{error}"
    );

    server.set_behaviour(Behaviour::HangAfterHeaders);
    let mut stream = ask(&server, "/jwks.json", "");
    stream
        .set_read_timeout(Some(Duration::from_millis(300)))
        .unwrap();
    let mut seen = Vec::new();
    let error = stream.read_to_end(&mut seen).unwrap_err();
    assert!(
        matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
        "{error}"
    );
    assert!(seen.starts_with(b"HTTP/1.1 200 OK\r\n") && seen.ends_with(b"\r\n\r\n"));
}

#[test]
fn a_hang_ends_when_its_client_leaves() {
    let server = server(Behaviour::HangBeforeHeaders);
    let stream = ask(&server, "/jwks.json", "");
    assert!(server.wait_for_hits("/jwks.json", 1, Duration::from_secs(5)));
    drop(stream);
    wait_until(|| server.open_connections() == 0);
}

#[test]
fn every_wait_ends_with_the_server() {
    for behaviour in [
        Behaviour::HangBeforeHeaders,
        Behaviour::HangAfterHeaders,
        Behaviour::EndlessHints,
        Behaviour::EndlessBody,
        Behaviour::OneBytePerSecond,
        Behaviour::huge(),
        Behaviour::ok().after(Duration::from_secs(3600)),
        Behaviour::ok().held(),
    ] {
        let name = format!("{behaviour:?}");
        let server = server(behaviour);
        let asked = ask(&server, "/jwks.json", "");
        let silent = TcpStream::connect(server.address()).unwrap();
        assert!(
            server.wait_for_hits("/jwks.json", 1, Duration::from_secs(5)),
            "{name}"
        );
        wait_until(|| server.open_connections() == 2);
        let shared = Arc::clone(&server.shared);
        let start = Instant::now();
        drop(server);
        assert!(
            start.elapsed() < Duration::from_secs(2),
            "{name}: {:?}",
            start.elapsed()
        );
        assert!(shared.lock().open.is_empty(), "{name}");
        read_until_the_end(asked);
        read_until_the_end(silent);
        // The acceptor has dropped its share; a connection's thread may be at its last line.
        wait_until(|| Arc::strong_count(&shared) == 1);
    }
}

#[test]
fn a_delayed_answer_comes_later() {
    let server = server(Behaviour::Status(503).after(Duration::from_millis(200)));
    let start = Instant::now();
    assert_eq!(get(&server).status, 503);
    assert!(start.elapsed() >= Duration::from_millis(200));
}

#[test]
fn held_answers_wait_for_their_release() {
    let server = server(Behaviour::ok().held());
    thread::scope(|scope| {
        let clients: Vec<_> = (0..3)
            .map(|_| scope.spawn(|| get(&server).status))
            .collect();
        assert!(server.wait_for_hits("/jwks.json", 3, Duration::from_secs(5)));
        assert!(clients.iter().all(|client| !client.is_finished()));
        server.release();
        for client in clients {
            assert_eq!(client.join().unwrap(), 200);
        }
    });
    // The release was for those that waited: the next one is held again.
    let mut stream = ask(&server, "/jwks.json", "");
    stream
        .set_read_timeout(Some(Duration::from_millis(200)))
        .unwrap();
    assert!(stream.read(&mut [0]).is_err());
}

#[test]
fn waiting_for_hits_gives_up() {
    let server = server(Behaviour::ok());
    assert!(!server.wait_for_hits("/jwks.json", 1, Duration::from_millis(20)));
}

#[test]
fn many_clients_are_served_at_once_and_no_more_than_the_cap() {
    let server = server(Behaviour::HangBeforeHeaders);
    let clients: Vec<_> = (0..JwksServer::MAX_CONNECTIONS)
        .map(|_| ask(&server, "/jwks.json", ""))
        .collect();
    let all = JwksServer::MAX_CONNECTIONS;
    assert!(server.wait_for_hits("/jwks.json", all, Duration::from_secs(10)));
    let one_more = TcpStream::connect(server.address()).unwrap();
    one_more
        .set_read_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    assert_eq!(read_until_the_end(one_more), b"");
    assert_eq!(server.open_connections(), all);
    drop(clients);
}

#[test]
fn nonsense_ends_the_connection_and_nothing_else() {
    let server = server(Behaviour::ok());
    for nonsense in [
        &b"\x16\x03\x01\r\n\r\n"[..],
        b"GET\r\n\r\n",
        b"GET / HTTP/1.1\r\nx\r\n\r\n",
    ] {
        let mut stream = TcpStream::connect(server.address()).unwrap();
        stream.write_all(nonsense).unwrap();
        assert_eq!(read_until_the_end(stream), b"");
    }
    assert_eq!(server.total_hits(), 0);
    assert_eq!(get(&server).status, 200);
}

#[test]
fn it_comes_back_at_the_same_address() {
    let server = server(Behaviour::ok());
    let address = server.address();
    get(&server);
    drop(server);
    assert!(TcpStream::connect(address).is_err());
    let again = JwksServer::start_at(address);
    assert_eq!(get(&again).status, 200);
    assert_eq!(again.address(), address);
}

#[test]
#[should_panic(expected = "loopback")]
fn it_refuses_other_addresses_than_loopback() {
    JwksServer::start_at(SocketAddr::from(([0, 0, 0, 0], 0)));
}

fn wait_until(condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(10), "waited too long");
        thread::sleep(Duration::from_millis(5));
    }
}
