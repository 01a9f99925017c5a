//! Streams: how long they live, and who gets what.

use std::time::{Duration, Instant};

use crate::support::{Client, PING, Stage, post};

fn get(fields: &str) -> String {
    format!(
        "GET /mcp HTTP/1.1\r\nHost: mcp.example.com\r\nAccept: text/event-stream\r\n{fields}\r\n"
    )
}

async fn open(stage: &Stage, request: String) -> Client {
    let mut client = Client::connect(stage.address).await;
    client.write(request).await;
    assert!(
        client.until("}\n\n\r\n").await,
        "the first event is not held back"
    );
    client
}

/// How long it takes until the stream ends.
async fn end(mut client: Client) -> Duration {
    let started = Instant::now();
    client.until("0\r\n\r\n").await;
    started.elapsed()
}

#[tokio::test]
async fn a_stream_ends_with_its_token_and_a_call_does_not() {
    let stage = Stage::with("", "leeway = \"0s\"\n").await;
    let token = stage.token().expires_in_seconds(2).sign().unwrap();
    let fields = format!("Authorization: Bearer {token}\r\nX-Test: events\r\n");
    let stream = open(&stage, get(&fields)).await;
    let mut call = open(&stage, post(&fields, PING)).await;
    assert!(end(stream).await < Duration::from_secs(10));
    let more = tokio::time::timeout(Duration::from_secs(2), call.is_closed()).await;
    assert!(more.is_err(), "the call runs on");
    drop(call);
    stage.server.left(2).await;
}

#[tokio::test]
async fn a_stream_ends_when_its_key_is_withdrawn() {
    let stage = Stage::new().await;
    let fields = format!("{}X-Test: events\r\n", stage.bearer());
    let stream = open(&stage, get(&fields)).await;
    stage.issuer.rotate().unwrap();
    // A token of the new key makes the gateway ask.
    stage.still_serves().await;
    assert!(end(stream).await < Duration::from_secs(10));
}

#[tokio::test]
async fn a_stream_ends_when_a_reload_removes_its_right() {
    let stage = Stage::new().await;
    let fields = format!("{}X-Test: events\r\n", stage.bearer());
    let stream = open(&stage, get(&fields)).await;
    let same = stage.config("", "");
    stage.reloader.reload(same).await.unwrap();
    let other = stage.config("", "required_scopes = [\"mcp:read\"]\n");
    stage.reloader.reload(other).await.unwrap();
    assert!(end(stream).await < Duration::from_secs(3));
}

#[tokio::test]
async fn a_client_that_leaves_cancels_the_request() {
    let stage = Stage::new().await;
    for (count, how) in [(1, "events"), (2, "hang")] {
        let fields = format!("{}X-Test: {how}\r\n", stage.bearer());
        let mut client = Client::connect(stage.address).await;
        client.write(post(&fields, PING)).await;
        if how == "events" {
            assert!(client.until("data: ").await);
        } else {
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        drop(client);
        stage.server.left(count).await;
    }
    stage.still_serves().await;
}

#[tokio::test]
async fn one_caller_cannot_take_all_streams() {
    let limits = "[limits]\nper_peer = \"off\"\nstreams = 3\nstreams_per_caller = 2\n";
    let stage = Stage::with("", limits).await;
    let stream = |subject: &str| get(&format!("{}X-Test: events\r\n", stage.bearer_of(subject)));
    let one = open(&stage, stream("alice")).await;
    let _two = open(&stage, stream("alice")).await;
    assert_eq!(stage.send(stream("alice")).await.status, 429);
    let _three = open(&stage, stream("bob")).await;
    assert_eq!(stage.send(stream("carol")).await.status, 503);
    stage.still_serves().await;
    drop(one);
    stage.server.left(1).await;
    let _four = open(&stage, stream("carol")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_byte_of_one_caller_reaches_another() {
    let stage = std::sync::Arc::new(Stage::new().await);
    let callers = ["alice", "bob"].map(|subject| {
        let (stage, request) = (stage.clone(), post(&stage.bearer_of(subject), PING));
        tokio::spawn(async move {
            let mut client = Client::connect(stage.address).await;
            for turn in 0..500 {
                client.write(&request).await;
                if turn % 50 == 49 {
                    // Its answer must not become the next request's.
                    client = Client::connect(stage.address).await;
                    continue;
                }
                let answer = client.answer().await;
                assert_eq!(answer.body, format!("{{\"subject\":{subject:?}}}"));
            }
        })
    });
    for caller in callers {
        caller.await.unwrap();
    }
    let seen = stage.server.seen();
    let connections: std::collections::BTreeSet<_> =
        seen.iter().map(|seen| seen.connection).collect();
    assert!(
        connections.len() < seen.len() / 4,
        "connections are shared: {}",
        connections.len()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_connections_leave_room_for_one_more() {
    let limits = "[limits]\nper_peer = \"off\"\nconnections = 5000\nconnections_per_peer = 5000\n";
    let stage = Stage::with("", limits).await;
    let mut idle = Vec::new();
    // Both ends are in this process, whose descriptors may not suffice for more.
    for _ in 0..7000 {
        match tokio::time::timeout(Duration::from_secs(2), Client::connect(stage.address)).await {
            Ok(client) => idle.push(client),
            Err(_) => break,
        }
    }
    assert!(idle.len() >= 5000, "{}", idle.len());
    // Those that say nothing are closed, and make place.
    stage.still_serves().await;
    drop(idle);
    stage.still_serves().await;
}
