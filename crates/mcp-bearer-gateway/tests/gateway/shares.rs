//! Peers and callers that want everything for themselves.

use std::time::Duration;

use crate::support::{Client, PING, Stage, post};

const FEW: &str = "[limits]\nper_peer = \"off\"\nconnections = 8\nconnections_per_peer = 2\n";

#[tokio::test]
async fn one_address_cannot_take_all_connections() {
    let stage = Stage::with("", FEW).await;
    let first = Client::connect(stage.address).await;
    let mut second = Client::connect(stage.address).await;
    second.write(post(&stage.bearer(), PING)).await;
    assert_eq!(second.answer().await.status, 200);
    for _ in 0..20 {
        // It is closed at once, and takes no place.
        let mut third = Client::connect(stage.address).await;
        third.write(post(&stage.bearer(), PING)).await;
        assert_eq!(third.answer().await.status, 0);
    }
    second.write(post(&stage.bearer(), PING)).await;
    assert_eq!(
        second.answer().await.status,
        200,
        "a connection that it has"
    );
    drop(first);
    let mut served = false;
    for _ in 0..100 {
        served = stage.send(post(&stage.bearer(), PING)).await.status == 200;
        if served {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(served, "a connection that ended makes place for the next");
}

#[tokio::test]
async fn a_proxy_may_have_all_connections() {
    let stage = Stage::with("trusted_proxies = [\"127.0.0.0/8\"]", FEW).await;
    let mut open = Vec::new();
    for _ in 0..6 {
        let mut client = Client::connect(stage.address).await;
        client.write(post(&stage.bearer(), PING)).await;
        assert_eq!(client.answer().await.status, 200);
        open.push(client);
    }
}

#[tokio::test]
async fn one_caller_cannot_take_all_requests() {
    let limits = "[limits]\nper_peer = \"off\"\nrequests = 3\nrequests_per_caller = 2\n";
    let stage = Stage::with("", limits).await;
    let slow = post(&format!("{}X-Test: slow\r\n", stage.bearer()), PING);
    let mut running = Vec::new();
    for _ in 0..2 {
        let mut client = Client::connect(stage.address).await;
        client.write(&slow).await;
        running.push(client);
    }
    while stage.server.seen().len() < 2 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let third = stage.send(post(&stage.bearer(), PING)).await;
    assert_eq!(third.status, 429, "{third:?}");
    assert_eq!(third.field("retry-after"), Some("1"));
    let other = stage.send(post(&stage.bearer_of("bob"), PING)).await;
    assert_eq!(other.status, 200, "another caller has a place: {other:?}");
    for client in &mut running {
        assert_eq!(client.answer().await.status, 200);
    }
    stage.still_serves().await;
    assert_eq!(
        stage.server.seen().len(),
        4,
        "the third one reached no server"
    );
}
