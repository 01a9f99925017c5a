//! Servers that hang, die, answer too much, or not what was asked.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::server::HUGE;
use crate::support::{Client, PING, Stage, post};

#[tokio::test]
async fn a_server_that_dies_ends_the_answer_and_nothing_else() {
    let stage = Stage::new().await;
    let fields = format!("{}X-Test: die\r\n", stage.bearer());
    let answer = stage.send(post(&fields, PING)).await;
    assert_eq!(answer.status, 200);
    assert!(answer.body.len() < 1000, "the client sees that it is cut");
    stage.still_serves().await;
}

#[tokio::test]
async fn a_server_that_cannot_be_reached_is_502() {
    let stage = Stage::new().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let mut config = stage.config("", "");
    config.settings.upstream = format!("http://{address}/srv").parse().unwrap();
    stage.reloader.reload(config).await.unwrap();
    let answer = stage.send(post(&stage.bearer(), PING)).await;
    assert_eq!(answer.status, 502);
    assert_eq!(answer.field("retry-after"), Some("1"));
    assert!(
        !answer.body.contains(&address.to_string()),
        "{}",
        answer.body
    );
    stage.reloader.reload(stage.config("", "")).await.unwrap();
    stage.still_serves().await;
}

/// It is given up after 10 minutes, which pass at once here.
#[tokio::test]
async fn a_server_that_hangs_delays_nobody_and_is_given_up() {
    let stage = Stage::new().await;
    let fields = format!("{}X-Test: hang\r\nConnection: close\r\n", stage.bearer());
    let mut hanging = tokio::net::TcpStream::connect(stage.address).await.unwrap();
    let request = post(&fields, PING);
    hanging.write_all(request.as_bytes()).await.unwrap();
    while stage.server.seen().is_empty() {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    stage.still_serves().await;
    tokio::time::pause();
    let began = tokio::time::Instant::now();
    let mut answer = String::new();
    hanging.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 504 "), "{answer}");
    assert!(answer.contains("\"jsonrpc\""), "{answer}");
    assert!(began.elapsed() < std::time::Duration::from_secs(601));
    tokio::time::resume();
    stage.server.left(1).await;
    stage.still_serves().await;
}

/// uvicorn closes its connections after 5 s: a POST could meet one that is being closed.
#[tokio::test]
async fn an_idle_connection_to_the_server_is_used_for_less_than_five_seconds() {
    let stage = Stage::new().await;
    let mut used = Vec::new();
    for wait in [0, 0, 4_500] {
        tokio::time::sleep(std::time::Duration::from_millis(wait)).await;
        stage.still_serves().await;
        used.push(stage.server.last().connection);
    }
    assert_eq!(used[0], used[1], "it is used again at once");
    assert_ne!(used[1], used[2]);
}

#[tokio::test]
async fn a_connection_with_too_many_bytes_is_not_used_again() {
    let stage = Stage::new().await;
    for how in ["surplus", "101", "die"] {
        let fields = format!("{}X-Test: {how}\r\n", stage.bearer());
        let mut client = Client::connect(stage.address).await;
        client.write(post(&fields, PING)).await;
        let first = client.answer().await;
        assert!(!first.body.contains("surplus"), "{first:?}");
        let used = stage.server.last().connection;
        let answer = stage.send(post(&stage.bearer(), PING)).await;
        assert_eq!(answer.body, "{\"subject\":\"alice\"}", "{how}");
        assert_ne!(stage.server.last().connection, used, "{how}");
    }
}

/// A request that is not whole could be answered early, and its rest begin the next request of
/// somebody else.
#[tokio::test]
async fn a_request_that_is_not_whole_reaches_no_server() {
    let stage = Stage::new().await;
    let mut client = Client::connect(stage.address).await;
    let head = format!(
        "POST /mcp HTTP/1.1\r\nHost: mcp.example.com\r\nContent-Type: application/json\r\n{}Content-Length: 100000\r\n\r\n{{",
        stage.bearer()
    );
    client.write(head).await;
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    assert_eq!(stage.server.seen().len(), 0);
    client
        .write("GET /srv HTTP/1.1\r\nHost: x\r\nX-Auth-Subject: root\r\n\r\n")
        .await;
    let answer = client.answer().await;
    assert_eq!(answer.status, 408, "{answer:?}");
    assert!(client.is_closed().await);
    assert_eq!(stage.server.seen().len(), 0);
    stage.still_serves().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_of_a_gigabyte_passes_in_bounded_memory() {
    let stage = Stage::new().await;
    let fields = format!("{}X-Test: huge\r\n", stage.bearer());
    let mut stream = tokio::net::TcpStream::connect(stage.address).await.unwrap();
    stream
        .write_all(post(&fields, PING).as_bytes())
        .await
        .unwrap();
    // A client that reads nothing for a while must not fill the gateway.
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    let before = memory();
    let (mut read, mut most, mut buffer) = (0, 0, vec![0; 1_000_000]);
    while read < HUGE {
        match stream.read(&mut buffer).await.unwrap() {
            0 => break,
            length => read += length,
        }
        if read % 100 < 10 {
            most = most.max(memory());
        }
    }
    assert!(read >= HUGE, "{read}");
    assert!(most.saturating_sub(before) < 64_000_000, "{before} {most}");
}

/// What this process occupies, in bytes.
fn memory() -> usize {
    let Ok(text) = std::fs::read_to_string("/proc/self/statm") else {
        return 0;
    };
    let pages: usize = text.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}
